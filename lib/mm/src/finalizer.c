#include "finalizer.h"

#include "finalizer_selection.h"
#include "manager_internal.h"

enum { INITIAL_CAPACITY = 16, ROUNDS_MAX = 16 };

static bool grow(struct sm_object ***objects, size_t *capacity)
{
    size_t wanted = *capacity == 0 ? INITIAL_CAPACITY : *capacity * 2;
    struct sm_object **grown = realloc(*objects, wanted * sizeof(struct sm_object *));
    if (grown == NULL)
        return false;
    *objects = grown;
    *capacity = wanted;
    return true;
}

/* Room for one more registered object, in both arrays. */
static bool make_room(struct sm_finalizers *finalizers)
{
    bool is_sparse = finalizers->gap_count > 16 && finalizers->gap_count * 2 > finalizers->count;
    if (is_sparse && !finalizers->is_running_all)
        sm_finalizers_compact(finalizers);
    if (finalizers->count == finalizers->capacity && !grow(&finalizers->registered, &finalizers->capacity))
        return false;
    size_t wanted = finalizers->count - finalizers->gap_count + sm_finalizers_ready_count(finalizers) + 1;
    return wanted <= finalizers->ready_capacity || grow(&finalizers->ready, &finalizers->ready_capacity);
}

static bool append(struct sm_finalizers *finalizers, struct sm_object *object)
{
    if (!make_room(finalizers))
        return false;
    if (finalizers->is_indexed && !sm_object_map_set(&finalizers->index, object, finalizers->count))
        return false;
    finalizers->registered[finalizers->count++] = object;
    return true;
}

/* Undo append: the object is the newest. */
static void remove_newest(struct sm_finalizers *finalizers, struct sm_object *object)
{
    finalizers->count--;
    if (finalizers->is_indexed)
        (void)sm_object_map_take(&finalizers->index, object);
}

sm_status sm_finalizer_register(struct sm_manager *mm, struct sm_object *object)
{
    sm_status status = sm_entry_check(mm);
    if (status != SM_OK)
        return status;
    const struct sm_type *type = sm_type_get(mm, object->type);
    SM_ASSERT(type != NULL);
    if (type->finalize == NULL)
        return sm_policy_fail(mm, SM_ERR_INVALID_ARGUMENT, "type %s has no destructor", type->name);
    if ((sm_object_flags(object) & (SM_OBJECT_FINALIZABLE | SM_OBJECT_FINALIZED)) != 0)
        return sm_policy_fail(mm, SM_ERR_INVALID_ARGUMENT, "this %s was registered for its destructor before",
                              type->name);
    if (!append(&mm->finalizers, object))
        return sm_policy_fail(mm, SM_ERR_OUT_OF_MEMORY, "no memory to register the destructor of a %s", type->name);
    sm_object_set_flags(object, SM_OBJECT_FINALIZABLE);
    status = mm->ops->finalizer_register(mm->policy, object);
    if (status != SM_OK) {
        remove_newest(&mm->finalizers, object);
        sm_object_clear_flags(object, SM_OBJECT_FINALIZABLE);
    }
    return status;
}

void sm_finalizers_enumerate(void *context, struct sm_visitor *visitor)
{
    sm_finalizers_visit_ready(context, visitor);
}

/* Its registration is gone already. */
static void run(struct sm_manager *mm, struct sm_object *object, bool is_prompt)
{
    struct sm_finalizers *finalizers = &mm->finalizers;
    const struct sm_type *type = sm_type_get(mm, object->type);
    struct sm_running_finalizer here = {object, finalizers->running, is_prompt, mm->autorelease.count};
    if (mm->recorder != NULL)
        sm_record_destructor(mm, object);
    SM_ASSERT((sm_object_flags(object) & SM_OBJECT_FINALIZED) != 0);
    if (finalizers->hand_out != NULL)
        finalizers->hand_out(mm->policy, object);
    sm_object_clear_flags(object, SM_OBJECT_FINALIZABLE);
    finalizers->running = &here;
    finalizers->run_count++;
    type->finalize(mm, object, type->context);
    finalizers->running = here.outer;
}

static void run_one(struct sm_manager *mm)
{
    struct sm_finalizers *finalizers = &mm->finalizers;
    run(mm, finalizers->ready[finalizers->ready_first++], false);
}

/* False, and no index: no memory. */
static bool index_registered(struct sm_finalizers *finalizers)
{
    for (size_t i = 0; i < finalizers->count; i++) {
        struct sm_object *object = finalizers->registered[i];
        if (object != NULL && !sm_object_map_set(&finalizers->index, object, i)) {
            sm_object_map_finish(&finalizers->index);
            return false;
        }
    }
    return true;
}

/* Where a registered object stands. Only the end of a request asks without an index, and then for many of them. */
static size_t take_position(struct sm_finalizers *finalizers, const struct sm_object *object)
{
    if (!finalizers->is_indexed)
        finalizers->is_indexed = finalizers->is_indexed_late = index_registered(finalizers);
    if (finalizers->is_indexed)
        return (size_t)sm_object_map_take(&finalizers->index, object);
    size_t position = 0;
    while (finalizers->registered[position] != object)
        position++;
    return position;
}

bool sm_finalizer_is_prompt(const struct sm_manager *mm)
{
    return mm->finalizers.running != NULL && mm->finalizers.running->is_prompt;
}

void sm_finalizer_run_now(struct sm_manager *mm, struct sm_object *object)
{
    struct sm_finalizers *finalizers = &mm->finalizers;
    SM_ASSERT((sm_object_flags(object) & SM_OBJECT_FINALIZABLE) != 0);
    /* One that a cycle has queued runs from there. */
    if ((sm_object_flags(object) & SM_OBJECT_FINALIZED) != 0)
        return;
    finalizers->registered[take_position(finalizers, object)] = NULL;
    finalizers->gap_count++;
    sm_object_set_flags(object, SM_OBJECT_FINALIZED);
    run(mm, object, !mm->cycles.running);
}

size_t sm_finalizers_run_ready(struct sm_manager *mm)
{
    struct sm_finalizers *finalizers = &mm->finalizers;
    if (sm_finalizers_ready_count(finalizers) == 0)
        return 0;
    SM_ASSERT(finalizers->running == NULL);
    size_t ran = 0;
    sm_pause_begin(mm, SM_PAUSE_DESTRUCTORS);
    /* An emergency cycle inside a destructor may queue more; they run in the same drain. */
    for (; sm_finalizers_ready_count(finalizers) != 0; ran++)
        run_one(mm);
    sm_pause_end(mm);
    return ran;
}

static bool none_is_live(void *context, const struct sm_object *object)
{
    (void)context;
    (void)object;
    return false;
}

/* All at once: a cycle that marks may end while the first of them runs, and it went by roots without these. */
static void hand_out_ready(struct sm_manager *mm)
{
    const struct sm_finalizers *finalizers = &mm->finalizers;
    for (size_t i = finalizers->ready_first; finalizers->hand_out != NULL && i < finalizers->ready_end; i++)
        finalizers->hand_out(mm->policy, finalizers->ready[i]);
}

/* In order of registration; one that a destructor before it ended has run and is gone. */
static void run_registered(struct sm_manager *mm)
{
    struct sm_finalizers *finalizers = &mm->finalizers;
    sm_finalizers_compact(finalizers);
    finalizers->is_running_all = true;
    size_t end = finalizers->count;
    for (size_t i = 0; i < end; i++) {
        struct sm_object *object = finalizers->registered[i];
        if (object == NULL)
            continue;
        sm_count_add(object);
        sm_finalizer_run_now(mm, object);
        sm_count_remove(mm, object);
    }
    finalizers->is_running_all = false;
}

/* Those left over have no place any more: their last drop must not look for one. */
static void cut_off(struct sm_finalizers *finalizers)
{
    for (size_t i = 0; i < finalizers->count; i++) {
        struct sm_object *object = finalizers->registered[i];
        if (object == NULL)
            continue;
        sm_object_clear_flags(object, SM_OBJECT_FINALIZABLE);
        sm_object_set_flags(object, SM_OBJECT_FINALIZED);
    }
    finalizers->count = finalizers->gap_count = finalizers->young_from = 0;
    finalizers->scan = (struct sm_finalizer_scan){0};
    finalizers->is_indexed = finalizers->is_indexed && !finalizers->is_indexed_late;
    finalizers->is_indexed_late = false;
    sm_object_map_finish(&finalizers->index);
}

void sm_finalizers_run_all(struct sm_manager *mm)
{
    if (sm_entry_check(mm) != SM_OK || mm->finalizers.running != NULL)
        return;
    struct sm_finalizers *finalizers = &mm->finalizers;
    sm_finalizers_run_ready(mm);
    /* A destructor may make objects with destructors; one that never stops doing so is cut off. */
    for (int round = 0; round < ROUNDS_MAX && finalizers->count != finalizers->gap_count; round++) {
        if (sm_counts_all(mm)) {
            run_registered(mm);
        } else {
            sm_finalizers_select(mm, none_is_live, NULL);
            hand_out_ready(mm);
            sm_finalizers_run_ready(mm);
        }
    }
    cut_off(finalizers);
}

void sm_finalizers_finish(struct sm_finalizers *finalizers)
{
    SM_ASSERT(finalizers->running == NULL);
    free(finalizers->registered);
    free(finalizers->ready);
    sm_object_map_finish(&finalizers->index);
}
