/** Deliberate faults: each must change the checksum, or keep objects reachable that should have died. */
#include "trace/replay.h"

#include <stdlib.h>

/* A leak that finds no memory is not one; the run's retained count tells. */
static bool keep(struct trace_leaks *leaks, struct sm_object *object)
{
    if (leaks->count == leaks->capacity) {
        size_t capacity = leaks->capacity == 0 ? 64 : leaks->capacity * 2;
        struct sm_object **grown = realloc(leaks->objects, capacity * sizeof(struct sm_object *));
        if (grown == NULL)
            return false;
        leaks->objects = grown;
        leaks->capacity = capacity;
    }
    leaks->objects[leaks->count++] = object;
    return true;
}

bool trace_fault_leaks(struct trace_replay *replay, uint32_t object)
{
    if (replay->fault != WL_FAULT_LEAK || ++replay->deaths % replay->fault_period != 0)
        return false;
    struct sm_object *memory = replay->shadow.objects[object].memory;
    if (!keep(&replay->leaks, memory))
        return false;
    sm_value_copy(trace_manager(replay), trace_edge_value(memory));
    return true;
}

void trace_fault_unread(struct trace_replay *replay, uint32_t object)
{
    if (replay->fault_sequence == replay->shadow.objects[object].sequence)
        replay->fault_sequence = 0;
}

/* A leaf cannot end in a cycle, where nothing reads it again. */
static void flip_byte(struct trace_replay *replay, const struct trace_event *event)
{
    const struct shadow_object *record = &replay->shadow.objects[event->object];
    if (event->op != TRACE_ALLOCATE || record->bytes == 0 || record->slot_count != 0)
        return;
    trace_raw_bytes(record->memory, record)[0] ^= 0x01;
    replay->fault_sequence = record->sequence;
}

/* The slot comes to hold its own object; what it should hold stays reachable, so that only the edge is wrong. */
static void flip_edge(struct trace_replay *replay, const struct trace_event *event)
{
    bool is_store = event->op == TRACE_STORE || event->op == TRACE_ALLOCATE;
    if (!is_store || event->owner == 0 || event->object == 0 || event->owner == event->object)
        return;
    const struct shadow_object *owner = &replay->shadow.objects[event->owner];
    struct sm_object *target = replay->shadow.objects[event->object].memory;
    if (!keep(&replay->leaks, target))
        return;
    sm_value_copy(trace_manager(replay), trace_edge_value(target));
    sm_store(trace_manager(replay), owner->memory, trace_slot(owner->memory, owner->flags, event->slot),
             trace_edge_value(owner->memory));
    replay->fault_sequence = owner->sequence;
}

uint32_t trace_fault_moved(struct trace_replay *replay, uint32_t object, const struct sm_object *old)
{
    uint32_t moved_count = 0;
    const struct shadow *shadow = &replay->shadow;
    const struct shadow_object *record = &shadow->objects[object];
    for (size_t i = 0; i < replay->leaks.count; i++)
        if (replay->leaks.objects[i] == old) {
            replay->leaks.objects[i] = record->memory;
            moved_count++;
        }
    /* A flipped slot was copied with the rest; the resize has read it back before. */
    for (uint32_t i = 0; i < record->slot_count; i++) {
        struct sm_value *slot = trace_slot(record->memory, record->flags, i);
        uint32_t target = shadow->edges[record->first_edge + i].target;
        if (sm_value_is_heap(*slot) && sm_value_object(*slot) == old && target != 0 && target != SHADOW_STALE)
            sm_store(trace_manager(replay), record->memory, slot, trace_edge_value(shadow->objects[target].memory));
    }
    return moved_count;
}

void trace_fault_plant(struct trace_replay *replay, const struct trace_event *event)
{
    if (replay->fault_sequence != 0 || replay->events_run + 1 < replay->fault_period)
        return;
    if (replay->fault == WL_FAULT_FLIP_BYTE)
        flip_byte(replay, event);
    else if (replay->fault == WL_FAULT_FLIP_EDGE)
        flip_edge(replay, event);
}
