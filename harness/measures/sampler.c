#include "sampler.h"

#include "quantities.h"

#include <assert.h>

enum {
    /* smaps_rollup walks page tables: exact points are so far apart that they take a fraction of a percent of the time. */
    EXACT_SPACING = 400,
    /* Many more than are kept, so that a run that ends early still has a series. */
    TICKS_WANTED = 8192,
    TICK_BYTES_MINIMUM = 16 << 10,
};

uint64_t hx_sampler_tick_bytes(uint64_t expected_bytes, uint64_t asked_bytes)
{
    if (asked_bytes != 0)
        return asked_bytes;
    uint64_t tick_bytes = expected_bytes / TICKS_WANTED;
    return tick_bytes > TICK_BYTES_MINIMUM ? tick_bytes : TICK_BYTES_MINIMUM;
}

static void drop_every_second(struct hx_sampler *sampler)
{
    assert(sampler->count == HX_SERIES_MAX);
    for (size_t i = 0; i < HX_SERIES_MAX / 2; i++)
        sampler->points[i] = sampler->points[2 * i];
    sampler->count = HX_SERIES_MAX / 2;
    sampler->stride *= 2;
}

static void integrate_rss(struct hx_sampler *sampler, uint64_t previous_bytes, const struct hx_sample *sample)
{
    double distance = (double)(sample->clock_bytes - sampler->rss_clock_bytes);
    sampler->rss_integral += distance * ((double)previous_bytes + (double)sample->rss_bytes) / 2;
    sampler->rss_clock_bytes = sample->clock_bytes;
    if (sample->rss_bytes > sampler->peak_rss_bytes)
        sampler->peak_rss_bytes = sample->rss_bytes;
}

/* Straight from what waited at the last moment that is known to `before_bytes`; from here on `after_bytes` wait. */
static void integrate_backlog(struct hx_sampler *sampler, uint64_t clock_bytes, uint64_t before_bytes,
                              uint64_t after_bytes)
{
    double distance = (double)(clock_bytes - sampler->backlog_clock_bytes);
    sampler->backlog_integral += distance * ((double)sampler->backlog_bytes + (double)before_bytes) / 2;
    sampler->backlog_clock_bytes = clock_bytes;
    sampler->backlog_bytes = after_bytes;
}

void hx_sampler_cycle(struct hx_sampler *sampler, uint64_t clock_bytes, uint64_t backlog_bytes)
{
    uint64_t before_bytes = sampler->backlog_bytes < backlog_bytes ? sampler->backlog_bytes : backlog_bytes;
    integrate_backlog(sampler, clock_bytes, before_bytes, backlog_bytes);
}

/* Before the first tick nothing was dead. */
static void integrate_dead(struct hx_sampler *sampler, const struct hx_sample *sample, double distance)
{
    const struct hx_sample *last = &sampler->last;
    integrate_backlog(sampler, sample->clock_bytes, sample->backlog_bytes, sample->backlog_bytes);
    if (sample->garbage_bytes == HX_UNKNOWN)
        return;
    double before = last->garbage_bytes != HX_UNKNOWN ? (double)last->garbage_bytes : 0;
    sampler->garbage_integral += distance * ((double)sample->garbage_bytes + before) / 2;
}

static void keep_point(struct hx_sampler *sampler, struct hx_sample *sample, uint64_t now_ns, bool is_exact)
{
    is_exact = is_exact || now_ns >= sampler->next_exact_ns;
    struct hx_resident resident =
        is_exact ? hx_process_memory_exact(&sampler->memory) : hx_process_memory_quick(&sampler->memory);
    uint64_t previous_bytes = sampler->last.rss_bytes;
    sample->t_ns = now_ns - sampler->start_ns;
    sample->rss_bytes = resident.rss_bytes;
    sample->rss_anon_bytes = resident.anonymous_bytes;
    integrate_rss(sampler, previous_bytes, sample);
    sampler->points[sampler->count++] = *sample;
    uint64_t cost_ns = hx_now_ns() - now_ns;
    sampler->cost_ns += cost_ns;
    if (is_exact)
        sampler->next_exact_ns = now_ns + EXACT_SPACING * cost_ns;
}

void hx_sampler_begin(struct hx_sampler *sampler)
{
    hx_process_memory_open(&sampler->memory);
    sampler->stride = 1;
    sampler->start_ns = hx_now_ns();
    struct hx_sample first = {.garbage_bytes = HX_UNKNOWN};
    keep_point(sampler, &first, sampler->start_ns, true);
    sampler->last = first;
}

void hx_sampler_tick(struct hx_sampler *sampler, const struct sm_stats *stats, uint64_t garbage_bytes, bool is_last)
{
    struct hx_sample sample = {
        .clock_bytes = stats->alloc_bytes,
        .live_bytes = stats->live_bytes,
        .committed_bytes = stats->committed_bytes,
        .garbage_bytes = garbage_bytes,
        .backlog_bytes = stats->backlog_bytes,
        .rss_bytes = sampler->last.rss_bytes,
        .rss_anon_bytes = sampler->last.rss_anon_bytes,
        .cycles_full = stats->cycles_by_kind[SM_CYCLE_FULL],
        .cycles_young = stats->cycles_by_kind[SM_CYCLE_YOUNG],
    };
    assert(sample.clock_bytes >= sampler->last.clock_bytes);
    double distance = (double)(sample.clock_bytes - sampler->last.clock_bytes);
    sampler->committed_integral +=
        distance * ((double)sample.committed_bytes + (double)sampler->last.committed_bytes) / 2;
    integrate_dead(sampler, &sample, distance);
    if (garbage_bytes != HX_UNKNOWN && garbage_bytes > sampler->peak_garbage_bytes)
        sampler->peak_garbage_bytes = garbage_bytes;
    sampler->tick_count++;
    if (sampler->count == HX_SERIES_MAX && !is_last)
        drop_every_second(sampler);
    if (is_last || sampler->tick_count % sampler->stride == 0)
        keep_point(sampler, &sample, hx_now_ns(), is_last);
    sampler->last = sample;
}

static uint64_t mean(double integral, uint64_t clock_bytes)
{
    return clock_bytes != 0 ? (uint64_t)(integral / (double)clock_bytes) : 0;
}

uint64_t hx_sampler_mean_footprint(const struct hx_sampler *sampler)
{
    return mean(sampler->committed_integral, sampler->last.clock_bytes);
}

uint64_t hx_sampler_mean_rss(const struct hx_sampler *sampler)
{
    return mean(sampler->rss_integral, sampler->rss_clock_bytes);
}

uint64_t hx_sampler_mean_backlog(const struct hx_sampler *sampler)
{
    return mean(sampler->backlog_integral, sampler->last.clock_bytes);
}

uint64_t hx_sampler_mean_garbage(const struct hx_sampler *sampler)
{
    return mean(sampler->garbage_integral, sampler->last.clock_bytes);
}

void hx_sampler_end(struct hx_sampler *sampler)
{
    hx_process_memory_close(&sampler->memory);
}
