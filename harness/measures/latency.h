/**
 * When steps began and ended, and what their latency would have been for users who do not wait for one another.
 *
 * A closed loop makes its next step when the last has ended, so a stop delays one step alone, where users who came
 * at their own pace would all have waited. Metered latency (DaCapo Chopin: Blackburn et al. 2025) gives each step the
 * begin that a steady pace would have given it, and measures from that: max(end - begin, end - smoothed begin).
 */
#ifndef HX_LATENCY_H
#define HX_LATENCY_H

#include "histogram.h"

#include <stdbool.h>

enum {
    HX_STEP_LOG_MAX = 131072,
    HX_METERED_WINDOW_NS = 100000000,
};

/** The window that is as long as the run. */
#define HX_METERED_FULL UINT64_MAX

struct hx_step_time {
    uint64_t begin_ns, end_ns;
};

/** Zeroed: none yet. Evenly thinned whenever it is full. */
struct hx_step_log {
    uint64_t seen_count;
    unsigned stride_bits; /**< it holds one step in 2 to this */
    size_t count;
    struct hx_step_time times[HX_STEP_LOG_MAX];
};

void hx_step_log_add(struct hx_step_log *log, uint64_t begin_ns, uint64_t end_ns);

/** Latencies of a run's steps under each pace. */
struct hx_metered {
    bool is_known;
    struct hx_histogram window_100ms; /**< a pace as it was on average within 50 ms before and after */
    struct hx_histogram full;         /**< one pace over the whole run */
};

/**
 * Add the metered latency of each of `count` steps, in the order in which they began, to `histogram`.
 *
 * Within `window_ns` around its begin a step gets the place that its number has when begins are evenly spaced.
 * Cost: O(count).
 */
void hx_metered_add(const struct hx_step_time *times, size_t count, uint64_t window_ns, struct hx_histogram *histogram);

/** Both paces. */
void hx_metered_measure(const struct hx_step_time *times, size_t count, struct hx_metered *metered);

#endif
