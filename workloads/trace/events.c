/**
 * The events of a trace on the heap.
 *
 * Each goes the same way: read back what is about to be overwritten or dropped, change the shadow, read back what that
 * released, and only then change memory, since a counting policy frees at that moment. What is read, and so the
 * checksum, depends on the shadow alone. A safepoint follows wherever it may: a trace roots everything it names.
 */
#include "trace/replay.h"

#include "trace/source.h"

#include "sapimem/policy.h"
#include "workloads/checksum.h"

#include <time.h>

static struct shadow_object *record_of(struct trace_replay *replay, uint32_t index)
{
    return &replay->shadow.objects[index];
}

static void store(struct trace_replay *replay, uint32_t owner, uint32_t slot, struct sm_value value)
{
    const struct shadow_object *record = record_of(replay, owner);
    sm_store(trace_manager(replay), record->memory, trace_slot(record->memory, record->flags, slot), value);
}

static void store_take(struct trace_replay *replay, uint32_t owner, uint32_t slot, struct sm_value value)
{
    const struct shadow_object *record = record_of(replay, owner);
    sm_store_take(trace_manager(replay), record->memory, trace_slot(record->memory, record->flags, slot), value);
}

static void store_move(struct trace_replay *replay, uint32_t owner, uint32_t slot, struct sm_value value)
{
    const struct shadow_object *record = record_of(replay, owner);
    sm_store_move(trace_manager(replay), record->memory, trace_slot(record->memory, record->flags, slot), value);
}

/* What an object released by `line` was is read for the last time, unless it was unreachable long before. */
static void drain(struct trace_replay *replay, uint32_t line, bool readable)
{
    struct shadow *shadow = &replay->shadow;
    uint32_t released;
    while ((released = shadow_pending(shadow)) != 0) {
        if (readable)
            trace_fold_object(replay, released, line);
        else
            trace_fault_unread(replay, released);
        record_of(replay, released)->held_unseen |= !readable;
        trace_doom(replay, released);
        shadow_release(shadow, released, line);
    }
}

static void apply(struct trace_replay *replay, const struct trace_event *event)
{
    shadow_apply(&replay->shadow, event);
    drain(replay, event->line, true);
    if (event->op == TRACE_REQUEST_END && replay->shadow.sapi == SM_SAPI_FPM)
        trace_doom_rest(replay);
    shadow_conclude(&replay->shadow, event);
}

static enum wl_step failed(struct trace_replay *replay, const struct trace_event *event)
{
    struct sm_manager *mm = trace_manager(replay);
    trace_fail(&replay->base.error, sm_error_status(mm), replay->program.path, event->line, "%s", sm_error_detail(mm));
    return WL_STEP_FAILED;
}

/* ---- Allocation, resizing, stores. ---- */

static struct sm_object *allocate(struct trace_replay *replay, const struct trace_event *event)
{
    const struct shadow_object shape = {
        .bytes = event->bytes, .slot_count = event->slot_count, .kind = event->kind, .flags = event->flags};
    struct sm_manager *mm = trace_manager(replay);
    sm_type_id type = trace_type_of(&replay->types, event->kind, event->slot_count, event->flags);
    size_t payload_bytes = shadow_payload_bytes(&shape);
    uint32_t sequence = replay->shadow.sequence + 1;
    struct sm_object *object = trace_is_traced(event->kind, event->slot_count) ? sm_alloc(mm, type, payload_bytes)
                                                                               : sm_alloc_leaf(mm, type, payload_bytes);
    if (object == NULL)
        return NULL;
    if ((event->flags & TRACE_EVENT_FINALIZABLE) != 0)
        *(struct sm_value *)sm_payload(object) = (struct sm_value){sequence, TRACE_TAG_ARMED};
    trace_pattern_write(trace_raw_bytes(object, &shape), event->bytes, sequence);
    return object;
}

static enum wl_step run_allocation(struct trace_replay *replay, const struct trace_event *event)
{
    struct sm_object *object = allocate(replay, event);
    if (object == NULL)
        return failed(replay, event);
    if (event->owner != 0)
        trace_fold_slot(replay, event->owner, event->slot, event->line);
    shadow_apply(&replay->shadow, event);
    record_of(replay, event->object)->memory = object;
    drain(replay, event->line, true);
    if (event->owner != 0)
        store_take(replay, event->owner, event->slot, trace_edge_value(object));
    return WL_STEP_MORE;
}

static bool make_weak_cell(struct trace_replay *replay, uint32_t owner, struct sm_object *target)
{
    struct sm_object *cell = sm_weak_make(trace_manager(replay), target);
    if (cell == NULL)
        return false;
    shadow_set_cell_bytes(&replay->shadow, owner, (uint32_t)cell->payload_bytes);
    const struct shadow_object *record = record_of(replay, owner);
    struct sm_value old = *trace_slot(record->memory, record->flags, record->slot_count);
    if (replay->may_free && sm_value_is_heap(old))
        (void)sm_free(trace_manager(replay), sm_value_object(old));
    store_take(replay, owner, record_of(replay, owner)->slot_count, sm_value_from_object(cell, TRACE_TAG_CELL));
    return true;
}

/* Visit the slots that hold `object`, weak ones included; not those of garbage, whose memory may be gone. */
typedef bool visit_holder(struct trace_replay *replay, uint32_t owner, uint32_t slot, const struct trace_event *event);

static bool visit_holders(struct trace_replay *replay, const struct trace_event *event, visit_holder *visit)
{
    struct shadow *shadow = &replay->shadow;
    for (uint32_t edge = record_of(replay, event->object)->incoming; edge != 0; edge = shadow->edges[edge].next) {
        uint32_t owner = shadow->edges[edge].owner;
        if (shadow_is_reachable(shadow, owner) &&
            !visit(replay, owner, edge - shadow->objects[owner].first_edge, event))
            return false;
    }
    return true;
}

static bool is_weak_slot(struct trace_replay *replay, uint32_t owner, uint32_t slot)
{
    return slot == record_of(replay, owner)->slot_count;
}

/* Before a resize may rewrite it; under every policy, moved or not. */
static bool fold_holder(struct trace_replay *replay, uint32_t owner, uint32_t slot, const struct trace_event *event)
{
    if (owner != event->object && !is_weak_slot(replay, owner, slot))
        trace_fold_slot(replay, owner, slot, event->line);
    return true;
}

static bool move_holder(struct trace_replay *replay, uint32_t owner, uint32_t slot, const struct trace_event *event)
{
    if (!is_weak_slot(replay, owner, slot)) {
        store_move(replay, owner, slot, trace_edge_value(record_of(replay, event->object)->memory));
        replay->moved_count++;
    }
    return true;
}

static bool renew_weak_cell(struct trace_replay *replay, uint32_t owner, uint32_t slot, const struct trace_event *event)
{
    return !is_weak_slot(replay, owner, slot) ||
           make_weak_cell(replay, owner, record_of(replay, event->object)->memory);
}

static void move_roots(struct trace_replay *replay, uint32_t object, struct sm_object **table, const uint32_t *names,
                       uint32_t limit)
{
    for (uint32_t name = 0; name < limit; name++)
        if (names[name] == object) {
            trace_root_move(replay, table, name, record_of(replay, object)->memory);
            replay->moved_count++;
        }
}

/* The object has a new address. */
static void move_object(struct trace_replay *replay, const struct trace_event *event, struct sm_object *memory)
{
    struct shadow_object *record = record_of(replay, event->object);
    struct sm_object *old = record->memory;
    record->memory = memory;
    replay->moved_count = record->frame != 0;
    visit_holders(replay, event, move_holder);
    if (replay->fault == WL_FAULT_FLIP_EDGE)
        replay->moved_count += trace_fault_moved(replay, event->object, old);
    if (record->root_count > (record->frame != 0)) {
        move_roots(replay, event->object, replay->globals, replay->shadow.globals, replay->program.global_limit);
        move_roots(replay, event->object, replay->context, replay->shadow.context, replay->program.context_limit);
    }
    trace_end_moved(replay, old, memory, replay->moved_count);
}

static enum wl_step run_resize(struct trace_replay *replay, const struct trace_event *event)
{
    struct shadow_object *record = record_of(replay, event->object);
    trace_fold_object(replay, event->object, event->line);
    visit_holders(replay, event, fold_holder);
    uint64_t payload_bytes = shadow_payload_bytes(record) - record->bytes + event->bytes;
    struct sm_object *memory = sm_resize(trace_manager(replay), record->memory, payload_bytes);
    if (memory == NULL)
        return failed(replay, event);
    shadow_apply(&replay->shadow, event);
    trace_pattern_write(trace_raw_bytes(memory, record), event->bytes, record->sequence);
    if (memory != record->memory)
        move_object(replay, event, memory);
    /* New weak cells whether it moved or not, so that every policy allocates the same; last, since that may collect. */
    return visit_holders(replay, event, renew_weak_cell) ? WL_STEP_MORE : failed(replay, event);
}

static enum wl_step run_store(struct trace_replay *replay, const struct trace_event *event)
{
    struct sm_value value = {0, 0};
    if (event->object != 0)
        value = trace_edge_value(record_of(replay, event->object)->memory);
    trace_fold_slot(replay, event->owner, event->slot, event->line);
    apply(replay, event);
    store(replay, event->owner, event->slot, value);
    return WL_STEP_MORE;
}

static enum wl_step run_weak(struct trace_replay *replay, const struct trace_event *event)
{
    apply(replay, event);
    return make_weak_cell(replay, event->owner, record_of(replay, event->object)->memory) ? WL_STEP_MORE
                                                                                          : failed(replay, event);
}

/* ---- Roots. ---- */

static enum wl_step run_root(struct trace_replay *replay, const struct trace_event *event, struct sm_object **table)
{
    apply(replay, event);
    trace_root_set(replay, table, event->slot, event->object == 0 ? NULL : record_of(replay, event->object)->memory);
    return WL_STEP_MORE;
}

static enum wl_step run_drop_local(struct trace_replay *replay, const struct trace_event *event)
{
    apply(replay, event);
    sm_value_drop(trace_manager(replay), trace_edge_value(record_of(replay, event->object)->memory));
    return WL_STEP_MORE;
}

/* The locals of a frame that was left; their links outlast it until the next event. */
static void drop_locals(struct trace_replay *replay, uint32_t first)
{
    if (!sm_counts_all(trace_manager(replay)))
        return;
    for (uint32_t i = first; i != 0; i = record_of(replay, i)->local_next)
        sm_value_drop(trace_manager(replay), trace_edge_value(record_of(replay, i)->memory));
}

static enum wl_step run_leave(struct trace_replay *replay, const struct trace_event *event)
{
    uint32_t first = replay->shadow.frames[replay->shadow.depth];
    apply(replay, event);
    drop_locals(replay, first);
    return WL_STEP_MORE;
}

void trace_drop_roots(struct trace_replay *replay)
{
    shadow_drop_roots(&replay->shadow);
    drain(replay, 0, true);
    trace_doom_rest(replay);
    trace_root_clear(replay, replay->context, replay->program.context_limit);
    trace_root_clear(replay, replay->globals, replay->program.global_limit);
    trace_free_doomed(replay);
}

/* ---- Deaths. ---- */

static enum wl_step run_death(struct trace_replay *replay, const struct trace_event *event)
{
    struct shadow *shadow = &replay->shadow;
    struct shadow_object *record = record_of(replay, event->object);
    struct sm_object *memory = record->memory;
    bool was_live = record->state == SHADOW_LIVE, was_local = record->frame != 0, leaks = false;
    if (was_live) {
        trace_fold_object(replay, event->object, event->line);
        leaks = trace_fault_leaks(replay, event->object);
    }
    if (event->owner != 0)
        trace_fold_slot(replay, event->owner, event->slot, event->line);
    shadow_apply(shadow, event);
    bool kept = was_live && record->holder_count != 0;
    /* The dying object heads the queue and has just been read, with the slot that no longer holds it. */
    if (was_live && !leaks)
        trace_doom(replay, event->object);
    if (was_live)
        shadow_release(shadow, event->object, event->line);
    drain(replay, event->line, true);
    if (event->owner != 0)
        store(replay, event->owner, event->slot, (struct sm_value){0, 0});
    if (was_local)
        sm_value_drop(trace_manager(replay), trace_edge_value(memory));
    shadow_conclude(shadow, event);
    return was_live && !leaks ? trace_assert_gone(replay, event, memory, kept) : WL_STEP_MORE;
}

/* Its memory, and its owner's when that is part of the garbage, may have been reclaimed long ago. */
static enum wl_step run_cyclic_death(struct trace_replay *replay, const struct trace_event *event)
{
    struct shadow *shadow = &replay->shadow;
    const struct shadow_object *record = record_of(replay, event->object);
    struct sm_value value = trace_edge_value(record->memory);
    bool was_local = record->frame != 0;
    bool owner_is_there = event->owner != 0 && shadow_is_reachable(shadow, event->owner);
    if (owner_is_there)
        trace_fold_slot(replay, event->owner, event->slot, event->line);
    shadow_apply(shadow, event);
    drain(replay, event->line, false);
    if (owner_is_there)
        store(replay, event->owner, event->slot, (struct sm_value){0, 0});
    if (was_local)
        sm_value_drop(trace_manager(replay), value);
    shadow_conclude(shadow, event);
    return WL_STEP_MORE;
}

static enum wl_step run_destructor(struct trace_replay *replay, const struct trace_event *event)
{
    const struct shadow_object *record = record_of(replay, event->object);
    if (sm_finalizer_register(trace_manager(replay), record->memory) != SM_OK)
        return failed(replay, event);
    replay->destructors.registered++;
    replay->destructors.expected_sum += wl_mix(record->sequence);
    return WL_STEP_MORE;
}

/* ---- Boundaries. ---- */

static enum wl_step run_iteration(struct trace_replay *replay, const struct trace_event *event)
{
    struct sm_manager *mm = trace_manager(replay);
    trace_fold_sample(replay, event->line);
    sm_unpin(sm_owner_guard(mm));
    sm_safepoint(mm);
    sm_pin(sm_owner_guard(mm), SM_HERE);
    replay->base.steps_done++;
    return WL_STEP_MORE;
}

/* A signal ends the sleep early, so that an interrupt is prompt; how long it took enters nowhere. */
static enum wl_step run_block(struct trace_replay *replay, const struct trace_event *event)
{
    const struct timespec duration = {(time_t)(event->bytes / 1000000), (long)(event->bytes % 1000000) * 1000};
    sm_offline(sm_owner_guard(trace_manager(replay)));
    nanosleep(&duration, NULL);
    sm_online(sm_owner_guard(trace_manager(replay)));
    return WL_STEP_MORE;
}

static enum wl_step run_request_begin(struct trace_replay *replay, const struct trace_event *event)
{
    apply(replay, event);
    /* A CLI process is one long PHP request: there globals outlive the brackets, so the manager must not end it. */
    if (replay->shadow.sapi == SM_SAPI_FPM && sm_request_begin(trace_manager(replay)) != SM_OK)
        return failed(replay, event);
    return WL_STEP_MORE;
}

static enum wl_step run_request_end(struct trace_replay *replay, const struct trace_event *event)
{
    struct sm_manager *mm = trace_manager(replay);
    bool is_fpm = replay->shadow.sapi == SM_SAPI_FPM;
    uint32_t first = replay->shadow.frames[replay->shadow.depth];
    trace_fold_sample(replay, event->line);
    apply(replay, event);
    if (is_fpm && replay->tells_deaths)
        trace_spare_doomed(replay);
    /* What goes at once is not torn down first, as in PHP. */
    if (is_fpm && (sm_policy_capabilities(mm) & SM_CAP_BULK_FREE) != 0) {
        trace_root_forget(replay->context, replay->program.context_limit);
        trace_root_forget(replay->globals, replay->program.global_limit);
    } else {
        trace_root_clear(replay, replay->context, replay->program.context_limit);
        if (is_fpm)
            trace_root_clear(replay, replay->globals, replay->program.global_limit);
        drop_locals(replay, first);
    }
    if (is_fpm)
        replay->leaks.count = 0;
    sm_unpin(sm_owner_guard(mm));
    sm_status status = is_fpm ? sm_request_end(mm) : SM_OK;
    sm_safepoint(mm);
    sm_pin(sm_owner_guard(mm), SM_HERE);
    replay->base.steps_done++;
    return status == SM_OK ? WL_STEP_MORE : failed(replay, event);
}

static enum wl_step run_collect(struct trace_replay *replay, const struct trace_event *event)
{
    sm_status status = sm_collect(trace_manager(replay), SM_COLLECT_FULL);
    return status == SM_OK || status == SM_ERR_UNSUPPORTED ? WL_STEP_MORE : failed(replay, event);
}

static enum wl_step dispatch(struct trace_replay *replay, const struct trace_event *event)
{
    switch ((enum trace_op)event->op) {
    case TRACE_ALLOCATE:
        return run_allocation(replay, event);
    case TRACE_RESIZE:
        return run_resize(replay, event);
    case TRACE_STORE:
        return run_store(replay, event);
    case TRACE_WEAK:
        return run_weak(replay, event);
    case TRACE_DROP_LOCAL:
        return run_drop_local(replay, event);
    case TRACE_GLOBAL:
        return run_root(replay, event, replay->globals);
    case TRACE_CONTEXT:
        return run_root(replay, event, replay->context);
    case TRACE_ENTER:
        apply(replay, event);
        return WL_STEP_MORE;
    case TRACE_LEAVE:
        return run_leave(replay, event);
    case TRACE_DEATH:
        return run_death(replay, event);
    case TRACE_CYCLIC_DEATH:
        return run_cyclic_death(replay, event);
    case TRACE_DESTRUCTOR:
        return run_destructor(replay, event);
    case TRACE_ITERATION:
        return run_iteration(replay, event);
    case TRACE_BLOCK:
        return run_block(replay, event);
    case TRACE_REQUEST_BEGIN:
        return run_request_begin(replay, event);
    case TRACE_REQUEST_END:
        return run_request_end(replay, event);
    case TRACE_COLLECT:
        return run_collect(replay, event);
    default:
        return trace_verify(replay, event->object, event->line);
    }
}

enum wl_step trace_run_event(struct trace_replay *replay, const struct trace_event *event)
{
    enum wl_step step = replay->check_trace ? trace_check_named(replay, event) : WL_STEP_MORE;
    if (step == WL_STEP_MORE)
        step = dispatch(replay, event);
    if (step != WL_STEP_MORE)
        return step;
    trace_free_doomed(replay);
    if (replay->fault != WL_FAULT_NONE)
        trace_fault_plant(replay, event);
    if (event->op == TRACE_ALLOCATE || event->op == TRACE_RESIZE || event->op == TRACE_DEATH)
        sm_safepoint(trace_manager(replay));
    return WL_STEP_MORE;
}
