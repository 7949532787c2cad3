/** The static check, and the facts about a trace that it yields. */
#include "trace/check.h"

#include "trace/parse.h"
#include "trace/source.h"

#include <assert.h>
#include <stdbool.h>

_Static_assert((int)WL_TRACE_OPS == (int)TRACE_OP_COUNT, "one count for each event of the format");

const char *wl_trace_op_letters(void)
{
    return "naswlgc()dDtib[]kv";
}

static enum sm_sapi sapi_of_lines(struct trace_source *source)
{
    const char *line;
    size_t length;
    struct sm_error error;
    while (trace_source_next(source, &line, &length, &error) == TRACE_LINE)
        if (length == 1 && (line[0] == '[' || line[0] == '('))
            return line[0] == '[' ? SM_SAPI_FPM : SM_SAPI_CLI;
    return SM_SAPI_CLI;
}

enum sm_sapi wl_trace_sapi(const char *path)
{
    struct trace_source *source;
    if (trace_source_open(path, &source, NULL) != SM_OK)
        return SM_SAPI_CLI;
    enum sm_sapi sapi = sapi_of_lines(source);
    trace_source_close(source);
    return sapi;
}

static void count_bytes(const struct shadow *shadow, const struct trace_event *event, struct wl_trace_info *info)
{
    const struct shadow_object *object = &shadow->objects[event->object];
    if (event->op == TRACE_RESIZE && event->bytes > object->bytes)
        info->bytes += event->bytes - object->bytes;
    if (event->op != TRACE_ALLOCATE)
        return;
    const struct shadow_object made = {
        .bytes = event->bytes, .slot_count = event->slot_count, .kind = event->kind, .flags = event->flags};
    info->bytes += shadow_payload_bytes(&made);
    info->slots += event->slot_count;
}

static uint64_t count_held(const uint32_t *table, uint32_t limit)
{
    uint64_t count = 0;
    for (uint32_t name = 0; name < limit; name++)
        count += table[name] != 0;
    return count;
}

static void fill_info(const struct shadow *shadow, struct wl_trace_info *info)
{
    const struct trace_program *program = shadow->program;
    for (size_t i = 0; i < TRACE_OP_COUNT; i++) {
        assert(trace_op_letter((enum trace_op)i) == wl_trace_op_letters()[i]);
        info->events_by_op[i] = program->op_count[i];
    }
    info->sapi = program->sapi;
    info->events = program->event_count;
    info->objects = program->op_count[TRACE_ALLOCATE];
    info->iterations = program->op_count[TRACE_ITERATION];
    info->requests = program->op_count[TRACE_REQUEST_BEGIN];
    info->deaths = program->op_count[TRACE_DEATH];
    info->cyclic_deaths = program->op_count[TRACE_CYCLIC_DEATH];
    info->resizes = program->op_count[TRACE_RESIZE];
    info->destructors = program->op_count[TRACE_DESTRUCTOR];
    info->peak_live_objects = shadow->peak_live_objects;
    info->peak_live_bytes = shadow->peak_live_bytes;
    info->end_live_objects = shadow->live_objects;
    info->end_live_bytes = shadow->live_bytes;
    info->end_roots =
        count_held(shadow->globals, program->global_limit) + count_held(shadow->context, program->context_limit);
}

static void run_event(struct shadow *shadow, const struct trace_event *event)
{
    uint32_t released;
    shadow_apply(shadow, event);
    while ((released = shadow_pending(shadow)) != 0)
        shadow_release(shadow, released, event->line);
    shadow_conclude(shadow, event);
}

sm_status trace_check_program(struct shadow *shadow, struct wl_trace_info *info, struct sm_error *error)
{
    struct wl_trace_info facts = {0};
    for (uint32_t i = 0; i < shadow->program->event_count; i++) {
        const struct trace_event *event = trace_program_event(shadow->program, i);
        sm_status status = shadow_check(shadow, event, error);
        if (status != SM_OK)
            return status;
        count_bytes(shadow, event, &facts);
        run_event(shadow, event);
    }
    fill_info(shadow, &facts);
    if (info != NULL)
        *info = facts;
    shadow_reset(shadow);
    shadow->sequence = shadow->pass_base = 0;
    shadow->peak_live_bytes = shadow->peak_live_objects = 0;
    return SM_OK;
}

sm_status wl_trace_check(const char *path, struct wl_trace_info *info, struct sm_error *error)
{
    struct trace_program program;
    struct shadow shadow;
    sm_status status = trace_decode(path, &program, error);
    if (status == SM_OK) {
        status = shadow_create(&program, program.sapi, &shadow, error);
        if (status == SM_OK)
            status = trace_check_program(&shadow, info, error);
        shadow_destroy(&shadow);
    }
    trace_program_destroy(&program);
    return status;
}
