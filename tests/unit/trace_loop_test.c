/** Traces replayed again and again: by `repeat`, and as often as is asked for. */
#include "check.h"
#include "test_scale.h"
#include "trace_files.h"
#include "trace_run.h"

#include "sapimem/alloc.h"
#include "workloads/trace.h"

#include <string.h>
#include <unistd.h>

/* ---- Repetition. ---- */

static struct trace_outcome run_repeated(const char *path, const char *policy, const char *text)
{
    struct sm_option_values options;
    struct wl_config config = trace_config(path, policy);
    assert_int_equal(sm_options_parse("workload trace", wl_trace.options, wl_trace.option_count, text, &options, NULL),
                     SM_OK);
    config.options = &options;
    return trace_run(&config);
}

static void compare_repeated(const char *path)
{
    struct trace_outcome once = trace_run_policy(path, trace_policies[0]);
    struct trace_outcome first = run_repeated(path, trace_policies[0], "repeat=3");
    trace_assert_clean(&first, path, trace_policies[0]);
    assert_int_equal(first.alloc_bytes, 3 * once.alloc_bytes);
    assert_int_equal(first.alloc_count, 3 * once.alloc_count);
    assert_int_equal(first.steps_done, 3 * once.steps_done);
    assert_int_not_equal(first.checksum, once.checksum);
    for (size_t i = 1; i < TRACE_POLICY_COUNT; i++) {
        struct trace_outcome other = run_repeated(path, trace_policies[i], "repeat=3");
        trace_assert_clean(&other, path, trace_policies[i]);
        trace_assert_same(&first, &other);
        if (i >= TRACE_INLINE_EPOCH)
            assert_int_equal(other.garbage_bytes, 0);
    }
}

static void test_repeated_replay(void **state)
{
    (void)state;
    assert_true(traces_visit("valid", compare_repeated) >= 8);
}

/* ---- Loops: as often as is asked for. ---- */

/* Steps until as many are done, as the harness does, then as `drive`. */
static struct trace_outcome run_wanted(const char *path, const char *policy, uint64_t steps, uint64_t *passes)
{
    struct trace_outcome outcome = {.step = WL_STEP_MORE};
    struct wl_instance *instance;
    struct sm_error error = {SM_OK, ""};
    struct wl_config config = trace_config(path, policy);
    config.wanted_steps = steps;
    if (wl_trace.create(&config, &instance, &error) != SM_OK)
        fail_msg("%s", error.detail);
    while (outcome.step == WL_STEP_MORE && instance->steps_done < steps)
        outcome.step = wl_trace.step(instance);
    outcome.finish = wl_trace.finish(instance);
    outcome.checksum = instance->checksum;
    outcome.alloc_bytes = sm_hot(instance->mm)->alloc_bytes;
    outcome.steps_done = instance->steps_done;
    *passes = wl_trace_passes(instance);
    wl_trace.destroy(instance);
    return outcome;
}

/* A request again and again is what `repeat` makes of it, byte by byte and under every policy. */
static void loop_request(const char *path)
{
    struct trace_outcome once = trace_run_policy(path, trace_policies[0]);
    struct trace_outcome repeated = run_repeated(path, trace_policies[0], "repeat=5");
    for (size_t i = 0; i < TRACE_POLICY_COUNT; i++) {
        uint64_t passes;
        struct trace_outcome looped = run_wanted(path, trace_policies[i], 5 * once.steps_done, &passes);
        assert_int_equal(looped.finish, WL_STEP_DONE);
        assert_int_equal(looped.steps_done, 5 * once.steps_done);
        assert_int_equal(looped.alloc_bytes, 5 * once.alloc_bytes);
        assert_int_equal(passes, 5);
        assert_int_equal(looped.checksum, repeated.checksum);
    }
}

static void test_a_request_is_replayed_in_a_loop(void **state)
{
    char path[4096];
    uint64_t passes;
    (void)state;
    /* Events behind the last request end are not asked for, so that the last pass is not whole. */
    traces_path(path, "valid/requests.sapitrace");
    struct trace_outcome first = run_wanted(path, trace_policies[0], 15, &passes);
    for (size_t i = 0; i < TRACE_POLICY_COUNT; i++) {
        struct trace_outcome looped = run_wanted(path, trace_policies[i], 15, &passes);
        assert_int_equal(looped.finish, WL_STEP_DONE);
        assert_int_equal(looped.checksum, first.checksum);
        assert_int_equal(passes, 4);
    }
    trace_visit_prefix("symfony-blog.sapitrace.zst", test_scale(0, 12000, 12000), loop_request);
}

/* What is asked for ends inside the second pass. */
static void test_a_loop_may_end_inside_a_pass(void **state)
{
    char path[4096];
    uint64_t passes;
    (void)state;
    traces_path(path, "valid/requests.sapitrace");
    struct trace_outcome once = trace_run_policy(path, trace_policies[0]);
    assert_int_equal(once.steps_done, 3);
    struct trace_outcome part = run_wanted(path, trace_policies[0], 4, &passes);
    assert_int_equal(part.finish, WL_STEP_DONE);
    assert_int_equal(part.steps_done, 4);
    assert_int_equal(passes, 1);
    struct trace_outcome less = run_wanted(path, trace_policies[0], 2, &passes);
    assert_int_equal(less.steps_done, 2);
    assert_int_equal(passes, 0);
}

static sm_status create_wanting(const char *path, uint64_t steps, uint64_t bytes, const char *options,
                                struct sm_error *error)
{
    struct sm_option_values values;
    struct wl_instance *instance = NULL;
    struct wl_config config = trace_config(path, "null");
    config.wanted_steps = steps;
    config.wanted_bytes = bytes;
    assert_int_equal(sm_options_parse("trace", wl_trace.options, wl_trace.option_count, options, &values, NULL), SM_OK);
    config.options = &values;
    sm_status status = wl_trace.create(&config, &instance, error);
    wl_trace.destroy(instance);
    return status;
}

static const char unended[] = "# sapitrace 1\n(\nn 1 array 0 2\ng 3 1\ni\ni\n)\n";
static const char ended[] = "# sapitrace 1\n(\nn 1 array 0 2\ng 3 1\ni\ni\ng 3 0\n)\n";
static const char idle[] = "# sapitrace 1\n(\n)\n";

static void test_a_program_that_has_not_ended_is_not_looped(void **state)
{
    char path[64];
    struct sm_error error = {SM_OK, ""};
    uint64_t passes;
    (void)state;
    trace_scratch_path(path);
    write_whole(path, unended, strlen(unended));
    assert_int_equal(create_wanting(path, 2, 0, NULL, &error), SM_OK);
    assert_int_equal(create_wanting(path, 0, 32, NULL, &error), SM_OK);
    assert_int_equal(create_wanting(path, 3, 0, NULL, &error), SM_ERR_INVALID_ARGUMENT);
    assert_non_null(
        strstr(error.detail, "3 iterations or requests asked for, it has 2 and cannot be replayed in a loop"));
    assert_non_null(strstr(error.detail, "at its end 1 globals hold objects"));
    assert_int_equal(create_wanting(path, 0, 33, NULL, &error), SM_ERR_INVALID_ARGUMENT);
    assert_non_null(strstr(error.detail, "33 bytes asked for, it has 32 and cannot"));
    /* Whoever says how often has said what happens to the globals. */
    assert_int_equal(create_wanting(path, 3, 0, "repeat=2", &error), SM_OK);

    write_whole(path, ended, strlen(ended));
    for (size_t i = 0; i < TRACE_POLICY_COUNT; i++) {
        struct trace_outcome looped = run_wanted(path, trace_policies[i], 1000, &passes);
        assert_int_equal(looped.finish, WL_STEP_DONE);
        assert_int_equal(looped.steps_done, 1000);
        assert_int_equal(passes, 499);
    }
    write_whole(path, idle, strlen(idle));
    assert_int_equal(create_wanting(path, 1, 0, NULL, &error), SM_ERR_INVALID_ARGUMENT);
    assert_non_null(strstr(error.detail, "it has none"));
    assert_int_equal(create_wanting(path, 0, 1, NULL, &error), SM_ERR_INVALID_ARGUMENT);
    unlink(path);
}

/* A byte that is changed in a later pass makes that pass another one. */
static void test_a_pass_unlike_the_first_is_noticed(void **state)
{
    char path[4096];
    struct sm_option_values options;
    (void)state;
    traces_path(path, "valid/every-event.sapitrace");
    struct trace_outcome once = trace_run_policy(path, trace_policies[0]);
    assert_int_equal(sm_options_parse("trace", wl_trace.options, wl_trace.option_count, "repeat=3", &options, NULL),
                     SM_OK);
    struct trace_outcome clean = run_repeated(path, trace_policies[0], "repeat=3");
    for (uint64_t period = 1; period < 3 * 60; period += 7) {
        struct wl_config config = trace_config(path, trace_policies[0]);
        config.options = &options;
        config.fault = WL_FAULT_FLIP_BYTE;
        config.fault_period = period;
        struct trace_outcome flipped = trace_run(&config);
        assert_true(flipped.finish == WL_STEP_INVALID || flipped.checksum == clean.checksum);
        if (period < 2 * 30)
            assert_int_equal(flipped.finish, WL_STEP_INVALID);
    }
    assert_int_not_equal(clean.checksum, once.checksum);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_repeated_replay),
        cmocka_unit_test(test_a_request_is_replayed_in_a_loop),
        cmocka_unit_test(test_a_loop_may_end_inside_a_pass),
        cmocka_unit_test(test_a_program_that_has_not_ended_is_not_looped),
        cmocka_unit_test(test_a_pass_unlike_the_first_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
