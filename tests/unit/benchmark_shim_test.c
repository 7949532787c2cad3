/** The C interface to Google Benchmark: one run of everything, then what its report says of each part. */
#include "benchmark_shim.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/** What the functions below saw. */
static struct {
    int64_t loop_count;
    int64_t batch_iterations;
    int64_t argument_sum;
    int64_t pair[2];
    unsigned threads_seen; /* a bit for each index */
    int thread_count;
    const void *context;
} seen;

static json_t *report;

static void plain(struct bm_state *state, const void *context)
{
    seen.context = context;
    while (bm_keep_running(state))
        seen.loop_count++;
    bm_label(state, "a label");
}

static void batch(struct bm_state *state, const void *context)
{
    (void)context;
    while (bm_keep_running_batch(state, 10))
        continue;
    seen.batch_iterations = bm_iterations_done(state);
}

static void manual(struct bm_state *state, const void *context)
{
    (void)context;
    while (bm_keep_running(state))
        bm_iteration_time(state, 0.25);
    bm_items_processed(state, bm_iterations_done(state));
    bm_bytes_processed(state, bm_iterations_done(state) * 1000);
    bm_counter(state, "plain", 7, BM_COUNTER_PLAIN);
    bm_counter(state, "rate", 8, BM_COUNTER_RATE);
    bm_counter(state, "per_iteration", 8, BM_COUNTER_PER_ITERATION);
    bm_counter(state, "constant", 3, BM_COUNTER_ITERATION_CONSTANT);
    bm_counter(state, "inverted", 4, BM_COUNTER_PLAIN | BM_COUNTER_INVERT);
}

static void argument(struct bm_state *state, const void *context)
{
    (void)context;
    while (bm_keep_running(state))
        continue;
    seen.argument_sum += bm_argument(state, 0);
}

static void pair(struct bm_state *state, const void *context)
{
    (void)context;
    while (bm_keep_running(state))
        continue;
    seen.pair[0] = bm_argument(state, 0);
    seen.pair[1] = bm_argument(state, 1);
}

static void threaded(struct bm_state *state, const void *context)
{
    (void)context;
    __atomic_fetch_or(&seen.threads_seen, 1u << bm_thread_index(state), __ATOMIC_RELAXED);
    if (bm_thread_index(state) == 0)
        seen.thread_count = bm_thread_count(state);
    while (bm_keep_running(state))
        continue;
    bm_counter(state, "average", 6, BM_COUNTER_THREAD_AVERAGE);
}

static void linear(struct bm_state *state, const void *context)
{
    (void)context;
    while (bm_keep_running(state))
        bm_iteration_time(state, (double)bm_argument(state, 0) * 1e-3);
    bm_complexity_n(state, bm_argument(state, 0));
}

static void paused(struct bm_state *state, const void *context)
{
    (void)context;
    while (bm_keep_running(state)) {
        bm_pause(state);
        usleep(20000);
        bm_resume(state);
    }
}

static void skipped(struct bm_state *state, const void *context)
{
    (void)context;
    bm_skip_with_error(state, "cannot");
    while (bm_keep_running(state))
        seen.loop_count += 1000;
}

static void register_all(void)
{
    static const char *const names[] = {"left", "right"};
    static const int64_t arguments[] = {3, 4};
    bm_iterations(bm_register("plain", plain, &seen), 7);
    bm_iterations(bm_register("batch", batch, NULL), 15);
    struct bm_benchmark *by_hand = bm_register("manual", manual, NULL);
    bm_manual_time(by_hand);
    bm_iterations(by_hand, 4);
    bm_repetitions(by_hand, 2);
    struct bm_benchmark *ranged = bm_register("ranged", argument, NULL);
    bm_arg(ranged, 5);
    bm_range(ranged, 16, 64, 2);
    bm_iterations(ranged, 1);
    struct bm_benchmark *two = bm_register("two", pair, NULL);
    bm_args(two, arguments, 2);
    bm_arg_names(two, names, 2);
    bm_min_time(two, 0.001);
    struct bm_benchmark *threads = bm_register("threaded", threaded, NULL);
    bm_threads(threads, 2);
    bm_iterations(threads, 5);
    struct bm_benchmark *growing = bm_register("growing", linear, NULL);
    bm_range(growing, 1, 64, 8);
    bm_manual_time(growing);
    bm_iterations(growing, 2);
    bm_complexity(growing, BM_COMPLEXITY_N);
    struct bm_benchmark *process = bm_register("paused", paused, NULL);
    bm_process_time(process);
    bm_iterations(process, 3);
    bm_iterations(bm_register("skipped", skipped, NULL), 3);
}

static int run_all(void **state)
{
    (void)state;
    char path[] = "/tmp/benchmark-shim-XXXXXX";
    int file = mkstemp(path);
    if (file < 0)
        return -1;
    char out[64];
    snprintf(out, sizeof(out), "--benchmark_out=%s", path);
    char program[] = "benchmark_shim_test", format[] = "--benchmark_out_format=json";
    char *arguments[] = {program, out, format, NULL};
    int count = 3;
    bm_context_add("subject", "the shim");
    register_all();
    int status = bm_run(&count, arguments);
    report = json_load_file(path, 0, NULL);
    close(file);
    unlink(path);
    return status == 0 && report != NULL ? 0 : -1;
}

static int forget(void **state)
{
    (void)state;
    json_decref(report);
    return 0;
}

/** The report's entry called `name`; fails the test when there is none. */
static const json_t *entry(const char *name)
{
    const json_t *entries = json_object_get(report, "benchmarks");
    for (size_t i = 0; i < json_array_size(entries); i++) {
        const json_t *candidate = json_array_get(entries, i);
        if (strcmp(json_string_value(json_object_get(candidate, "name")), name) == 0)
            return candidate;
    }
    fail_msg("the report has no entry %s", name);
    return NULL;
}

static double figure(const char *name, const char *key)
{
    return json_number_value(json_object_get(entry(name), key));
}

static void test_loop_runs_as_often_as_asked(void **state)
{
    (void)state;
    assert_int_equal(seen.loop_count, 7);
    assert_ptr_equal(seen.context, &seen);
    assert_int_equal((int)figure("plain/iterations:7", "iterations"), 7);
    assert_string_equal(json_string_value(json_object_get(entry("plain/iterations:7"), "label")), "a label");
}

static void test_batches_are_whole(void **state)
{
    (void)state;
    assert_int_equal(seen.batch_iterations, 20);
}

static void test_manual_time_and_counters(void **state)
{
    (void)state;
    const char *name = "manual/iterations:4/repeats:2/manual_time";
    assert_float_equal(figure(name, "real_time"), 0.25e9, 1);
    assert_float_equal(figure(name, "items_per_second"), 4, 1e-6);
    assert_float_equal(figure(name, "bytes_per_second"), 4000, 1e-3);
    assert_float_equal(figure(name, "plain"), 7, 1e-9);
    assert_float_equal(figure(name, "rate"), 8, 1e-6);
    assert_float_equal(figure(name, "per_iteration"), 2, 1e-9);
    assert_float_equal(figure(name, "constant"), 12, 1e-9);
    assert_float_equal(figure(name, "inverted"), 0.25, 1e-9);
    assert_float_equal(figure("manual/iterations:4/repeats:2/manual_time_median", "real_time"), 0.25e9, 1);
}

static void test_arguments_reach_the_function(void **state)
{
    (void)state;
    assert_int_equal(seen.argument_sum, 5 + 16 + 32 + 64);
    assert_int_equal(seen.pair[0], 3);
    assert_int_equal(seen.pair[1], 4);
    assert_non_null(entry("two/left:3/right:4/min_time:0.001"));
}

static void test_threads_run_at_once(void **state)
{
    (void)state;
    assert_int_equal(seen.threads_seen, 3);
    assert_int_equal(seen.thread_count, 2);
    assert_float_equal(figure("threaded/iterations:5/threads:2", "average"), 6, 1e-9);
}

static void test_complexity_is_fitted(void **state)
{
    (void)state;
    const json_t *fit = entry("growing/iterations:2/manual_time_BigO");
    assert_string_equal(json_string_value(json_object_get(fit, "big_o")), "N");
    assert_float_equal(json_number_value(json_object_get(fit, "real_coefficient")), 1e6, 1);
}

/* No time is asserted: that a pause was left out shows in neither clock of a busy machine for sure. */
static void test_pauses_and_process_time_are_accepted(void **state)
{
    (void)state;
    assert_int_equal((int)figure("paused/iterations:3/process_time/real_time", "iterations"), 3);
}

static void test_errors_are_reported(void **state)
{
    (void)state;
    const json_t *failed = entry("skipped/iterations:3");
    assert_true(json_is_true(json_object_get(failed, "error_occurred")));
    assert_string_equal(json_string_value(json_object_get(failed, "error_message")), "cannot");
}

static void test_context_is_reported(void **state)
{
    (void)state;
    const json_t *context = json_object_get(report, "context");
    assert_string_equal(json_string_value(json_object_get(context, "subject")), "the shim");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loop_runs_as_often_as_asked),
        cmocka_unit_test(test_batches_are_whole),
        cmocka_unit_test(test_manual_time_and_counters),
        cmocka_unit_test(test_arguments_reach_the_function),
        cmocka_unit_test(test_threads_run_at_once),
        cmocka_unit_test(test_complexity_is_fitted),
        cmocka_unit_test(test_pauses_and_process_time_are_accepted),
        cmocka_unit_test(test_errors_are_reported),
        cmocka_unit_test(test_context_is_reported),
    };
    return cmocka_run_group_tests(tests, run_all, forget);
}
