/** --stall=THREAD:AT:DURATION, and --inject=FAULT. */
#include "fault_spec.h"
#include "stall.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void check_stall(const char *text, unsigned observer, uint64_t at_bytes, uint64_t duration_ns)
{
    struct hx_stall stall = {0};
    struct sm_error error = {SM_OK, ""};
    assert_int_equal(hx_stall_parse(text, &stall, &error), SM_OK);
    assert_int_equal(stall.observer, observer);
    assert_int_equal(stall.at_bytes, at_bytes);
    assert_true(stall.duration_ns == duration_ns);
}

static void test_stalls(void **state)
{
    (void)state;
    check_stall("observer-0:16M:100ms", 0, 16u << 20, 100000000);
    check_stall("observer-63:0:2s", 63, 0, 2000000000);
    check_stall("observer-1:4096:1.5s", 1, 4096, 1500000000);
    check_stall("observer-1:1K:250us", 1, 1024, 250000);
    check_stall("observer-2:1G:forever", 2, 1u << 30, HX_STALL_FOREVER);
}

/* Each refusal names the option and says what was expected. */
static void test_bad_stalls(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "observer-0",
        "observer-0:16M",
        "reader-0:16M:1s",
        "observer-:16M:1s",
        "observer-64:16M:1s",
        "observer--1:16M:1s",
        "observer-0::1s",
        "observer-0:-1:1s",
        "observer-0:16X:1s",
        "observer-0:16M:",
        "observer-0:16M:1",
        "observer-0:16M:s",
        "observer-0:16M:-1s",
        "observer-0:16M:never",
        "observer-0:16M:1s:2",
        "observer-0:16M:1e300s",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct hx_stall stall;
        struct sm_error error = {SM_OK, ""};
        assert_int_equal(hx_stall_parse(texts[i], &stall, &error), SM_ERR_INVALID_ARGUMENT);
        assert_non_null(strstr(error.detail, "--stall="));
        assert_non_null(strstr(error.detail, "expected"));
    }
}

static void check_fault(const char *text, enum wl_fault kind, uint64_t period, uint64_t fail_alloc_after)
{
    struct hx_fault fault;
    struct sm_error error = {SM_OK, ""};
    assert_int_equal(hx_fault_parse(text, &fault, &error), SM_OK);
    assert_int_equal(fault.kind, kind);
    assert_int_equal(fault.period, period);
    assert_int_equal(fault.fail_alloc_after, fail_alloc_after);
}

static void test_faults(void **state)
{
    (void)state;
    check_fault("leak:1/1000", WL_FAULT_LEAK, 1000, 0);
    check_fault("flip-byte:10", WL_FAULT_FLIP_BYTE, 10, 0);
    check_fault("flip-edge:2k", WL_FAULT_FLIP_EDGE, 2000, 0);
    check_fault("fail-alloc:3", WL_FAULT_NONE, 0, 3);
}

static void test_bad_faults(void **state)
{
    (void)state;
    static const char *const texts[] = {"",           "leak",        "leak:1000",    "leak:1/0",     "leak:2/3",
                                        "flip-byte:", "flip-byte:0", "flip-edge:-1", "fail-alloc:x", "crash:1"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct hx_fault fault;
        struct sm_error error = {SM_OK, ""};
        assert_int_equal(hx_fault_parse(texts[i], &fault, &error), SM_ERR_INVALID_ARGUMENT);
        assert_non_null(strstr(error.detail, "--inject="));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stalls),
        cmocka_unit_test(test_bad_stalls),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_bad_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
