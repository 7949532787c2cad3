#include "worker_stops.h"

#include <stdlib.h>

struct hx_placed_stop {
    struct hx_interval interval;
    unsigned place;
};

static bool reserve(struct hx_worker_totals *totals, size_t more)
{
    size_t wanted = totals->stop_count + more;
    if (wanted <= totals->stop_room)
        return true;
    size_t room = wanted > 2 * totals->stop_room ? wanted : 2 * totals->stop_room;
    struct hx_placed_stop *stops = realloc(totals->stops, room * sizeof(*stops));
    totals->lost_stops = totals->lost_stops || stops == NULL;
    if (stops == NULL)
        return false;
    totals->stops = stops;
    totals->stop_room = room;
    return true;
}

void hx_worker_stops_add(struct hx_worker_totals *totals, unsigned place, const struct hx_stops *stops)
{
    if (stops->count == 0 || !reserve(totals, stops->count))
        return;
    for (size_t i = 0; i < stops->count; i++)
        totals->stops[totals->stop_count++] = (struct hx_placed_stop){stops->intervals[i], place};
    if (stops->moved_ns > totals->moved_ns)
        totals->moved_ns = stops->moved_ns;
}

/* Those of one place, or of all, within the span; sorted and disjoint. */
static size_t select_stops(const struct hx_worker_totals *totals, unsigned place, bool of_all, struct hx_interval span,
                           struct hx_interval *selected)
{
    size_t count = 0;
    for (size_t i = 0; i < totals->stop_count; i++) {
        struct hx_interval stop = totals->stops[i].interval;
        if ((!of_all && totals->stops[i].place != place) || stop.end_ns <= span.start_ns ||
            stop.start_ns >= span.end_ns)
            continue;
        selected[count].start_ns = stop.start_ns > span.start_ns ? stop.start_ns : span.start_ns;
        selected[count++].end_ns = stop.end_ns < span.end_ns ? stop.end_ns : span.end_ns;
    }
    return hx_intervals_unite(selected, count);
}

static bool measure_utilization(const struct hx_worker_totals *totals, struct hx_report *report,
                                struct hx_interval span)
{
    struct hx_utilization *utilization = &report->utilization;
    struct hx_interval *selected = calloc(totals->stop_count + 1, sizeof(*selected));
    if (selected == NULL)
        return false;
    hx_utilization_set_windows(utilization, span.end_ns - span.start_ns);
    utilization->resolution_ns = totals->moved_ns;
    size_t count = select_stops(totals, 0, true, span, selected);
    bool is_done = hx_mmu_lower(selected, count, span, utilization->window_ns, utilization->count, utilization->mmu);
    for (unsigned place = 0; place < report->burst->worker_count && is_done; place++) {
        count = select_stops(totals, place, false, span, selected);
        is_done = hx_mmu_lower(selected, count, span, utilization->window_ns, utilization->count,
                               utilization->worst_thread_mmu);
    }
    hx_utilization_finish(utilization);
    free(selected);
    return is_done;
}

static int compare_begin(const void *left, const void *right)
{
    const struct hx_step_time *a = (const struct hx_step_time *)left, *b = (const struct hx_step_time *)right;
    return a->begin_ns < b->begin_ns ? -1 : a->begin_ns > b->begin_ns;
}

/* An open loop has its own intended starts. */
static bool measure_metered(struct hx_report *report, const struct hx_burst_share *share)
{
    struct hx_step_time *times = calloc(share->request_count + 1, sizeof(*times));
    size_t count = 0;
    if (times == NULL)
        return false;
    for (uint64_t i = 0; i < share->request_count; i++)
        if (share->requests[i].state == HX_REQUEST_DONE)
            times[count++] = (struct hx_step_time){share->requests[i].start_ns, share->requests[i].end_ns};
    qsort(times, count, sizeof(*times), compare_begin);
    hx_metered_measure(times, count, &report->metered);
    free(times);
    return true;
}

void hx_worker_stops_finish(struct hx_worker_totals *totals, struct hx_report *report,
                            const struct hx_burst_share *share, uint64_t wall_ns)
{
    struct hx_interval span = {share->open_ns, share->open_ns + wall_ns};
    bool is_whole = !totals->lost_stops && measure_utilization(totals, report, span);
    if (!is_whole)
        report->utilization.count = 0;
    if (!report->burst->has_arrivals)
        is_whole = measure_metered(report, share) && is_whole;
    if (!is_whole)
        hx_note(&report->notes, "no memory for the mutator utilization or the metered latency");
}
