/* Workloads gcbench, quads and churn: the published counts, what their options do, and their live sizes. */
#include "check.h"
#include "heap_census.h"
#include "workload_run.h"

#include <stdio.h>
#include <string.h>

enum { NODE_BLOCK_BYTES = 48, QUAD_BLOCK_BYTES = 64 };

/* ---- gcbench ---- */

static uint64_t binary_size(unsigned depth)
{
    return (UINT64_C(1) << (depth + 1)) - 1;
}

/* Of a pass: stretch tree, long-lived tree, array, and as the published NumIters says, twice over for the two directions. */
static uint64_t published_allocations(unsigned stretch, unsigned long_lived, unsigned min, unsigned max)
{
    uint64_t count = binary_size(stretch) + binary_size(long_lived) + 1;
    for (unsigned depth = min; depth <= max; depth += 2)
        count += 2 * (2 * binary_size(stretch) / binary_size(depth)) * binary_size(depth);
    return count;
}

static void test_gcbench_allocates_what_the_published_program_does(void **state)
{
    (void)state;
    struct workload_run run =
        workload_run_of(SM_SAPI_CLI, "refcount", "stretch=10,long-lived=8,array=50,min=4,max=10", 2 + 2 * 4);
    struct workload_outcome outcome = workload_run(workload_find("gcbench"), &run);
    uint64_t allocations = published_allocations(10, 8, 4, 10);
    assert_int_equal(outcome.step_alloc_count, allocations);
    assert_int_equal(outcome.step_alloc_bytes, (allocations - 1) * 24 + 50 * sizeof(double));
    assert_int_equal(outcome.retained_objects, 0);
    run.steps *= 3;
    assert_int_equal(workload_run(workload_find("gcbench"), &run).step_alloc_count, 3 * allocations);
}

static void test_gcbench_by_default_is_the_published_program(void **state)
{
    (void)state;
    const struct wl_ops *ops = workload_find("gcbench");
    struct sm_option_values values;
    assert_int_equal(sm_options_parse(ops->name, ops->options, ops->option_count, "", &values, NULL), SM_OK);
    static const struct {
        const char *key;
        uint64_t value;
    } published[] = {{"stretch", 18}, {"long-lived", 16}, {"array", 500000}, {"min", 4}, {"max", 16}};
    for (size_t i = 0; i < sizeof(published) / sizeof(published[0]); i++)
        assert_int_equal(sm_option_count(&values, published[i].key), published[i].value);
    assert_int_equal(published_allocations(18, 16, 4, 16), 15333863);
}

static void test_gcbench_refuses_depths_out_of_order(void **state)
{
    (void)state;
    static const char *const options[] = {"min=6,max=4", "stretch=4,max=6"};
    for (size_t i = 0; i < 2; i++) {
        struct workload_run run = {.options = options[i]};
        struct sm_error error = workload_refusal(workload_find("gcbench"), &run);
        assert_int_equal(error.status, SM_ERR_INVALID_ARGUMENT);
        assert_non_null(strstr(error.detail, "gcbench"));
    }
}

/* ---- Live sizes ---- */

static uint64_t reachable_block_bytes(const char *name, const char *options, uint64_t steps)
{
    struct workload_run run = workload_run_of(SM_SAPI_CLI, "null", options, steps);
    struct wl_instance *instance = workload_create(workload_find(name), &run);
    workload_steps(instance, steps);
    struct heap_census census;
    heap_census_take(instance->mm, &census);
    instance->ops->destroy(instance);
    return census.reachable_block_bytes;
}

static void test_what_lives_on_has_the_analytic_size(void **state)
{
    (void)state;
    static const char *const options[][2] = {{"quads", "depth=1"},      {"quads", "depth=5"},
                                             {"churn", "objects=2"},    {"churn", "objects=128,payload=100"},
                                             {"churn", "objects=1000"}, {"churn", "objects=1k,payload=4K"},
                                             {"quads", "objects=5"},    {"quads", "objects=1000,linked=1,shuffled=1"},
                                             {"quads", "objects=85"},   {"churn", "objects=1k,linked=1,shuffled=1"}};
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        uint64_t analytic = workload_analytic_live_bytes(workload_find(options[i][0]), options[i][1]);
        assert_int_equal(reachable_block_bytes(options[i][0], options[i][1], 0), analytic);
        assert_int_equal(reachable_block_bytes(options[i][0], options[i][1], 2), analytic);
    }
}

/* The stretch tree is the most that lives, or what lives on and the largest tree beside it. */
static void test_gcbench_has_the_analytic_size_at_its_peak(void **state)
{
    (void)state;
    const struct wl_ops *ops = workload_find("gcbench");
    assert_int_equal(workload_analytic_live_bytes(ops, "stretch=10,long-lived=6,array=8,min=2,max=4"),
                     binary_size(10) * NODE_BLOCK_BYTES);
    static const char beside[] = "stretch=8,long-lived=9,array=3000,min=2,max=8";
    uint64_t lives_on = reachable_block_bytes("gcbench", beside, 2);
    assert_int_equal(lives_on, binary_size(9) * NODE_BLOCK_BYTES + sm_block_bytes(3000 * sizeof(double)));
    assert_int_equal(workload_analytic_live_bytes(ops, beside), lives_on + binary_size(8) * NODE_BLOCK_BYTES);
}

/* Another layout and other edges are other work; what there is and what dies is the same. Two steps do not replace all. */
static void test_linked_and_shuffled_graphs_are_as_large_and_not_the_same(void **state)
{
    (void)state;
    static const char *const bases[][2] = {{"quads", "objects=1000,share=0.2"}, {"churn", "objects=20k"}};
    static const char *const added[] = {"", ",linked=1", ",shuffled=1", ",linked=1,shuffled=1"};
    enum { VARIANTS = sizeof(added) / sizeof(added[0]) };
    for (size_t i = 0; i < 2; i++) {
        struct workload_outcome outcomes[VARIANTS];
        for (size_t j = 0; j < VARIANTS; j++) {
            char options[80];
            snprintf(options, sizeof(options), "%s%s", bases[i][1], added[j]);
            struct workload_run run = workload_run_of(SM_SAPI_CLI, "refcount", options, 2);
            outcomes[j] = workload_run(workload_find(bases[i][0]), &run);
            assert_int_equal(outcomes[j].step_alloc_count, outcomes[0].step_alloc_count);
            assert_int_equal(outcomes[j].retained_objects, outcomes[0].retained_objects);
            assert_int_equal(outcomes[j].leaked_objects, 0);
            for (size_t k = 0; k < j; k++)
                assert_int_not_equal(outcomes[j].checksum, outcomes[k].checksum);
        }
    }
}

/* Faults are planted in the root's four children. */
static void test_quads_refuses_a_tree_without_four_children(void **state)
{
    (void)state;
    struct workload_run run = {.options = "objects=4"};
    struct sm_error error = workload_refusal(workload_find("quads"), &run);
    assert_int_equal(error.status, SM_ERR_INVALID_ARGUMENT);
    assert_non_null(strstr(error.detail, "objects"));
}

static void test_quads_by_number_are_those_by_depth(void **state)
{
    (void)state;
    struct workload_run by_depth = workload_run_of(SM_SAPI_CLI, "null", "depth=4", 3);
    struct workload_run by_number = workload_run_of(SM_SAPI_CLI, "null", "objects=341", 3);
    uint64_t expected = workload_checksum(workload_find("quads"), by_depth);
    assert_int_equal(workload_checksum(workload_find("quads"), by_number), expected);
}

static void test_a_round_of_quads_allocates_its_share(void **state)
{
    (void)state;
    enum { ROUNDS = 4 };
    struct workload_run run = workload_run_of(SM_SAPI_CLI, "refcount", "depth=7,heap=3,share=0.13", ROUNDS);
    struct workload_outcome outcome = workload_run(workload_find("quads"), &run);
    uint64_t heap_bytes = 3 * workload_analytic_live_bytes(workload_find("quads"), "depth=7");
    double share = (double)(outcome.step_alloc_count * QUAD_BLOCK_BYTES) / ROUNDS / (double)heap_bytes;
    assert_true(share > 0.128 && share <= 0.13);
    assert_int_equal(outcome.step_alloc_count % (ROUNDS * 85), 0);
}

/* ---- Memory that is refused ---- */

static void test_a_tree_too_large_for_the_heap_ends_in_an_error(void **state)
{
    (void)state;
    struct workload_run run = workload_run_of(SM_SAPI_CLI, "refcount", "stretch=16,array=8", 1);
    run.manager.memory_limit_bytes = 2 << 20;
    struct wl_instance *instance = workload_create(workload_find("gcbench"), &run);
    workload_assert_out_of_memory(instance, instance->ops->step(instance));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gcbench_allocates_what_the_published_program_does),
        cmocka_unit_test(test_gcbench_by_default_is_the_published_program),
        cmocka_unit_test(test_gcbench_refuses_depths_out_of_order),
        cmocka_unit_test(test_what_lives_on_has_the_analytic_size),
        cmocka_unit_test(test_gcbench_has_the_analytic_size_at_its_peak),
        cmocka_unit_test(test_linked_and_shuffled_graphs_are_as_large_and_not_the_same),
        cmocka_unit_test(test_quads_refuses_a_tree_without_four_children),
        cmocka_unit_test(test_quads_by_number_are_those_by_depth),
        cmocka_unit_test(test_a_round_of_quads_allocates_its_share),
        cmocka_unit_test(test_a_tree_too_large_for_the_heap_ends_in_an_error),
    };
    return cmocka_run_group_tests_name("graph_workloads", tests, NULL, NULL);
}
