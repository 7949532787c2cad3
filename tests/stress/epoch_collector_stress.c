/**
 * The collector's thread under load (R1, R2, R5, R8, R9): with thresholds so small that some cycle is always under way, the owner
 * replaces and exchanges subtrees of a shared table, gives some up by hand, makes weak cells, large arrays and objects with
 * destructors, while observers walk the table under guards.
 *
 * Every node carries a canary, which reclamation destroys, and the epoch in which the owner unlinked it: a guard that began later must
 * not meet it. Run under the thread and address sanitizers too.
 */
#include "epoch_graph.h"
#include "test_scale.h"

#include "epoch/chunks.h"
#include "manager_internal.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    OBSERVERS = 2,
    SLOTS = 20 * EPOCH_CHUNK_ELEMENTS, /* of the table, which is large: many chunks */
    USED_SLOTS = 300,
    TREE_DEPTH = 3,
    TREE_NODES = (1 << TREE_DEPTH) - 1,
    CELLS = 64,
    MUTATIONS = 200, /* of an iteration of the run loop */
    LARGE_BYTES = 40000,
    THRESHOLD_BYTES = 64 << 10,
};

enum { ROOT_TABLE, ROOT_CELLS, ROOT_LARGE };

struct stamped {
    struct node node;
    _Atomic uint64_t unlinked_epoch; /* relaxed: the epoch's own release and acquire order what matters */
};

enum { STAMP_BYTES = sizeof(struct stamped) - sizeof(struct node) };

struct world {
    struct graph graph;
    sm_type_id mortal_type;
    struct sm_object *table; /* never replaced */
    uint64_t random, next_id;
    uint64_t mortals_made, destructors_run;
    _Atomic bool stop;                                         /* relaxed: the observers only poll it */
    _Atomic uint64_t walks, nodes_seen, bad_canaries, too_old; /* relaxed: counts */
};

static uint64_t next_random(struct world *world, uint64_t bound)
{
    world->random = world->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (world->random >> 33) % bound;
}

/* ---- Observers. ---- */

struct walker {
    struct sm_visitor visitor; /* first: edges are downcast to walkers */
    struct world *world;
    uint64_t guard_epoch, nodes_seen;
};

static void count(_Atomic uint64_t *figure, uint64_t amount)
{
    atomic_fetch_add_explicit(figure, amount, memory_order_relaxed);
}

static void walk_edge(struct sm_visitor *visitor, struct sm_object *target)
{
    struct walker *walker = (struct walker *)visitor;
    const struct stamped *stamped = (const struct stamped *)target;
    uint64_t unlinked_epoch = atomic_load_explicit(&stamped->unlinked_epoch, memory_order_relaxed);
    walker->nodes_seen++;
    count(&walker->world->bad_canaries, !node_is_intact(&stamped->node));
    count(&walker->world->too_old, unlinked_epoch != 0 && unlinked_epoch < walker->guard_epoch);
    sm_trace(walker->world->graph.mm, target, visitor);
}

static void walk_under_guard(struct world *world, struct sm_guard *guard, unsigned walks)
{
    sm_pin(guard, SM_HERE);
    struct walker walker = {
        .visitor = {walk_edge, true}, .world = world, .guard_epoch = sm_epoch_current(world->graph.mm)};
    for (unsigned i = 0; i < walks; i++)
        sm_trace(world->graph.mm, world->table, &walker.visitor);
    sm_unpin(guard);
    count(&world->walks, walks);
    count(&world->nodes_seen, walker.nodes_seen);
}

static void *observer_main(void *context)
{
    struct world *world = context;
    struct sm_guard *guard = NULL;
    if (sm_observer_register(world->graph.mm, "walker", &guard) != SM_OK) {
        count(&world->bad_canaries, 1);
        return NULL;
    }
    for (unsigned round = 0; !atomic_load_explicit(&world->stop, memory_order_relaxed); round++)
        walk_under_guard(world, guard, round % 8 == 0 ? 10 : 1);
    sm_observer_unregister(guard);
    return NULL;
}

/* ---- The owner: trees. ---- */

static struct node *tree_new(struct world *world, unsigned depth)
{
    struct node *node = node_try(&world->graph, world->graph.node_type, ++world->next_id, STAMP_BYTES);
    assert_non_null(node);
    for (size_t edge = 0; depth > 1 && edge < GRAPH_EDGES; edge++)
        node_link(&world->graph, node, edge, tree_new(world, depth - 1));
    return node;
}

/* Out of the table: no guard that begins in a later epoch may meet it. */
static void tree_drop(struct world *world, struct node *node, uint64_t epoch, bool retires)
{
    if (node == NULL)
        return;
    for (size_t edge = 0; edge < GRAPH_EDGES; edge++)
        tree_drop(world, node_edge(node, edge), epoch, retires);
    atomic_store_explicit(&((struct stamped *)node)->unlinked_epoch, epoch, memory_order_relaxed);
    if (retires)
        sm_retire(world->graph.mm, &node->header);
}

/* Slots that are used are spread over all chunks. */
static struct sm_value *slot_at(const struct world *world, uint64_t which)
{
    return (struct sm_value *)sm_payload(world->table) + which * SLOTS / USED_SLOTS;
}

static struct node *tree_at(const struct sm_value *slot)
{
    return sm_value_is_heap(*slot) ? (struct node *)sm_value_object(*slot) : NULL;
}

static void replace_tree(struct world *world, uint64_t which)
{
    struct sm_value *slot = slot_at(world, which);
    struct node *old = tree_at(slot), *fresh = tree_new(world, TREE_DEPTH);
    sm_store(world->graph.mm, world->table, slot, sm_value_from_object(&fresh->header, 1));
    tree_drop(world, old, sm_epoch_current(world->graph.mm), next_random(world, 3) == 0);
}

/* The last edges to two subtrees are exchanged, so each is in nothing but a local for a moment. */
static void exchange_subtrees(struct world *world)
{
    struct node *left = tree_at(slot_at(world, next_random(world, USED_SLOTS / 2)));
    struct node *right = tree_at(slot_at(world, USED_SLOTS / 2 + next_random(world, USED_SLOTS / 2)));
    size_t edge = next_random(world, GRAPH_EDGES);
    struct node *moved = node_edge(left, edge), *back = node_edge(right, 1 - edge);
    node_link(&world->graph, left, edge, NULL);
    node_link(&world->graph, right, 1 - edge, moved);
    node_link(&world->graph, left, edge, back);
}

/* ---- The owner: everything else. ---- */

static void put_cell(struct world *world, uint64_t which)
{
    struct sm_object *cells = &world->graph.roots[ROOT_CELLS]->header;
    struct node *tree = tree_at(slot_at(world, next_random(world, USED_SLOTS)));
    struct sm_object *cell = sm_weak_make(world->graph.mm, &tree->header);
    assert_non_null(cell);
    sm_store(world->graph.mm, cells, (struct sm_value *)sm_payload(cells) + which, sm_value_from_object(cell, 1));
}

/* R9: what the cell hands out is whole, in whatever stage a cycle is; it may be garbage that no cycle has found. */
static void read_cell(struct world *world, uint64_t which)
{
    const struct sm_object *cells = &world->graph.roots[ROOT_CELLS]->header;
    struct sm_value value = ((const struct sm_value *)sm_payload_const(cells))[which];
    struct sm_object *target = sm_value_is_heap(value) ? sm_weak_get(world->graph.mm, sm_value_object(value)) : NULL;
    if (target != NULL)
        assert_true(node_is_intact((const struct node *)target));
}

static void replace_large(struct world *world)
{
    struct sm_object *old = (struct sm_object *)(void *)world->graph.roots[ROOT_LARGE];
    struct sm_object *fresh = sm_alloc(world->graph.mm, SM_TYPE_VALUES, LARGE_BYTES);
    assert_non_null(fresh);
    world->graph.roots[ROOT_LARGE] = (struct node *)(void *)fresh;
    if (old != NULL && next_random(world, 2) == 0)
        sm_retire(world->graph.mm, old);
}

static void destroy_mortal(struct sm_manager *mm, struct sm_object *object, void *context)
{
    (void)mm;
    assert_true(node_is_intact((const struct node *)object));
    ((struct world *)context)->destructors_run++;
}

static void make_mortal(struct world *world)
{
    struct node *node = node_try(&world->graph, world->mortal_type, ++world->next_id, STAMP_BYTES);
    assert_non_null(node);
    assert_int_equal(sm_finalizer_register(world->graph.mm, &node->header), SM_OK);
    world->mortals_made++;
}

static void mutate(struct world *world)
{
    uint64_t what = next_random(world, 100);
    if (what < 45)
        replace_tree(world, next_random(world, USED_SLOTS));
    else if (what < 70)
        exchange_subtrees(world);
    else if (what < 80)
        put_cell(world, next_random(world, CELLS));
    else if (what < 90)
        read_cell(world, next_random(world, CELLS));
    else if (what < 94)
        replace_large(world);
    else if (what < 99)
        make_mortal(world);
    else if (next_random(world, 4) == 0)
        (void)sm_cycle_run(world->graph.mm, SM_COLLECT_FULL, SM_TRIGGER_EMERGENCY);
}

static void run_iterations(struct world *world, uint64_t iterations)
{
    struct sm_manager *mm = world->graph.mm;
    for (uint64_t iteration = 0; iteration < iterations; iteration++) {
        sm_pin(sm_owner_guard(mm), SM_HERE);
        for (unsigned i = 0; i < MUTATIONS; i++) {
            mutate(world);
            sm_safepoint(mm);
        }
        sm_unpin(sm_owner_guard(mm));
        if (iteration % 16 == 15)
            assert_int_equal(sm_collect(mm, iteration % 32 == 15 ? SM_COLLECT_YOUNG : SM_COLLECT_FULL), SM_OK);
    }
}

/* ---- Runs. ---- */

static void open_world(struct world *world, const char *policy)
{
    memset(world, 0, sizeof(*world));
    world->random = 1;
    const struct sm_config config = {
        .policy = policy, .threshold_bytes = THRESHOLD_BYTES, .collector_threads = SM_COLLECTOR_THREADS_ONE};
    const struct sm_type mortal = {
        .name = "mortal", .trace = graph_trace, .finalize = destroy_mortal, .context = world};
    graph_open(&world->graph, &config);
    assert_int_equal(sm_type_register(world->graph.mm, &mortal, &world->mortal_type), SM_OK);
    world->table = sm_alloc(world->graph.mm, SM_TYPE_VALUES, SLOTS * sizeof(struct sm_value));
    world->graph.roots[ROOT_TABLE] = (struct node *)(void *)world->table;
    struct sm_object *cells = sm_alloc(world->graph.mm, SM_TYPE_VALUES, CELLS * sizeof(struct sm_value));
    world->graph.roots[ROOT_CELLS] = (struct node *)(void *)cells;
    for (uint64_t i = 0; i < USED_SLOTS; i++)
        replace_tree(world, i);
}

static void expect_nothing_lost(struct world *world)
{
    struct graph *graph = &world->graph;
    graph->roots[ROOT_CELLS] = graph->roots[ROOT_LARGE] = NULL;
    assert_int_equal(sm_quiesce(graph->mm), SM_OK);
    struct sm_stats stats = graph_stats(graph);
    assert_int_equal(atomic_load(&world->bad_canaries), 0);
    assert_int_equal(atomic_load(&world->too_old), 0);
    assert_int_equal(world->destructors_run, world->mortals_made);
    assert_int_equal(stats.live_objects, 1 + USED_SLOTS * TREE_NODES);
    assert_int_equal(stats.backlog_bytes, 0);
    assert_int_equal(stats.reclaimed_objects, stats.alloc_count - stats.live_objects);
    assert_true(stats.concurrent_cycles >= 3 && atomic_load(&world->nodes_seen) > 0);
    print_message("%llu concurrent cycles, %llu of them finished by a stop, %llu young ones, %llu walks\n",
                  (unsigned long long)stats.concurrent_cycles, (unsigned long long)stats.fallbacks,
                  (unsigned long long)stats.cycles_by_kind[SM_CYCLE_YOUNG],
                  (unsigned long long)atomic_load(&world->walks));
}

static void run_with(const char *policy)
{
    static struct world world;
    pthread_t threads[OBSERVERS];
    open_world(&world, policy);
    assert_int_equal(sm_observers_allow(world.graph.mm), SM_OK);
    for (size_t i = 0; i < OBSERVERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, observer_main, &world), 0);
    while (atomic_load_explicit(&world.walks, memory_order_relaxed) == 0)
        sleep_ms(1);
    run_iterations(&world, test_scale(120, 40, 16));
    atomic_store_explicit(&world.stop, true, memory_order_relaxed);
    for (size_t i = 0; i < OBSERVERS; i++)
        pthread_join(threads[i], NULL);
    expect_nothing_lost(&world);
    graph_close(&world.graph);
}

static void test_R1_R2_young_cycles_and_a_thread_that_marks(void **state)
{
    (void)state;
    run_with("epoch:young=always,nursery=16K");
}

static void test_R1_R2_a_thread_that_marks_alone(void **state)
{
    (void)state;
    run_with("epoch:young=never");
}

static void test_R1_R2_young_cycles_that_come_and_go(void **state)
{
    (void)state;
    run_with("epoch:young=auto,flavor=qsbr");
}

static void test_R1_R2_a_thread_that_marks_over_memory_that_is_overwritten(void **state)
{
    (void)state;
    run_with("epoch:young=always,nursery=16K,debug=poison");
}

static void test_R1_R2_a_thread_that_marks_and_an_owner_that_reclaims(void **state)
{
    (void)state;
    run_with("epoch:young=always,nursery=16K,reclaim=inline");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R1_R2_young_cycles_and_a_thread_that_marks),
        cmocka_unit_test(test_R1_R2_a_thread_that_marks_alone),
        cmocka_unit_test(test_R1_R2_young_cycles_that_come_and_go),
        cmocka_unit_test(test_R1_R2_a_thread_that_marks_over_memory_that_is_overwritten),
        cmocka_unit_test(test_R1_R2_a_thread_that_marks_and_an_owner_that_reclaims),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
