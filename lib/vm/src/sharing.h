/**
 * The sharing scheme: who may have a second owner, and what a write to it must copy first.
 *
 * Arrays and strings are values. Where holders are counted the count says whether one is shared: of all of them
 * under a policy that counts; of arrays beside one that traces, if the VM was created so (R12), an upper bound then,
 * since owners that a cycle finds dead give up nothing. Elsewhere a sticky bit says so, set when a second owner
 * appears and never cleared. Both may copy too often and never too seldom; a copy has one owner. Nothing outside
 * sharing.h and sharing.c knows which of the two holds.
 */
#ifndef VM_SHARING_H
#define VM_SHARING_H

#include "sapimem/death_schedule.h"

#include "vm_internal.h"

/** Whether flags and count know of a second owner; never where the answers come from a schedule. For assertions. */
static inline bool vm_sharing_is_shared(struct vm *vm, const struct sm_object *object)
{
    uint32_t script = sm_hot(vm_manager(vm))->script;
    bool is_marked = (sm_object_flags(object) & (SM_OBJECT_SHARED | SM_OBJECT_INTERNED)) != 0;
    if (SM_UNLIKELY((script & SM_SCRIPT_SLOTS) != 0))
        return is_marked && (script & SM_SCRIPT_REPLAY) == 0;
    return is_marked || object->count > 1;
}

/**
 * Whether a write through one owner could be seen by another. Interned strings always are.
 *
 * Asked once for every write of a place, for a schedule of deaths answers by the number of the question.
 */
static inline bool vm_sharing_ask(struct vm *vm, const struct sm_object *object)
{
    return sm_sharing_answer(vm_manager(vm), vm_sharing_is_shared(vm, object), true);
}

/** Whether `value`, unshared, has no holder but its place, handles included: what it leaves may be freed. */
static inline bool vm_sharing_is_exact(struct vm *vm, struct sm_value value)
{
    return vm_is_counted(vm, value) || sm_sharing_is_replayed(vm_manager(vm));
}

/** The bit is only written when it changes, for many owners share few strings. */
static inline void vm_sharing_mark(struct sm_object *object)
{
    if ((sm_object_flags(object) & SM_OBJECT_SHARED) == 0)
        sm_object_set_flags(object, SM_OBJECT_SHARED);
}

/** A key of a hash is one owner more of its string. */
static inline void vm_sharing_add_key(struct vm *vm, struct vm_string *key)
{
    if (!vm_counting(vm))
        vm_sharing_mark(&key->header);
}

/** A second owner of `value` comes into being, which counts its hold itself where holders are counted. */
static inline void vm_sharing_add_owner(struct vm *vm, struct sm_value value)
{
    /* Without the bits for counting the two tags follow each other: one comparison. */
    const uint64_t counting = SM_TAG_COUNTED | SM_TAG_COUNTED_LEAF;
    uint64_t type = value.tag & ~counting;
    if ((type == (VM_STRING & ~counting) || type == VM_ARRAY) && !vm_is_counted(vm, value))
        vm_sharing_mark(sm_value_object(value));
}

#endif
