/** The search for the smallest limit that fits, and the arguments of a workload's minheap. */
#include "minheap.h"

#include "sapimem/manager.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* A run that needs so much. */
struct need {
    uint64_t bytes;
    size_t fails_at;  /* this probe fails; 0: none */
    size_t too_short; /* so many run out of time first, whether they fit or not */
    size_t probe_count;
};

static sm_status attempt(void *context, struct hx_minheap_probe *probe, struct sm_error *error)
{
    struct need *need = context;
    assert_true(probe->limit_bytes >= SM_MEMORY_LIMIT_MINIMUM_BYTES);
    if (++need->probe_count == need->fails_at) {
        strcpy(error->detail, "it crashed");
        return error->status = SM_ERR_SYSTEM;
    }
    bool is_late = need->probe_count <= need->too_short;
    probe->fits = !is_late && probe->limit_bytes >= need->bytes;
    strcpy(probe->status, probe->fits ? "ok" : is_late ? "timeout" : "oom");
    return SM_OK;
}

static const uint64_t ceiling_bytes = UINT64_C(8) << 30;

/* At most 1 % or 64 KiB above what is needed, whatever that is, with the neighbours on record. */
static void test_search_finds_what_is_needed(void **state)
{
    (void)state;
    const uint64_t needs[] = {SM_MEMORY_LIMIT_MINIMUM_BYTES + 1,
                              SM_MEMORY_LIMIT_MINIMUM_BYTES + 65537,
                              3000000,
                              (16u << 20) - 1,
                              16u << 20,
                              (16u << 20) + 1,
                              123456789,
                              UINT64_C(5) << 30};
    for (size_t i = 0; i < sizeof(needs) / sizeof(needs[0]); i++) {
        struct need need = {.bytes = needs[i]};
        struct hx_minheap minheap;
        struct sm_error error = {SM_OK, ""};
        assert_int_equal(hx_minheap_search(attempt, &need, ceiling_bytes, &minheap, &error), SM_OK);
        uint64_t precision_bytes = needs[i] / 100 > 65536 ? needs[i] / 100 : 65536;
        assert_true(minheap.bytes >= needs[i]);
        assert_true(minheap.bytes - needs[i] <= precision_bytes + precision_bytes / 50);
        assert_int_equal(minheap.probe_count, need.probe_count);
        assert_true(minheap.probe_count <= 20);
        bool has_upper = false, has_lower = false;
        for (size_t j = 0; j < minheap.probe_count; j++) {
            has_upper = has_upper || (minheap.probes[j].fits && minheap.probes[j].limit_bytes == minheap.bytes);
            has_lower = has_lower || (!minheap.probes[j].fits &&
                                      minheap.probes[j].limit_bytes == minheap.bytes - minheap.precision_bytes);
        }
        assert_true(has_upper);
        assert_true(has_lower);
    }
}

/* Before one completed nobody knows how long is too long: what ran out of time then is no lower bound. */
static void test_what_ran_out_of_time_at_first_is_tried_again(void **state)
{
    (void)state;
    for (size_t too_short = 1; too_short < 4; too_short++) {
        struct need need = {.bytes = 5u << 20, .too_short = too_short};
        struct hx_minheap minheap;
        struct sm_error error = {SM_OK, ""};
        assert_int_equal(hx_minheap_search(attempt, &need, ceiling_bytes, &minheap, &error), SM_OK);
        assert_in_range(minheap.bytes, 5u << 20, (5u << 20) + 65536);
    }
}

static void test_least_limit_fits(void **state)
{
    (void)state;
    struct need need = {.bytes = 1};
    struct hx_minheap minheap;
    struct sm_error error = {SM_OK, ""};
    assert_int_equal(hx_minheap_search(attempt, &need, ceiling_bytes, &minheap, &error), SM_OK);
    assert_int_equal(minheap.bytes, SM_MEMORY_LIMIT_MINIMUM_BYTES);
    assert_int_equal(minheap.precision_bytes, 0);
}

static void test_nothing_fits(void **state)
{
    (void)state;
    struct need need = {.bytes = UINT64_MAX};
    struct hx_minheap minheap;
    struct sm_error error = {SM_OK, ""};
    assert_int_equal(hx_minheap_search(attempt, &need, 100u << 20, &minheap, &error), SM_ERR_OUT_OF_MEMORY);
    assert_int_equal(minheap.probes[minheap.probe_count - 1].limit_bytes, 100u << 20);
    assert_non_null(strstr(error.detail, "100 MiB"));
}

static void test_a_failing_probe_ends_the_search(void **state)
{
    (void)state;
    for (size_t fails_at = 1; fails_at < 8; fails_at++) {
        struct need need = {.bytes = 123456789, .fails_at = fails_at};
        struct hx_minheap minheap;
        struct sm_error error = {SM_OK, ""};
        assert_int_equal(hx_minheap_search(attempt, &need, ceiling_bytes, &minheap, &error), SM_ERR_SYSTEM);
        assert_string_equal(error.detail, "it crashed");
        assert_int_equal(need.probe_count, fails_at);
    }
}

/* Which work is done stays; the policy, its pacing, the limit and where results go do not. */
static void test_arguments_of_a_workload(void **state)
{
    (void)state;
    char *arguments[] = {"--policy=epoch:young=never",
                         "--workload",
                         "cli-queue:cache=500",
                         "--threshold",
                         "1M",
                         "--minheap-factor=2",
                         "--alloc=8M",
                         "--seed",
                         "7",
                         "--quiet",
                         "--json=x.json",
                         "--observers=2",
                         "--alloc=9M",
                         "--sharing=bit"};
    static const char *const expected[] = {
        "--policy=marksweep", "--mutator-work=none", "--workload=cli-queue:cache=500", "--alloc=9M",
        "--seed=7",           "--sharing=bit"};
    struct hx_cell cell;
    assert_true(hx_minheap_arguments(sizeof(arguments) / sizeof(arguments[0]), arguments, &cell));
    assert_int_equal(cell.argument_count, sizeof(expected) / sizeof(expected[0]));
    for (size_t i = 0; i < cell.argument_count; i++)
        assert_string_equal(cell.arguments[i], expected[i]);
    hx_cell_finish(&cell);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_search_finds_what_is_needed),
        cmocka_unit_test(test_what_ran_out_of_time_at_first_is_tried_again),
        cmocka_unit_test(test_least_limit_fits),
        cmocka_unit_test(test_nothing_fits),
        cmocka_unit_test(test_a_failing_probe_ends_the_search),
        cmocka_unit_test(test_arguments_of_a_workload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
