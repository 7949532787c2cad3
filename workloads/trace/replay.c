/** The workload "trace": replays a recorded or hand-made trace against any policy. */
#include "trace/replay.h"

#include "trace/check.h"
#include "trace/source.h"

#include "sapimem/policy.h"
#include "workloads/checksum.h"

#include <assert.h>
#include <stdlib.h>

/* A step ends here at the latest, so that interrupts and samples come in time. */
enum { STEP_EVENTS = 10000, SAMPLE_EVENTS = 10000 };

static const struct sm_option options[] = {
    {"repeat", SM_OPTION_COUNT, "passes", "1", 1, 1e9, NULL,
     "replay the whole trace this many times, globals let go between them; else in a loop where more is asked for"},
};

static struct trace_replay *replay_of(struct wl_instance *instance)
{
    assert(instance->ops == &wl_trace);
    return (struct trace_replay *)instance;
}

static const struct trace_replay *replay_of_const(const struct wl_instance *instance)
{
    assert(instance->ops == &wl_trace);
    return (const struct trace_replay *)instance;
}

/* The mark in the object's hidden slot shows a second run, and that its memory is still its own. */
static void run_destructor(struct sm_manager *mm, struct sm_object *object, void *context)
{
    struct trace_replay *replay = context;
    struct sm_value *mark = sm_payload(object);
    if (mark->tag != TRACE_TAG_ARMED) {
        replay->destructors.run_again++;
        return;
    }
    replay->destructors.run++;
    replay->base.destructor_sum += wl_mix(mark->payload);
    sm_store(mm, object, mark, (struct sm_value){mark->payload, TRACE_TAG_RAN});
}

static const char *observed_roots(const struct trace_program *program)
{
    if (program->global_limit != 0)
        return "globals";
    return program->context_limit != 0 ? "request-context" : NULL;
}

static sm_status load(struct trace_replay *replay, const struct wl_config *config, struct sm_error *error)
{
    struct wl_trace_info info;
    sm_status status = trace_decode(config->trace_path, &replay->program, error);
    if (status == SM_OK)
        status = shadow_create(&replay->program, config->manager.sapi, &replay->shadow, error);
    if (status == SM_OK)
        status = trace_check_program(&replay->shadow, &info, error);
    if (status == SM_OK)
        status = trace_passes_plan(replay, config, &info, error);
    return status;
}

static sm_status start_manager(struct trace_replay *replay, const struct wl_config *config, struct sm_error *error)
{
    sm_status status = sm_manager_create(&config->manager, &replay->base.mm, error);
    if (status != SM_OK)
        return status;
    struct sm_manager *mm = replay->base.mm;
    if (!trace_types_register(mm, run_destructor, replay, &replay->types))
        return trace_fail(error, sm_error_status(mm), config->trace_path, 0, "%s", sm_error_detail(mm));
    /* A policy that counts, traces or frees in bulk does it by itself: an explicit one is told, and one that wants to know. */
    uint32_t capabilities = sm_policy_capabilities(mm);
    const uint32_t own_ways = SM_CAP_COUNTS | SM_CAP_COLLECT | SM_CAP_BULK_FREE;
    /* What a fault keeps reachable may refer to anything: then nothing is freed. */
    bool keeps_garbage = config->fault == WL_FAULT_LEAK || config->fault == WL_FAULT_FLIP_EDGE;
    replay->may_free = (capabilities & SM_CAP_FREE) != 0 && (capabilities & own_ways) == 0 && !keeps_garbage;
    replay->tells_deaths = (capabilities & SM_CAP_DEATHS) != 0 && !keeps_garbage;
    replay->counts = (capabilities & SM_CAP_COUNTS) != 0;
    replay->base.observed_roots = observed_roots(&replay->program);
    return trace_roots_create(replay, error);
}

static void destroy_replay(struct wl_instance *instance)
{
    if (instance == NULL)
        return;
    struct trace_replay *replay = replay_of(instance);
    /* The last destructors run in here, and look at what follows. */
    sm_manager_destroy(replay->base.mm);
    trace_roots_destroy(replay);
    shadow_destroy(&replay->shadow);
    trace_program_destroy(&replay->program);
    free(replay->leaks.objects);
    free(replay->doomed.objects);
    free(replay);
}

static struct trace_replay *new_replay(const struct wl_config *config)
{
    struct trace_replay *replay = calloc(1, sizeof(*replay));
    if (replay == NULL)
        return NULL;
    replay->base.ops = &wl_trace;
    replay->base.checksum = WL_CHECKSUM_START;
    replay->program.events = TRACE_MAPPING_NONE;
    replay->global_table = replay->context_table = TRACE_MAPPING_NONE;
    for (size_t i = 0; i < sizeof(replay->shadow.tables) / sizeof(replay->shadow.tables[0]); i++)
        replay->shadow.tables[i] = TRACE_MAPPING_NONE;
    replay->check_trace = config->check_trace;
    replay->fault = config->fault;
    replay->fault_period = config->fault_period != 0 ? config->fault_period : 1;
    return replay;
}

static sm_status create_replay(const struct wl_config *config, struct wl_instance **instance, struct sm_error *error)
{
    *instance = NULL;
    if (config->trace_path == NULL)
        return trace_fail(error, SM_ERR_INVALID_ARGUMENT, "workload trace", 0, "no file given, expected trace:FILE");
    struct trace_replay *replay = new_replay(config);
    if (replay == NULL)
        return trace_fail(error, SM_ERR_OUT_OF_MEMORY, config->trace_path, 0, "no memory to replay it");
    sm_status status = load(replay, config, error);
    if (status == SM_OK)
        status = start_manager(replay, config, error);
    if (status != SM_OK)
        destroy_replay(&replay->base);
    else
        *instance = &replay->base;
    return status;
}

static bool is_boundary(const struct trace_event *event)
{
    return event->op == TRACE_ITERATION || event->op == TRACE_REQUEST_END;
}

static enum wl_step run_next(struct trace_replay *replay, const struct trace_event *event)
{
    enum wl_step step = trace_run_event(replay, event);
    if (step != WL_STEP_MORE)
        return step;
    replay->next_event++;
    replay->events_run++;
    if (++replay->pass_events % SAMPLE_EVENTS == 0)
        trace_fold_sample(replay, event->line);
    return replay->next_event == replay->program.event_count ? trace_pass_conclude(replay) : WL_STEP_MORE;
}

static enum wl_step run_some(struct trace_replay *replay)
{
    for (uint32_t i = 0; i < STEP_EVENTS; i++) {
        if (replay->next_event == replay->program.event_count && replay->passes_left <= 1)
            return WL_STEP_DONE;
        if (replay->next_event == replay->program.event_count)
            trace_pass_begin(replay);
        const struct trace_event *event = trace_program_event(&replay->program, replay->next_event);
        enum wl_step step = run_next(replay, event);
        if (step != WL_STEP_MORE || is_boundary(event))
            return step;
    }
    return WL_STEP_MORE;
}

static enum wl_step step_replay(struct wl_instance *instance)
{
    struct trace_replay *replay = replay_of(instance);
    struct sm_guard *guard = sm_owner_guard(instance->mm);
    /* A long iteration must not hold back what it retired itself (R4). */
    if (replay->started)
        sm_repin(guard, SM_HERE);
    else
        sm_pin(guard, SM_HERE);
    replay->started = true;
    return run_some(replay);
}

static enum wl_step finish_replay(struct wl_instance *instance)
{
    struct trace_replay *replay = replay_of(instance);
    enum wl_step step = trace_verify_all(replay);
    trace_passes_fold(replay);
    if (step == WL_STEP_DONE && replay->destructors.run_again != 0) {
        trace_fail(&instance->error, SM_ERR_INVALID_ARGUMENT, replay->program.path, 0,
                   "%llu destructors ran a second time", (unsigned long long)replay->destructors.run_again);
        step = WL_STEP_INVALID;
    }
    if (replay->started)
        sm_unpin(sm_owner_guard(instance->mm));
    replay->started = false;
    return step;
}

static uint64_t garbage_bytes(const struct wl_instance *instance)
{
    struct sm_stats stats;
    sm_stats_get(instance->mm, &stats);
    uint64_t live_bytes = replay_of_const(instance)->shadow.live_bytes;
    return stats.live_bytes > live_bytes ? stats.live_bytes - live_bytes : 0;
}

void wl_trace_destructors(const struct wl_instance *instance, struct wl_trace_destructors *destructors)
{
    *destructors = replay_of_const(instance)->destructors;
}

uint64_t wl_trace_passes(const struct wl_instance *instance)
{
    return replay_of_const(instance)->passes_done;
}

uint64_t wl_trace_self_kept_deaths(const struct wl_instance *instance)
{
    return replay_of_const(instance)->self_kept_deaths;
}

const struct wl_ops wl_trace = {
    .name = "trace",
    .summary = "replays a trace file (sapitrace 1), recorded or hand-made",
    .sapi = SM_SAPI_CLI,
    .step_unit = "iteration",
    .options = options,
    .option_count = sizeof(options) / sizeof(options[0]),
    .create = create_replay,
    .step = step_replay,
    .finish = finish_replay,
    .destroy = destroy_replay,
    .garbage_bytes = garbage_bytes,
};
