/* Workload cli-leak: what stays is what the option says, to the byte, under every policy; the rest dies. */
#include "check.h"
#include "workload_run.h"

#include <string.h>

static const struct wl_ops *leak_ops(void)
{
    return workload_find("cli-leak");
}

/* Payload bytes that live after `steps` steps and a collection. */
static uint64_t live_after(const char *policy, const char *options, uint64_t steps)
{
    struct workload_run run = workload_run_of(SM_SAPI_CLI, policy, options, steps);
    struct wl_instance *instance = workload_create(leak_ops(), &run);
    struct sm_stats stats;
    workload_steps(instance, steps);
    assert_int_equal(sm_quiesce(instance->mm), SM_OK);
    sm_stats_get(instance->mm, &stats);
    leak_ops()->destroy(instance);
    return stats.live_bytes;
}

static void test_the_leak_is_exact(void **state)
{
    (void)state;
    static const char *const policies[] = {"refcount", "epoch:reclaim=inline", "marksweep"};
    for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
        assert_int_equal(live_after(policies[i], "", 60) - live_after(policies[i], "", 10), 50 * 1024);
        assert_int_equal(live_after(policies[i], "leak=104", 60) - live_after(policies[i], "leak=104", 10), 50 * 104);
        assert_int_equal(live_after(policies[i], "leak=0", 60), live_after(policies[i], "leak=0", 10));
    }
}

static void test_everything_else_dies_by_counts(void **state)
{
    (void)state;
    struct workload_run run = workload_run_of(SM_SAPI_CLI, "refcount", "leak=0", 10);
    run.manager.pacing = "never";
    struct workload_outcome outcome = workload_run(leak_ops(), &run);
    assert_true(outcome.step_alloc_count > 10 * 800);
    assert_true(outcome.retained_objects < 400);
    assert_int_equal(outcome.stats.live_objects, outcome.retained_objects);
}

static void test_a_leak_too_small_for_its_node_is_refused(void **state)
{
    (void)state;
    struct workload_run run = workload_run_of(SM_SAPI_CLI, "null", "leak=103", 0);
    struct sm_error error = workload_refusal(leak_ops(), &run);
    assert_int_equal(error.status, SM_ERR_INVALID_ARGUMENT);
    assert_non_null(strstr(error.detail, "leak=103: expected 0, or 104 and more"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_leak_is_exact),
        cmocka_unit_test(test_everything_else_dies_by_counts),
        cmocka_unit_test(test_a_leak_too_small_for_its_node_is_refused),
    };
    return cmocka_run_group_tests_name("cli_leak", tests, NULL, NULL);
}
