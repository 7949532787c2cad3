/*
 * Flavour bp: threads register themselves at their first guard and leave when they end.
 *
 * Without the inline fast paths: in 0.13.2 they reach a thread's record through a type aligned to 128
 * bytes, which the library's own registry does not honour. As calls that stays inside the library.
 */
#include <urcu/urcu-bp.h>

#include "epoch/flavor.h"

/* The first lock registers; doing it here keeps its allocation out of the first guard. */
static void register_thread(void)
{
    (void)urcu_bp_read_ongoing();
}

/* liburcu's thread-exit hook does it. */
static void unregister_thread(void)
{
}

static void lock(void)
{
    urcu_bp_read_lock();
}

static void unlock(void)
{
    urcu_bp_read_unlock();
}

static void quiescent(void)
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
};
