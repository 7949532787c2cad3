/* Workload cli-queue: the same under every policy, faithful to its measured row, and its faults show. */
#include "check.h"
#include "heap_census.h"
#include "workload_run.h"

#include "../../workloads/vm_session.h"

/* A job of two orders over a tiny world: small enough for a cycle at every safepoint. */
#define TINY "scale=0.1,relations=2,cache=16,log=4,services=3"
/* A whole job over a small world. */
#define SMALL "cache=200,log=50,services=20"

static const struct wl_ops *queue_ops(void)
{
    return workload_find("cli-queue");
}

static struct workload_run on(const char *policy, const char *options, uint64_t steps)
{
    return workload_run_of(SM_SAPI_CLI, policy, options, steps);
}

static uint64_t checksum_of(struct workload_run run)
{
    return workload_checksum(queue_ops(), run);
}

static uint64_t reference_checksum(void)
{
    return checksum_of(on("null", TINY, 6));
}

static void test_every_policy_gives_the_same_checksum(void **state)
{
    (void)state;
    uint64_t expected = reference_checksum();
    struct workload_run run = on("arena", TINY, 6);
    assert_int_equal(checksum_of(run), expected);
    run.manager.sapi = SM_SAPI_FPM;
    assert_int_equal(checksum_of(run), expected);
    run = on("epoch", TINY, 6);
    run.manager.threshold_bytes = 64 << 10;
    assert_int_equal(checksum_of(run), expected);
    run.manager.policy = "epoch:reclaim=inline";
    assert_int_equal(checksum_of(run), expected);
}

/* Finds whatever was not rooted across a safepoint. */
static void test_a_cycle_at_every_safepoint_changes_nothing(void **state)
{
    (void)state;
    workload_assert_cycles_change_nothing(queue_ops(), on("epoch:reclaim=inline", TINY, 6), reference_checksum());
}

static void test_emergencies_change_nothing(void **state)
{
    (void)state;
    workload_assert_emergencies_change_nothing(queue_ops(), on("epoch:reclaim=inline", TINY, 6), reference_checksum());
}

static void test_seed_options_and_mutator_work_change_the_checksum(void **state)
{
    (void)state;
    uint64_t expected = reference_checksum();
    assert_int_equal(reference_checksum(), expected);
    struct workload_run run = on("null", TINY, 6);
    run.seed = 8;
    assert_int_not_equal(checksum_of(run), expected);
    run = on("null", TINY ",cyclic=1", 6);
    assert_int_not_equal(checksum_of(run), expected);
    run = on("null", TINY, 6);
    run.mutator_work = false;
    assert_int_not_equal(checksum_of(run), expected);
    assert_int_not_equal(checksum_of(on("null", TINY, 5)), expected);
}

static void test_flipped_bytes_and_edges_change_the_checksum(void **state)
{
    (void)state;
    workload_assert_flips_show(queue_ops(), on("epoch", TINY, 6), 4, reference_checksum());
}

/* Families that are kept stay reachable: a logical leak, which no policy can take back. */
static void test_a_leak_is_retained_and_grows(void **state)
{
    (void)state;
    struct workload_run run = on("epoch", TINY, 10);
    struct workload_outcome clean = workload_run(queue_ops(), &run);
    run.fault = WL_FAULT_LEAK;
    run.fault_period = 3;
    struct workload_outcome leaky = workload_run(queue_ops(), &run);
    assert_int_equal(clean.leaked_objects, 0);
    assert_int_equal(leaky.leaked_objects, 0);
    assert_true(leaky.retained_objects > clean.retained_objects + 80);
}

/*
 * cli-laravel-queue: 7,300 allocations and 1.02 MB a job, mean 138 to 141 bytes. Copies of copy on write, 264 blocks a
 * job, are not counted here.
 */
static void test_a_job_has_the_measured_size(void **state)
{
    (void)state;
    enum { JOBS = 5 };
    struct workload_run run = on("null", SMALL, JOBS);
    struct workload_outcome outcome = workload_run(queue_ops(), &run);
    assert_in_range(outcome.step_alloc_count / JOBS, 6700, 7500);
    assert_in_range(outcome.step_alloc_bytes / JOBS, 850000, 1150000);
    assert_in_range(outcome.step_alloc_bytes / outcome.step_alloc_count, 120, 150);
}

/* cli-laravel-queue: three quarters die within 4 KB. Without cycles hardly more than one family lives at a time. */
static void test_an_order_is_dropped_before_the_next_one(void **state)
{
    (void)state;
    uint64_t world_bytes = workload_analytic_live_bytes(queue_ops(), SMALL);
    struct workload_run run = on("refcount", SMALL ",cyclic=0", 5);
    struct workload_outcome outcome = workload_run(queue_ops(), &run);
    uint64_t job_bytes = outcome.step_alloc_bytes / run.steps;
    assert_true(outcome.stats.peak_live_bytes < world_bytes + job_bytes / 10);
}

static void test_mutator_work_runs_at_the_anchored_density(void **state)
{
    (void)state;
    struct workload_run run = on("null", SMALL, 5);
    double density = workload_opcodes_per_alloc(queue_ops(), &run);
    assert_true(density >= 4 && density <= 6);
}

/* Share of a job's blocks that counting references would never free. Nothing is freed under null, so all are there. */
static double cyclic_block_share(const char *options)
{
    enum { JOBS = 2 };
    struct workload_run run = on("null", options, JOBS);
    struct wl_instance *instance = workload_create(queue_ops(), &run);
    struct heap_census before, after;
    heap_census_take(instance->mm, &before);
    workload_steps(instance, run.steps);
    heap_census_take(instance->mm, &after);
    queue_ops()->destroy(instance);
    assert_int_equal(before.dead_in_cycles_count, 0);
    return (double)after.dead_in_cycles_count / (double)(after.object_count - before.object_count);
}

/* cli-laravel-queue: 13.4 % of the blocks are freed by the cycle collector alone. */
static void test_the_cyclic_share_is_the_measured_one_and_follows_the_option(void **state)
{
    (void)state;
    double share = cyclic_block_share(SMALL);
    assert_true(share > 0.12 && share < 0.145);
    assert_true(cyclic_block_share(SMALL ",cyclic=0") == 0);
    assert_true(cyclic_block_share(SMALL ",cyclic=1") > share * 1.5);
}

static void test_cyclic_garbage_is_retired_by_cycles(void **state)
{
    (void)state;
    struct workload_run run = on("epoch:reclaim=inline", SMALL ",cyclic=1", 14);
    run.manager.threshold_bytes = 1 << 20;
    struct workload_outcome outcome = workload_run(queue_ops(), &run);
    assert_true(outcome.stats.cycles >= 10);
    assert_int_equal(outcome.leaked_objects, 0);
    assert_true(outcome.stats.retired_objects + outcome.retained_objects >= outcome.step_alloc_count);
}

static void assert_analytic_matches(const char *options)
{
    struct workload_run run = on("null", options, 6);
    struct wl_instance *instance = workload_create(queue_ops(), &run);
    workload_steps(instance, run.steps);
    struct heap_census census;
    heap_census_take(instance->mm, &census);
    queue_ops()->destroy(instance);
    workload_assert_analytic_size(queue_ops(), options, census.reachable_block_bytes);
}

static void test_analytic_live_bytes_are_within_five_percent(void **state)
{
    (void)state;
    assert_analytic_matches("scale=0.1");
    assert_analytic_matches("scale=0.1,cache=2000,log=10,services=50");
    assert_analytic_matches("scale=0.1,cache=100,log=3000,services=1500");
}

/* The cache's table is compacted, never doubled: live bytes are flat however many entries pass through. */
static void test_the_world_stays_the_same_size_under_evictions(void **state)
{
    (void)state;
    struct workload_run run = on("epoch", "scale=0.1,relations=1,cache=16,log=4,services=3", 5);
    struct wl_instance *instance = workload_create(queue_ops(), &run);
    struct heap_census early, late;
    workload_steps(instance, 20);
    heap_census_take(instance->mm, &early);
    workload_steps(instance, 150);
    heap_census_take(instance->mm, &late);
    queue_ops()->destroy(instance);
    assert_true(late.reachable_block_bytes < early.reachable_block_bytes + early.reachable_block_bytes / 20);
}

static uint64_t edges_into_the_world(const char *options, uint64_t jobs)
{
    struct workload_run run = on("null", options, jobs);
    struct wl_instance *instance = workload_create(queue_ops(), &run);
    workload_steps(instance, jobs);
    struct heap_census census;
    heap_census_take(instance->mm, &census);
    queue_ops()->destroy(instance);
    return census.dead_to_living_edges;
}

/* Garbage of a linked job has one more pointer into the container from each of its two parents and the job itself. */
static void test_linked_garbage_points_into_the_world(void **state)
{
    (void)state;
    uint64_t apart = edges_into_the_world(TINY ",linked=off", 5);
    assert_int_equal(edges_into_the_world(TINY ",linked=on", 5), apart + 15);
}

static void test_out_of_memory_fails_the_step_and_destroys_cleanly(void **state)
{
    (void)state;
    struct workload_run run = on("null", SMALL, 0);
    run.manager.memory_limit_bytes = 8 << 20;
    struct wl_instance *instance = workload_create(queue_ops(), &run);
    enum wl_step result = WL_STEP_MORE;
    for (int i = 0; i < 40 && result == WL_STEP_MORE; i++)
        result = queue_ops()->step(instance);
    workload_assert_out_of_memory(instance, result);
}

static void test_out_of_memory_at_creation_is_reported(void **state)
{
    (void)state;
    struct workload_run run = on("epoch", "cache=20000", 0);
    run.manager.memory_limit_bytes = 4 << 20;
    assert_int_equal(workload_refusal(queue_ops(), &run).status, SM_ERR_OUT_OF_MEMORY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_policy_gives_the_same_checksum),
        cmocka_unit_test(test_a_cycle_at_every_safepoint_changes_nothing),
        cmocka_unit_test(test_emergencies_change_nothing),
        cmocka_unit_test(test_seed_options_and_mutator_work_change_the_checksum),
        cmocka_unit_test(test_flipped_bytes_and_edges_change_the_checksum),
        cmocka_unit_test(test_a_leak_is_retained_and_grows),
        cmocka_unit_test(test_a_job_has_the_measured_size),
        cmocka_unit_test(test_an_order_is_dropped_before_the_next_one),
        cmocka_unit_test(test_mutator_work_runs_at_the_anchored_density),
        cmocka_unit_test(test_the_cyclic_share_is_the_measured_one_and_follows_the_option),
        cmocka_unit_test(test_cyclic_garbage_is_retired_by_cycles),
        cmocka_unit_test(test_analytic_live_bytes_are_within_five_percent),
        cmocka_unit_test(test_the_world_stays_the_same_size_under_evictions),
        cmocka_unit_test(test_linked_garbage_points_into_the_world),
        cmocka_unit_test(test_out_of_memory_fails_the_step_and_destroys_cleanly),
        cmocka_unit_test(test_out_of_memory_at_creation_is_reported),
    };
    return cmocka_run_group_tests_name("cli_queue", tests, NULL, NULL);
}
