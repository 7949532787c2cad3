/* Workload cli-dtor: rings that only a cycle finds, destructors that touch what lives on, and what that costs a collector. */
#include "check.h"
#include "workload_run.h"

#include <string.h>

/* What the study tells of story S11, on a world beyond the collector's threshold. */
#define STORM "objects=3400,cyclic=0.5,world=50000"

enum { OBJECTS = 3400, STEPS = 6 };

static struct workload_outcome outcome_of(const char *policy, const char *options)
{
    struct workload_run run = workload_run_of(SM_SAPI_CLI, policy, options, STEPS);
    return workload_run(workload_find("cli-dtor"), &run);
}

static void test_destructors_run_once_each(void **state)
{
    (void)state;
    static const char *const options[] = {STORM, STORM ",touch=20", "objects=3400,cyclic=1,world=9,touch=1",
                                          "objects=3400,touch=2,world=7919"};
    static const char *const policies[] = {"epoch:reclaim=inline", "refcount", "marksweep"};
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        for (size_t j = 0; j < sizeof(policies) / sizeof(policies[0]); j++) {
            struct workload_outcome outcome = outcome_of(policies[j], options[i]);
            assert_int_equal(outcome.stats.destructors_run, STEPS * OBJECTS);
            assert_int_equal(outcome.leaked_objects, 0);
        }
}

static uint64_t destructors_run_in_steps(const char *options)
{
    struct workload_run run = workload_run_of(SM_SAPI_CLI, "refcount", options, STEPS);
    run.manager.pacing = "never";
    struct wl_instance *instance = workload_create(workload_find("cli-dtor"), &run);
    workload_steps(instance, STEPS);
    struct sm_stats stats;
    sm_stats_get(instance->mm, &stats);
    instance->ops->destroy(instance);
    return stats.destructors_run;
}

static void test_counts_alone_find_all_but_the_share_in_rings(void **state)
{
    (void)state;
    assert_int_equal(destructors_run_in_steps("objects=3400"), STEPS * OBJECTS);
    assert_int_equal(destructors_run_in_steps("objects=3400,cyclic=0.5"), STEPS * OBJECTS / 2);
    assert_int_equal(destructors_run_in_steps("objects=3400,cyclic=1"), 0);
}

/* Each becomes a possible root, so the buffer is full again before the next ring dies. PHP: 130 runs, without 2. */
static void test_touches_make_the_collector_run_again_and_again(void **state)
{
    (void)state;
    uint64_t without = outcome_of("refcount", STORM).stats.cycles;
    uint64_t with = outcome_of("refcount", STORM ",touch=100").stats.cycles;
    assert_true(without >= 1);
    assert_in_range(with, 10 * STEPS, 15 * STEPS);
    assert_true(with > 10 * without);
}

/* Destructors of rings run within a run of the collector, whose second pass takes what they touched out of the buffer. */
static void test_touches_of_rings_alone_make_no_more_runs(void **state)
{
    (void)state;
    uint64_t without = outcome_of("refcount", "objects=3400,cyclic=1,world=50000").stats.cycles;
    uint64_t with = outcome_of("refcount", "objects=3400,cyclic=1,world=50000,touch=100").stats.cycles;
    assert_int_equal(with, without);
}

/* Tracing policies run when bytes say so. */
static void test_touches_cost_a_tracing_policy_no_cycle(void **state)
{
    (void)state;
    assert_int_equal(outcome_of("marksweep", STORM ",touch=100").stats.cycles,
                     outcome_of("marksweep", STORM).stats.cycles);
}

static void test_options_that_contradict_each_other_are_refused(void **state)
{
    (void)state;
    static const char *const refused[][2] = {{"touch=5", "cli-dtor: touch: expected a world"},
                                             {"listed=1,cyclic=0.5", "cli-dtor: listed: expected no rings"}};
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct workload_run run = workload_run_of(SM_SAPI_CLI, "null", refused[i][0], 1);
        struct sm_error error = workload_refusal(workload_find("cli-dtor"), &run);
        assert_int_equal(error.status, SM_ERR_INVALID_ARGUMENT);
        assert_non_null(strstr(error.detail, refused[i][1]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_destructors_run_once_each),
        cmocka_unit_test(test_counts_alone_find_all_but_the_share_in_rings),
        cmocka_unit_test(test_touches_make_the_collector_run_again_and_again),
        cmocka_unit_test(test_touches_of_rings_alone_make_no_more_runs),
        cmocka_unit_test(test_touches_cost_a_tracing_policy_no_cycle),
        cmocka_unit_test(test_options_that_contradict_each_other_are_refused),
    };
    return cmocka_run_group_tests_name("cli_dtor", tests, NULL, NULL);
}
