/**
 * Soundness, rule by rule: calls that would end in a lost root, or in an object freed while something refers to it.
 *
 * Named by the rules of the epoch policy (R1 to R14). Each case is one that no other file makes.
 */
#include "epoch_graph.h"

#include "manager_internal.h"
#include "sapimem/extension.h"

enum { MANY = 100, LARGE_BYTES = 1 << 20 };

/* What was allocated before this is older than the last safepoint, and has no other claim to an emergency's mercy. */
static void pass_safepoint(struct graph *graph)
{
    sm_attention_request(graph->mm);
    sm_safepoint(graph->mm);
}

/* Requests for memory are refused until free memory that was given back does not help, so an allocation begins an emergency cycle. */
static void force_emergency(struct graph *graph)
{
    uint64_t emergencies = graph_stats(graph).cycles;
    while (graph_stats(graph).cycles == emergencies) {
        graph->mm->reserve.fail_after = graph->mm->reserve.request_count + 1;
        assert_non_null(sm_alloc_leaf(graph->mm, SM_TYPE_BYTES, LARGE_BYTES));
    }
    assert_int_equal(graph_stats(graph).cycles, emergencies + 1);
}

/* ---- R1: what is scanned. ---- */

struct value_stack {
    struct sm_value slots[8];
    size_t depth;
};

static void enumerate_stack(void *context, struct sm_visitor *visitor)
{
    const struct value_stack *stack = context;
    sm_visit_values(visitor, stack->slots, stack->depth);
}

/* A virtual machine's stack, local handles in scopes and persistent handles; regular cycles and emergencies alike. */
static void test_R1_stacks_scopes_and_handles_are_scanned(void **state)
{
    (void)state;
    struct graph graph;
    struct value_stack stack = {.depth = 0};
    graph_open_policy(&graph, "epoch:reclaim=inline");
    const struct sm_root_provider provider = {"stack", enumerate_stack, &stack};
    assert_int_equal(sm_roots_register(graph.mm, &provider), SM_OK);
    struct node *on_stack = node_new(&graph, 1);
    struct node *in_outer = node_new(&graph, 2);
    struct node *in_inner = node_new(&graph, 3);
    struct node *kept = node_new(&graph, 4);
    stack.slots[stack.depth++] = sm_value_from_object(&on_stack->header, 1);
    sm_scope outer = sm_scope_open(graph.mm);
    sm_alloc_value(graph.mm, sm_value_from_object(&in_outer->header, 1));
    sm_scope inner = sm_scope_open(graph.mm);
    sm_handle local = sm_alloc_value(graph.mm, sm_value_from_object(&kept->header, 1));
    sm_handle persistent = sm_handle_persist(graph.mm, local);
    sm_alloc_value(graph.mm, sm_value_from_object(&in_inner->header, 1));
    pass_safepoint(&graph);
    force_emergency(&graph);
    graph_collect(&graph);
    assert_true(graph_is_valid(&graph, on_stack) && graph_is_valid(&graph, in_outer) &&
                graph_is_valid(&graph, in_inner));
    assert_true(graph_is_valid(&graph, kept));
    assert_int_equal(sm_scope_close(graph.mm, inner), SM_OK);
    graph_collect(&graph);
    assert_true(graph_is_valid(&graph, in_outer) && graph_is_valid(&graph, kept) && !graph_is_valid(&graph, in_inner));
    assert_int_equal(sm_scope_close(graph.mm, outer), SM_OK);
    assert_int_equal(sm_handle_release(graph.mm, persistent), SM_OK);
    stack.depth = 0;
    graph_collect(&graph);
    assert_false(graph_is_valid(&graph, on_stack) || graph_is_valid(&graph, in_outer) || graph_is_valid(&graph, kept));
    graph_close(&graph);
}

/* A buffer gives its bytes up as it grows; a second root on them would outlive them. */
static void test_R1_a_buffers_bytes_cannot_get_a_handle_of_their_own(void **state)
{
    (void)state;
    struct graph graph;
    graph_open_policy(&graph, "epoch:reclaim=inline");
    sm_handle buffer = sm_buffer_create(graph.mm, 16);
    for (int growth = 0; growth < 3; growth++) {
        void *bytes = NULL;
        size_t byte_count = 0;
        assert_int_equal(sm_buffer_view(graph.mm, buffer, &bytes, &byte_count), SM_OK);
        assert_true(sm_handle_is_none(sm_bytes_handle(graph.mm, bytes)));
        assert_int_equal(sm_error_status(graph.mm), SM_ERR_INVALID_ARGUMENT);
        assert_int_equal(sm_buffer_append(graph.mm, buffer, "0123456789abcdef0123456789abcdef", 32), SM_OK);
        assert_int_equal(sm_buffer_reserve(graph.mm, buffer, 100u << growth), SM_OK);
        graph_collect(&graph);
    }
    graph_close(&graph);
}

/* ---- R9: weak loads. ---- */

static void refuse_edge(struct sm_visitor *visitor, struct sm_object *target)
{
    (void)visitor;
    (void)target;
    fail_msg("a weak cell has an edge");
}

static void test_R9_weak_get_answers_while_reachable_and_is_the_only_door(void **state)
{
    (void)state;
    struct graph graph;
    graph_open_policy(&graph, "epoch:reclaim=inline");
    struct node *target = graph.roots[0] = node_new(&graph, 1);
    struct sm_object *cell = sm_weak_make(graph.mm, &target->header);
    graph.roots[1] = (struct node *)cell;
    for (int cycle = 0; cycle < 3; cycle++) {
        graph_collect(&graph);
        assert_ptr_equal(sm_weak_get(graph.mm, cell), target);
    }
    struct sm_visitor owner = {refuse_edge, false};
    struct sm_visitor observer = {refuse_edge, true};
    sm_trace(graph.mm, cell, &owner);
    sm_trace(graph.mm, cell, &observer);
    graph.roots[0] = NULL;
    assert_ptr_equal(sm_weak_get(graph.mm, cell), target); /* garbage, but not retired: it may come back */
    graph_collect(&graph);
    assert_null(sm_weak_get(graph.mm, cell));
    assert_false(graph_is_valid(&graph, target));
    graph_close(&graph);
}

static void test_R9_a_handle_made_from_a_weak_get_is_a_root(void **state)
{
    (void)state;
    struct graph graph;
    graph_open_policy(&graph, "epoch:reclaim=inline");
    struct sm_object *cell = sm_weak_make(graph.mm, &node_new(&graph, 1)->header);
    graph.roots[1] = (struct node *)cell;
    pass_safepoint(&graph);
    struct sm_object *target = sm_weak_get(graph.mm, cell);
    sm_handle local = sm_alloc_value(graph.mm, sm_value_from_object(target, 1));
    sm_handle kept = sm_handle_persist(graph.mm, local);
    graph_collect(&graph);
    assert_ptr_equal(sm_weak_get(graph.mm, cell), target);
    assert_int_equal(sm_handle_set(graph.mm, local, (struct sm_value){0, 0}), SM_OK);
    assert_int_equal(sm_handle_release(graph.mm, kept), SM_OK);
    graph_collect(&graph);
    assert_null(sm_weak_get(graph.mm, cell));
    graph_close(&graph);
}

/* What weak_get handed out is in a C local, as safe until the next safepoint as what was allocated: an emergency keeps it. */
static void weak_gets_survive_an_emergency(uint64_t count)
{
    struct graph graph;
    struct node *handed_out[MANY];
    graph_open_policy(&graph, "epoch:reclaim=inline");
    struct sm_object *cells = sm_alloc(graph.mm, SM_TYPE_VALUES, (count + 1) * sizeof(struct sm_value));
    graph.roots[0] = (struct node *)cells;
    struct sm_value *slots = sm_payload(cells);
    for (uint64_t i = 0; i <= count; i++)
        sm_store(graph.mm, cells, &slots[i],
                 sm_value_from_object(sm_weak_make(graph.mm, &node_new(&graph, i)->header), 1));
    pass_safepoint(&graph);
    for (uint64_t i = 0; i < count; i++)
        handed_out[i] = (struct node *)sm_weak_get(graph.mm, sm_value_object(slots[i]));
    force_emergency(&graph);
    for (uint64_t i = 0; i < count; i++) {
        assert_true(graph_is_valid(&graph, handed_out[i]) && node_is_intact(handed_out[i]));
        assert_ptr_equal(sm_weak_get(graph.mm, sm_value_object(slots[i])), handed_out[i]);
    }
    /* Past the safepoint they are garbage again, for an emergency too. */
    pass_safepoint(&graph);
    force_emergency(&graph);
    for (uint64_t i = 0; i <= count; i++)
        assert_null(sm_weak_get(graph.mm, sm_value_object(slots[i])));
    graph_close(&graph);
}

static void test_R9_what_weak_get_handed_out_survives_an_emergency(void **state)
{
    (void)state;
    weak_gets_survive_an_emergency(1);
    weak_gets_survive_an_emergency(4);
    weak_gets_survive_an_emergency(MANY);
}

static void test_R9_a_regular_cycle_owes_nothing_to_what_weak_get_handed_out(void **state)
{
    (void)state;
    struct graph graph;
    graph_open_policy(&graph, "epoch:reclaim=inline");
    struct sm_object *cell = sm_weak_make(graph.mm, &node_new(&graph, 1)->header);
    graph.roots[0] = (struct node *)cell;
    pass_safepoint(&graph);
    assert_non_null(sm_weak_get(graph.mm, cell));
    graph_collect(&graph); /* a safepoint by its contract */
    assert_null(sm_weak_get(graph.mm, cell));
    force_emergency(&graph); /* must not look for what the cycle freed */
    graph_close(&graph);
}

static void test_R9_retiring_what_weak_get_handed_out_ends_its_claim(void **state)
{
    (void)state;
    struct graph graph;
    graph_open_policy(&graph, "epoch:reclaim=inline");
    struct sm_object *cells[2];
    for (size_t i = 0; i < 2; i++) {
        cells[i] = sm_weak_make(graph.mm, &node_new(&graph, i)->header);
        graph.roots[i] = (struct node *)cells[i];
    }
    pass_safepoint(&graph);
    struct sm_object *first = sm_weak_get(graph.mm, cells[0]);
    struct sm_object *second = sm_weak_get(graph.mm, cells[1]);
    sm_retire(graph.mm, first);
    force_emergency(&graph);
    assert_null(sm_weak_get(graph.mm, cells[0]));
    assert_ptr_equal(sm_weak_get(graph.mm, cells[1]), second);
    graph_close(&graph);
}

/* ---- R12: counts decide sharing, never reclamation. ---- */

static void scramble_count(void *context, struct sm_object *object)
{
    static const uint32_t counts[] = {0, 1, 2, UINT32_MAX, 0x80000000u};
    size_t *next = context;
    object->count = counts[(*next)++ % (sizeof(counts) / sizeof(counts[0]))];
}

struct outcome {
    uint64_t live_objects, live_bytes, retired_objects, traced_objects, destroyed;
};

/* A list with garbage hanging from each node, a ring of garbage, destructors and weak cells. */
static void build_mixed(struct graph *graph)
{
    struct node *ring = destructible_new(graph, 1);
    node_link(graph, ring, 0, ring);
    for (uint64_t i = 0; i < MANY; i++) {
        struct node *node = node_new(graph, i);
        node_link(graph, node, 0, graph->roots[0]);
        node_link(graph, node_new(graph, i), 0, node);
        graph->roots[0] = node;
    }
    graph->roots[1] = (struct node *)sm_weak_make(graph->mm, &ring->header);
}

static struct outcome collect_with(bool scramble)
{
    struct graph graph;
    struct outcome outcome = {0};
    size_t next = 0;
    graph_open_policy(&graph, "epoch:reclaim=inline");
    build_mixed(&graph);
    if (scramble)
        sm_walk(graph.mm, scramble_count, &next);
    graph_collect(&graph);
    if (scramble)
        sm_walk(graph.mm, scramble_count, &next);
    force_emergency(&graph);
    graph_collect(&graph);
    struct sm_stats stats = graph_stats(&graph);
    outcome.live_objects = stats.live_objects;
    outcome.live_bytes = stats.live_bytes;
    outcome.retired_objects = stats.retired_objects;
    outcome.traced_objects = graph.mm->counters.traced_objects;
    outcome.destroyed = graph.destroyed_count;
    graph_close(&graph);
    return outcome;
}

static void test_R12_garbage_in_the_counts_changes_nothing(void **state)
{
    (void)state;
    struct outcome plain = collect_with(false);
    struct outcome scrambled = collect_with(true);
    assert_int_equal(plain.live_objects, MANY + 1);
    assert_int_equal(plain.destroyed, 1);
    assert_int_equal(scrambled.live_objects, plain.live_objects);
    assert_int_equal(scrambled.live_bytes, plain.live_bytes);
    assert_int_equal(scrambled.retired_objects, plain.retired_objects);
    assert_int_equal(scrambled.traced_objects, plain.traced_objects);
    assert_int_equal(scrambled.destroyed, plain.destroyed);
}

/* A header's count of zero is no reason to reclaim, one of the largest no reason to keep. */
static void test_R12_reachability_wins_over_any_count(void **state)
{
    (void)state;
    struct graph graph;
    graph_open_policy(&graph, "epoch:reclaim=inline");
    struct node *reachable = graph.roots[0] = node_new(&graph, 1);
    struct node *garbage = node_new(&graph, 2);
    reachable->header.count = 0;
    garbage->header.count = UINT32_MAX;
    graph_collect(&graph);
    assert_true(graph_is_valid(&graph, reachable));
    assert_false(graph_is_valid(&graph, garbage));
    assert_int_equal(reachable->header.count, 0);
    graph_close(&graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R1_stacks_scopes_and_handles_are_scanned),
        cmocka_unit_test(test_R1_a_buffers_bytes_cannot_get_a_handle_of_their_own),
        cmocka_unit_test(test_R9_weak_get_answers_while_reachable_and_is_the_only_door),
        cmocka_unit_test(test_R9_a_handle_made_from_a_weak_get_is_a_root),
        cmocka_unit_test(test_R9_what_weak_get_handed_out_survives_an_emergency),
        cmocka_unit_test(test_R9_a_regular_cycle_owes_nothing_to_what_weak_get_handed_out),
        cmocka_unit_test(test_R9_retiring_what_weak_get_handed_out_ends_its_claim),
        cmocka_unit_test(test_R12_garbage_in_the_counts_changes_nothing),
        cmocka_unit_test(test_R12_reachability_wins_over_any_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
