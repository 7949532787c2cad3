#include "trace_run.h"

#include "check.h"

#include "sapimem/epoch.h"

#include <string.h>

const char *const trace_policies[TRACE_POLICY_COUNT] = {"null",  "arena",   "malloc", "epoch:reclaim=inline",
                                                        "epoch", "refcount"};

struct wl_config trace_config(const char *path, const char *policy)
{
    /* Long recordings pass the threshold, so that a regular cycle is in them. */
    struct wl_config config = {.trace_path = path, .manager = {.threshold_bytes = UINT64_C(16) << 20}};
    config.manager.policy = policy;
    config.manager.sapi = wl_trace_sapi(path);
    return config;
}

void trace_drive(struct wl_instance *instance, struct trace_outcome *outcome)
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

struct trace_outcome trace_run(const struct wl_config *config)
{
    struct trace_outcome outcome = {0};
    struct wl_instance *instance;
    struct sm_error error = {SM_OK, ""};
    if (wl_trace.create(config, &instance, &error) != SM_OK)
        fail_msg("%s", error.detail);
    trace_drive(instance, &outcome);
    wl_trace.destroy(instance);
    return outcome;
}

struct trace_outcome trace_run_policy(const char *path, const char *policy)
{
    struct wl_config config = trace_config(path, policy);
    return trace_run(&config);
}

void trace_assert_clean(const struct trace_outcome *outcome, const char *path, const char *policy)
{
    if (outcome->step != WL_STEP_DONE || outcome->finish != WL_STEP_DONE)
        fail_msg("%s under %s: %d, %d, %s", path, policy, outcome->step, outcome->finish, outcome->detail);
    assert_int_equal(outcome->destructors.run, outcome->destructors.registered);
    assert_int_equal(outcome->destructors.run_again, 0);
    assert_int_equal(outcome->destructor_sum, outcome->destructors.expected_sum);
}

void trace_assert_same(const struct trace_outcome *one, const struct trace_outcome *other)
{
    assert_int_equal(one->checksum, other->checksum);
    assert_int_equal(one->destructor_sum, other->destructor_sum);
    assert_int_equal(one->alloc_bytes, other->alloc_bytes);
    assert_int_equal(one->alloc_count, other->alloc_count);
    assert_int_equal(one->steps_done, other->steps_done);
}
