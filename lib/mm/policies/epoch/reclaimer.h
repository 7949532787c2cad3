/**
 * Sealed batches on their way through a grace period (R2).
 *
 * Two back-ends share the queue. `thread`: our own thread takes everything queued, runs one grace
 * period for the whole group, and releases it in slices. `inline`: the owner does the same in
 * epoch_reclaimer_drain_inline, at moments that depend on the program alone.
 *
 * An idle process drains its backlog: the thread needs no call from the owner, so what is queued is
 * reusable one grace period after the last guard that was active at retirement has ended; no timer is
 * involved. (What is still open is sealed when the owner leaves its guard or goes offline, see retire.c.)
 *
 * The reclaimer is an allocation of its own because it can outlive its manager: when some other
 * manager's guard holds liburcu's grace period back, destroying this one neither waits for that
 * guard (R3) nor frees what the thread still uses; the thread is detached and frees both itself.
 */
#ifndef SM_EPOCH_RECLAIMER_H
#define SM_EPOCH_RECLAIMER_H

#include "epoch/flavor.h"
#include "epoch/heap.h"

#include "sapimem/status.h"

#include <pthread.h>

#define EPOCH_FOREVER UINT64_MAX

enum epoch_phase {
    EPOCH_PHASE_IDLE,
    EPOCH_PHASE_WAITING,   /**< in a grace period */
    EPOCH_PHASE_RELEASING, /**< uses the manager; never waits */
};

struct epoch_reclaimer {
    struct sm_manager *mm; /**< not to be used once abandoned */
    const struct epoch_flavor *flavor;
    bool threaded;
    pthread_t thread;
    pthread_mutex_t lock; /**< held for a few instructions only, never across a wait for readers */
    pthread_cond_t work;  /**< queue or stop changed */
    pthread_cond_t done;  /**< done_sequence or phase changed */
    /* Under `lock`. The lock is also what orders the owner's last writes to a retired object before the thread's reads. */
    struct epoch_batch queue;
    uint64_t queued_sequence; /**< batches put into the queue */
    uint64_t done_sequence;   /**< of these, released */
    bool stop;
    bool abandoned;
    enum epoch_phase phase;
    /** The sequence whose grace period is being waited for; 0: none. Relaxed: a hint, the owner acts on it by repinning only (R4). */
    _Atomic uint64_t awaited_sequence;
    /** Block bytes retired, not yet reusable: the owner adds, the reclaiming thread subtracts. Relaxed: a count, it orders nothing. */
    _Atomic uint64_t backlog_bytes;
    struct epoch_reclaimed reclaimed;
};

/** Errors: SM_ERR_OUT_OF_MEMORY; SM_ERR_SYSTEM when the thread is refused. */
sm_status epoch_reclaimer_create(struct sm_manager *mm, const struct epoch_flavor *flavor, bool threaded,
                                 struct epoch_reclaimer **reclaimer);

/**
 * Drain the queue, stop, free. The owner is unpinned and no observer is left.
 *
 * Waits at most a second for guards of other managers, and not at all for one on this thread (R3); then the thread is
 * abandoned to finish by itself. Without a thread such a queue is released at once: nobody is left who could read it.
 */
void epoch_reclaimer_destroy(struct epoch_reclaimer *reclaimer);

/** Queue `batch` and empty it. Its bytes are in the backlog already. Threads: owner. */
void epoch_reclaimer_push(struct epoch_reclaimer *reclaimer, struct epoch_batch *batch);

/** Wait until all that is queued now has been released, at most `timeout_ns`. The owner is offline. False: not all. */
bool epoch_reclaimer_wait(struct epoch_reclaimer *reclaimer, uint64_t timeout_ns);

/** Take the whole queue, run one grace period, release. The owner is offline, nothing holds the period back. */
void epoch_reclaimer_drain_inline(struct epoch_reclaimer *reclaimer);

static inline uint64_t epoch_backlog_bytes(const struct epoch_reclaimer *reclaimer)
{
    return atomic_load_explicit(&reclaimer->backlog_bytes, memory_order_relaxed);
}

static inline uint64_t epoch_awaited_sequence(const struct epoch_reclaimer *reclaimer)
{
    return atomic_load_explicit(&reclaimer->awaited_sequence, memory_order_relaxed);
}

#endif
