/**
 * The epoch policy: guards, young cycles, full cycles beside the program, deferred reclamation on liburcu.
 *
 * Where each soundness rule is kept:
 *   R1  marking starts from the roots at a safepoint and, beside the program, goes by what was reachable then: what is
 *       overwritten is logged first, what is made later lives on. Observers only borrow (the manager refuses
 *       their stores and handles).                                     cycle.c, beside.c, barrier.c
 *   R2  a block, a large object or one retired by hand goes back to the pool only after the flavour's
 *       grace period; epochs here are tags, ages and hints.        reclaimer.c, heap_retire.c, pool.c
 *       Without observers, in the mode of region.c, nothing waits.
 *   R3  every wait goes through epoch_drain, which refuses while the thread is in any guard of any
 *       manager.                                                                pressure.c, flavor.c
 *   R4  the reclaimer asks for attention as it begins to wait; safepoints repin, and keep asking
 *       while it waits. Young cycles do not wait for an iteration to end for ever.    pressure.c, young.c
 *   R5  unreachable objects with destructors, and all they reach, are marked before anything is
 *       retired; weak cells are cleared when their target is retired.   cycle.c, beside.c, weak_list.c
 *   R6  soft, middle and hard bound of the backlog.                             pressure.c, retire.c
 *   R7  an emergency cycle ends in a bounded wait with the owner offline.       cycle.c
 *   R8  an object's old slots are read by the marker or by the program before its first write, never by both.
 *                                                                               barrier.h, chunks.h
 *   R9  weak_get is the only door to a weak target: it shades what it hands out while a cycle marks; what it handed out
 *       since the last safepoint is an emergency's root.                        epoch.c, weak_list.c
 *   R10 the snapshot has the colours, the remembered set a flag, so either may begin whatever the other holds; no
 *       young cycle while one marks.                                            barrier.h, young.c
 *   R11 a young cycle with too many survivors makes everything old instead; all else that grows with the heap is done
 *       in pieces.                                                              young.c, beside.c
 *   R12 header counts are never read here.
 *   R14 a forked child leaves everything alone.                                 epoch.c
 *   Block eras (R13) have their place in struct epoch_block.
 * weak_list.c is in lib/mm/src: another tracing policy has it too.
 *
 * Memory order. Who may touch a block when is told in slab.h and pool.h; what passes between owner and whoever runs the
 * grace period in reclaimer.h, between owner and whoever marks or sweeps in collector.h and barrier.h. All fields of
 * struct epoch_policy are the owner's alone, but `flavor` (const),
 * `reclaimer`, `collector` and the heap's pool (their own rules), and `marker` (whoever has the job). Header flags are written
 * by the owner only, with relaxed atomics, since observers may read them.
 */
#ifndef SM_EPOCH_INTERNAL_H
#define SM_EPOCH_INTERNAL_H

#include "epoch/barrier.h"
#include "epoch/collector.h"
#include "epoch/flavor.h"
#include "epoch/heap.h"
#include "epoch/log.h"
#include "epoch/mark.h"
#include "epoch/reclaimer.h"

#include "assertion.h"
#include "sapimem/policy.h"
#include "weak_list.h"

#include <sys/types.h>

#define EPOCH_MILLISECOND_NS UINT64_C(1000000)
/** R7's and quiet drains' bound. */
#define EPOCH_GRACE_WAIT_NS (100 * EPOCH_MILLISECOND_NS)
/** So many such waits follow one another where no guard is in the way: then the reclaimer's thread only lacks a processor. */
#define EPOCH_GRACE_WAITS 20u
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
#define EPOCH_TRIM_YOUNG_CYCLES 64u
/** A young cycle is due when so much is remembered, and gives up when it is four times as much. */
#define EPOCH_REMEMBERED_MAX 2048u
/** Nursery: its least size, and what else bounds it. */
#define EPOCH_NURSERY_MIN_BYTES (UINT64_C(512) << 10)
#define EPOCH_BACKLOG_MINIMUM_BYTES (UINT64_C(64) << 20)
#define EPOCH_BACKLOG_THRESHOLDS 8u

/**
 * Bounds of the backlog (R6), block bytes.
 *
 * The hard one can be passed only by garbage that was in the heap when it was reached: from then on
 * nothing is allocated, and no emergency cycle retires more.
 */
struct epoch_bounds {
    uint64_t
        inline_bytes; /**< a threshold's worth, soft at most: with reclaim=inline the owner looks whether it need not wait */
    uint64_t soft_bytes;   /**< a quarter of hard: stalled guards are looked for and reported */
    uint64_t middle_bytes; /**< half of hard: the owner waits a little at its safepoints */
    uint64_t hard_bytes;   /**< allocation is refused */
};

/** In the order of the option's choices. */
enum epoch_young_choice { EPOCH_YOUNG_AUTO, EPOCH_YOUNG_ALWAYS, EPOCH_YOUNG_NEVER };

/** Whether there are young cycles now, and when the next is due (young.c). */
struct epoch_young {
    enum epoch_young_choice choice;
    bool is_on;    /**< what is made is young, stores to armed objects are looked at */
    bool is_blind; /**< the remembered set is not whole: no memory */
    uint64_t nursery_option_bytes, nursery_max_bytes; /**< the latter bounded by the threshold too */
    uint64_t nursery_bytes;                           /**< a young cycle is due when so much was allocated */
    uint64_t since_bytes;                             /**< the clock at the last one */
    uint64_t count;                                   /**< young cycles so far */
    uint64_t pins_seen;                               /**< the owner's, at the last safepoint op */
    uint64_t trial_bytes;                             /**< the clock from which they are tried again ... */
    uint64_t backoff_bytes;                           /**< ... and how long that was put off the last time */
};

/** How far the full cycle beside the program is (beside.c). */
enum epoch_stage {
    EPOCH_STAGE_NONE,
    EPOCH_STAGE_MARKING,  /**< from the snapshot until everything that was reachable is marked */
    EPOCH_STAGE_CLEARING, /**< the owner clears weak cells, and takes the dead off the remembered set, in pieces */
    EPOCH_STAGE_SWEEPING, /**< blocks are looked at one by one */
};

struct epoch_beside {
    bool is_allowed; /**< the option; otherwise full cycles stop the program */
    enum epoch_stage stage;
    struct sm_visitor
        roots; /**< takes roots into the log, also those that the program comes to before the enumeration does */
    size_t roots_left; /**< of deep stacks, still to be enumerated */
    bool is_choosing;  /**< destructors that are due are being chosen */
    bool is_chosen;    /**< all have been */
    uint64_t start_ns, start_clock_bytes;
    uint64_t headroom_bytes;                   /**< of allocation in which marking is to be done */
    uint64_t snapshot_objects, snapshot_bytes; /**< old objects then, all that there were */
    struct epoch_log unfiltered;               /**< remembered before the colour changed: some of it is dead */
    struct sm_cycle_record record;             /**< so far */
};

/** A request that goes as a whole (region.c). */
struct epoch_region {
    uint64_t
        limit_bytes; /**< the option: what a request takes before there are cycles; 0: requests are nothing special */
    bool is_open;
    bool is_passed;         /**< it has taken as much: there was a cycle */
    bool was_on;            /**< whether there were young cycles before */
    uint64_t begin_bytes;   /**< room of all objects allocated before it, and since of large ones that are gone */
    uint64_t since_bytes;   /**< the same at the last cycle */
    uint64_t full_at_bytes; /**< payload of its old objects at which a full cycle comes in the place of a young one */
    uint64_t count;         /**< requests so far */
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
    struct epoch_batch held; /**< retired by hand, but a marker's stack or the remembered set may still refer to them */
    struct epoch_young young;
    struct epoch_region region;
    struct epoch_log remembered; /**< old objects that may refer to young ones; and chunks */
    struct epoch_beside beside;
    struct epoch_log log; /**< for the marker, not yet handed over */
    struct epoch_marker marker;
    struct epoch_collector collector;
    struct epoch_reclaimer *reclaimer;
    uint64_t peak_backlog_bytes;
    uint64_t cycle_count;
    uint64_t awaited_seen;       /**< the reclaimer's wait that the last safepoint op saw */
    uint64_t awaited_seen_ns;    /**< when one first saw it */
    uint64_t assist_floor_bytes; /**< an assist that failed is repeated above this backlog only; 0: none failed */
    uint64_t stall_epoch;        /**< pinned epoch of the guard reported last */
};

extern const struct sm_policy_ops sm_policy_epoch;

_Static_assert((EPOCH_RETIRED & SM_WEAKLY_REFERRED) == 0 && (EPOCH_ARMED & (EPOCH_RETIRED | SM_WEAKLY_REFERRED)) == 0,
               "each flag has its own bit");

static inline struct epoch_policy *epoch_of_base(const struct sm_policy *policy)
{
    SM_ASSERT(policy->ops->alloc_slow == sm_policy_epoch.alloc_slow); /* some of the tables that it has */
    return (struct epoch_policy *)(uintptr_t)policy;
}

/* ---- cycle.c ---- */

sm_status epoch_collect(struct sm_policy *policy, enum sm_collect_kind kind, enum sm_trigger trigger,
                        struct sm_cycle_record *record);

/** A full cycle with the program stopped. None is under way beside it. */
sm_status epoch_collect_stopped(struct epoch_policy *epoch, enum sm_trigger trigger, struct sm_cycle_record *record);
/** What a cycle leaves is sealed, counted and written down. */
void epoch_record_heap(const struct epoch_policy *epoch, struct sm_cycle_record *record);

/* ---- young.c ---- */

/** At a safepoint op: whether a young cycle is due, or young cycles are to be tried again. */
void epoch_young_safepoint(struct epoch_policy *epoch);
/** Whether pacing and program leave room for young cycles. */
bool epoch_young_is_paced(const struct epoch_policy *epoch);
/** At its end: the pins so far are none of the program's. */
void epoch_young_safepoint_end(struct epoch_policy *epoch);
/** A young cycle. There are young ones, and no cycle is marking. */
void epoch_young_collect(struct epoch_policy *epoch, struct sm_cycle_record *record);
/** Before a snapshot: all that there is is old, by a young cycle, which is reported, or without one. */
void epoch_young_finish(struct epoch_policy *epoch);
/** A full cycle has looked at everything: nothing is remembered but what it says afterwards, nothing is held. */
void epoch_young_forget(struct epoch_policy *epoch);
/** Put those entries of a part of the remembered set back whose objects live, and free it. */
void epoch_young_keep_living(struct epoch_policy *epoch, struct epoch_log_chunk *entries);
/** The same at the end of a request: of what stays, by `is_kept`, the next store counts again; the rest is not looked at. */
void epoch_young_forget_if(struct epoch_policy *epoch, sm_is_live *is_kept);
/** All that there is becomes old without a cycle. At a safepoint, with no cycle under way. Cost: O(objects made since the last). */
void epoch_young_conclude_as_old(struct epoch_policy *epoch);
/** From now on there are young cycles, or none. Nothing is young. */
void epoch_young_turn(struct epoch_policy *epoch, bool is_on);
void epoch_young_init(struct epoch_policy *epoch);
/** The threshold bounds the nursery. */
void epoch_young_follow_threshold(struct epoch_policy *epoch, uint64_t threshold_bytes);

/* ---- region.c ---- */

void epoch_region_begin(struct sm_policy *policy);
void epoch_region_end(struct sm_policy *policy);
/** Whether what is retired may be used again at once: there are no observers, in a policy whose requests go as a whole. */
bool epoch_region_reclaims_unread(const struct epoch_policy *epoch);
/** For these a request is open. At a safepoint op: whether a cycle is due. */
void epoch_region_safepoint(struct epoch_policy *epoch);
/** A cycle has ended, a young or a full one. */
void epoch_region_note_young(struct epoch_policy *epoch);
void epoch_region_note_full(struct epoch_policy *epoch);
/** All that lived before the request is reachable: tell the marker. Cost: O(heap). */
void epoch_region_visit_boot(struct epoch_policy *epoch);
/** An object is retired by hand. False: it is large, and goes the way that it goes elsewhere, */
bool epoch_region_retire(struct epoch_policy *epoch, struct sm_object *object);
/** and is on its way. */
void epoch_region_large_gone(struct epoch_policy *epoch, uint64_t room_bytes);

/* ---- beside.c ---- */

/** Take the snapshot; the cycle goes on at safepoints. At a safepoint, with none under way. False: the system refused memory for the stack. */
bool epoch_beside_start(struct epoch_policy *epoch);
/** At a safepoint op: what is next. */
void epoch_beside_safepoint(struct epoch_policy *epoch);
/** Blocks that a sweep has yet to see, though it is over. With none under way. */
void epoch_beside_sweep_leftovers(struct epoch_policy *epoch);
/** Go through all stages that are left, now. Returns with none under way. */
void epoch_beside_finish(struct epoch_policy *epoch);

/* ---- verify.c: checked builds ---- */

/** Whether everything reachable now that was there at the snapshot is marked. The marker is done. Cost: O(live heap). */
bool epoch_marking_is_complete(struct epoch_policy *epoch);
/** Whether every old object that refers to a young one is remembered. Cost: O(heap). */
bool epoch_remembered_is_complete(struct epoch_policy *epoch);

/* ---- retire.c ---- */

void epoch_retire(struct sm_policy *policy, struct sm_object *object);
/** Count blocks that were retired just now. */
void epoch_count_backlog(struct epoch_policy *epoch, struct epoch_batch *batch);
/** Count what is to be counted anew, or is on no list any more, out of the backlog. */
void epoch_uncount_backlog(struct epoch_policy *epoch, uint64_t room_bytes);
/** Objects that were held may go now. */
void epoch_release_held(struct epoch_policy *epoch);
/** Hand the open batch to the reclaimer: its grace period may begin. */
void epoch_seal(struct epoch_policy *epoch);
/** The same with what is in `batch`, which is empty then. */
void epoch_seal_batch(struct epoch_policy *epoch, struct epoch_batch *batch);

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
 * False: not all of it within `timeout_ns`, or this thread holds another manager's guard (R3). With cause SM_PAUSE_GRACE
 * a wait for the reclaimer's thread is repeated, EPOCH_GRACE_WAITS in all, while no guard of this manager is in its way.
 */
bool epoch_drain(struct epoch_policy *epoch, enum sm_pause_cause cause, uint64_t timeout_ns);
/** Report the oldest guard if it has stalled and was not reported. The owner is offline. */
void epoch_watch_stall(struct epoch_policy *epoch);

#endif
