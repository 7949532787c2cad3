#include "stops.h"

#include <stdlib.h>

enum { FIRST_GAP_NS = 1000 };

/* A stop moves up to the earlier one, joined or not, unless that is further than the gap; then none is closer than that. */
static void join_close_ones(struct hx_stops *stops)
{
    struct hx_interval *kept = &stops->intervals[0];
    for (size_t i = 1; i < stops->count; i++) {
        struct hx_interval next = stops->intervals[i];
        if (next.start_ns - kept->end_ns <= stops->gap_ns)
            kept->end_ns += next.end_ns - next.start_ns;
        else
            *++kept = next;
    }
    stops->count = (size_t)(kept - stops->intervals) + 1;
}

/* A quarter of the room at least, so that a pass is rare. With each wider gap a stop may move again. */
static void make_room(struct hx_stops *stops)
{
    if (stops->gap_ns != 0)
        join_close_ones(stops);
    while (stops->count > HX_STOPS_MAX / 4 * 3) {
        stops->gap_ns = stops->gap_ns != 0 ? 2 * stops->gap_ns : FIRST_GAP_NS;
        stops->moved_ns += stops->gap_ns;
        join_close_ones(stops);
    }
}

void hx_stops_add(struct hx_stops *stops, uint64_t start_ns, uint64_t duration_ns)
{
    if (duration_ns == 0)
        return;
    if (stops->count == HX_STOPS_MAX)
        make_room(stops);
    stops->intervals[stops->count++] = (struct hx_interval){start_ns, start_ns + duration_ns};
}

static int compare_start(const void *left, const void *right)
{
    const struct hx_interval *a = (const struct hx_interval *)left, *b = (const struct hx_interval *)right;
    return a->start_ns < b->start_ns ? -1 : a->start_ns > b->start_ns;
}

size_t hx_intervals_unite(struct hx_interval *intervals, size_t count)
{
    if (count == 0)
        return 0;
    qsort(intervals, count, sizeof(*intervals), compare_start);
    struct hx_interval *kept = &intervals[0];
    for (size_t i = 1; i < count; i++) {
        if (intervals[i].start_ns > kept->end_ns)
            *++kept = intervals[i];
        else if (intervals[i].end_ns > kept->end_ns)
            kept->end_ns = intervals[i].end_ns;
    }
    return (size_t)(kept - intervals) + 1;
}
