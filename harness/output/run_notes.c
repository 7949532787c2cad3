#include "run_notes.h"

#include "quantities.h"
#include "workloads/trace.h"

#include <inttypes.h>

void hx_note_trace(struct hx_notes *notes, const struct hx_plan *plan, const struct wl_instance *instance)
{
    if (plan->trace_path == NULL)
        return;
    uint64_t passes = wl_trace_passes(instance), self_kept = wl_trace_self_kept_deaths(instance);
    if (passes > 1)
        hx_note(notes, "the trace was replayed from beginning to end %" PRIu64 " times", passes);
    /* Counts alone do not free what refers to itself, whatever the recorded program did. */
    if (self_kept != 0)
        hx_note(notes, "%" PRIu64 " object%s that the trace frees by `d` only their own cycle kept", self_kept,
                hx_plural_s(self_kept));
}

static void note_deaths(struct hx_notes *notes, const struct hx_deaths *recorded)
{
    if (recorded->schedule == NULL)
        return;
    struct sm_death_totals totals = sm_death_schedule_totals(recorded->schedule);
    char births[HX_QUANTITY_BYTES], deaths[HX_QUANTITY_BYTES], traced[HX_QUANTITY_BYTES], time[HX_QUANTITY_BYTES];
    hx_note(notes, "deaths recorded under refcount in %s: %s of %s births, %s of them in cycles",
            hx_format_ns(recorded->record_ns, time), hx_format_count(totals.deaths, deaths),
            hx_format_count(totals.births, births), hx_format_count(totals.traced_deaths, traced));
}

static void note_measures(struct hx_report *report)
{
    struct hx_notes *notes = &report->notes;
    if (!hx_plan_measures_all(report->plan)) {
        hx_note(notes, "--measures=totals: no series, pauses, latencies and hiccups");
        return;
    }
    /* Without a step there was nothing to sample. */
    if (report->sampler.count < 200 && report->metrics.is_known[HX_METRIC_WALL_NS])
        hx_note(notes, "the series has %zu point%s: too few safepoints in so short a run", report->sampler.count,
                hx_plural_s(report->sampler.count));
    if (report->steps != NULL && report->steps->stride_bits != 0)
        hx_note(notes, "metered latencies are those of one step in %u", 1U << report->steps->stride_bits);
}

void hx_note_run(struct hx_report *report, const struct hx_deaths *deaths)
{
    struct hx_notes *notes = &report->notes;
    if (report->cycles.stride > 1)
        hx_note(notes, "the cycles array holds one in %" PRIu64, report->cycles.stride);
    note_measures(report);
    note_deaths(notes, deaths);
    if (report->card != NULL)
        hx_note(notes, "--card: times and resident memory are those of a run that keeps book of every object");
    if (report->context.count == HX_FACTS_MAX)
        hx_note(notes, "the context is not complete: too many facts");
}
