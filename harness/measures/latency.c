#include "latency.h"

static void drop_every_second(struct hx_step_log *log)
{
    for (size_t i = 0; i < HX_STEP_LOG_MAX / 2; i++)
        log->times[i] = log->times[2 * i];
    log->count = HX_STEP_LOG_MAX / 2;
    log->stride_bits++;
}

void hx_step_log_add(struct hx_step_log *log, uint64_t begin_ns, uint64_t end_ns)
{
    uint64_t index = log->seen_count++;
    if ((index & ((UINT64_C(1) << log->stride_bits) - 1)) != 0)
        return;
    if (log->count == HX_STEP_LOG_MAX) {
        drop_every_second(log);
        /* The room is even, so this one is of those that stay. */
    }
    log->times[log->count++] = (struct hx_step_time){begin_ns, end_ns};
}

static uint64_t larger(uint64_t left, uint64_t right)
{
    return left > right ? left : right;
}

/* Begins evenly spaced between the window's first and last step; never later than what the run itself gave. */
static double smoothed_begin(const struct hx_step_time *times, size_t first, size_t last, size_t index)
{
    double begin_ns = (double)times[first].begin_ns;
    if (last == first)
        return begin_ns;
    double interval_ns = (double)(times[last].begin_ns - times[first].begin_ns) / (double)(last - first);
    return begin_ns + (double)(index - first) * interval_ns;
}

void hx_metered_add(const struct hx_step_time *times, size_t count, uint64_t window_ns, struct hx_histogram *histogram)
{
    size_t first = 0, last = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t begin_ns = times[i].begin_ns;
        uint64_t low_ns = begin_ns > window_ns / 2 ? begin_ns - window_ns / 2 : 0;
        uint64_t high_ns = UINT64_MAX - begin_ns > window_ns / 2 ? begin_ns + window_ns / 2 : UINT64_MAX;
        if (window_ns == HX_METERED_FULL)
            low_ns = 0, high_ns = UINT64_MAX;
        while (times[first].begin_ns < low_ns)
            first++;
        while (last + 1 < count && times[last].begin_ns < high_ns)
            last++;
        double smoothed_ns = smoothed_begin(times, first, last, i);
        uint64_t late_ns =
            smoothed_ns < (double)times[i].end_ns ? (uint64_t)((double)times[i].end_ns - smoothed_ns) : 0;
        hx_histogram_add(histogram, larger(times[i].end_ns - begin_ns, late_ns));
    }
}

void hx_metered_measure(const struct hx_step_time *times, size_t count, struct hx_metered *metered)
{
    metered->is_known = true;
    hx_metered_add(times, count, HX_METERED_WINDOW_NS, &metered->window_100ms);
    hx_metered_add(times, count, HX_METERED_FULL, &metered->full);
}
