/*
 * A chain of a million nodes and an array of a million arrays, under every policy that reclaims, with a stack of 8 MiB.
 *
 * Nothing that marks, counts down, scans or frees may recurse by depth: a frame of 16 bytes a node would not fit. Each
 * graph is held across a collection and read back whole; then dropped, and it must be gone.
 */
#include "test_scale.h"
#include "vm_fixture.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

enum { STACK_BYTES = 8 << 20, NEXT = 0, NUMBER = 1, PROPERTY_COUNT = 2 };

/** A graph by the count of its parts. */
struct graph {
    const char *name;
    void (*build)(struct vm *vm, int64_t count); /**< leaves it in the global "graph" */
    void (*check)(struct vm *vm, int64_t count); /**< reads every part back */
    bool is_cyclic, is_deep, has_arrays;
    int64_t extra; /**< arrays and objects besides one a part */
};

struct instance {
    const struct graph *graph;
    const struct sm_policy_ops *ops;
    bool sharing_counts;
    char name[96];
};

static int64_t part_count(void)
{
    return (int64_t)test_scale(1000000, 250000, 50000);
}

/* ---- Chains ---- */

static struct vm_object *node_new(struct vm *vm, int64_t number)
{
    struct vm_object *node = vm_object_new(vm, vm_class_find(vm, "Node"));
    vm_object_set(vm, node, NUMBER, vm_int(number));
    return node;
}

/* Node 0 is in the global; the last one has number count - 1. Returns the last, borrowed. */
static struct vm_object *build_nodes(struct vm *vm, int64_t count)
{
    struct vm_object *last = node_new(vm, 0);
    vm_global_set(vm, "graph", vm_object_value(last));
    for (int64_t i = 1; i < count; i++) {
        struct vm_object *node = node_new(vm, i);
        vm_object_set(vm, last, NEXT, vm_object_value(node));
        last = node;
        if (i % 1000 == 0)
            vm_safepoint(vm);
    }
    return last;
}

static void build_chain(struct vm *vm, int64_t count)
{
    (void)build_nodes(vm, count);
}

static void build_ring(struct vm *vm, int64_t count)
{
    struct vm_object *last = build_nodes(vm, count);
    vm_object_set(vm, last, NEXT, vm_value_copy(vm, vm_global_get(vm, "graph")));
}

/* Returns what the last node refers to. */
static struct sm_value walk_nodes(struct vm *vm, int64_t count)
{
    struct sm_value next = vm_global_get(vm, "graph");
    for (int64_t i = 0; i < count; i++) {
        assert_int_equal(vm_tag_of(next), VM_OBJECT);
        vm_assert_int(vm_object_get(vm_as_object(next), NUMBER), i);
        next = vm_object_get(vm_as_object(next), NEXT);
    }
    return next;
}

static void check_chain(struct vm *vm, int64_t count)
{
    assert_int_equal(vm_tag_of(walk_nodes(vm, count)), VM_NULL);
}

static void check_ring(struct vm *vm, int64_t count)
{
    assert_ptr_equal(sm_value_object(walk_nodes(vm, count)), sm_value_object(vm_global_get(vm, "graph")));
}

/* ---- Arrays in arrays ---- */

static struct sm_value array_of(struct vm *vm, struct sm_value element)
{
    struct vm_array *array = vm_array_new(vm, VM_ARRAY_PACKED, 1);
    vm_array_append(vm, array, element);
    return vm_array_value(array);
}

/* The array is in a node's NEXT; each element is [number], or [number, node] to close a cycle. */
static void build_elements(struct vm *vm, int64_t count, bool is_cyclic)
{
    struct vm_object *node = node_new(vm, -1);
    vm_global_set(vm, "graph", vm_object_value(node));
    vm_object_set(vm, node, NEXT, vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 0)));
    for (int64_t i = 0; i < count; i++) {
        struct sm_value element = array_of(vm, vm_int(i));
        if (is_cyclic)
            vm_array_append(vm, vm_as_array(element), vm_value_copy(vm, vm_object_value(node)));
        vm_array_append(vm, vm_array_write(vm, vm_object_place(node, NEXT)), element);
        if (i % 1000 == 0)
            vm_safepoint(vm);
    }
}

static void build_array(struct vm *vm, int64_t count)
{
    build_elements(vm, count, false);
}

static void build_cyclic_array(struct vm *vm, int64_t count)
{
    build_elements(vm, count, true);
}

static void check_elements(struct vm *vm, int64_t count, size_t element_count)
{
    struct vm_object *node = vm_as_object(vm_global_get(vm, "graph"));
    const struct vm_array *array = vm_as_array(vm_object_get(node, NEXT));
    assert_int_equal(vm_array_count(array), count);
    for (int64_t i = 0; i < count; i++) {
        const struct vm_array *element = vm_as_array(vm_array_get_index(array, i));
        assert_int_equal(vm_array_count(element), element_count);
        vm_assert_int(vm_array_get_index(element, 0), i);
        if (element_count == 2)
            assert_ptr_equal(vm_as_object(vm_array_get_index(element, 1)), node);
    }
}

static void check_array(struct vm *vm, int64_t count)
{
    check_elements(vm, count, 1);
}

static void check_cyclic_array(struct vm *vm, int64_t count)
{
    check_elements(vm, count, 2);
}

/* [[[...]]]: as deep as a chain, and the storage of each is a second object. */
static void build_nest(struct vm *vm, int64_t count)
{
    struct sm_value nest = vm_int(count);
    for (int64_t i = 0; i < count; i++)
        nest = array_of(vm, nest);
    vm_global_set(vm, "graph", nest);
}

static void check_nest(struct vm *vm, int64_t count)
{
    struct sm_value nest = vm_global_get(vm, "graph");
    for (int64_t i = 0; i < count; i++) {
        assert_int_equal(vm_tag_of(nest), VM_ARRAY);
        nest = vm_array_get_index(vm_as_array(nest), 0);
    }
    vm_assert_int(nest, count);
}

/* ---- The test ---- */

static uint64_t live_objects(struct vm *vm)
{
    struct sm_stats stats;
    sm_stats_get(vm_manager(vm), &stats);
    return stats.live_objects;
}

static struct vm *open_vm(const struct instance *instance)
{
    static const char *const properties[PROPERTY_COUNT] = {"next", "number"};
    struct vm_config config = {
        .manager = {.sapi = SM_SAPI_CLI, .policy = instance->ops->name, .sharing_counts = instance->sharing_counts}};
    struct sm_error error = {0};
    struct vm *vm = NULL;
    if (vm_create(&config, &vm, &error) != SM_OK)
        fail_msg("%s", error.detail);
    vm_class_define(vm, "Node", properties, PROPERTY_COUNT, NULL);
    vm_global_set(vm, "graph", vm_null());
    assert_int_equal(sm_quiesce(vm_manager(vm)), SM_OK);
    return vm;
}

static bool is_conservative(const struct instance *instance)
{
    return strcmp(instance->ops->name, "boehm") == 0;
}

/* A conservative policy may keep some, and of a graph that refers to itself all: of one of those that were made, not of each. */
static uint64_t kept_at_most(const struct instance *instance, int64_t count)
{
    return (uint64_t)count / 10 + (instance->graph->is_cyclic ? (uint64_t)(count + instance->graph->extra) : 0);
}

/** Two more of a graph that refers to itself, dropped at once. */
static void build_in_vain(struct vm *vm, const struct instance *instance, int64_t count)
{
    for (int i = 0; i < 2 && instance->graph->is_cyclic; i++) {
        instance->graph->build(vm, count);
        vm_global_set(vm, "graph", vm_null());
        assert_int_equal(sm_quiesce(vm_manager(vm)), SM_OK);
    }
}

static void expect_gone(struct vm *vm, const struct instance *instance, uint64_t live_before, int64_t count)
{
    const struct graph *graph = instance->graph;
    bool counts = (instance->ops->capabilities & SM_CAP_COUNTS) != 0;
    if (counts && !graph->is_cyclic)
        assert_int_equal(live_objects(vm), live_before);
    uint64_t collected = vm_gc_collect_cycles(vm);
    if (counts)
        assert_int_equal(collected, graph->is_cyclic ? count + graph->extra : 0);
    assert_int_equal(sm_quiesce(vm_manager(vm)), SM_OK);
    if (is_conservative(instance))
        assert_in_range(live_objects(vm), 0, live_before + kept_at_most(instance, count));
    else
        assert_int_equal(live_objects(vm), live_before);
}

static void run(void **state)
{
    const struct instance *instance = *state;
    const struct graph *graph = instance->graph;
    int64_t count = part_count();
    struct vm *vm = open_vm(instance);
    uint64_t live_before = live_objects(vm);
    graph->build(vm, count);
    assert_true(live_objects(vm) >= live_before + (uint64_t)count);
    (void)vm_gc_collect_cycles(vm);
    assert_int_equal(sm_quiesce(vm_manager(vm)), SM_OK);
    graph->check(vm, count);
    vm_global_set(vm, "graph", vm_null());
    if (is_conservative(instance))
        build_in_vain(vm, instance, count);
    expect_gone(vm, instance, live_before, count);
    /* A deep one once more, to be alive at the end of the program. */
    if (graph->is_deep)
        graph->build(vm, count);
    vm_destroy(vm);
}

/** The main thread's stack grows as far as the limit allows at the time. */
static void limit_stack(void)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_STACK, &limit), 0);
    limit.rlim_cur = STACK_BYTES;
    assert_int_equal(setrlimit(RLIMIT_STACK, &limit), 0);
}

static const struct graph graphs[] = {
    {"chain", build_chain, check_chain, false, true, false, 0},
    {"ring", build_ring, check_ring, true, true, false, 0},
    {"array_of_arrays", build_array, check_array, false, false, true, 2},
    {"array_of_arrays_in_a_cycle", build_cyclic_array, check_cyclic_array, true, false, true, 2},
    {"nest_of_arrays", build_nest, check_nest, false, true, true, 0},
};

enum { GRAPH_COUNT = sizeof(graphs) / sizeof(graphs[0]), INSTANCES_MAX = 128 };

/* Counts of sharing beside tracing are those of arrays. */
static size_t add_policy(const struct sm_policy_ops *ops, struct instance *instances, size_t count)
{
    bool may_share = (ops->capabilities & (SM_CAP_COLLECT | SM_CAP_COUNTS)) == SM_CAP_COLLECT;
    for (size_t i = 0; i < GRAPH_COUNT; i++)
        for (int sharing = 0; sharing <= (may_share && graphs[i].has_arrays); sharing++) {
            struct instance *instance = &instances[count++];
            *instance = (struct instance){.graph = &graphs[i], .ops = ops, .sharing_counts = sharing != 0};
            snprintf(instance->name, sizeof(instance->name), "%s%s/%s", ops->name, sharing ? "-sharing-counts" : "",
                     graphs[i].name);
        }
    return count;
}

int main(void)
{
    static struct instance instances[INSTANCES_MAX];
    static struct CMUnitTest tests[INSTANCES_MAX];
    size_t count = 0;
    limit_stack();
    for (size_t i = 0; sm_policy_table(i) != NULL && count + 2 * (size_t)GRAPH_COUNT <= INSTANCES_MAX; i++)
        if (sm_policy_table(i)->unavailable == NULL && (sm_policy_table(i)->capabilities & SM_CAP_COLLECT) != 0)
            count = add_policy(sm_policy_table(i), instances, count);
    for (size_t i = 0; i < count; i++)
        tests[i] = (struct CMUnitTest){.name = instances[i].name, .test_func = run, .initial_state = &instances[i]};
    return _cmocka_run_group_tests("large graphs", tests, count, NULL, NULL);
}
