/**
 * What a second, adversarial reading of the mark-region heap found: each case failed before it was mended.
 */
#include "epoch_variants.h"

#include "epoch/epoch_internal.h"

#include <sys/wait.h>
#include <unistd.h>

/** Room of all blocks of a slab, as one large object. */
#define SLAB_PAYLOAD ((size_t)EPOCH_RUN_BLOCKS_MAX * EPOCH_BLOCK_BYTES - SM_HEADER_BYTES)

static struct node *leaf_new(struct graph *graph, size_t payload_bytes)
{
    struct sm_object *object = sm_alloc_leaf(graph->mm, SM_TYPE_BYTES, payload_bytes);
    if (object == NULL)
        fail_msg("%s", sm_error_detail(graph->mm));
    return (struct node *)object;
}

/* ---- 1. A slab that goes during a walk hides another one. ---- */

struct seen {
    struct epoch_pool *pool;
    size_t count;
};

/* Whatever the reclaimer's idle trim may do between two looks of the walk. */
static void trim_and_count(void *context, struct sm_object *object)
{
    struct seen *seen = context;
    (void)object;
    seen->count++;
    (void)epoch_pool_trim_all(seen->pool);
}

static void test_a_walk_sees_every_object_though_a_slab_is_given_back(void **state)
{
    (void)state;
    struct graph graph;
    graph_open_policy(&graph, "epoch:reclaim=inline");
    leaf_new(&graph, SLAB_PAYLOAD);
    graph.roots[0] = leaf_new(&graph, SLAB_PAYLOAD);
    graph.roots[1] = leaf_new(&graph, SLAB_PAYLOAD);
    graph_collect(&graph);
    struct seen seen = {.pool = &graph_epoch(&graph)->heap.pool};
    sm_walk(graph.mm, trim_and_count, &seen);
    assert_int_equal(graph_stats(&graph).live_objects, 2);
    assert_int_equal(seen.count, 2);
    graph_close(&graph);
}

/*
 * The same with nobody's help: an emergency beside the idle trim of the reclaimer's thread. The first slab is free;
 * many others hold what is younger than the last safepoint op; the last one's object is what is lost.
 */
static bool emergency_beside_idle_trim(long delay_ms)
{
    struct graph graph;
    graph_open_policy(&graph, "epoch:reclaim=thread,debug=none");
    struct node *first = leaf_new(&graph, SLAB_PAYLOAD);
    for (size_t i = 0; i < 20; i++) {
        leaf_new(&graph, SLAB_PAYLOAD - 40 * EPOCH_BLOCK_BYTES);
        for (size_t j = 0; j < 30000; j++)
            node_new(&graph, j);
    }
    struct node *last = leaf_new(&graph, SLAB_PAYLOAD);
    uint64_t live_objects = graph_stats(&graph).live_objects;
    sm_retire(graph.mm, &first->header);
    assert_true(graph_reclaims_while_idle(&graph, 1));
    sleep_ms(delay_ms);
    assert_int_equal(sm_cycle_run(graph.mm, SM_COLLECT_FULL, SM_TRIGGER_EMERGENCY), SM_OK);
    bool survived = graph_stats(&graph).live_objects == live_objects - 1 && graph_is_valid(&graph, last);
    if (!survived)
        print_message("delay %ld ms: %lu of %lu objects survived the emergency, the last one is %s\n", delay_ms,
                      (unsigned long)graph_stats(&graph).live_objects, (unsigned long)live_objects - 1,
                      graph_is_valid(&graph, last) ? "valid" : "lost");
    graph_close(&graph);
    return survived;
}

static void test_R7_an_emergency_keeps_all_that_is_recent_beside_an_idle_trim(void **state)
{
    (void)state;
    /* Without the trim nothing is lost. */
    assert_true(emergency_beside_idle_trim(100));
    bool survived = true;
    for (long delay_ms = 970; delay_ms < 1006 && survived; delay_ms += 6)
        survived = emergency_beside_idle_trim(delay_ms);
    assert_true(survived);
}

/* ---- 2. 2^32 granules are none. ---- */

static void test_an_object_of_64_gigabytes_survives_a_cycle(void **state)
{
    (void)state;
    struct graph graph;
    graph_open_policy(&graph, "epoch:reclaim=inline,debug=none");
    graph.roots[0] = leaf_new(&graph, (UINT64_C(64) << 30) - SM_HEADER_BYTES);
    graph_collect(&graph);
    assert_int_equal(graph_stats(&graph).live_objects, 1);
    assert_true(graph_is_valid(&graph, graph.roots[0]));
    graph_close(&graph);
}

/* ---- 3. Dead survivors as an emergency's roots refer to what was retired by hand. ---- */

/*
 * A holder that is long dead, but in the range that counts as recent, still refers to what the program replaced and
 * gave to sm_retire, as the contract allows: nothing reachable refers to it.
 */
static void emergency_with_a_dead_holder(void)
{
    struct graph graph;
    graph_open_policy(&graph, "epoch:reclaim=inline");
    for (uint64_t i = 0; i < 100; i++)
        node_new(&graph, i); /* the hole that the window comes to */
    graph.roots[0] = node_new(&graph, 1000);
    graph.roots[1] = node_new(&graph, 1001);
    struct node *old = node_new(&graph, 1002);
    node_link(&graph, graph.roots[0], 0, old);
    node_link(&graph, graph.roots[1], 0, old);
    graph_collect(&graph);
    graph.roots[1] = NULL; /* this holder is dead from here on */
    sm_attention_request(graph.mm);
    sm_safepoint(graph.mm);
    node_link(&graph, graph.roots[0], 0, node_new(&graph, 1003));
    sm_retire(graph.mm, &old->header);
    (void)sm_cycle_run(graph.mm, SM_COLLECT_FULL, SM_TRIGGER_EMERGENCY);
    struct sm_stats stats = graph_stats(&graph);
    bool is_sound = stats.backlog_bytes < 1 << 20 && stats.live_objects < 1000 &&
                    epoch_heap_is_consistent(&graph_epoch(&graph)->heap);
    _exit(is_sound ? 0 : 1);
}

static void test_an_emergency_bears_dead_holders_of_what_was_retired(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        emergency_with_a_dead_holder();
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* ---- 4. Cycles that come faster than grace periods. ---- */

static void cycles_in_quick_succession(const char *policy, long interval_ms, int rounds)
{
    struct graph graph;
    graph_open_policy(&graph, policy);
    for (int round = 0; round < rounds; round++) {
        node_new(&graph, 1);
        graph_collect(&graph);
        sleep_ms(interval_ms);
    }
    uint64_t reclaimed = graph_stats(&graph).reclaimed_objects;
    print_message("%s: %lu of %d objects reclaimed in %ld ms\n", policy, (unsigned long)reclaimed, rounds,
                  interval_ms * rounds);
    graph_close(&graph);
    assert_true(reclaimed > (uint64_t)rounds / 2);
}

static void test_R6_frequent_cycles_do_not_starve_call_rcu(void **state)
{
    (void)state;
    cycles_in_quick_succession("epoch:reclaim=call_rcu", 4, 250);
}

static void test_R6_frequent_cycles_do_not_starve_defer_rcu(void **state)
{
    (void)state;
    cycles_in_quick_succession("epoch:reclaim=defer_rcu", 20, 50);
}

/* ---- 5. Middle-sized objects find no room among holes. ---- */

static void test_a_middle_sized_object_fits_a_heap_that_is_nearly_empty(void **state)
{
    (void)state;
    struct graph graph;
    struct sm_config config = {.policy = "epoch:reclaim=inline", .pacing = "never", .memory_limit_bytes = 8 << 20};
    graph_open(&graph, &config);
    /* A chain of one node in 500; what lies between is dead. */
    struct node *newest = NULL;
    for (uint64_t i = 0; graph_stats(&graph).committed_bytes < (8 << 20) - EPOCH_BLOCK_BYTES; i++) {
        struct node *node = node_new(&graph, i);
        if (i % 500 != 0)
            continue;
        node_link(&graph, node, 0, newest);
        newest = graph.roots[0] = node;
    }
    assert_int_equal(sm_quiesce(graph.mm), SM_OK);
    struct sm_stats stats = graph_stats(&graph);
    print_message("live %lu of %lu committed bytes\n", (unsigned long)stats.live_bytes,
                  (unsigned long)stats.committed_bytes);
    /* Fill up what is committed in whole blocks, so that only holes are left. */
    while (epoch_pool_trim_all(&graph_epoch(&graph)->heap.pool) != 0)
        ;
    size_t refused = 0;
    for (size_t i = 0; i < 200; i++)
        refused += sm_alloc_leaf(graph.mm, SM_TYPE_BYTES, 6000) == NULL;
    print_message("%lu of 200 requests of 6000 bytes refused: %s\n", (unsigned long)refused, sm_error_detail(graph.mm));
    assert_int_equal(refused, 0);
    graph_close(&graph);
}

/* ---- 6. Granule pages of what is smaller than a block. ---- */

static void test_what_large_objects_held_is_given_back(void **state)
{
    (void)state;
    struct graph graph;
    graph_open_policy(&graph, "epoch:reclaim=inline");
    for (size_t i = 0; i < 6000; i++)
        leaf_new(&graph, 40000);
    uint64_t before = graph_stats(&graph).committed_bytes;
    assert_int_equal(sm_quiesce(graph.mm), SM_OK);
    assert_int_equal(sm_quiesce(graph.mm), SM_OK);
    (void)epoch_pool_trim_all(&graph_epoch(&graph)->heap.pool);
    uint64_t after = graph_stats(&graph).committed_bytes;
    print_message("committed %lu, empty %lu, in %lu slabs\n", (unsigned long)before, (unsigned long)after,
                  (unsigned long)graph_epoch(&graph)->heap.pool.slab_count);
    assert_int_equal(graph_stats(&graph).live_objects, 0);
    assert_true(after < 1 << 20);
    graph_close(&graph);
}

/* ---- 7. For the thread sanitizer: free_count is read outside the lock. ---- */

static void test_a_refused_large_object_races_with_nobody(void **state)
{
    (void)state;
    struct graph graph;
    struct sm_config config = {.policy = "epoch", .pacing = "never", .memory_limit_bytes = 8 << 20};
    graph_open(&graph, &config);
    struct epoch_heap *heap = &graph_epoch(&graph)->heap;
    for (int i = 0; i < 200; i++) {
        struct node *large = leaf_new(&graph, 200000);
        sm_retire(graph.mm, &large->header);
        for (int j = 0; j < 100; j++)
            assert_null(epoch_heap_alloc(heap, 64 << 20));
    }
    graph_close(&graph);
}

/* ---- 8. Asking about an object whose memory goes meanwhile. ---- */

static void test_asking_about_the_dead_is_safe_while_they_are_released(void **state)
{
    struct graph graph;
    (void)state;
    graph_open_policy(&graph, "epoch:reclaim=thread,debug=none");
    for (uint64_t i = 1; i <= 2000; i++) {
        const struct node *huge = leaf_new(&graph, 2 * SLAB_PAYLOAD);
        graph_collect(&graph);
        while (graph_stats(&graph).reclaimed_objects < i)
            (void)graph_is_valid(&graph, huge);
    }
    graph_close(&graph);
}

/* ---- 9. With AddressSanitizer and debug=poison: holes that nobody took are overwritten again. ---- */

static void two_cycles_in_which_nothing_dies(void)
{
    struct graph graph;
    /* No threads: the thread sanitizer has none after a fork. */
    graph_open_policy(&graph, "epoch:reclaim=inline,marking=stop,debug=poison");
    graph.roots[0] = node_new(&graph, 1);
    for (int i = 0; i < 3; i++)
        graph_collect(&graph);
    graph_close(&graph);
    _exit(0);
}

static void test_holes_may_be_poisoned_twice(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        two_cycles_in_which_nothing_dies();
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_walk_sees_every_object_though_a_slab_is_given_back),
        cmocka_unit_test(test_R7_an_emergency_keeps_all_that_is_recent_beside_an_idle_trim),
        cmocka_unit_test(test_an_object_of_64_gigabytes_survives_a_cycle),
        cmocka_unit_test(test_an_emergency_bears_dead_holders_of_what_was_retired),
        cmocka_unit_test(test_R6_frequent_cycles_do_not_starve_call_rcu),
        cmocka_unit_test(test_R6_frequent_cycles_do_not_starve_defer_rcu),
        cmocka_unit_test(test_a_middle_sized_object_fits_a_heap_that_is_nearly_empty),
        cmocka_unit_test(test_what_large_objects_held_is_given_back),
        cmocka_unit_test(test_a_refused_large_object_races_with_nobody),
        cmocka_unit_test(test_asking_about_the_dead_is_safe_while_they_are_released),
        cmocka_unit_test(test_holes_may_be_poisoned_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
