/* Raw peer of flavour mb. */
#include "epoch/urcu_inline.h"
#include <urcu/urcu-mb.h>

#include "raw_urcu.h"
#include "raw_urcu_loops.h"

#include <stdlib.h>

_Static_assert(sizeof(struct rcu_head) <= RAW_URCU_HEAD_BYTES, "blocks begin with room for call_rcu's head");

static inline void lock(void)
{
    urcu_mb_read_lock();
}

static inline void unlock(void)
{
    urcu_mb_read_unlock();
}

static void register_thread(void)
{
    urcu_mb_register_thread();
}

static void unregister_thread(void)
{
    urcu_mb_unregister_thread();
}

static void pin(uint64_t count)
{
    alternate(lock, unlock, count);
}

static void nested(uint64_t count)
{
    lock();
    alternate(lock, unlock, count);
    unlock();
}

static void repin(uint64_t count)
{
    lock();
    alternate(unlock, lock, count);
    unlock();
}

static void synchronize(void)
{
    urcu_mb_synchronize_rcu();
}

static void free_block(struct rcu_head *head)
{
    free(head);
}

static void call_each(void **blocks, size_t count)
{
    for (size_t i = 0; i < count; i++)
        urcu_mb_call_rcu(blocks[i], free_block);
    urcu_mb_barrier();
}

static void defer_each(void **blocks, size_t count)
{
    (void)urcu_mb_defer_register_thread();
    for (size_t i = 0; i < count; i++)
        urcu_mb_defer_rcu(free, blocks[i]);
    urcu_mb_defer_barrier();
    urcu_mb_defer_unregister_thread();
}

const struct raw_flavor raw_urcu_mb = {
    .name = "mb",
    .register_thread = register_thread,
    .unregister_thread = unregister_thread,
    .pin = pin,
    .nested = nested,
    .repin = repin,
    .synchronize = synchronize,
    .call_rcu = call_each,
    .defer_rcu = defer_each,
};
