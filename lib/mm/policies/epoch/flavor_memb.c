/* Flavour memb: readers without barriers, grace periods by sys_membarrier. */
#include "epoch/urcu_inline.h"

#include <urcu/urcu-memb.h>

#include "epoch/flavor.h"

static void register_thread(void)
{
    urcu_memb_register_thread();
}

static void unregister_thread(void)
{
    urcu_memb_unregister_thread();
}

static void lock(void)
{
    urcu_memb_read_lock();
}

static void unlock(void)
{
    urcu_memb_read_unlock();
}

static void quiescent(void)
{
    urcu_memb_read_unlock();
    urcu_memb_read_lock();
}

static void synchronize(void)
{
    urcu_memb_synchronize_rcu();
}

static bool read_ongoing(void)
{
    return urcu_memb_read_ongoing() != 0;
}

const struct epoch_flavor epoch_flavor_memb = {
    .name = "memb",
    .index = 0,
    .register_thread = register_thread,
    .unregister_thread = unregister_thread,
    .lock = lock,
    .unlock = unlock,
    .quiescent = quiescent,
    .synchronize = synchronize,
    .read_ongoing = read_ongoing,
};
