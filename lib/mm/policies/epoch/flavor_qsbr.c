/* Flavour qsbr: a guard is the time between going online and going offline; the cheapest one. */
#include "epoch/urcu_inline.h"

#include <urcu/urcu-qsbr.h>

#include "epoch/flavor.h"

/* liburcu brings a thread online as it registers; here a thread is online only under a guard (R4). */
static void register_thread(void)
{
    urcu_qsbr_register_thread();
    urcu_qsbr_thread_offline();
}

static void unregister_thread(void)
{
    urcu_qsbr_unregister_thread();
}

static void lock(void)
{
    urcu_qsbr_thread_online();
}

static void unlock(void)
{
    urcu_qsbr_thread_offline();
}

static void quiescent(void)
{
    urcu_qsbr_quiescent_state();
}

static void synchronize(void)
{
    urcu_qsbr_synchronize_rcu();
}

static bool read_ongoing(void)
{
    return urcu_qsbr_read_ongoing() != 0;
}

const struct epoch_flavor epoch_flavor_qsbr = {
    .name = "qsbr",
    .index = 1,
    .register_thread = register_thread,
    .unregister_thread = unregister_thread,
    .lock = lock,
    .unlock = unlock,
    .quiescent = quiescent,
    .synchronize = synchronize,
    .read_ongoing = read_ongoing,
};
