/* Workloads linked, stack, arrays and cli-dtor: as large as they say, and what each of them is about. */
#include "check.h"
#include "heap_census.h"
#include "workload_run.h"

#include "../../workloads/block_bytes.h"
#include "../../workloads/vm_session.h"

/* The rate to which cli-queue's is anchored; of arrays most writes allocate nothing. */
static void test_mutator_work_runs_at_the_anchored_density(void **state)
{
    (void)state;
    static const char *const options[][2] = {
        {"linked", "objects=40"}, {"stack", "depth=1000,garbage=1000"}, {"cli-dtor", "objects=1000"}};
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        struct workload_run run = workload_run_of(SM_SAPI_CLI, "null", options[i][1], 3);
        double density = workload_opcodes_per_alloc(workload_find(options[i][0]), &run);
        assert_true(density >= 4 && density <= 6);
    }
}

/* ---- Live sizes ---- */

static uint64_t reachable_after_a_step(const char *name, const struct workload_run *run)
{
    struct wl_instance *instance = workload_create(workload_find(name), run);
    workload_steps(instance, 1);
    struct heap_census census;
    heap_census_take(instance->mm, &census);
    instance->ops->destroy(instance);
    return census.reachable_block_bytes;
}

static void test_what_lives_on_has_the_analytic_size(void **state)
{
    (void)state;
    /* The growing array lacks one element when the step ends. */
    static const char *const options[][2] = {{"linked", "objects=5000"},
                                             {"linked", "objects=9k,linked=0,touch=1"},
                                             {"arrays", "elements=8192,growth=8191"},
                                             {"arrays", "arrays=1,boxed=1,elements=4000,growth=3999"},
                                             {"cli-external", "resident=9000,records=5,bytes=4K"}};
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        struct workload_run run = workload_run_of(SM_SAPI_CLI, "null", options[i][1], 1);
        workload_assert_analytic_size(workload_find(options[i][0]), options[i][1],
                                      reachable_after_a_step(options[i][0], &run));
    }
}

/* Inside a step nobody can look, but a leak keeps all that lived there: in an array, as a batch that is not a list has. */
static void test_what_lives_inside_a_step_has_the_analytic_size(void **state)
{
    (void)state;
    static const struct {
        const char *name, *options;
        uint64_t kept;
    } kept[] = {{"stack", "depth=5000,garbage=1000", 5000},
                {"stack", "depth=9000,locals=2,garbage=1", 9000},
                {"cli-dtor", "objects=8000", 0},
                {"cli-dtor", "objects=8000,listed=1", 8000},
                {"cli-dtor", "objects=8000,cyclic=0.5,world=3000", 0}};
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        struct workload_run run = workload_run_of(SM_SAPI_CLI, "null", kept[i].options, 1);
        run.fault = WL_FAULT_LEAK;
        run.fault_period = 1;
        uint64_t array_bytes = kept[i].kept != 0 ? block_bytes_packed(kept[i].kept) : 0;
        workload_assert_analytic_size(workload_find(kept[i].name), kept[i].options,
                                      reachable_after_a_step(kept[i].name, &run) - array_bytes);
    }
}

/* ---- What each of them is about ---- */

static uint64_t edges_into_the_world(const char *options)
{
    struct workload_run run = workload_run_of(SM_SAPI_CLI, "null", options, 3);
    struct wl_instance *instance = workload_create(workload_find("linked"), &run);
    workload_steps(instance, run.steps);
    struct heap_census census;
    heap_census_take(instance->mm, &census);
    instance->ops->destroy(instance);
    return census.dead_to_living_edges;
}

static void test_each_graph_of_linked_points_into_the_world_once(void **state)
{
    (void)state;
    assert_int_equal(edges_into_the_world("objects=10,graphs=7,linked=0") + UINT64_C(3) * 7,
                     edges_into_the_world("objects=10,graphs=7"));
}

/* What PHP does on this shape: each run frees enough for the threshold to stay, and tries all that lives. */
static void test_trial_deletion_looks_at_the_world_when_garbage_refers_to_it(void **state)
{
    (void)state;
    enum { OBJECTS = 20000, GRAPHS = 3000 };
    static const char *const options[] = {"objects=20000,graphs=3000,linked=0", "objects=20000,graphs=3000"};
    uint64_t traced[2];
    for (size_t i = 0; i < 2; i++) {
        struct workload_run run = workload_run_of(SM_SAPI_CLI, "refcount", options[i], 1);
        struct wl_instance *instance = workload_create(workload_find("linked"), &run);
        workload_steps(instance, 1);
        struct sm_stats stats;
        sm_stats_get(instance->mm, &stats);
        assert_true(stats.cycles >= 2);
        traced[i] = stats.traced_objects;
        instance->ops->destroy(instance);
    }
    assert_true(traced[1] > traced[0] + OBJECTS);
}

static void test_destructors_run_once_each(void **state)
{
    (void)state;
    static const char *const options[] = {"objects=500", "objects=500,listed=1"};
    static const char *const policies[] = {"epoch:reclaim=inline", "refcount", "marksweep"};
    for (size_t i = 0; i < 2; i++)
        for (size_t j = 0; j < 3; j++) {
            struct workload_run run = workload_run_of(SM_SAPI_CLI, policies[j], options[i], 6);
            struct workload_outcome outcome = workload_run(workload_find("cli-dtor"), &run);
            assert_int_equal(outcome.stats.destructors_run, 6 * 500);
            assert_int_equal(outcome.leaked_objects, 0);
        }
}

/* Counts must neither recurse when a long list dies, nor when a deep stack of objects that refer to each other does. */
static void test_long_lists_and_deep_stacks_die_without_recursion(void **state)
{
    (void)state;
    static const char *const options[][2] = {{"cli-dtor", "objects=200k,listed=1"},
                                             {"stack", "depth=200k,locals=2,garbage=10"}};
    static const char *const policies[] = {"refcount", "epoch:reclaim=inline", "marksweep"};
    for (size_t i = 0; i < 2; i++)
        for (size_t j = 0; j < 3; j++) {
            struct workload_run run = workload_run_of(SM_SAPI_CLI, policies[j], options[i][1], 1);
            assert_int_equal(workload_run(workload_find(options[i][0]), &run).leaked_objects, 0);
        }
}

/* ---- Memory that is refused ---- */

static void test_a_step_too_large_for_the_heap_ends_in_an_error(void **state)
{
    (void)state;
    static const char *const large[][2] = {{"linked", "objects=40,graphs=1m"},
                                           {"stack", "depth=1000k,locals=2"},
                                           {"stack", "depth=1000k,locals=1000"},
                                           {"arrays", "elements=1000,growth=900,writes=1m"},
                                           {"cli-dtor", "objects=1m"}};
    for (size_t i = 0; i < sizeof(large) / sizeof(large[0]); i++) {
        struct workload_run run = workload_run_of(SM_SAPI_CLI, "null", large[i][1], 0);
        run.manager.memory_limit_bytes = 8 << 20;
        struct wl_instance *instance = workload_create(workload_find(large[i][0]), &run);
        workload_assert_out_of_memory(instance, instance->ops->step(instance));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mutator_work_runs_at_the_anchored_density),
        cmocka_unit_test(test_what_lives_on_has_the_analytic_size),
        cmocka_unit_test(test_what_lives_inside_a_step_has_the_analytic_size),
        cmocka_unit_test(test_each_graph_of_linked_points_into_the_world_once),
        cmocka_unit_test(test_trial_deletion_looks_at_the_world_when_garbage_refers_to_it),
        cmocka_unit_test(test_destructors_run_once_each),
        cmocka_unit_test(test_long_lists_and_deep_stacks_die_without_recursion),
        cmocka_unit_test(test_a_step_too_large_for_the_heap_ends_in_an_error),
    };
    return cmocka_run_group_tests_name("vm_workloads", tests, NULL, NULL);
}
