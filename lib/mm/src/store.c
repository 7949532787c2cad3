/**
 * Stores that the barrier word sends out of line, loads of other threads, and what a drop leads to.
 */
#include "store.h"

#include "manager_internal.h"

#include <string.h>

/* One whole value for the 16-byte atomics; the attribute lets it alias `struct sm_value`. */
__extension__ typedef unsigned __int128 whole_value __attribute__((may_alias));

static whole_value whole_from_value(struct sm_value value)
{
    whole_value whole;
    memcpy(&whole, &value, sizeof(whole));
    return whole;
}

struct sm_value sm_load_shared(const struct sm_value *slot)
{
    /* Pairs with the release in write_value. */
    whole_value whole = __atomic_load_n((const whole_value *)slot, __ATOMIC_ACQUIRE);
    struct sm_value value;
    memcpy(&value, &whole, sizeof(value));
    return value;
}

static void write_value(struct sm_manager *mm, struct sm_value *slot, struct sm_value value)
{
    if ((mm->hot.barrier & SM_BARRIER_PUBLISH) == 0)
        *slot = value;
    else /* Pairs with the acquire in sm_load_shared. */
        __atomic_store_n((whole_value *)slot, whole_from_value(value), __ATOMIC_RELEASE);
}

static void write_pointer(struct sm_manager *mm, void *slot, struct sm_object *target)
{
    if ((mm->hot.barrier & SM_BARRIER_PUBLISH) == 0)
        memcpy(slot, &target, sizeof(struct sm_object *));
    else /* Pairs with the acquire in sm_visit_pointer. */
        __atomic_store_n((struct sm_object **)slot, target, __ATOMIC_RELEASE);
}

/* R1: only the owner stores, and only into the payload it names. */
static void check_store(struct sm_manager *mm, const struct sm_object *owner, const void *slot, size_t slot_bytes)
{
    if ((mm->hot.barrier & SM_BARRIER_CHECK) == 0)
        return;
    SM_ASSERT(sm_on_owner_thread(mm));
    uintptr_t offset = (uintptr_t)slot - (uintptr_t)sm_payload_const(owner);
    SM_ASSERT(offset <= owner->payload_bytes && slot_bytes <= owner->payload_bytes - offset);
}

static bool policy_wants(const struct sm_manager *mm, const struct sm_object *owner)
{
    uint32_t barrier = mm->hot.barrier;
    return (barrier & (SM_BARRIER_POLICY | (SM_BARRIER_ARMED & (uint32_t)sm_object_flags(owner)))) != 0;
}

void sm_store_slow(struct sm_manager *mm, struct sm_object *owner, struct sm_value *slot, struct sm_value value)
{
    check_store(mm, owner, slot, sizeof(*slot));
    if (policy_wants(mm, owner))
        mm->ops->store_slow(mm->policy, owner, slot, false, value);
    else
        write_value(mm, slot, value);
}

void sm_store_pointer_slow(struct sm_manager *mm, struct sm_object *owner, void *slot, struct sm_object *target)
{
    check_store(mm, owner, slot, sizeof(struct sm_object *));
    struct sm_value value = {(uint64_t)(uintptr_t)target, target == NULL ? 0 : SM_TAG_HEAP};
    if (policy_wants(mm, owner))
        mm->ops->store_slow(mm->policy, owner, slot, true, value);
    else
        write_pointer(mm, slot, target);
}

void sm_write_slot(struct sm_manager *mm, void *slot, bool is_pointer, struct sm_value value)
{
    if (is_pointer)
        write_pointer(mm, slot, sm_value_object(value));
    else
        write_value(mm, slot, value);
}

/* Beside tracing a count decides sharing and when a destructor runs, never reclamation (R12): the object is left to a cycle. */
static void run_prompt_destructor(struct sm_manager *mm, struct sm_object *object)
{
    object->count = 1;
    sm_finalizer_run_now(mm, object);
    object->count -= object->count != SM_COUNT_MAX;
}

void sm_count_zero_slow(struct sm_manager *mm, struct sm_object *object)
{
    if (sm_has(mm, SM_CAP_COUNTS))
        mm->ops->value_dead(mm->policy, object);
    else if (SM_UNLIKELY((sm_object_flags(object) & SM_OBJECT_FINALIZABLE) != 0))
        run_prompt_destructor(mm, object);
    else if (sm_has(mm, SM_CAP_DEATHS))
        mm->ops->known_dead(mm->policy, object);
}

void sm_leaves_count(struct sm_manager *mm)
{
    if (mm->hot.counted_tags == SM_TAG_COUNTED)
        mm->hot.counted_tags |= SM_TAG_COUNTED_LEAF;
}

void sm_candidate_slow(struct sm_manager *mm, struct sm_object *object)
{
    SM_ASSERT(sm_has(mm, SM_CAP_COUNTS));
    mm->ops->value_candidate(mm->policy, object);
}
