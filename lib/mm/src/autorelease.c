#include "autorelease.h"

#include "manager_internal.h"

static bool grow(struct sm_autorelease *autorelease)
{
    size_t capacity = autorelease->capacity == 0 ? 64 : autorelease->capacity * 2;
    struct sm_object **objects = realloc(autorelease->objects, capacity * sizeof(struct sm_object *));
    if (objects == NULL)
        return false;
    autorelease->objects = objects;
    autorelease->capacity = capacity;
    return true;
}

bool sm_autorelease_add(struct sm_manager *mm, struct sm_object *object)
{
    struct sm_autorelease *autorelease = &mm->autorelease;
    if (!sm_counts_all(mm))
        return true;
    if (autorelease->count == autorelease->capacity && !grow(autorelease))
        return false;
    if (autorelease->count == 0)
        sm_attention_raise(mm, SM_ATTENTION_RELEASE);
    autorelease->objects[autorelease->count++] = object;
    return true;
}

/* A safepoint inside a destructor is none of the code that it interrupts. */
void sm_autorelease_drain(struct sm_manager *mm)
{
    struct sm_autorelease *autorelease = &mm->autorelease;
    size_t kept = mm->finalizers.running == NULL ? 0 : mm->finalizers.running->autoreleased;
    while (autorelease->count > kept)
        sm_value_drop(mm, sm_value_from_object(autorelease->objects[--autorelease->count], 0));
    if (kept > 0)
        sm_attention_raise(mm, SM_ATTENTION_RELEASE);
}

void sm_autorelease_finish(struct sm_autorelease *autorelease)
{
    SM_ASSERT(autorelease->count == 0);
    free(autorelease->objects);
}
