/** When the VM thread stood still: the pauses of a run as intervals, in bounded room. */
#ifndef HX_STOPS_H
#define HX_STOPS_H

#include <stddef.h>
#include <stdint.h>

enum { HX_STOPS_MAX = 32768 };

/** Half open; CLOCK_MONOTONIC. */
struct hx_interval {
    uint64_t start_ns, end_ns;
};

/**
 * Zeroed: none yet. In the order of time, disjoint.
 *
 * When there is no room for more, stops that follow each other closely are joined: the later one moves up to the earlier.
 * What they take in sum stays, and none begins more than `moved_ns` before it did.
 */
struct hx_stops {
    size_t count;
    uint64_t gap_ns;   /**< up to which gaps are closed; 0: none was yet */
    uint64_t moved_ns; /**< 0: all are where they were */
    struct hx_interval intervals[HX_STOPS_MAX];
};

/** The next stop: not before the end of the last. */
void hx_stops_add(struct hx_stops *stops, uint64_t start_ns, uint64_t duration_ns);

/** Sort `intervals` and join those that overlap or touch. Returns how many are left. Cost: O(n log n). */
size_t hx_intervals_unite(struct hx_interval *intervals, size_t count);

#endif
