/**
 * Policy refcount: possible roots, trial deletion, the adaptive threshold.
 *
 * Numbers that a comment ascribes to PHP were read from php8.2-cli (gc_collect_cycles, gc_status) on the same graph.
 */
#include "counted_graph.h"

#include <stdlib.h>

enum { THRESHOLD = 10001 };

static void assert_gc(const struct graph *graph, uint64_t runs, uint64_t collected, uint64_t roots)
{
    struct sm_stats stats = graph_stats(graph);
    assert_int_equal(stats.root_runs, runs);
    assert_int_equal(stats.collected_objects, collected);
    assert_int_equal(stats.roots, roots);
}

static void collect(struct graph *graph)
{
    assert_int_equal(sm_collect(graph->mm, SM_COLLECT_FULL), SM_OK);
    graph_check_counts(graph);
}

/* Two nodes that refer to each other, held by nobody; returns the first. */
static struct graph_node *drop_pair(struct graph *graph, struct graph_node *first, struct graph_node *second)
{
    graph_link(graph, first, 0, second);
    graph_link(graph, second, 0, first);
    graph_drop(graph, first);
    graph_drop(graph, second);
    return first;
}

static void what_is_not_cyclic_is_never_collected(void **state)
{
    (void)state;
    struct graph graph;
    graph_open(&graph, "refcount", NULL);
    struct graph_node *live = graph_plain(&graph, 0);
    for (int i = 0; i < 30000; i++) {
        struct graph_node *node = graph_plain(&graph, 1);
        graph_give(&graph, node, 0, graph_leaf(&graph));
        graph_link(&graph, node, 1, live);
        graph_hold(&graph, node);
        graph_drop(&graph, node); /* a possible root until it dies */
        graph_drop(&graph, node);
        sm_safepoint(graph.mm);
    }
    assert_gc(&graph, 0, 0, 1);
    collect(&graph);
    assert_gc(&graph, 1, 0, 0);
    assert_int_equal(graph_stats(&graph).live_objects, 1);
    collect(&graph);
    assert_gc(&graph, 1, 0, 0); /* without roots nothing runs, as in PHP */
    graph_close(&graph);
}

static void a_ring_is_collected_by_one_run(void **state)
{
    (void)state;
    struct graph graph;
    graph_open(&graph, "refcount", NULL);
    drop_pair(&graph, graph_plain(&graph, 1), graph_plain(&graph, 2));
    assert_gc(&graph, 0, 0, 2);
    assert_int_equal(graph_stats(&graph).live_objects, 2);
    collect(&graph);
    assert_gc(&graph, 1, 2, 0);
    assert_int_equal(graph_stats(&graph).live_objects, 0);
    assert_int_equal(graph_stats(&graph).retired_objects, 2);
    graph_close(&graph);
}

/* PHP: 3 for two objects of which one has a string made at run time; 2 for an array with a reference to itself and a string. */
static void values_and_strings_are_counted_as_php_counts_them(void **state)
{
    (void)state;
    struct graph graph;
    graph_open(&graph, "refcount", NULL);
    struct graph_node *first = graph_plain(&graph, 1);
    graph_give(&graph, first, 1, graph_leaf(&graph));
    drop_pair(&graph, first, graph_plain(&graph, 2));
    collect(&graph);
    assert_gc(&graph, 1, 3, 0);
    /* The array is a head and a storage here, both of which die; so does the reference. */
    struct graph_node *array = graph_plain(&graph, 3);
    struct sm_object *storage = sm_alloc(graph.mm, SM_TYPE_VALUES, 32);
    struct graph_node *reference = graph_new(&graph, graph.reference_type, 4, 1);
    struct sm_value *slots = sm_payload(storage);
    graph_give(&graph, array, 0, storage);
    sm_store(graph.mm, storage, &slots[0], graph_value(reference));
    sm_store_take(graph.mm, storage, &slots[1], graph_value(graph_leaf(&graph)));
    graph_give(&graph, reference, 0, array);
    graph_drop(&graph, reference); /* which makes what it refers to a root */
    assert_gc(&graph, 1, 3, 1);
    collect(&graph);
    assert_gc(&graph, 2, 5, 0);
    assert_int_equal(graph_stats(&graph).live_objects, 0);
    graph_close(&graph);
}

static void what_is_held_from_outside_stays_whole(void **state)
{
    (void)state;
    struct graph graph;
    graph_open(&graph, "refcount", NULL);
    struct graph_node *held = graph_plain(&graph, 1), *second = graph_plain(&graph, 2);
    struct sm_object *leaf = graph_leaf(&graph);
    graph_give(&graph, second, 1, leaf);
    graph_hold(&graph, held);
    drop_pair(&graph, held, second);
    collect(&graph);
    assert_gc(&graph, 1, 0, 0);
    assert_int_equal(leaf->count, 1);
    assert_int_equal(held->header.count, 2);
    graph_drop(&graph, held);
    collect(&graph);
    assert_gc(&graph, 2, 3, 0);
    graph_close(&graph);
}

/* PHP: one is collected, and the live object it referred to is a root afterwards. */
static void what_garbage_referred_to_is_a_root_again(void **state)
{
    (void)state;
    struct graph graph;
    graph_open(&graph, "refcount", NULL);
    struct graph_node *live = graph_plain(&graph, 1), *ring = graph_plain(&graph, 2);
    graph_link(&graph, ring, 1, live);
    graph_link(&graph, ring, 0, ring);
    graph_drop(&graph, ring);
    collect(&graph);
    assert_gc(&graph, 1, 1, 1);
    assert_int_equal(live->header.count, 1);
    graph_drop(&graph, live);
    assert_gc(&graph, 1, 1, 0);
    graph_close(&graph);
}

/* PHP: runs + 1, collected + 10000 and one root left, at the 10001st root. */
static void the_10001st_root_starts_a_run(void **state)
{
    (void)state;
    struct graph graph;
    graph_open(&graph, "refcount", NULL);
    graph_garbage(&graph, THRESHOLD - 1);
    sm_safepoint(graph.mm);
    assert_gc(&graph, 0, 0, THRESHOLD - 1);
    assert_int_equal(graph_stats(&graph).root_threshold, THRESHOLD);
    graph_garbage(&graph, 1);
    assert_gc(&graph, 0, 0, THRESHOLD);
    sm_safepoint(graph.mm);
    assert_gc(&graph, 1, THRESHOLD - 1, 1);
    assert_int_equal(graph_stats(&graph).live_objects, 1);
    assert_int_equal(graph_stats(&graph).cycles, 1);
    sm_safepoint(graph.mm);
    assert_gc(&graph, 1, THRESHOLD - 1, 1);
    graph_close(&graph);
}

/* What came after the full buffer is as alive as in Zend, which ran before: though all of it could be collected. */
static void roots_after_the_full_buffer_wait_for_a_later_run(void **state)
{
    (void)state;
    struct graph graph;
    graph_open(&graph, "refcount", NULL);
    struct graph_node *early = graph_plain(&graph, 1), *late = graph_plain(&graph, 2);
    graph_link(&graph, early, 0, late);
    graph_link(&graph, late, 0, early);
    graph_drop(&graph, early);
    graph_garbage(&graph, THRESHOLD - 2);
    graph_drop(&graph, late);
    graph_garbage(&graph, 500);
    assert_gc(&graph, 0, 0, THRESHOLD - 1 + 501);
    sm_safepoint(graph.mm);
    assert_gc(&graph, 1, THRESHOLD - 2, 501);
    graph_check_counts(&graph);
    collect(&graph);
    assert_gc(&graph, 2, THRESHOLD - 2 + 502, 0);
    assert_int_equal(graph_stats(&graph).live_objects, 0);
    graph_close(&graph);
}

/* However late the safepoint, and in a manual collection too, the runs are those Zend would have made. */
static void missed_runs_are_made_up_for(void **state)
{
    (void)state;
    struct graph graph;
    graph_open(&graph, "refcount", NULL);
    graph_garbage(&graph, 3 * (THRESHOLD - 1) + 5);
    sm_safepoint(graph.mm);
    assert_gc(&graph, 3, 3 * (THRESHOLD - 1), 5);
    graph_garbage(&graph, THRESHOLD);
    collect(&graph);
    assert_gc(&graph, 5, 4 * (THRESHOLD - 1) + 6, 0);
    assert_int_equal(graph_stats(&graph).root_threshold, THRESHOLD);
    graph_close(&graph);
}

static void the_threshold_follows_what_runs_find(void **state)
{
    (void)state;
    enum { LIVE = THRESHOLD, GARBAGE = 20000 };
    static struct graph_node *live[LIVE];
    struct graph graph;
    graph_open(&graph, "refcount", NULL);
    for (size_t i = 0; i < LIVE; i++) {
        live[i] = graph_plain(&graph, i);
        graph_hold(&graph, live[i]);
        graph_drop(&graph, live[i]);
    }
    sm_safepoint(graph.mm);
    assert_gc(&graph, 1, 0, 1);
    assert_int_equal(graph_stats(&graph).root_threshold, 20001);
    graph_garbage(&graph, GARBAGE);
    sm_safepoint(graph.mm);
    assert_gc(&graph, 2, GARBAGE - 1, 1);
    assert_int_equal(graph_stats(&graph).root_threshold, 10001);
    collect(&graph); /* a manual run leaves it alone */
    assert_gc(&graph, 3, GARBAGE, 0);
    assert_int_equal(graph_stats(&graph).root_threshold, 10001);
    /* 99 are too few, 100 are not. */
    for (size_t found = 99; found <= 100; found++) {
        for (size_t i = 0; i < THRESHOLD - 1 - found; i++) {
            graph_hold(&graph, live[i]);
            graph_drop(&graph, live[i]);
        }
        graph_garbage(&graph, found);
        graph_hold(&graph, live[LIVE - 1]);
        graph_drop(&graph, live[LIVE - 1]);
        sm_safepoint(graph.mm);
        assert_int_equal(graph_stats(&graph).root_threshold, found < 100 ? 20001 : 10001);
        if (found < 100)
            graph_garbage(&graph, GARBAGE);
        sm_safepoint(graph.mm);
        collect(&graph);
        assert_int_equal(graph_stats(&graph).root_threshold, 10001);
    }
    graph_check_counts(&graph);
    graph_close(&graph);
}

static void disabled_cycles_record_past_every_step_of_the_buffer(void **state)
{
    (void)state;
    enum { ROOTS = 300000 };
    struct graph graph;
    graph_open(&graph, "refcount", NULL);
    sm_cycles_enable(graph.mm, false);
    graph_garbage(&graph, ROOTS);
    sm_safepoint(graph.mm);
    assert_gc(&graph, 0, 0, ROOTS);
    sm_cycles_enable(graph.mm, true);
    sm_safepoint(graph.mm);
    assert_gc(&graph, 0, 0, ROOTS);
    graph_garbage(&graph, 1); /* the next root finds the buffer full */
    sm_safepoint(graph.mm);
    assert_gc(&graph, 1, ROOTS, 1);
    assert_int_equal(graph_stats(&graph).live_objects, 1);
    graph_close(&graph);
}

static void objects_without_a_root_word_are_roots_too(void **state)
{
    (void)state;
    struct graph graph;
    graph_open(&graph, "refcount", NULL);
    for (uint64_t i = 0; i < 1000; i++) {
        struct graph_node *ring = graph_new(&graph, graph.wordless_type, i, 2);
        graph_give(&graph, ring, 1, graph_new(&graph, graph.wordless_type, i, 1));
        graph_link(&graph, ring, 0, ring);
        graph_drop(&graph, ring);
        if (i % 2 == 0)
            graph_link(&graph, ring, 0, NULL); /* dies at once, and leaves the buffer */
    }
    assert_gc(&graph, 0, 0, 500);
    collect(&graph);
    assert_gc(&graph, 1, 500, 0);
    assert_int_equal(graph_stats(&graph).live_objects, 0);
    graph_close(&graph);
}

/* PHP: 2 collected in two runs; with a string beside, 3; with an array that has one, 4. */
static void destructors_come_first_and_memory_in_a_second_run(void **state)
{
    (void)state;
    struct graph graph;
    graph_open(&graph, "refcount", NULL);
    drop_pair(&graph, graph_destructible(&graph, 1), graph_plain(&graph, 2));
    collect(&graph);
    assert_int_equal(graph.destroyed_count, 1);
    assert_gc(&graph, 2, 2, 0);
    struct graph_node *node = graph_destructible(&graph, 3);
    graph_give(&graph, node, 1, graph_leaf(&graph));
    graph_link(&graph, node, 0, node);
    graph_drop(&graph, node);
    collect(&graph);
    assert_gc(&graph, 4, 2 + 3, 0);
    node = graph_destructible(&graph, 4);
    struct graph_node *array = graph_plain(&graph, 5);
    graph_give(&graph, array, 0, graph_leaf(&graph));
    graph_give(&graph, node, 1, array);
    graph_link(&graph, node, 0, node);
    graph_drop(&graph, node);
    collect(&graph);
    assert_gc(&graph, 6, 2 + 3 + 4, 0);
    assert_int_equal(graph.destroyed_count, 3);
    assert_int_equal(graph_stats(&graph).live_objects, 0);
    graph_close(&graph);
}

static void resurrect(struct graph *graph, struct graph_node *node)
{
    assert_int_equal(node->header.count, 2); /* exact: the ring's and the collector's */
    graph_hold(graph, node);
    graph->context = node;
}

static void garbage_that_a_destructor_brings_back_lives(void **state)
{
    (void)state;
    struct graph graph;
    graph_open(&graph, "refcount", NULL);
    graph.on_destroy = resurrect;
    struct graph_node *other = graph_plain(&graph, 2);
    struct graph_node *node = drop_pair(&graph, graph_destructible(&graph, 1), other);
    graph_garbage(&graph, 10);
    collect(&graph);
    assert_ptr_equal(graph.context, node);
    assert_gc(&graph, 2, 10, 0);
    assert_int_equal(graph_stats(&graph).live_objects, 2);
    assert_int_equal(other->header.count, 1);
    graph_drop(&graph, node);
    collect(&graph);
    assert_gc(&graph, 3, 12, 0);
    assert_int_equal(graph.destroyed_count, 1);
    assert_int_equal(graph_stats(&graph).live_objects, 0);
    graph_close(&graph);
}

static void add_a_ring(struct graph *graph, struct graph_node *node)
{
    (void)node;
    graph_garbage(graph, 3);
    sm_safepoint(graph->mm);
    assert_int_equal(sm_collect(graph->mm, SM_COLLECT_FULL), SM_OK); /* for later: one is in progress */
}

static void a_destructor_may_make_garbage_and_collect(void **state)
{
    (void)state;
    struct graph graph;
    graph_open(&graph, "refcount", NULL);
    graph.on_destroy = add_a_ring;
    drop_pair(&graph, graph_destructible(&graph, 1), graph_destructible(&graph, 2));
    collect(&graph);
    assert_int_equal(graph.destroyed_count, 2);
    assert_gc(&graph, 2, 2 + 6, 0);
    assert_int_equal(graph_stats(&graph).live_objects, 0);
    graph_close(&graph);
}

static void cut_the_ring(struct graph *graph, struct graph_node *node)
{
    graph_link(graph, node, 0, NULL);
}

/* The first destructor ends the other object, whose own then runs inside it. */
static void a_destructor_may_end_other_garbage(void **state)
{
    (void)state;
    struct graph graph;
    graph_open(&graph, "refcount", NULL);
    graph.on_destroy = cut_the_ring;
    drop_pair(&graph, graph_destructible(&graph, 1), graph_destructible(&graph, 2));
    collect(&graph);
    const uint64_t expected[] = {1, 2};
    assert_int_equal(graph.destroyed_count, 2);
    assert_memory_equal(graph.destroyed, expected, sizeof(expected));
    assert_int_equal(graph_stats(&graph).live_objects, 0);
    graph_close(&graph);
}

static void a_run_clears_weak_cells(void **state)
{
    (void)state;
    struct graph graph;
    graph_open(&graph, "refcount", NULL);
    struct graph_node *value = graph_plain(&graph, 3), *ring = graph_plain(&graph, 1);
    struct sm_object *cell = sm_weak_make(graph.mm, &ring->header);
    struct sm_object *entry = sm_weak_entry_make(graph.mm, &ring->header, graph_value(value));
    /* One cell dies with its target. */
    graph_give(&graph, ring, 1, sm_weak_make(graph.mm, &ring->header));
    drop_pair(&graph, ring, graph_plain(&graph, 2));
    assert_ptr_equal(sm_weak_get(graph.mm, cell), ring);
    collect(&graph);
    assert_null(sm_weak_get(graph.mm, cell));
    assert_null(sm_weak_get(graph.mm, entry));
    assert_int_equal(value->header.count, 1);
    assert_int_equal(graph_stats(&graph).live_objects, 3);
    graph_drop(&graph, value);
    graph_drop(&graph, cell);
    graph_drop(&graph, entry);
    assert_int_equal(graph_stats(&graph).live_objects, 0);
    graph_close(&graph);
}

static void a_ring_of_a_million_nodes_is_collected(void **state)
{
    (void)state;
    struct graph graph;
    graph_open(&graph, "refcount", NULL);
    struct graph_node *first = graph_plain(&graph, 0), *last = first;
    for (uint64_t id = 1; id < 1000000; id++) {
        struct graph_node *node = graph_plain(&graph, id);
        graph_give(&graph, node, 1, last);
        last = node;
    }
    graph_hold(&graph, last);
    graph_give(&graph, first, 1, last);
    graph_drop(&graph, last);
    collect(&graph);
    assert_gc(&graph, 1, 1000000, 0);
    assert_int_equal(graph_stats(&graph).live_objects, 0);
    graph_close(&graph);
}

/* Memory runs out again and again, in the middle of building: every emergency runs, and every count stays exact. */
static void refused_memory_leaves_counts_right(void **state)
{
    (void)state;
    for (uint64_t nth = 1; nth <= 12; nth++) {
        struct graph graph;
        graph_open(&graph, nth % 2 == 0 ? "refcount" : "refcount:allocator=mimalloc",
                   &(struct sm_config){.fail_alloc_after = nth});
        struct graph_node *chain = NULL;
        size_t refused = 0;
        for (size_t i = 0; i < 300; i++) {
            struct graph_node *node = (struct graph_node *)sm_alloc(graph.mm, graph.node_type, 16 + 9000 / 16 * 16);
            refused += node == NULL;
            if (node == NULL)
                continue;
            node->held_count = 1;
            graph_link(&graph, node, i % 5, node);
            if (chain != NULL)
                graph_give(&graph, node, 7, chain);
            chain = node;
            if (i % 10 == 0) {
                graph_drop(&graph, chain);
                chain = NULL;
            }
            graph_check_counts(&graph);
        }
        if (chain != NULL)
            graph_drop(&graph, chain);
        collect(&graph);
        assert_true(refused <= 1);
        assert_int_equal(graph_stats(&graph).live_objects, 0);
        graph_close(&graph);
    }
}

static void an_emergency_frees_cycles_and_puts_destructors_off(void **state)
{
    (void)state;
    struct graph graph;
    graph_open(&graph, "refcount", &(struct sm_config){.memory_limit_bytes = 16 << 20});
    drop_pair(&graph, graph_destructible(&graph, 1), graph_plain(&graph, 2));
    struct graph_node *ring = graph_new(&graph, graph.node_type, 3, (6 << 20) / 16);
    /* The big ring holds a destructible too, which is garbage like itself. */
    graph_give(&graph, ring, 1, graph_destructible(&graph, 4));
    graph_link(&graph, ring, 0, ring);
    graph_drop(&graph, ring);
    struct sm_object *big = sm_alloc_leaf(graph.mm, SM_TYPE_BYTES, 11 << 20);
    assert_non_null(big);
    assert_int_equal(graph_stats(&graph).cycles_by_trigger[SM_TRIGGER_EMERGENCY], 1);
    assert_int_equal(graph.destroyed_count, 0);
    assert_int_equal(graph_stats(&graph).live_objects, 4);
    sm_safepoint(graph.mm);
    assert_int_equal(graph.destroyed_count, 1); /* the one that only a count held; the ring is a root again */
    collect(&graph);
    assert_int_equal(graph.destroyed_count, 2);
    graph_drop(&graph, big);
    assert_int_equal(graph_stats(&graph).live_objects, 0);
    graph_close(&graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_cyclic_is_never_collected),
        cmocka_unit_test(a_ring_is_collected_by_one_run),
        cmocka_unit_test(values_and_strings_are_counted_as_php_counts_them),
        cmocka_unit_test(what_is_held_from_outside_stays_whole),
        cmocka_unit_test(what_garbage_referred_to_is_a_root_again),
        cmocka_unit_test(the_10001st_root_starts_a_run),
        cmocka_unit_test(roots_after_the_full_buffer_wait_for_a_later_run),
        cmocka_unit_test(missed_runs_are_made_up_for),
        cmocka_unit_test(the_threshold_follows_what_runs_find),
        cmocka_unit_test(disabled_cycles_record_past_every_step_of_the_buffer),
        cmocka_unit_test(objects_without_a_root_word_are_roots_too),
        cmocka_unit_test(destructors_come_first_and_memory_in_a_second_run),
        cmocka_unit_test(garbage_that_a_destructor_brings_back_lives),
        cmocka_unit_test(a_destructor_may_make_garbage_and_collect),
        cmocka_unit_test(a_destructor_may_end_other_garbage),
        cmocka_unit_test(a_run_clears_weak_cells),
        cmocka_unit_test(a_ring_of_a_million_nodes_is_collected),
        cmocka_unit_test(refused_memory_leaves_counts_right),
        cmocka_unit_test(an_emergency_frees_cycles_and_puts_destructors_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
