/**
 * Pauses: nesting, causes, records, names.
 */
#include "check.h"
#include "list_policy.h"
#include "pause.h"

#include <string.h>
#include <time.h>

struct seen {
    int count;
    struct sm_pause_record last;
};

static void see(void *context, const struct sm_pause_record *record)
{
    struct seen *seen = context;
    seen->count++;
    seen->last = *record;
}

static struct sm_manager *watched(struct seen *seen)
{
    struct sm_config config = {.hooks = {.context = seen, .on_pause = see}};
    return list_policy_manager(&list_policy_tracing_ops, &config);
}

static void spend_ms(long milliseconds)
{
    const struct timespec pause = {0, milliseconds * 1000000};
    nanosleep(&pause, NULL);
}

static void test_nested_pauses_are_part_of_the_outermost(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct sm_manager *mm = watched(&seen);
    sm_pause_begin(mm, SM_PAUSE_CYCLE);
    sm_pause_begin(mm, SM_PAUSE_GRACE);
    sm_pause_end(mm);
    assert_int_equal(seen.count, 0);
    sm_pause_end(mm);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.last.cause, SM_PAUSE_CYCLE);
    struct sm_stats stats;
    sm_stats_get(mm, &stats);
    assert_int_equal(stats.pauses, 1);
    sm_manager_destroy(mm);
}

static void test_durations_add_up(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct sm_manager *mm = watched(&seen);
    uint64_t total_ns = 0;
    uint64_t max_ns = 0;
    uint64_t last_end_ns = 0;
    for (int i = 0; i < 3; i++) {
        sm_pause_begin(mm, SM_PAUSE_ASSIST);
        spend_ms(i + 1);
        sm_pause_end(mm);
        assert_true(seen.last.duration_ns >= (uint64_t)(i + 1) * 1000000);
        assert_true(seen.last.start_ns >= last_end_ns);
        assert_true(seen.last.run_delay_ns <= seen.last.duration_ns);
        last_end_ns = seen.last.start_ns + seen.last.duration_ns;
        total_ns += seen.last.duration_ns;
        max_ns = seen.last.duration_ns > max_ns ? seen.last.duration_ns : max_ns;
    }
    struct sm_stats stats;
    sm_stats_get(mm, &stats);
    assert_int_equal(stats.pauses, 3);
    assert_int_equal(stats.pause_total_ns, total_ns);
    assert_int_equal(stats.pause_max_ns, max_ns);
    sm_manager_destroy(mm);
}

/* The clock is read in this order, so the bound holds on any machine. */
static void test_what_is_set_aside_is_no_part_of_the_pause(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct sm_manager *mm = watched(&seen);
    uint64_t outer_start_ns = sm_clock_ns();
    sm_pause_begin(mm, SM_PAUSE_CYCLE);
    sm_pause_aside_begin(mm);
    uint64_t start_ns = sm_clock_ns();
    while (sm_clock_ns() - start_ns < 2000000)
        continue;
    sm_pause_aside_end(mm);
    sm_pause_end(mm);
    uint64_t outer_ns = sm_clock_ns() - outer_start_ns;
    assert_int_equal(seen.count, 1);
    assert_true(seen.last.duration_ns + 2000000 <= outer_ns);
    /* Of the next pause nothing is set aside. */
    sm_pause_begin(mm, SM_PAUSE_CYCLE);
    assert_int_equal(sm_pause_aside_ns(mm), 0);
    sm_pause_end(mm);
    sm_manager_destroy(mm);
}

static void test_request_end_is_a_pause(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct sm_manager *mm = watched(&seen);
    sm_request_begin(mm);
    assert_int_equal(seen.count, 0);
    sm_request_end(mm);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.last.cause, SM_PAUSE_REQUEST_END);
    sm_manager_destroy(mm);
}

static void test_plain_allocation_is_no_pause(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct sm_manager *mm = watched(&seen);
    for (int i = 0; i < 1000; i++)
        assert_non_null(sm_alloc(mm, SM_TYPE_VALUES, (size_t)i * 8));
    sm_attention_request(mm);
    sm_safepoint(mm);
    assert_int_equal(seen.count, 0);
    sm_manager_destroy(mm);
}

static void test_every_cause_and_trigger_has_its_own_name(void **state)
{
    (void)state;
    for (int i = 0; i < SM_PAUSE_CAUSE_COUNT; i++) {
        assert_true(strlen(sm_pause_cause_name((enum sm_pause_cause)i)) > 0);
        for (int j = 0; j < i; j++)
            assert_string_not_equal(sm_pause_cause_name((enum sm_pause_cause)i),
                                    sm_pause_cause_name((enum sm_pause_cause)j));
    }
    for (int i = 0; i < SM_TRIGGER_COUNT; i++) {
        for (int j = 0; j < i; j++)
            assert_string_not_equal(sm_trigger_name((enum sm_trigger)i), sm_trigger_name((enum sm_trigger)j));
    }
    assert_string_equal(sm_pause_cause_name(SM_PAUSE_CYCLE), "cycle");
    assert_string_equal(sm_trigger_name(SM_TRIGGER_EMERGENCY), "emergency");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nested_pauses_are_part_of_the_outermost),
        cmocka_unit_test(test_durations_add_up),
        cmocka_unit_test(test_what_is_set_aside_is_no_part_of_the_pause),
        cmocka_unit_test(test_request_end_is_a_pause),
        cmocka_unit_test(test_plain_allocation_is_no_pause),
        cmocka_unit_test(test_every_cause_and_trigger_has_its_own_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
