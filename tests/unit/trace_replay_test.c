/** Replaying traces: equal checksums under every policy, deaths as recorded, faults that are noticed. */
#include "check.h"
#include "test_scale.h"
#include "trace_files.h"
#include "trace_run.h"

#include "sapimem/alloc.h"
#include "sapimem/epoch.h"
#include "sapimem/roots.h"
#include "workloads/trace.h"
#include "workloads/workload.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- Equal under every policy. ---- */

static void compare_policies(const char *path)
{
    struct trace_outcome first = trace_run_policy(path, trace_policies[0]);
    trace_assert_clean(&first, path, trace_policies[0]);
    for (size_t i = 1; i < TRACE_POLICY_COUNT; i++) {
        struct trace_outcome other = trace_run_policy(path, trace_policies[i]);
        trace_assert_clean(&other, path, trace_policies[i]);
        trace_assert_same(&first, &other);
        /* The oracle is exact, so a tracing policy keeps nothing that it calls dead. */
        if (i >= TRACE_INLINE_EPOCH)
            assert_int_equal(other.garbage_bytes, 0);
    }
}

static void compare_collecting(const char *path)
{
    struct trace_outcome first = trace_run_policy(path, trace_policies[0]);
    for (size_t i = TRACE_INLINE_EPOCH; i < TRACE_POLICY_COUNT; i++) {
        struct wl_config config = trace_config(path, trace_policies[i]);
        config.manager.collect_every_safepoint = true;
        struct trace_outcome other = trace_run(&config);
        trace_assert_clean(&other, path, trace_policies[i]);
        trace_assert_same(&first, &other);
    }
}

static void test_valid_traces_are_equal_under_all_policies(void **state)
{
    (void)state;
    assert_true(traces_visit("valid", compare_policies) >= 8);
}

static void test_valid_traces_with_a_collection_at_every_safepoint(void **state)
{
    (void)state;
    assert_true(traces_visit("valid", compare_collecting) >= 8);
}

static void test_recorded_traces_are_equal_under_all_policies(void **state)
{
    (void)state;
    trace_visit_prefix("symfony-blog.sapitrace.zst", 0, compare_policies);
    /* The first 75,000 lines pass the threshold, so that a regular cycle is in them. */
    trace_visit_prefix("react-http.sapitrace.zst", test_scale(0, 0, 75000), compare_policies);
}

static void compare_collecting_inline(const char *path)
{
    struct trace_outcome first = trace_run_policy(path, trace_policies[0]);
    struct wl_config config = trace_config(path, trace_policies[TRACE_INLINE_EPOCH]);
    config.manager.collect_every_safepoint = true;
    struct trace_outcome other = trace_run(&config);
    trace_assert_clean(&other, path, trace_policies[TRACE_INLINE_EPOCH]);
    trace_assert_same(&first, &other);
}

static void test_recorded_trace_with_a_collection_at_every_safepoint(void **state)
{
    (void)state;
    /* A cycle a line, each of which traces what is live by then: the cost is the square of the length. */
    trace_visit_prefix("symfony-blog.sapitrace.zst", test_scale(0, 12000, 4000), compare_collecting_inline);
}

static void check_named(const char *path)
{
    struct wl_config config = trace_config(path, trace_policies[TRACE_INLINE_EPOCH]);
    struct trace_outcome first = trace_run(&config);
    config.check_trace = true;
    config.manager.collect_every_safepoint = true;
    struct trace_outcome other = trace_run(&config);
    trace_assert_clean(&other, path, trace_policies[TRACE_INLINE_EPOCH]);
    trace_assert_same(&first, &other);
}

static void test_checked_runs_find_nothing_in_valid_traces(void **state)
{
    (void)state;
    assert_true(traces_visit("valid", check_named) >= 8);
}

/* Other SAPI, same trace: each mode is equal under its policies. */
static void test_either_sapi_replays_either_trace(void **state)
{
    char path[4096];
    (void)state;
    const char *const names[] = {"valid/every-event.sapitrace", "valid/requests.sapitrace",
                                 "symfony-blog.sapitrace.zst"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        traces_path(path, names[i]);
        struct trace_outcome first = {0};
        for (size_t p = 0; p < TRACE_POLICY_COUNT; p++) {
            struct wl_config config = trace_config(path, trace_policies[p]);
            config.manager.sapi = config.manager.sapi == SM_SAPI_CLI ? SM_SAPI_FPM : SM_SAPI_CLI;
            struct trace_outcome outcome = trace_run(&config);
            trace_assert_clean(&outcome, path, trace_policies[p]);
            if (p == 0)
                first = outcome;
            trace_assert_same(&first, &outcome);
        }
    }
}

/* ---- Destructors. ---- */

static void test_destructors_run_exactly_once(void **state)
{
    char path[4096];
    (void)state;
    traces_path(path, "valid/destructors.sapitrace");
    for (size_t i = 0; i < TRACE_POLICY_COUNT; i++) {
        struct wl_config config = trace_config(path, trace_policies[i]);
        config.manager.collect_every_safepoint = i >= TRACE_INLINE_EPOCH;
        struct trace_outcome outcome = trace_run(&config);
        trace_assert_clean(&outcome, path, trace_policies[i]);
        assert_int_equal(outcome.destructors.registered, 6);
        assert_int_not_equal(outcome.destructor_sum, 0);
    }
}

/* ---- Faults. ---- */

static struct trace_outcome run_fault(const char *path, const char *policy, enum wl_fault fault, uint64_t period)
{
    struct wl_config config = trace_config(path, policy);
    config.fault = fault;
    config.fault_period = period;
    return trace_run(&config);
}

/* Wherever the byte or edge is changed, the checksum differs, and the run says that it is not valid. */
static void assert_flips_are_noticed(const char *path, uint64_t period)
{
    struct trace_outcome clean = trace_run_policy(path, trace_policies[0]);
    for (size_t policy = 0; policy <= TRACE_INLINE_EPOCH; policy++) {
        struct trace_outcome byte = run_fault(path, trace_policies[policy], WL_FAULT_FLIP_BYTE, period);
        struct trace_outcome edge = run_fault(path, trace_policies[policy], WL_FAULT_FLIP_EDGE, period);
        assert_int_not_equal(byte.checksum, clean.checksum);
        assert_int_not_equal(edge.checksum, clean.checksum);
        assert_int_not_equal(edge.checksum, byte.checksum);
        assert_int_equal(byte.finish, WL_STEP_INVALID);
        assert_int_equal(edge.finish, WL_STEP_INVALID);
        assert_non_null(strstr(byte.detail, "other bytes"));
        assert_non_null(strstr(edge.detail, "another object"));
    }
}

static void flip_page(const char *path)
{
    assert_flips_are_noticed(path, 1);
    assert_flips_are_noticed(path, 1000);
    assert_flips_are_noticed(path, test_scale(30000, 8000, 8000));
}

static void flip_server(const char *path)
{
    assert_flips_are_noticed(path, test_scale(100000, 8000, 8000));
}

static void test_flips_change_the_checksum(void **state)
{
    char path[4096];
    (void)state;
    traces_path(path, "valid/every-event.sapitrace");
    assert_flips_are_noticed(path, 1);
    assert_flips_are_noticed(path, 7);
    trace_visit_prefix("symfony-blog.sapitrace.zst", test_scale(0, 12000, 12000), flip_page);
    trace_visit_prefix("react-http.sapitrace.zst", test_scale(0, 12000, 12000), flip_server);
}

static void test_leak_keeps_objects_reachable(void **state)
{
    char path[4096];
    (void)state;
    traces_path(path, "react-http.sapitrace.zst");
    struct trace_outcome clean = trace_run_policy(path, trace_policies[TRACE_INLINE_EPOCH]);
    struct trace_outcome leaky = run_fault(path, trace_policies[TRACE_INLINE_EPOCH], WL_FAULT_LEAK, 1000);
    assert_int_equal(clean.live_objects, 0);
    assert_int_equal(clean.garbage_bytes, 0);
    /* 91,975 deaths of reachable objects, one in a thousand of them kept. */
    assert_int_equal(leaky.live_objects, 91);
    assert_true(leaky.garbage_bytes > 0);
    assert_int_equal(leaky.checksum, clean.checksum);
    assert_int_equal(leaky.finish, WL_STEP_DONE);
}

/* ---- Refusals and failures. ---- */

static sm_status create_only(const char *name, enum sm_sapi sapi, struct sm_error *error)
{
    char path[4096];
    struct wl_instance *instance = NULL;
    traces_path(path, name);
    struct wl_config config = trace_config(path, "null");
    config.manager.sapi = sapi;
    config.check_trace = true;
    sm_status status = wl_trace.create(&config, &instance, error);
    assert_true((status == SM_OK) == (instance != NULL));
    wl_trace.destroy(instance);
    return status;
}

static void test_invalid_traces_are_refused_before_the_run(void **state)
{
    struct sm_error error;
    (void)state;
    assert_int_equal(create_only("invalid/slot-out-of-range.sapitrace", SM_SAPI_CLI, &error), SM_ERR_INVALID_ARGUMENT);
    assert_non_null(strstr(error.detail, ":6: slot 2 is out of range"));
    assert_int_equal(create_only("invalid/unreachable-cycle.sapitrace", SM_SAPI_CLI, &error), SM_ERR_INVALID_ARGUMENT);
    assert_non_null(strstr(error.detail, ":8: 'v' names an object (array of line 4) after it became unreachable"));
    assert_int_equal(create_only("valid/cli-requests.sapitrace", SM_SAPI_FPM, &error), SM_ERR_INVALID_ARGUMENT);
    assert_non_null(strstr(error.detail, ":5: a request begins inside a frame"));
    assert_int_equal(create_only("no-such-file", SM_SAPI_CLI, &error), SM_ERR_INVALID_ARGUMENT);
    struct wl_config config = {.trace_path = NULL};
    struct wl_instance *instance;
    assert_int_equal(wl_trace.create(&config, &instance, &error), SM_ERR_INVALID_ARGUMENT);
    assert_non_null(strstr(error.detail, "expected trace:FILE"));
}

static void test_out_of_memory_names_the_line(void **state)
{
    char path[4096];
    (void)state;
    traces_path(path, "react-http.sapitrace.zst");
    struct wl_config config = trace_config(path, "null");
    config.manager.memory_limit_bytes = 8 << 20;
    struct trace_outcome outcome = trace_run(&config);
    assert_int_equal(outcome.step, WL_STEP_FAILED);
    assert_non_null(strstr(outcome.detail, "react-http.sapitrace.zst:"));
    assert_non_null(strstr(outcome.detail, "out of memory"));
}

/* Each request for memory fails once in turn: the replay ends cleanly, either way, until none is left to fail. */
static void test_every_failed_allocation_is_survived(void **state)
{
    char path[4096];
    (void)state;
    traces_path(path, "valid/every-event.sapitrace");
    struct trace_outcome clean = trace_run_policy(path, trace_policies[TRACE_INLINE_EPOCH]);
    for (size_t p = 0; p < 3; p++)
        for (uint64_t nth = 1; nth <= 24; nth++) {
            struct wl_config config = trace_config(path, trace_policies[p]);
            struct wl_instance *instance = NULL;
            struct trace_outcome outcome = {0};
            config.manager.fail_alloc_after = nth;
            if (wl_trace.create(&config, &instance, NULL) == SM_OK) {
                trace_drive(instance, &outcome);
                if (outcome.step == WL_STEP_DONE)
                    assert_int_equal(outcome.checksum, clean.checksum);
                else
                    assert_int_equal(sm_error_status(instance->mm), SM_ERR_OUT_OF_MEMORY);
            }
            wl_trace.destroy(instance);
        }
}

/* ---- Observers. ---- */

struct observer {
    struct sm_manager *mm;
    const char *roots;
    pthread_barrier_t registered;
    int stop;
    uint64_t walks, edges;
    struct sm_visitor root_visitor, edge_visitor;
};

static void count_edge(struct sm_visitor *visitor, struct sm_object *target)
{
    struct observer *observer = (struct observer *)((char *)visitor - offsetof(struct observer, edge_visitor));
    /* A retired object that was reused under the guard would show another size sooner or later. */
    assert_true(target->payload_bytes <= SM_PAYLOAD_MAX);
    observer->edges++;
}

static void follow_root(struct sm_visitor *visitor, struct sm_object *target)
{
    struct observer *observer = (struct observer *)((char *)visitor - offsetof(struct observer, root_visitor));
    observer->edges++;
    sm_trace(observer->mm, target, &observer->edge_visitor);
}

static const struct sm_root_provider *find_roots(struct sm_manager *mm, const char *name)
{
    for (size_t i = 0; i < sm_roots_count(mm); i++)
        if (strcmp(sm_roots_get(mm, i)->name, name) == 0)
            return sm_roots_get(mm, i);
    return NULL;
}

static void *observe(void *context)
{
    struct observer *observer = context;
    struct sm_guard *guard = NULL;
    sm_status status = sm_observer_register(observer->mm, "walker", &guard);
    pthread_barrier_wait(&observer->registered);
    if (status != SM_OK)
        return "not registered";
    const struct sm_root_provider *provider = find_roots(observer->mm, observer->roots);
    /* Pairs with the release in test_observers_walk_the_roots. */
    while (__atomic_load_n(&observer->stop, __ATOMIC_ACQUIRE) == 0) {
        sm_pin(guard, SM_HERE);
        provider->enumerate(provider->context, &observer->root_visitor);
        sm_unpin(guard);
        observer->walks++;
    }
    sm_observer_unregister(guard);
    return NULL;
}

static void walk_while_replaying(const char *path)
{
    struct trace_outcome clean = trace_run_policy(path, "null");
    struct wl_config config = trace_config(path, "epoch");
    config.manager.threshold_bytes = 256 << 10;
    struct wl_instance *instance;
    assert_int_equal(wl_trace.create(&config, &instance, NULL), SM_OK);
    struct observer observer = {.mm = instance->mm,
                                .roots = instance->observed_roots,
                                .root_visitor = {follow_root, true},
                                .edge_visitor = {count_edge, true}};
    assert_non_null(observer.roots);
    assert_int_equal(pthread_barrier_init(&observer.registered, NULL, 2), 0);
    assert_int_equal(sm_observers_allow(instance->mm), SM_OK);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, observe, &observer), 0);
    pthread_barrier_wait(&observer.registered);
    enum wl_step step;
    while ((step = wl_trace.step(instance)) == WL_STEP_MORE)
        continue;
    enum wl_step finish = wl_trace.finish(instance);
    /* Pairs with the acquire in observe. */
    __atomic_store_n(&observer.stop, 1, __ATOMIC_RELEASE);
    void *complaint;
    pthread_join(thread, &complaint);
    pthread_barrier_destroy(&observer.registered);
    assert_null(complaint);
    assert_int_equal(step, WL_STEP_DONE);
    assert_int_equal(finish, WL_STEP_DONE);
    assert_int_equal(instance->checksum, clean.checksum);
    wl_trace.destroy(instance);
}

static void test_observers_walk_the_roots(void **state)
{
    (void)state;
    trace_visit_prefix("symfony-blog.sapitrace.zst", 0, walk_while_replaying);
    trace_visit_prefix("react-http.sapitrace.zst", test_scale(0, 0, 30000), walk_while_replaying);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid_traces_are_equal_under_all_policies),
        cmocka_unit_test(test_valid_traces_with_a_collection_at_every_safepoint),
        cmocka_unit_test(test_recorded_traces_are_equal_under_all_policies),
        cmocka_unit_test(test_recorded_trace_with_a_collection_at_every_safepoint),
        cmocka_unit_test(test_checked_runs_find_nothing_in_valid_traces),
        cmocka_unit_test(test_either_sapi_replays_either_trace),
        cmocka_unit_test(test_destructors_run_exactly_once),
        cmocka_unit_test(test_flips_change_the_checksum),
        cmocka_unit_test(test_leak_keeps_objects_reachable),
        cmocka_unit_test(test_invalid_traces_are_refused_before_the_run),
        cmocka_unit_test(test_out_of_memory_names_the_line),
        cmocka_unit_test(test_every_failed_allocation_is_survived),
        cmocka_unit_test(test_observers_walk_the_roots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
