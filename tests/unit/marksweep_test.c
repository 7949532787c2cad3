/** The mark-and-sweep policy: what lives, what dies, and that it is gone at once. */
#include "epoch_graph.h"
#include "object_table.h"
#include "test_scale.h"

#include <pthread.h>
#include <sys/resource.h>

static int open_default(void **state)
{
    static struct graph graph;
    graph_open_policy(&graph, "marksweep");
    *state = &graph;
    return 0;
}

static int close_default(void **state)
{
    graph_close(*state);
    return 0;
}

static void count_visit(void *context, struct sm_object *object)
{
    assert_true(node_is_intact((struct node *)object));
    ++*(size_t *)context;
}

static size_t walk_count(struct graph *graph)
{
    size_t count = 0;
    sm_walk(graph->mm, count_visit, &count);
    return count;
}

static void test_reachable_survives_and_cycles_die(void **state)
{
    struct graph *graph = *state;
    struct node *ring[2][3];
    for (size_t r = 0; r < 2; r++)
        for (size_t i = 0; i < 3; i++)
            ring[r][i] = node_new(graph, 10 * r + i);
    for (size_t r = 0; r < 2; r++)
        for (size_t i = 0; i < 3; i++)
            node_link(graph, ring[r][i], 0, ring[r][(i + 1) % 3]);
    graph->roots[5] = ring[1][2];
    node_link(graph, ring[0][0], 1, ring[1][0]); /* garbage may refer to what lives */
    for (int round = 0; round < 4; round++) {
        graph_collect(graph);
        assert_int_equal(walk_count(graph), 3);
        for (size_t i = 0; i < 3; i++) {
            assert_false(graph_is_valid(graph, ring[0][i]));
            assert_true(graph_is_valid(graph, ring[1][i]));
        }
        ring[0][0] = node_new(graph, 7); /* each round has garbage of its own, whichever its mark is */
    }
}

static void test_memory_is_back_when_the_cycle_returns(void **state)
{
    struct graph *graph = *state;
    graph->roots[0] = node_new(graph, 0);
    graph_collect(graph);
    uint64_t before = graph_stats(graph).committed_bytes;
    for (uint64_t i = 0; i < 1000; i++)
        assert_non_null(node_try(graph, graph->node_type, i, 3000));
    assert_true(graph_stats(graph).committed_bytes > before + 3000000);
    graph_collect(graph);
    struct sm_stats stats = graph_stats(graph);
    assert_int_equal(stats.committed_bytes, before);
    assert_int_equal(stats.reclaimed_objects, 1000);
    assert_int_equal(stats.reclaimed_bytes, stats.retired_bytes);
    assert_int_equal(stats.backlog_bytes, 0);
    graph->roots[0] = NULL;
    graph_collect(graph);
    assert_int_equal(graph_stats(graph).committed_bytes,
                     SM_TABLE_SEGMENT_BYTES); /* one segment is kept for the next object */
    assert_int_equal(graph_stats(graph).live_objects, 0);
}

static void record_cycle(void *context, const struct sm_cycle_record *cycle)
{
    *(struct sm_cycle_record *)context = *cycle;
}

static void test_cycle_records_say_what_happened(void **state)
{
    (void)state;
    struct sm_cycle_record record = {0};
    struct graph graph;
    struct sm_config config = {
        .policy = "marksweep", .pacing = "never", .hooks = {.context = &record, .on_cycle = record_cycle}};
    graph_open(&graph, &config);
    graph.roots[0] = node_new(&graph, 1);
    for (uint64_t i = 0; i < 5; i++)
        node_new(&graph, i);
    uint64_t node_bytes = graph.roots[0]->header.payload_bytes;
    graph_collect(&graph);
    assert_int_equal(record.trigger, SM_TRIGGER_MANUAL);
    assert_int_equal(record.traced_objects, 1);
    assert_int_equal(record.live_objects, 1);
    assert_int_equal(record.live_bytes, node_bytes);
    assert_int_equal(record.retired_objects, 5);
    assert_int_equal(record.retired_bytes, 5 * node_bytes);
    assert_int_equal(record.reclaimed_bytes_total, 5 * node_bytes);
    assert_int_equal(record.backlog_bytes, 0);
    graph_close(&graph);
}

/* A chain a million long, made and collected by a thread whose stack holds no such recursion. */
static void *collect_long_chain(void *context)
{
    enum { LENGTH = 1000000 };
    struct graph *graph = context;
    graph_open_policy(graph, "marksweep");
    struct node *wide = graph->roots[0] = node_new(graph, 0);
    for (uint64_t i = 1; i < LENGTH; i++) {
        struct node *next = node_new(graph, i);
        node_link(graph, next, 0, graph->roots[0]);
        node_link(graph, next, 1, wide); /* met again and again, pushed once */
        graph->roots[0] = next;
    }
    graph_collect(graph);
    assert_int_equal(graph_stats(graph).live_objects, LENGTH);
    assert_int_equal(graph_stats(graph).traced_objects, LENGTH);
    graph->roots[0] = NULL;
    graph_collect(graph);
    assert_int_equal(graph_stats(graph).reclaimed_objects, LENGTH);
    assert_int_equal(graph_stats(graph).committed_bytes, SM_TABLE_SEGMENT_BYTES);
    graph_close(graph);
    return graph;
}

static void test_a_million_node_chain_needs_no_stack(void **state)
{
    (void)state;
    enum { STACK_BYTES = 256 << 10 };
    static struct graph graph;
    pthread_attr_t attributes;
    pthread_t thread;
    void *result = NULL;
    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstacksize(&attributes, STACK_BYTES), 0);
    assert_int_equal(pthread_create(&thread, &attributes, collect_long_chain, &graph), 0);
    pthread_attr_destroy(&attributes);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_ptr_equal(result, &graph);
}

static void *make_and_drop_managers(void *context)
{
    enum { NODES = 250 };
    for (uint64_t round = 0; round < test_scale(100, 50, 30); round++) {
        struct graph graph;
        graph_open_policy(&graph, "marksweep");
        for (uint64_t i = 0; i < NODES; i++) {
            struct node *node = node_new(&graph, i);
            node_link(&graph, node, 0, graph.roots[i % 4]);
            graph.roots[i % 4] = i % 100 < 96 ? node : NULL;
        }
        graph_collect(&graph);
        assert_in_range(graph_stats(&graph).live_objects, 1, NODES - 1);
        graph_close(&graph); /* with objects in it */
    }
    return context;
}

static void test_managers_of_several_threads_share_nothing(void **state)
{
    enum { THREADS = 3 };
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, make_and_drop_managers, state), 0);
    for (size_t i = 0; i < THREADS; i++) {
        void *result = NULL;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_ptr_equal(result, state);
    }
}

static void test_R5_destructors_run_once_and_what_they_reach_waits_a_cycle(void **state)
{
    struct graph *graph = *state;
    struct node *parent = destructible_new(graph, 1);
    struct node *child = node_new(graph, 2);
    struct node *other = destructible_new(graph, 3);
    node_link(graph, parent, 0, child);
    node_link(graph, child, 0, other);
    node_link(graph, other, 0, parent); /* a cycle through both */
    graph_collect(graph);
    assert_int_equal(graph->destroyed_count, 2);
    assert_true(graph_is_valid(graph, parent) && graph_is_valid(graph, child) && graph_is_valid(graph, other));
    assert_true(node_is_intact(child));
    graph_collect(graph);
    assert_int_equal(graph->destroyed_count, 2);
    assert_int_equal(walk_count(graph), 0);
}

static void resurrect(struct graph *graph, struct node *node)
{
    graph->roots[7] = node;
}

static void test_R5_a_resurrected_object_lives_and_is_never_destroyed_again(void **state)
{
    struct graph *graph = *state;
    struct node *node = destructible_new(graph, 9);
    node_link(graph, node, 0, node_new(graph, 10));
    graph->on_destroy = resurrect;
    for (int round = 0; round < 3; round++)
        graph_collect(graph);
    assert_true(graph_is_valid(graph, node) && graph_is_valid(graph, node_edge(node, 0)));
    graph->roots[7] = NULL;
    graph_collect(graph);
    assert_false(graph_is_valid(graph, node));
    assert_int_equal(graph->destroyed_count, 1);
}

static void test_R5_weak_references_answer_inside_the_destructor(void **state)
{
    struct graph *graph = *state;
    struct node *node = destructible_new(graph, 2);
    struct sm_object *cell = sm_weak_make(graph->mm, &node->header);
    graph->roots[0] = (struct node *)cell;
    graph_collect(graph);
    assert_int_equal(graph->destroyed_count, 1);
    assert_ptr_equal(sm_weak_get(graph->mm, cell), node);
    graph_collect(graph);
    assert_null(sm_weak_get(graph->mm, cell));
    assert_false(graph_is_valid(graph, node));
}

/* R7: what C code holds and has not stored yet survives an emergency; older garbage does not. */
static void test_R7_an_emergency_keeps_what_is_younger_than_the_last_safepoint(void **state)
{
    (void)state;
    struct graph graph;
    struct sm_config config = {.policy = "marksweep", .pacing = "never", .memory_limit_bytes = 4 << 20};
    graph_open(&graph, &config);
    struct node *old = node_new(&graph, 1);
    sm_attention_request(graph.mm); /* makes the next safepoint one that the policy hears of */
    sm_safepoint(graph.mm);
    struct node *held = node_new(&graph, 77);
    node_link(&graph, held, 0, node_new(&graph, 78));
    struct node *big = NULL;
    while (graph_stats(&graph).cycles_by_trigger[SM_TRIGGER_EMERGENCY] == 0 &&
           (big = node_try(&graph, graph.node_type, 5, 200000)) != NULL)
        assert_true(node_is_intact(big));
    assert_int_equal(graph_stats(&graph).cycles_by_trigger[SM_TRIGGER_EMERGENCY], 1);
    assert_true(graph_is_valid(&graph, held) && graph_is_valid(&graph, node_edge(held, 0)));
    assert_true(node_is_intact(held) && node_is_intact(node_edge(held, 0)));
    assert_false(graph_is_valid(&graph, old));
    graph_collect(&graph); /* a safepoint by contract: now it is garbage */
    assert_false(graph_is_valid(&graph, held));
    graph_close(&graph);
}

static void test_R7_the_limit_refuses_and_the_heap_stays_usable(void **state)
{
    (void)state;
    struct graph graph;
    struct sm_config config = {.policy = "marksweep", .pacing = "never", .memory_limit_bytes = 2 << 20};
    graph_open(&graph, &config);
    struct node *node;
    uint64_t count = 0;
    for (; (node = node_try(&graph, graph.node_type, count, 10000)) != NULL; count++) {
        node_link(&graph, node, 0, graph.roots[0]);
        graph.roots[0] = node;
        sm_safepoint(graph.mm);
    }
    assert_int_equal(sm_error_status(graph.mm), SM_ERR_OUT_OF_MEMORY);
    assert_true(count > 100 && graph_stats(&graph).committed_bytes <= 2 << 20);
    assert_int_equal(walk_count(&graph), count);
    graph.roots[0] = NULL;
    assert_non_null(node_try(&graph, graph.node_type, 1, 10000)); /* by an emergency cycle */
    assert_true(walk_count(&graph) < count);
    graph_close(&graph);
}

static void test_objects_given_up_are_freed_at_once(void **state)
{
    struct graph *graph = *state;
    struct node *kept = graph->roots[0] = node_new(graph, 1);
    uint64_t before = graph_stats(graph).committed_bytes;
    struct node *freed = node_new(graph, 2);
    struct node *retired = node_new(graph, 3);
    struct sm_object *cell = sm_weak_make(graph->mm, &freed->header);
    graph->roots[1] = (struct node *)cell;
    assert_int_equal(sm_free(graph->mm, &freed->header), SM_OK);
    sm_retire(graph->mm, &retired->header);
    assert_null(sm_weak_get(graph->mm, cell));
    assert_false(graph_is_valid(graph, freed) || graph_is_valid(graph, retired));
    assert_true(graph_is_valid(graph, kept));
    graph->roots[1] = NULL;
    sm_retire(graph->mm, cell);
    assert_int_equal(walk_count(graph), 1);
    assert_int_equal(graph_stats(graph).committed_bytes, before);
    assert_int_equal(graph_stats(graph).reclaimed_objects, 3);
    graph_collect(graph);
    assert_int_equal(walk_count(graph), 1);
}

static void test_what_a_request_leaves_is_found_by_cycles(void **state)
{
    (void)state;
    struct graph graph;
    struct sm_config config = {.policy = "marksweep", .pacing = "never", .sapi = SM_SAPI_FPM};
    graph_open(&graph, &config);
    graph.roots[0] = node_new(&graph, 1);
    assert_int_equal(sm_request_begin(graph.mm), SM_OK);
    for (uint64_t i = 0; i < 100; i++)
        node_new(&graph, i);
    assert_int_equal(sm_request_end(graph.mm), SM_OK);
    assert_int_equal(walk_count(&graph), 101);
    graph_collect(&graph);
    assert_int_equal(walk_count(&graph), 1);
    graph_close(&graph);
}

static void test_observers_are_refused(void **state)
{
    struct graph *graph = *state;
    struct sm_guard *guard = NULL;
    assert_int_equal(sm_observers_allow(graph->mm), SM_ERR_UNSUPPORTED);
    assert_int_equal(sm_observer_register(graph->mm, "reader", &guard), SM_ERR_UNSUPPORTED);
    assert_int_equal(sm_policy_capabilities(graph->mm), SM_CAP_FREE | SM_CAP_COLLECT | SM_CAP_WEAK);
}

/* The sanitizers' own address space leaves nothing to limit. */
static void test_a_refused_mark_stack_changes_nothing(void **state)
{
    struct graph *graph = *state;
    if (IS_SANITIZED)
        skip();
    graph->roots[0] = node_new(graph, 1);
    struct node *garbage = node_new(graph, 2);
    struct rlimit before, none;
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    none = before;
    none.rlim_cur = 1;
    assert_int_equal(setrlimit(RLIMIT_AS, &none), 0);
    sm_status status = sm_collect(graph->mm, SM_COLLECT_FULL);
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
    assert_int_equal(status, SM_ERR_SYSTEM);
    assert_non_null(strstr(sm_error_detail(graph->mm), "mark stack"));
    assert_true(graph_is_valid(graph, garbage));
    graph_collect(graph);
    assert_false(graph_is_valid(graph, garbage));
    assert_true(graph_is_valid(graph, graph->roots[0]));
}

/* Each refusal is followed by an emergency cycle and a retry, so a single one is never seen outside. */
static void test_any_single_refusal_of_memory_is_survived(void **state)
{
    (void)state;
    for (uint64_t nth = 1; nth <= 12; nth++) {
        struct graph graph;
        struct sm_config config = {.policy = "marksweep", .pacing = "never", .fail_alloc_after = nth};
        graph_open(&graph, &config);
        for (uint64_t i = 0; i < 10; i++) {
            struct node *node = node_new(&graph, i);
            node_link(&graph, node, 0, graph.roots[0]);
            graph.roots[0] = node;
        }
        assert_int_equal(graph_stats(&graph).cycles_by_trigger[SM_TRIGGER_EMERGENCY], nth <= 11);
        graph_collect(&graph);
        assert_int_equal(walk_count(&graph), 10);
        graph_close(&graph);
    }
}

#define WITH_GRAPH(test) cmocka_unit_test_setup_teardown(test, open_default, close_default)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_GRAPH(test_reachable_survives_and_cycles_die),
        WITH_GRAPH(test_memory_is_back_when_the_cycle_returns),
        cmocka_unit_test(test_cycle_records_say_what_happened),
        cmocka_unit_test(test_a_million_node_chain_needs_no_stack),
        cmocka_unit_test(test_managers_of_several_threads_share_nothing),
        WITH_GRAPH(test_R5_destructors_run_once_and_what_they_reach_waits_a_cycle),
        WITH_GRAPH(test_R5_a_resurrected_object_lives_and_is_never_destroyed_again),
        WITH_GRAPH(test_R5_weak_references_answer_inside_the_destructor),
        cmocka_unit_test(test_R7_an_emergency_keeps_what_is_younger_than_the_last_safepoint),
        cmocka_unit_test(test_R7_the_limit_refuses_and_the_heap_stays_usable),
        WITH_GRAPH(test_objects_given_up_are_freed_at_once),
        cmocka_unit_test(test_what_a_request_leaves_is_found_by_cycles),
        WITH_GRAPH(test_observers_are_refused),
        WITH_GRAPH(test_a_refused_mark_stack_changes_nothing),
        cmocka_unit_test(test_any_single_refusal_of_memory_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
