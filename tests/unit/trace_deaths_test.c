/** What a replay tells a policy that uses known deaths: those that counts beside tracing would show, and no others. */
#include "check.h"
#include "test_scale.h"
#include "trace_files.h"
#include "trace_run.h"

#include "sapimem/policy.h"
#include "workloads/trace.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char bump[] = "arena:shape=bump";
static const char *const shapes[] = {"arena:shape=retract", "arena:shape=reuse,reuse-after=0", "arena"};
enum { SHAPE_COUNT = sizeof(shapes) / sizeof(shapes[0]) };

/* ---- The same work in every shape. ---- */

static void compare_shapes_as(const char *path, enum sm_sapi sapi)
{
    struct wl_config config = trace_config(path, bump);
    config.manager.sapi = sapi;
    struct trace_outcome first = trace_run(&config);
    trace_assert_clean(&first, path, bump);
    for (size_t i = 0; i < SHAPE_COUNT; i++) {
        config.manager.policy = shapes[i];
        struct trace_outcome other = trace_run(&config);
        trace_assert_clean(&other, path, shapes[i]);
        trace_assert_same(&first, &other);
    }
}

static void compare_shapes(const char *path)
{
    compare_shapes_as(path, wl_trace_sapi(path));
}

static void compare_shapes_in_either_sapi(const char *path)
{
    compare_shapes_as(path, SM_SAPI_CLI);
    compare_shapes_as(path, SM_SAPI_FPM);
}

static void test_valid_traces_are_equal_in_all_shapes(void **state)
{
    (void)state;
    assert_true(traces_visit("valid", compare_shapes) >= 8);
}

static void test_recorded_traces_are_equal_in_all_shapes(void **state)
{
    (void)state;
    trace_visit_prefix("symfony-blog.sapitrace.zst", 0, compare_shapes_in_either_sapi);
    trace_visit_prefix("react-http.sapitrace.zst", test_scale(0, 75000, 20000), compare_shapes_in_either_sapi);
}

/* ---- One request, in which the same lines come again and again. ---- */

enum { ROUNDS = 400 };

/** Most bytes committed at a time by a request with `prologue` and, ROUNDS times, `lines`, its blocks 10 KB or so in all. */
static uint64_t peak_of(const char *policy, const char *prologue, const char *lines)
{
    char path[64];
    struct sm_error error = {SM_OK, ""};
    struct trace_outcome outcome = {0};
    struct wl_instance *instance;
    struct sm_stats stats;
    trace_scratch_path(path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "# sapitrace 1\n[\n%s", prologue);
    for (int i = 0; i < ROUNDS; i++)
        fputs(lines, file);
    fputs("]\n", file);
    assert_int_equal(fclose(file), 0);
    struct wl_config config = trace_config(path, policy);
    config.manager.sapi = SM_SAPI_FPM;
    if (wl_trace.create(&config, &instance, &error) != SM_OK)
        fail_msg("%s", error.detail);
    trace_drive(instance, &outcome);
    trace_assert_clean(&outcome, path, policy);
    sm_stats_get(instance->mm, &stats);
    wl_trace.destroy(instance);
    unlink(path);
    return stats.peak_committed_bytes;
}

/** Whether the blocks of `lines` are used again; with bump allocation none is. */
static bool is_reused(const char *prologue, const char *lines)
{
    uint64_t bump_bytes = peak_of(bump, prologue, lines);
    uint64_t reuse_bytes = peak_of("arena:shape=reuse,reuse-after=0", prologue, lines);
    assert_in_range(bump_bytes, ROUNDS * 9000, ROUNDS * 40000);
    bool is_small = reuse_bytes * 4 < bump_bytes;
    if (!is_small)
        assert_true(reuse_bytes * 4 > bump_bytes * 3);
    return is_small;
}

static void test_deaths_of_values_are_told(void **state)
{
    (void)state;
    assert_true(is_reused("", "n 1 string 10000 0\nd 1\n"));
    assert_true(is_reused("", "n 1 bytes 10000 0\nd 1\n"));
    assert_true(is_reused("", "n 1 array 56 1\nn 2 bytes 10000 0 1 0\nd 1\nd 2\n"));
}

static void test_what_the_last_holder_lets_go_of_is_told_without_a_line(void **state)
{
    (void)state;
    assert_true(is_reused("", "(\nn 1 string 10000 0\n)\nd 1\n"));
    assert_true(is_reused("n 9 array 56 1\n", "n 1 string 10000 0 9 0\nd 1 9 0\n"));
    assert_true(is_reused("n 9 array 56 1\n", "n 1 string 10000 0 9 0\ns 9 0 0\nd 1\n"));
}

static void test_objects_die_unseen_and_so_does_what_they_hold(void **state)
{
    (void)state;
    assert_false(is_reused("", "n 1 object 10000 0\nd 1\n"));
    assert_false(is_reused("", "n 1 closure 10000 0\nd 1\n"));
    assert_false(is_reused("", "n 1 object 56 1\nn 2 string 10000 0 1 0\nd 1\nd 2\n"));
    assert_false(is_reused("", "n 1 object 56 1\nn 2 array 56 1 1 0\nn 3 string 10000 0 2 0\nd 1\nd 2\nd 3\n"));
    /* What an object lets go of while it lives is seen. */
    assert_true(is_reused("n 9 object 56 1\n", "n 1 string 10000 0 9 0\ns 9 0 0\nd 1\n"));
}

static void test_rings_die_unseen(void **state)
{
    (void)state;
    assert_false(is_reused("", "n 1 array 10000 1\ns 1 0 1\nd 1\n"));
    assert_false(is_reused("", "n 1 array 56 1\nn 2 array 10000 1 1 0\ns 2 0 1\nl 1\nk\nD 1\nD 2\n"));
}

static void test_targets_of_weak_objects_stay(void **state)
{
    (void)state;
    assert_false(is_reused("n 9 weak 0 0\n", "n 1 string 10000 0\nw 9 1\nd 1\n"));
}

static void test_destructors_keep_their_objects(void **state)
{
    (void)state;
    assert_false(is_reused("", "n 1 array 10000 0\nt 1\nd 1\n"));
}

static void test_moved_blocks_are_told(void **state)
{
    (void)state;
    const char grown[] = "n 1 string 2000 0\nn 2 bytes 10 0\na 1 10000\nd 1\nd 2\n";
    assert_true(is_reused("", grown));
    /* Held by a slot that moves with it. */
    assert_true(is_reused("n 9 array 56 1\n", "n 1 string 2000 0 9 0\nn 2 bytes 10 0\na 1 10000\nd 1 9 0\nd 2\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid_traces_are_equal_in_all_shapes),
        cmocka_unit_test(test_recorded_traces_are_equal_in_all_shapes),
        cmocka_unit_test(test_deaths_of_values_are_told),
        cmocka_unit_test(test_what_the_last_holder_lets_go_of_is_told_without_a_line),
        cmocka_unit_test(test_objects_die_unseen_and_so_does_what_they_hold),
        cmocka_unit_test(test_rings_die_unseen),
        cmocka_unit_test(test_targets_of_weak_objects_stay),
        cmocka_unit_test(test_destructors_keep_their_objects),
        cmocka_unit_test(test_moved_blocks_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
