#include "births.h"

#include "manager_internal.h"
#include "schedule_reader.h"

/** In the header's count word: a slot of `loose`. */
#define LOOSE_BIT SM_SLOT_MAX

/* ---- What is due. ---- */

static bool due_reserve(struct sm_births *births)
{
    if (births->due_first == births->due_end)
        births->due_first = births->due_end = 0;
    if (births->due_end < births->due_capacity)
        return true;
    size_t capacity = births->due_capacity == 0 ? 256 : births->due_capacity * 2;
    struct sm_due *due = realloc(births->due, capacity * sizeof(*due));
    if (due == NULL)
        return false;
    births->due = due;
    births->due_capacity = capacity;
    return true;
}

static bool due_is_empty(const struct sm_births *births)
{
    return births->due_first == births->due_end;
}

/* False: no memory. */
static bool due_add(struct sm_births *births, struct sm_object *object, bool is_destructor)
{
    if (!due_reserve(births))
        return false;
    births->due[births->due_end++] = (struct sm_due){object, is_destructor};
    return true;
}

/* The object is `moved` now, or gone (NULL). */
static void due_replace(struct sm_births *births, const struct sm_object *object, struct sm_object *moved)
{
    for (size_t i = births->due_first; i < births->due_end; i++) {
        if (births->due[i].object == object)
            births->due[i].object = moved;
    }
}

/* ---- Deaths. ---- */

/* Its slot is another's, or nobody's, now; without one a walk, and the end of the manager, would not find it. */
static void keep_loose(struct sm_births *births, struct sm_object *object)
{
    if (sm_slot_reserve(&births->loose))
        object->count = sm_slot_take(&births->loose, object) | LOOSE_BIT;
}

static void free_dead(struct sm_manager *mm, struct sm_object *object)
{
    /* A destructor that the record knew of has run before; without it the object is kept, which is safe. */
    if ((sm_object_flags(object) & SM_OBJECT_FINALIZABLE) != 0) {
        keep_loose(&mm->births, object);
        return;
    }
    sm_count_dead(mm, 1, object->payload_bytes);
    mm->births.freeing = object;
    mm->ops->free(mm->policy, object);
    mm->births.freeing = NULL;
}

static void apply_death(struct sm_manager *mm, uint32_t slot)
{
    struct sm_births *births = &mm->births;
    struct sm_object *object = sm_slot_object(&births->scheduled, slot);
    sm_slot_release(&births->scheduled, slot);
    /* The program may have freed it itself. */
    if (object == NULL)
        return;
    if (due_is_empty(births))
        free_dead(mm, object);
    else if (!due_add(births, object, false))
        keep_loose(births, object);
}

static void apply_destructor(struct sm_manager *mm, uint32_t slot)
{
    struct sm_object *object = sm_slot_object(&mm->births.scheduled, slot);
    if (object == NULL || (sm_object_flags(object) & SM_OBJECT_FINALIZABLE) == 0)
        return;
    /* Without memory for the queue the destructor is left to the run of all. */
    if (due_add(&mm->births, object, true))
        sm_attention_request(mm);
}

/* A record that names a slot which nobody has belongs to another program. */
static bool event_fits(const struct sm_births *births, const struct sm_death_schedule *schedule)
{
    return schedule->event == SM_DEATH_EVENT_MARK || sm_slot_is_taken(&births->scheduled, schedule->event_slot);
}

static void apply_next(struct sm_manager *mm)
{
    struct sm_death_schedule *schedule = mm->births.schedule;
    SM_ASSERT(event_fits(&mm->births, schedule));
    if (!event_fits(&mm->births, schedule)) {
        sm_births_fail(mm);
        return;
    }
    if (schedule->event == SM_DEATH_EVENT_DEATH)
        apply_death(mm, schedule->event_slot);
    else if (schedule->event == SM_DEATH_EVENT_DESTRUCTOR)
        apply_destructor(mm, schedule->event_slot);
    else
        schedule->marks_read++;
    sm_schedule_advance(schedule);
}

static bool has_event_by(const struct sm_births *births, uint64_t clock)
{
    return births->schedule != NULL && births->schedule->has_event && births->schedule->event_births <= clock;
}

bool sm_births_prepare(struct sm_manager *mm)
{
    struct sm_births *births = &mm->births;
    bool is_scheduled = births->schedule != NULL && mm->finalizers.running == NULL;
    if (is_scheduled && has_event_by(births, births->clock)) {
        sm_sample_live(mm);
        while (has_event_by(births, births->clock))
            apply_next(mm);
        /* A record that does not fit is given up on the way. */
        is_scheduled = births->schedule != NULL;
    }
    return sm_slot_reserve(is_scheduled ? &births->scheduled : &births->loose);
}

void sm_births_add(struct sm_manager *mm, struct sm_object *object)
{
    struct sm_births *births = &mm->births;
    if (births->schedule == NULL || mm->finalizers.running != NULL) {
        object->count = sm_slot_take(&births->loose, object) | LOOSE_BIT;
        return;
    }
    births->clock++;
    object->count = sm_slot_take(&births->scheduled, object);
}

void sm_births_fail(struct sm_manager *mm)
{
    if (mm->finalizers.running == NULL)
        mm->births.schedule = NULL;
}

/* ---- Moves, frees. ---- */

static struct sm_slot_table *table_of(struct sm_births *births, const struct sm_object *object)
{
    return (object->count & LOOSE_BIT) != 0 ? &births->loose : &births->scheduled;
}

static bool holds_slot(struct sm_births *births, const struct sm_object *object)
{
    return sm_slot_object(table_of(births, object), object->count & ~LOOSE_BIT) == object;
}

/* The count word was copied with the header, so the new object names the slot already. */
void sm_births_move(struct sm_manager *mm, struct sm_object *object, struct sm_object *moved)
{
    struct sm_births *births = &mm->births;
    if (holds_slot(births, object))
        sm_slot_set(table_of(births, object), object->count & ~LOOSE_BIT, moved);
    else
        due_replace(births, object, moved);
    /* Until the caller retires it. */
    keep_loose(births, object);
}

void sm_births_forget(struct sm_manager *mm, struct sm_object *object)
{
    struct sm_births *births = &mm->births;
    if (object == births->freeing)
        return;
    if (!holds_slot(births, object))
        due_replace(births, object, NULL);
    else if ((object->count & LOOSE_BIT) != 0)
        sm_slot_release(&births->loose, object->count & ~LOOSE_BIT);
    else
        sm_slot_set(&births->scheduled, object->count, NULL);
}

/* ---- Safepoints. ---- */

static void run_due_destructor(struct sm_manager *mm, struct sm_object *object)
{
    if ((sm_object_flags(object) & SM_OBJECT_FINALIZABLE) == 0)
        return;
    sm_pause_begin(mm, SM_PAUSE_DESTRUCTORS);
    sm_finalizer_run_now(mm, object);
    sm_pause_end(mm);
}

/* A destructor may make more due, at the end of the queue. */
void sm_births_safepoint(struct sm_manager *mm)
{
    struct sm_births *births = &mm->births;
    if (mm->finalizers.running != NULL)
        return;
    while (!due_is_empty(births)) {
        struct sm_due due = births->due[births->due_first++];
        if (due.object == NULL)
            continue;
        if (due.is_destructor)
            run_due_destructor(mm, due.object);
        else
            free_dead(mm, due.object);
    }
}

void sm_births_catch_up(struct sm_manager *mm)
{
    struct sm_births *births = &mm->births;
    uint64_t mark = ++births->mark_count;
    while (has_event_by(births, births->clock) && births->schedule->marks_read < mark)
        apply_next(mm);
    sm_births_safepoint(mm);
}

bool sm_births_answer(struct sm_manager *mm, bool answer, bool in_destructor)
{
    struct sm_births *births = &mm->births;
    if (mm->finalizers.running != NULL)
        return in_destructor;
    /* A schedule that was given up: what is right whatever is true. */
    return births->schedule != NULL ? sm_schedule_answer(births->schedule) : answer || in_destructor;
}

/* ---- The rest. ---- */

void sm_births_keep(struct sm_manager *mm)
{
    mm->births.is_kept = true;
    mm->hot.counted_tags = 0;
    mm->finalizers.is_indexed = true;
    mm->hot.script |= SM_SCRIPT_BIRTHS | SM_SCRIPT_SLOTS;
}

static void walk_table(const struct sm_slot_table *table, void (*visit)(void *context, struct sm_object *object),
                       void *context)
{
    for (uint32_t slot = 1; slot < table->used; slot++) {
        struct sm_object *object = sm_slot_object(table, slot);
        if (object != NULL)
            visit(context, object);
    }
}

void sm_births_walk(struct sm_manager *mm, void (*visit)(void *context, struct sm_object *object), void *context)
{
    struct sm_births *births = &mm->births;
    walk_table(&births->scheduled, visit, context);
    walk_table(&births->loose, visit, context);
    for (size_t i = births->due_first; i < births->due_end; i++) {
        if (births->due[i].object != NULL && !births->due[i].is_destructor)
            visit(context, births->due[i].object);
    }
}

void sm_births_finish(struct sm_births *births)
{
    sm_slot_table_finish(&births->scheduled);
    sm_slot_table_finish(&births->loose);
    free(births->due);
}

bool sm_sharing_answer_slow(struct sm_manager *mm, bool answer, bool in_destructor)
{
    return mm->recorder != NULL ? sm_record_answer(mm, answer) : sm_births_answer(mm, answer, in_destructor);
}
