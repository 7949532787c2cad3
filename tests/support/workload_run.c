#include "workload_run.h"

#include "check.h"
#include "heap_census.h"
#include "workloads/checksum.h"

static void parse(const struct wl_ops *ops, const char *text, struct sm_option_values *values)
{
    struct sm_error error = {0};
    if (sm_options_parse(ops->name, ops->options, ops->option_count, text, values, &error) != SM_OK)
        fail_msg("%s", error.detail);
}

struct wl_instance *workload_create(const struct wl_ops *ops, const struct workload_run *run)
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
    struct wl_instance *instance = NULL;
    struct sm_error error = {0};
    if (ops->create(&config, &instance, &error) != SM_OK)
        fail_msg("%s", error.detail);
    return instance;
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
