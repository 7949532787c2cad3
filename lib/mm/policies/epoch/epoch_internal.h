/**
 * The epoch policy: guards, stop-the-world tracing, deferred reclamation on liburcu.
 *
 * Where each soundness rule is kept:
 *   R1  marking starts from sm_roots_enumerate alone; observers only borrow (the manager refuses
 *       their stores and handles).                                              cycle.c, mark.c
 *   R2  a block, a large object or one retired by hand goes back to the pool only after the flavour's
 *       grace period; epochs here are tags, ages and hints.             reclaimer.c, heap.c, pool.c
 *   R3  every wait goes through epoch_drain, which refuses while the thread is in any guard of any
 *       manager.                                                                pressure.c, flavor.c
 *   R4  the reclaimer asks for attention as it begins to wait; safepoints repin, and keep asking
 *       while it waits.                                                         pressure.c, reclaimer.c
 *   R5  unreachable objects with destructors, and all they reach, are marked before anything is
 *       retired; weak cells are cleared when their target is retired.           cycle.c, weak_list.c
 *   R6  soft, middle and hard bound of the backlog.                             pressure.c, retire.c
 *   R7  an emergency cycle ends in a bounded wait with the owner offline.       cycle.c
 *   R9  weak_get is the only door to a weak target; what it handed out since the last safepoint is
 *       an emergency's root.                                                    weak_list.c
 *   R12 header counts are never read here.
 *   R14 a forked child leaves everything alone.                                 epoch.c
 *   Concurrent marking (R8, R11) will claim by the spare bits of granule bytes (slab.h), young cycles (R10) log there;
 *   block eras (R13) have their place in struct epoch_block.
 * weak_list.c is in lib/mm/src: another tracing policy has it too.
 *
 * Memory order. Who may touch a block when is told in slab.h and pool.h; what passes between owner and whoever runs the
 * grace period otherwise, in reclaimer.h. All fields of struct epoch_policy are the owner's alone, but `flavor` (const),
 * `reclaimer` and the heap's pool (their own rules). Granule bytes are no observer's business. Header flags are written
 * by the owner only, with relaxed atomics, since observers may read them.
 */
#ifndef SM_EPOCH_INTERNAL_H
#define SM_EPOCH_INTERNAL_H

#include "epoch/flavor.h"
#include "epoch/heap.h"
#include "epoch/reclaimer.h"

#include "assertion.h"
#include "sapimem/policy.h"
#include "weak_list.h"

#include <sys/types.h>

#define EPOCH_MILLISECOND_NS UINT64_C(1000000)
/** R7's and quiet drains' bound. */
#define EPOCH_GRACE_WAIT_NS (100 * EPOCH_MILLISECOND_NS)
/** One assist at a safepoint (R6). */
#define EPOCH_ASSIST_WAIT_NS (10 * EPOCH_MILLISECOND_NS)
/** How long after the reclaimer began to wait every safepoint repins; afterwards allocation brings the repins. */
#define EPOCH_REPIN_EAGER_NS (50 * EPOCH_MILLISECOND_NS)
/** An open batch is sealed at this size even between safepoints. */
#define EPOCH_OPEN_BATCH_BYTES (UINT64_C(256) << 10)
/** And after so many safepoint ops, if the guard lasts so long. */
#define EPOCH_OPEN_SAFEPOINTS 32u
/** Memory goes back to the system when no allocation has needed it for so many cycles: fewer, and it is asked for again. */
#define EPOCH_TRIM_CYCLES 8u
#define EPOCH_BACKLOG_MINIMUM_BYTES (UINT64_C(64) << 20)
#define EPOCH_BACKLOG_THRESHOLDS 8u

/**
 * Bounds of the backlog (R6), block bytes.
 *
 * The hard one can be passed only by garbage that was in the heap when it was reached: from then on
 * nothing is allocated, and no emergency cycle retires more.
 */
struct epoch_bounds {
    uint64_t soft_bytes;   /**< a quarter of hard: stalled guards are looked for and reported */
    uint64_t middle_bytes; /**< half of hard: the owner waits a little at its safepoints */
    uint64_t hard_bytes;   /**< allocation is refused */
};

struct epoch_policy {
    struct sm_policy base;
    const struct epoch_flavor *flavor;
    pid_t creator;
    uint64_t backlog_limit_bytes; /**< the option; 0: from the threshold */
    uint64_t stall_report_ns;
    struct epoch_bounds bounds;
    struct epoch_heap heap;
    struct sm_weak_list weak;
    uint32_t open_safepoints; /**< ops since the open batch got its first object, or before that since the last seal */
    struct epoch_batch open;  /**< retired, not yet sealed: no grace period has begun for them */
    struct epoch_reclaimer *reclaimer;
    uint64_t peak_backlog_bytes;
    uint64_t cycle_count;
    uint64_t awaited_seen;       /**< the reclaimer's wait that the last safepoint op saw */
    uint64_t awaited_seen_ns;    /**< when one first saw it */
    uint64_t assist_floor_bytes; /**< an assist that failed is repeated above this backlog only; 0: none failed */
    uint64_t stall_epoch;        /**< pinned epoch of the guard reported last */
};

extern const struct sm_policy_ops sm_policy_epoch;

_Static_assert((EPOCH_RETIRED & SM_WEAKLY_REFERRED) == 0, "each flag has its own bit");

static inline struct epoch_policy *epoch_of_base(const struct sm_policy *policy)
{
    SM_ASSERT(policy->ops == &sm_policy_epoch);
    return (struct epoch_policy *)(uintptr_t)policy;
}

/* ---- cycle.c ---- */

sm_status epoch_collect(struct sm_policy *policy, enum sm_collect_kind kind, enum sm_trigger trigger,
                        struct sm_cycle_record *record);

/* ---- retire.c ---- */

void epoch_retire(struct sm_policy *policy, struct sm_object *object);
/** Count blocks that were retired just now. */
void epoch_count_backlog(struct epoch_policy *epoch, uint64_t room_bytes);
/** Hand the open batch to the reclaimer: its grace period may begin. */
void epoch_seal(struct epoch_policy *epoch);

/* ---- pressure.c ---- */

/** From the option, or else from the threshold; before each cycle, because the threshold may follow the heap. */
void epoch_bounds_set(struct epoch_policy *epoch, uint64_t threshold_bytes);
bool epoch_at_hard_bound(const struct epoch_policy *epoch);
/** Before an allocation: false at the hard bound. Asks for a safepoint now and then. */
bool epoch_may_allocate(struct epoch_policy *epoch);
void epoch_safepoint(struct sm_policy *policy);
/**
 * Seal, go offline, wait until the backlog as of now is released, come back. Only at a safepoint or in an emergency.
 *
 * False: not all of it within `timeout_ns`, or this thread holds another manager's guard (R3).
 */
bool epoch_drain(struct epoch_policy *epoch, enum sm_pause_cause cause, uint64_t timeout_ns);
/** Report the oldest guard if it has stalled and was not reported. The owner is offline. */
void epoch_watch_stall(struct epoch_policy *epoch);

#endif
