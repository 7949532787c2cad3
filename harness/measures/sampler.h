/**
 * The series: what the heap and the process hold, over the allocation clock.
 *
 * The manager ticks every so many allocated bytes. Every tick feeds the integrals; points are kept at
 * every stride-th tick, and the stride doubles whenever the room is full, so any run ends with between
 * half and all of HX_SERIES_MAX points or as many as it had ticks.
 */
#ifndef HX_SAMPLER_H
#define HX_SAMPLER_H

#include "process_memory.h"
#include "sapimem/stats.h"

#include <stdbool.h>
#include <stddef.h>

enum { HX_SERIES_MAX = 4096 };

/** A figure that nobody knows. */
#define HX_UNKNOWN UINT64_MAX

struct hx_sample {
    uint64_t clock_bytes;
    uint64_t t_ns; /**< since the sampler began, before the heap was made */
    uint64_t live_bytes;
    uint64_t committed_bytes;
    uint64_t garbage_bytes; /**< HX_UNKNOWN without an oracle */
    uint64_t backlog_bytes;
    uint64_t rss_bytes;
    uint64_t rss_anon_bytes;
    uint64_t cycles_full, cycles_young; /**< so far */
};

/** Zeroed, then begun. */
struct hx_sampler {
    struct hx_process_memory memory;
    uint64_t start_ns;
    uint64_t tick_count;
    uint64_t stride;
    struct hx_sample last;     /**< at the last tick, kept or not; its RSS is that of the last kept one */
    double committed_integral; /**< committed bytes over the allocation clock */
    double rss_integral;
    double backlog_integral, garbage_integral;
    uint64_t backlog_clock_bytes, backlog_bytes; /**< up to where the integral goes, and what waited then */
    uint64_t rss_clock_bytes;                    /**< clock up to which rss_integral goes */
    uint64_t peak_rss_bytes;
    uint64_t peak_garbage_bytes; /**< by the workload's oracle */
    uint64_t next_exact_ns;      /**< the next point from then on is measured exactly */
    uint64_t cost_ns;            /**< time that keeping points took */
    size_t count;
    struct hx_sample points[HX_SERIES_MAX + 1];
};

/** Open what is needed and take the first point, at clock 0. */
void hx_sampler_begin(struct hx_sampler *sampler);

/** A tick. `is_last` keeps the point in any case, exactly measured. */
void hx_sampler_tick(struct hx_sampler *sampler, const struct sm_stats *stats, uint64_t garbage_bytes, bool is_last);

/**
 * A cycle has ended at `clock_bytes`, and `backlog_bytes` wait: they came at once. Ticks alone would miss what waits for less
 * than the distance between two of them, since cycles that a threshold starts keep step with ticks.
 */
void hx_sampler_cycle(struct hx_sampler *sampler, uint64_t clock_bytes, uint64_t backlog_bytes);

/** Means over the allocation clock so far; 0 before anything was allocated. */
uint64_t hx_sampler_mean_footprint(const struct hx_sampler *sampler);
uint64_t hx_sampler_mean_rss(const struct hx_sampler *sampler);
uint64_t hx_sampler_mean_backlog(const struct hx_sampler *sampler);
uint64_t hx_sampler_mean_garbage(const struct hx_sampler *sampler);

void hx_sampler_end(struct hx_sampler *sampler);

/** Distance of ticks for a run expected to allocate `expected_bytes` (0: not known); `asked_bytes` wins unless 0. */
uint64_t hx_sampler_tick_bytes(uint64_t expected_bytes, uint64_t asked_bytes);

#endif
