/** The named figures of a run: one table of names, units and senses, and one set of values. */
#ifndef HX_METRICS_H
#define HX_METRICS_H

#include "sapimem/stats.h"

#include <stdbool.h>
#include <stdint.h>

enum hx_metric_id {
    HX_METRIC_WALL_NS,
    HX_METRIC_CPU_NS,
    HX_METRIC_VM_CPU_NS,
    HX_METRIC_CYCLE_CPU_NS,        /**< of the VM thread in cycles */
    HX_METRIC_COLLECTOR_CPU_NS,    /**< of the collector's thread */
    HX_METRIC_RECLAMATION_WALL_NS, /**< the program stood still for memory's sake */
    HX_METRIC_RECLAMATION_CPU_NS, /**< of the VM thread in these stops, and of the threads that work for memory alone */
    HX_METRIC_RUN_DELAY_NS,       /**< the VM thread was ready to run and did not */
    HX_METRIC_INSTRUMENT_CPU_NS,  /**< of the thread that measures hiccups; no part of the others */
    HX_METRIC_BOOT_NS,
    HX_METRIC_QUIESCE_NS,
    HX_METRIC_SAMPLING_NS,
    HX_METRIC_THROUGHPUT_BYTES_PER_S,
    HX_METRIC_STEPS,
    HX_METRIC_FAILED_REQUESTS,  /**< of a burst: begun by a worker that crashed or ran out of memory */
    HX_METRIC_COLD_REQUESTS,    /**< of a burst: completed, and compiled first */
    HX_METRIC_WORKER_PROCESSES, /**< of a burst: started, with those that took over from others */
    HX_METRIC_ALLOC_BYTES,
    HX_METRIC_BOOT_ALLOC_BYTES, /**< allocation clock when the steps began */
    HX_METRIC_STEP_ALLOC_BYTES, /**< what the steps added to it: the dividend of the throughput */
    HX_METRIC_ALLOC_COUNT,
    HX_METRIC_CHECKSUM,
    HX_METRIC_PEAK_RSS_BYTES,
    HX_METRIC_MEAN_RSS_BYTES,
    HX_METRIC_BASELINE_RSS_BYTES,
    HX_METRIC_END_RSS_ANON_BYTES,
    HX_METRIC_WORKER_PEAK_RSS_BYTES,       /**< of a burst: of the worker that had most */
    HX_METRIC_WORKER_PEAK_COMMITTED_BYTES, /**< likewise */
    HX_METRIC_MINOR_FAULTS,                /**< during the steps */
    HX_METRIC_MAJOR_FAULTS,
    HX_METRIC_PEAK_LIVE_BYTES,
    HX_METRIC_PEAK_EXTERNAL_BYTES,
    HX_METRIC_MEAN_FOOTPRINT_BYTES,
    HX_METRIC_PEAK_COMMITTED_BYTES,
    HX_METRIC_END_COMMITTED_BYTES,
    HX_METRIC_PEAK_BACKLOG_BYTES,
    HX_METRIC_MEAN_BACKLOG_BYTES, /**< over the allocation clock, as the mean footprint is */
    HX_METRIC_MEAN_RECLAIM_DELAY_NS,
    HX_METRIC_MAX_RECLAIM_DELAY_NS,
    HX_METRIC_MEAN_RECLAIM_DELAY_BYTES,   /**< allocated between a byte's retirement and its being reusable */
    HX_METRIC_MEAN_TIME_TO_RECLAIM_BYTES, /**< allocated between a byte's death and its being reusable */
    HX_METRIC_END_OCCUPIED_BYTES,
    HX_METRIC_END_HOLE_BYTES,
    HX_METRIC_PEAK_GARBAGE_BYTES,
    HX_METRIC_MEAN_GARBAGE_BYTES, /**< over the allocation clock */
    HX_METRIC_CYCLES,
    HX_METRIC_CYCLES_FULL,
    HX_METRIC_CYCLES_YOUNG,
    HX_METRIC_CYCLES_CONCURRENT,
    HX_METRIC_FALLBACKS,
    HX_METRIC_SLICES,
    HX_METRIC_ASSISTS,
    HX_METRIC_LOGGED_OBJECTS,
    HX_METRIC_TRACED_OBJECTS,
    HX_METRIC_RETIRED_BYTES,
    HX_METRIC_RECLAIMED_BYTES,
    HX_METRIC_POLICY_BYTES,
    HX_METRIC_COPIED_BYTES,
    HX_METRIC_DESTRUCTORS_RUN,
    HX_METRIC_LEAKED_OBJECTS,
    HX_METRIC_LEAKED_BYTES,
    HX_METRIC_RETAINED_OBJECTS,
    HX_METRIC_RETAINED_BYTES,
    HX_METRIC_GUARD_STALLS,
    HX_METRIC_OBSERVER_GUARDS,
    HX_METRIC_OBSERVER_READS,
    HX_METRIC_COUNT,
};

/** When two runs with the same configuration agree on a metric to the last digit. */
enum hx_exactness {
    HX_EXACT_NEVER,
    HX_EXACT_INLINE, /**< while nothing runs beside the VM thread */
    HX_EXACT_ALWAYS, /**< whatever the threads do, given fixed work */
    HX_EXACT_SPREAD, /**< and whichever worker serves what */
};

struct hx_metric {
    const char *name;
    const char *unit;
    const char *better; /**< "less", "more", or NULL where neither is */
    enum hx_exactness exactness;
    bool is_hexadecimal; /**< written as a string of 16 digits */
};

/** Zeroed: nothing is known yet. */
struct hx_metrics {
    uint64_t value[HX_METRIC_COUNT];
    bool is_known[HX_METRIC_COUNT];
};

/** How repeatable a run was: the least exactness its exact metrics must have. */
enum hx_repeatability {
    HX_REPEATABLE_NOT,    /**< ended by time, a signal or a failure */
    HX_REPEATABLE_SPREAD, /**< fixed work, spread over processes as they are free */
    HX_REPEATABLE_WORK,   /**< fixed work, threads beside it */
    HX_REPEATABLE_WHOLLY, /**< fixed work on one thread */
};

const struct hx_metric *hx_metric(enum hx_metric_id id);

static inline void hx_metrics_set(struct hx_metrics *metrics, enum hx_metric_id id, uint64_t value)
{
    metrics->value[id] = value;
    metrics->is_known[id] = true;
}

/** What the manager counted, as of the end of a run. */
void hx_metrics_set_totals(struct hx_metrics *metrics, const struct sm_stats *stats);

/** Whether a run of that repeatability gives this metric exactly. */
bool hx_metric_is_exact(enum hx_metric_id id, enum hx_repeatability repeatability);

#endif
