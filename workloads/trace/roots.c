/** The roots of a replay, each kind its own provider. */
#include "trace/replay.h"

#include "trace/source.h"

#include <errno.h>
#include <string.h>

/* Locals hang in the shadow's lists; observers do not walk them. */
static void enumerate_frames(void *context, struct sm_visitor *visitor)
{
    const struct trace_replay *replay = context;
    const struct shadow *shadow = &replay->shadow;
    for (uint32_t depth = 1; depth <= shadow->depth; depth++)
        for (uint32_t i = shadow->frames[depth]; i != 0; i = shadow->objects[i].local_next)
            visitor->edge(visitor, shadow->objects[i].memory);
}

static void enumerate_table(struct sm_object *const *table, uint32_t limit, struct sm_visitor *visitor)
{
    for (uint32_t name = 0; name < limit; name++)
        sm_visit_pointer(visitor, &table[name]);
}

static void enumerate_globals(void *context, struct sm_visitor *visitor)
{
    const struct trace_replay *replay = context;
    enumerate_table(replay->globals, replay->program.global_limit, visitor);
}

static void enumerate_context(void *context, struct sm_visitor *visitor)
{
    const struct trace_replay *replay = context;
    enumerate_table(replay->context, replay->program.context_limit, visitor);
}

static void enumerate_leaks(void *context, struct sm_visitor *visitor)
{
    const struct trace_replay *replay = context;
    for (size_t i = 0; i < replay->leaks.count; i++)
        visitor->edge(visitor, replay->leaks.objects[i]);
}

static sm_status register_providers(struct trace_replay *replay)
{
    const struct sm_root_provider providers[] = {
        {"frames", enumerate_frames, replay},
        {"globals", enumerate_globals, replay},
        {"request-context", enumerate_context, replay},
        {"fault-leaks", enumerate_leaks, replay},
    };
    sm_status status = SM_OK;
    for (size_t i = 0; status == SM_OK && i < sizeof(providers) / sizeof(providers[0]); i++)
        status = sm_roots_register(trace_manager(replay), &providers[i]);
    return status;
}

sm_status trace_roots_create(struct trace_replay *replay, struct sm_error *error)
{
    const struct trace_program *program = &replay->program;
    if (!trace_mapping_create(&replay->global_table, program->global_limit * sizeof(struct sm_object *)) ||
        !trace_mapping_create(&replay->context_table, program->context_limit * sizeof(struct sm_object *)))
        return trace_fail(error, SM_ERR_SYSTEM, program->path, 0, "cannot keep its roots in $TMPDIR or /tmp: %s",
                          strerror(errno));
    replay->globals = replay->global_table.base;
    replay->context = replay->context_table.base;
    sm_status status = register_providers(replay);
    if (status != SM_OK)
        return trace_fail(error, status, program->path, 0, "%s", sm_error_detail(trace_manager(replay)));
    return SM_OK;
}

void trace_roots_destroy(struct trace_replay *replay)
{
    trace_mapping_destroy(&replay->global_table);
    trace_mapping_destroy(&replay->context_table);
}

void trace_root_set(struct trace_replay *replay, struct sm_object **table, uint32_t name, struct sm_object *object)
{
    struct sm_manager *mm = trace_manager(replay);
    struct sm_object *old = table[name];
    if (object != NULL)
        sm_value_copy(mm, trace_edge_value(object));
    /* Pairs with the acquire in sm_visit_pointer: an observer sees the object whole. */
    __atomic_store_n(&table[name], object, __ATOMIC_RELEASE);
    if (old != NULL)
        sm_value_drop(mm, trace_edge_value(old));
}

void trace_root_move(struct trace_replay *replay, struct sm_object **table, uint32_t name, struct sm_object *object)
{
    (void)replay;
    /* Pairs with the acquire in sm_visit_pointer: an observer sees the object whole. */
    __atomic_store_n(&table[name], object, __ATOMIC_RELEASE);
}

void trace_root_clear(struct trace_replay *replay, struct sm_object **table, uint32_t limit)
{
    for (uint32_t name = 0; name < limit; name++)
        if (table[name] != NULL)
            trace_root_set(replay, table, name, NULL);
}

void trace_root_forget(struct sm_object **table, uint32_t limit)
{
    for (uint32_t name = 0; name < limit; name++)
        if (table[name] != NULL)
            __atomic_store_n(&table[name], NULL, __ATOMIC_RELEASE);
}
