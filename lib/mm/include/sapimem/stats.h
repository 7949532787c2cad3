/**
 * Statistics, pauses, cycles and the hooks that report them.
 *
 * Counters are kept once, in the manager, identically for every policy. Bytes on the allocation
 * clock (`alloc_bytes`) are what the program asked for: payloads, plus growth on resize; equal under
 * all policies. Everything a policy adds to that is in `policy_bytes`.
 */
#ifndef SAPIMEM_STATS_H
#define SAPIMEM_STATS_H

#include "sapimem/object.h"
#include "sapimem/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Why the owner stopped; the closed list of contract "pauses". */
enum sm_pause_cause {
    SM_PAUSE_CYCLE, /**< a cycle, or a slice of one */
    SM_PAUSE_HANDSHAKE,
    SM_PAUSE_ASSIST,      /**< the backlog's middle bound (R6), or allocation that is ahead of marking */
    SM_PAUSE_GRACE,       /**< a wait for a grace period */
    SM_PAUSE_DESTRUCTORS, /**< a drain of queued destructors */
    SM_PAUSE_CASCADE,     /**< a free that freed more than 100 objects */
    SM_PAUSE_REFILL,      /**< a refill that swept or waited */
    SM_PAUSE_REQUEST_END, /**< bulk reset at request end */
    SM_PAUSE_CAUSE_COUNT,
};

/** What started a cycle. */
enum sm_trigger {
    SM_TRIGGER_THRESHOLD, /**< the pacing rule */
    SM_TRIGGER_MANUAL,    /**< sm_collect */
    SM_TRIGGER_PERIODIC,  /**< collect_every_bytes */
    SM_TRIGGER_EMERGENCY, /**< an allocation failed (R7) */
    SM_TRIGGER_QUIESCE,   /**< sm_quiesce */
    SM_TRIGGER_BOUNDARY,  /**< the policy asked for a young cycle: at a run-loop boundary, or when enough is young */
    SM_TRIGGER_COUNT,
};

/** What a cycle looked at. */
enum sm_cycle_kind {
    SM_CYCLE_FULL,  /**< everything */
    SM_CYCLE_YOUNG, /**< what no cycle has looked at before, and what was written to since */
    SM_CYCLE_KIND_COUNT,
};

/** What an event tells of; `amount` and `duration_ns` of struct sm_event depend on it. */
enum sm_event_kind {
    SM_EVENT_PIN_STALL,   /**< a guard was reported; amount: bytes of backlog; duration: the guard's age */
    SM_EVENT_CYCLE_START, /**< amount: live bytes then; the kind is what was asked for, the end's what it became */
    SM_EVENT_CYCLE_END,   /**< amount: bytes retired, 0 when it failed; duration: sum of its stops */
    SM_EVENT_SLICE,       /**< a part of marking on the owner thread; amount: objects marked */
    SM_EVENT_ASSIST,      /**< the owner marked or reclaimed, being ahead; amount: objects marked, or bytes reclaimed */
    SM_EVENT_HANDSHAKE,   /**< the owner stopped to begin or end marking; amount: roots and log entries looked at */
    SM_EVENT_SWEEP,       /**< blocks were swept; amount: bytes found free */
    SM_EVENT_BACKLOG,     /**< a batch was retired or became reusable; amount: bytes of backlog after it */
    SM_EVENT_RESIZE,      /**< the most ever committed entered another MiB; amount: bytes committed */
    SM_EVENT_KIND_COUNT,
};

/** Names as they appear in results ("cycle", "threshold", ...). Never NULL for a value in range. */
const char *sm_pause_cause_name(enum sm_pause_cause cause);
const char *sm_trigger_name(enum sm_trigger trigger);
const char *sm_cycle_kind_name(enum sm_cycle_kind kind);
const char *sm_event_kind_name(enum sm_event_kind kind);

/** One stop of the owner. */
struct sm_pause_record {
    enum sm_pause_cause cause;
    uint64_t start_ns; /**< CLOCK_MONOTONIC */
    uint64_t duration_ns;
    uint64_t run_delay_ns; /**< of which the scheduler kept the thread waiting to run; 0 where unknown */
};

/** Something that happened inside the manager or its policy; the finest grain there is to watch. */
struct sm_event {
    enum sm_event_kind kind;
    enum sm_cycle_kind cycle_kind; /**< of the cycle it belongs to; full where it belongs to none */
    uint64_t time_ns;              /**< CLOCK_MONOTONIC when it was reported: at its end, if it lasted */
    uint64_t duration_ns;          /**< 0: a moment */
    uint64_t clock_bytes;          /**< on the allocation clock */
    uint64_t amount;               /**< see the kind */
};

/** One cycle. Reclaimed bytes trail retired ones by a grace period, so they are a running total. */
struct sm_cycle_record {
    uint64_t index;       /**< from 1, in the order in which they ended; 0: not counted yet */
    uint64_t clock_bytes; /**< when it was started */
    enum sm_trigger trigger;
    enum sm_cycle_kind kind;
    bool is_concurrent; /**< marked beside the program, or in slices between */
    bool is_fallback;   /**< concurrent, but finished by a stop */
    uint64_t traced_objects;
    uint64_t logged_objects;                 /**< old objects looked at because they were written to */
    uint64_t live_objects, live_bytes;       /**< marked; bytes are payloads */
    uint64_t retired_objects, retired_bytes; /**< by this cycle */
    uint64_t heap_bytes;            /**< live by the manager's books after it; before it, that and what it retired */
    uint64_t goal_bytes;            /**< what heap_bytes may grow to before the next full cycle is due; 0: no end */
    uint64_t reclaimed_bytes_total; /**< by all cycles so far */
    uint64_t backlog_bytes;         /**< after it */
    /** Of a heap of blocks that objects share: what the living take of them, and what is free in blocks where something lives; 0 elsewhere. */
    uint64_t occupied_bytes, hole_bytes;
    uint64_t pause_ns;                  /**< sum of its stops */
    uint64_t max_pause_ns;              /**< longest of them */
    uint64_t cpu_ns;                    /**< of the owner thread, in this cycle */
    uint64_t collector_cpu_ns;          /**< of the collector's thread */
    uint64_t mark_ns;                   /**< wall time from snapshot to termination; 0: the stop was all of it */
    uint64_t slice_count, assist_count; /**< on the owner thread */
};

/** A guard that holds reclamation back. Strings are copies. */
struct sm_guard_report {
    char thread[32];
    char site[96];
    uint64_t pinned_epoch;
    uint64_t age_ns;
    uint64_t backlog_bytes;
};

/** A snapshot of the manager's counters. Units are in the names; all are since creation. */
struct sm_stats {
    uint64_t alloc_bytes, alloc_count;
    uint64_t resize_count;
    uint64_t policy_bytes; /**< headers, rounding, extra copies: held beyond the payloads, cumulative */
    uint64_t copied_bytes; /**< copies a policy or sharing scheme made */
    uint64_t copy_count;
    uint64_t live_bytes; /**< payload bytes not yet retired or freed */
    uint64_t live_objects;
    uint64_t committed_bytes, peak_committed_bytes;
    uint64_t peak_live_bytes;
    uint64_t external_bytes, peak_external_bytes; /**< as sm_external_change was told */
    uint64_t backlog_bytes, peak_backlog_bytes;   /**< retired, not yet reusable; block bytes */
    uint64_t peak_garbage_bytes; /**< largest "dead but not freed" a cycle found, backlog included; 0 without cycles */
    uint64_t retired_bytes, retired_objects; /**< payload bytes */
    uint64_t reclaimed_bytes, reclaimed_objects;
    uint64_t reclaimed_room_bytes; /**< that were backlog, as that is counted: block bytes */
    uint64_t reclaimed_batches;    /**< that waited for a grace period; 0 under a policy that frees at once */
    uint64_t reclaim_delay_total_ns,
        reclaim_delay_max_ns;            /**< from retirement of a batch's oldest part until it was reusable */
    uint64_t occupied_bytes, hole_bytes; /**< as of the last cycle, as in its record */
    uint64_t cycles, cycles_by_trigger[SM_TRIGGER_COUNT];
    /** Sums over the records of all cycles. */
    uint64_t cycles_by_kind[SM_CYCLE_KIND_COUNT];
    uint64_t concurrent_cycles, fallbacks;
    uint64_t slices, assists;
    uint64_t cycle_cpu_ns, collector_cpu_ns; /**< of the owner thread in cycles, of the collector's */
    uint64_t traced_objects, logged_objects;
    uint64_t destructors_run;
    uint64_t pauses, pause_total_ns, pause_max_ns;
    uint64_t requests;
    uint64_t guard_stalls; /**< reports made */
    uint64_t epoch;
    uint64_t threshold_bytes; /**< in force for the next cycle; 0 when the policy has no cycles */
    /** Of a policy that counts, as gc_status of PHP has them: possible roots buffered now, how many start a run,
     *  runs so far, arrays and objects they freed. 0 under other policies. */
    uint64_t roots, root_threshold, root_runs, collected_objects;
};

/**
 * Callbacks into whoever watches; each may be NULL, all run on the owner thread.
 *
 * They may read statistics and must not allocate from, store through or collect the manager. Who stands in front of
 * the others, as the VM does, passes on_event on as it is: so it has a context of its own.
 */
struct sm_hooks {
    void *context;
    void (*on_pause)(void *context, const struct sm_pause_record *pause);
    void (*on_cycle)(void *context, const struct sm_cycle_record *cycle);
    void (*on_guard_stall)(void *context, const struct sm_guard_report *report);
    void (*on_event)(void *context, const struct sm_event *event);
    void *event_context;                                   /**< of on_event; NULL: context */
    void (*on_tick)(void *context, struct sm_manager *mm); /**< at the first safepoint past each tick_bytes */
    uint64_t tick_bytes;                                   /**< 0: never */
};

/** Copy the counters. Threads: owner. Cost: O(1). */
void sm_stats_get(const struct sm_manager *mm, struct sm_stats *stats);

/** Count one copy of `bytes` made for the sake of a sharing scheme or policy. Threads: owner. */
void sm_count_copy(struct sm_manager *mm, size_t bytes);

/**
 * `object`, just allocated, is a copy of one of `original_payload_bytes`: only its growth beyond that stays on the
 * allocation clock, so that the clock is the same for every sharing scheme (a separation is no allocation of the program).
 *
 * Counts the copy too, with the bytes that came off the clock. Threads: owner, before the next safepoint.
 */
void sm_count_copy_object(struct sm_manager *mm, const struct sm_object *object, uint64_t original_payload_bytes);

/** Print a short table of the counters to `stream` (a `FILE *`, passed as void to keep stdio out). */
void sm_stats_print(const struct sm_manager *mm, void *stream);

#ifdef __cplusplus
}
#endif
#endif
