/** Metered latency: what a stop does to those who would have come meanwhile. */
#include "latency.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static uint64_t quantile(const struct hx_histogram *histogram, double fraction)
{
    return hx_histogram_quantile(histogram, fraction);
}

static struct hx_metered *metered_of(const struct hx_step_time *times, size_t count)
{
    struct hx_metered *metered = test_calloc(1, sizeof(*metered));
    hx_metered_measure(times, count, metered);
    assert_true(metered->is_known);
    assert_int_equal(metered->full.count, count);
    assert_int_equal(metered->window_100ms.count, count);
    return metered;
}

/* Steps of 1 ms one after another; `stop_ns` more in step `stopped`. */
static void make_steps(struct hx_step_time *times, size_t count, size_t stopped, uint64_t stop_ns)
{
    uint64_t now_ns = 5000000000;
    for (size_t i = 0; i < count; i++) {
        times[i].begin_ns = now_ns;
        now_ns += 1000000 + (i == stopped ? stop_ns : 0);
        times[i].end_ns = now_ns;
    }
}

static void test_an_even_pace_is_the_service_time(void **state)
{
    (void)state;
    enum { STEPS = 1000 };
    struct hx_step_time *times = test_calloc(STEPS, sizeof(*times));
    make_steps(times, STEPS, STEPS, 0);
    struct hx_metered *metered = metered_of(times, STEPS);
    assert_in_range(metered->full.maximum, 999999, 1000001);
    assert_in_range(metered->window_100ms.maximum, 999999, 1000001);
    assert_in_range(quantile(&metered->full, 0.01), 999000, 1000001);
    test_free(metered);
    test_free(times);
}

/* The closed loop shows a stop in one step; a steady pace shows it in all that would have come during and after it. */
static void test_a_stop_delays_those_who_come_meanwhile(void **state)
{
    (void)state;
    enum { STEPS = 10000 };
    struct hx_step_time *times = test_calloc(STEPS, sizeof(*times));
    make_steps(times, STEPS, STEPS / 2, 1000000000);
    struct hx_metered *metered = metered_of(times, STEPS);
    /* Evenly spaced begins are 1.1 ms apart: step i is early by i/10 ms before the stop, late by 1 s less that after it. */
    assert_in_range(metered->full.maximum, 1000000000, 1002000000);
    assert_in_range(quantile(&metered->full, 0.9), 390000000, 410000000);
    assert_in_range(quantile(&metered->full, 0.5), 900000, 2000000);
    test_free(metered);
    test_free(times);
}

/* Within 50 ms of the stop there are at most 50 steps on either side; the others are as they were. */
static void test_a_window_forgets_what_is_outside(void **state)
{
    (void)state;
    enum { STEPS = 10000 };
    struct hx_step_time *times = test_calloc(STEPS, sizeof(*times));
    make_steps(times, STEPS, STEPS / 2, 30000000);
    struct hx_metered *metered = metered_of(times, STEPS);
    assert_in_range(metered->window_100ms.maximum, 31000000, 32000000);
    assert_in_range(quantile(&metered->window_100ms, 0.98), 999000, 1100000);
    /* The next comes 31 ms after the stop's begin; in a window of 70 steps its place is at 9.5 ms: 22.5 ms late. */
    assert_in_range(quantile(&metered->window_100ms, 0.9999), 22000000, 23500000);
    assert_true(quantile(&metered->full, 0.98) > 13000000);
    test_free(metered);
    test_free(times);
}

static void test_none_and_one(void **state)
{
    (void)state;
    struct hx_step_time time = {100, 350};
    struct hx_metered *metered = metered_of(&time, 0);
    test_free(metered);
    metered = metered_of(&time, 1);
    assert_int_equal(metered->full.maximum, 250);
    assert_int_equal(metered->window_100ms.maximum, 250);
    test_free(metered);
}

/* Thinned, the log has steps evenly over the run, each as it was. */
static void test_a_full_log_is_thinned_evenly(void **state)
{
    (void)state;
    struct hx_step_log *log = test_calloc(1, sizeof(*log));
    const uint64_t steps = 5 * (uint64_t)HX_STEP_LOG_MAX + 7;
    for (uint64_t i = 0; i < steps; i++)
        hx_step_log_add(log, i * 10, i * 10 + 9);
    assert_int_equal(log->stride_bits, 3);
    assert_int_equal(log->count, (steps + 7) / 8);
    for (size_t i = 0; i < log->count; i++) {
        assert_int_equal(log->times[i].begin_ns, i * 80);
        assert_int_equal(log->times[i].end_ns, i * 80 + 9);
    }
    test_free(log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_even_pace_is_the_service_time),
        cmocka_unit_test(test_a_stop_delays_those_who_come_meanwhile),
        cmocka_unit_test(test_a_window_forgets_what_is_outside),
        cmocka_unit_test(test_none_and_one),
        cmocka_unit_test(test_a_full_log_is_thinned_evenly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
