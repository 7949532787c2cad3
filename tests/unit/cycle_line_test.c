/**
 * The line of --trace-gc, figure by figure.
 */
#include "check.h"

#include "cycle_line.h"

#include <stdlib.h>
#include <string.h>

static void assert_line(const struct sm_cycle_record *record, uint64_t elapsed_ns, const char *expected)
{
    char *text = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&text, &length);
    if (stream == NULL) {
        fail();
        return;
    }
    hx_cycle_line_print(record, elapsed_ns, stream);
    fclose(stream);
    assert_string_equal(text, expected);
    free(text);
}

static const struct sm_cycle_record concurrent = {
    .index = 12,
    .kind = SM_CYCLE_FULL,
    .trigger = SM_TRIGGER_THRESHOLD,
    .is_concurrent = true,
    .traced_objects = 123456,
    .logged_objects = 1234,
    .retired_bytes = 12 << 20,
    .heap_bytes = 21 << 20,
    .goal_bytes = 37 << 20,
    .backlog_bytes = 3 << 20,
    .pause_ns = 310000,
    .max_pause_ns = 200000,
    .mark_ns = 12300000,
    .cpu_ns = 1200000,
    .collector_cpu_ns = 11800000,
    .slice_count = 3,
    .assist_count = 1,
};

static void test_line_has_every_figure(void **state)
{
    (void)state;
    assert_line(
        &concurrent, 1234567890,
        "gc 12 @1.235s full threshold concurrent: 33.0 MiB -> 21.0 MiB -> goal 37.0 MiB, pause 310 us max 200 us, "
        "mark 12.3 ms, cpu 1.20 ms + 11.8 ms, 3 slices, 1 assist, 123,456 traced, 1,234 logged, backlog 3.00 "
        "MiB\n");
}

static void test_line_says_how_a_cycle_ended(void **state)
{
    (void)state;
    struct sm_cycle_record record = concurrent;
    record.is_fallback = true;
    record.trigger = SM_TRIGGER_MANUAL;
    assert_line(&record, 0,
                "gc 12 @0.000s full manual fallback: 33.0 MiB -> 21.0 MiB -> goal 37.0 MiB, pause 310 us max 200 us, "
                "mark 12.3 ms, cpu 1.20 ms + 11.8 ms, 3 slices, 1 assist, 123,456 traced, 1,234 logged, backlog 3.00 "
                "MiB\n");
}

static void test_line_of_a_stop_without_a_goal(void **state)
{
    (void)state;
    const struct sm_cycle_record young = {
        .index = 1, .kind = SM_CYCLE_YOUNG, .trigger = SM_TRIGGER_BOUNDARY, .heap_bytes = 100, .retired_bytes = 900};
    assert_line(&young, 2000000,
                "gc 1 @0.002s young boundary stop: 1000 B -> 100 B -> goal none, pause 0 ns max 0 ns, mark 0 ns, cpu 0 "
                "ns + 0 ns, 0 slices, 0 assists, 0 traced, 0 logged, backlog 0 B\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line_has_every_figure),
        cmocka_unit_test(test_line_says_how_a_cycle_ended),
        cmocka_unit_test(test_line_of_a_stop_without_a_goal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
