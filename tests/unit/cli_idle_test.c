/* Workload cli-idle: a poll of 200 blocks of which nothing stays, and the leak that the option asks for. */
#include "check.h"
#include "heap_census.h"
#include "workload_run.h"

#include "../../workloads/vm_session.h"

#define SMALL "services=20"

static const struct wl_ops *idle_ops(void)
{
    return workload_find("cli-idle");
}

static struct workload_run on(const char *policy, const char *options, uint64_t steps)
{
    return workload_run_of(SM_SAPI_CLI, policy, options, steps);
}

/* Story S9: 200 allocations a poll; 138 bytes each in a worker that polls (cli-messenger-noclear). */
static void test_a_poll_has_the_size_of_the_story(void **state)
{
    (void)state;
    enum { POLLS = 20 };
    struct workload_run run = on("null", SMALL, POLLS);
    struct workload_outcome outcome = workload_run(idle_ops(), &run);
    assert_in_range(outcome.step_alloc_count / POLLS, 190, 210);
    assert_in_range(outcome.step_alloc_bytes / outcome.step_alloc_count, 105, 150);
}

static void test_mutator_work_runs_at_the_anchored_density(void **state)
{
    (void)state;
    struct workload_run run = on("null", SMALL, 20);
    double density = workload_opcodes_per_alloc(idle_ops(), &run);
    assert_true(density >= 4 && density <= 6);
}

static struct heap_census census_after(const char *options, uint64_t steps)
{
    struct workload_run run = on("null", options, 0);
    struct wl_instance *instance = workload_create(idle_ops(), &run);
    workload_steps(instance, steps);
    struct heap_census census;
    heap_census_take(instance->mm, &census);
    idle_ops()->destroy(instance);
    return census;
}

static void test_nothing_stays_and_nothing_is_cyclic(void **state)
{
    (void)state;
    struct heap_census early = census_after(SMALL, 5), late = census_after(SMALL, 50);
    assert_int_equal(late.reachable_count, early.reachable_count);
    assert_int_equal(late.reachable_block_bytes, early.reachable_block_bytes);
    assert_int_equal(late.dead_in_cycles_count, 0);
}

/* A text a poll, and the list that holds them, at most twice as long as needed. */
static void test_the_leak_is_as_large_as_the_option_says(void **state)
{
    (void)state;
    enum { POLLS = 64, LEAK = 500 };
    struct heap_census clean = census_after(SMALL, POLLS), leaky = census_after(SMALL ",leak=500", POLLS);
    uint64_t leaked = leaky.reachable_block_bytes - clean.reachable_block_bytes;
    assert_in_range(leaked, POLLS * (LEAK + VM_STRING_HEADER_BYTES), POLLS * (LEAK + VM_STRING_HEADER_BYTES + 60));
}

static void test_linked_garbage_points_into_the_container(void **state)
{
    (void)state;
    uint64_t apart = census_after(SMALL ",linked=0", 3).dead_to_living_edges;
    /* A query and an event for each of four queues. */
    assert_int_equal(census_after(SMALL, 3).dead_to_living_edges, apart + 3 * 4 * 2);
}

static void test_analytic_live_bytes_are_within_five_percent(void **state)
{
    (void)state;
    static const char *const options[] = {"", "services=200", "services=10000"};
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        workload_assert_analytic_size(idle_ops(), options[i], census_after(options[i], 2).reachable_block_bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_poll_has_the_size_of_the_story),
        cmocka_unit_test(test_mutator_work_runs_at_the_anchored_density),
        cmocka_unit_test(test_nothing_stays_and_nothing_is_cyclic),
        cmocka_unit_test(test_the_leak_is_as_large_as_the_option_says),
        cmocka_unit_test(test_linked_garbage_points_into_the_container),
        cmocka_unit_test(test_analytic_live_bytes_are_within_five_percent),
    };
    return cmocka_run_group_tests_name("cli_idle", tests, NULL, NULL);
}
