/** Replaying traces: equal checksums under every policy, deaths as recorded, faults that are noticed. */
#include "check.h"
#include "test_scale.h"
#include "trace_files.h"

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

static const char *const policies[] = {"null", "arena", "malloc", "epoch:reclaim=inline", "epoch", "refcount"};
enum { POLICY_COUNT = 6, INLINE_EPOCH = 3 };

/* ---- Runs. ---- */

struct outcome {
    enum wl_step step, finish;
    uint64_t checksum, destructor_sum;
    uint64_t alloc_bytes, alloc_count, steps_done;
    uint64_t garbage_bytes, live_objects; /* after the final drain */
    struct wl_trace_destructors destructors;
    char detail[SM_DETAIL_BYTES];
};

static struct wl_config config_for(const char *path, const char *policy)
{
    struct wl_config config = {.trace_path = path};
    config.manager.policy = policy;
    config.manager.sapi = wl_trace_sapi(path);
    return config;
}

/* What the harness does around a workload: run, finish, drain, fold the destructors in. */
static void drive(struct wl_instance *instance, struct outcome *outcome)
{
    struct sm_stats stats;
    do
        outcome->step = wl_trace.step(instance);
    while (outcome->step == WL_STEP_MORE);
    outcome->finish = outcome->step == WL_STEP_DONE ? wl_trace.finish(instance) : outcome->step;
    sm_stats_get(instance->mm, &stats);
    outcome->alloc_bytes = stats.alloc_bytes;
    outcome->alloc_count = stats.alloc_count;
    if (outcome->step == WL_STEP_DONE) {
        assert_int_equal(sm_quiesce(instance->mm), SM_OK);
        outcome->garbage_bytes = wl_trace.garbage_bytes(instance);
        sm_stats_get(instance->mm, &stats);
        outcome->live_objects = stats.live_objects;
        sm_finalizers_run_all(instance->mm);
    }
    outcome->checksum = instance->checksum;
    outcome->destructor_sum = instance->destructor_sum;
    outcome->steps_done = instance->steps_done;
    wl_trace_destructors(instance, &outcome->destructors);
    strcpy(outcome->detail, instance->error.detail);
}

static struct outcome run(const struct wl_config *config)
{
    struct outcome outcome = {0};
    struct wl_instance *instance;
    struct sm_error error = {SM_OK, ""};
    if (wl_trace.create(config, &instance, &error) != SM_OK)
        fail_msg("%s", error.detail);
    drive(instance, &outcome);
    wl_trace.destroy(instance);
    return outcome;
}

static struct outcome run_policy(const char *path, const char *policy)
{
    struct wl_config config = config_for(path, policy);
    return run(&config);
}

static void assert_clean(const struct outcome *outcome, const char *path, const char *policy)
{
    if (outcome->step != WL_STEP_DONE || outcome->finish != WL_STEP_DONE)
        fail_msg("%s under %s: %d, %d, %s", path, policy, outcome->step, outcome->finish, outcome->detail);
    assert_int_equal(outcome->destructors.run, outcome->destructors.registered);
    assert_int_equal(outcome->destructors.run_again, 0);
    assert_int_equal(outcome->destructor_sum, outcome->destructors.expected_sum);
}

static void assert_same(const struct outcome *one, const struct outcome *other)
{
    assert_int_equal(one->checksum, other->checksum);
    assert_int_equal(one->destructor_sum, other->destructor_sum);
    assert_int_equal(one->alloc_bytes, other->alloc_bytes);
    assert_int_equal(one->alloc_count, other->alloc_count);
    assert_int_equal(one->steps_done, other->steps_done);
}

/* ---- Equal under every policy. ---- */

static void compare_policies(const char *path)
{
    struct outcome first = run_policy(path, policies[0]);
    assert_clean(&first, path, policies[0]);
    for (size_t i = 1; i < POLICY_COUNT; i++) {
        struct outcome other = run_policy(path, policies[i]);
        assert_clean(&other, path, policies[i]);
        assert_same(&first, &other);
        /* The oracle is exact, so a tracing policy keeps nothing that it calls dead. */
        if (i >= INLINE_EPOCH)
            assert_int_equal(other.garbage_bytes, 0);
    }
}

static void compare_collecting(const char *path)
{
    struct outcome first = run_policy(path, policies[0]);
    for (size_t i = INLINE_EPOCH; i < POLICY_COUNT; i++) {
        struct wl_config config = config_for(path, policies[i]);
        config.manager.collect_every_safepoint = true;
        struct outcome other = run(&config);
        assert_clean(&other, path, policies[i]);
        assert_same(&first, &other);
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
    /* The first 75,000 lines pass the default threshold, so that a regular cycle is in them. */
    trace_visit_prefix("react-http.sapitrace.zst", test_scale(0, 0, 75000), compare_policies);
}

static void compare_collecting_inline(const char *path)
{
    struct outcome first = run_policy(path, policies[0]);
    struct wl_config config = config_for(path, policies[INLINE_EPOCH]);
    config.manager.collect_every_safepoint = true;
    struct outcome other = run(&config);
    assert_clean(&other, path, policies[INLINE_EPOCH]);
    assert_same(&first, &other);
}

static void test_recorded_trace_with_a_collection_at_every_safepoint(void **state)
{
    (void)state;
    /* A cycle a line, each of which traces what is live by then: the cost is the square of the length. */
    trace_visit_prefix("symfony-blog.sapitrace.zst", test_scale(0, 12000, 4000), compare_collecting_inline);
}

static void check_named(const char *path)
{
    struct wl_config config = config_for(path, policies[INLINE_EPOCH]);
    struct outcome first = run(&config);
    config.check_trace = true;
    config.manager.collect_every_safepoint = true;
    struct outcome other = run(&config);
    assert_clean(&other, path, policies[INLINE_EPOCH]);
    assert_same(&first, &other);
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
        struct outcome first = {0};
        for (size_t p = 0; p < POLICY_COUNT; p++) {
            struct wl_config config = config_for(path, policies[p]);
            config.manager.sapi = config.manager.sapi == SM_SAPI_CLI ? SM_SAPI_FPM : SM_SAPI_CLI;
            struct outcome outcome = run(&config);
            assert_clean(&outcome, path, policies[p]);
            if (p == 0)
                first = outcome;
            assert_same(&first, &outcome);
        }
    }
}

/* ---- Repetition. ---- */

static struct outcome run_repeated(const char *path, const char *policy, const char *text)
{
    struct sm_option_values options;
    struct wl_config config = config_for(path, policy);
    assert_int_equal(sm_options_parse("workload trace", wl_trace.options, wl_trace.option_count, text, &options, NULL),
                     SM_OK);
    config.options = &options;
    return run(&config);
}

static void compare_repeated(const char *path)
{
    struct outcome once = run_policy(path, policies[0]);
    struct outcome first = run_repeated(path, policies[0], "repeat=3");
    assert_clean(&first, path, policies[0]);
    assert_int_equal(first.alloc_bytes, 3 * once.alloc_bytes);
    assert_int_equal(first.alloc_count, 3 * once.alloc_count);
    assert_int_equal(first.steps_done, 3 * once.steps_done);
    assert_int_not_equal(first.checksum, once.checksum);
    for (size_t i = 1; i < POLICY_COUNT; i++) {
        struct outcome other = run_repeated(path, policies[i], "repeat=3");
        assert_clean(&other, path, policies[i]);
        assert_same(&first, &other);
        if (i >= INLINE_EPOCH)
            assert_int_equal(other.garbage_bytes, 0);
    }
}

static void test_repeated_replay(void **state)
{
    (void)state;
    assert_true(traces_visit("valid", compare_repeated) >= 8);
}

/* ---- Loops: as often as is asked for. ---- */

/* Steps until as many are done, as the harness does, then as `drive`. */
static struct outcome run_wanted(const char *path, const char *policy, uint64_t steps, uint64_t *passes)
{
    struct outcome outcome = {.step = WL_STEP_MORE};
    struct wl_instance *instance;
    struct sm_error error = {SM_OK, ""};
    struct wl_config config = config_for(path, policy);
    config.wanted_steps = steps;
    if (wl_trace.create(&config, &instance, &error) != SM_OK)
        fail_msg("%s", error.detail);
    while (outcome.step == WL_STEP_MORE && instance->steps_done < steps)
        outcome.step = wl_trace.step(instance);
    outcome.finish = wl_trace.finish(instance);
    outcome.checksum = instance->checksum;
    outcome.alloc_bytes = sm_hot(instance->mm)->alloc_bytes;
    outcome.steps_done = instance->steps_done;
    *passes = wl_trace_passes(instance);
    wl_trace.destroy(instance);
    return outcome;
}

/* A request again and again is what `repeat` makes of it, byte by byte and under every policy. */
static void loop_request(const char *path)
{
    struct outcome once = run_policy(path, policies[0]);
    struct outcome repeated = run_repeated(path, policies[0], "repeat=5");
    for (size_t i = 0; i < POLICY_COUNT; i++) {
        uint64_t passes;
        struct outcome looped = run_wanted(path, policies[i], 5 * once.steps_done, &passes);
        assert_int_equal(looped.finish, WL_STEP_DONE);
        assert_int_equal(looped.steps_done, 5 * once.steps_done);
        assert_int_equal(looped.alloc_bytes, 5 * once.alloc_bytes);
        assert_int_equal(passes, 5);
        assert_int_equal(looped.checksum, repeated.checksum);
    }
}

static void test_a_request_is_replayed_in_a_loop(void **state)
{
    char path[4096];
    uint64_t passes;
    (void)state;
    /* Events behind the last request end are not asked for, so that the last pass is not whole. */
    traces_path(path, "valid/requests.sapitrace");
    struct outcome first = run_wanted(path, policies[0], 15, &passes);
    for (size_t i = 0; i < POLICY_COUNT; i++) {
        struct outcome looped = run_wanted(path, policies[i], 15, &passes);
        assert_int_equal(looped.finish, WL_STEP_DONE);
        assert_int_equal(looped.checksum, first.checksum);
        assert_int_equal(passes, 4);
    }
    trace_visit_prefix("symfony-blog.sapitrace.zst", test_scale(0, 12000, 12000), loop_request);
}

/* What is asked for ends inside the second pass. */
static void test_a_loop_may_end_inside_a_pass(void **state)
{
    char path[4096];
    uint64_t passes;
    (void)state;
    traces_path(path, "valid/requests.sapitrace");
    struct outcome once = run_policy(path, policies[0]);
    assert_int_equal(once.steps_done, 3);
    struct outcome part = run_wanted(path, policies[0], 4, &passes);
    assert_int_equal(part.finish, WL_STEP_DONE);
    assert_int_equal(part.steps_done, 4);
    assert_int_equal(passes, 1);
    struct outcome less = run_wanted(path, policies[0], 2, &passes);
    assert_int_equal(less.steps_done, 2);
    assert_int_equal(passes, 0);
}

static sm_status create_wanting(const char *path, uint64_t steps, uint64_t bytes, const char *options,
                                struct sm_error *error)
{
    struct sm_option_values values;
    struct wl_instance *instance = NULL;
    struct wl_config config = config_for(path, "null");
    config.wanted_steps = steps;
    config.wanted_bytes = bytes;
    assert_int_equal(sm_options_parse("trace", wl_trace.options, wl_trace.option_count, options, &values, NULL), SM_OK);
    config.options = &values;
    sm_status status = wl_trace.create(&config, &instance, error);
    wl_trace.destroy(instance);
    return status;
}

static const char unended[] = "# sapitrace 1\n(\nn 1 array 0 2\ng 3 1\ni\ni\n)\n";
static const char ended[] = "# sapitrace 1\n(\nn 1 array 0 2\ng 3 1\ni\ni\ng 3 0\n)\n";
static const char idle[] = "# sapitrace 1\n(\n)\n";

static void test_a_program_that_has_not_ended_is_not_looped(void **state)
{
    char path[64];
    struct sm_error error = {SM_OK, ""};
    uint64_t passes;
    (void)state;
    trace_scratch_path(path);
    write_whole(path, unended, strlen(unended));
    assert_int_equal(create_wanting(path, 2, 0, NULL, &error), SM_OK);
    assert_int_equal(create_wanting(path, 0, 32, NULL, &error), SM_OK);
    assert_int_equal(create_wanting(path, 3, 0, NULL, &error), SM_ERR_INVALID_ARGUMENT);
    assert_non_null(
        strstr(error.detail, "3 iterations or requests asked for, it has 2 and cannot be replayed in a loop"));
    assert_non_null(strstr(error.detail, "at its end 1 globals hold objects"));
    assert_int_equal(create_wanting(path, 0, 33, NULL, &error), SM_ERR_INVALID_ARGUMENT);
    assert_non_null(strstr(error.detail, "33 bytes asked for, it has 32 and cannot"));
    /* Whoever says how often has said what happens to the globals. */
    assert_int_equal(create_wanting(path, 3, 0, "repeat=2", &error), SM_OK);

    write_whole(path, ended, strlen(ended));
    for (size_t i = 0; i < POLICY_COUNT; i++) {
        struct outcome looped = run_wanted(path, policies[i], 1000, &passes);
        assert_int_equal(looped.finish, WL_STEP_DONE);
        assert_int_equal(looped.steps_done, 1000);
        assert_int_equal(passes, 499);
    }
    write_whole(path, idle, strlen(idle));
    assert_int_equal(create_wanting(path, 1, 0, NULL, &error), SM_ERR_INVALID_ARGUMENT);
    assert_non_null(strstr(error.detail, "it has none"));
    assert_int_equal(create_wanting(path, 0, 1, NULL, &error), SM_ERR_INVALID_ARGUMENT);
    unlink(path);
}

/* A byte that is changed in a later pass makes that pass another one. */
static void test_a_pass_unlike_the_first_is_noticed(void **state)
{
    char path[4096];
    struct sm_option_values options;
    (void)state;
    traces_path(path, "valid/every-event.sapitrace");
    struct outcome once = run_policy(path, policies[0]);
    assert_int_equal(sm_options_parse("trace", wl_trace.options, wl_trace.option_count, "repeat=3", &options, NULL),
                     SM_OK);
    struct outcome clean = run_repeated(path, policies[0], "repeat=3");
    for (uint64_t period = 1; period < 3 * 60; period += 7) {
        struct wl_config config = config_for(path, policies[0]);
        config.options = &options;
        config.fault = WL_FAULT_FLIP_BYTE;
        config.fault_period = period;
        struct outcome flipped = run(&config);
        assert_true(flipped.finish == WL_STEP_INVALID || flipped.checksum == clean.checksum);
        if (period < 2 * 30)
            assert_int_equal(flipped.finish, WL_STEP_INVALID);
    }
    assert_int_not_equal(clean.checksum, once.checksum);
}

/* ---- Destructors. ---- */

static void test_destructors_run_exactly_once(void **state)
{
    char path[4096];
    (void)state;
    traces_path(path, "valid/destructors.sapitrace");
    for (size_t i = 0; i < POLICY_COUNT; i++) {
        struct wl_config config = config_for(path, policies[i]);
        config.manager.collect_every_safepoint = i >= INLINE_EPOCH;
        struct outcome outcome = run(&config);
        assert_clean(&outcome, path, policies[i]);
        assert_int_equal(outcome.destructors.registered, 6);
        assert_int_not_equal(outcome.destructor_sum, 0);
    }
}

/* ---- Faults. ---- */

static struct outcome run_fault(const char *path, const char *policy, enum wl_fault fault, uint64_t period)
{
    struct wl_config config = config_for(path, policy);
    config.fault = fault;
    config.fault_period = period;
    return run(&config);
}

/* Wherever the byte or edge is changed, the checksum differs, and the run says that it is not valid. */
static void assert_flips_are_noticed(const char *path, uint64_t period)
{
    struct outcome clean = run_policy(path, policies[0]);
    for (size_t policy = 0; policy <= INLINE_EPOCH; policy++) {
        struct outcome byte = run_fault(path, policies[policy], WL_FAULT_FLIP_BYTE, period);
        struct outcome edge = run_fault(path, policies[policy], WL_FAULT_FLIP_EDGE, period);
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
    struct outcome clean = run_policy(path, policies[INLINE_EPOCH]);
    struct outcome leaky = run_fault(path, policies[INLINE_EPOCH], WL_FAULT_LEAK, 1000);
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
    struct wl_config config = config_for(path, "null");
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
    struct wl_config config = config_for(path, "null");
    config.manager.memory_limit_bytes = 8 << 20;
    struct outcome outcome = run(&config);
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
    struct outcome clean = run_policy(path, policies[INLINE_EPOCH]);
    for (size_t p = 0; p < 3; p++)
        for (uint64_t nth = 1; nth <= 24; nth++) {
            struct wl_config config = config_for(path, policies[p]);
            struct wl_instance *instance = NULL;
            struct outcome outcome = {0};
            config.manager.fail_alloc_after = nth;
            if (wl_trace.create(&config, &instance, NULL) == SM_OK) {
                drive(instance, &outcome);
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
    struct outcome clean = run_policy(path, "null");
    struct wl_config config = config_for(path, "epoch");
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
        cmocka_unit_test(test_repeated_replay),
        cmocka_unit_test(test_a_request_is_replayed_in_a_loop),
        cmocka_unit_test(test_a_loop_may_end_inside_a_pass),
        cmocka_unit_test(test_a_program_that_has_not_ended_is_not_looped),
        cmocka_unit_test(test_a_pass_unlike_the_first_is_noticed),
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
