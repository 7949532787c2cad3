/*
 * A guard's paths, compiled once for each flavour so that liburcu's inline functions are inlined into them.
 *
 * Included last by each flavor_*.c, after its lock, unlock and quiescent, or after quicker ones that use the
 * record in the guard (EPOCH_RECORD_IS_KNOWN). Order as in guard.h: lock, then
 * the slot; the slot, then unlock. What the owner retired is sealed between the two, still under its guard. That is
 * rare beside a guard's cost, so it is a path of its own, and the usual one calls nothing.
 */
#include "epoch/epoch_internal.h"

#include "guard.h"

#ifndef EPOCH_RECORD_IS_KNOWN
static inline void guard_lock(const struct sm_guard *guard)
{
    (void)guard;
    lock();
}

static inline void guard_unlock(const struct sm_guard *guard)
{
    (void)guard;
    unlock();
}

static inline void guard_quiescent(const struct sm_guard *guard)
{
    (void)guard;
    quiescent();
}
#endif

static inline bool has_open_batch(const struct sm_guard *guard)
{
    return epoch_of_base(guard->policy)->open.object_count != 0;
}

static void pin_observer(struct sm_guard *guard, const char *site)
{
    guard_lock(guard);
    sm_guard_publish(guard, sm_epoch_read(guard->manager_epoch), site);
}

static void unpin_observer(struct sm_guard *guard)
{
    sm_guard_withdraw(guard);
    guard_unlock(guard);
}

static void repin_observer(struct sm_guard *guard, const char *site)
{
    sm_guard_withdraw(guard);
    guard_quiescent(guard);
    sm_guard_publish(guard, sm_epoch_read(guard->manager_epoch), site);
}

static void pin_owner(struct sm_guard *guard, const char *site)
{
    guard_lock(guard);
    sm_guard_publish(guard, sm_epoch_step(guard->manager_epoch), site);
}

static __attribute__((noinline, cold)) void unpin_sealing(struct sm_guard *guard)
{
    sm_guard_withdraw(guard);
    epoch_seal_at_guard_end(guard->policy);
    guard_unlock(guard);
}

static void unpin_owner(struct sm_guard *guard)
{
    if (SM_UNLIKELY(has_open_batch(guard)))
        unpin_sealing(guard);
    else
        unpin_observer(guard);
}

static void repin_owner(struct sm_guard *guard, const char *site)
{
    sm_guard_withdraw(guard);
    if (SM_UNLIKELY(has_open_batch(guard)))
        epoch_seal_at_guard_end(guard->policy);
    guard_quiescent(guard);
    sm_guard_publish(guard, sm_epoch_step(guard->manager_epoch), site);
}
