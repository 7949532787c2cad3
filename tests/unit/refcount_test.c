/** Policy refcount: deaths at the last drop, in order, without recursion; weak cells; requests. */
#include "counted_graph.h"
#include "manager_fixture.h"

#include <string.h>

static const char *const policies[] = {"refcount", "refcount:allocator=mimalloc"};

static uint64_t live_objects(const struct graph *graph)
{
    return graph_stats(graph).live_objects;
}

static void count_walked(void *context, struct sm_object *object)
{
    (void)object;
    ++*(size_t *)context;
}

static size_t walk_count(struct graph *graph)
{
    size_t walked = 0;
    sm_walk(graph->mm, count_walked, &walked);
    return walked;
}

static void the_last_drop_frees_at_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct graph graph;
        graph_open(&graph, policies[i], NULL);
        struct graph_node *parent = graph_plain(&graph, 1);
        graph_give(&graph, parent, 0, graph_plain(&graph, 2));
        graph_give(&graph, parent, 1, graph_leaf(&graph));
        struct graph_node *shared = graph_plain(&graph, 3);
        graph_link(&graph, (struct graph_node *)sm_value_object(parent->edges[0]), 0, shared);
        assert_int_equal(live_objects(&graph), 4);
        assert_int_equal(shared->header.count, 2);
        graph_drop(&graph, parent);
        assert_int_equal(live_objects(&graph), 1);
        assert_int_equal(walk_count(&graph), 1);
        assert_int_equal(shared->header.count, 1);
        assert_true(sm_is_valid(graph.mm, &shared->header));
        graph_drop(&graph, shared);
        assert_int_equal(live_objects(&graph), 0);
        assert_int_equal(walk_count(&graph), 0);
        assert_int_equal(graph_stats(&graph).root_runs, 0);
        graph_close(&graph);
    }
}

static void a_freed_block_is_the_next_one_taken(void **state)
{
    (void)state;
    struct graph graph;
    graph_open(&graph, "refcount", NULL);
    struct sm_object *first = graph_leaf(&graph), *second = graph_leaf(&graph);
    graph_drop(&graph, first);
    graph_drop(&graph, second);
    assert_ptr_equal(graph_leaf(&graph), second);
    assert_ptr_equal(graph_leaf(&graph), first);
    graph_close(&graph);
}

/* 1 has 2 and 5; 2 has 3 and 4; 5 has 6: its own destructor, then each child with all below it. */
static void destructors_run_depth_first(void **state)
{
    (void)state;
    struct graph graph;
    graph_open(&graph, "refcount", NULL);
    struct graph_node *node[7];
    for (uint64_t id = 1; id <= 6; id++)
        node[id] = graph_destructible(&graph, id);
    graph_give(&graph, node[2], 0, node[3]);
    graph_give(&graph, node[2], 1, node[4]);
    graph_give(&graph, node[5], 0, node[6]);
    graph_give(&graph, node[1], 0, node[2]);
    graph_give(&graph, node[1], 2, node[5]);
    graph_drop(&graph, node[1]);
    const uint64_t expected[] = {1, 2, 3, 4, 5, 6};
    assert_int_equal(graph.destroyed_count, 6);
    assert_memory_equal(graph.destroyed, expected, sizeof(expected));
    assert_int_equal(live_objects(&graph), 0);
    graph_close(&graph);
}

static void keep_in_context(struct graph *graph, struct graph_node *node)
{
    assert_int_equal(node->header.count, 1);
    graph_hold(graph, node);
    *(struct graph_node **)graph->context = node;
}

static void a_resurrected_object_lives_and_its_destructor_does_not_run_again(void **state)
{
    (void)state;
    struct graph graph;
    struct graph_node *kept = NULL;
    graph_open(&graph, "refcount", NULL);
    graph.on_destroy = keep_in_context;
    graph.context = &kept;
    struct graph_node *node = graph_destructible(&graph, 7);
    graph_give(&graph, node, 0, graph_plain(&graph, 8));
    graph_drop(&graph, node);
    assert_ptr_equal(kept, node);
    assert_int_equal(node->header.count, 1);
    assert_int_equal(live_objects(&graph), 2);
    assert_int_equal(graph_stats(&graph).roots, 1); /* it lost a count and kept one */
    graph_drop(&graph, node);
    assert_int_equal(graph.destroyed_count, 1);
    assert_int_equal(live_objects(&graph), 0);
    assert_int_equal(graph_stats(&graph).roots, 0);
    graph_close(&graph);
}

static void drop_context_once(struct graph *graph, struct graph_node *node)
{
    struct graph_node *other = graph->context;
    graph->context = NULL;
    (void)node;
    if (other == NULL)
        return;
    size_t before = graph->destroyed_count;
    graph_drop(graph, other);
    assert_int_equal(graph->destroyed_count - before, 2); /* all of it, before the drop returns */
}

static void a_drop_inside_a_destructor_is_complete_when_it_returns(void **state)
{
    (void)state;
    struct graph graph;
    graph_open(&graph, "refcount", NULL);
    struct graph_node *outer = graph_destructible(&graph, 1), *inner = graph_destructible(&graph, 2);
    graph_give(&graph, outer, 0, graph_destructible(&graph, 4));
    graph_give(&graph, inner, 0, graph_destructible(&graph, 3));
    graph.on_destroy = drop_context_once;
    graph.context = inner;
    graph_drop(&graph, outer);
    const uint64_t expected[] = {1, 2, 3, 4};
    assert_int_equal(graph.destroyed_count, 4);
    assert_memory_equal(graph.destroyed, expected, sizeof(expected));
    assert_int_equal(live_objects(&graph), 0);
    graph_close(&graph);
}

struct weak_view {
    struct sm_object *cells[3];
    bool answered[3];
};

static void look_at_cells(struct graph *graph, struct graph_node *node)
{
    struct weak_view *view = graph->context;
    assert_ptr_equal(sm_weak_get(graph->mm, view->cells[node->id]), node);
    for (size_t i = 0; i < 3; i++)
        view->answered[i] = sm_weak_get(graph->mm, view->cells[i]) != NULL;
}

static void weak_cells_answer_in_the_destructor_and_not_after(void **state)
{
    (void)state;
    struct graph graph;
    struct weak_view view;
    graph_open(&graph, "refcount", NULL);
    struct graph_node *nodes[3];
    for (uint64_t id = 0; id < 3; id++) {
        nodes[id] = graph_destructible(&graph, id);
        view.cells[id] = sm_weak_make(graph.mm, &nodes[id]->header);
    }
    struct sm_object *twin = sm_weak_make(graph.mm, &nodes[0]->header);
    graph_give(&graph, nodes[0], 0, nodes[1]);
    graph_give(&graph, nodes[0], 1, nodes[2]);
    graph.on_destroy = look_at_cells;
    graph.context = &view;
    graph_drop(&graph, nodes[0]);
    assert_int_equal(graph.destroyed_count, 3);
    /* As of the last destructor: those before it are dead. */
    assert_false(view.answered[0]);
    assert_false(view.answered[1]);
    assert_true(view.answered[2]);
    assert_null(sm_weak_get(graph.mm, twin));
    for (size_t i = 0; i < 3; i++) {
        assert_null(sm_weak_get(graph.mm, view.cells[i]));
        graph_drop(&graph, view.cells[i]);
    }
    graph_drop(&graph, twin);
    assert_int_equal(live_objects(&graph), 0);
    graph_close(&graph);
}

/* The newer entry of the chain is the only holder of the older one: giving up its value frees that while it waits. */
static void a_retired_target_has_an_entry_that_holds_another(void **state)
{
    (void)state;
    struct graph graph;
    graph_open(&graph, "refcount", NULL);
    struct graph_node *target = graph_plain(&graph, 1);
    struct sm_object *older = sm_weak_entry_make(graph.mm, &target->header, graph_value(graph_leaf(&graph)));
    struct sm_object *newer = sm_weak_entry_make(graph.mm, &target->header, graph_value(older));
    graph_drop(&graph, older);
    uint64_t dead_objects = manager_stats(graph.mm).retired_objects;
    sm_retire(graph.mm, &target->header);
    assert_null(sm_weak_get(graph.mm, newer));
    assert_int_equal(sm_weak_entry_value(newer)->tag, 0);
    /* The target and the older entry; the leaf is still held by this test. */
    assert_int_equal(manager_stats(graph.mm).retired_objects - dead_objects, 2);
    graph_drop(&graph, newer);
    graph_close(&graph);
}

static void a_weak_entry_gives_up_its_value_with_its_target(void **state)
{
    (void)state;
    struct graph graph;
    graph_open(&graph, "refcount", NULL);
    struct graph_node *target = graph_plain(&graph, 1), *value = graph_plain(&graph, 2);
    struct sm_object *entry = sm_weak_entry_make(graph.mm, &target->header, graph_value(value));
    struct sm_object *spare = sm_weak_entry_make(graph.mm, &target->header, graph_value(value));
    assert_int_equal(value->header.count, 3);
    graph_drop(&graph, spare);
    assert_int_equal(value->header.count, 2);
    graph_drop(&graph, target);
    assert_int_equal(value->header.count, 1);
    assert_null(sm_weak_get(graph.mm, entry));
    assert_int_equal(sm_weak_entry_value(entry)->tag, 0);
    graph_drop(&graph, value);
    graph_drop(&graph, entry);
    assert_int_equal(live_objects(&graph), 0);
    graph_close(&graph);
}

static void many_cells_come_and_go(void **state)
{
    (void)state;
    enum { TARGETS = 1000 };
    static struct graph_node *targets[TARGETS];
    static struct sm_object *cells[2 * TARGETS];
    struct graph graph;
    graph_open(&graph, "refcount", NULL);
    for (size_t i = 0; i < TARGETS; i++)
        targets[i] = graph_plain(&graph, i);
    for (size_t i = 0; i < 2 * TARGETS; i++)
        cells[i] = sm_weak_make(graph.mm, &targets[i % TARGETS]->header);
    for (size_t i = 0; i < TARGETS; i += 3)
        graph_drop(&graph, cells[i]);
    for (size_t i = 0; i < TARGETS; i += 2)
        graph_drop(&graph, targets[i]);
    for (size_t i = 0; i < TARGETS; i++) {
        assert_ptr_equal(sm_weak_get(graph.mm, cells[i + TARGETS]), i % 2 == 0 ? NULL : targets[i]);
        graph_drop(&graph, cells[i + TARGETS]);
        if (i % 3 != 0)
            graph_drop(&graph, cells[i]);
        if (i % 2 != 0)
            graph_drop(&graph, targets[i]);
    }
    assert_int_equal(live_objects(&graph), 0);
    graph_close(&graph);
}

static void a_chain_of_a_million_nodes_dies_without_recursion(void **state)
{
    (void)state;
    struct graph graph;
    graph_open(&graph, "refcount", NULL);
    struct graph_node *chain = graph_plain(&graph, 0);
    for (uint64_t id = 1; id < 1000000; id++) {
        struct graph_node *node = graph_plain(&graph, id);
        graph_give(&graph, node, 1, chain);
        chain = node;
    }
    graph_drop(&graph, chain);
    assert_int_equal(live_objects(&graph), 0);
    graph_close(&graph);
}

static void an_array_of_a_million_arrays_dies_in_order(void **state)
{
    (void)state;
    enum { ELEMENTS = 1000000 };
    struct graph graph;
    graph_open(&graph, "refcount", NULL);
    struct graph_node *array = graph_new(&graph, graph.node_type, 0, ELEMENTS);
    for (size_t i = 0; i < ELEMENTS; i++)
        graph_give(&graph, array, i,
                   i % 250000 == 0 ? graph_destructible(&graph, i) : graph_new(&graph, graph.node_type, i, 0));
    graph_drop(&graph, array);
    const uint64_t expected[] = {0, 250000, 500000, 750000};
    assert_int_equal(graph.destroyed_count, 4);
    assert_memory_equal(graph.destroyed, expected, sizeof(expected));
    assert_int_equal(live_objects(&graph), 0);
    graph_close(&graph);
}

static void note_pause(void *context, const struct sm_pause_record *pause)
{
    assert_int_equal(pause->cause, SM_PAUSE_CASCADE);
    ++*(size_t *)context;
}

static void a_cascade_of_more_than_100_objects_is_a_pause(void **state)
{
    (void)state;
    size_t pauses = 0;
    struct graph graph;
    graph_open(&graph, "refcount", &(struct sm_config){.hooks = {.context = &pauses, .on_pause = note_pause}});
    for (size_t objects = 99; objects <= 102; objects++) {
        struct graph_node *array = graph_new(&graph, graph.node_type, 0, objects);
        for (size_t i = 0; i + 1 < objects; i++)
            graph_give(&graph, array, i, i % 2 == 0 ? (void *)graph_leaf(&graph) : graph_plain(&graph, i));
        graph_drop(&graph, array);
        assert_int_equal(pauses, objects <= 100 ? 0 : objects - 100);
    }
    graph_close(&graph);
}

static void a_saturated_count_stays(void **state)
{
    (void)state;
    struct graph graph;
    graph_open(&graph, "refcount", NULL);
    struct graph_node *node = graph_plain(&graph, 1), *holder = graph_plain(&graph, 2);
    node->header.count = SM_COUNT_MAX - 1;
    graph_link(&graph, holder, 0, node);
    graph_link(&graph, holder, 1, node);
    assert_int_equal(node->header.count, SM_COUNT_MAX);
    graph_drop(&graph, node);
    graph_link(&graph, node, 0, node);
    graph_hold(&graph, holder);
    graph_drop(&graph, holder);
    assert_int_equal(sm_collect(graph.mm, SM_COLLECT_FULL), SM_OK);
    assert_int_equal(node->header.count, SM_COUNT_MAX);
    graph_drop(&graph, holder);
    assert_int_equal(node->header.count, SM_COUNT_MAX);
    assert_true(sm_is_valid(graph.mm, &node->header));
    assert_int_equal(live_objects(&graph), 1);
    graph_close(&graph);
}

static void retired_storage_keeps_what_its_slots_held(void **state)
{
    (void)state;
    struct graph graph;
    graph_open(&graph, "refcount", NULL);
    struct graph_node *element = graph_plain(&graph, 1);
    struct sm_object *storage = sm_alloc(graph.mm, SM_TYPE_VALUES, 128);
    struct sm_value *slots = sm_payload(storage);
    sm_store_take(graph.mm, storage, &slots[0], graph_value(element));
    struct sm_object *moved = sm_resize(graph.mm, storage, 8192);
    assert_ptr_not_equal(moved, storage);
    sm_retire(graph.mm, storage);
    assert_int_equal(element->header.count, 1);
    assert_int_equal(live_objects(&graph), 2);
    graph_drop(&graph, moved);
    assert_int_equal(live_objects(&graph), 0);
    graph_close(&graph);
}

static void a_request_end_frees_everything_but_boot_data(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct graph graph;
        graph_open(&graph, policies[i], &(struct sm_config){.sapi = SM_SAPI_FPM});
        struct graph_node *boot = graph_plain(&graph, 77), *other = graph_plain(&graph, 78);
        struct sm_object *boot_cell = sm_weak_make(graph.mm, &boot->header);
        for (int request = 0; request < 3; request++) {
            assert_int_equal(sm_request_begin(graph.mm), SM_OK);
            graph_garbage(&graph, 500);
            graph_hold(&graph, boot);
            graph_drop(&graph, boot);
            struct graph_node *node = graph_plain(&graph, 1);
            graph_give(&graph, node, 0, sm_weak_make(graph.mm, &boot->header));
            struct sm_object *cell = sm_weak_make(graph.mm, &node->header);
            graph_give(&graph, boot, 0, sm_alloc_leaf(graph.mm, SM_TYPE_BYTES, 3 << 20));
            graph_link(&graph, boot, 0, NULL);
            assert_ptr_equal(sm_weak_get(graph.mm, cell), node);
            assert_int_equal(graph_stats(&graph).roots, 501);
            assert_int_equal(sm_request_end(graph.mm), SM_OK);
            assert_int_equal(graph_stats(&graph).roots, 0);
            assert_int_equal(walk_count(&graph), 3);
            assert_ptr_equal(sm_weak_get(graph.mm, boot_cell), boot);
            assert_int_equal(boot->header.count, 1);
        }
        assert_int_equal(sm_request_begin(graph.mm), SM_OK);
        graph_drop(&graph, other); /* back to its own heap */
        graph_drop(&graph, boot);
        assert_null(sm_weak_get(graph.mm, boot_cell));
        assert_int_equal(sm_request_end(graph.mm), SM_OK);
        assert_int_equal(walk_count(&graph), 1);
        assert_int_equal(graph_plain(&graph, 5)->header.count, 1);
        graph_close(&graph);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_drop_frees_at_once),
        cmocka_unit_test(a_freed_block_is_the_next_one_taken),
        cmocka_unit_test(destructors_run_depth_first),
        cmocka_unit_test(a_resurrected_object_lives_and_its_destructor_does_not_run_again),
        cmocka_unit_test(a_drop_inside_a_destructor_is_complete_when_it_returns),
        cmocka_unit_test(weak_cells_answer_in_the_destructor_and_not_after),
        cmocka_unit_test(a_retired_target_has_an_entry_that_holds_another),
        cmocka_unit_test(a_weak_entry_gives_up_its_value_with_its_target),
        cmocka_unit_test(many_cells_come_and_go),
        cmocka_unit_test(a_chain_of_a_million_nodes_dies_without_recursion),
        cmocka_unit_test(an_array_of_a_million_arrays_dies_in_order),
        cmocka_unit_test(a_cascade_of_more_than_100_objects_is_a_pause),
        cmocka_unit_test(a_saturated_count_stays),
        cmocka_unit_test(retired_storage_keeps_what_its_slots_held),
        cmocka_unit_test(a_request_end_frees_everything_but_boot_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
