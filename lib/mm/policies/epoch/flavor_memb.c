/* Flavour memb: readers without barriers, grace periods by sys_membarrier. */
#include "epoch/urcu_inline.h"

#include <urcu/urcu-memb.h>

#include "epoch/flavor_deferred.h"

#include "assertion.h"
#include "guard.h"

static void register_thread(void)
{
    urcu_memb_register_thread();
}

static void unregister_thread(void)
{
    urcu_memb_unregister_thread();
}

static inline void lock(void)
{
    urcu_memb_read_lock();
}

static inline void unlock(void)
{
    urcu_memb_read_unlock();
}

static inline void quiescent(void)
{
    urcu_memb_read_unlock();
    urcu_memb_read_lock();
}

/*
 * The paths of a guard use the thread's record where registration found it. liburcu's own inline functions look it up
 * in thread-local storage, three times in a pin and unpin, and position-independent code calls a function for
 * that, or at least saves its registers for one. (A constant offset is refused: glibc does not load a library that is
 * reached so into a running process when its records are aligned to 128 bytes, as these are.)
 *
 * The accesses are those of liburcu's functions in their order, made with its own barriers and wake-up, so its
 * synchronize sees no difference. Each barrier pairs with its counterpart there (membarrier, or a full barrier).
 */
#ifdef _LGPL_SOURCE
#define EPOCH_RECORD_IS_KNOWN

static void *thread_record(void)
{
    return &URCU_TLS(urcu_memb_reader);
}

static inline void guard_lock(const struct sm_guard *guard)
{
    struct urcu_reader *reader = guard->policy_state;
    unsigned long count = reader->ctr;
    if (SM_UNLIKELY((count & URCU_GP_CTR_NEST_MASK) != 0)) {
        CMM_STORE_SHARED(reader->ctr, count + URCU_GP_COUNT);
        return;
    }
    CMM_STORE_SHARED(reader->ctr, CMM_LOAD_SHARED(urcu_memb_gp.ctr));
    urcu_memb_smp_mb_slave(); /* the record before what is read under the guard */
}

static inline void guard_unlock(const struct sm_guard *guard)
{
    struct urcu_reader *reader = guard->policy_state;
    unsigned long count = reader->ctr;
    SM_ASSERT((count & URCU_GP_CTR_NEST_MASK) != 0);
    if (SM_UNLIKELY((count & URCU_GP_CTR_NEST_MASK) != URCU_GP_COUNT)) {
        CMM_STORE_SHARED(reader->ctr, count - URCU_GP_COUNT);
        return;
    }
    urcu_memb_smp_mb_slave(); /* what was read under the guard before the record */
    CMM_STORE_SHARED(reader->ctr, count - URCU_GP_COUNT);
    urcu_memb_smp_mb_slave(); /* the record before the look for a waiter */
    urcu_common_wake_up_gp(&urcu_memb_gp);
}

static inline void guard_quiescent(const struct sm_guard *guard)
{
    guard_unlock(guard);
    guard_lock(guard);
}
#else
static void *thread_record(void)
{
    return NULL;
}
#endif

static void synchronize(void)
{
    urcu_memb_synchronize_rcu();
}

static bool read_ongoing(void)
{
    return urcu_memb_read_ongoing() != 0;
}

static void call(struct epoch_deferred *deferred, void (*function)(struct epoch_deferred *deferred))
{
    urcu_memb_call_rcu(deferred_head(deferred, function), run_deferred);
}

static void call_barrier(void)
{
    wait_unseen(urcu_memb_barrier);
}

#include "epoch/flavor_paths.h"

const struct epoch_flavor epoch_flavor_memb = {
    .name = "memb",
    .index = 0,
    .register_thread = register_thread,
    .unregister_thread = unregister_thread,
    .thread_record = thread_record,
    .lock = lock,
    .unlock = unlock,
    .quiescent = quiescent,
    .synchronize = synchronize,
    .read_ongoing = read_ongoing,
    .owner = {pin_owner, unpin_owner, repin_owner},
    .observer = {pin_observer, unpin_observer, repin_observer},
    .call = call,
    .call_barrier = call_barrier,
    .defer_register = urcu_memb_defer_register_thread,
    .defer_unregister = urcu_memb_defer_unregister_thread,
    .defer = urcu_memb_defer_rcu,
    .defer_barrier = urcu_memb_defer_barrier,
    .defer_barrier_thread = urcu_memb_defer_barrier_thread,
};
