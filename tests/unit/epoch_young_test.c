/**
 * Young cycles: what old objects refer to is found by what was remembered (R10), what an emergency kept stays young (R7), and
 * what was given up by hand is not met again.
 */
#include "epoch_holders.h"

/* ---- The remembered set. ---- */

enum { ROOT_HOLDER = ROOT_TARGET + 1, ROOT_MORE };

static struct sm_object *old_holder(struct graph *graph, enum holder holder)
{
    graph->roots[ROOT_TARGET] = node_new(graph, 1);
    put_root(graph, ROOT_HOLDER, holder_new(graph, holder));
    collect_young(graph);
    return &graph->roots[ROOT_HOLDER]->header;
}

static struct node *young_pair(struct graph *graph, uint64_t id)
{
    struct node *node = node_new(graph, id);
    node_link(graph, node, id % GRAPH_EDGES, node_new(graph, id + 1));
    return node;
}

static void assert_pair(const struct graph *graph, const struct node *node)
{
    assert_lives(graph, node);
    assert_lives(graph, node_edge(node, node->id % GRAPH_EDGES));
}

/* Again and again, so that what was remembered once is remembered when it is written to anew. */
static void refer_to_young(struct graph *graph, enum holder holder)
{
    struct sm_object *object = old_holder(graph, holder);
    for (uint64_t round = 0; round < 4; round++) {
        struct node *node = young_pair(graph, 10 * round + 10), *replaced = young_pair(graph, 10 * round + 15);
        holder_set(graph, object, holder, replaced);
        holder_set(graph, object, holder, node);
        collect_young(graph);
        assert_pair(graph, node);
        assert_false(graph_is_valid(graph, replaced));
        collect_young(graph); /* not remembered any more, and old */
        assert_pair(graph, node);
        assert_true(epoch_heap_is_consistent(&graph_epoch(graph)->heap));
    }
    holder_set(graph, object, holder, NULL);
    graph_collect(graph);
    assert_int_equal(graph_stats(graph).live_objects, 2);
}

static void test_R10_what_old_objects_of_each_kind_refer_to_lives(void **state)
{
    (void)state;
    for (int holder = 0; holder < HOLDER_COUNT; holder++) {
        struct graph graph;
        stages_open(&graph, stages_policies[0]);
        holders_open(&graph);
        refer_to_young(&graph, (enum holder)holder);
        graph_close(&graph);
    }
}

/* Young ones need nobody's memory: they are read as they survive. */
static void test_R10_what_young_objects_of_each_kind_refer_to_lives(void **state)
{
    (void)state;
    for (int holder = 0; holder < HOLDER_COUNT; holder++) {
        struct graph graph;
        stages_open(&graph, stages_policies[0]);
        holders_open(&graph);
        graph.roots[ROOT_TARGET] = node_new(&graph, 1);
        struct sm_object *object = holder_new(&graph, (enum holder)holder);
        put_root(&graph, ROOT_HOLDER, object);
        struct node *node = young_pair(&graph, 10);
        holder_set(&graph, object, (enum holder)holder, node);
        assert_int_equal(graph_epoch(&graph)->remembered.count, 0);
        collect_young(&graph);
        assert_pair(&graph, node);
        graph_close(&graph);
    }
}

/* The controls: without the barrier it dies; and where objects are one piece the checker says so before. */
static void store_behind(enum holder holder)
{
    struct graph graph;
    stages_open(&graph, stages_policies[0]);
    holders_open(&graph);
    struct epoch_policy *epoch = graph_epoch(&graph);
    struct sm_object *object = old_holder(&graph, holder);
    holder_set_behind(&graph, object, holder, young_pair(&graph, 10));
    epoch->young.count = 0; /* the checker looks at one cycle in some */
    if (!holder_has_chunks(holder)) {
        assert_false(epoch_remembered_is_complete(epoch));
        holder_set_behind(&graph, object, holder, NULL);
        assert_true(epoch_remembered_is_complete(epoch));
    } else {
        collect_young(&graph);
        assert_int_equal(graph_stats(&graph).live_objects, 2);
        holder_set_behind(&graph, object, holder, NULL);
    }
    graph_close(&graph);
}

static void test_R10_a_store_behind_the_barrier_is_noticed(void **state)
{
    (void)state;
    for (int holder = 0; holder < HOLDER_COUNT; holder++)
        store_behind((enum holder)holder);
}

/* Garbage that is old goes on keeping what it refers to, until a full cycle; what is young and dead keeps nothing. */
static void test_what_only_the_dead_refer_to_goes_with_them(void **state)
{
    struct graph graph;
    (void)state;
    stages_open(&graph, stages_policies[0]);
    graph.roots[0] = node_new(&graph, 1);
    collect_young(&graph);
    struct node *young = young_pair(&graph, 10);
    node_link(&graph, graph.roots[0], 0, young);
    graph.roots[0] = NULL;
    const struct node *dead = young_pair(&graph, 20);
    collect_young(&graph);
    assert_pair(&graph, young);
    assert_false(graph_is_valid(&graph, dead));
    graph_collect(&graph);
    assert_false(graph_is_valid(&graph, young));
    assert_int_equal(graph_stats(&graph).live_objects, 0);
    graph_close(&graph);
}

/* Without memory for the list, nothing is known: the next cycle makes everything old, and after it all is as before. */
static void test_R10_a_cycle_without_a_whole_list_takes_nothing_that_lives(void **state)
{
    struct graph graph;
    (void)state;
    stages_open(&graph, stages_policies[0]);
    holders_open(&graph);
    struct sm_object *object = old_holder(&graph, HOLDER_VALUES);
    struct node *unheard_of = young_pair(&graph, 10);
    holder_set_behind(&graph, object, HOLDER_VALUES, unheard_of);
    graph_epoch(&graph)->young.is_blind = true; /* what a store does whose entry was refused */
    collect_young(&graph);
    assert_pair(&graph, unheard_of);
    assert_false(graph_epoch(&graph)->young.is_blind);
    struct node *heard_of = young_pair(&graph, 20);
    holder_set(&graph, object, HOLDER_VALUES, heard_of);
    collect_young(&graph);
    assert_pair(&graph, heard_of);
    assert_int_equal(graph_stats(&graph).cycles_by_kind[SM_CYCLE_YOUNG], 3); /* two of these, and one that gave up */
    graph_close(&graph);
}

/* ---- Weak cells and entries. ---- */

static void test_R9_cells_and_entries_of_dead_young_targets_are_cleared(void **state)
{
    struct graph graph;
    (void)state;
    stages_open(&graph, stages_policies[0]);
    struct node *lives = graph.roots[0] = node_new(&graph, 1), *dies = node_new(&graph, 2);
    struct node *value = node_new(&graph, 3), *kept = node_new(&graph, 4);
    struct sm_object *cells[] = {sm_weak_make(graph.mm, &lives->header), sm_weak_make(graph.mm, &dies->header),
                                 sm_weak_entry_make(graph.mm, &lives->header, value_of(kept)),
                                 sm_weak_entry_make(graph.mm, &dies->header, value_of(value))};
    for (size_t i = 0; i < 4; i++)
        put_root(&graph, 1 + i, cells[i]);
    for (int round = 0; round < 2; round++) {
        collect_young(&graph);
        assert_ptr_equal(sm_weak_get(graph.mm, cells[0]), lives);
        assert_null(sm_weak_get(graph.mm, cells[1]));
        assert_ptr_equal(sm_weak_get(graph.mm, cells[2]), lives);
        assert_lives(&graph, kept);
        assert_null(sm_weak_get(graph.mm, cells[3]));
        assert_int_equal(sm_weak_entry_value(cells[3])->tag, 0);
        pass_safepoint(&graph);
    }
    assert_false(graph_is_valid(&graph, dies));
    graph.roots[0] = NULL;
    collect_young(&graph); /* too old for it */
    assert_ptr_equal(sm_weak_get(graph.mm, cells[0]), lives);
    pass_safepoint(&graph);
    graph_collect(&graph);
    assert_null(sm_weak_get(graph.mm, cells[0]));
    graph_close(&graph);
}

/* ---- R5: destructors of the young. ---- */

static void test_R5_destructors_of_the_young_run_once_and_on_what_is_whole(void **state)
{
    struct graph graph;
    (void)state;
    stages_open(&graph, stages_policies[0]);
    graph.roots[0] = destructible_new(&graph, 1);
    struct node *below = node_new(&graph, 2);
    node_link(&graph, destructible_new(&graph, 3), 0, below);
    collect_young(&graph);
    assert_int_equal(graph.destroyed_count, 1); /* the cycle runs what it makes due */
    assert_int_equal(graph.destroyed[0], 3);
    assert_lives(&graph, below); /* old now: it and what it hung on wait for a full cycle */
    collect_young(&graph);
    assert_int_equal(graph.destroyed_count, 1);
    graph_collect(&graph);
    assert_false(graph_is_valid(&graph, below));
    assert_int_equal(graph_stats(&graph).live_objects, 1);
    graph_close(&graph);
}

/* ---- Emergencies between allocation and initialisation. ---- */

static void test_R7_a_leaf_that_an_emergency_kept_is_not_looked_into(void **state)
{
    struct graph graph;
    (void)state;
    stages_open(&graph, stages_policies[0]);
    (void)sm_alloc_leaf(graph.mm, SM_TYPE_BYTES, 40);
    run_emergency(&graph);
    pass_safepoint(&graph);
    collect_young(&graph);
    graph_close(&graph);
}

static struct sm_object *array_new(struct graph *graph)
{
    struct sm_object *array = sm_alloc(graph->mm, SM_TYPE_VALUES, STAGES_ELEMENTS * sizeof(struct sm_value));
    assert_non_null(array);
    graph->roots[0] = (struct node *)(void *)array;
    return array;
}

static void test_R7_a_large_array_is_filled_after_the_emergency_that_kept_it(void **state)
{
    struct graph graph;
    (void)state;
    stages_open(&graph, stages_policies[0]);
    struct sm_object *array = array_new(&graph);
    run_emergency(&graph);
    struct node *node = node_new(&graph, 1);
    ((struct sm_value *)sm_payload(array))[STAGES_ELEMENTS - 1] = sm_value_from_object(&node->header, 1);
    pass_safepoint(&graph);
    collect_young(&graph);
    assert_true(graph_is_valid(&graph, node));
    graph_close(&graph);
}

static void test_R7_a_large_array_that_an_emergency_kept_is_looked_at_again_when_it_is_written_to(void **state)
{
    struct graph graph;
    (void)state;
    stages_open(&graph, stages_policies[0]);
    struct sm_object *array = array_new(&graph);
    run_emergency(&graph);
    pass_safepoint(&graph);
    collect_young(&graph);
    for (size_t i = 0; i < STAGES_ELEMENTS; i += EPOCH_CHUNK_ELEMENTS / 2) {
        struct node *node = node_new(&graph, i);
        sm_store(graph.mm, array, (struct sm_value *)sm_payload(array) + i, sm_value_from_object(&node->header, 1));
        pass_safepoint(&graph);
        collect_young(&graph);
        assert_true(graph_is_valid(&graph, node));
    }
    graph_close(&graph);
}

/* Whatever is made may wait for what is to be put into it, without a barrier, until the next safepoint. */
static void test_R7_objects_of_each_kind_are_filled_after_the_emergency_that_kept_them(void **state)
{
    (void)state;
    for (int holder = 0; holder < HOLDER_COUNT; holder++)
        for (int emergencies = 1; emergencies < 4; emergencies++) {
            struct graph graph;
            stages_open(&graph, stages_policies[0]);
            holders_open(&graph);
            graph.roots[ROOT_TARGET] = node_new(&graph, 1);
            struct sm_object *object = holder_new(&graph, (enum holder)holder);
            for (int i = 0; i < emergencies; i++)
                run_emergency(&graph);
            struct node *node = young_pair(&graph, 10);
            holder_set_behind(&graph, object, (enum holder)holder, node);
            put_root(&graph, ROOT_HOLDER, object);
            pass_safepoint(&graph);
            for (int round = 0; round < 2; round++) {
                collect_young(&graph);
                assert_pair(&graph, node);
            }
            node = young_pair(&graph, 20);
            holder_set(&graph, object, (enum holder)holder, node);
            collect_young(&graph);
            assert_pair(&graph, node);
            graph_close(&graph);
        }
}

/* ---- Retired by hand. ---- */

/* Until everything that was retired is reusable, and then until it is used. */
static void reuse_retired(struct graph *graph)
{
    assert_true(epoch_drain(graph_epoch(graph), SM_PAUSE_GRACE, EPOCH_FOREVER));
    for (int i = 0; i < 2000; i++)
        memset(sm_payload(sm_alloc_leaf(graph->mm, SM_TYPE_BYTES, 1000)), 0x7F, 1000);
}

/* Nothing that can be reached refers to it: but a young cycle reads the slots of all that is remembered, dead or not. */
static void test_what_a_dead_remembered_object_refers_to_may_be_retired(void **state)
{
    struct graph graph;
    (void)state;
    for (int is_old = 0; is_old < 2; is_old++) {
        stages_open(&graph, stages_policies[0]);
        for (uint64_t id = 0; id < 40; id++)
            graph.roots[id] = node_new(&graph, id);
        collect_young(&graph);
        struct node *retired = is_old != 0 ? graph.roots[20] : node_new(&graph, 40);
        node_link(&graph, graph.roots[0], 0, retired);
        graph.roots[0] = graph.roots[20] = NULL;
        pass_safepoint(&graph);
        sm_retire(graph.mm, &retired->header);
        reuse_retired(&graph);
        collect_young(&graph);
        assert_true(epoch_heap_is_consistent(&graph_epoch(&graph)->heap));
        graph_close(&graph);
    }
}

/* Old and young, large and small, remembered or not: its room is used again once, and the books agree. */
static void retire_one(struct graph *graph, enum holder holder, bool is_old, bool is_remembered)
{
    graph->roots[ROOT_TARGET] = node_new(graph, 1);
    struct sm_object *object = holder_new(graph, holder);
    put_root(graph, ROOT_HOLDER, object);
    graph->roots[ROOT_MORE] = node_new(graph, 2);
    if (is_old)
        collect_young(graph);
    if (is_remembered)
        holder_set(graph, object, holder, young_pair(graph, 10));
    node_link(graph, graph->roots[ROOT_MORE], 0, young_pair(graph, 20));
    graph->roots[ROOT_HOLDER] = NULL;
    sm_retire(graph->mm, object);
    reuse_retired(graph);
    collect_young(graph);
    assert_true(epoch_heap_is_consistent(&graph_epoch(graph)->heap));
    assert_int_equal(sm_quiesce(graph->mm), SM_OK);
    struct sm_stats stats = graph_stats(graph);
    assert_int_equal(stats.live_objects, 4);
    assert_int_equal(stats.reclaimed_objects, stats.retired_objects);
    assert_int_equal(stats.reclaimed_bytes, stats.retired_bytes);
}

static void test_what_is_given_up_by_hand_is_reclaimed_once(void **state)
{
    (void)state;
    for (int holder = 0; holder < HOLDER_COUNT; holder++)
        for (int bits = 0; bits < 4; bits++) {
            struct graph graph;
            stages_open(&graph, stages_policies[0]);
            holders_open(&graph);
            retire_one(&graph, (enum holder)holder, (bits & 1) != 0, (bits & 2) != 0);
            graph_close(&graph);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R10_what_old_objects_of_each_kind_refer_to_lives),
        cmocka_unit_test(test_R10_what_young_objects_of_each_kind_refer_to_lives),
        cmocka_unit_test(test_R10_a_store_behind_the_barrier_is_noticed),
        cmocka_unit_test(test_what_only_the_dead_refer_to_goes_with_them),
        cmocka_unit_test(test_R10_a_cycle_without_a_whole_list_takes_nothing_that_lives),
        cmocka_unit_test(test_R9_cells_and_entries_of_dead_young_targets_are_cleared),
        cmocka_unit_test(test_R5_destructors_of_the_young_run_once_and_on_what_is_whole),
        cmocka_unit_test(test_R7_a_leaf_that_an_emergency_kept_is_not_looked_into),
        cmocka_unit_test(test_R7_a_large_array_is_filled_after_the_emergency_that_kept_it),
        cmocka_unit_test(test_R7_a_large_array_that_an_emergency_kept_is_looked_at_again_when_it_is_written_to),
        cmocka_unit_test(test_R7_objects_of_each_kind_are_filled_after_the_emergency_that_kept_them),
        cmocka_unit_test(test_what_a_dead_remembered_object_refers_to_may_be_retired),
        cmocka_unit_test(test_what_is_given_up_by_hand_is_reclaimed_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
