#include "workload_run.h"

#include "check.h"
#include "heap_census.h"
#include "sapimem/policy.h"
#include "thread_coverage.h"
#include "workloads/checksum.h"

#include "../../workloads/vm_session.h"

#include <stdio.h>
#include <string.h>

static void parse(const struct wl_ops *ops, const char *text, struct sm_option_values *values)
{
    struct sm_error error = {0};
    if (sm_options_parse(ops->name, ops->options, ops->option_count, text, values, &error) != SM_OK)
        fail_msg("%s", error.detail);
}

static sm_status try_create(const struct wl_ops *ops, const struct workload_run *run, struct wl_instance **instance,
                            struct sm_error *error)
{
    struct sm_option_values values;
    parse(ops, run->options, &values);
    struct wl_config config = {
        .manager = run->manager,
        .options = &values,
        .seed = run->seed,
        .mutator_work = run->mutator_work,
        .fault = run->fault,
        .fault_period = run->fault_period,
    };
    return ops->create(&config, instance, error);
}

struct wl_instance *workload_create(const struct wl_ops *ops, const struct workload_run *run)
{
    struct wl_instance *instance = NULL;
    struct sm_error error = {0};
    if (try_create(ops, run, &instance, &error) != SM_OK)
        fail_msg("%s", error.detail);
    return instance;
}

struct sm_error workload_refusal(const struct wl_ops *ops, const struct workload_run *run)
{
    struct wl_instance *instance = NULL;
    struct sm_error error = {0};
    sm_status status = try_create(ops, run, &instance, &error);
    assert_int_not_equal(status, SM_OK);
    assert_int_equal(status, error.status);
    assert_null(instance);
    assert_true(strlen(error.detail) > 0);
    return error;
}

void workload_steps(struct wl_instance *instance, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        if (instance->ops->step(instance) != WL_STEP_MORE)
            fail_msg("step %llu: %s", (unsigned long long)i, instance->error.detail);
}

static void finish(struct wl_instance *instance, struct workload_outcome *outcome)
{
    struct heap_census census;
    assert_int_equal(instance->ops->finish(instance), WL_STEP_DONE);
    assert_int_equal(sm_quiesce(instance->mm), SM_OK);
    sm_stats_get(instance->mm, &outcome->stats);
    heap_census_take(instance->mm, &census);
    outcome->leaked_objects = census.dead_count;
    outcome->retained_objects = census.reachable_count;
    sm_finalizers_run_all(instance->mm);
    outcome->checksum = wl_checksum_fold(instance->checksum, instance->destructor_sum);
}

struct workload_outcome workload_run(const struct wl_ops *ops, const struct workload_run *run)
{
    struct workload_outcome outcome;
    struct sm_stats before, after;
    struct wl_instance *instance = workload_create(ops, run);
    sm_stats_get(instance->mm, &before);
    workload_steps(instance, run->steps);
    sm_stats_get(instance->mm, &after);
    outcome.step_alloc_count = after.alloc_count - before.alloc_count;
    outcome.step_alloc_bytes = after.alloc_bytes - before.alloc_bytes;
    finish(instance, &outcome);
    ops->destroy(instance);
    return outcome;
}

uint64_t workload_analytic_live_bytes(const struct wl_ops *ops, const char *options)
{
    struct sm_option_values values;
    parse(ops, options, &values);
    return ops->analytic_live_bytes(&values);
}

struct workload_run workload_run_of(enum sm_sapi sapi, const char *policy, const char *options, uint64_t steps)
{
    return (struct workload_run){
        .options = options,
        .manager = {.sapi = sapi, .policy = policy},
        .seed = 7,
        .steps = steps,
        .mutator_work = true,
    };
}

const struct wl_ops *workload_find(const char *name)
{
    const struct wl_ops *ops = wl_find(name);
    assert_non_null(ops);
    return ops;
}

uint64_t workload_checksum(const struct wl_ops *ops, struct workload_run run)
{
    return workload_run(ops, &run).checksum;
}

void workload_assert_flips_show(const struct wl_ops *ops, struct workload_run run, uint64_t period_within,
                                uint64_t expected)
{
    enum { PERIOD_BEYOND = 100 };
    static const enum wl_fault faults[] = {WL_FAULT_FLIP_BYTE, WL_FAULT_FLIP_EDGE};
    assert_true(run.steps < PERIOD_BEYOND);
    for (size_t i = 0; i < 2; i++) {
        run.fault = faults[i];
        run.fault_period = period_within;
        assert_int_not_equal(workload_checksum(ops, run), expected);
        run.fault_period = PERIOD_BEYOND;
        assert_int_equal(workload_checksum(ops, run), expected);
    }
}

static bool is_available(const char *policy)
{
    char name[32];
    snprintf(name, sizeof(name), "%.*s", (int)strcspn(policy, ":"), policy);
    const struct sm_policy_ops *ops = sm_policy_find(name);
    return ops != NULL && ops->unavailable == NULL && is_run_in_this_build(ops->capabilities);
}

void workload_assert_policies_agree(const struct wl_ops *ops, struct workload_run run, uint64_t expected)
{
    static const char *const policies[] = {"null",  "arena",  "refcount", "marksweep",
                                           "boehm", "malloc", "epoch",    "arena:limit=256K"};
    for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
        if (!is_available(policies[i]))
            continue;
        run.manager.policy = policies[i];
        run.manager.sapi = SM_SAPI_CLI;
        assert_int_equal(workload_checksum(ops, run), expected);
        run.manager.sapi = SM_SAPI_FPM;
        assert_int_equal(workload_checksum(ops, run), expected);
    }
}

void workload_assert_emergencies_change_nothing(const struct wl_ops *ops, struct workload_run run, uint64_t expected)
{
    run.manager.collect_every_alloc = true;
    assert_int_equal(workload_checksum(ops, run), expected);
}

void workload_assert_leak_is_retained(const struct wl_ops *ops, struct workload_run run, uint64_t least_objects)
{
    struct workload_outcome clean = workload_run(ops, &run);
    run.fault = WL_FAULT_LEAK;
    run.fault_period = 3;
    struct workload_outcome leaky = workload_run(ops, &run);
    assert_int_equal(clean.leaked_objects, 0);
    assert_int_equal(leaky.leaked_objects, 0);
    assert_true(leaky.retained_objects > clean.retained_objects + least_objects);
}

void workload_assert_inputs_matter(const struct wl_ops *ops, struct workload_run run, const char *other_options)
{
    uint64_t expected = workload_checksum(ops, run);
    struct workload_run other = run;
    assert_int_equal(workload_checksum(ops, other), expected);
    other.seed = run.seed + 1;
    assert_int_not_equal(workload_checksum(ops, other), expected);
    other = run;
    other.options = other_options;
    assert_int_not_equal(workload_checksum(ops, other), expected);
    other = run;
    other.steps--;
    assert_int_not_equal(workload_checksum(ops, other), expected);
}

void workload_assert_cycles_change_nothing(const struct wl_ops *ops, struct workload_run run, uint64_t expected)
{
    run.manager.collect_every_safepoint = true;
    struct workload_outcome outcome = workload_run(ops, &run);
    assert_int_equal(outcome.checksum, expected);
    assert_true(outcome.stats.cycles > 300);
    assert_int_equal(outcome.leaked_objects, 0);
}

void workload_assert_out_of_memory(struct wl_instance *instance, enum wl_step result)
{
    assert_int_equal(result, WL_STEP_FAILED);
    assert_int_equal(instance->error.status, SM_ERR_OUT_OF_MEMORY);
    assert_true(strlen(instance->error.detail) > 0);
    instance->ops->destroy(instance);
}

double workload_opcodes_per_alloc(const struct wl_ops *ops, const struct workload_run *run)
{
    struct wl_instance *instance = workload_create(ops, run);
    struct sm_stats before, after;
    sm_stats_get(instance->mm, &before);
    workload_steps(instance, run->steps);
    sm_stats_get(instance->mm, &after);
    double opcodes = (double)vm_session_of(instance)->work.opcodes_run;
    ops->destroy(instance);
    return opcodes / (double)(after.alloc_count - before.alloc_count);
}

void workload_assert_analytic_size(const struct wl_ops *ops, const char *options, uint64_t found_bytes)
{
    double ratio = (double)workload_analytic_live_bytes(ops, options) / (double)found_bytes;
    assert_true(ratio > 0.95 && ratio < 1.05);
}
