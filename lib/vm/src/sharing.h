/**
 * The sharing scheme: who may have a second owner, and what a write to it must copy first.
 *
 * Arrays and strings are values. Where the policy counts, the count of an array or string says whether
 * it is shared; elsewhere a sticky bit does, set when a second owner appears and never cleared, which may
 * copy too often and never too seldom. Nothing outside sharing.h and sharing.c knows which of the two holds.
 */
#ifndef VM_SHARING_H
#define VM_SHARING_H

#include "vm_internal.h"

/** Whether a write through one owner could be seen by another. Interned strings always are. */
static inline bool vm_sharing_is_shared(struct vm *vm, const struct sm_object *object)
{
    if ((sm_object_flags(object) & (SM_OBJECT_SHARED | SM_OBJECT_INTERNED)) != 0)
        return true;
    return vm_counting(vm) && object->count > 1;
}

/**
 * A second owner of an array or string comes into being, which itself counts its hold where the policy counts.
 *
 * The bit is only written when it changes, for many owners share few strings.
 */
static inline void vm_sharing_add_owner(struct vm *vm, struct sm_object *object)
{
    if (!vm_counting(vm) && (sm_object_flags(object) & SM_OBJECT_SHARED) == 0)
        sm_object_set_flags(object, SM_OBJECT_SHARED);
}

/** Whether values of this tag are copied by marking them. */
static inline bool vm_sharing_applies(struct sm_value value)
{
    return value.tag == VM_STRING || value.tag == VM_ARRAY;
}

#endif
