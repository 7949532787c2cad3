/**
 * Who works on a full cycle while the program runs: a thread of its own, or the owner in slices.
 *
 * A job is marking from a snapshot, or sweeping; whoever works on it has the marker, or the blocks to be swept. The owner
 * begins a job, feeds the marker through the shared log, and takes everything back when the job is done or it cannot
 * wait: epoch_collector_stop returns with the thread at rest, within a step of EPOCH_COLLECTOR_STEP objects.
 *
 *   REST   -> WORK    epoch_collector_begin, epoch_collector_resume
 *   WORK   -> DONE    nothing is left: no edge on the stack, no chunk in the shared log; no block that is not swept.
 *                     The owner's attention is asked for.
 *   DONE   -> WORK    the owner hands over another part of its log, or resumes after it has put something on the stack
 *   WORK, DONE -> REST   epoch_collector_stop
 *
 * Memory order. Everything here is under `lock`, but for the two flags that are hints: `is_done` (the owner looks again
 * under the lock) and `must_stop` (the thread does). The lock is also what orders the owner's writes before the snapshot, and
 * its log's contents, before the thread's reads; and the thread's marks before the owner's reads of them.
 */
#ifndef SM_EPOCH_COLLECTOR_H
#define SM_EPOCH_COLLECTOR_H

#include "epoch/batch.h"
#include "epoch/log.h"
#include "epoch/mark.h"

#include "sapimem/status.h"

#include <pthread.h>
#include <stdatomic.h>

struct epoch_heap;

/** Objects or chunks marked between two looks at whether the owner wants the marker. */
enum { EPOCH_COLLECTOR_STEP = 256 };

/** What there is to do. */
enum epoch_job { EPOCH_JOB_NONE, EPOCH_JOB_MARK, EPOCH_JOB_SWEEP };

struct epoch_collector {
    struct sm_manager *mm;
    struct epoch_heap *heap;
    struct epoch_marker *marker;
    bool has_thread;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t work;   /**< job, must_stop or ends changed */
    pthread_cond_t rested; /**< is_running or is_done changed */
    enum epoch_job job;
    bool is_running; /**< the thread has the marker or the blocks */
    bool ends;
    _Atomic bool must_stop; /**< hint; written under `lock` */
    _Atomic bool is_done;   /**< hint; written under `lock` */
    struct epoch_log shared;
    struct epoch_block_list unconcluded; /**< to be swept, and in nobody's else hands */
    struct epoch_batch swept;            /**< in which something died */
    uint64_t marked_objects; /**< by the thread or slices, of the present job; under `lock` when there is a thread */
    uint64_t cpu_ns;         /**< of the thread, since the present cycle began */
};

/** Errors: SM_ERR_SYSTEM when the thread is refused. */
sm_status epoch_collector_init(struct epoch_collector *collector, struct sm_manager *mm, struct epoch_heap *heap,
                               struct epoch_marker *marker, bool has_thread);
/** Stop and join. What was swept is dropped: the heap goes. */
void epoch_collector_finish(struct epoch_collector *collector);

/** Threads: owner, for all of these. */
void epoch_collector_begin(struct epoch_collector *collector, enum epoch_job job);
/** The marker takes what is in `log`, which is empty then. */
void epoch_collector_hand(struct epoch_collector *collector, struct epoch_log *log);
/** Returns with the thread at rest: what is the job's is the owner's until it resumes or begins one. */
void epoch_collector_stop(struct epoch_collector *collector);
void epoch_collector_resume(struct epoch_collector *collector);
/** Work on the owner's thread, which has what is the job's, until done or about `budget` objects or blocks are. Returns whether it is done. */
bool epoch_collector_work(struct epoch_collector *collector, uint64_t budget);
/** Wait for the thread to be done. False: not within `timeout_ns`. */
bool epoch_collector_wait(struct epoch_collector *collector, uint64_t timeout_ns);
/** What was found dead by a sweep waits for the owner to seal it. Threads: any. */
void epoch_collector_add_swept(struct epoch_collector *collector, struct epoch_batch *batch);
/** What the thread has swept so far is moved to `batch`. */
void epoch_collector_take_swept(struct epoch_collector *collector, struct epoch_batch *batch);

static inline bool epoch_collector_is_done(const struct epoch_collector *collector)
{
    return atomic_load_explicit(&collector->is_done, memory_order_relaxed);
}

#endif
