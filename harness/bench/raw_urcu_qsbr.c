/* Raw peer of flavour qsbr. */
#include "epoch/urcu_inline.h"
#include <urcu/urcu-qsbr.h>

#include "raw_urcu.h"
#include "raw_urcu_loops.h"

#include <stdlib.h>

_Static_assert(sizeof(struct rcu_head) <= RAW_URCU_HEAD_BYTES, "blocks begin with room for call_rcu's head");

static inline void lock(void)
{
    urcu_qsbr_read_lock();
}

static inline void unlock(void)
{
    urcu_qsbr_read_unlock();
}

static inline void online(void)
{
    urcu_qsbr_thread_online();
}

static inline void offline(void)
{
    urcu_qsbr_thread_offline();
}

static inline void quiescent(void)
{
    urcu_qsbr_quiescent_state();
}

static inline void nothing(void)
{
}

static void register_thread(void)
{
    urcu_qsbr_register_thread();
    offline();
}

static void unregister_thread(void)
{
    urcu_qsbr_unregister_thread();
}

static void pin(uint64_t count)
{
    online();
    alternate(lock, unlock, count);
    offline();
}

static void nested(uint64_t count)
{
    online();
    lock();
    alternate(lock, unlock, count);
    unlock();
    offline();
}

static void repin(uint64_t count)
{
    online();
    alternate(quiescent, nothing, count);
    offline();
}

static void online_offline(uint64_t count)
{
    alternate(online, offline, count);
}

static void synchronize(void)
{
    urcu_qsbr_synchronize_rcu();
}

static void free_block(struct rcu_head *head)
{
    free(head);
}

static void call_each(void **blocks, size_t count)
{
    online(); /* call_rcu reads under the flavour itself */
    for (size_t i = 0; i < count; i++)
        urcu_qsbr_call_rcu(blocks[i], free_block);
    offline();
    urcu_qsbr_barrier();
}

static void defer_each(void **blocks, size_t count)
{
    (void)urcu_qsbr_defer_register_thread();
    for (size_t i = 0; i < count; i++)
        urcu_qsbr_defer_rcu(free, blocks[i]);
    urcu_qsbr_defer_barrier();
    urcu_qsbr_defer_unregister_thread();
}

const struct raw_flavor raw_urcu_qsbr = {
    .name = "qsbr",
    .register_thread = register_thread,
    .unregister_thread = unregister_thread,
    .pin = pin,
    .nested = nested,
    .repin = repin,
    .online = online_offline,
    .synchronize = synchronize,
    .call_rcu = call_each,
    .defer_rcu = defer_each,
};
