/* Medians, intervals and p values against scipy's, and how often the interval holds the truth. */
#include "check.h"
#include "statistics.h"
#include "workloads/random.h"

#include <math.h>

enum { EXPERIMENTS = 300, SAMPLE_COUNT = 20 };

#define SAMPLE(...) \
    ((struct hx_sample){(const double[]){__VA_ARGS__}, sizeof((const double[]){__VA_ARGS__}) / sizeof(double)})

static void assert_close(double value, double expected)
{
    if (!(fabs(value - expected) <= 1e-12 * fmax(1, fabs(expected))))
        fail_msg("%.17g, expected %.17g", value, expected);
}

static void test_median(void **state)
{
    (void)state;
    assert_close(hx_median(SAMPLE(3, 1, 2)), 2);
    assert_close(hx_median(SAMPLE(4, 1, 3, 2)), 2.5);
    assert_true(isnan(hx_median((struct hx_sample){NULL, 0})));
}

/* scipy 1.10.1: scipy.stats.mannwhitneyu(a, b, method="exact").pvalue of each pair */
static void test_p_is_exact_for_few_values(void **state)
{
    (void)state;
    assert_close(hx_mann_whitney_p(SAMPLE(12, 15, 11, 18, 14), SAMPLE(16, 21, 19, 17, 25, 20)), 0.017316017316017316);
    assert_close(hx_mann_whitney_p(SAMPLE(1, 2, 3, 4), SAMPLE(5, 6, 7, 8)), 0.02857142857142857);
    assert_close(hx_mann_whitney_p(SAMPLE(3, 1, 4, 15, 92), SAMPLE(65, 35, 89, 79, 32, 38)), 0.12554112554112554);
    assert_close(hx_mann_whitney_p(SAMPLE(65, 35, 89, 79, 32, 38), SAMPLE(3, 1, 4, 15, 92)), 0.12554112554112554);
}

/*
 * scipy 1.10.1, method="asymptotic":
 *   a = [1, 2, 2, 3, 4, 4, 5, 6, 7, 7, 8, 9]; b = [2, 4, 5, 5, 6, 7, 8, 9, 9, 10, 11, 12, 12]
 *   a = [i * 7 % 101 for i in range(1, 31)]; b = [i * 11 % 103 + 4.5 for i in range(1, 36)]
 */
static void test_p_is_approximate_with_ties_or_many_values(void **state)
{
    (void)state;
    assert_close(hx_mann_whitney_p(SAMPLE(1, 2, 2, 3, 4, 4, 5, 6, 7, 7, 8, 9),
                                   SAMPLE(2, 4, 5, 5, 6, 7, 8, 9, 9, 10, 11, 12, 12)),
                 0.03092135353128866);
    double first[30], second[35];
    for (int i = 0; i < 30; i++)
        first[i] = (i + 1) * 7 % 101;
    for (int i = 0; i < 35; i++)
        second[i] = (i + 1) * 11 % 103 + 4.5;
    assert_close(hx_mann_whitney_p((struct hx_sample){first, 30}, (struct hx_sample){second, 35}), 0.3204629119478477);
}

static void test_equal_and_empty_samples_do_not_differ(void **state)
{
    (void)state;
    assert_close(hx_mann_whitney_p(SAMPLE(5, 5, 5), SAMPLE(5, 5, 5, 5)), 1);
    assert_close(hx_mann_whitney_p(SAMPLE(5, 5, 5), (struct hx_sample){NULL, 0}), 1);
}

static void test_the_least_p_is_that_of_samples_wholly_apart(void **state)
{
    (void)state;
    assert_close(hx_mann_whitney_least_p(4, 4), hx_mann_whitney_p(SAMPLE(1, 2, 3, 4), SAMPLE(5, 6, 7, 8)));
    assert_close(hx_mann_whitney_least_p(3, 3), 0.1);
    assert_close(hx_mann_whitney_least_p(1, 1), 1);
}

static void test_the_ratio_is_that_of_medians_and_its_interval_follows_the_seed(void **state)
{
    (void)state;
    struct hx_ratio ratio, again, other;
    struct hx_sample first = SAMPLE(10, 12, 11, 13, 9, 10.5), second = SAMPLE(20, 22, 25, 19, 23, 21.5);
    assert_true(hx_bootstrap_ratio(first, second, 1, &ratio));
    assert_close(ratio.ratio, 21.75 / 10.75);
    assert_true(ratio.low < ratio.ratio && ratio.ratio < ratio.high);
    assert_true(hx_bootstrap_ratio(first, second, 1, &again) && again.low == ratio.low && again.high == ratio.high);
    assert_true(hx_bootstrap_ratio(first, second, 2, &other) && other.ratio == ratio.ratio);
    assert_true(hx_bootstrap_ratio(SAMPLE(4), SAMPLE(5), 1, &ratio));
    assert_true(ratio.low == 1.25 && ratio.high == 1.25);
}

static void test_there_is_no_ratio_to_nothing(void **state)
{
    (void)state;
    struct hx_ratio ratio;
    assert_false(hx_bootstrap_ratio(SAMPLE(0, 0, 0), SAMPLE(1, 2, 3), 1, &ratio));
    assert_false(hx_bootstrap_ratio(SAMPLE(1, 2), (struct hx_sample){NULL, 0}, 1, &ratio));
}

/* Skewed, as times are: the exponential of a sum of uniform draws. */
static void draw(struct wl_random *random, double median, double *values)
{
    for (int i = 0; i < SAMPLE_COUNT; i++) {
        double sum = 0;
        for (int part = 0; part < 4; part++)
            sum += (double)wl_random_below(random, 1 << 20) / (1 << 20) - 0.5;
        values[i] = median * exp(sum);
    }
}

static void test_nineteen_of_twenty_intervals_hold_the_true_ratio(void **state)
{
    (void)state;
    struct wl_random random = wl_random_seeded(3);
    int held = 0, told_apart = 0;
    for (int i = 0; i < EXPERIMENTS; i++) {
        double first[SAMPLE_COUNT], second[SAMPLE_COUNT], same[SAMPLE_COUNT];
        draw(&random, 100, first);
        draw(&random, 130, second);
        draw(&random, 100, same);
        struct hx_ratio ratio;
        assert_true(hx_bootstrap_ratio((struct hx_sample){first, SAMPLE_COUNT},
                                       (struct hx_sample){second, SAMPLE_COUNT}, 1, &ratio));
        held += ratio.low <= 1.3 && 1.3 <= ratio.high;
        told_apart +=
            hx_mann_whitney_p((struct hx_sample){first, SAMPLE_COUNT}, (struct hx_sample){same, SAMPLE_COUNT}) < 0.05;
    }
    print_message("the interval held the ratio in %d of %d experiments; %d of them told equal samples apart\n", held,
                  EXPERIMENTS, told_apart);
    assert_in_range(held, EXPERIMENTS * 91 / 100, EXPERIMENTS * 99 / 100);
    assert_in_range(told_apart, EXPERIMENTS * 2 / 100, EXPERIMENTS * 8 / 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_median),
        cmocka_unit_test(test_p_is_exact_for_few_values),
        cmocka_unit_test(test_p_is_approximate_with_ties_or_many_values),
        cmocka_unit_test(test_equal_and_empty_samples_do_not_differ),
        cmocka_unit_test(test_the_least_p_is_that_of_samples_wholly_apart),
        cmocka_unit_test(test_the_ratio_is_that_of_medians_and_its_interval_follows_the_seed),
        cmocka_unit_test(test_there_is_no_ratio_to_nothing),
        cmocka_unit_test(test_nineteen_of_twenty_intervals_hold_the_true_ratio),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
