/* Workload cli-eventloop: faithful to its measured row, and its options do what they say. */
#include "check.h"
#include "heap_census.h"
#include "workload_run.h"

#include "../../workloads/vm_session.h"

/* Whole turns over a small world. */
#define SMALL "resident=50,log=50"

static const struct wl_ops *eventloop_ops(void)
{
    return workload_find("cli-eventloop");
}

static struct workload_run on(const char *policy, const char *options, uint64_t steps)
{
    return workload_run_of(SM_SAPI_CLI, policy, options, steps);
}

/* Turns in which requests are begun, served and answered. */
enum { FIRST_TURNS = 2, TURNS = 5 };

/* What the turns after the first allocate; nothing is freed under null, so all is there. */
struct turns {
    struct sm_stats before, after;
    struct heap_census census_before, census_after;
    uint64_t opcodes;
};

static struct turns run_turns(const char *options)
{
    struct turns turns;
    struct workload_run run = on("null", options, 0);
    struct wl_instance *instance = workload_create(eventloop_ops(), &run);
    workload_steps(instance, FIRST_TURNS);
    sm_stats_get(instance->mm, &turns.before);
    heap_census_take(instance->mm, &turns.census_before);
    turns.opcodes = vm_session_of(instance)->work.opcodes_run;
    workload_steps(instance, TURNS);
    sm_stats_get(instance->mm, &turns.after);
    heap_census_take(instance->mm, &turns.census_after);
    turns.opcodes = vm_session_of(instance)->work.opcodes_run - turns.opcodes;
    eventloop_ops()->destroy(instance);
    return turns;
}

static uint64_t blocks_of(const struct turns *turns)
{
    return turns->after.alloc_count - turns->before.alloc_count;
}

/* cli-react-http: 5,646 blocks and 3.31 MB a turn of 20 requests, most of the bytes in reads of 64 KiB. */
static void test_a_turn_has_the_measured_size(void **state)
{
    (void)state;
    struct turns turns = run_turns(SMALL);
    uint64_t bytes = turns.after.alloc_bytes - turns.before.alloc_bytes;
    assert_in_range(blocks_of(&turns) / TURNS, 5400, 5900);
    assert_in_range(bytes / TURNS, 3150000, 3450000);
    assert_in_range(bytes / blocks_of(&turns), 550, 620);
}

/* The rate to which cli-queue is anchored. */
static void test_mutator_work_runs_at_the_anchored_density(void **state)
{
    (void)state;
    struct turns turns = run_turns(SMALL);
    assert_in_range(turns.opcodes, 4 * blocks_of(&turns), 6 * blocks_of(&turns));
}

struct kinds {
    const struct vm_types *types;
    uint64_t all, strings, arrays, hashes, packed, objects, references;
};

static void count_kind(void *context, struct sm_object *object)
{
    struct kinds *kinds = (struct kinds *)context;
    const struct vm_types *types = kinds->types;
    kinds->all++;
    kinds->strings += object->type == types->string;
    kinds->arrays += object->type == types->array;
    kinds->hashes += object->type == types->hash;
    kinds->packed += object->type == types->packed;
    kinds->objects += object->type == types->object || object->type == types->closure;
    kinds->references += object->type == types->reference;
}

static double percent(uint64_t part, uint64_t all)
{
    return 100 * (double)part / (double)all;
}

/* The measured shares in per cent are 32, 22, 12, 11, 11 and 5; 8 more are of kinds that the VM does not have. */
static void test_kinds_have_the_measured_shares(void **state)
{
    (void)state;
    struct workload_run run = on("null", "resident=1,log=1,connections=2", 0);
    struct wl_instance *instance = workload_create(eventloop_ops(), &run);
    workload_steps(instance, 20);
    struct kinds kinds = {.types = vm_types(vm_session_of(instance)->vm)};
    sm_walk(instance->mm, count_kind, &kinds);
    eventloop_ops()->destroy(instance);
    assert_in_range((uint64_t)percent(kinds.strings, kinds.all), 31, 37);
    assert_in_range((uint64_t)percent(kinds.arrays, kinds.all), 21, 24);
    assert_in_range((uint64_t)percent(kinds.hashes, kinds.all), 11, 13);
    assert_in_range((uint64_t)percent(kinds.packed, kinds.all), 10, 12);
    assert_in_range((uint64_t)percent(kinds.objects, kinds.all), 11, 13);
    assert_in_range((uint64_t)percent(kinds.references, kinds.all), 4, 6);
}

/* cli-react-http: the cycle collector frees nothing. */
static void test_without_errors_nothing_dies_in_cycles(void **state)
{
    (void)state;
    struct turns turns = run_turns(SMALL ",keepalive=5");
    assert_int_equal(turns.census_after.dead_in_cycles_count, 0);
}

/* Of 20 requests a turn one fails at 0.05. */
static void test_an_error_leaves_a_cycle_of_24_objects(void **state)
{
    (void)state;
    struct workload_run run = on("refcount", SMALL ",errors=0.05,linked=0", 0);
    run.manager.pacing = "never";
    struct wl_instance *instance = workload_create(eventloop_ops(), &run);
    workload_steps(instance, FIRST_TURNS);
    struct vm *vm = vm_session_of(instance)->vm;
    (void)vm_gc_collect_cycles(vm);
    workload_steps(instance, TURNS);
    assert_int_equal(vm_gc_collect_cycles(vm), TURNS * 24);
    eventloop_ops()->destroy(instance);
}

static void test_the_cyclic_share_follows_the_option(void **state)
{
    (void)state;
    struct turns few = run_turns(SMALL ",errors=0.05"), many = run_turns(SMALL ",errors=0.2");
    uint64_t of_few = few.census_after.dead_in_cycles_count - few.census_before.dead_in_cycles_count;
    uint64_t of_many = many.census_after.dead_in_cycles_count - many.census_before.dead_in_cycles_count;
    assert_true(of_few > 0);
    assert_in_range(of_many, 39 * of_few / 10, 41 * of_few / 10);
}

/* Of each error the closures and the arguments of every frame lead to what lives on. */
static void test_linked_garbage_points_into_the_world(void **state)
{
    (void)state;
    struct turns apart = run_turns(SMALL ",errors=0.05,linked=0"), linked = run_turns(SMALL ",errors=0.05,linked=1");
    uint64_t edges_apart = apart.census_after.dead_to_living_edges - apart.census_before.dead_to_living_edges;
    uint64_t edges_linked = linked.census_after.dead_to_living_edges - linked.census_before.dead_to_living_edges;
    assert_true(edges_linked > edges_apart + TURNS * 8);
}

static uint64_t reachable_bytes(const char *options, uint64_t steps)
{
    struct workload_run run = on("null", options, 0);
    struct wl_instance *instance = workload_create(eventloop_ops(), &run);
    workload_steps(instance, steps);
    struct heap_census census;
    heap_census_take(instance->mm, &census);
    eventloop_ops()->destroy(instance);
    return census.reachable_block_bytes;
}

static void test_analytic_live_bytes_are_within_five_percent(void **state)
{
    (void)state;
    static const char *const options[] = {"", "connections=400", "requests=60,connections=100", "resident=10,log=3000",
                                          "resident=9000"};
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        workload_assert_analytic_size(eventloop_ops(), options[i], reachable_bytes(options[i], 6));
    }
}

/* Connections are opened anew, tokens and log lines replaced; none of it adds up. */
static void test_the_world_stays_the_same_size(void **state)
{
    (void)state;
    const char *options = "requests=2,connections=5,keepalive=3,resident=20,log=10";
    uint64_t early = reachable_bytes(options, 10), late = reachable_bytes(options, 120);
    assert_in_range(late, early - early / 20, early + early / 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_turn_has_the_measured_size),
        cmocka_unit_test(test_mutator_work_runs_at_the_anchored_density),
        cmocka_unit_test(test_kinds_have_the_measured_shares),
        cmocka_unit_test(test_without_errors_nothing_dies_in_cycles),
        cmocka_unit_test(test_an_error_leaves_a_cycle_of_24_objects),
        cmocka_unit_test(test_the_cyclic_share_follows_the_option),
        cmocka_unit_test(test_linked_garbage_points_into_the_world),
        cmocka_unit_test(test_analytic_live_bytes_are_within_five_percent),
        cmocka_unit_test(test_the_world_stays_the_same_size),
    };
    return cmocka_run_group_tests_name("cli_eventloop", tests, NULL, NULL);
}
