/* Workload fpm-page: the same under every policy and SAPI, faithful to its measured rows, and its faults show. */
#include "check.h"
#include "heap_census.h"
#include "workload_run.h"

#include "../../workloads/vm_session.h"

#include <string.h>

/* Small enough for a cycle at every safepoint. */
#define TINY "posts=1,comments=1,paragraphs=1,options=3"
#define SMALL "posts=2,comments=2,paragraphs=2,options=20"

static const struct wl_ops *page_ops(void)
{
    const struct wl_ops *ops = wl_find("fpm-page");
    assert_non_null(ops);
    return ops;
}

static struct workload_run on(enum sm_sapi sapi, const char *policy, const char *options, uint64_t steps)
{
    return (struct workload_run){
        .options = options,
        .manager = {.sapi = sapi, .policy = policy},
        .seed = 7,
        .steps = steps,
        .mutator_work = true,
    };
}

static uint64_t checksum_of(struct workload_run run)
{
    return workload_run(page_ops(), &run).checksum;
}

static uint64_t reference_checksum(void)
{
    return checksum_of(on(SM_SAPI_FPM, "arena", SMALL, 5));
}

static void test_every_policy_gives_the_same_checksum(void **state)
{
    (void)state;
    uint64_t expected = reference_checksum();
    static const char *const policies[] = {"arena", "null", "epoch", "epoch:reclaim=inline"};
    for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
        struct workload_run run = on(SM_SAPI_FPM, policies[i], SMALL, 5);
        run.manager.threshold_bytes = i < 2 ? 0 : 256 << 10;
        assert_int_equal(checksum_of(run), expected);
        run.manager.sapi = SM_SAPI_CLI;
        assert_int_equal(checksum_of(run), expected);
    }
}

/* Finds whatever was not rooted across a safepoint. */
static void test_a_cycle_at_every_safepoint_changes_nothing(void **state)
{
    (void)state;
    uint64_t expected = checksum_of(on(SM_SAPI_FPM, "arena", TINY, 2));
    struct workload_run run = on(SM_SAPI_FPM, "epoch:reclaim=inline", TINY, 2);
    run.manager.collect_every_safepoint = true;
    struct workload_outcome outcome = workload_run(page_ops(), &run);
    assert_int_equal(outcome.checksum, expected);
    assert_true(outcome.stats.cycles > 300);
    assert_int_equal(outcome.leaked_objects, 0);
}

static void test_seed_options_and_mutator_work_change_the_checksum(void **state)
{
    (void)state;
    uint64_t expected = reference_checksum();
    assert_int_equal(reference_checksum(), expected);
    struct workload_run run = on(SM_SAPI_FPM, "arena", SMALL, 5);
    run.seed = 8;
    assert_int_not_equal(checksum_of(run), expected);
    run = on(SM_SAPI_FPM, "arena", SMALL, 5);
    run.mutator_work = false;
    assert_int_not_equal(checksum_of(run), expected);
    assert_int_not_equal(checksum_of(on(SM_SAPI_FPM, "arena", "posts=2,comments=2,paragraphs=2,options=21", 5)),
                         expected);
}

static void test_flipped_bytes_and_edges_change_the_checksum(void **state)
{
    (void)state;
    static const enum wl_fault faults[] = {WL_FAULT_FLIP_BYTE, WL_FAULT_FLIP_EDGE};
    uint64_t expected = reference_checksum();
    for (size_t i = 0; i < 2; i++) {
        struct workload_run run = on(SM_SAPI_FPM, "arena", SMALL, 5);
        run.fault = faults[i];
        run.fault_period = 3;
        assert_int_not_equal(checksum_of(run), expected);
        run.fault_period = 100;
        assert_int_equal(checksum_of(run), expected);
    }
}

static void test_a_leak_is_refused_because_nothing_outlives_a_request(void **state)
{
    (void)state;
    struct sm_option_values values;
    struct sm_error error = {0};
    assert_int_equal(sm_options_parse("fpm-page", page_ops()->options, page_ops()->option_count, TINY, &values, &error),
                     SM_OK);
    struct wl_config config = {
        .options = &values, .manager = {.sapi = SM_SAPI_FPM}, .fault = WL_FAULT_LEAK, .fault_period = 1};
    struct wl_instance *instance = NULL;
    assert_int_equal(page_ops()->create(&config, &instance, &error), SM_ERR_INVALID_ARGUMENT);
    assert_null(instance);
    assert_non_null(strstr(error.detail, "fpm-page"));
}

/* fpm-wordpress-home and fpm-mediawiki-main: means of 138 and 186 bytes; the default page is a third of the first. */
static void test_a_page_has_the_measured_size(void **state)
{
    (void)state;
    struct workload_run run = on(SM_SAPI_FPM, "arena", "", 2);
    struct workload_outcome outcome = workload_run(page_ops(), &run);
    assert_in_range(outcome.step_alloc_count / 2, 50000, 110000);
    assert_in_range(outcome.step_alloc_bytes / 2, 8000000, 15000000);
    assert_in_range(outcome.step_alloc_bytes / outcome.step_alloc_count, 120, 190);
}

static void test_mutator_work_runs_at_the_measured_density(void **state)
{
    (void)state;
    struct workload_run run = on(SM_SAPI_FPM, "arena", "", 1);
    struct wl_instance *instance = workload_create(page_ops(), &run);
    struct sm_stats stats;
    workload_steps(instance, 1);
    sm_stats_get(instance->mm, &stats);
    double density = (double)vm_session_of(instance)->work.opcodes_run / (double)stats.alloc_count;
    assert_true(density >= 10 && density <= 15);
    page_ops()->destroy(instance);
}

static void test_requests_give_everything_back(void **state)
{
    (void)state;
    struct workload_run run = on(SM_SAPI_FPM, "arena", SMALL, 0);
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
    struct workload_run run = on(SM_SAPI_CLI, "epoch", SMALL, 10);
    struct workload_outcome outcome = workload_run(page_ops(), &run);
    assert_int_equal(outcome.leaked_objects, 0);
    assert_int_equal(outcome.retained_objects, 0);
}

/* A query object for every post and one for the page: its destructor runs by the request's end. */
static void test_destructors_run_by_the_end_of_the_request(void **state)
{
    (void)state;
    struct workload_run run = on(SM_SAPI_FPM, "arena", SMALL, 4);
    struct workload_outcome outcome = workload_run(page_ops(), &run);
    assert_int_equal(outcome.stats.destructors_run, 4 * (2 + 1));
}

static void test_out_of_memory_fails_the_step_and_destroys_cleanly(void **state)
{
    (void)state;
    static const char *const policies[] = {"arena", "epoch:reclaim=inline"};
    for (size_t i = 0; i < 2; i++) {
        struct workload_run run = on(SM_SAPI_FPM, policies[i], "options=20000", 0);
        run.manager.memory_limit_bytes = 2 << 20;
        run.manager.pacing = "never";
        struct wl_instance *instance = workload_create(page_ops(), &run);
        assert_int_equal(page_ops()->step(instance), WL_STEP_FAILED);
        assert_int_equal(instance->error.status, SM_ERR_OUT_OF_MEMORY);
        assert_true(strlen(instance->error.detail) > 0);
        page_ops()->destroy(instance);
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
        cmocka_unit_test(test_mutator_work_runs_at_the_measured_density),
        cmocka_unit_test(test_requests_give_everything_back),
        cmocka_unit_test(test_nothing_is_left_of_a_request_under_epoch),
        cmocka_unit_test(test_destructors_run_by_the_end_of_the_request),
        cmocka_unit_test(test_out_of_memory_fails_the_step_and_destroys_cleanly),
    };
    return cmocka_run_group_tests_name("fpm_page", tests, NULL, NULL);
}
