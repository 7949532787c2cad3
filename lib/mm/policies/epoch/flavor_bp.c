/*
 * Flavour bp: threads register themselves at their first guard and leave when they end.
 *
 * Without the inline fast paths: in 0.13.2 they reach a thread's record through a type aligned to 128
 * bytes, which the library's own registry does not honour. As calls that stays inside the library.
 */
#include <urcu/urcu-bp.h>

#include "epoch/flavor_deferred.h"

/* The first lock registers; doing it here keeps its allocation out of the first guard. */
static void register_thread(void)
{
    (void)urcu_bp_read_ongoing();
}

/* liburcu's thread-exit hook does it. */
static void unregister_thread(void)
{
}

static inline void lock(void)
{
    urcu_bp_read_lock();
}

static inline void unlock(void)
{
    urcu_bp_read_unlock();
}

static inline void quiescent(void)
{
    urcu_bp_read_unlock();
    urcu_bp_read_lock();
}

static void synchronize(void)
{
    urcu_bp_synchronize_rcu();
}

static bool read_ongoing(void)
{
    return urcu_bp_read_ongoing() != 0;
}

static void call(struct epoch_deferred *deferred, void (*function)(struct epoch_deferred *deferred))
{
    urcu_bp_call_rcu(deferred_head(deferred, function), run_deferred);
}

static void call_barrier(void)
{
    wait_unseen(urcu_bp_barrier);
}

#include "epoch/flavor_paths.h"

const struct epoch_flavor epoch_flavor_bp = {
    .name = "bp",
    .index = 3,
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
    .defer_register = urcu_bp_defer_register_thread,
    .defer_unregister = urcu_bp_defer_unregister_thread,
    .defer = urcu_bp_defer_rcu,
    .defer_barrier = urcu_bp_defer_barrier,
    .defer_barrier_thread = urcu_bp_defer_barrier_thread,
};
