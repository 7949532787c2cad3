/**
 * The pacing rules: parsing, values, the cap under a memory limit. Units and monotonicity: pacing_units_test.c.
 */
#include "check.h"

#include "../../lib/mm/src/pacing.h"

#include "sapimem/alloc.h"

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
    struct sm_pacing_input input = {true, live_bytes, rate, cycle_ns, UINT64_MAX};
    return sm_pacing_threshold(&pacing, &input);
}

/* Under a limit that leaves so much room. */
static uint64_t threshold_in(uint64_t room_bytes, const char *text, double rate, double cycle_ns)
{
    struct sm_pacing pacing = parsed(text);
    struct sm_pacing_input input = {true, 1 << 20, rate, cycle_ns, room_bytes};
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
    assert_refused("fixed", "fixed:SIZE");
    assert_refused("limit", "limit:SHARE");
}

static void test_malformed_values_are_refused(void **state)
{
    (void)state;
    const char *texts[] = {
        "fixed:",         "fixed:x",         "fixed:-1",         "fixed:16Q",          "proportional", "proportional:",
        "proportional:0", "proportional:-1", "proportional:nan", "proportional:1e999", "sqrt:",        "sqrt:0",
        "sqrt:abc",       "limit:0",         "limit:-0.1",       "limit:1.01",         "limit:half"};
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
    assert_refused("sometimes", "limit:SHARE, zend:ROOTS, never or always");
    assert_refused("fix:16M", "fixed:SIZE");
}

static void test_rules_of_other_policies_are_refused_with_the_reason(void **state)
{
    (void)state;
    assert_refused("zend:1", "a count of roots from 2");
    assert_refused("zend:many", "a count of roots from 2");
}

static void test_limit_without_a_memory_limit_is_refused(void **state)
{
    (void)state;
    struct sm_config config = {.policy = "marksweep", .pacing = "limit:0.2"};
    struct sm_manager *mm = NULL;
    struct sm_error error;
    assert_int_equal(sm_manager_create(&config, &mm, &error), SM_ERR_INVALID_ARGUMENT);
    assert_non_null(strstr(error.detail, "pacing 'limit:0.2': expected a memory limit"));
    config.memory_limit_bytes = 64 << 20;
    assert_int_equal(sm_manager_create(&config, &mm, &error), SM_OK);
    struct sm_stats stats;
    sm_stats_get(mm, &stats);
    assert_int_equal(stats.threshold_bytes, 32 << 20);
    sm_manager_destroy(mm);
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
    struct sm_pacing_input nothing = {.room_bytes = UINT64_MAX};
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

static void test_never_and_always(void **state)
{
    (void)state;
    assert_true(threshold("never", 5, 5, 5) == UINT64_MAX);
    assert_true(threshold("always", 5, 5, 5) == 0);
}

static void test_room_caps_what_bytes_pace(void **state)
{
    (void)state;
    assert_int_equal(threshold_in(20 << 20, "fixed:16M", 1, 1), 16 << 20);
    assert_int_equal(threshold_in(10 << 20, "fixed:16M", 1, 1), 10 << 20);
    assert_int_equal(threshold_in(10 << 20, "proportional:50", 1, 1), 10 << 20);
    assert_int_equal(threshold_in(10 << 20, "sqrt:1e-15", 1, 1e9), 10 << 20);
    /* These mean what they say: the emergency cycle is what is left to "never". */
    assert_int_equal(threshold_in(10 << 20, "never", 1, 1), UINT64_MAX);
    assert_int_equal(threshold_in(10 << 20, "zend:500", 1, 1), UINT64_MAX);
    assert_int_equal(threshold_in(10 << 20, "always", 1, 1), 0);
}

static void test_limit_uses_the_room_within_its_share_of_the_cpu(void **state)
{
    (void)state;
    /* Cycles of 1 ms at 1 byte per ns: for a fifth of the time, 4 ms of program between them, 4,000,000 bytes. */
    assert_int_equal(threshold_in(10 << 20, "limit:0.2", 1, 1e6), 10 << 20);
    assert_int_equal(threshold_in(1 << 20, "limit:0.2", 1, 1e6), 4000000);
    assert_int_equal(threshold_in(1 << 20, "limit:0.5", 1, 4e6), 4000000);
    /* The whole CPU: as often as the room says. */
    assert_int_equal(threshold_in(8192, "limit:1", 1, 1e12), 8192);
}

static void test_limit_starts_with_the_room(void **state)
{
    (void)state;
    struct sm_pacing pacing = parsed("limit:0.1");
    struct sm_pacing_input nothing = {.room_bytes = 5 << 20};
    assert_int_equal(sm_pacing_threshold(&pacing, &nothing), 5 << 20);
}

/* The limit is on what is held: of small objects that is several times their payloads. */
static void test_room_of_a_manager_counts_headers_and_rounding(void **state)
{
    (void)state;
    struct sm_config config = {
        .policy = "marksweep", .memory_limit_bytes = 64 << 20, .threshold_bytes = UINT64_C(1) << 30};
    struct sm_manager *mm = NULL;
    assert_int_equal(sm_manager_create(&config, &mm, NULL), SM_OK);
    for (int i = 0; i < 1000; i++)
        assert_non_null(sm_alloc(mm, SM_TYPE_VALUES, 24));
    assert_int_equal(sm_collect(mm, SM_COLLECT_FULL), SM_OK);
    struct sm_stats stats;
    sm_stats_get(mm, &stats);
    assert_true(stats.policy_bytes >= 1000 * SM_HEADER_BYTES);
    double overhead = 1 + (double)stats.policy_bytes / 24000;
    assert_close(stats.threshold_bytes, (double)(32 << 20) / overhead);
    sm_manager_destroy(mm);
}

static uint64_t room(uint64_t limit_bytes, uint64_t live_bytes, uint64_t waiting_bytes, double overhead)
{
    const struct sm_pacing_memory memory = {limit_bytes, live_bytes, waiting_bytes, overhead};
    return sm_pacing_room(&memory);
}

static void test_room_is_half_of_what_is_left(void **state)
{
    (void)state;
    assert_int_equal(room(64 << 20, 20 << 20, 4 << 20, 1), 20 << 20);
    assert_int_equal(room(0, 20 << 20, 4 << 20, 1), UINT64_MAX);
    /* The limit is on what is held; the clock counts payloads. */
    assert_int_equal(room(64 << 20, 20 << 20, 4 << 20, 2), 5 << 20);
}

static void test_room_of_a_full_heap_is_the_minimum(void **state)
{
    (void)state;
    assert_int_equal(room(1 << 20, 2 << 20, 0, 1), SM_THRESHOLD_MINIMUM_BYTES);
    assert_int_equal(room(1 << 20, 1 << 19, UINT64_MAX, 1), SM_THRESHOLD_MINIMUM_BYTES);
    assert_int_equal(room(1 << 20, UINT64_MAX, UINT64_MAX, 3), SM_THRESHOLD_MINIMUM_BYTES);
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
        cmocka_unit_test(test_rules_that_learn_start_at_the_default),
        cmocka_unit_test(test_sqrt_value),
        cmocka_unit_test(test_never_and_always),
        cmocka_unit_test(test_room_caps_what_bytes_pace),
        cmocka_unit_test(test_limit_without_a_memory_limit_is_refused),
        cmocka_unit_test(test_limit_uses_the_room_within_its_share_of_the_cpu),
        cmocka_unit_test(test_limit_starts_with_the_room),
        cmocka_unit_test(test_room_of_a_manager_counts_headers_and_rounding),
        cmocka_unit_test(test_room_is_half_of_what_is_left),
        cmocka_unit_test(test_room_of_a_full_heap_is_the_minimum),
        cmocka_unit_test(test_observations_are_smoothed_by_half),
        cmocka_unit_test(test_a_cycle_in_no_time_keeps_the_rate_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
