#include "summary.h"

#include "quantities.h"
#include "sapimem/policy.h"

#include <inttypes.h>

static void print_metric(FILE *stream, const char *before, const struct hx_metrics *metrics, enum hx_metric_id id,
                         const char *(*format)(uint64_t, char *))
{
    char text[HX_QUANTITY_BYTES];
    fprintf(stream, "%s%s", before, metrics->is_known[id] ? format(metrics->value[id], text) : "n/a");
}

static void print_title(const struct hx_report *report, FILE *stream)
{
    const struct hx_plan *plan = report->plan;
    fprintf(stream, "%s on %s, %s, seed %" PRIu64, plan->policy_text, plan->options.value[HX_OPT_WORKLOAD].text,
            hx_option_choice(&plan->options, HX_OPT_SAPI), plan->options.value[HX_OPT_SEED].count);
    if (plan->options.has_value[HX_OPT_PACING])
        fprintf(stream, ", pacing %s", plan->options.value[HX_OPT_PACING].text);
    else
        fprintf(stream, ", threshold n/a");
    char limit[HX_QUANTITY_BYTES];
    if (plan->memory_limit_bytes != 0)
        fprintf(stream, ", limit %s", hx_format_bytes(plan->memory_limit_bytes, limit));
    if (plan->observer_count > 0)
        fprintf(stream, ", %u observer%s", plan->observer_count, plan->observer_count > 1 ? "s" : "");
    if (plan->burst.is_on)
        fprintf(stream, ", %u worker%s", plan->burst.worker_count, hx_plural_s(plan->burst.worker_count));
    if (plan->burst.has_arrivals)
        fprintf(stream, ", arrivals %s", plan->options.value[HX_OPT_ARRIVALS].text);
    fprintf(stream, ": %s\n", hx_run_status_name(report->status));
    if (report->status != HX_STATUS_OK)
        fprintf(stream, "  error       %s\n", report->error);
}

/* Of all threads, as the CPU time before it. */
static void print_cycle_share(const struct hx_metrics *metrics, FILE *stream)
{
    char text[HX_QUANTITY_BYTES];
    uint64_t cycles_ns = metrics->value[HX_METRIC_CYCLE_CPU_NS] + metrics->value[HX_METRIC_COLLECTOR_CPU_NS];
    uint64_t cpu_ns = metrics->value[HX_METRIC_CPU_NS];
    fprintf(stream, "   in cycles %s, %.1f %%", hx_format_ns(cycles_ns, text),
            cpu_ns != 0 ? 100 * (double)cycles_ns / (double)cpu_ns : 0);
}

static void print_work(const struct hx_report *report, FILE *stream)
{
    const struct hx_metrics *metrics = &report->metrics;
    print_metric(stream, "  throughput  ", metrics, HX_METRIC_THROUGHPUT_BYTES_PER_S, hx_format_bytes);
    print_metric(stream, "/s   (", metrics, HX_METRIC_STEP_ALLOC_BYTES, hx_format_bytes);
    print_metric(stream, " in ", metrics, HX_METRIC_WALL_NS, hx_format_ns);
    print_metric(stream, ", ", metrics, HX_METRIC_STEPS, hx_format_count);
    fprintf(stream, " %s%s)\n", report->plan->step_unit, hx_plural_s(metrics->value[HX_METRIC_STEPS]));
    print_metric(stream, "  cpu         ", metrics, HX_METRIC_CPU_NS, hx_format_ns);
    print_metric(stream, "   of which VM thread ", metrics, HX_METRIC_VM_CPU_NS, hx_format_ns);
    if (hx_plan_has_cycles(report->plan))
        print_cycle_share(metrics, stream);
    fputc('\n', stream);
}

static void print_step_latency(const struct hx_report *report, FILE *stream)
{
    char p50[HX_QUANTITY_BYTES], p99[HX_QUANTITY_BYTES], max[HX_QUANTITY_BYTES];
    const struct hx_histogram *service = &report->service_ns;
    if (service->count == 0) {
        fprintf(stream, "  %-10s  none completed\n", report->plan->step_unit);
        return;
    }
    fprintf(stream, "  %-10s  p50 %s   p99 %s   max %s\n", report->plan->step_unit,
            hx_format_ns(hx_histogram_quantile(service, 0.5), p50),
            hx_format_ns(hx_histogram_quantile(service, 0.99), p99), hx_format_ns(service->maximum, max));
}

static void print_quantiles(const char *name, const struct hx_histogram *histogram, FILE *stream)
{
    char p50[HX_QUANTITY_BYTES], p99[HX_QUANTITY_BYTES], p999[HX_QUANTITY_BYTES], max[HX_QUANTITY_BYTES];
    fprintf(stream, "  %-10s  p50 %s   p99 %s   p99.9 %s   max %s", name,
            hx_format_ns(hx_histogram_quantile(histogram, 0.5), p50),
            hx_format_ns(hx_histogram_quantile(histogram, 0.99), p99),
            hx_format_ns(hx_histogram_quantile(histogram, 0.999), p999), hx_format_ns(histogram->maximum, max));
}

static void print_burst(const struct hx_report *report, FILE *stream)
{
    const struct hx_burst_report *burst = report->burst;
    const struct hx_metrics *metrics = &report->metrics;
    if (burst->response_ns.count != 0) {
        char modelled[HX_QUANTITY_BYTES];
        print_quantiles("response", &burst->response_ns, stream);
        fprintf(stream, "   (p99 of the queue alone %s)\n",
                hx_format_ns(hx_histogram_quantile(&burst->modelled_ns, 0.99), modelled));
    }
    if (burst->cold_service_ns.count != 0) {
        print_quantiles("cold", &burst->cold_service_ns, stream);
        print_metric(stream, "   ", metrics, HX_METRIC_COLD_REQUESTS, hx_format_count);
        fputs(" of them\n", stream);
    }
    print_metric(stream, "  workers     processes ", metrics, HX_METRIC_WORKER_PROCESSES, hx_format_count);
    print_metric(stream, "   failed requests ", metrics, HX_METRIC_FAILED_REQUESTS, hx_format_count);
    print_metric(stream, "   largest footprint ", metrics, HX_METRIC_WORKER_PEAK_COMMITTED_BYTES, hx_format_bytes);
    print_metric(stream, "   page faults ", metrics, HX_METRIC_MINOR_FAULTS, hx_format_count);
    fputc('\n', stream);
}

static void print_cycles(const struct hx_report *report, FILE *stream)
{
    const struct hx_metrics *metrics = &report->metrics;
    print_metric(stream, "  cycles      ", metrics, HX_METRIC_CYCLES, hx_format_count);
    if (metrics->value[HX_METRIC_CYCLES_YOUNG] != 0) {
        print_metric(stream, ": ", metrics, HX_METRIC_CYCLES_YOUNG, hx_format_count);
        print_metric(stream, " young, ", metrics, HX_METRIC_CYCLES_FULL, hx_format_count);
        fputs(" full", stream);
    }
    if (metrics->value[HX_METRIC_FALLBACKS] != 0) {
        print_metric(stream, "   finished by a stop ", metrics, HX_METRIC_FALLBACKS, hx_format_count);
        print_metric(stream, " of ", metrics, HX_METRIC_CYCLES_CONCURRENT, hx_format_count);
        fputs(" concurrent", stream);
    }
    print_metric(stream, "   destructors run ", metrics, HX_METRIC_DESTRUCTORS_RUN, hx_format_count);
    fputc('\n', stream);
}

static void print_pauses(const struct hx_report *report, FILE *stream)
{
    const struct hx_histogram *all = &report->pauses.all;
    if (hx_plan_has_cycles(report->plan))
        print_cycles(report, stream);
    if (all->count == 0) {
        fputs("  pauses      none\n", stream);
        return;
    }
    char p50[HX_QUANTITY_BYTES], p99[HX_QUANTITY_BYTES], p999[HX_QUANTITY_BYTES], max[HX_QUANTITY_BYTES],
        undelayed[HX_QUANTITY_BYTES], count[HX_QUANTITY_BYTES];
    double share = report->metrics.value[HX_METRIC_WALL_NS] != 0
                       ? 100 * (double)all->total / (double)report->metrics.value[HX_METRIC_WALL_NS]
                       : 0;
    fprintf(stream,
            "  pauses      p50 %s   p99 %s   p99.9 %s   max %s (%s undelayed)   %s of them, %.1f %% of the time\n",
            hx_format_ns(hx_histogram_quantile(all, 0.5), p50), hx_format_ns(hx_histogram_quantile(all, 0.99), p99),
            hx_format_ns(hx_histogram_quantile(all, 0.999), p999), hx_format_ns(all->maximum, max),
            hx_format_ns(report->pauses.max_undelayed_ns, undelayed), hx_format_count(all->count, count), share);
}

static void print_memory(const struct hx_report *report, FILE *stream)
{
    const struct hx_metrics *metrics = &report->metrics;
    print_metric(stream, "  rss         peak ", metrics, HX_METRIC_PEAK_RSS_BYTES, hx_format_bytes);
    print_metric(stream, "   mean ", metrics, HX_METRIC_MEAN_RSS_BYTES, hx_format_bytes);
    print_metric(stream, "   before the heap ", metrics, HX_METRIC_BASELINE_RSS_BYTES, hx_format_bytes);
    print_metric(stream, "\n  footprint   peak ", metrics, HX_METRIC_PEAK_COMMITTED_BYTES, hx_format_bytes);
    print_metric(stream, "   mean ", metrics, HX_METRIC_MEAN_FOOTPRINT_BYTES, hx_format_bytes);
    print_metric(stream, "   peak live ", metrics, HX_METRIC_PEAK_LIVE_BYTES, hx_format_bytes);
    print_metric(stream, "\n  backlog     peak ", metrics, HX_METRIC_PEAK_BACKLOG_BYTES, hx_format_bytes);
    if (metrics->is_known[HX_METRIC_MEAN_RECLAIM_DELAY_NS]) {
        print_metric(stream, "   reusable after mean ", metrics, HX_METRIC_MEAN_RECLAIM_DELAY_NS, hx_format_ns);
        print_metric(stream, " max ", metrics, HX_METRIC_MAX_RECLAIM_DELAY_NS, hx_format_ns);
    }
    print_metric(stream, "   copied for writes ", metrics, HX_METRIC_COPIED_BYTES, hx_format_bytes);
    if (metrics->is_known[HX_METRIC_PEAK_GARBAGE_BYTES])
        print_metric(stream, "\n  garbage     peak ", metrics, HX_METRIC_PEAK_GARBAGE_BYTES, hx_format_bytes);
    print_metric(stream, "\n  leaked      ", metrics, HX_METRIC_LEAKED_OBJECTS, hx_format_count);
    fprintf(stream, " object%s", hx_plural_s(metrics->value[HX_METRIC_LEAKED_OBJECTS]));
    print_metric(stream, "   retained ", metrics, HX_METRIC_RETAINED_OBJECTS, hx_format_count);
    fputc('\n', stream);
}

static void print_guards(const struct hx_report *report, FILE *stream)
{
    char age[HX_QUANTITY_BYTES], backlog[HX_QUANTITY_BYTES];
    for (size_t i = 0; i < report->guards.count; i++) {
        const struct sm_guard_report *guard = &report->guards.entries[i].report;
        fprintf(stream, "  stall       %s at %s held %s for %s\n", guard->thread, guard->site,
                hx_format_bytes(guard->backlog_bytes, backlog), hx_format_ns(guard->age_ns, age));
    }
}

static void print_notes(const struct hx_notes *notes, FILE *stream)
{
    for (size_t i = 0; i < notes->count; i++)
        fprintf(stream, "  note        %s\n", notes->lines[i]);
}

/* Of a run that never came to its work there is nothing else to say. */
static void print_before_work(const struct hx_report *report, FILE *stream)
{
    print_metric(stream, "  rss         peak ", &report->metrics, HX_METRIC_PEAK_RSS_BYTES, hx_format_bytes);
    print_metric(stream, "   before the heap ", &report->metrics, HX_METRIC_BASELINE_RSS_BYTES, hx_format_bytes);
    fputc('\n', stream);
}

static void print_figures(const struct hx_report *report, FILE *stream)
{
    print_work(report, stream);
    print_step_latency(report, stream);
    if (report->burst != NULL)
        print_burst(report, stream);
    print_pauses(report, stream);
    print_memory(report, stream);
    if (report->metrics.is_known[HX_METRIC_CHECKSUM])
        fprintf(stream, "  checksum    %016" PRIx64 "\n", report->metrics.value[HX_METRIC_CHECKSUM]);
    print_guards(report, stream);
}

void hx_summary_print(const struct hx_report *report, FILE *stream)
{
    print_title(report, stream);
    if (report->metrics.is_known[HX_METRIC_WALL_NS])
        print_figures(report, stream);
    else
        print_before_work(report, stream);
    print_notes(&report->plan->notes, stream);
    print_notes(&report->notes, stream);
}
