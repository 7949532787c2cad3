/* Flavour mb: a full barrier on each side of a guard; needs nothing from the kernel. */
#include "epoch/urcu_inline.h"

#include <urcu/urcu-mb.h>

#include "epoch/flavor_deferred.h"

static void register_thread(void)
{
    urcu_mb_register_thread();
}

static void unregister_thread(void)
{
    urcu_mb_unregister_thread();
}

static inline void lock(void)
{
    urcu_mb_read_lock();
}

static inline void unlock(void)
{
    urcu_mb_read_unlock();
}

static inline void quiescent(void)
{
    urcu_mb_read_unlock();
    urcu_mb_read_lock();
}

static void synchronize(void)
{
    urcu_mb_synchronize_rcu();
}

static bool read_ongoing(void)
{
    return urcu_mb_read_ongoing() != 0;
}

static void call(struct epoch_deferred *deferred, void (*function)(struct epoch_deferred *deferred))
{
    urcu_mb_call_rcu(deferred_head(deferred, function), run_deferred);
}

static void call_barrier(void)
{
    wait_unseen(urcu_mb_barrier);
}

#include "epoch/flavor_paths.h"

const struct epoch_flavor epoch_flavor_mb = {
    .name = "mb",
    .index = 2,
    .register_thread = register_thread,
    .unregister_thread = unregister_thread,
    .lock = lock,
    .unlock = unlock,
    .quiescent = quiescent,
    .synchronize = synchronize,
    .read_ongoing = read_ongoing,
    .owner = {pin_owner, unpin_owner, repin_owner},
    .observer = {pin_observer, unpin_observer, repin_observer},
    .call = call,
    .call_barrier = call_barrier,
    .defer_register = urcu_mb_defer_register_thread,
    .defer_unregister = urcu_mb_defer_unregister_thread,
    .defer = urcu_mb_defer_rcu,
    .defer_barrier = urcu_mb_defer_barrier,
    .defer_barrier_thread = urcu_mb_defer_barrier_thread,
};
