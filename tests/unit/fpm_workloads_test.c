/* Workloads whose steps are requests of a framework, an administration tool, an upload: the same under every policy and
 * SAPI, near their measured rows, and their faults show. */
#include "check.h"
#include "workload_run.h"

#include "../../workloads/vm_session.h"

#include <string.h>

/* Tiny ones are small enough for a cycle at every safepoint. */
static const struct workload_case {
    const char *name, *tiny, *other_options;
    uint64_t destructors; /* of a tiny request */
} cases[] = {
    {"fpm-api", "providers=1,routes=2,posts=2,related=1,orders=1", "providers=1,routes=2,posts=2,related=2,orders=1",
     0},
    {"fpm-admin", "rows=2,columns=2,sections=2,globals=3", "rows=2,columns=2,sections=2,globals=4", 2 + 2 * 2},
    {"fpm-upload", "files=2,file=2048,chunk=32,fields=2", "files=2,file=2048,chunk=32,fields=3", 0},
};
enum { CASES = sizeof(cases) / sizeof(cases[0]) };

static const struct wl_ops *ops_of(const struct workload_case *tried)
{
    return workload_find(tried->name);
}

static struct workload_run on(const struct workload_case *tried, const char *policy)
{
    return workload_run_of(SM_SAPI_FPM, policy, tried->tiny, 12);
}

static uint64_t reference_checksum(const struct workload_case *tried)
{
    return workload_checksum(ops_of(tried), on(tried, "arena"));
}

static void test_every_policy_gives_the_same_checksum(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++)
        workload_assert_policies_agree(ops_of(&cases[i]), on(&cases[i], "arena"), reference_checksum(&cases[i]));
}

/* Finds whatever was not rooted across a safepoint. */
static void test_a_cycle_at_every_safepoint_changes_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++)
        workload_assert_cycles_change_nothing(ops_of(&cases[i]), on(&cases[i], "epoch:reclaim=inline"),
                                              reference_checksum(&cases[i]));
}

/* Finds what is old, held by a C local alone and used across an allocation. */
static void test_emergencies_at_allocations_change_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++) {
        struct workload_run run = workload_run_of(SM_SAPI_CLI, "epoch:reclaim=inline", cases[i].tiny, 2);
        workload_assert_emergencies_change_nothing(ops_of(&cases[i]), run, workload_checksum(ops_of(&cases[i]), run));
    }
}

static void test_seed_and_options_change_the_checksum(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++)
        workload_assert_inputs_matter(ops_of(&cases[i]), on(&cases[i], "arena"), cases[i].other_options);
}

static void test_flipped_bytes_and_edges_change_the_checksum(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++)
        for (uint64_t period = 1; period <= 4; period++)
            workload_assert_flips_show(ops_of(&cases[i]), on(&cases[i], "refcount"), period,
                                       reference_checksum(&cases[i]));
}

static uint64_t serve(struct wl_instance *instance, uint64_t index)
{
    struct wl_request request = {.index = index};
    assert_int_equal(instance->ops->serve(instance, &request), WL_STEP_MORE);
    return instance->checksum;
}

static uint64_t serve_alone(const struct workload_case *tried, const struct workload_run *run, uint64_t index)
{
    struct wl_instance *instance = workload_create(ops_of(tried), run);
    uint64_t checksum = serve(instance, index);
    instance->ops->destroy(instance);
    return checksum;
}

static void test_a_served_request_follows_from_its_number_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++) {
        struct workload_run run = on(&cases[i], "arena");
        uint64_t third = serve_alone(&cases[i], &run, 3), tenth = serve_alone(&cases[i], &run, 10);
        assert_int_not_equal(third, tenth);
        run.manager.policy = "refcount";
        struct wl_instance *instance = workload_create(ops_of(&cases[i]), &run);
        assert_int_equal(serve(instance, 10), tenth);
        assert_int_equal(serve(instance, 3), third);
        assert_int_equal(serve(instance, 3), third);
        assert_int_equal(serve(instance, 10), tenth);
        instance->ops->destroy(instance);
    }
}

/* A fault strikes the request of that number, whatever its instance served before. */
static void test_faults_strike_served_requests_by_number(void **state)
{
    (void)state;
    static const enum wl_fault faults[] = {WL_FAULT_FLIP_BYTE, WL_FAULT_FLIP_EDGE};
    for (size_t i = 0; i < CASES; i++)
        for (size_t j = 0; j < 2; j++) {
            struct workload_run run = on(&cases[i], "arena");
            uint64_t fourth = serve_alone(&cases[i], &run, 4), first = serve_alone(&cases[i], &run, 0);
            run.fault = faults[j];
            run.fault_period = 5;
            struct wl_instance *instance = workload_create(ops_of(&cases[i]), &run);
            assert_int_equal(serve(instance, 0), first);
            assert_int_not_equal(serve(instance, 4), fourth);
            instance->ops->destroy(instance);
        }
}

static void test_a_leak_is_refused_because_nothing_outlives_a_request(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++) {
        struct workload_run run = on(&cases[i], "arena");
        run.fault = WL_FAULT_LEAK;
        run.fault_period = 1;
        struct sm_error error = workload_refusal(ops_of(&cases[i]), &run);
        assert_int_equal(error.status, SM_ERR_INVALID_ARGUMENT);
        assert_non_null(strstr(error.detail, cases[i].name));
    }
}

static void test_requests_give_everything_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++) {
        struct workload_run run = on(&cases[i], "arena");
        struct wl_instance *instance = workload_create(ops_of(&cases[i]), &run);
        struct sm_stats early, late;
        workload_steps(instance, 3);
        sm_stats_get(instance->mm, &early);
        workload_steps(instance, 30);
        sm_stats_get(instance->mm, &late);
        assert_int_equal(late.live_objects, 0);
        assert_true(late.committed_bytes <= early.peak_committed_bytes);
        instance->ops->destroy(instance);
    }
}

static void test_counts_free_everything_that_dies(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++) {
        struct workload_run run = on(&cases[i], "refcount");
        run.manager.sapi = SM_SAPI_CLI;
        run.manager.pacing = "never";
        struct workload_outcome outcome = workload_run(ops_of(&cases[i]), &run);
        assert_int_equal(outcome.leaked_objects, 0);
        assert_int_equal(outcome.retained_objects, 0);
    }
}

static void test_destructors_run_by_the_end_of_the_request(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++) {
        struct workload_run run = on(&cases[i], "arena");
        struct workload_outcome outcome = workload_run(ops_of(&cases[i]), &run);
        assert_int_equal(outcome.stats.destructors_run, run.steps * cases[i].destructors);
    }
}

static void test_out_of_memory_fails_the_step_and_destroys_cleanly(void **state)
{
    (void)state;
    static const char *const policies[] = {"arena", "epoch:reclaim=inline"};
    static const char *const large[CASES] = {"providers=2000", "sections=20000", "file=16M"};
    for (size_t i = 0; i < CASES; i++)
        for (size_t j = 0; j < 2; j++) {
            struct workload_run run = workload_run_of(SM_SAPI_FPM, policies[j], large[i], 0);
            run.manager.memory_limit_bytes = 2 << 20;
            run.manager.pacing = "never";
            struct wl_instance *instance = workload_create(ops_of(&cases[i]), &run);
            workload_assert_out_of_memory(instance, instance->ops->step(instance));
        }
}

/* ---- Against the measured rows: blocks and bytes of one request, its mean block and its peak ---- */

static void assert_near(double measured, double row, double tolerance)
{
    if (measured < row * (1 - tolerance) || measured > row * (1 + tolerance))
        fail_msg("%g: expected %g within %g %%", measured, row, 100 * tolerance);
}

static const struct row {
    const char *name;
    double blocks, bytes, peak_bytes; /* of fpm-laravel-json and fpm-phpmyadmin-browse */
} rows[] = {{"fpm-api", 44206, 5385127, 1075246}, {"fpm-admin", 143214, 50342526, 1642326}};

/* The manager samples its own peak at collections, of which a request may have none. */
static void note_peak(void *context, struct sm_manager *mm)
{
    uint64_t *peak = (uint64_t *)context;
    struct sm_stats stats;
    sm_stats_get(mm, &stats);
    if (stats.live_bytes > *peak)
        *peak = stats.live_bytes;
}

static struct workload_outcome default_request(const char *name, uint64_t *peak)
{
    struct workload_run run = workload_run_of(SM_SAPI_FPM, "refcount", "", 1);
    run.manager.hooks = (struct sm_hooks){.context = peak, .on_tick = note_peak, .tick_bytes = 1024};
    return workload_run(workload_find(name), &run);
}

static void test_a_request_has_the_measured_size(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t peak = 0;
        struct workload_outcome outcome = default_request(rows[i].name, &peak);
        assert_near((double)outcome.step_alloc_count, rows[i].blocks, 0.2);
        assert_near((double)outcome.step_alloc_bytes, rows[i].bytes, 0.2);
        assert_near((double)peak, rows[i].peak_bytes, 0.2);
    }
}

/* No recorded page is an upload: body and parts live together, and growth makes a third of the bytes at least. */
static void test_an_upload_grows_large_strings(void **state)
{
    (void)state;
    uint64_t peak = 0;
    struct workload_outcome outcome = default_request("fpm-upload", &peak);
    enum { FILES = 512 * 1024 * (4 + 3 + 2 + 4) / 4 };
    assert_true(peak > 2 * FILES);
    assert_true(outcome.step_alloc_bytes > 6.0 * FILES);
}

/* 4 to 6 opcodes an allocation beside the operations themselves. */
static void test_mutator_work_runs_at_the_anchored_density(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++) {
        struct workload_run run = workload_run_of(SM_SAPI_FPM, "arena", "", 1);
        struct wl_instance *instance = workload_create(ops_of(&cases[i]), &run);
        struct sm_stats stats;
        workload_steps(instance, 1);
        sm_stats_get(instance->mm, &stats);
        double density = (double)vm_session_of(instance)->work.opcodes_run / (double)stats.alloc_count;
        assert_true(density >= 4 && density <= 6);
        instance->ops->destroy(instance);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_policy_gives_the_same_checksum),
        cmocka_unit_test(test_a_cycle_at_every_safepoint_changes_nothing),
        cmocka_unit_test(test_emergencies_at_allocations_change_nothing),
        cmocka_unit_test(test_seed_and_options_change_the_checksum),
        cmocka_unit_test(test_flipped_bytes_and_edges_change_the_checksum),
        cmocka_unit_test(test_a_served_request_follows_from_its_number_alone),
        cmocka_unit_test(test_faults_strike_served_requests_by_number),
        cmocka_unit_test(test_a_leak_is_refused_because_nothing_outlives_a_request),
        cmocka_unit_test(test_requests_give_everything_back),
        cmocka_unit_test(test_counts_free_everything_that_dies),
        cmocka_unit_test(test_destructors_run_by_the_end_of_the_request),
        cmocka_unit_test(test_out_of_memory_fails_the_step_and_destroys_cleanly),
        cmocka_unit_test(test_a_request_has_the_measured_size),
        cmocka_unit_test(test_an_upload_grows_large_strings),
        cmocka_unit_test(test_mutator_work_runs_at_the_anchored_density),
    };
    return cmocka_run_group_tests_name("fpm_workloads", tests, NULL, NULL);
}
