/* What the flavours' `call` and `call_barrier` share; included by each flavor_*.c after liburcu's header. */
#include "epoch/flavor.h"

#ifndef __has_feature
#define __has_feature(feature) 0
#endif

_Static_assert(sizeof(((struct epoch_deferred *)0)->head) >= sizeof(struct rcu_head), "a head has room for liburcu's");
_Static_assert(alignof(struct epoch_deferred) >= alignof(struct rcu_head), "and is aligned for it");
_Static_assert(offsetof(struct epoch_deferred, head) == 0, "one address serves both");

static void run_deferred(struct rcu_head *head)
{
    struct epoch_deferred *deferred = (struct epoch_deferred *)(void *)head;
    /* Pairs with the release in deferred_head; liburcu's queue orders the two as well, unseen by tools. */
    __atomic_load_n(&deferred->function, __ATOMIC_ACQUIRE)(deferred);
}

static struct rcu_head *deferred_head(struct epoch_deferred *deferred,
                                      void (*function)(struct epoch_deferred *deferred))
{
    /* Pairs with the acquire in run_deferred. */
    __atomic_store_n(&deferred->function, function, __ATOMIC_RELEASE);
    return (struct rcu_head *)(void *)deferred->head;
}

/*
 * A barrier allocates what liburcu's worker frees. The queue between them orders that; the thread sanitizer sees
 * the allocation and not the queue, so it is told to look away from this thread's accesses meanwhile: all are liburcu's.
 */
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
void AnnotateIgnoreWritesBegin(const char *file, int line);
void AnnotateIgnoreWritesEnd(const char *file, int line);

static void wait_unseen(void (*wait)(void))
{
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
    wait();
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
}
#else
static void wait_unseen(void (*wait)(void))
{
    wait();
}
#endif
