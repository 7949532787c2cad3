/* Workload fpm-page: the same under every policy and SAPI, faithful to its measured rows, and its faults show. */
#include "check.h"
#include "heap_census.h"
#include "workload_run.h"

#include "../../workloads/vm_session.h"

#include <string.h>

/* Small enough for a cycle at every safepoint. */
#define TINY "posts=1,comments=1,paragraphs=1,options=3,plugins=1"
#define SMALL "posts=2,comments=2,paragraphs=2,options=20,plugins=2"

static const struct wl_ops *page_ops(void)
{
    return workload_find("fpm-page");
}

static uint64_t reference_checksum(void)
{
    return workload_checksum(page_ops(), workload_run_of(SM_SAPI_FPM, "arena", SMALL, 5));
}

static void test_every_policy_gives_the_same_checksum(void **state)
{
    (void)state;
    uint64_t expected = reference_checksum();
    static const char *const policies[] = {"arena", "null", "epoch", "epoch:reclaim=inline"};
    for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
        struct workload_run run = workload_run_of(SM_SAPI_FPM, policies[i], SMALL, 5);
        run.manager.threshold_bytes = i < 2 ? 0 : 256 << 10;
        assert_int_equal(workload_checksum(page_ops(), run), expected);
        run.manager.sapi = SM_SAPI_CLI;
        assert_int_equal(workload_checksum(page_ops(), run), expected);
    }
}

/* Finds whatever was not rooted across a safepoint. */
static void test_a_cycle_at_every_safepoint_changes_nothing(void **state)
{
    (void)state;
    uint64_t expected = workload_checksum(page_ops(), workload_run_of(SM_SAPI_FPM, "arena", TINY, 2));
    workload_assert_cycles_change_nothing(page_ops(), workload_run_of(SM_SAPI_FPM, "epoch:reclaim=inline", TINY, 2),
                                          expected);
}

static void test_seed_options_and_mutator_work_change_the_checksum(void **state)
{
    (void)state;
    static const char *const others[] = {"posts=2,comments=2,paragraphs=2,options=21,plugins=2",
                                         "posts=2,comments=2,paragraphs=2,options=20,plugins=3"};
    uint64_t expected = reference_checksum();
    assert_int_equal(reference_checksum(), expected);
    struct workload_run run = workload_run_of(SM_SAPI_FPM, "arena", SMALL, 5);
    run.seed = 8;
    assert_int_not_equal(workload_checksum(page_ops(), run), expected);
    run = workload_run_of(SM_SAPI_FPM, "arena", SMALL, 5);
    run.mutator_work = false;
    assert_int_not_equal(workload_checksum(page_ops(), run), expected);
    for (size_t i = 0; i < 2; i++)
        assert_int_not_equal(workload_checksum(page_ops(), workload_run_of(SM_SAPI_FPM, "arena", others[i], 5)),
                             expected);
}

static void test_flipped_bytes_and_edges_change_the_checksum(void **state)
{
    (void)state;
    workload_assert_flips_show(page_ops(), workload_run_of(SM_SAPI_FPM, "arena", SMALL, 5), 3, reference_checksum());
}

static void test_a_leak_is_refused_because_nothing_outlives_a_request(void **state)
{
    (void)state;
    struct workload_run run = {
        .options = TINY, .manager = {.sapi = SM_SAPI_FPM}, .fault = WL_FAULT_LEAK, .fault_period = 1};
    struct sm_error error = workload_refusal(page_ops(), &run);
    assert_int_equal(error.status, SM_ERR_INVALID_ARGUMENT);
    assert_non_null(strstr(error.detail, "fpm-page"));
}

/* The manager samples its own peak at collections, of which a request may have none. */
static void note_peak(void *context, struct sm_manager *mm)
{
    uint64_t *peak = (uint64_t *)context;
    struct sm_stats stats;
    sm_stats_get(mm, &stats);
    if (stats.live_bytes > *peak)
        *peak = stats.live_bytes;
}

/* fpm-wordpress-home: 179,205 blocks of 138 bytes on average, of which 2,791,696 bytes live at most. */
static void test_a_page_has_the_measured_size(void **state)
{
    (void)state;
    uint64_t peak = 0;
    struct workload_run run = workload_run_of(SM_SAPI_FPM, "refcount", "", 2);
    run.mutator_work = false;
    run.manager.hooks = (struct sm_hooks){.context = &peak, .on_tick = note_peak, .tick_bytes = 1024};
    struct workload_outcome outcome = workload_run(page_ops(), &run);
    assert_in_range(outcome.step_alloc_count / 2, 165000, 195000);
    assert_in_range(outcome.step_alloc_bytes / 2, 21000000, 27000000);
    assert_in_range(outcome.step_alloc_bytes / outcome.step_alloc_count, 120, 145);
    assert_in_range(peak, 2500000, 3100000);
}

static void test_mutator_work_runs_at_the_anchored_density(void **state)
{
    (void)state;
    struct workload_run run = workload_run_of(SM_SAPI_FPM, "arena", "", 1);
    struct wl_instance *instance = workload_create(page_ops(), &run);
    struct sm_stats stats;
    workload_steps(instance, 1);
    sm_stats_get(instance->mm, &stats);
    double density = (double)vm_session_of(instance)->work.opcodes_run / (double)stats.alloc_count;
    assert_true(density >= 4 && density <= 6);
    page_ops()->destroy(instance);
}

static void test_requests_give_everything_back(void **state)
{
    (void)state;
    struct workload_run run = workload_run_of(SM_SAPI_FPM, "arena", SMALL, 0);
    struct wl_instance *instance = workload_create(page_ops(), &run);
    struct sm_stats early, late;
    workload_steps(instance, 3);
    sm_stats_get(instance->mm, &early);
    workload_steps(instance, 30);
    sm_stats_get(instance->mm, &late);
    assert_int_equal(late.live_objects, 0);
    assert_true(late.committed_bytes <= early.peak_committed_bytes);
    page_ops()->destroy(instance);
}

/* Under a tracing policy nothing of a finished request stays reachable, and cycles find all of it. */
static void test_nothing_is_left_of_a_request_under_epoch(void **state)
{
    (void)state;
    struct workload_run run = workload_run_of(SM_SAPI_CLI, "epoch", SMALL, 10);
    struct workload_outcome outcome = workload_run(page_ops(), &run);
    assert_int_equal(outcome.leaked_objects, 0);
    assert_int_equal(outcome.retained_objects, 0);
}

/* A query object for every post and one for the page: its destructor runs by the request's end. */
static void test_destructors_run_by_the_end_of_the_request(void **state)
{
    (void)state;
    struct workload_run run = workload_run_of(SM_SAPI_FPM, "arena", SMALL, 4);
    struct workload_outcome outcome = workload_run(page_ops(), &run);
    assert_int_equal(outcome.stats.destructors_run, 4 * (2 + 1));
}

static void test_out_of_memory_fails_the_step_and_destroys_cleanly(void **state)
{
    (void)state;
    static const char *const policies[] = {"arena", "epoch:reclaim=inline"};
    for (size_t i = 0; i < 2; i++) {
        struct workload_run run = workload_run_of(SM_SAPI_FPM, policies[i], "options=20000", 0);
        run.manager.memory_limit_bytes = 2 << 20;
        run.manager.pacing = "never";
        struct wl_instance *instance = workload_create(page_ops(), &run);
        workload_assert_out_of_memory(instance, page_ops()->step(instance));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_policy_gives_the_same_checksum),
        cmocka_unit_test(test_a_cycle_at_every_safepoint_changes_nothing),
        cmocka_unit_test(test_seed_options_and_mutator_work_change_the_checksum),
        cmocka_unit_test(test_flipped_bytes_and_edges_change_the_checksum),
        cmocka_unit_test(test_a_leak_is_refused_because_nothing_outlives_a_request),
        cmocka_unit_test(test_a_page_has_the_measured_size),
        cmocka_unit_test(test_mutator_work_runs_at_the_anchored_density),
        cmocka_unit_test(test_requests_give_everything_back),
        cmocka_unit_test(test_nothing_is_left_of_a_request_under_epoch),
        cmocka_unit_test(test_destructors_run_by_the_end_of_the_request),
        cmocka_unit_test(test_out_of_memory_fails_the_step_and_destroys_cleanly),
    };
    return cmocka_run_group_tests_name("fpm_page", tests, NULL, NULL);
}
