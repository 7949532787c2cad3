/* The exact trace of a recording: what counts keep and nothing reaches. */
#include "death_record.h"

#include "manager_internal.h"

struct tracer {
    struct sm_visitor visitor;
    struct sm_death_recorder *recorder;
    struct sm_object **pending; /* met, not yet traced */
    size_t count, capacity;
    bool is_out_of_memory;
};

static bool push(struct tracer *tracer, struct sm_object *object)
{
    if (tracer->count == tracer->capacity) {
        size_t capacity = tracer->capacity == 0 ? 1024 : tracer->capacity * 2;
        struct sm_object **grown = realloc(tracer->pending, capacity * sizeof(struct sm_object *));
        if (grown == NULL)
            return false;
        tracer->pending = grown;
        tracer->capacity = capacity;
    }
    tracer->pending[tracer->count++] = object;
    return true;
}

/* An object that nobody has seen being born was made by a destructor. */
static struct sm_object_entry *entry_of(struct tracer *tracer, struct sm_object *object)
{
    struct sm_object_map *objects = &tracer->recorder->objects;
    struct sm_object_entry *entry = sm_object_map_find(objects, object);
    if (entry != NULL)
        return entry;
    entry = sm_object_map_put(objects, object);
    if (entry != NULL)
        entry->slot = DEATH_UNNUMBERED;
    return entry;
}

static void reach(struct sm_visitor *visitor, struct sm_object *target)
{
    struct tracer *tracer = (struct tracer *)visitor;
    struct sm_object_entry *entry = entry_of(tracer, target);
    if (entry == NULL) {
        tracer->is_out_of_memory = true;
        return;
    }
    /* Recorded dead and reachable would be a schedule that frees too early. */
    SM_ASSERT(entry->slot != DEATH_ZOMBIE);
    if (entry->stamp == tracer->recorder->stamp)
        return;
    entry->stamp = tracer->recorder->stamp;
    if (!push(tracer, target))
        tracer->is_out_of_memory = true;
}

static void drain(struct sm_manager *mm, struct tracer *tracer)
{
    while (tracer->count > 0 && !tracer->is_out_of_memory)
        sm_trace(mm, tracer->pending[--tracer->count], &tracer->visitor);
}

/* Roots, what C code holds until the next safepoint, and whatever a destructor has yet to see (R5). */
static void reach_all(struct sm_manager *mm, struct tracer *tracer)
{
    sm_roots_enumerate(mm, &tracer->visitor);
    for (size_t i = 0; i < mm->autorelease.count; i++)
        reach(&tracer->visitor, mm->autorelease.objects[i]);
    for (size_t i = 0; i < mm->finalizers.count; i++) {
        if (mm->finalizers.registered[i] != NULL)
            reach(&tracer->visitor, mm->finalizers.registered[i]);
    }
    drain(mm, tracer);
}

static void bury_unreached(struct sm_death_recorder *recorder)
{
    for (size_t i = 0; i < recorder->objects.capacity; i++) {
        struct sm_object_entry *entry = &recorder->objects.entries[i];
        bool numbered = entry->object != NULL && entry->slot != DEATH_ZOMBIE && entry->slot != DEATH_UNNUMBERED;
        if (numbered && entry->stamp != recorder->stamp)
            sm_recorder_bury(recorder, entry);
    }
}

void sm_death_record_trace(struct sm_manager *mm)
{
    struct sm_death_recorder *recorder = mm->recorder;
    if (recorder == NULL || recorder->has_watch || recorder->is_finished || recorder->is_out_of_memory)
        return;
    struct tracer tracer = {.visitor = {.edge = reach}, .recorder = recorder};
    recorder->stamp++;
    recorder->totals.traces++;
    reach_all(mm, &tracer);
    if (tracer.is_out_of_memory)
        recorder->is_out_of_memory = true;
    else
        bury_unreached(recorder);
    free(tracer.pending);
}
