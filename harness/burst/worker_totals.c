#include "worker_totals.h"

#include "quantities.h"
#include "worker_stops.h"
#include "workloads/checksum.h"

#include <stdlib.h>
#include <string.h>

/* A process may have few of the series' points, for there can be many processes. */
enum { SAMPLES_OF_ONE_MAX = 512 };

struct hx_stamped_sample {
    uint64_t t_ns; /* CLOCK_MONOTONIC */
    uint64_t process;
    struct hx_sample sample;
};

/* ---- Metrics ---- */

enum addition {
    OMITTED, /* of one process alone, or found out otherwise */
    ADDED,   /* over time and side by side */
    LEVEL,   /* a size: the largest over time, added side by side */
    MEAN,    /* a size over the allocation clock: the mean over time, added side by side */
    HIGHEST,
};

static const enum addition additions[HX_METRIC_COUNT] = {
    [HX_METRIC_CPU_NS] = ADDED,
    [HX_METRIC_VM_CPU_NS] = ADDED,
    [HX_METRIC_CYCLE_CPU_NS] = ADDED,
    [HX_METRIC_COLLECTOR_CPU_NS] = ADDED,
    [HX_METRIC_RECLAMATION_WALL_NS] = ADDED,
    [HX_METRIC_RECLAMATION_CPU_NS] = ADDED,
    [HX_METRIC_RUN_DELAY_NS] = ADDED,
    [HX_METRIC_BOOT_NS] = ADDED,
    [HX_METRIC_QUIESCE_NS] = ADDED,
    [HX_METRIC_SAMPLING_NS] = ADDED,
    [HX_METRIC_ALLOC_BYTES] = ADDED,
    [HX_METRIC_BOOT_ALLOC_BYTES] = ADDED,
    [HX_METRIC_STEP_ALLOC_BYTES] = ADDED,
    [HX_METRIC_ALLOC_COUNT] = ADDED,
    [HX_METRIC_PEAK_RSS_BYTES] = LEVEL,
    [HX_METRIC_MEAN_RSS_BYTES] = MEAN,
    [HX_METRIC_BASELINE_RSS_BYTES] = LEVEL,
    [HX_METRIC_END_RSS_ANON_BYTES] = LEVEL,
    [HX_METRIC_MINOR_FAULTS] = ADDED,
    [HX_METRIC_MAJOR_FAULTS] = ADDED,
    [HX_METRIC_PEAK_LIVE_BYTES] = LEVEL,
    [HX_METRIC_MEAN_FOOTPRINT_BYTES] = MEAN,
    [HX_METRIC_PEAK_COMMITTED_BYTES] = LEVEL,
    [HX_METRIC_END_COMMITTED_BYTES] = LEVEL,
    [HX_METRIC_PEAK_BACKLOG_BYTES] = LEVEL,
    [HX_METRIC_MEAN_BACKLOG_BYTES] = MEAN,
    [HX_METRIC_MAX_RECLAIM_DELAY_NS] = HIGHEST,
    [HX_METRIC_END_OCCUPIED_BYTES] = LEVEL,
    [HX_METRIC_END_HOLE_BYTES] = LEVEL,
    [HX_METRIC_PEAK_GARBAGE_BYTES] = LEVEL,
    [HX_METRIC_CYCLES] = ADDED,
    [HX_METRIC_CYCLES_FULL] = ADDED,
    [HX_METRIC_CYCLES_YOUNG] = ADDED,
    [HX_METRIC_CYCLES_CONCURRENT] = ADDED,
    [HX_METRIC_FALLBACKS] = ADDED,
    [HX_METRIC_SLICES] = ADDED,
    [HX_METRIC_ASSISTS] = ADDED,
    [HX_METRIC_LOGGED_OBJECTS] = ADDED,
    [HX_METRIC_TRACED_OBJECTS] = ADDED,
    [HX_METRIC_RETIRED_BYTES] = ADDED,
    [HX_METRIC_RECLAIMED_BYTES] = ADDED,
    [HX_METRIC_POLICY_BYTES] = ADDED,
    [HX_METRIC_COPIED_BYTES] = ADDED,
    [HX_METRIC_DESTRUCTORS_RUN] = ADDED,
    [HX_METRIC_LEAKED_OBJECTS] = ADDED,
    [HX_METRIC_LEAKED_BYTES] = ADDED,
    [HX_METRIC_RETAINED_OBJECTS] = ADDED,
    [HX_METRIC_RETAINED_BYTES] = ADDED,
    [HX_METRIC_GUARD_STALLS] = ADDED,
};

static uint64_t larger(uint64_t left, uint64_t right)
{
    return left > right ? left : right;
}

static uint64_t weighted_mean(uint64_t left, uint64_t left_weight, uint64_t right, uint64_t right_weight)
{
    double weight = (double)left_weight + (double)right_weight;
    if (weight == 0)
        return larger(left, right);
    return (uint64_t)(((double)left * (double)left_weight + (double)right * (double)right_weight) / weight);
}

/* `to` and `from` followed one another. */
static void add_in_time(struct hx_metrics *to, const struct hx_metrics *from)
{
    uint64_t to_clock = to->value[HX_METRIC_STEP_ALLOC_BYTES], from_clock = from->value[HX_METRIC_STEP_ALLOC_BYTES];
    for (int id = 0; id < HX_METRIC_COUNT; id++) {
        uint64_t left = to->value[id], right = from->value[id];
        if (additions[id] == OMITTED || !from->is_known[id])
            continue;
        if (additions[id] == ADDED)
            left += right;
        else if (additions[id] == MEAN)
            left = weighted_mean(left, to_clock, right, from_clock);
        else
            left = larger(left, right);
        hx_metrics_set(to, (enum hx_metric_id)id, left);
    }
}

static void add_side_by_side(struct hx_metrics *to, const struct hx_metrics *from)
{
    for (int id = 0; id < HX_METRIC_COUNT; id++) {
        if (additions[id] == OMITTED || !from->is_known[id])
            continue;
        uint64_t left = to->value[id], right = from->value[id];
        hx_metrics_set(to, (enum hx_metric_id)id, additions[id] == HIGHEST ? larger(left, right) : left + right);
    }
}

/* ---- One process ---- */

static bool reserve_sample(struct hx_worker_totals *totals)
{
    if (totals->sample_count < totals->sample_room)
        return true;
    size_t room = totals->sample_room == 0 ? 4096 : 2 * totals->sample_room;
    struct hx_stamped_sample *samples = realloc(totals->samples, room * sizeof(*samples));
    totals->lost_samples = totals->lost_samples || samples == NULL;
    if (samples == NULL)
        return false;
    totals->samples = samples;
    totals->sample_room = room;
    return true;
}

static void add_sample(struct hx_worker_totals *totals, uint64_t t_ns, const struct hx_sample *sample)
{
    if (reserve_sample(totals))
        totals->samples[totals->sample_count++] = (struct hx_stamped_sample){t_ns, totals->process_count, *sample};
}

/* Thinned evenly; when the process has gone, what it held has too, and only its counts stay. */
static void add_samples(struct hx_worker_totals *totals, const struct hx_sampler *sampler)
{
    size_t stride = sampler->count / SAMPLES_OF_ONE_MAX + 1;
    struct hx_sample last = {.garbage_bytes = HX_UNKNOWN};
    for (size_t i = 0; i < sampler->count; i += stride) {
        last = sampler->points[i];
        add_sample(totals, sampler->start_ns + last.t_ns, &last);
    }
    struct hx_sample gone = {
        .clock_bytes = sampler->last.clock_bytes,
        .garbage_bytes = last.garbage_bytes == HX_UNKNOWN ? HX_UNKNOWN : 0,
        .cycles_full = sampler->last.cycles_full,
        .cycles_young = sampler->last.cycles_young,
    };
    add_sample(totals, hx_now_ns(), &gone);
}

/* Cycles are numbered through, process by process. */
static void add_cycles(struct hx_cycle_log *log, const struct hx_cycle_log *from, uint64_t cycles_before)
{
    for (size_t i = 0; i < from->count; i++) {
        struct sm_cycle_record record = from->records[i];
        record.index += cycles_before;
        hx_cycle_log_add(log, &record);
    }
}

void hx_worker_totals_add(struct hx_worker_totals *totals, struct hx_report *report, const struct hx_worker *worker)
{
    struct hx_worker_entry *entry = &report->burst->workers[worker->place];
    const struct hx_report *from = &worker->report;
    uint64_t cycles_before = 0;
    for (unsigned place = 0; place < report->burst->worker_count; place++)
        cycles_before += report->burst->workers[place].metrics.value[HX_METRIC_CYCLES];
    add_cycles(&report->cycles, &from->cycles, cycles_before);
    add_samples(totals, &from->sampler);
    hx_worker_stops_add(totals, worker->place, &from->stops);
    hx_pauses_merge(&entry->pauses, &from->pauses);
    hx_pauses_merge(&report->pauses, &from->pauses);
    hx_histogram_merge(&report->service_ns, &from->service_ns);
    report->destructor_sum += from->destructor_sum;
    for (size_t i = 0; i < from->guards.count; i++)
        hx_guard_log_add(&report->guards, &from->guards.entries[i].report);
    add_in_time(&entry->metrics, &from->metrics);
    entry->process_count++;
    totals->process_count++;
}

/* ---- The series: what all processes held together ---- */

static int compare_time(const void *left, const void *right)
{
    const struct hx_stamped_sample *a = (const struct hx_stamped_sample *)left;
    const struct hx_stamped_sample *b = (const struct hx_stamped_sample *)right;
    if (a->t_ns != b->t_ns)
        return a->t_ns < b->t_ns ? -1 : 1;
    return a->process < b->process ? -1 : a->process > b->process;
}

/* Wrapping arithmetic: what is taken out was put in before. */
static void exchange(struct hx_sample *sum, const struct hx_sample *old, const struct hx_sample *now)
{
    sum->clock_bytes += now->clock_bytes - old->clock_bytes;
    sum->live_bytes += now->live_bytes - old->live_bytes;
    sum->committed_bytes += now->committed_bytes - old->committed_bytes;
    sum->backlog_bytes += now->backlog_bytes - old->backlog_bytes;
    sum->rss_bytes += now->rss_bytes - old->rss_bytes;
    sum->rss_anon_bytes += now->rss_anon_bytes - old->rss_anon_bytes;
    sum->cycles_full += now->cycles_full - old->cycles_full;
    sum->cycles_young += now->cycles_young - old->cycles_young;
}

static void write_series(struct hx_worker_totals *totals, struct hx_sampler *sampler)
{
    if (totals->sample_count == 0)
        return;
    struct hx_sample *last = calloc(totals->process_count + 1, sizeof(*last));
    struct hx_sample sum = {.garbage_bytes = HX_UNKNOWN};
    size_t stride = totals->sample_count / HX_SERIES_MAX + 1;
    totals->lost_samples = totals->lost_samples || last == NULL;
    if (last == NULL)
        return;
    qsort(totals->samples, totals->sample_count, sizeof(*totals->samples), compare_time);
    for (size_t i = 0; i < totals->sample_count; i++) {
        const struct hx_stamped_sample *stamped = &totals->samples[i];
        exchange(&sum, &last[stamped->process], &stamped->sample);
        last[stamped->process] = stamped->sample;
        sum.t_ns = stamped->t_ns - sampler->start_ns;
        if (i % stride == 0 && sampler->count < HX_SERIES_MAX)
            sampler->points[sampler->count++] = sum;
    }
    free(last);
}

/* ---- Requests ---- */

static uint64_t *column(size_t count)
{
    return (uint64_t *)calloc(count + 1, sizeof(uint64_t));
}

/* The responses that the same requests would have had in a queue in which nothing but they themselves takes time. */
static void model_responses(struct hx_report *report, const struct hx_burst_share *share)
{
    uint64_t *due_ns = column(share->request_count), *service_ns = column(share->request_count);
    uint64_t *start_ns = column(share->request_count);
    size_t count = 0;
    if (due_ns == NULL || service_ns == NULL || start_ns == NULL) {
        hx_note(&report->notes, "no memory for the model of the queue");
    } else {
        for (uint64_t i = 0; i < share->request_count; i++) {
            if (share->requests[i].state != HX_REQUEST_DONE)
                continue;
            due_ns[count] = share->requests[i].due_ns;
            service_ns[count++] = share->requests[i].end_ns - share->requests[i].start_ns;
        }
        hx_arrivals_model_queue(due_ns, service_ns, count, report->burst->worker_count, start_ns);
        for (size_t i = 0; i < count; i++)
            hx_histogram_add(&report->burst->modelled_ns, start_ns[i] + service_ns[i] - due_ns[i]);
    }
    free(due_ns);
    free(service_ns);
    free(start_ns);
}

struct request_totals {
    uint64_t done, cold, failed;
    uint64_t last_end_ns;
    uint64_t checksum; /* in the order of the requests, whoever served them */
};

static void count_request(struct hx_report *report, const struct hx_request_record *record, bool is_cold,
                          struct request_totals *totals)
{
    struct hx_burst_report *burst = report->burst;
    struct hx_worker_entry *entry = &burst->workers[record->worker];
    if (record->state == HX_REQUEST_FAILED) {
        totals->failed++;
        entry->failed_requests++;
    }
    if (record->state != HX_REQUEST_DONE)
        return;
    totals->done++;
    totals->cold += is_cold;
    totals->checksum = wl_checksum_fold(totals->checksum, record->checksum);
    totals->last_end_ns = larger(totals->last_end_ns, record->end_ns);
    entry->requests++;
    entry->cold_requests += is_cold;
    if (burst->has_arrivals)
        hx_histogram_add(&burst->response_ns, record->end_ns - record->due_ns);
    if (is_cold)
        hx_histogram_add(&burst->cold_service_ns, record->end_ns - record->start_ns);
}

static void measure_requests(struct hx_report *report, const struct hx_burst_share *share)
{
    struct hx_metrics *metrics = &report->metrics;
    struct request_totals totals = {.checksum = WL_CHECKSUM_START};
    for (uint64_t i = 0; i < share->request_count; i++)
        count_request(report, &share->requests[i], hx_burst_is_cold(&report->plan->burst, i), &totals);
    hx_metrics_set(metrics, HX_METRIC_STEPS, totals.done);
    hx_metrics_set(metrics, HX_METRIC_COLD_REQUESTS, totals.cold);
    hx_metrics_set(metrics, HX_METRIC_FAILED_REQUESTS, totals.failed);
    if (totals.done == share->request_count && report->status == HX_STATUS_OK)
        hx_metrics_set(metrics, HX_METRIC_CHECKSUM, wl_checksum_fold(totals.checksum, report->destructor_sum));
    if (totals.done == 0)
        return;
    uint64_t wall_ns = larger(totals.last_end_ns, 1);
    hx_metrics_set(metrics, HX_METRIC_WALL_NS, wall_ns);
    hx_metrics_set(metrics, HX_METRIC_THROUGHPUT_BYTES_PER_S,
                   (uint64_t)((double)metrics->value[HX_METRIC_STEP_ALLOC_BYTES] * 1e9 / (double)wall_ns));
    if (report->burst->has_arrivals)
        model_responses(report, share);
}

void hx_worker_totals_finish(struct hx_worker_totals *totals, struct hx_report *report,
                             const struct hx_burst_share *share)
{
    struct hx_metrics *metrics = &report->metrics;
    for (unsigned place = 0; place < report->burst->worker_count; place++) {
        const struct hx_metrics *worker = &report->burst->workers[place].metrics;
        add_side_by_side(metrics, worker);
        hx_metrics_set(
            metrics, HX_METRIC_WORKER_PEAK_RSS_BYTES,
            larger(metrics->value[HX_METRIC_WORKER_PEAK_RSS_BYTES], worker->value[HX_METRIC_PEAK_RSS_BYTES]));
        hx_metrics_set(metrics, HX_METRIC_WORKER_PEAK_COMMITTED_BYTES,
                       larger(metrics->value[HX_METRIC_WORKER_PEAK_COMMITTED_BYTES],
                              worker->value[HX_METRIC_PEAK_COMMITTED_BYTES]));
    }
    hx_metrics_set(metrics, HX_METRIC_WORKER_PROCESSES, totals->process_count);
    measure_requests(report, share);
    write_series(totals, &report->sampler);
    if (metrics->is_known[HX_METRIC_WALL_NS] && hx_plan_measures_all(report->plan))
        hx_worker_stops_finish(totals, report, share, metrics->value[HX_METRIC_WALL_NS]);
    if (totals->lost_samples)
        hx_note(&report->notes, "no memory for a part of the series");
    free(totals->samples);
    free(totals->stops);
    *totals = (struct hx_worker_totals){0};
}
