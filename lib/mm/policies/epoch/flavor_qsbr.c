/* Flavour qsbr: a guard is the time between going online and going offline; the cheapest one. */
#include "epoch/urcu_inline.h"

#include <urcu/urcu-qsbr.h>

#include "epoch/flavor_deferred.h"

#include "assertion.h"

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

/*
 * How many guards the calling thread is in: being online does not nest, and a second manager's unlock must not end the
 * first one's guard. Constants at the ends, because counting would make each lock wait for the unlock before it.
 */
static _Thread_local uint32_t depth;

static inline void lock(void)
{
    if (depth != 0) {
        depth++;
        return;
    }
    depth = 1;
    urcu_qsbr_thread_online();
}

static inline void unlock(void)
{
    SM_ASSERT(depth != 0);
    if (depth != 1) {
        depth--;
        return;
    }
    depth = 0;
    urcu_qsbr_thread_offline();
}

static inline void quiescent(void)
{
    if (depth == 1)
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

/* liburcu wants the caller online, for the sake of workers by processor, which the embedder may have made. */
static void call(struct epoch_deferred *deferred, void (*function)(struct epoch_deferred *deferred))
{
    lock();
    urcu_qsbr_call_rcu(deferred_head(deferred, function), run_deferred);
    unlock();
}

static void call_barrier(void)
{
    wait_unseen(urcu_qsbr_barrier);
}

#include "epoch/flavor_paths.h"

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
    .owner = {pin_owner, unpin_owner, repin_owner},
    .observer = {pin_observer, unpin_observer, repin_observer},
    .call = call,
    .call_barrier = call_barrier,
    .defer_register = urcu_qsbr_defer_register_thread,
    .defer_unregister = urcu_qsbr_defer_unregister_thread,
    .defer = urcu_qsbr_defer_rcu,
    .defer_barrier = urcu_qsbr_defer_barrier,
    .defer_barrier_thread = urcu_qsbr_defer_barrier_thread,
};
