#include "utilization.h"

#include <stdlib.h>

void hx_utilization_set_windows(struct hx_utilization *utilization, uint64_t span_ns)
{
    /* Preferred numbers (ISO 3, R10): ten a decade. */
    static const unsigned mantissas[] = {1000, 1250, 1600, 2000, 2500, 3150, 4000, 5000, 6300, 8000};
    uint64_t scale_ns = HX_WINDOW_LEAST_NS / 1000;
    size_t count = 0;
    for (size_t i = 0; count < HX_WINDOWS_MAX - 1; i++) {
        if (i != 0 && i % 10 == 0)
            scale_ns *= 10;
        uint64_t window_ns = scale_ns * mantissas[i % 10];
        if (window_ns >= span_ns)
            break;
        utilization->window_ns[count++] = window_ns;
    }
    if (span_ns != 0)
        utilization->window_ns[count++] = span_ns;
    utilization->count = count;
    for (size_t i = 0; i < count; i++)
        utilization->mmu[i] = utilization->worst_thread_mmu[i] = 1;
}

/* Stops in the order of time, and how long each and all before it take. */
struct timeline {
    const struct hx_interval *stops;
    size_t count;
    uint64_t *before_ns; /* of all stops before the one of this index; count + 1 of them */
};

/* Time stopped before `time_ns`. `cursor` goes forward alone, for times that do. */
static uint64_t stopped_before(const struct timeline *line, size_t *cursor, uint64_t time_ns)
{
    while (*cursor < line->count && line->stops[*cursor].end_ns <= time_ns)
        ++*cursor;
    uint64_t stopped_ns = line->before_ns[*cursor];
    if (*cursor < line->count && line->stops[*cursor].start_ns < time_ns)
        stopped_ns += time_ns - line->stops[*cursor].start_ns;
    return stopped_ns;
}

/* A worst window begins where a stop does or ends where a stop does, unless an end of the span is in the way. */
static uint64_t most_stopped(const struct timeline *line, struct hx_interval span, uint64_t window_ns, bool from_start)
{
    size_t low = 0, high = 0;
    uint64_t most_ns = 0, last_start_ns = span.end_ns - window_ns;
    for (size_t i = 0; i < line->count; i++) {
        uint64_t start_ns = line->stops[i].start_ns;
        if (!from_start)
            start_ns = line->stops[i].end_ns - span.start_ns > window_ns ? line->stops[i].end_ns - window_ns : 0;
        if (start_ns < span.start_ns)
            start_ns = span.start_ns;
        if (start_ns > last_start_ns)
            start_ns = last_start_ns;
        uint64_t before_ns = stopped_before(line, &low, start_ns);
        uint64_t stopped_ns = stopped_before(line, &high, start_ns + window_ns) - before_ns;
        if (stopped_ns > most_ns)
            most_ns = stopped_ns;
    }
    return most_ns;
}

bool hx_mmu_lower(const struct hx_interval *stops, size_t stop_count, struct hx_interval span,
                  const uint64_t *window_ns, size_t window_count, double *mmu)
{
    struct timeline line = {stops, stop_count, (uint64_t *)calloc(stop_count + 1, sizeof(uint64_t))};
    if (line.before_ns == NULL)
        return false;
    for (size_t i = 0; i < stop_count; i++)
        line.before_ns[i + 1] = line.before_ns[i] + stops[i].end_ns - stops[i].start_ns;
    for (size_t i = 0; i < window_count; i++) {
        uint64_t from_start_ns = most_stopped(&line, span, window_ns[i], true);
        uint64_t to_end_ns = most_stopped(&line, span, window_ns[i], false);
        uint64_t most_ns = from_start_ns > to_end_ns ? from_start_ns : to_end_ns;
        double share = 1 - (double)most_ns / (double)window_ns[i];
        if (share < mmu[i])
            mmu[i] = share;
    }
    free(line.before_ns);
    return true;
}

static void lower_to_later(double *bmu, const double *mmu, size_t count)
{
    double least = 1;
    for (size_t i = count; i-- > 0;) {
        least = mmu[i] < least ? mmu[i] : least;
        bmu[i] = least;
    }
}

void hx_utilization_finish(struct hx_utilization *utilization)
{
    lower_to_later(utilization->bmu, utilization->mmu, utilization->count);
    lower_to_later(utilization->worst_thread_bmu, utilization->worst_thread_mmu, utilization->count);
}

/* Stops of the work are within its span but for the last, which may end as it does. */
bool hx_utilization_measure(struct hx_utilization *utilization, const struct hx_stops *stops, struct hx_interval span)
{
    hx_utilization_set_windows(utilization, span.end_ns - span.start_ns);
    utilization->resolution_ns = stops->moved_ns;
    if (!hx_mmu_lower(stops->intervals, stops->count, span, utilization->window_ns, utilization->count,
                      utilization->mmu)) {
        utilization->count = 0;
        return false;
    }
    for (size_t i = 0; i < utilization->count; i++)
        utilization->worst_thread_mmu[i] = utilization->mmu[i];
    hx_utilization_finish(utilization);
    return true;
}
