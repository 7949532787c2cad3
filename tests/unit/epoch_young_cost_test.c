/**
 * Young cycles: what one costs (R11), when one is due (R4), and whether there are any.
 */
#include "epoch_stages.h"

/* ---- The cost (R11). ---- */

struct costs {
    struct graph graph;
    struct sm_cycle_record last;
};

static void note_cycle(void *context, const struct sm_cycle_record *record)
{
    ((struct costs *)context)->last = *record;
}

static void open_costs(struct costs *costs, const char *policy)
{
    const struct sm_config config = {.policy = policy,
                                     .pacing = "fixed:1G",
                                     .collector_threads = SM_COLLECTOR_THREADS_NONE,
                                     .hooks = {.context = costs, .on_cycle = note_cycle}};
    graph_open(&costs->graph, &config);
}

static void put_element(struct graph *graph, size_t root, size_t index, struct node *node)
{
    struct sm_object *array = &graph->roots[root]->header;
    sm_store(graph->mm, array, (struct sm_value *)sm_payload(array) + index, value_of(node));
}

static void array_root(struct graph *graph, size_t root, size_t count)
{
    struct sm_object *array = sm_alloc(graph->mm, SM_TYPE_VALUES, count * sizeof(struct sm_value));
    assert_non_null(array);
    graph->roots[root] = (struct node *)(void *)array;
}

static uint64_t read_count;
static sm_type_id counted_type;

static void trace_counted(const struct sm_object *object, struct sm_visitor *visitor)
{
    read_count++;
    graph_trace(object, visitor);
}

static struct node *counted_new(struct graph *graph, uint64_t id)
{
    struct node *node = node_try(graph, counted_type, id, 0);
    assert_non_null(node);
    return node;
}

/* Of `made` young objects `kept` survive, each through a chunk of an old array of its own; the heap has many more. */
static void expect_cost(struct costs *costs, size_t made, size_t kept)
{
    struct graph *graph = &costs->graph;
    uint64_t old_objects = graph_epoch(graph)->heap.old_objects;
    for (size_t i = 0; i < made; i++) {
        struct node *node = counted_new(graph, i);
        if (i < kept)
            put_element(graph, 0, i * EPOCH_CHUNK_ELEMENTS, node);
    }
    graph_epoch(graph)->young.count = 1; /* in a checked build one cycle in some looks at everything */
    read_count = 0;
    collect_young(graph);
    assert_int_equal(read_count, kept); /* nobody has read what is old and was not written to */
    assert_int_equal(costs->last.kind, SM_CYCLE_YOUNG);
    assert_int_equal(costs->last.traced_objects, kept);
    assert_int_equal(costs->last.logged_objects, 2 * kept); /* words of the list: an array and a chunk */
    assert_int_equal(costs->last.retired_objects, made - kept);
    assert_int_equal(costs->last.live_objects, old_objects + kept);
    assert_int_equal(graph_epoch(graph)->heap.old_objects, old_objects + kept);
}

static void test_R11_a_young_cycle_marks_its_survivors_and_nothing_else(void **state)
{
    static struct costs costs;
    enum { HEAP = 20000, SURVIVORS = 100 };
    (void)state;
    const struct sm_type counted = {.name = "counted", .trace = trace_counted};
    open_costs(&costs, stages_policies[0]);
    assert_int_equal(sm_type_register(costs.graph.mm, &counted, &counted_type), SM_OK);
    array_root(&costs.graph, 0, (SURVIVORS + 1) * (size_t)EPOCH_CHUNK_ELEMENTS);
    array_root(&costs.graph, 1, HEAP);
    for (size_t i = 0; i < HEAP; i++)
        put_element(&costs.graph, 1, i, counted_new(&costs.graph, i));
    graph_collect(&costs.graph);
    for (size_t kept = 0; kept <= SURVIVORS; kept += 10)
        expect_cost(&costs, 1000, kept);
    graph_close(&costs.graph);
}

/* ---- Too many survivors (R11). ---- */

/* It gives up marking: everything is old, dead or not, and nothing is lost. */
static void test_R11_with_too_many_survivors_everything_is_old(void **state)
{
    static struct costs costs;
    enum { MANY = 20000 };
    (void)state;
    open_costs(&costs, stages_policies[0]);
    struct graph *graph = &costs.graph;
    array_root(graph, 0, MANY);
    collect_young(graph);
    for (size_t i = 0; i < MANY; i++)
        put_element(graph, 0, i, node_new(graph, i));
    struct node *dead = node_new(graph, MANY);
    struct sm_object *large = sm_alloc(graph->mm, SM_TYPE_VALUES, STAGES_ELEMENTS * sizeof(struct sm_value));
    collect_young(graph);
    assert_int_equal(costs.last.kind, SM_CYCLE_YOUNG);
    assert_int_equal(graph_stats(graph).live_objects, MANY + 3);
    assert_int_equal(graph_epoch(graph)->heap.old_objects, MANY + 3);
    assert_true(epoch_heap_is_consistent(&graph_epoch(graph)->heap));
    assert_lives(graph, dead);
    assert_true(graph_is_valid(graph, large));
    for (size_t i = 0; i < MANY; i += 100) {
        struct node *below = node_new(graph, i),
                    *node =
                        (struct node *)sm_value_object(((struct sm_value *)sm_payload(&graph->roots[0]->header))[i]);
        node_link(graph, node, 0, below); /* armed like any old one */
        collect_young(graph);
        assert_lives(graph, below);
    }
    graph_collect(graph);
    assert_int_equal(graph_stats(graph).live_objects, MANY + 1 + MANY / 100);
    graph_close(graph);
}

/* ---- Whether there are young cycles at all. ---- */

enum { KIB = 1024, LEAF_BYTES = 1000 };

static void open_auto(struct costs *costs)
{
    open_costs(costs, "epoch:reclaim=inline,young=auto,nursery=4M");
}

/* So many leaves, of which one in `one_in` is kept: 0, none. */
static void make_leaves(struct graph *graph, size_t bytes, size_t one_in)
{
    for (size_t i = 0; i < bytes / LEAF_BYTES; i++) {
        struct sm_object *leaf = sm_alloc_leaf(graph->mm, SM_TYPE_BYTES, LEAF_BYTES);
        assert_non_null(leaf);
        if (one_in != 0 && i % one_in == 0)
            put_element(graph, 0, i, (struct node *)(void *)leaf);
    }
}

static bool young_is_on(const struct graph *graph)
{
    bool is_armed = (sm_hot(graph->mm)->barrier & SM_BARRIER_ARMED) != 0;
    assert_int_equal(is_armed, graph_epoch(graph)->young.is_on);
    assert_int_equal(is_armed, !graph_epoch(graph)->heap.makes_old);
    return is_armed;
}

static void test_few_survivors_make_the_nursery_grow_and_more_make_it_shrink(void **state)
{
    static struct costs costs;
    (void)state;
    open_auto(&costs);
    array_root(&costs.graph, 0, 8192);
    collect_young(&costs.graph);
    const uint64_t *nursery_bytes = &graph_epoch(&costs.graph)->young.nursery_bytes;
    uint64_t least_bytes = *nursery_bytes;
    for (int round = 0; round < 6; round++) {
        uint64_t before = *nursery_bytes;
        make_leaves(&costs.graph, 1024 * KIB, 0);
        collect_young(&costs.graph);
        assert_true(*nursery_bytes == 2 * before || *nursery_bytes == 4096 * KIB);
    }
    assert_int_equal(*nursery_bytes, 4096 * KIB);
    for (int round = 0; round < 6; round++) {
        uint64_t before = *nursery_bytes;
        make_leaves(&costs.graph, 1024 * KIB, 4);
        collect_young(&costs.graph);
        assert_true(*nursery_bytes == before / 2 || *nursery_bytes == least_bytes);
        assert_true(young_is_on(&costs.graph));
    }
    assert_int_equal(*nursery_bytes, least_bytes);
    graph_close(&costs.graph);
}

static void end_iteration(struct graph *graph)
{
    sm_pin(sm_owner_guard(graph->mm), SM_HERE);
    sm_unpin(sm_owner_guard(graph->mm));
    pass_safepoint(graph);
}

/* And come back at the end of an iteration, after a while; each failure doubles it. */
static void test_mostly_survivors_turn_young_cycles_off_for_a_while(void **state)
{
    static struct costs costs;
    (void)state;
    open_auto(&costs);
    struct graph *graph = &costs.graph;
    array_root(graph, 0, 8192);
    for (int trial = 0; trial < 3; trial++) {
        assert_true(young_is_on(graph));
        make_leaves(graph, 1024 * KIB, 1);
        collect_young(graph);
        assert_false(young_is_on(graph));
        uint64_t left_bytes = graph_epoch(graph)->young.trial_bytes - sm_hot(graph->mm)->alloc_bytes;
        assert_int_equal(left_bytes, (4096 * KIB) << trial);
        make_leaves(graph, left_bytes - LEAF_BYTES, 0);
        end_iteration(graph);
        assert_false(young_is_on(graph)); /* not yet */
        make_leaves(graph, 2 * LEAF_BYTES, 0);
        pass_safepoint(graph);
        assert_false(young_is_on(graph)); /* in the midst of an iteration */
        end_iteration(graph);
        struct node *node = node_new(graph, 1);
        put_element(graph, 0, 0, node); /* what was made without young cycles is armed all the same */
        collect_young(graph);
        assert_lives(graph, node);
    }
    graph_close(graph);
}

/* Between two ends of iterations up to twice as much is made as the nursery holds. */
static void test_R4_a_young_cycle_waits_for_the_end_of_the_iteration_but_not_for_ever(void **state)
{
    static struct costs costs;
    (void)state;
    open_auto(&costs);
    struct graph *graph = &costs.graph;
    array_root(graph, 0, 8192);
    pass_safepoint(graph);
    const uint64_t *cycles = &graph_epoch(graph)->young.count;
    uint64_t before = *cycles, nursery_bytes = graph_epoch(graph)->young.nursery_bytes;
    make_leaves(graph, nursery_bytes * 3 / 2, 0);
    pass_safepoint(graph);
    assert_int_equal(*cycles, before);
    end_iteration(graph);
    assert_int_equal(*cycles, before + 1);
    nursery_bytes = graph_epoch(graph)->young.nursery_bytes;
    make_leaves(graph, nursery_bytes * 2 + 10 * LEAF_BYTES, 0);
    pass_safepoint(graph);
    assert_int_equal(*cycles, before + 2);
    make_leaves(graph, graph_epoch(graph)->young.nursery_bytes / 2, 0);
    end_iteration(graph);
    assert_int_equal(*cycles, before + 2); /* there is room still */
    graph_close(graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R11_a_young_cycle_marks_its_survivors_and_nothing_else),
        cmocka_unit_test(test_R11_with_too_many_survivors_everything_is_old),
        cmocka_unit_test(test_few_survivors_make_the_nursery_grow_and_more_make_it_shrink),
        cmocka_unit_test(test_mostly_survivors_turn_young_cycles_off_for_a_while),
        cmocka_unit_test(test_R4_a_young_cycle_waits_for_the_end_of_the_iteration_but_not_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
