/** Deaths as an explicit policy and a counting one see them. */
#include "trace/replay.h"

#include "trace/source.h"

#include "sapimem/policy.h"

#include <stdlib.h>

static void doom(struct trace_replay *replay, struct sm_object *object)
{
    struct trace_doomed *doomed = &replay->doomed;
    if (doomed->count == doomed->capacity) {
        size_t capacity = doomed->capacity == 0 ? 256 : doomed->capacity * 2;
        struct sm_object **grown = realloc(doomed->objects, capacity * sizeof(struct sm_object *));
        /* What finds no room is a leak, which the run reports. */
        if (grown == NULL)
            return;
        doomed->objects = grown;
        doomed->capacity = capacity;
    }
    doomed->objects[doomed->count++] = object;
}

/* What a machine counts beside tracing: values and their storage, not objects. A weak cell makes a count unknown. */
static bool is_known_death(const struct shadow_object *record)
{
    const struct sm_object *memory = record->memory;
    bool is_counted =
        record->kind == TRACE_KIND_BYTES || record->kind == TRACE_KIND_STRING || record->kind == TRACE_KIND_ARRAY;
    bool has_destructor = (sm_object_flags(memory) & (SM_OBJECT_FINALIZABLE | SM_OBJECT_FINALIZED)) != 0;
    return is_counted && record->holder_count == 0 && !record->held_unseen && !has_destructor &&
           memory->count != SM_COUNT_MAX;
}

/* Nobody drops what it held. */
static void die_unseen(struct shadow *shadow, const struct shadow_object *record)
{
    for (uint32_t i = 0; i < record->slot_count; i++) {
        uint32_t target = shadow->edges[record->first_edge + i].target;
        if (target != 0 && target != SHADOW_STALE)
            shadow->objects[target].held_unseen = true;
    }
}

void trace_doom(struct trace_replay *replay, uint32_t object)
{
    const struct shadow_object *record = &replay->shadow.objects[object];
    if (replay->tells_deaths && is_known_death(record))
        doom(replay, record->memory);
    else if (replay->tells_deaths)
        die_unseen(&replay->shadow, record);
    if (!replay->may_free)
        return;
    if (record->kind == TRACE_KIND_WEAK) {
        struct sm_value cell = *trace_slot(record->memory, record->flags, record->slot_count);
        if (sm_value_is_heap(cell))
            doom(replay, sm_value_object(cell));
    }
    doom(replay, record->memory);
}

void trace_doom_rest(struct trace_replay *replay)
{
    for (uint32_t i = 1; replay->may_free && i < replay->program.entry_limit; i++) {
        if (replay->shadow.objects[i].state == SHADOW_LIVE)
            trace_doom(replay, i);
    }
}

void trace_free_doomed(struct trace_replay *replay)
{
    struct sm_manager *mm = trace_manager(replay);
    for (size_t i = 0; i < replay->doomed.count; i++) {
        struct sm_object *object = replay->doomed.objects[i];
        if ((sm_object_flags(object) & (SM_OBJECT_FINALIZABLE | SM_OBJECT_FINALIZED)) == SM_OBJECT_FINALIZABLE)
            sm_finalizer_run_now(mm, object);
    }
    for (size_t i = 0; i < replay->doomed.count; i++) {
        if (replay->tells_deaths)
            sm_retire(mm, replay->doomed.objects[i]);
        else
            (void)sm_free(mm, replay->doomed.objects[i]);
    }
    replay->doomed.count = 0;
}

void trace_spare_doomed(struct trace_replay *replay)
{
    replay->doomed.count = 0;
}

enum wl_step trace_assert_gone(struct trace_replay *replay, const struct trace_event *event,
                               const struct sm_object *memory, bool kept)
{
    if (!replay->counts)
        return WL_STEP_MORE;
    if (kept) {
        replay->self_kept_deaths++;
        return WL_STEP_MORE;
    }
    if (!sm_is_valid(trace_manager(replay), memory))
        return WL_STEP_MORE;
    trace_fail(&replay->base.error, SM_ERR_INVALID_ARGUMENT, replay->program.path, event->line,
               "the object dies here and nothing holds it, yet its count is %u", memory->count);
    return WL_STEP_INVALID;
}

/* Both hold the edges from now on; a loop to the old object itself went with the move. */
static void share_edges(struct sm_manager *mm, struct sm_object *old)
{
    struct sm_value *slot = sm_payload(old);
    const struct sm_value *end = slot + old->payload_bytes / sizeof(*slot);
    for (; sm_type_get(mm, old->type)->trace != NULL && slot < end && (slot->tag & TRACE_TAG_RAW) == 0; slot++) {
        if (sm_value_is_heap(*slot) && sm_value_object(*slot) == old)
            *slot = (struct sm_value){0, 0};
        else
            sm_value_copy(mm, *slot);
    }
}

void trace_end_moved(struct trace_replay *replay, struct sm_object *old, struct sm_object *memory, uint32_t moved_count)
{
    struct sm_manager *mm = trace_manager(replay);
    if (replay->counts) {
        memory->count = moved_count;
        old->count -= moved_count;
        if (old->count != 0) {
            share_edges(mm, old);
            return;
        }
    }
    bool is_known = replay->tells_deaths && old->count != SM_COUNT_MAX;
    if (replay->counts || replay->may_free || is_known)
        sm_retire(mm, old);
}
