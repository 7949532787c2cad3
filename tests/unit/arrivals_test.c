/* The schedule of a burst: a pure function of seed and options, with the rate and the burstiness asked for; its queue. */
#include "arrivals.h"
#include "check.h"
#include "workloads/random.h"

#include <stdlib.h>
#include <string.h>

enum { MANY = 200000, FEW = 300 };

static uint64_t *draw(double rate_per_s, double burst, uint64_t seed, size_t count)
{
    struct hx_arrivals arrivals = {.rate_per_s = rate_per_s, .burst = burst};
    uint64_t *due_ns = (uint64_t *)calloc(count, sizeof(*due_ns));
    assert_non_null(due_ns);
    hx_arrivals_draw(&arrivals, seed, due_ns, count);
    return due_ns;
}

static void test_specs(void **state)
{
    (void)state;
    struct hx_arrivals arrivals;
    struct sm_error error = {SM_OK, ""};
    assert_int_equal(hx_arrivals_parse("250", &arrivals, &error), SM_OK);
    assert_true(arrivals.rate_per_s == 250 && arrivals.burst == 1);
    assert_int_equal(hx_arrivals_parse("0.5,burst=8.5", &arrivals, &error), SM_OK);
    assert_true(arrivals.rate_per_s == 0.5 && arrivals.burst == 8.5);
}

static void test_bad_specs_are_refused_by_name(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "0",
                                        "-1",
                                        "fast",
                                        "1e9",
                                        "10,burst=",
                                        "10,burst=0",
                                        "10,burst=0.5",
                                        "10,burst=much",
                                        "10,burts=2",
                                        "10 ,burst=2",
                                        "nan,burst=2",
                                        "10,burst=1e9",
                                        "burst=2"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct hx_arrivals arrivals;
        struct sm_error error = {SM_OK, ""};
        assert_int_equal(hx_arrivals_parse(texts[i], &arrivals, &error), SM_ERR_INVALID_ARGUMENT);
        assert_non_null(strstr(error.detail, "--arrivals="));
        if (strstr(error.detail, "expected") == NULL && strstr(error.detail, "option") == NULL)
            fail_msg("%s", error.detail);
    }
}

static void test_a_schedule_follows_from_seed_and_options(void **state)
{
    (void)state;
    uint64_t *first = draw(100, 4, 7, FEW), *again = draw(100, 4, 7, FEW), *longer = draw(100, 4, 7, 2 * FEW);
    uint64_t *other_seed = draw(100, 4, 8, FEW), *other_burst = draw(100, 5, 7, FEW);
    assert_memory_equal(first, again, FEW * sizeof(*first));
    assert_memory_equal(first, longer, FEW * sizeof(*first));
    assert_memory_not_equal(first, other_seed, FEW * sizeof(*first));
    assert_memory_not_equal(first, other_burst, FEW * sizeof(*first));
    free(first), free(again), free(longer), free(other_seed), free(other_burst);
}

static void test_requests_are_due_in_order(void **state)
{
    (void)state;
    uint64_t *due_ns = draw(1000, 3, 1, MANY);
    for (size_t i = 1; i < MANY; i++)
        assert_true(due_ns[i] >= due_ns[i - 1]);
    free(due_ns);
}

/* The relative error of the time of so many bursts is the root of 2 over their number: 3 % are ten of it at least. */
static void test_the_mean_rate_is_the_one_asked_for(void **state)
{
    (void)state;
    static const double bursts[] = {1, 2, 10};
    for (size_t i = 0; i < 3; i++) {
        uint64_t *due_ns = draw(500, bursts[i], 3, MANY);
        double rate_per_s = MANY * 1e9 / (double)due_ns[MANY - 1];
        assert_true(rate_per_s > 500 * 0.97 && rate_per_s < 500 * 1.03);
        free(due_ns);
    }
}

static void test_bursts_have_the_mean_size_asked_for(void **state)
{
    (void)state;
    static const double bursts[] = {1, 2, 7.5};
    for (size_t i = 0; i < 3; i++) {
        uint64_t *due_ns = draw(500, bursts[i], 4, MANY);
        size_t burst_count = 1;
        for (size_t j = 1; j < MANY; j++)
            burst_count += due_ns[j] != due_ns[j - 1];
        double mean = (double)MANY / (double)burst_count;
        assert_true(mean > bursts[i] * 0.97 && mean < bursts[i] * 1.03);
        free(due_ns);
    }
}

/* Variance over mean of the requests in windows of equal length. */
static double dispersion(const uint64_t *due_ns, size_t count, uint64_t window_ns)
{
    double sum = 0, square_sum = 0, window_count = 0;
    for (size_t i = 0; i < count; window_count++) {
        double in_window = 0;
        uint64_t end_ns = (uint64_t)(window_count + 1) * window_ns;
        for (; i < count && due_ns[i] < end_ns; i++)
            in_window++;
        sum += in_window;
        square_sum += in_window * in_window;
    }
    double mean = sum / window_count;
    return (square_sum / window_count - mean * mean) / mean;
}

/* Of Poisson bursts of geometric size, mean B, it is 2 B - 1. */
static void test_the_dispersion_is_that_of_poisson_bursts(void **state)
{
    (void)state;
    static const double bursts[] = {1, 3, 10};
    for (size_t i = 0; i < 3; i++) {
        uint64_t *due_ns = draw(1000, bursts[i], 5, MANY);
        double expected = 2 * bursts[i] - 1;
        double measured = dispersion(due_ns, MANY, 20000000);
        assert_true(measured > expected * 0.9 && measured < expected * 1.1);
        free(due_ns);
    }
}

/* The queue once more, by looking at every moment at which anything happens: who waits longest gets who is free longest. */
static void brute_force_queue(const uint64_t *due_ns, const uint64_t *service_ns, size_t count, unsigned worker_count,
                              uint64_t *start_ns)
{
    uint64_t busy_until[HX_WORKERS_MAX] = {0};
    size_t next = 0;
    for (uint64_t now = 0; next < count; now++)
        for (unsigned worker = 0; worker < worker_count; worker++)
            while (next < count && due_ns[next] <= now && busy_until[worker] <= now) {
                start_ns[next] = now;
                busy_until[worker] = now + service_ns[next];
                next++;
            }
}

static void test_the_queue_agrees_with_brute_force(void **state)
{
    (void)state;
    struct wl_random random = wl_random_seeded(11);
    for (int round = 0; round < 200; round++) {
        uint64_t due_ns[40], service_ns[40], expected[40], modelled[40], now = 0;
        for (size_t i = 0; i < 40; i++) {
            due_ns[i] = now += wl_random_below(&random, 12);
            service_ns[i] = wl_random_below(&random, 30);
        }
        unsigned worker_count = 1 + (unsigned)(round % 5);
        brute_force_queue(due_ns, service_ns, 40, worker_count, expected);
        hx_arrivals_model_queue(due_ns, service_ns, 40, worker_count, modelled);
        assert_memory_equal(modelled, expected, sizeof(expected));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_specs),
        cmocka_unit_test(test_bad_specs_are_refused_by_name),
        cmocka_unit_test(test_a_schedule_follows_from_seed_and_options),
        cmocka_unit_test(test_requests_are_due_in_order),
        cmocka_unit_test(test_the_mean_rate_is_the_one_asked_for),
        cmocka_unit_test(test_bursts_have_the_mean_size_asked_for),
        cmocka_unit_test(test_the_dispersion_is_that_of_poisson_bursts),
        cmocka_unit_test(test_the_queue_agrees_with_brute_force),
    };
    return cmocka_run_group_tests_name("arrivals", tests, NULL, NULL);
}
