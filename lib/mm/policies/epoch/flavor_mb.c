/* Flavour mb: a full barrier on each side of a guard; needs nothing from the kernel. */
#include "epoch/urcu_inline.h"

#include <urcu/urcu-mb.h>

#include "epoch/flavor.h"

static void register_thread(void)
{
    urcu_mb_register_thread();
}

static void unregister_thread(void)
{
    urcu_mb_unregister_thread();
}

static void lock(void)
{
    urcu_mb_read_lock();
}

static void unlock(void)
{
    urcu_mb_read_unlock();
}

static void quiescent(void)
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
};
