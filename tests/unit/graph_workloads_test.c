/* Workloads gcbench, quads and churn: the published counts, the same under every policy, and their faults show. */
#include "check.h"
#include "heap_census.h"
#include "workload_run.h"

#include "sapimem/policy.h"

#include <string.h>

/* Small enough for a cycle at every safepoint, and with enough of those. */
static const struct graph_case {
    const char *name, *options, *other_options;
    uint64_t steps;
} cases[] = {
    {"gcbench", "stretch=8,long-lived=5,array=100,min=2,max=8", "stretch=8,long-lived=5,array=101,min=2,max=8", 15},
    {"quads", "depth=4,heap=10,share=1", "depth=5,heap=10,share=1", 10},
    {"churn", "objects=500", "objects=501", 10},
};
enum { CASES = sizeof(cases) / sizeof(cases[0]) };

enum { NODE_BLOCK_BYTES = 48, QUAD_BLOCK_BYTES = 64 };

static struct workload_run on(const struct graph_case *graph, const char *policy)
{
    return workload_run_of(SM_SAPI_CLI, policy, graph->options, graph->steps);
}

static uint64_t checksum_of(const struct graph_case *graph, struct workload_run run)
{
    return workload_checksum(workload_find(graph->name), run);
}

static uint64_t reference_checksum(const struct graph_case *graph)
{
    return checksum_of(graph, on(graph, "null"));
}

static bool is_available(const char *policy)
{
    const struct sm_policy_ops *ops = sm_policy_find(policy);
    return ops != NULL && ops->unavailable == NULL;
}

static void test_every_policy_gives_the_same_checksum(void **state)
{
    (void)state;
    static const char *const policies[] = {"arena", "refcount", "marksweep", "boehm", "malloc", "epoch"};
    for (size_t i = 0; i < CASES; i++) {
        uint64_t expected = reference_checksum(&cases[i]);
        for (size_t j = 0; j < sizeof(policies) / sizeof(policies[0]); j++) {
            if (!is_available(policies[j]))
                continue;
            struct workload_run run = on(&cases[i], policies[j]);
            assert_int_equal(checksum_of(&cases[i], run), expected);
            run.manager.sapi = SM_SAPI_FPM;
            assert_int_equal(checksum_of(&cases[i], run), expected);
        }
    }
}

/* Finds whatever was not rooted across a safepoint. */
static void test_a_cycle_at_every_safepoint_changes_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++)
        workload_assert_cycles_change_nothing(workload_find(cases[i].name), on(&cases[i], "epoch:reclaim=inline"),
                                              reference_checksum(&cases[i]));
}

/* Finds what is old, held by a C local alone and used across an allocation. */
static void test_emergencies_at_allocations_change_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++) {
        struct workload_run run = on(&cases[i], "epoch:reclaim=inline");
        run.manager.collect_every_alloc = true;
        assert_int_equal(checksum_of(&cases[i], run), reference_checksum(&cases[i]));
    }
}

static void test_counts_free_everything_that_dies(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++) {
        struct workload_run run = on(&cases[i], "refcount");
        run.manager.pacing = "never";
        struct workload_outcome outcome = workload_run(workload_find(cases[i].name), &run);
        assert_int_equal(outcome.leaked_objects, 0);
        assert_int_equal(outcome.stats.roots, 0);
        assert_int_equal(outcome.stats.live_objects, outcome.retained_objects);
    }
}

static void test_seed_and_options_change_the_checksum(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++) {
        uint64_t expected = reference_checksum(&cases[i]);
        assert_int_equal(reference_checksum(&cases[i]), expected);
        struct workload_run run = on(&cases[i], "null");
        run.seed = 8;
        assert_int_not_equal(checksum_of(&cases[i], run), expected);
        run = on(&cases[i], "null");
        run.options = cases[i].other_options;
        assert_int_not_equal(checksum_of(&cases[i], run), expected);
        run = on(&cases[i], "null");
        run.steps--;
        assert_int_not_equal(checksum_of(&cases[i], run), expected);
    }
}

static void test_flipped_bytes_and_edges_change_the_checksum(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++)
        for (uint64_t period = 1; period <= 4; period++)
            workload_assert_flips_show(workload_find(cases[i].name), on(&cases[i], "refcount"), period,
                                       reference_checksum(&cases[i]));
}

static void assert_leak_is_retained(const struct graph_case *graph, const char *policy)
{
    const struct wl_ops *ops = workload_find(graph->name);
    struct workload_run run = on(graph, policy);
    struct workload_outcome clean = workload_run(ops, &run);
    run.fault = WL_FAULT_LEAK;
    run.fault_period = 3;
    struct workload_outcome leaky = workload_run(ops, &run);
    assert_int_equal(clean.leaked_objects, 0);
    assert_int_equal(leaky.leaked_objects, 0);
    assert_true(leaky.retained_objects > clean.retained_objects + 100);
}

static void test_a_leak_is_retained_and_grows(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++) {
        assert_leak_is_retained(&cases[i], "epoch:reclaim=inline");
        assert_leak_is_retained(&cases[i], "refcount");
    }
}

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
                                             {"churn", "objects=1000"}, {"churn", "objects=1k,payload=4K"}};
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

static void test_out_of_memory_fails_the_step_and_destroys_cleanly(void **state)
{
    (void)state;
    static const char *const policies[] = {"null", "refcount", "epoch:reclaim=inline"};
    for (size_t i = 0; i < CASES; i++)
        for (size_t j = 0; j < sizeof(policies) / sizeof(policies[0]); j++) {
            struct workload_run run = on(&cases[i], policies[j]);
            run.manager.memory_limit_bytes = 8 << 20;
            /* What is kept for ever fills any heap, under any policy. */
            run.fault = WL_FAULT_LEAK;
            run.fault_period = 1;
            struct wl_instance *instance = workload_create(workload_find(cases[i].name), &run);
            enum wl_step result = WL_STEP_MORE;
            for (int step = 0; step < 2000 && result == WL_STEP_MORE; step++)
                result = instance->ops->step(instance);
            workload_assert_out_of_memory(instance, result);
        }
}

static void test_a_tree_too_large_for_the_heap_ends_in_an_error(void **state)
{
    (void)state;
    struct workload_run run = workload_run_of(SM_SAPI_CLI, "refcount", "stretch=16,array=8", 1);
    run.manager.memory_limit_bytes = 2 << 20;
    struct wl_instance *instance = workload_create(workload_find("gcbench"), &run);
    workload_assert_out_of_memory(instance, instance->ops->step(instance));
}

static void test_out_of_memory_at_creation_is_reported(void **state)
{
    (void)state;
    static const char *const refused[][2] = {{"quads", "depth=9"}, {"churn", "objects=200k"}};
    for (size_t i = 0; i < 2; i++) {
        struct workload_run run = workload_run_of(SM_SAPI_CLI, "epoch", refused[i][1], 0);
        run.manager.memory_limit_bytes = 4 << 20;
        assert_int_equal(workload_refusal(workload_find(refused[i][0]), &run).status, SM_ERR_OUT_OF_MEMORY);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_policy_gives_the_same_checksum),
        cmocka_unit_test(test_a_cycle_at_every_safepoint_changes_nothing),
        cmocka_unit_test(test_emergencies_at_allocations_change_nothing),
        cmocka_unit_test(test_counts_free_everything_that_dies),
        cmocka_unit_test(test_seed_and_options_change_the_checksum),
        cmocka_unit_test(test_flipped_bytes_and_edges_change_the_checksum),
        cmocka_unit_test(test_a_leak_is_retained_and_grows),
        cmocka_unit_test(test_gcbench_allocates_what_the_published_program_does),
        cmocka_unit_test(test_gcbench_by_default_is_the_published_program),
        cmocka_unit_test(test_gcbench_refuses_depths_out_of_order),
        cmocka_unit_test(test_what_lives_on_has_the_analytic_size),
        cmocka_unit_test(test_gcbench_has_the_analytic_size_at_its_peak),
        cmocka_unit_test(test_a_round_of_quads_allocates_its_share),
        cmocka_unit_test(test_out_of_memory_fails_the_step_and_destroys_cleanly),
        cmocka_unit_test(test_a_tree_too_large_for_the_heap_ends_in_an_error),
        cmocka_unit_test(test_out_of_memory_at_creation_is_reported),
    };
    return cmocka_run_group_tests_name("graph_workloads", tests, NULL, NULL);
}
