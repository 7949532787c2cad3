/** Mutator utilization against a search of all windows, and stops in bounded room against the stops themselves. */
#include "utilization.h"

#include "workloads/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SPAN = 400, ROUNDS = 300, MOST_STOPS = 40 };

/* Stops drawn over a span of so many nanoseconds, in which every window can be tried. */
static size_t draw_stops(struct wl_random *random, struct hx_interval *stops)
{
    bool is_stopped[SPAN];
    size_t count = 0, parts = wl_random_below(random, MOST_STOPS);
    for (size_t i = 0; i < SPAN; i++)
        is_stopped[i] = false;
    for (size_t i = 0; i < parts; i++) {
        size_t start = wl_random_below(random, SPAN), length = 1 + wl_random_below(random, 12);
        for (size_t j = start; j < start + length && j < SPAN; j++)
            is_stopped[j] = true;
    }
    for (size_t i = 0; i < SPAN; i++) {
        if (!is_stopped[i])
            continue;
        if (i == 0 || !is_stopped[i - 1])
            stops[count++].start_ns = 1000 + i;
        stops[count - 1].end_ns = 1000 + i + 1;
    }
    return count;
}

static uint64_t stopped_within(const struct hx_interval *stops, size_t count, uint64_t start_ns, uint64_t end_ns)
{
    uint64_t sum_ns = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t low = stops[i].start_ns > start_ns ? stops[i].start_ns : start_ns;
        uint64_t high = stops[i].end_ns < end_ns ? stops[i].end_ns : end_ns;
        sum_ns += high > low ? high - low : 0;
    }
    return sum_ns;
}

static double searched_mmu(const struct hx_interval *stops, size_t count, uint64_t window_ns)
{
    uint64_t most_ns = 0;
    for (uint64_t start_ns = 1000; start_ns + window_ns <= 1000 + SPAN; start_ns++) {
        uint64_t stopped_ns = stopped_within(stops, count, start_ns, start_ns + window_ns);
        most_ns = stopped_ns > most_ns ? stopped_ns : most_ns;
    }
    return 1 - (double)most_ns / (double)window_ns;
}

static void test_mmu_is_that_of_a_search(void **state)
{
    (void)state;
    static const uint64_t windows[] = {1, 2, 3, 7, 20, 50, 133, 399, SPAN};
    enum { WINDOWS = sizeof(windows) / sizeof(windows[0]) };
    struct wl_random random = wl_random_seeded(11);
    struct hx_interval stops[SPAN], span = {1000, 1000 + SPAN};
    size_t most = 0;
    for (int round = 0; round < ROUNDS; round++) {
        double mmu[WINDOWS];
        size_t count = draw_stops(&random, stops);
        most = count > most ? count : most;
        for (size_t i = 0; i < WINDOWS; i++)
            mmu[i] = 1;
        assert_true(hx_mmu_lower(stops, count, span, windows, WINDOWS, mmu));
        for (size_t i = 0; i < WINDOWS; i++)
            assert_true(fabs(mmu[i] - searched_mmu(stops, count, windows[i])) < 1e-12);
    }
    assert_true(most > MOST_STOPS / 2);
}

static void test_bmu_never_falls_and_is_never_above_mmu(void **state)
{
    (void)state;
    struct hx_utilization *utilization = test_calloc(1, sizeof(*utilization));
    struct hx_stops *stops = test_calloc(1, sizeof(*stops));
    struct hx_interval span = {0, 1000000000};
    for (uint64_t i = 0; i < 20; i++)
        hx_stops_add(stops, i * 50000000 + i * i * 10000, 3000000 + i * 100000);
    assert_true(hx_utilization_measure(utilization, stops, span));
    assert_int_equal(utilization->window_ns[0], HX_WINDOW_LEAST_NS);
    assert_int_equal(utilization->count, 31);
    assert_int_equal(utilization->window_ns[30], 1000000000);
    assert_true(utilization->mmu[0] == 0);
    bool is_lower_somewhere = false;
    for (size_t i = 0; i < utilization->count; i++) {
        assert_true(utilization->bmu[i] <= utilization->mmu[i]);
        assert_true(i == 0 || utilization->bmu[i] >= utilization->bmu[i - 1]);
        is_lower_somewhere = is_lower_somewhere || utilization->bmu[i] < utilization->mmu[i];
    }
    assert_true(is_lower_somewhere);
    assert_true(fabs(utilization->mmu[30] - (1 - 0.079)) < 1e-9);
    test_free(stops);
    test_free(utilization);
}

static void test_a_span_shorter_than_any_window_is_one(void **state)
{
    (void)state;
    struct hx_utilization *utilization = test_calloc(1, sizeof(*utilization));
    struct hx_stops *stops = test_calloc(1, sizeof(*stops));
    hx_stops_add(stops, 100, 250);
    assert_true(hx_utilization_measure(utilization, stops, (struct hx_interval){0, 1000}));
    assert_int_equal(utilization->count, 1);
    assert_true(fabs(utilization->bmu[0] - 0.75) < 1e-12);
    assert_true(hx_utilization_measure(utilization, stops, (struct hx_interval){0, 0}));
    assert_int_equal(utilization->count, 0);
    test_free(stops);
    test_free(utilization);
}

/* Many more than there is room for: sums stay, and every window is right within the resolution that is told. */
static void test_joined_stops_are_right_within_their_resolution(void **state)
{
    (void)state;
    enum { STOPS = 5 * HX_STOPS_MAX };
    struct wl_random random = wl_random_seeded(5);
    struct hx_stops *joined = test_calloc(1, sizeof(*joined));
    struct hx_interval *all = test_calloc(STOPS, sizeof(*all));
    struct hx_utilization *utilization = test_calloc(1, sizeof(*utilization));
    uint64_t now_ns = 0, sum_ns = 0, joined_ns = 0;
    for (size_t i = 0; i < STOPS; i++) {
        now_ns += 1000 + wl_random_below(&random, wl_random_chance(&random, 1, 50) ? 4000000 : 20000);
        uint64_t duration_ns = 100 + wl_random_below(&random, 9000);
        all[i] = (struct hx_interval){now_ns, now_ns + duration_ns};
        hx_stops_add(joined, now_ns, duration_ns);
        sum_ns += duration_ns;
        now_ns += duration_ns;
    }
    for (size_t i = 0; i < joined->count; i++) {
        joined_ns += joined->intervals[i].end_ns - joined->intervals[i].start_ns;
        assert_true(i == 0 || joined->intervals[i].start_ns >= joined->intervals[i - 1].end_ns);
    }
    assert_int_equal(joined_ns, sum_ns);
    assert_true(joined->count <= HX_STOPS_MAX && joined->moved_ns > 0 && joined->moved_ns < 1000000);
    struct hx_interval span = {0, now_ns};
    assert_true(hx_utilization_measure(utilization, joined, span));
    for (size_t i = 0; i < utilization->count; i++) {
        double exact = 1;
        assert_true(hx_mmu_lower(all, STOPS, span, &utilization->window_ns[i], 1, &exact));
        double bound = (double)joined->moved_ns / (double)utilization->window_ns[i];
        assert_true(fabs(utilization->mmu[i] - exact) <= bound + 1e-12);
    }
    test_free(utilization);
    test_free(all);
    test_free(joined);
}

static void test_intervals_of_several_are_united(void **state)
{
    (void)state;
    struct hx_interval intervals[] = {{50, 60}, {10, 20}, {15, 17}, {20, 30}, {58, 70}};
    assert_int_equal(hx_intervals_unite(intervals, 5), 2);
    assert_int_equal(intervals[0].start_ns, 10);
    assert_int_equal(intervals[0].end_ns, 30);
    assert_int_equal(intervals[1].start_ns, 50);
    assert_int_equal(intervals[1].end_ns, 70);
    assert_int_equal(hx_intervals_unite(intervals, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mmu_is_that_of_a_search),
        cmocka_unit_test(test_bmu_never_falls_and_is_never_above_mmu),
        cmocka_unit_test(test_a_span_shorter_than_any_window_is_one),
        cmocka_unit_test(test_joined_stops_are_right_within_their_resolution),
        cmocka_unit_test(test_intervals_of_several_are_united),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
