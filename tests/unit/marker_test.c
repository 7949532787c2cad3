/** Marking by itself, over objects of a policy that never marks: what is reached, how deep, which mark. */
#include "epoch_graph.h"
#include "marker.h"

static int open_default(void **state)
{
    static struct graph graph;
    graph_open_policy(&graph, "null");
    *state = &graph;
    return 0;
}

static int close_default(void **state)
{
    graph_close(*state);
    return 0;
}

static struct sm_marker begin(struct graph *graph, size_t object_count, uint16_t last_mark)
{
    struct sm_marker marker;
    assert_true(sm_marker_init(&marker, graph->mm, object_count, last_mark, 0));
    return marker;
}

static void test_everything_reachable_is_marked_and_counted_once(void **state)
{
    struct graph *graph = *state;
    struct node *ring[4];
    for (size_t i = 0; i < 4; i++)
        ring[i] = node_new(graph, i);
    for (size_t i = 0; i < 4; i++) {
        node_link(graph, ring[i], 0, ring[(i + 1) % 4]);
        node_link(graph, ring[i], 1, ring[i]);
    }
    struct node *outside = node_new(graph, 9);
    node_link(graph, outside, 0, ring[0]);
    graph->roots[0] = graph->roots[1] = ring[2];
    struct sm_marker marker = begin(graph, 5, SM_MARK_NONE);
    sm_roots_enumerate(graph->mm, &marker.visitor);
    sm_marker_drain(&marker);
    for (size_t i = 0; i < 4; i++)
        assert_true(sm_is_marked(&ring[i]->header, marker.mark));
    assert_false(sm_is_marked(&outside->header, marker.mark));
    assert_int_equal(marker.live_objects, 4);
    assert_int_equal(marker.live_bytes, 4 * ring[0]->header.payload_bytes);
    sm_marker_visit(&marker, &outside->header);
    sm_marker_drain(&marker);
    assert_int_equal(marker.live_objects, 5);
    sm_marker_finish(&marker);
}

static void test_marks_alternate_and_leave_other_flags_alone(void **state)
{
    struct graph *graph = *state;
    struct node *node = node_new(graph, 1);
    const uint16_t others = SM_OBJECT_SHARED | 0x0800;
    uint16_t last = SM_MARK_NONE;
    sm_object_set_flags(&node->header, others);
    for (int cycle = 0; cycle < 5; cycle++) {
        struct sm_marker marker = begin(graph, 1, last);
        assert_true(marker.mark == SM_MARK_A || marker.mark == SM_MARK_B);
        assert_int_not_equal(marker.mark, last);
        assert_false(sm_is_marked(&node->header, marker.mark));
        sm_marker_mark(&marker, &node->header);
        sm_marker_drain(&marker);
        assert_int_equal(sm_object_flags(&node->header), others | marker.mark);
        last = marker.mark;
        sm_marker_finish(&marker);
    }
}

static void test_an_entry_per_object_is_enough(void **state)
{
    struct graph *graph = *state;
    enum { COUNT = 1000 };
    struct node *nodes[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        nodes[i] = node_new(graph, i);
    for (size_t i = 0; i < COUNT; i++) {
        node_link(graph, nodes[i], 0, nodes[i * 7 % COUNT]);
        node_link(graph, nodes[i], 1, nodes[(i + 1) % COUNT]);
    }
    struct sm_marker marker = begin(graph, COUNT, SM_MARK_NONE);
    for (size_t i = 0; i < COUNT; i++)
        sm_marker_mark(&marker, &nodes[i]->header); /* all of them wait at once */
    assert_int_equal(marker.depth, COUNT);
    sm_marker_drain(&marker);
    assert_int_equal(marker.live_objects, COUNT);
    sm_marker_finish(&marker);
}

static void test_an_empty_heap_needs_no_stack(void **state)
{
    struct sm_marker marker = begin(*state, 0, SM_MARK_A);
    sm_marker_drain(&marker);
    sm_marker_keep_finalizable(&marker);
    assert_null(marker.stack);
    sm_marker_finish(&marker);
}

static void test_R5_due_destructors_keep_what_they_reach(void **state)
{
    struct graph *graph = *state;
    struct node *live = graph->roots[0] = destructible_new(graph, 1);
    struct node *due = destructible_new(graph, 2);
    struct node *reached = node_new(graph, 3);
    struct node *garbage = node_new(graph, 4);
    node_link(graph, due, 0, reached);
    struct sm_marker marker = begin(graph, 4, SM_MARK_NONE);
    sm_roots_enumerate(graph->mm, &marker.visitor);
    sm_marker_drain(&marker);
    assert_int_equal(marker.live_objects, 1);
    sm_marker_keep_finalizable(&marker);
    assert_int_equal(marker.live_objects, 3);
    assert_true(sm_is_marked(&due->header, marker.mark) && sm_is_marked(&reached->header, marker.mark));
    assert_false(sm_is_marked(&garbage->header, marker.mark));
    assert_int_equal(sm_object_flags(&live->header) & SM_OBJECT_FINALIZED, 0);
    assert_int_equal(sm_object_flags(&due->header) & SM_OBJECT_FINALIZED, SM_OBJECT_FINALIZED);
    sm_marker_finish(&marker);
}

#define WITH_GRAPH(test) cmocka_unit_test_setup_teardown(test, open_default, close_default)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_GRAPH(test_everything_reachable_is_marked_and_counted_once),
        WITH_GRAPH(test_marks_alternate_and_leave_other_flags_alone),
        WITH_GRAPH(test_an_entry_per_object_is_enough),
        WITH_GRAPH(test_an_empty_heap_needs_no_stack),
        WITH_GRAPH(test_R5_due_destructors_keep_what_they_reach),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
