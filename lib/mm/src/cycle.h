/**
 * Cycles and the events of the allocation clock.
 */
#ifndef SM_CYCLE_H
#define SM_CYCLE_H

#include "pacing.h"

#include "sapimem/manager.h"

/** Bits of sm_hot.attention. */
enum sm_attention {
    SM_ATTENTION_COLLECT = 1u << 0,   /**< sm_collect_request */
    SM_ATTENTION_POLICY = 1u << 1,    /**< sm_attention_request */
    SM_ATTENTION_ALWAYS = 1u << 2,    /**< collect_every_safepoint or pacing "always"; never cleared */
    SM_ATTENTION_OBSERVERS = 1u << 3, /**< an observer waits for publication of stores */
    SM_ATTENTION_READY = 1u << 4,     /**< destructors are due */
    SM_ATTENTION_PACED = 1u << 5,     /**< sm_cycle_request, sm_young_request: the policy's own pacing asks */
    SM_ATTENTION_RELEASE = 1u << 6,   /**< counts of birth are to be given up */
};

struct sm_cycles {
    struct sm_pacing pacing;
    struct sm_pacing_input input;
    bool enabled;                /**< sm_cycles_enable */
    bool requested;              /**< by the policy's own pacing */
    bool every_safepoint;        /**< sm_config.collect_every_safepoint */
    bool every_alloc;            /**< sm_config.collect_every_alloc */
    uint64_t allocs_since_cycle; /**< under it */
    bool running;                /**< inside a policy's collect */
    bool asking;                 /**< inside a policy's safepoint */
    bool young_requested;        /**< sm_young_request; never while a cycle is open, or cycles are disabled */
    bool open;                   /**< sm_cycle_open */
    bool told_start;             /**< SM_EVENT_CYCLE_START was told and its end was not */
    uint32_t collector_threads;  /**< sm_collector_threads */
    uint64_t collect_every_bytes;
    uint64_t threshold_bytes; /**< in force; UINT64_MAX: never */
    uint64_t
        goal_held_bytes; /**< live payloads and external bytes at which the threshold's cycle is due, whatever the clock says */
    uint64_t next_clock_bytes; /**< the threshold's */
    uint64_t next_periodic_bytes;
    uint64_t next_tick_bytes;
    uint64_t last_clock_bytes; /**< when the last full cycle ended */
    uint64_t last_end_ns;
    uint64_t young_retired_bytes, young_pause_ns;       /**< of young cycles since then */
    uint64_t backlog_before_bytes, open_backlog_bytes;  /**< when collect was called, when the open cycle began */
    uint64_t charge_ns, charge_cpu_ns, charge_aside_ns; /**< inside collect: up to where records have been charged */
};

/** Set the first deadlines, once the policy exists. */
void sm_cycles_start(struct sm_manager *mm, const struct sm_config *config);

/** Run one cycle, under SM_CAP_COLLECT only. Errors: the policy's. */
sm_status sm_cycle_run(struct sm_manager *mm, enum sm_collect_kind kind, enum sm_trigger trigger);

/** Time and CPU since the last charge, or since collect was called, are of this cycle. */
void sm_cycle_charge(struct sm_manager *mm, struct sm_cycle_record *record);
/** Nothing of what was before now is of the next record. */
void sm_cycle_charge_from_now(struct sm_manager *mm);

/** Tell of the start of a cycle, unless that of the cycle under way was told; and of its end. */
void sm_cycle_tell_start(struct sm_manager *mm, enum sm_cycle_kind kind);
void sm_cycle_tell_end(struct sm_manager *mm, const struct sm_cycle_record *record);

/** Count a cycle that has ended, the policy's books being in order: deaths, counters, deadlines, hooks. */
void sm_cycle_count(struct sm_manager *mm, struct sm_cycle_record *record, uint64_t backlog_before_bytes);

/** New deadlines after a full cycle, before which `older_backlog_bytes` waited; a young one only moves the paced one. */
void sm_cycle_set_deadlines(struct sm_manager *mm, uint64_t older_backlog_bytes);
void sm_cycle_put_off(struct sm_manager *mm);

/** sm_config.collect_every_alloc: an emergency cycle now and then. Threads: owner, outside cycles. */
void sm_cycle_before_alloc(struct sm_manager *mm);

/** The next paced cycle is due `bytes` of the clock earlier. */
void sm_cycle_bring_forward(struct sm_manager *mm, uint64_t bytes);

/** Set bits of the attention word. Threads: any; async-signal-safe. */
void sm_attention_raise(struct sm_manager *mm, uint32_t bits);

#endif
