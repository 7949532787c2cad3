/** The epoch policy's cycles: what lives, what dies, destructors, weak references, tags. */
#include "epoch_graph.h"
#include "test_scale.h"

#include <sys/resource.h>

static int open_default(void **state)
{
    static struct graph graph;
    graph_open_policy(&graph, "epoch:reclaim=inline");
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

static void test_reachable_survives_and_the_rest_dies(void **state)
{
    struct graph *graph = *state;
    struct node *root = graph->roots[3] = node_new(graph, 1);
    struct node *child = node_new(graph, 2);
    struct node *grandchild = node_new(graph, 3);
    node_link(graph, root, 0, child);
    node_link(graph, child, 1, grandchild);
    struct node *garbage = node_new(graph, 4);
    node_link(graph, garbage, 0, child);
    graph_collect(graph);
    assert_true(graph_is_valid(graph, root) && graph_is_valid(graph, child) && graph_is_valid(graph, grandchild));
    assert_false(graph_is_valid(graph, garbage));
    assert_true(node_is_intact(grandchild));
    assert_int_equal(walk_count(graph), 3);
    node_link(graph, child, 1, NULL);
    graph_collect(graph);
    assert_false(graph_is_valid(graph, grandchild));
    assert_int_equal(walk_count(graph), 2);
}

static void test_cyclic_garbage_dies_and_live_rings_stay(void **state)
{
    struct graph *graph = *state;
    struct node *ring[2][3];
    for (size_t r = 0; r < 2; r++)
        for (size_t i = 0; i < 3; i++)
            ring[r][i] = node_new(graph, 10 * r + i);
    for (size_t r = 0; r < 2; r++)
        for (size_t i = 0; i < 3; i++)
            node_link(graph, ring[r][i], 0, ring[r][(i + 1) % 3]);
    graph->roots[0] = ring[1][2];
    for (int round = 0; round < 3; round++) {
        graph_collect(graph);
        assert_int_equal(walk_count(graph), 3);
    }
    for (size_t i = 0; i < 3; i++) {
        assert_false(graph_is_valid(graph, ring[0][i]));
        assert_true(graph_is_valid(graph, ring[1][i]));
    }
}

static void test_long_chains_do_not_overflow(void **state)
{
    struct graph *graph = *state;
    enum { LENGTH = 200000 };
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
    assert_int_equal(graph_stats(graph).live_objects, 0);
    assert_int_equal(graph_stats(graph).reclaimed_objects, LENGTH);
}

static void test_marking_keeps_the_virtual_machines_flags(void **state)
{
    struct graph *graph = *state;
    struct node *node = graph->roots[0] = node_new(graph, 1);
    sm_object_set_flags(&node->header, SM_OBJECT_SHARED);
    for (int round = 0; round < 4; round++)
        graph_collect(graph);
    assert_int_equal(sm_object_flags(&node->header) & 0xFF, SM_OBJECT_SHARED);
    sm_object_clear_flags(&node->header, SM_OBJECT_SHARED);
    graph_collect(graph);
    assert_true(graph_is_valid(graph, node));
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
        .policy = "epoch:reclaim=inline", .pacing = "never", .hooks = {.context = &record, .on_cycle = record_cycle}};
    graph_open(&graph, &config);
    graph.roots[0] = node_new(&graph, 1);
    for (uint64_t i = 0; i < 5; i++)
        node_new(&graph, i);
    uint64_t node_bytes = graph.roots[0]->header.payload_bytes;
    graph_collect(&graph);
    assert_int_equal(record.index, 1);
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

/* R7: what C code holds and has not stored yet survives an emergency; older garbage does not. */
static void test_R7_an_emergency_keeps_what_is_younger_than_the_last_safepoint(void **state)
{
    (void)state;
    struct graph graph;
    struct sm_config config = {.policy = "epoch", .pacing = "never", .memory_limit_bytes = 4 << 20};
    graph_open(&graph, &config);
    for (uint64_t i = 0; i < 8000; i++)
        node_new(&graph, i);
    sm_collect_request(graph.mm); /* makes the next safepoint one that the policy hears of */
    sm_cycles_enable(graph.mm, false);
    sm_safepoint(graph.mm);
    struct node *held = node_new(&graph, 77);
    node_link(&graph, held, 0, node_new(&graph, 78));
    uint64_t emergencies_before = graph_stats(&graph).cycles_by_trigger[SM_TRIGGER_EMERGENCY];
    struct node *big = NULL;
    while (graph_stats(&graph).cycles_by_trigger[SM_TRIGGER_EMERGENCY] == emergencies_before &&
           (big = node_try(&graph, graph.node_type, 5, 200000)) != NULL)
        assert_true(node_is_intact(big));
    assert_true(graph_is_valid(&graph, held));
    assert_true(graph_is_valid(&graph, node_edge(held, 0)));
    assert_true(node_is_intact(held) && node_is_intact(node_edge(held, 0)));
    graph_collect(&graph); /* a safepoint by contract: now it is garbage */
    assert_false(graph_is_valid(&graph, held));
    graph_close(&graph);
}

static void test_R5_destructors_run_once_and_what_they_reach_waits_a_cycle(void **state)
{
    struct graph *graph = *state;
    struct node *parent = destructible_new(graph, 1);
    struct node *child = node_new(graph, 2);
    struct node *other = destructible_new(graph, 3);
    node_link(graph, parent, 0, child);
    node_link(graph, child, 0, other);
    graph_collect(graph);
    assert_int_equal(graph->destroyed_count, 2);
    assert_int_equal(graph->destroyed[0], 1);
    assert_int_equal(graph->destroyed[1], 3);
    assert_true(graph_is_valid(graph, parent) && graph_is_valid(graph, child) && graph_is_valid(graph, other));
    assert_true(node_is_intact(child));
    graph_collect(graph);
    assert_int_equal(graph->destroyed_count, 2);
    assert_false(graph_is_valid(graph, parent) || graph_is_valid(graph, child) || graph_is_valid(graph, other));
    assert_int_equal(graph_stats(graph).destructors_run, 2);
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

static void allocate_and_collect(struct graph *graph, struct node *node)
{
    struct node *fresh = node_new(graph, 100);
    node_link(graph, fresh, 0, node);
    assert_int_equal(sm_collect(graph->mm, SM_COLLECT_FULL), SM_OK);
    sm_safepoint(graph->mm);
    sm_pin(sm_owner_guard(graph->mm), SM_HERE);
    graph->roots[1] = fresh;
    sm_unpin(sm_owner_guard(graph->mm));
}

static void test_R5_a_destructor_may_allocate_collect_and_pin(void **state)
{
    struct graph *graph = *state;
    struct node *node = destructible_new(graph, 4);
    graph->on_destroy = allocate_and_collect;
    graph_collect(graph);
    assert_int_equal(graph->destroyed_count, 1);
    assert_true(graph_is_valid(graph, graph->roots[1]));
    assert_ptr_equal(node_edge(graph->roots[1], 0), node);
    graph_collect(graph);
    assert_true(graph_is_valid(graph, node));
}

static void read_weak(struct graph *graph, struct node *node)
{
    struct sm_object *cell = graph->context;
    assert_ptr_equal(sm_weak_get(graph->mm, cell), &node->header);
}

static void test_R5_weak_references_answer_inside_the_destructor_and_clear_at_retirement(void **state)
{
    struct graph *graph = *state;
    struct node *plain = graph->roots[0] = node_new(graph, 1);
    struct node *destructible = graph->roots[1] = destructible_new(graph, 2);
    struct sm_object *plain_cell = sm_weak_make(graph->mm, &plain->header);
    struct sm_object *destructible_cell = sm_weak_make(graph->mm, &destructible->header);
    graph->roots[2] = (struct node *)plain_cell;
    graph->roots[3] = (struct node *)destructible_cell;
    graph->on_destroy = read_weak;
    graph->context = destructible_cell;
    graph_collect(graph);
    assert_ptr_equal(sm_weak_get(graph->mm, plain_cell), plain);
    graph->roots[0] = graph->roots[1] = NULL;
    graph_collect(graph);
    assert_null(sm_weak_get(graph->mm, plain_cell));
    assert_int_equal(graph->destroyed_count, 1);
    assert_ptr_equal(sm_weak_get(graph->mm, destructible_cell), destructible);
    graph_collect(graph);
    assert_null(sm_weak_get(graph->mm, destructible_cell));
    assert_false(graph_is_valid(graph, destructible));
}

static void test_weak_cells_die_before_with_and_after_their_targets(void **state)
{
    struct graph *graph = *state;
    struct node *target = graph->roots[0] = node_new(graph, 1);
    struct sm_object *kept = sm_weak_make(graph->mm, &target->header);
    graph->roots[1] = (struct node *)kept;
    for (int i = 0; i < 10; i++)
        assert_non_null(sm_weak_make(graph->mm, &target->header));
    assert_non_null(sm_weak_make(graph->mm, &node_new(graph, 2)->header)); /* dies with its target */
    graph_collect(graph);
    assert_int_equal(graph_stats(graph).live_objects, 2);
    assert_ptr_equal(sm_weak_get(graph->mm, kept), target);
    graph->roots[0] = NULL;
    graph_collect(graph);
    assert_null(sm_weak_get(graph->mm, kept));
    graph->roots[1] = NULL;
    graph_collect(graph);
    assert_int_equal(graph_stats(graph).live_objects, 0);
}

static void test_weak_cells_and_explicit_retirement(void **state)
{
    struct graph *graph = *state;
    struct node *first = graph->roots[0] = node_new(graph, 1);
    struct node *second = graph->roots[1] = node_new(graph, 2);
    struct sm_object *first_cell = sm_weak_make(graph->mm, &first->header);
    struct sm_object *second_cell = sm_weak_make(graph->mm, &second->header);
    graph->roots[2] = (struct node *)first_cell;
    graph->roots[0] = NULL;
    sm_retire(graph->mm, &first->header);
    assert_null(sm_weak_get(graph->mm, first_cell));
    sm_retire(graph->mm, second_cell);
    graph_collect(graph);
    assert_true(graph_is_valid(graph, second));
    assert_int_equal(graph_stats(graph).live_objects, 2);
}

static void test_retired_objects_leave_at_once(void **state)
{
    struct graph *graph = *state;
    struct node *kept = graph->roots[0] = node_new(graph, 1);
    struct node *retired = node_new(graph, 2);
    uint64_t payload_bytes = retired->header.payload_bytes;
    sm_retire(graph->mm, &retired->header);
    assert_false(graph_is_valid(graph, retired));
    assert_true(graph_is_valid(graph, kept));
    assert_int_equal(walk_count(graph), 1);
    struct sm_stats stats = graph_stats(graph);
    assert_int_equal(stats.retired_objects, 1);
    assert_int_equal(stats.retired_bytes, payload_bytes);
    assert_true(stats.backlog_bytes >= payload_bytes);
    assert_int_equal(stats.reclaimed_objects, 0);
    graph_collect(graph);
    stats = graph_stats(graph);
    assert_int_equal(stats.backlog_bytes, 0);
    assert_int_equal(stats.reclaimed_objects, 1);
    assert_int_equal(stats.reclaimed_bytes, payload_bytes);
}

static void test_retiring_without_cycles_does_not_grow_the_heap(void **state)
{
    struct graph *graph = *state;
    graph->roots[0] = node_new(graph, 0);
    uint64_t committed_bytes = 0;
    for (uint64_t i = 1; i <= 200000; i++) {
        sm_retire(graph->mm, &node_new(graph, i)->header);
        if (i % 20000 == 0)
            sm_quiesce(graph->mm);
        if (i == 40000)
            committed_bytes = graph_stats(graph).committed_bytes;
    }
    assert_int_equal(walk_count(graph), 1);
    assert_int_equal(graph_stats(graph).committed_bytes, committed_bytes);
}

/* A tag belongs to a page, so it tells iterations apart that fill one, and is never after an object's birth. */
static void test_epoch_tags_tell_iterations_apart(void **state)
{
    struct graph *graph = *state;
    struct sm_guard *guard = sm_owner_guard(graph->mm);
    uint64_t birth[3], tag[3];
    for (size_t i = 0; i < 3; i++) {
        sm_pin(guard, SM_HERE);
        sm_attention_request(graph->mm);
        sm_safepoint(graph->mm);
        assert_non_null(sm_alloc_leaf(graph->mm, SM_TYPE_BYTES, 3000));
        assert_non_null(sm_alloc_leaf(graph->mm, SM_TYPE_BYTES, 3000));
        graph->roots[i] = node_new(graph, i);
        birth[i] = sm_epoch_current(graph->mm);
        tag[i] = sm_epoch_of(graph->mm, &graph->roots[i]->header);
        sm_unpin(guard);
    }
    for (size_t i = 0; i < 3; i++) {
        assert_true(tag[i] >= 1 && tag[i] <= birth[i]);
        assert_true(i == 0 || tag[i] > birth[i - 1]);
    }
    graph_collect(graph);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(sm_epoch_of(graph->mm, &graph->roots[i]->header), tag[i]);
}

/* Whatever moves in beside a survivor: its page keeps a tag that is not after its birth. */
static void test_epoch_tags_are_never_after_birth(void **state)
{
    struct graph *graph = *state;
    uint64_t birth[GRAPH_ROOTS] = {0};
    for (uint64_t i = 0; i < 3000; i++) {
        sm_pin(sm_owner_guard(graph->mm), SM_HERE);
        size_t place = (size_t)(i * 2654435761u >> 7) % GRAPH_ROOTS;
        graph->roots[place] = node_try(graph, graph->node_type, i, (i * 37) % 900);
        birth[place] = sm_epoch_current(graph->mm);
        sm_unpin(sm_owner_guard(graph->mm));
        if (i % 100 == 0)
            graph_collect(graph);
        for (size_t j = 0; j < GRAPH_ROOTS; j++)
            if (graph->roots[j] != NULL)
                assert_true(sm_epoch_of(graph->mm, &graph->roots[j]->header) <= birth[j]);
    }
}

static void test_sealing_a_batch_advances_the_epoch(void **state)
{
    struct graph *graph = *state;
    uint64_t before = sm_epoch_current(graph->mm);
    sm_retire(graph->mm, &node_new(graph, 1)->header);
    assert_true(sm_epoch_current(graph->mm) > before);
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

static size_t retire_some_and_count_refusals(uint64_t fail_after)
{
    struct graph graph;
    struct sm_config config = {.policy = "epoch:reclaim=inline", .pacing = "never", .fail_alloc_after = fail_after};
    size_t refusals = 0;
    graph_open(&graph, &config);
    for (uint64_t i = 0; i < 10; i++) {
        struct node *node = node_try(&graph, graph.node_type, i, 0);
        if (node == NULL) {
            refusals++;
            continue;
        }
        node_link(&graph, node, 0, graph.roots[0]);
        graph.roots[0] = node;
    }
    graph_collect(&graph);
    assert_int_equal(graph_stats(&graph).live_objects, 10 - refusals);
    assert_int_equal(walk_count(&graph), 10 - refusals);
    graph_close(&graph);
    return refusals;
}

/* Each refusal is followed by an emergency cycle and a retry, so a single one is never seen outside. */
static void test_any_single_refusal_of_memory_is_survived(void **state)
{
    (void)state;
    for (uint64_t nth = 1; nth <= 12; nth++)
        assert_int_equal(retire_some_and_count_refusals(nth), 0);
}

#define WITH_GRAPH(test) cmocka_unit_test_setup_teardown(test, open_default, close_default)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_GRAPH(test_reachable_survives_and_the_rest_dies),
        WITH_GRAPH(test_cyclic_garbage_dies_and_live_rings_stay),
        WITH_GRAPH(test_long_chains_do_not_overflow),
        WITH_GRAPH(test_marking_keeps_the_virtual_machines_flags),
        cmocka_unit_test(test_cycle_records_say_what_happened),
        cmocka_unit_test(test_R7_an_emergency_keeps_what_is_younger_than_the_last_safepoint),
        WITH_GRAPH(test_R5_destructors_run_once_and_what_they_reach_waits_a_cycle),
        WITH_GRAPH(test_R5_a_resurrected_object_lives_and_is_never_destroyed_again),
        WITH_GRAPH(test_R5_a_destructor_may_allocate_collect_and_pin),
        WITH_GRAPH(test_R5_weak_references_answer_inside_the_destructor_and_clear_at_retirement),
        WITH_GRAPH(test_weak_cells_die_before_with_and_after_their_targets),
        WITH_GRAPH(test_weak_cells_and_explicit_retirement),
        WITH_GRAPH(test_retired_objects_leave_at_once),
        WITH_GRAPH(test_retiring_without_cycles_does_not_grow_the_heap),
        WITH_GRAPH(test_epoch_tags_tell_iterations_apart),
        WITH_GRAPH(test_epoch_tags_are_never_after_birth),
        WITH_GRAPH(test_sealing_a_batch_advances_the_epoch),
        WITH_GRAPH(test_a_refused_mark_stack_changes_nothing),
        cmocka_unit_test(test_any_single_refusal_of_memory_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
