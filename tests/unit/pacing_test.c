/**
 * The pacing rules: parsing, values, units, monotonicity, the cap under a memory limit.
 */
#include "check.h"

#include "../../lib/mm/src/pacing.h"

#include <string.h>

static struct sm_pacing parsed(const char *text)
{
    struct sm_pacing pacing = {0};
    struct sm_error error = {0};
    assert_int_equal(sm_pacing_parse(text, &pacing, &error), SM_OK);
    return pacing;
}

static void assert_refused(const char *text, const char *why)
{
    struct sm_pacing pacing = {0};
    struct sm_error error = {0};
    assert_int_equal(sm_pacing_parse(text, &pacing, &error), SM_ERR_INVALID_ARGUMENT);
    assert_non_null(strstr(error.detail, text));
    assert_non_null(strstr(error.detail, why));
    assert_null(pacing.rule);
}

static uint64_t threshold(const char *text, uint64_t live_bytes, double rate, double cycle_ns)
{
    struct sm_pacing pacing = parsed(text);
    struct sm_pacing_input input = {true, live_bytes, rate, cycle_ns};
    return sm_pacing_threshold(&pacing, &input);
}

static void assert_close(uint64_t value, double expected)
{
    double difference = (double)value - expected;
    assert_true(difference <= 1 + expected * 1e-9 && -difference <= 1 + expected * 1e-9);
}

static void test_fixed_is_its_size(void **state)
{
    (void)state;
    assert_int_equal(threshold("fixed:16M", 0, 1, 1), UINT64_C(16) << 20);
    assert_int_equal(threshold("fixed:4096", 1u << 30, 5, 9), 4096);
    assert_int_equal(threshold("fixed:1G", 7, 0, 0), UINT64_C(1) << 30);
}

static void test_fixed_below_the_minimum_is_refused(void **state)
{
    (void)state;
    assert_refused("fixed:4095", "4K");
    assert_refused("fixed:0", "4K");
    struct sm_pacing pacing = {0};
    struct sm_error error = {0};
    assert_int_equal(sm_pacing_fixed(4095, &pacing, &error), SM_ERR_INVALID_ARGUMENT);
    assert_non_null(strstr(error.detail, "4095"));
    assert_int_equal(sm_pacing_fixed(4096, &pacing, &error), SM_OK);
}

static void test_missing_value_is_refused(void **state)
{
    (void)state;
    assert_refused("fixed", "fixed:VALUE");
}

static void test_malformed_values_are_refused(void **state)
{
    (void)state;
    const char *texts[] = {
        "fixed:",        "fixed:x",        "fixed:-1",        "fixed:16Q",        "proportional",
        "proportional:", "proportional:0", "proportional:-1", "proportional:nan", "proportional:1e999",
        "sqrt:",         "sqrt:0",         "sqrt:abc"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_refused(texts[i], "expected");
}

static void test_rules_without_a_value_refuse_one(void **state)
{
    (void)state;
    assert_refused("never:1", "takes no value");
    assert_refused("always:", "takes no value");
}

static void test_unknown_rule_lists_the_rules(void **state)
{
    (void)state;
    assert_refused("sometimes", "proportional:FACTOR");
    assert_refused("", "fixed:SIZE");
    assert_refused("fix:16M", "fixed:SIZE");
}

static void test_rules_of_other_policies_are_refused_with_the_reason(void **state)
{
    (void)state;
    assert_refused("zend:1", "a count of roots from 2");
    assert_refused("zend:many", "a count of roots from 2");
    assert_refused("limit:0.5", "not offered by this build");
}

static uint32_t roots(const char *rule)
{
    struct sm_pacing pacing;
    struct sm_error error;
    assert_int_equal(sm_pacing_parse(rule, &pacing, &error), SM_OK);
    return sm_pacing_roots(&pacing);
}

/* Bytes never start a cycle of a policy that counts, roots never one of a policy that does not. */
static void test_zend_counts_roots(void **state)
{
    (void)state;
    assert_int_equal(roots("zend"), 10001);
    assert_int_equal(roots("zend:500"), 500);
    assert_int_equal(roots("fixed:16M"), 10001);
    assert_int_equal(roots("always"), 10001);
    assert_int_equal(roots("never"), UINT32_MAX);
    assert_int_equal(threshold("zend:500", 10000000, 0, 0), UINT64_MAX);
    struct sm_config config = {.policy = "null", .pacing = "zend"};
    struct sm_manager *mm = NULL;
    struct sm_error error;
    assert_int_equal(sm_manager_create(&config, &mm, &error), SM_ERR_INVALID_ARGUMENT);
    assert_non_null(strstr(error.detail, "only policies that count references"));
}

static void test_proportional_follows_live_bytes(void **state)
{
    (void)state;
    assert_int_equal(threshold("proportional:1.0", 10000000, 0, 0), 10000000);
    assert_int_equal(threshold("proportional:0.5", 10000000, 0, 0), 5000000);
    assert_int_equal(threshold("proportional:3", 10000000, 0, 0), 30000000);
}

static void test_proportional_has_a_floor(void **state)
{
    (void)state;
    assert_int_equal(threshold("proportional:1.0", 0, 0, 0), SM_THRESHOLD_MINIMUM_BYTES);
    assert_int_equal(threshold("proportional:1.0", 100, 0, 0), SM_THRESHOLD_MINIMUM_BYTES);
}

static void test_proportional_saturates(void **state)
{
    (void)state;
    assert_int_equal(threshold("proportional:1000000", UINT64_C(1) << 60, 0, 0), UINT64_MAX);
}

static void test_rules_that_learn_start_at_the_default(void **state)
{
    (void)state;
    struct sm_pacing_input nothing = {0};
    struct sm_pacing proportional = parsed("proportional:1.0");
    struct sm_pacing root = parsed("sqrt:4e-8");
    assert_int_equal(sm_pacing_threshold(&proportional, &nothing), SM_THRESHOLD_DEFAULT_BYTES);
    assert_int_equal(sm_pacing_threshold(&root, &nothing), SM_THRESHOLD_DEFAULT_BYTES);
}

static void test_sqrt_value(void **state)
{
    (void)state;
    /* 1 byte per ns, cycles of 10 ms, c = 4e-8 per byte: sqrt(1e7 / 4e-8). */
    assert_close(threshold("sqrt:4e-8", 1, 1.0, 1e7), 15811388.30);
}

static void test_sqrt_units(void **state)
{
    (void)state;
    double base = (double)threshold("sqrt:1e-8", 1, 1.0, 1e8);
    /* Time in another unit: the rate falls by what the cycle's time rises, and nothing changes. */
    assert_close(threshold("sqrt:1e-8", 1, 0.001, 1e11), base);
    /* Bytes counted in halves: the rate doubles, c per byte halves, the answer doubles. */
    assert_close(threshold("sqrt:5e-9", 1, 2.0, 1e8), base * 2);
    /* Four times the time of a cycle at the same rate: twice the headroom. */
    assert_close(threshold("sqrt:1e-8", 1, 1.0, 4e8), base * 2);
}

static void test_proportional_units(void **state)
{
    (void)state;
    assert_int_equal(threshold("proportional:0.75", 80000000, 0, 0),
                     10 * threshold("proportional:0.75", 8000000, 0, 0));
    assert_int_equal(threshold("proportional:0.75", 8000000, 1, 1), threshold("proportional:0.75", 8000000, 9, 9));
}

static void test_thresholds_never_fall_when_their_reason_grows(void **state)
{
    (void)state;
    uint64_t last_live = 0;
    uint64_t last_rate = 0;
    uint64_t last_time = 0;
    for (double x = 1; x < 1e12; x *= 3) {
        uint64_t by_live = threshold("proportional:0.3", (uint64_t)x, 0, 0);
        uint64_t by_rate = threshold("sqrt:1e-6", 1, x / 1e6, 1e6);
        uint64_t by_time = threshold("sqrt:1e-6", 1, 1.0, x);
        assert_true(by_live >= last_live && by_rate >= last_rate && by_time >= last_time);
        last_live = by_live;
        last_rate = by_rate;
        last_time = by_time;
    }
}

static void test_never_and_always(void **state)
{
    (void)state;
    assert_true(threshold("never", 5, 5, 5) == UINT64_MAX);
    assert_true(threshold("always", 5, 5, 5) == 0);
}

static void test_limit_halves_what_is_left(void **state)
{
    (void)state;
    assert_int_equal(sm_pacing_under_limit(16 << 20, 64 << 20, 20 << 20, 4 << 20), 16 << 20);
    assert_int_equal(sm_pacing_under_limit(32 << 20, 64 << 20, 20 << 20, 4 << 20), 20 << 20);
}

static void test_limit_never_raises_the_threshold(void **state)
{
    (void)state;
    for (uint64_t limit = 1 << 20; limit < UINT64_C(1) << 40; limit *= 2)
        assert_true(sm_pacing_under_limit(100000, limit, 500000, 1000) <= 100000);
    assert_int_equal(sm_pacing_under_limit(100000, 0, 500000, 1000), 100000);
}

static void test_limit_already_passed_leaves_the_minimum(void **state)
{
    (void)state;
    assert_int_equal(sm_pacing_under_limit(16 << 20, 1 << 20, 2 << 20, 0), SM_THRESHOLD_MINIMUM_BYTES);
    assert_int_equal(sm_pacing_under_limit(16 << 20, 1 << 20, 1 << 19, UINT64_MAX), SM_THRESHOLD_MINIMUM_BYTES);
    assert_int_equal(sm_pacing_under_limit(0, 1 << 20, 2 << 20, 0), 0);
}

static void test_limit_falls_as_live_and_backlog_rise(void **state)
{
    (void)state;
    uint64_t last_live = UINT64_MAX;
    uint64_t last_backlog = UINT64_MAX;
    for (uint64_t bytes = 0; bytes < 80 << 20; bytes += 1 << 20) {
        uint64_t by_live = sm_pacing_under_limit(UINT64_MAX - 1, 64 << 20, bytes, 0);
        uint64_t by_backlog = sm_pacing_under_limit(UINT64_MAX - 1, 64 << 20, 0, bytes);
        assert_true(by_live <= last_live && by_backlog <= last_backlog);
        last_live = by_live;
        last_backlog = by_backlog;
    }
}

static void test_observations_are_smoothed_by_half(void **state)
{
    (void)state;
    struct sm_pacing_input input = {0};
    sm_pacing_observe(&input, 100, 1000, 500, 40);
    assert_true(input.any_cycle && input.live_bytes == 100);
    assert_true(input.alloc_bytes_per_ns == 2.0 && input.cycle_ns == 40.0);
    sm_pacing_observe(&input, 300, 2000, 500, 80);
    assert_true(input.live_bytes == 300);
    assert_true(input.alloc_bytes_per_ns == 3.0 && input.cycle_ns == 60.0);
}

static void test_a_cycle_in_no_time_keeps_the_rate_finite(void **state)
{
    (void)state;
    struct sm_pacing_input input = {0};
    sm_pacing_observe(&input, 100, 1000, 0, 0);
    assert_true(input.alloc_bytes_per_ns == 1000.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fixed_is_its_size),
        cmocka_unit_test(test_fixed_below_the_minimum_is_refused),
        cmocka_unit_test(test_missing_value_is_refused),
        cmocka_unit_test(test_malformed_values_are_refused),
        cmocka_unit_test(test_rules_without_a_value_refuse_one),
        cmocka_unit_test(test_unknown_rule_lists_the_rules),
        cmocka_unit_test(test_rules_of_other_policies_are_refused_with_the_reason),
        cmocka_unit_test(test_zend_counts_roots),
        cmocka_unit_test(test_proportional_follows_live_bytes),
        cmocka_unit_test(test_proportional_has_a_floor),
        cmocka_unit_test(test_proportional_saturates),
        cmocka_unit_test(test_proportional_units),
        cmocka_unit_test(test_rules_that_learn_start_at_the_default),
        cmocka_unit_test(test_sqrt_value),
        cmocka_unit_test(test_sqrt_units),
        cmocka_unit_test(test_thresholds_never_fall_when_their_reason_grows),
        cmocka_unit_test(test_never_and_always),
        cmocka_unit_test(test_limit_halves_what_is_left),
        cmocka_unit_test(test_limit_never_raises_the_threshold),
        cmocka_unit_test(test_limit_already_passed_leaves_the_minimum),
        cmocka_unit_test(test_limit_falls_as_live_and_backlog_rise),
        cmocka_unit_test(test_observations_are_smoothed_by_half),
        cmocka_unit_test(test_a_cycle_in_no_time_keeps_the_rate_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
