/*
 * Raw peer of the flavour RAW_URCU_FLAVOR; built once for each of memb, mb and bp, which differ in nothing but the
 * names that the header gives which the build includes (liburcu's own map of names), and in whether the fast paths are inline.
 */
#include "raw_urcu.h"
#include "raw_urcu_loops.h"

#include <stdlib.h>

#define TEXT_OF(name) #name
#define NAME_OF(name) TEXT_OF(name)
#define JOIN(prefix, name) prefix##name
#define PEER_OF(flavor) JOIN(raw_urcu_, flavor)

_Static_assert(sizeof(struct rcu_head) <= RAW_URCU_HEAD_BYTES, "blocks begin with room for call_rcu's head");

static inline void lock(void)
{
    rcu_read_lock();
}

static inline void unlock(void)
{
    rcu_read_unlock();
}

static void register_thread(void)
{
    rcu_register_thread();
}

/* A thread of flavour bp leaves when it ends; there this does nothing. */
static void unregister_thread(void)
{
    rcu_unregister_thread();
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
    synchronize_rcu();
}

static void free_block(struct rcu_head *head)
{
    free(head);
}

static void call_each(void **blocks, size_t count)
{
    for (size_t i = 0; i < count; i++)
        call_rcu(blocks[i], free_block);
    rcu_barrier();
}

static void defer_each(void **blocks, size_t count)
{
    (void)rcu_defer_register_thread();
    for (size_t i = 0; i < count; i++)
        defer_rcu(free, blocks[i]);
    rcu_defer_barrier();
    rcu_defer_unregister_thread();
}

const struct raw_flavor PEER_OF(RAW_URCU_FLAVOR) = {
    .name = NAME_OF(RAW_URCU_FLAVOR),
    .register_thread = register_thread,
    .unregister_thread = unregister_thread,
    .pin = pin,
    .nested = nested,
    .repin = repin,
    .synchronize = synchronize,
    .call_rcu = call_each,
    .defer_rcu = defer_each,
};
