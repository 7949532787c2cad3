#include "finalizer.h"

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

/* Move what is queued to the front of its array. */
static void compact_ready(struct sm_finalizers *finalizers)
{
    size_t count = sm_finalizers_ready_count(finalizers);
    for (size_t i = 0; i < count; i++)
        finalizers->ready[i] = finalizers->ready[finalizers->ready_first + i];
    finalizers->ready_first = 0;
    finalizers->ready_end = count;
}

/* Room for one more registered object, in both arrays. */
static bool make_room(struct sm_finalizers *finalizers)
{
    if (finalizers->count == finalizers->capacity && !grow(&finalizers->registered, &finalizers->capacity))
        return false;
    size_t wanted = finalizers->count + sm_finalizers_ready_count(finalizers) + 1;
    return wanted <= finalizers->ready_capacity || grow(&finalizers->ready, &finalizers->ready_capacity);
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
    if (!make_room(&mm->finalizers))
        return sm_policy_fail(mm, SM_ERR_OUT_OF_MEMORY, "no memory to register the destructor of a %s", type->name);
    sm_object_set_flags(object, SM_OBJECT_FINALIZABLE);
    mm->finalizers.registered[mm->finalizers.count++] = object;
    status = mm->ops->finalizer_register(mm->policy, object);
    if (status != SM_OK) {
        mm->finalizers.count--;
        sm_object_clear_flags(object, SM_OBJECT_FINALIZABLE);
    }
    return status;
}

static void enqueue(struct sm_finalizers *finalizers, struct sm_object *object)
{
    if (finalizers->ready_end == finalizers->ready_capacity)
        compact_ready(finalizers);
    SM_ASSERT(finalizers->ready_end < finalizers->ready_capacity);
    sm_object_set_flags(object, SM_OBJECT_FINALIZED);
    finalizers->ready[finalizers->ready_end++] = object;
}

size_t sm_finalizers_select(struct sm_manager *mm, sm_is_live *is_live, void *context)
{
    struct sm_finalizers *finalizers = &mm->finalizers;
    size_t kept = 0;
    for (size_t i = 0; i < finalizers->count; i++) {
        struct sm_object *object = finalizers->registered[i];
        if (is_live(context, object))
            finalizers->registered[kept++] = object;
        else
            enqueue(finalizers, object);
    }
    size_t moved = finalizers->count - kept;
    finalizers->count = kept;
    return moved;
}

void sm_finalizers_visit_ready(struct sm_manager *mm, struct sm_visitor *visitor)
{
    const struct sm_finalizers *finalizers = &mm->finalizers;
    if (finalizers->running != NULL)
        visitor->edge(visitor, finalizers->running);
    for (size_t i = finalizers->ready_first; i < finalizers->ready_end; i++)
        visitor->edge(visitor, finalizers->ready[i]);
}

void sm_finalizers_enumerate(void *context, struct sm_visitor *visitor)
{
    sm_finalizers_visit_ready(context, visitor);
}

static void run_one(struct sm_manager *mm)
{
    struct sm_finalizers *finalizers = &mm->finalizers;
    struct sm_object *object = finalizers->ready[finalizers->ready_first++];
    const struct sm_type *type = sm_type_get(mm, object->type);
    SM_ASSERT((sm_object_flags(object) & SM_OBJECT_FINALIZED) != 0);
    sm_object_clear_flags(object, SM_OBJECT_FINALIZABLE);
    finalizers->running = object;
    finalizers->run_count++;
    type->finalize(mm, object, type->context);
    finalizers->running = NULL;
}

size_t sm_finalizers_run_ready(struct sm_manager *mm)
{
    struct sm_finalizers *finalizers = &mm->finalizers;
    SM_ASSERT(finalizers->running == NULL);
    if (sm_finalizers_ready_count(finalizers) == 0)
        return 0;
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

void sm_finalizers_run_all(struct sm_manager *mm)
{
    if (sm_entry_check(mm) != SM_OK || mm->finalizers.running != NULL)
        return;
    sm_finalizers_run_ready(mm);
    /* A destructor may make objects with destructors; one that never stops doing so is cut off. */
    for (int round = 0; round < ROUNDS_MAX && mm->finalizers.count != 0; round++) {
        sm_finalizers_select(mm, none_is_live, NULL);
        sm_finalizers_run_ready(mm);
    }
    mm->finalizers.count = 0;
}

void sm_finalizers_finish(struct sm_finalizers *finalizers)
{
    SM_ASSERT(finalizers->running == NULL);
    free(finalizers->registered);
    free(finalizers->ready);
}
