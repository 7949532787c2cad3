/**
 * liburcu's flavours called directly: what guards and retirement cost without sapimem.
 *
 * Each flavour is compiled in a file of its own, because the flavours' headers cannot be included together; memb, mb
 * and qsbr with their inline fast paths, bp without, as in the epoch policy and for its reasons. A loop is one call, so
 * that what is inline stays so. Threads: a registered one, unless stated.
 */
#ifndef RAW_URCU_H
#define RAW_URCU_H

#include <stddef.h>
#include <stdint.h>

struct raw_flavor {
    const char *name;
    void (*register_thread)(void); /**< any thread; qsbr is left offline */
    void (*unregister_thread)(void);
    void (*pin)(uint64_t count);    /**< so many times read lock and unlock */
    void (*nested)(uint64_t count); /**< the same inside a read lock */
    void (*repin)(uint64_t count);  /**< so many quiescent points; without such a call, unlock and lock */
    void (*online)(uint64_t count); /**< so many times online and offline; NULL where a reader is always online */
    void (*synchronize)(void);
    /** Give each of `blocks`, of malloc, to call_rcu; returns when all have been freed. */
    void (*call_rcu)(void **blocks, size_t count);
    /** Likewise to defer_rcu. In 0.13.2 a thread can register for that only once: a thread of its own, not registered else. */
    void (*defer_rcu)(void **blocks, size_t count);
};

/** Bytes that call_rcu wants at the beginning of a block. */
enum { RAW_URCU_HEAD_BYTES = 16 };

extern const struct raw_flavor raw_urcu_memb, raw_urcu_qsbr, raw_urcu_mb, raw_urcu_bp;

#endif
