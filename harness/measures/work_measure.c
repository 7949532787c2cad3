#include "work_measure.h"

#include "proc_text.h"
#include "quantities.h"

#include <stdlib.h>

/* The second number of schedstat: how long this thread was ready to run and did not. False where unknown. */
static bool read_run_delay(uint64_t *delay_ns)
{
    char text[96];
    if (!hx_proc_line("/proc/thread-self/schedstat", text, sizeof(text)))
        return false;
    char *after_run_time = NULL;
    strtoull(text, &after_run_time, 10);
    *delay_ns = strtoull(after_run_time, NULL, 10);
    return true;
}

void hx_work_begin(struct hx_work_start *start, const struct sm_manager *mm, struct hx_work_threads threads)
{
    *start = (struct hx_work_start){.run_delay_ns = HX_UNKNOWN};
    sm_stats_get(mm, &start->stats);
    getrusage(RUSAGE_SELF, &start->usage);
    (void)read_run_delay(&start->run_delay_ns);
    start->observers_cpu_ns = hx_observers_cpu_ns(threads.observers);
    start->hiccups_cpu_ns = hx_hiccups_cpu_ns(threads.hiccups);
    start->process_cpu_ns = hx_process_cpu_ns();
    start->thread_cpu_ns = hx_thread_cpu_ns();
    start->now_ns = hx_now_ns();
}

static uint64_t above(uint64_t left, uint64_t right)
{
    return left > right ? left - right : 0;
}

/* The threads beside the VM's that are not there to be measured work for memory: collector, reclaimer. */
static void set_cpu(const struct hx_work_start *start, struct hx_work_threads threads, uint64_t thread_ns,
                    uint64_t process_ns, struct hx_metrics *metrics)
{
    uint64_t observers_ns = hx_observers_cpu_ns(threads.observers) - start->observers_cpu_ns;
    uint64_t hiccups_ns = hx_hiccups_cpu_ns(threads.hiccups) - start->hiccups_cpu_ns;
    uint64_t cpu_ns = above(process_ns, hiccups_ns);
    hx_metrics_set(metrics, HX_METRIC_VM_CPU_NS, thread_ns);
    hx_metrics_set(metrics, HX_METRIC_CPU_NS, cpu_ns);
    hx_metrics_set(metrics, HX_METRIC_INSTRUMENT_CPU_NS, hiccups_ns);
    hx_metrics_set(metrics, HX_METRIC_RECLAMATION_CPU_NS, above(above(cpu_ns, thread_ns), observers_ns));
}

static void set_faults(const struct rusage *start, struct hx_metrics *metrics)
{
    struct rusage end;
    getrusage(RUSAGE_SELF, &end);
    hx_metrics_set(metrics, HX_METRIC_MINOR_FAULTS, (uint64_t)(end.ru_minflt - start->ru_minflt));
    hx_metrics_set(metrics, HX_METRIC_MAJOR_FAULTS, (uint64_t)(end.ru_majflt - start->ru_majflt));
}

void hx_work_end_clocks(const struct hx_work_start *start, struct hx_work_threads threads, struct hx_metrics *metrics)
{
    hx_metrics_set(metrics, HX_METRIC_WALL_NS, hx_now_ns() - start->now_ns);
    uint64_t thread_ns = hx_thread_cpu_ns() - start->thread_cpu_ns;
    uint64_t process_ns = hx_process_cpu_ns() - start->process_cpu_ns;
    set_cpu(start, threads, thread_ns, process_ns, metrics);
    set_faults(&start->usage, metrics);
    uint64_t delay_ns = 0;
    if (start->run_delay_ns != HX_UNKNOWN && read_run_delay(&delay_ns))
        hx_metrics_set(metrics, HX_METRIC_RUN_DELAY_NS, delay_ns - start->run_delay_ns);
}

/*
 * How long a byte waits, on the allocation clock, by Little's law: what waits on average, over what comes to wait for
 * each byte that is allocated. Exact for bytes that came to wait and no longer do; those that still wait count as they are.
 */
static double mean_wait_bytes(double integral, uint64_t arrived_bytes)
{
    return arrived_bytes != 0 ? integral / (double)arrived_bytes : 0;
}

static void set_waits(const struct sm_stats *stats, const struct hx_sampler *sampler, struct hx_metrics *metrics)
{
    hx_metrics_set(metrics, HX_METRIC_MEAN_BACKLOG_BYTES, hx_sampler_mean_backlog(sampler));
    double delay_bytes = mean_wait_bytes(sampler->backlog_integral, stats->reclaimed_room_bytes + stats->backlog_bytes);
    if (stats->reclaimed_batches != 0)
        hx_metrics_set(metrics, HX_METRIC_MEAN_RECLAIM_DELAY_BYTES, (uint64_t)delay_bytes);
    if (sampler->last.garbage_bytes == HX_UNKNOWN)
        return;
    hx_metrics_set(metrics, HX_METRIC_MEAN_GARBAGE_BYTES, hx_sampler_mean_garbage(sampler));
    double until_retired =
        mean_wait_bytes(sampler->garbage_integral, stats->retired_bytes + sampler->last.garbage_bytes);
    hx_metrics_set(metrics, HX_METRIC_MEAN_TIME_TO_RECLAIM_BYTES, (uint64_t)(until_retired + delay_bytes));
}

/* What the samples and the pauses say. */
static void set_sampled(const struct sm_stats *stats, struct hx_report *report)
{
    struct hx_metrics *metrics = &report->metrics;
    const struct hx_sampler *sampler = &report->sampler;
    hx_metrics_set(metrics, HX_METRIC_MEAN_RSS_BYTES, hx_sampler_mean_rss(sampler));
    hx_metrics_set(metrics, HX_METRIC_MEAN_FOOTPRINT_BYTES, hx_sampler_mean_footprint(sampler));
    hx_metrics_set(metrics, HX_METRIC_SAMPLING_NS, sampler->cost_ns);
    hx_metrics_set(metrics, HX_METRIC_RECLAMATION_WALL_NS, hx_pauses_reclamation_wall_ns(&report->pauses));
    uint64_t stopped_ns = hx_pauses_reclamation_cpu_ns(&report->pauses, stats->collector_cpu_ns != 0);
    hx_metrics_set(metrics, HX_METRIC_RECLAMATION_CPU_NS, metrics->value[HX_METRIC_RECLAMATION_CPU_NS] + stopped_ns);
    set_waits(stats, sampler, metrics);
}

void hx_work_measure(const struct hx_work_start *start, const struct sm_stats *stats, bool is_sampled,
                     struct hx_report *report)
{
    struct hx_metrics *metrics = &report->metrics;
    const struct hx_sampler *sampler = &report->sampler;
    uint64_t peak_bytes = hx_process_memory_peak();
    hx_metrics_set(metrics, HX_METRIC_PEAK_RSS_BYTES,
                   peak_bytes > sampler->peak_rss_bytes ? peak_bytes : sampler->peak_rss_bytes);
    hx_metrics_set(metrics, HX_METRIC_END_COMMITTED_BYTES, stats->committed_bytes);
    hx_metrics_set(metrics, HX_METRIC_END_RSS_ANON_BYTES, sampler->last.rss_anon_bytes);
    hx_metrics_set(metrics, HX_METRIC_CYCLE_CPU_NS, stats->cycle_cpu_ns - start->stats.cycle_cpu_ns);
    hx_metrics_set(metrics, HX_METRIC_COLLECTOR_CPU_NS, stats->collector_cpu_ns - start->stats.collector_cpu_ns);
    uint64_t step_bytes = stats->alloc_bytes - start->stats.alloc_bytes;
    uint64_t wall_ns = metrics->value[HX_METRIC_WALL_NS];
    hx_metrics_set(metrics, HX_METRIC_STEP_ALLOC_BYTES, step_bytes);
    if (wall_ns != 0)
        hx_metrics_set(metrics, HX_METRIC_THROUGHPUT_BYTES_PER_S,
                       (uint64_t)((double)step_bytes * 1e9 / (double)wall_ns));
    if (is_sampled)
        set_sampled(stats, report);
    else
        metrics->is_known[HX_METRIC_RECLAMATION_CPU_NS] = false;
}
