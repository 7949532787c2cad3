/* Workload cli-batch: one run-loop iteration for all steps, and faithful to its measured row. */
#include "check.h"
#include "heap_census.h"
#include "workload_run.h"

#include "../../workloads/batch.h"

#define SMALL "entities=100"

static const struct wl_ops *batch_ops(void)
{
    return workload_find("cli-batch");
}

static struct workload_run on(const char *policy, const char *options, uint64_t steps)
{
    return workload_run_of(SM_SAPI_CLI, policy, options, steps);
}

static void test_R4_all_steps_are_inside_one_guard(void **state)
{
    (void)state;
    struct workload_run run = on("epoch:reclaim=inline", SMALL, 0);
    struct wl_instance *instance = workload_create(batch_ops(), &run);
    struct sm_guard *guard = sm_owner_guard(instance->mm);
    assert_int_equal(sm_guard_depth(guard), 1);
    workload_steps(instance, 3);
    assert_int_equal(sm_guard_depth(guard), 1);
    assert_int_equal(batch_ops()->finish(instance), WL_STEP_DONE);
    assert_int_equal(sm_guard_depth(guard), 0);
    batch_ops()->destroy(instance);
}

/* A safepoint inside the iteration repins, so that what cycles retire there is reused there. */
static void test_R4_memory_is_reclaimed_before_the_iteration_ends(void **state)
{
    (void)state;
    struct workload_run run = on("epoch:reclaim=inline", SMALL, 0);
    run.manager.threshold_bytes = 1 << 20;
    struct wl_instance *instance = workload_create(batch_ops(), &run);
    workload_steps(instance, 40);
    struct sm_stats stats;
    sm_stats_get(instance->mm, &stats);
    assert_true(stats.alloc_bytes > 16 << 20);
    assert_true(stats.reclaimed_bytes > stats.alloc_bytes / 2);
    assert_true(stats.peak_committed_bytes < stats.alloc_bytes / 2);
    batch_ops()->destroy(instance);
}

/* cli-commonmark: 7,196 blocks a document; 120 bytes each, of which 6 are packed arrays' that are larger there. */
static void test_a_document_has_the_measured_size(void **state)
{
    (void)state;
    enum { DOCUMENTS = 40 };
    struct workload_run run = on("null", SMALL, DOCUMENTS);
    struct workload_outcome outcome = workload_run(batch_ops(), &run);
    assert_in_range(outcome.step_alloc_count / DOCUMENTS, 6500, 8500);
    assert_in_range(outcome.step_alloc_bytes / outcome.step_alloc_count, 90, 120);
}

static void test_mutator_work_runs_at_the_anchored_density(void **state)
{
    (void)state;
    struct workload_run run = on("null", SMALL, 5);
    double density = workload_opcodes_per_alloc(batch_ops(), &run);
    assert_true(density >= 4 && density <= 6);
}

/* cli-commonmark: 7.4 % of the blocks are freed by the cycle collector alone. */
static void test_the_cyclic_share_is_the_measured_one(void **state)
{
    (void)state;
    struct workload_run run = on("null", SMALL, 20);
    struct wl_instance *instance = workload_create(batch_ops(), &run);
    struct heap_census before, after;
    heap_census_take(instance->mm, &before);
    workload_steps(instance, run.steps);
    heap_census_take(instance->mm, &after);
    batch_ops()->destroy(instance);
    double share = (double)after.dead_in_cycles_count / (double)(after.object_count - before.object_count);
    assert_true(share > 0.06 && share < 0.09);
}

static void test_analytic_live_bytes_are_within_five_percent(void **state)
{
    (void)state;
    static const char *const options[] = {"lines=4,entities=3000", "lines=4,entities=9000"};
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        struct workload_run run = on("null", options[i], 1);
        struct wl_instance *instance = workload_create(batch_ops(), &run);
        workload_steps(instance, run.steps);
        struct heap_census census;
        heap_census_take(instance->mm, &census);
        batch_ops()->destroy(instance);
        workload_assert_analytic_size(batch_ops(), options[i], census.reachable_block_bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R4_all_steps_are_inside_one_guard),
        cmocka_unit_test(test_R4_memory_is_reclaimed_before_the_iteration_ends),
        cmocka_unit_test(test_a_document_has_the_measured_size),
        cmocka_unit_test(test_mutator_work_runs_at_the_anchored_density),
        cmocka_unit_test(test_the_cyclic_share_is_the_measured_one),
        cmocka_unit_test(test_analytic_live_bytes_are_within_five_percent),
    };
    return cmocka_run_group_tests_name("cli_batch", tests, NULL, NULL);
}
