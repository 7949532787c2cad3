/* Workload cli-tick: a large world, much of it touched, next to no garbage. */
#include "check.h"
#include "heap_census.h"
#include "workload_run.h"

#include "../../workloads/vm_session.h"

#define SMALL "world=3000,touch=1000"

static const struct wl_ops *tick_ops(void)
{
    return workload_find("cli-tick");
}

static struct workload_run on(const char *policy, const char *options, uint64_t steps)
{
    return workload_run_of(SM_SAPI_CLI, policy, options, steps);
}

/* Of a tick: pairs of garbage, the packet, a line of it for every 500 objects touched. The packet grows now and then. */
static void test_a_tick_allocates_next_to_nothing(void **state)
{
    (void)state;
    enum { TICKS = 10 };
    struct workload_run run = on("null", SMALL, TICKS);
    struct workload_outcome outcome = workload_run(tick_ops(), &run);
    assert_in_range(outcome.step_alloc_count / TICKS, 2 * 10 + 1 + 2, 2 * 10 + 1 + 2 + 2);
    assert_true(outcome.step_alloc_bytes / TICKS < 4096);
}

/* Story S3: 10,000 live objects touched a tick; taking one into a variable makes it a possible root when it is left. */
static void test_what_is_touched_makes_possible_roots(void **state)
{
    (void)state;
    struct workload_run run = on("refcount", SMALL ",garbage=0", 0);
    run.manager.pacing = "never";
    struct wl_instance *instance = workload_create(tick_ops(), &run);
    struct vm *vm = vm_session_of(instance)->vm;
    (void)vm_gc_collect_cycles(vm);
    uint64_t before = vm_gc_status(vm).roots;
    workload_steps(instance, 1);
    uint64_t made = vm_gc_status(vm).roots - before;
    /* And the objects of the mutator work. */
    assert_in_range(made, 1000, 1100);
    assert_int_equal(vm_gc_collect_cycles(vm), 0);
    tick_ops()->destroy(instance);
}

static struct heap_census census_after(const char *options, uint64_t steps)
{
    struct workload_run run = on("null", options, 0);
    struct wl_instance *instance = workload_create(tick_ops(), &run);
    workload_steps(instance, steps);
    struct heap_census census;
    heap_census_take(instance->mm, &census);
    tick_ops()->destroy(instance);
    return census;
}

static void test_garbage_is_pairs_and_points_into_the_world_when_linked(void **state)
{
    (void)state;
    struct heap_census none = census_after(SMALL ",garbage=0", 3);
    struct heap_census apart = census_after(SMALL ",linked=0", 3), linked = census_after(SMALL, 3);
    assert_int_equal(none.dead_in_cycles_count, 0);
    assert_int_equal(apart.dead_in_cycles_count, 3 * 2 * 10);
    assert_int_equal(linked.dead_in_cycles_count, 3 * 2 * 10);
    assert_int_equal(linked.dead_to_living_edges, apart.dead_to_living_edges + 3 * 10);
}

static void test_analytic_live_bytes_are_within_five_percent(void **state)
{
    (void)state;
    static const char *const options[] = {"world=200k,touch=100", "world=10000", "world=1000"};
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        workload_assert_analytic_size(tick_ops(), options[i], census_after(options[i], 2).reachable_block_bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_tick_allocates_next_to_nothing),
        cmocka_unit_test(test_what_is_touched_makes_possible_roots),
        cmocka_unit_test(test_garbage_is_pairs_and_points_into_the_world_when_linked),
        cmocka_unit_test(test_analytic_live_bytes_are_within_five_percent),
    };
    return cmocka_run_group_tests_name("cli_tick", tests, NULL, NULL);
}
