/** How long bytes wait to be reusable, on the allocation clock, against bytes that are followed one by one. */
#include "work_measure.h"

#include "workloads/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

/* A heap in which each allocated unit dies, is retired and becomes reusable at moments drawn beforehand. */
enum { UNITS = 40000, UNIT_BYTES = 1000, LONGEST_WAIT = 900 };

struct heap {
    unsigned dies[UNITS], is_retired[UNITS], is_reusable[UNITS]; /* by clock, in units */
};

static void draw_heap(struct heap *heap, struct wl_random *random)
{
    for (unsigned i = 0; i < UNITS; i++) {
        heap->dies[i] = i + 1 + (unsigned)wl_random_below(random, 300);
        heap->is_retired[i] = heap->dies[i] + (unsigned)wl_random_below(random, LONGEST_WAIT);
        heap->is_reusable[i] = heap->is_retired[i] + (unsigned)wl_random_below(random, LONGEST_WAIT);
    }
}

static unsigned up_to(unsigned time, unsigned clock)
{
    return time < clock ? time : clock;
}

static struct sm_stats stats_at(const struct heap *heap, unsigned clock, uint64_t *garbage_bytes)
{
    struct sm_stats stats = {.alloc_bytes = (uint64_t)clock * UNIT_BYTES, .reclaimed_batches = 1};
    *garbage_bytes = 0;
    for (unsigned i = 0; i < clock && i < UNITS; i++) {
        *garbage_bytes += heap->dies[i] <= clock && heap->is_retired[i] > clock ? UNIT_BYTES : 0;
        stats.backlog_bytes += heap->is_retired[i] <= clock && heap->is_reusable[i] > clock ? UNIT_BYTES : 0;
        stats.retired_bytes += heap->is_retired[i] <= clock ? UNIT_BYTES : 0;
        stats.reclaimed_room_bytes += heap->is_reusable[i] <= clock ? UNIT_BYTES : 0;
    }
    return stats;
}

static void test_waits_are_those_of_each_byte(void **state)
{
    (void)state;
    struct heap *heap = test_calloc(1, sizeof(*heap));
    struct hx_report *report = calloc(1, sizeof(*report));
    struct hx_work_start start = {0};
    struct wl_random random = wl_random_seeded(3);
    struct sm_stats stats = {0};
    uint64_t garbage_bytes = 0;
    if (report == NULL) {
        fail();
        return;
    }
    draw_heap(heap, &random);
    hx_sampler_begin(&report->sampler);
    for (unsigned clock = 50; clock <= UNITS; clock += 50) {
        stats = stats_at(heap, clock, &garbage_bytes);
        hx_sampler_tick(&report->sampler, &stats, garbage_bytes, clock == UNITS);
    }
    hx_work_measure(&start, &stats, true, report);
    hx_sampler_end(&report->sampler);
    double dead = 0, retired = 0, waits_dead = 0, waits_retired = 0;
    for (unsigned i = 0; i < UNITS; i++) {
        dead += heap->dies[i] <= UNITS;
        retired += heap->is_retired[i] <= UNITS;
        waits_dead += up_to(heap->is_retired[i], UNITS) - up_to(heap->dies[i], UNITS);
        waits_retired += up_to(heap->is_reusable[i], UNITS) - up_to(heap->is_retired[i], UNITS);
    }
    double delay_bytes = waits_retired / retired * UNIT_BYTES;
    double whole_bytes = waits_dead / dead * UNIT_BYTES + delay_bytes;
    const uint64_t *value = report->metrics.value;
    /* What is between two ticks is taken as straight: some thousandths. */
    assert_in_range(value[HX_METRIC_MEAN_RECLAIM_DELAY_BYTES], (uint64_t)(delay_bytes * 0.995),
                    (uint64_t)(delay_bytes * 1.005));
    assert_in_range(value[HX_METRIC_MEAN_TIME_TO_RECLAIM_BYTES], (uint64_t)(whole_bytes * 0.995),
                    (uint64_t)(whole_bytes * 1.005));
    assert_in_range(value[HX_METRIC_MEAN_BACKLOG_BYTES], (uint64_t)(waits_retired / UNITS * UNIT_BYTES * 0.995),
                    (uint64_t)(waits_retired / UNITS * UNIT_BYTES * 1.005));
    free(report);
    test_free(heap);
}

/* Cycles keep step with ticks, and what they retire waits for up to two of them. */
static void test_short_waits_in_step_with_ticks_are_seen(void **state)
{
    (void)state;
    enum { PULSES = 4000, TICK_BYTES = 1000, TICKS_BETWEEN = 4, BACKLOG = 500 };
    struct hx_sampler *sampler = calloc(1, sizeof(*sampler));
    struct wl_random random = wl_random_seeded(9);
    double waited = 0;
    if (sampler == NULL) {
        fail();
        return;
    }
    hx_sampler_begin(sampler);
    uint64_t clock_bytes = 0, reusable_bytes = 0;
    for (int tick = 1; tick < PULSES * TICKS_BETWEEN; tick++) {
        clock_bytes += TICK_BYTES;
        struct sm_stats stats = {.alloc_bytes = clock_bytes,
                                 .backlog_bytes = reusable_bytes > clock_bytes ? BACKLOG : 0};
        hx_sampler_tick(sampler, &stats, HX_UNKNOWN, false);
        if (tick % TICKS_BETWEEN != 0)
            continue;
        uint64_t wait_bytes = wl_random_below(&random, 2 * TICK_BYTES);
        hx_sampler_cycle(sampler, clock_bytes, BACKLOG);
        reusable_bytes = clock_bytes + wait_bytes;
        waited += (double)wait_bytes * BACKLOG;
    }
    double mean_bytes = waited / (double)clock_bytes;
    assert_in_range(hx_sampler_mean_backlog(sampler), (uint64_t)(mean_bytes * 0.96), (uint64_t)(mean_bytes * 1.04));
    hx_sampler_end(sampler);
    free(sampler);
}

/* Stops for memory's sake: destructors are the program's, a wait for a grace period, or for the collector's thread, takes no CPU. */
static void test_reclamation_is_stops_without_destructors(void **state)
{
    (void)state;
    struct hx_pauses *pauses = test_calloc(1, sizeof(*pauses));
    const struct sm_pause_record records[] = {
        {SM_PAUSE_CYCLE, 0, 1000, 300},  {SM_PAUSE_DESTRUCTORS, 2000, 500, 0}, {SM_PAUSE_GRACE, 3000, 200, 0},
        {SM_PAUSE_CASCADE, 4000, 50, 0}, {SM_PAUSE_ASSIST, 5000, 40, 0},
    };
    for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++)
        hx_pauses_add(pauses, &records[i]);
    assert_int_equal(hx_pauses_reclamation_wall_ns(pauses), 1290);
    assert_int_equal(hx_pauses_reclamation_cpu_ns(pauses, false), 790);
    assert_int_equal(hx_pauses_reclamation_cpu_ns(pauses, true), 750);
    test_free(pauses);
}

static void test_hiccups_are_recorded_while_asked(void **state)
{
    (void)state;
    static const enum hx_hiccups_watcher watchers[] = {HX_HICCUPS_THREAD, HX_HICCUPS_PROCESS};
    const struct timespec nap = {0, 30000000};
    for (size_t i = 0; i < 2; i++) {
        struct hx_histogram *overshoot = test_calloc(1, sizeof(*overshoot));
        struct hx_hiccups *hiccups = hx_hiccups_start(watchers[i], overshoot);
        assert_non_null(hiccups);
        nanosleep(&nap, NULL);
        hx_hiccups_stop(hiccups);
        assert_int_equal(overshoot->count, 0);
        hiccups = hx_hiccups_start(watchers[i], overshoot);
        assert_non_null(hiccups);
        hx_hiccups_record(hiccups, true);
        nanosleep(&nap, NULL);
        hx_hiccups_stop(hiccups);
        /* No more than one a millisecond; a machine may be slow, but not that it never wakes. */
        assert_true(overshoot->count > 0 && overshoot->maximum > 0);
        test_free(overshoot);
    }
    hx_hiccups_stop(NULL);
    assert_int_equal(hx_hiccups_cpu_ns(NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_waits_are_those_of_each_byte),
        cmocka_unit_test(test_short_waits_in_step_with_ticks_are_seen),
        cmocka_unit_test(test_reclamation_is_stops_without_destructors),
        cmocka_unit_test(test_hiccups_are_recorded_while_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
