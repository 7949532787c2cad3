/**
 * Sealed batches on their way through a grace period (R2).
 *
 * There is one queue, and at most one batch at a time waits for its grace period; what is sealed meanwhile is joined in
 * the queue and goes next. Who waits is the back-end's matter:
 *
 *   thread     our own thread, in synchronize_rcu, once there is enough or for a millisecond no more; it also gives
 *              memory back (pool.h)
 *   inline     the owner, in epoch_reclaimer_drain_inline, at moments that depend on the program alone
 *   call_rcu   liburcu's worker thread; it gathers for 10 ms before each grace period
 *   defer_rcu  liburcu's defer thread, up to 100 ms later; our own thread has the ring, for liburcu 0.13 lets a thread
 *              have one once in its life, and asserts that none is left when the process exits
 *
 * An idle process drains its backlog: but for `inline` no call from the owner is needed, so what is queued is reusable
 * one grace period (and liburcu's delay) after the last guard that was active at retirement has ended. (What is still
 * open is sealed when the owner leaves its guard or goes offline, see retire.c.) Free memory that an idle process keeps
 * is given back by our own thread after EPOCH_IDLE_TRIM_NS.
 *
 * A cycle withdraws what has not been released: it looks at those blocks anew, and its own batch takes them up again.
 *
 * The reclaimer is an allocation of its own because it can outlive its manager: when some other manager's guard holds
 * liburcu's grace period back, destroying this one neither waits for that guard (R3) nor frees what the waiting thread
 * still uses, which is this struct alone; whoever waits frees it then.
 */
#ifndef SM_EPOCH_RECLAIMER_H
#define SM_EPOCH_RECLAIMER_H

#include "epoch/batch.h"
#include "epoch/flavor.h"

#include "sapimem/status.h"

#include <pthread.h>
#include <stdatomic.h>

#define EPOCH_FOREVER UINT64_MAX
/** How long the thread waits for more before a grace period, while it has less than so much. */
#define EPOCH_GATHER_NS UINT64_C(1000000)
#define EPOCH_GATHER_BYTES (UINT64_C(256) << 10)
/** How long nothing must have happened before the thread gives all free memory back. */
#define EPOCH_IDLE_TRIM_NS UINT64_C(1000000000)

struct epoch_heap;
struct sm_manager;

/** In the order of the option's choices. */
enum epoch_backend {
    EPOCH_BACKEND_THREAD,
    EPOCH_BACKEND_INLINE,
    EPOCH_BACKEND_CALL_RCU,
    EPOCH_BACKEND_DEFER_RCU,
    EPOCH_BACKEND_COUNT,
};

/** The choices of the option, NULL-terminated. */
extern const char *const epoch_backend_names[EPOCH_BACKEND_COUNT + 1];

enum epoch_phase {
    EPOCH_PHASE_IDLE,
    EPOCH_PHASE_WAITING,   /**< in a grace period; uses nothing but this struct */
    EPOCH_PHASE_RELEASING, /**< uses the manager; never waits */
};

/** What was given back; written by the reclaiming thread, read by the owner. Relaxed: counts, they order nothing. */
struct epoch_reclaimed {
    _Atomic uint64_t objects, payload_bytes, room_bytes;
    _Atomic uint64_t batches, delay_total_ns,
        delay_max_ns; /**< from sealing a batch's oldest part until it was reusable */
};

struct epoch_reclaimer {
    struct epoch_deferred
        deferred;          /**< first: liburcu's worker hands it back; the place in its queue of what is in `waiting` */
    struct sm_manager *mm; /**< this and `heap` are not to be used once abandoned */
    struct epoch_heap *heap;
    const struct epoch_flavor *flavor;
    enum epoch_backend backend;
    pthread_t thread;
    pthread_mutex_t lock; /**< held for a few instructions only, never across a wait for readers */
    pthread_cond_t work;  /**< queue or stop changed */
    pthread_cond_t done;  /**< done_sequence or phase changed */
    /* Under `lock`. The lock is also what orders the owner's last writes to retired memory before the thread's reads. */
    struct epoch_batch queue;
    struct epoch_batch waiting; /**< its grace period has begun */
    uint64_t queued_sequence;   /**< batches put into the queue */
    uint64_t waiting_sequence;  /**< of these, the newest in `waiting` */
    uint64_t done_sequence;     /**< and the newest that was released */
    bool
        is_trim_due; /**< a cycle's batch was released, and the thread has not trimmed since; written while RELEASING too */
    bool is_waited_for; /**< the owner waits: nothing is left to take its time */
    bool stop;
    bool abandoned;
    enum epoch_phase phase;
    /** The sequence whose grace period is being waited for; 0: none. Relaxed: a hint, the owner acts on it by repinning only (R4). */
    _Atomic uint64_t awaited_sequence;
    /** Block bytes retired, not yet reusable: the owner adds, the reclaiming thread subtracts. Relaxed: a count, it orders nothing. */
    _Atomic uint64_t backlog_bytes;
    struct epoch_reclaimed reclaimed;
};

/** Errors: SM_ERR_OUT_OF_MEMORY; SM_ERR_SYSTEM when the thread is refused. Threads: the owner-to-be, in no guard. */
sm_status epoch_reclaimer_create(struct sm_manager *mm, struct epoch_heap *heap, const struct epoch_flavor *flavor,
                                 enum epoch_backend backend, struct epoch_reclaimer **reclaimer);

/**
 * Stop, free; what is queued is dropped, for nobody is left who could read it: the owner is unpinned, observers are gone.
 *
 * Waits at most a second for guards of other managers, and not at all for one on this thread (R3); then whoever waits
 * for them is left to finish by itself.
 */
void epoch_reclaimer_destroy(struct epoch_reclaimer *reclaimer);

/** Queue `batch`, which is not empty, and empty it. Its bytes are in the backlog already. Threads: owner. */
void epoch_reclaimer_push(struct epoch_reclaimer *reclaimer, struct epoch_batch *batch);

/** Take back into `batch` whatever is not released. A release that has begun is waited for; it is short. Threads: owner. */
void epoch_reclaimer_withdraw(struct epoch_reclaimer *reclaimer, struct epoch_batch *batch);

/** Wait until all that is queued now has been released, at most `timeout_ns`. The owner is offline. False: not all. */
bool epoch_reclaimer_wait(struct epoch_reclaimer *reclaimer, uint64_t timeout_ns);

/** Inline: run the grace period on this thread and release. The owner is offline, nothing holds the period back. */
void epoch_reclaimer_drain_inline(struct epoch_reclaimer *reclaimer);

/** Inline: release without a grace period. The manager has no observers, so nobody else can hold what was retired. */
void epoch_reclaimer_release_unread(struct epoch_reclaimer *reclaimer);

/** Whether somebody else than the owner waits for grace periods. */
static inline bool epoch_reclaimer_is_threaded(const struct epoch_reclaimer *reclaimer)
{
    return reclaimer->backend != EPOCH_BACKEND_INLINE;
}

static inline uint64_t epoch_backlog_bytes(const struct epoch_reclaimer *reclaimer)
{
    return atomic_load_explicit(&reclaimer->backlog_bytes, memory_order_relaxed);
}

static inline uint64_t epoch_awaited_sequence(const struct epoch_reclaimer *reclaimer)
{
    return atomic_load_explicit(&reclaimer->awaited_sequence, memory_order_relaxed);
}

#endif
