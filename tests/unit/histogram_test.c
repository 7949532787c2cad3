/** The histogram's stated error bound, against exact quantiles of the same samples. */
#include "histogram.h"

#include "workloads/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SAMPLES = 20000 };

static const double fractions[] = {0, 0.001, 0.25, 0.5, 0.9, 0.99, 0.999, 0.9999, 1};

static int compare(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return a < b ? -1 : a > b;
}

/* The smallest sample that at least `fraction` of all do not exceed. */
static uint64_t exact_quantile(const uint64_t *sorted, size_t count, double fraction)
{
    size_t rank = (size_t)ceil(fraction * (double)count);
    return sorted[rank > 0 ? rank - 1 : 0];
}

static void check_samples(uint64_t *samples, size_t count)
{
    struct hx_histogram *histogram = test_calloc(1, sizeof(*histogram));
    for (size_t i = 0; i < count; i++)
        hx_histogram_add(histogram, samples[i]);
    qsort(samples, count, sizeof(*samples), compare);
    for (size_t i = 0; i < sizeof(fractions) / sizeof(fractions[0]); i++) {
        uint64_t exact = exact_quantile(samples, count, fractions[i]);
        uint64_t answer = hx_histogram_quantile(histogram, fractions[i]);
        assert_true(answer >= exact);
        assert_true(answer - exact <= exact / HX_HISTOGRAM_LINEAR);
    }
    assert_int_equal(histogram->count, count);
    assert_int_equal(histogram->maximum, samples[count - 1]);
    test_free(histogram);
}

/* Shapes as pauses have them: narrow, wide over many octaves, and with a far tail. */
static void test_quantiles_within_bound(void **state)
{
    (void)state;
    uint64_t *samples = test_malloc(SAMPLES * sizeof(*samples));
    struct wl_random random = wl_random_seeded(7);
    for (size_t i = 0; i < SAMPLES; i++)
        samples[i] = 1000 + wl_random_below(&random, 500);
    check_samples(samples, SAMPLES);
    for (size_t i = 0; i < SAMPLES; i++)
        samples[i] = wl_random_next(&random) >> wl_random_below(&random, 64);
    check_samples(samples, SAMPLES);
    for (size_t i = 0; i < SAMPLES; i++)
        samples[i] = wl_random_chance(&random, 1, 1000) ? 5000000000u + wl_random_below(&random, 1000) : 3000 + i % 17;
    check_samples(samples, SAMPLES);
    test_free(samples);
}

static void test_single_and_extreme_values(void **state)
{
    (void)state;
    uint64_t values[] = {0, 1, 63, 64, 127, 128, 129, UINT64_C(1) << 40, UINT64_MAX};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        check_samples(&values[i], 1);
}

static void test_empty_is_zero(void **state)
{
    (void)state;
    struct hx_histogram *histogram = test_calloc(1, sizeof(*histogram));
    assert_int_equal(hx_histogram_quantile(histogram, 0.99), 0);
    test_free(histogram);
}

/* The buckets tile the whole range, and none is wider than the bound. */
static void test_buckets_tile(void **state)
{
    (void)state;
    assert_int_equal(hx_histogram_bucket_low(0), 0);
    for (size_t i = 0; i + 1 < HX_HISTOGRAM_BUCKETS; i++) {
        uint64_t low = hx_histogram_bucket_low(i), high = hx_histogram_bucket_high(i);
        assert_true(low <= high);
        assert_int_equal(hx_histogram_bucket_low(i + 1), high + 1);
        assert_true(high - low <= low / HX_HISTOGRAM_LINEAR);
    }
    assert_true(hx_histogram_bucket_high(HX_HISTOGRAM_BUCKETS - 1) == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quantiles_within_bound),
        cmocka_unit_test(test_single_and_extreme_values),
        cmocka_unit_test(test_empty_is_zero),
        cmocka_unit_test(test_buckets_tile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
