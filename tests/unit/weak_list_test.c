/** Weak cells and entries under the policies that trace: who clears what, and when. */
#include "epoch_graph.h"

#include <pthread.h>
#include <stdatomic.h>

static const char *const policies[] = {"epoch:reclaim=inline", "marksweep"};

/** Runs under each tracing policy, with no cycles but its own. */
typedef void weak_body(struct graph *graph);

static struct sm_object *entry_new(struct graph *graph, struct node *target, struct node *value)
{
    struct sm_object *entry = sm_weak_entry_make(graph->mm, &target->header, sm_value_from_object(&value->header, 1));
    assert_non_null(entry);
    return entry;
}

static void root(struct graph *graph, size_t index, void *object)
{
    graph->roots[index] = object;
}

static void assert_cleared(struct graph *graph, struct sm_object *entry)
{
    assert_null(sm_weak_get(graph->mm, entry));
    assert_int_equal(sm_weak_entry_value(entry)->payload, 0);
    assert_int_equal(sm_weak_entry_value(entry)->tag, 0);
}

static void entries_keep_their_value_until_the_target_dies(struct graph *graph)
{
    struct node *target = graph->roots[0] = node_new(graph, 1);
    struct node *value = node_new(graph, 2);
    struct sm_object *entry = entry_new(graph, target, value);
    root(graph, 1, entry);
    for (int cycle = 0; cycle < 3; cycle++)
        graph_collect(graph);
    assert_ptr_equal(sm_weak_get(graph->mm, entry), target);
    assert_ptr_equal(sm_value_object(*sm_weak_entry_value(entry)), value);
    assert_true(graph_is_valid(graph, value) && node_is_intact(value));
    graph->roots[0] = NULL;
    graph_collect(graph);
    assert_cleared(graph, entry);
    assert_false(graph_is_valid(graph, target));
    assert_true(graph_is_valid(graph, value)); /* reached when marking began */
    graph_collect(graph);
    assert_false(graph_is_valid(graph, value));
    assert_true(graph_is_valid(graph, entry));
}

static void entries_die_with_their_map(struct graph *graph)
{
    struct node *target = graph->roots[0] = node_new(graph, 1);
    struct node *map = graph->roots[1] = node_new(graph, 2);
    struct node *value = node_new(graph, 3);
    struct sm_object *entry = entry_new(graph, target, value);
    node_link(graph, map, 0, (struct node *)entry);
    graph_collect(graph);
    assert_true(graph_is_valid(graph, entry) && graph_is_valid(graph, value));
    graph->roots[1] = NULL;
    graph_collect(graph);
    assert_false(graph_is_valid(graph, entry) || graph_is_valid(graph, value));
    assert_true(graph_is_valid(graph, target));
    graph->roots[0] = NULL; /* nothing may still point at the entry */
    graph_collect(graph);
    assert_int_equal(graph_stats(graph).live_objects, 0);
}

/* As in PHP 8.2: such an entry stays for as long as its map, and goes with it. */
static void a_value_that_refers_to_its_key_keeps_it(struct graph *graph)
{
    struct node *key = node_new(graph, 1);
    struct node *value = node_new(graph, 2);
    node_link(graph, value, 0, key);
    struct sm_object *entry = entry_new(graph, key, value);
    root(graph, 0, entry);
    graph_collect(graph);
    assert_true(graph_is_valid(graph, key));
    assert_ptr_equal(sm_weak_get(graph->mm, entry), key);
    graph->roots[0] = NULL;
    graph_collect(graph);
    assert_int_equal(graph_stats(graph).live_objects, 0);
}

static void cells_and_entries_of_one_target_are_cleared_together(struct graph *graph)
{
    struct node *target = graph->roots[0] = node_new(graph, 1);
    struct sm_object *cell = sm_weak_make(graph->mm, &target->header);
    root(graph, 1, cell);
    struct sm_object *entry = entry_new(graph, target, target);
    root(graph, 2, entry);
    sm_store(graph->mm, entry, sm_weak_entry_value(entry), (struct sm_value){42, 2}); /* a plain number */
    graph->roots[0] = NULL;
    graph_collect(graph);
    assert_null(sm_weak_get(graph->mm, cell));
    assert_cleared(graph, entry);
}

static void read_both(struct graph *graph, struct node *node)
{
    struct sm_object *entry = graph->context;
    assert_ptr_equal(sm_weak_get(graph->mm, entry), &node->header);
    assert_true(node_is_intact((struct node *)sm_value_object(*sm_weak_entry_value(entry))));
}

static void R5_entries_answer_inside_the_destructor(struct graph *graph)
{
    struct node *target = destructible_new(graph, 1);
    struct sm_object *entry = entry_new(graph, target, node_new(graph, 2));
    root(graph, 0, entry);
    graph->on_destroy = read_both;
    graph->context = entry;
    graph_collect(graph);
    assert_int_equal(graph->destroyed_count, 1);
    assert_ptr_equal(sm_weak_get(graph->mm, entry), target);
    graph_collect(graph);
    assert_cleared(graph, entry);
    graph_collect(graph);
    assert_int_equal(graph_stats(graph).live_objects, 1);
}

static void giving_up_by_hand_clears_cells_and_unlinks_them(struct graph *graph)
{
    struct node *first = node_new(graph, 1);
    struct node *second = graph->roots[0] = node_new(graph, 2);
    struct sm_object *cleared = entry_new(graph, first, second);
    root(graph, 1, cleared);
    struct sm_object *unlinked = entry_new(graph, second, second);
    assert_ptr_equal(sm_weak_get(graph->mm, cleared), first); /* handed out: must be forgotten too */
    sm_retire(graph->mm, &first->header);
    assert_cleared(graph, cleared);
    sm_retire(graph->mm, unlinked);
    assert_false(graph_is_valid(graph, first) || graph_is_valid(graph, unlinked));
    graph_collect(graph);
    graph->roots[0] = NULL;
    graph_collect(graph);
    assert_int_equal(graph_stats(graph).live_objects, 1);
}

/* Fill the limit with garbage that is too young to go, until an allocation needs an emergency cycle. */
static void provoke_emergency(struct graph *graph)
{
    uint64_t before = graph_stats(graph).cycles_by_trigger[SM_TRIGGER_EMERGENCY];
    while (graph_stats(graph).cycles_by_trigger[SM_TRIGGER_EMERGENCY] == before)
        if (node_try(graph, graph->node_type, 5, 200000) == NULL)
            return;
}

/* Until the next safepoint the caller may hold what it was given in a local, even if nothing else does. */
static void keep_handed_out(const char *policy, size_t handed_out_count)
{
    enum { CELLS = GRAPH_ROOTS };
    struct graph graph;
    struct sm_object *targets[CELLS];
    struct sm_config config = {.policy = policy, .pacing = "never", .memory_limit_bytes = 4 << 20};
    graph_open(&graph, &config);
    for (size_t i = 0; i < CELLS; i++) {
        targets[i] = &node_new(&graph, i)->header;
        root(&graph, i, sm_weak_make(graph.mm, targets[i]));
    }
    sm_attention_request(graph.mm); /* makes the next safepoint one that the policy hears of */
    sm_safepoint(graph.mm);
    for (size_t i = 0; i < handed_out_count; i++)
        assert_ptr_equal(sm_weak_get(graph.mm, (struct sm_object *)graph.roots[i]), targets[i]);
    struct sm_object *given_up = targets[CELLS - 1];
    assert_ptr_equal(sm_weak_get(graph.mm, (struct sm_object *)graph.roots[CELLS - 1]), given_up);
    sm_retire(graph.mm, given_up); /* by the word of the C code: no root any more */
    provoke_emergency(&graph);
    for (size_t i = 0; i < handed_out_count; i++)
        assert_true(graph_is_valid(&graph, targets[i]) && node_is_intact((struct node *)targets[i]));
    if (handed_out_count < 10)
        for (size_t i = handed_out_count; i < CELLS; i++)
            assert_false(graph_is_valid(&graph, targets[i]));
    graph_collect(&graph); /* a safepoint by contract: now they are garbage */
    for (size_t i = 0; i < CELLS; i++)
        assert_null(sm_weak_get(graph.mm, (struct sm_object *)graph.roots[i]));
    graph_close(&graph);
}

static void R7_what_was_handed_out_survives_an_emergency(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
        keep_handed_out(policies[i], 3);
        keep_handed_out(policies[i], GRAPH_ROOTS - 1); /* more than are told apart */
    }
}

struct watch {
    struct graph *graph;
    struct sm_object *entry;
    struct node *value;
    _Atomic bool stop;      /* relaxed: tells the reader to end, orders nothing */
    _Atomic uint64_t count; /* relaxed: looks so far */
    _Atomic uint64_t torn;  /* relaxed: of these, neither the old value nor none */
};

static void *look(void *context)
{
    struct watch *watch = context;
    struct sm_guard *guard = NULL;
    if (sm_observer_register(watch->graph->mm, "looker", &guard) != SM_OK)
        return NULL;
    while (!atomic_load_explicit(&watch->stop, memory_order_relaxed)) {
        sm_pin(guard, SM_HERE);
        struct sm_value value = sm_load_shared(sm_weak_entry_value(watch->entry));
        bool is_old = sm_value_is_heap(value) && sm_value_object(value) == &watch->value->header;
        bool is_none = value.tag == 0 && value.payload == 0;
        bool is_wrong = is_old ? !node_is_intact(watch->value) : !is_none;
        atomic_fetch_add_explicit(&watch->torn, is_wrong, memory_order_relaxed);
        atomic_fetch_add_explicit(&watch->count, 1, memory_order_relaxed);
        sm_unpin(guard);
    }
    sm_observer_unregister(guard);
    return NULL;
}

static void wait_for_looks(struct watch *watch)
{
    uint64_t wanted = atomic_load_explicit(&watch->count, memory_order_relaxed) + 100;
    while (atomic_load_explicit(&watch->count, memory_order_relaxed) < wanted)
        sleep_ms(1);
}

/* The thread sanitizer sees a store that is not published; the looks themselves see a torn or reused value. */
static void observers_see_a_value_whole_or_cleared(void **state)
{
    (void)state;
    struct graph graph;
    graph_open_policy(&graph, "epoch");
    struct node *target = graph.roots[0] = node_new(&graph, 1);
    struct watch watch = {.graph = &graph, .value = node_new(&graph, 2)};
    watch.entry = entry_new(&graph, target, watch.value);
    root(&graph, 1, watch.entry);
    assert_int_equal(sm_observers_allow(graph.mm), SM_OK);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, look, &watch), 0);
    wait_for_looks(&watch);
    graph.roots[0] = NULL;
    for (int cycle = 0; cycle < 3; cycle++) {
        graph_collect(&graph);
        wait_for_looks(&watch);
    }
    atomic_store_explicit(&watch.stop, true, memory_order_relaxed);
    pthread_join(thread, NULL);
    assert_cleared(&graph, watch.entry);
    assert_int_equal(watch.torn, 0);
    graph_close(&graph);
}

/** One test under each policy. */
struct weak_case {
    const char *name;
    weak_body *body;
};

static const struct weak_case cases[] = {
    {"entries_keep_their_value_until_the_target_dies", entries_keep_their_value_until_the_target_dies},
    {"entries_die_with_their_map", entries_die_with_their_map},
    {"a_value_that_refers_to_its_key_keeps_it", a_value_that_refers_to_its_key_keeps_it},
    {"cells_and_entries_of_one_target_are_cleared_together", cells_and_entries_of_one_target_are_cleared_together},
    {"R5_entries_answer_inside_the_destructor", R5_entries_answer_inside_the_destructor},
    {"giving_up_by_hand_clears_cells_and_unlinks_them", giving_up_by_hand_clears_cells_and_unlinks_them},
};

static void under_each_policy(void **state)
{
    const struct weak_case *weak_case = *state;
    for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
        struct graph graph;
        graph_open_policy(&graph, policies[i]);
        weak_case->body(&graph);
        graph_close(&graph);
    }
}

int main(void)
{
    enum { CASE_COUNT = sizeof(cases) / sizeof(cases[0]) };
    struct CMUnitTest tests[CASE_COUNT + 2];
    for (size_t i = 0; i < CASE_COUNT; i++)
        tests[i] = (struct CMUnitTest){
            .name = cases[i].name, .test_func = under_each_policy, .initial_state = (void *)(uintptr_t)&cases[i]};
    tests[CASE_COUNT] = (struct CMUnitTest)cmocka_unit_test(R7_what_was_handed_out_survives_an_emergency);
    tests[CASE_COUNT + 1] = (struct CMUnitTest)cmocka_unit_test(observers_see_a_value_whole_or_cleared);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
