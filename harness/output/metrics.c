#include "metrics.h"

#include <assert.h>
#include <stddef.h>

static const struct hx_metric table[HX_METRIC_COUNT] = {
    [HX_METRIC_WALL_NS] = {"wall_ns", "ns", "less", HX_EXACT_NEVER, false},
    [HX_METRIC_CPU_NS] = {"cpu_ns", "ns", "less", HX_EXACT_NEVER, false},
    [HX_METRIC_VM_CPU_NS] = {"vm_cpu_ns", "ns", "less", HX_EXACT_NEVER, false},
    [HX_METRIC_CYCLE_CPU_NS] = {"cycle_cpu_ns", "ns", "less", HX_EXACT_NEVER, false},
    [HX_METRIC_COLLECTOR_CPU_NS] = {"collector_cpu_ns", "ns", "less", HX_EXACT_NEVER, false},
    [HX_METRIC_RECLAMATION_WALL_NS] = {"reclamation_wall_ns", "ns", "less", HX_EXACT_NEVER, false},
    [HX_METRIC_RECLAMATION_CPU_NS] = {"reclamation_cpu_ns", "ns", "less", HX_EXACT_NEVER, false},
    [HX_METRIC_RUN_DELAY_NS] = {"run_delay_ns", "ns", "less", HX_EXACT_NEVER, false},
    [HX_METRIC_INSTRUMENT_CPU_NS] = {"instrument_cpu_ns", "ns", "less", HX_EXACT_NEVER, false},
    [HX_METRIC_BOOT_NS] = {"boot_ns", "ns", "less", HX_EXACT_NEVER, false},
    [HX_METRIC_QUIESCE_NS] = {"quiesce_ns", "ns", "less", HX_EXACT_NEVER, false},
    [HX_METRIC_SAMPLING_NS] = {"sampling_ns", "ns", "less", HX_EXACT_NEVER, false},
    [HX_METRIC_THROUGHPUT_BYTES_PER_S] = {"throughput_bytes_per_s", "bytes/s", "more", HX_EXACT_NEVER, false},
    [HX_METRIC_STEPS] = {"steps", "steps", NULL, HX_EXACT_SPREAD, false},
    [HX_METRIC_FAILED_REQUESTS] = {"failed_requests", "requests", "less", HX_EXACT_SPREAD, false},
    [HX_METRIC_COLD_REQUESTS] = {"cold_requests", "requests", NULL, HX_EXACT_SPREAD, false},
    [HX_METRIC_WORKER_PROCESSES] = {"worker_processes", "processes", NULL, HX_EXACT_NEVER, false},
    [HX_METRIC_ALLOC_BYTES] = {"alloc_bytes", "bytes", NULL, HX_EXACT_ALWAYS, false},
    [HX_METRIC_BOOT_ALLOC_BYTES] = {"boot_alloc_bytes", "bytes", NULL, HX_EXACT_ALWAYS, false},
    [HX_METRIC_STEP_ALLOC_BYTES] = {"step_alloc_bytes", "bytes", NULL, HX_EXACT_INLINE, false},
    [HX_METRIC_ALLOC_COUNT] = {"alloc_count", "objects", NULL, HX_EXACT_ALWAYS, false},
    [HX_METRIC_CHECKSUM] = {"checksum", "", NULL, HX_EXACT_SPREAD, true},
    [HX_METRIC_PEAK_RSS_BYTES] = {"peak_rss_bytes", "bytes", "less", HX_EXACT_NEVER, false},
    [HX_METRIC_MEAN_RSS_BYTES] = {"mean_rss_bytes", "bytes", "less", HX_EXACT_NEVER, false},
    [HX_METRIC_BASELINE_RSS_BYTES] = {"baseline_rss_bytes", "bytes", NULL, HX_EXACT_NEVER, false},
    [HX_METRIC_END_RSS_ANON_BYTES] = {"end_rss_anon_bytes", "bytes", "less", HX_EXACT_NEVER, false},
    [HX_METRIC_WORKER_PEAK_RSS_BYTES] = {"worker_peak_rss_bytes", "bytes", "less", HX_EXACT_NEVER, false},
    [HX_METRIC_WORKER_PEAK_COMMITTED_BYTES] = {"worker_peak_committed_bytes", "bytes", "less", HX_EXACT_NEVER, false},
    [HX_METRIC_MINOR_FAULTS] = {"minor_faults", "faults", "less", HX_EXACT_NEVER, false},
    [HX_METRIC_MAJOR_FAULTS] = {"major_faults", "faults", "less", HX_EXACT_NEVER, false},
    [HX_METRIC_PEAK_LIVE_BYTES] = {"peak_live_bytes", "bytes", "less", HX_EXACT_INLINE, false},
    [HX_METRIC_PEAK_EXTERNAL_BYTES] = {"peak_external_bytes", "bytes", "less", HX_EXACT_INLINE, false},
    [HX_METRIC_MEAN_FOOTPRINT_BYTES] = {"mean_footprint_bytes", "bytes", "less", HX_EXACT_NEVER, false},
    [HX_METRIC_PEAK_COMMITTED_BYTES] = {"peak_committed_bytes", "bytes", "less", HX_EXACT_NEVER, false},
    [HX_METRIC_END_COMMITTED_BYTES] = {"end_committed_bytes", "bytes", "less", HX_EXACT_NEVER, false},
    [HX_METRIC_PEAK_BACKLOG_BYTES] = {"peak_backlog_bytes", "bytes", "less", HX_EXACT_NEVER, false},
    [HX_METRIC_MEAN_BACKLOG_BYTES] = {"mean_backlog_bytes", "bytes", "less", HX_EXACT_NEVER, false},
    [HX_METRIC_MEAN_RECLAIM_DELAY_NS] = {"mean_reclaim_delay_ns", "ns", "less", HX_EXACT_NEVER, false},
    [HX_METRIC_MAX_RECLAIM_DELAY_NS] = {"max_reclaim_delay_ns", "ns", "less", HX_EXACT_NEVER, false},
    [HX_METRIC_MEAN_RECLAIM_DELAY_BYTES] = {"mean_reclaim_delay_bytes", "bytes", "less", HX_EXACT_NEVER, false},
    [HX_METRIC_MEAN_TIME_TO_RECLAIM_BYTES] = {"mean_time_to_reclaim_bytes", "bytes", "less", HX_EXACT_NEVER, false},
    [HX_METRIC_END_OCCUPIED_BYTES] = {"end_occupied_bytes", "bytes", "less", HX_EXACT_INLINE, false},
    [HX_METRIC_END_HOLE_BYTES] = {"end_hole_bytes", "bytes", "less", HX_EXACT_INLINE, false},
    [HX_METRIC_PEAK_GARBAGE_BYTES] = {"peak_garbage_bytes", "bytes", "less", HX_EXACT_NEVER, false},
    [HX_METRIC_MEAN_GARBAGE_BYTES] = {"mean_garbage_bytes", "bytes", "less", HX_EXACT_NEVER, false},
    [HX_METRIC_CYCLES] = {"cycles", "cycles", NULL, HX_EXACT_INLINE, false},
    [HX_METRIC_CYCLES_FULL] = {"cycles_full", "cycles", NULL, HX_EXACT_INLINE, false},
    [HX_METRIC_CYCLES_YOUNG] = {"cycles_young", "cycles", NULL, HX_EXACT_INLINE, false},
    [HX_METRIC_CYCLES_CONCURRENT] = {"cycles_concurrent", "cycles", NULL, HX_EXACT_INLINE, false},
    [HX_METRIC_FALLBACKS] = {"fallbacks", "cycles", "less", HX_EXACT_NEVER, false},
    [HX_METRIC_SLICES] = {"slices", "slices", NULL, HX_EXACT_NEVER, false},
    [HX_METRIC_ASSISTS] = {"assists", "assists", "less", HX_EXACT_NEVER, false},
    [HX_METRIC_LOGGED_OBJECTS] = {"logged_objects", "objects", "less", HX_EXACT_INLINE, false},
    [HX_METRIC_TRACED_OBJECTS] = {"traced_objects", "objects", "less", HX_EXACT_INLINE, false},
    [HX_METRIC_RETIRED_BYTES] = {"retired_bytes", "bytes", NULL, HX_EXACT_INLINE, false},
    [HX_METRIC_RECLAIMED_BYTES] = {"reclaimed_bytes", "bytes", NULL, HX_EXACT_NEVER, false},
    [HX_METRIC_POLICY_BYTES] = {"policy_bytes", "bytes", "less", HX_EXACT_INLINE, false},
    [HX_METRIC_COPIED_BYTES] = {"copied_bytes", "bytes", "less", HX_EXACT_INLINE, false},
    [HX_METRIC_DESTRUCTORS_RUN] = {"destructors_run", "calls", NULL, HX_EXACT_SPREAD, false},
    [HX_METRIC_LEAKED_OBJECTS] = {"leaked_objects", "objects", "less", HX_EXACT_ALWAYS, false},
    [HX_METRIC_LEAKED_BYTES] = {"leaked_bytes", "bytes", "less", HX_EXACT_ALWAYS, false},
    [HX_METRIC_RETAINED_OBJECTS] = {"retained_objects", "objects", NULL, HX_EXACT_ALWAYS, false},
    [HX_METRIC_RETAINED_BYTES] = {"retained_bytes", "bytes", NULL, HX_EXACT_ALWAYS, false},
    [HX_METRIC_GUARD_STALLS] = {"guard_stalls", "reports", "less", HX_EXACT_NEVER, false},
    [HX_METRIC_OBSERVER_GUARDS] = {"observer_guards", "guards", "more", HX_EXACT_NEVER, false},
    [HX_METRIC_OBSERVER_READS] = {"observer_reads", "objects", "more", HX_EXACT_NEVER, false},
};

const struct hx_metric *hx_metric(enum hx_metric_id id)
{
    assert(id >= 0 && id < HX_METRIC_COUNT);
    assert(table[id].name != NULL);
    return &table[id];
}

bool hx_metric_is_exact(enum hx_metric_id id, enum hx_repeatability repeatability)
{
    if (repeatability == HX_REPEATABLE_NOT)
        return false;
    if (repeatability == HX_REPEATABLE_SPREAD)
        return table[id].exactness == HX_EXACT_SPREAD;
    if (repeatability == HX_REPEATABLE_WORK)
        return table[id].exactness >= HX_EXACT_ALWAYS;
    return table[id].exactness != HX_EXACT_NEVER;
}

/* Of policies whose memory waits for a grace period; holes are 0 where a heap has none. */
static void set_reclamation(struct hx_metrics *metrics, const struct sm_stats *stats)
{
    if (stats->reclaimed_batches != 0) {
        hx_metrics_set(metrics, HX_METRIC_MEAN_RECLAIM_DELAY_NS,
                       stats->reclaim_delay_total_ns / stats->reclaimed_batches);
        hx_metrics_set(metrics, HX_METRIC_MAX_RECLAIM_DELAY_NS, stats->reclaim_delay_max_ns);
    }
    hx_metrics_set(metrics, HX_METRIC_END_OCCUPIED_BYTES, stats->occupied_bytes);
    hx_metrics_set(metrics, HX_METRIC_END_HOLE_BYTES, stats->hole_bytes);
}

void hx_metrics_set_totals(struct hx_metrics *metrics, const struct sm_stats *stats)
{
    const struct {
        enum hx_metric_id id;
        uint64_t value;
    } totals[] = {
        {HX_METRIC_ALLOC_BYTES, stats->alloc_bytes},
        {HX_METRIC_ALLOC_COUNT, stats->alloc_count},
        {HX_METRIC_PEAK_LIVE_BYTES, stats->peak_live_bytes},
        {HX_METRIC_PEAK_COMMITTED_BYTES, stats->peak_committed_bytes},
        {HX_METRIC_PEAK_BACKLOG_BYTES, stats->peak_backlog_bytes},
        {HX_METRIC_CYCLES, stats->cycles},
        {HX_METRIC_CYCLES_FULL, stats->cycles_by_kind[SM_CYCLE_FULL]},
        {HX_METRIC_CYCLES_YOUNG, stats->cycles_by_kind[SM_CYCLE_YOUNG]},
        {HX_METRIC_CYCLES_CONCURRENT, stats->concurrent_cycles},
        {HX_METRIC_FALLBACKS, stats->fallbacks},
        {HX_METRIC_SLICES, stats->slices},
        {HX_METRIC_ASSISTS, stats->assists},
        {HX_METRIC_LOGGED_OBJECTS, stats->logged_objects},
        {HX_METRIC_TRACED_OBJECTS, stats->traced_objects},
        {HX_METRIC_RETIRED_BYTES, stats->retired_bytes},
        {HX_METRIC_RECLAIMED_BYTES, stats->reclaimed_bytes},
        {HX_METRIC_PEAK_EXTERNAL_BYTES, stats->peak_external_bytes},
        {HX_METRIC_POLICY_BYTES, stats->policy_bytes},
        {HX_METRIC_COPIED_BYTES, stats->copied_bytes},
        {HX_METRIC_DESTRUCTORS_RUN, stats->destructors_run},
        {HX_METRIC_GUARD_STALLS, stats->guard_stalls},
    };
    for (size_t i = 0; i < sizeof(totals) / sizeof(totals[0]); i++)
        hx_metrics_set(metrics, totals[i].id, totals[i].value);
    set_reclamation(metrics, stats);
}
