/**
 * R1, R2 under load: the owner keeps replacing trees of a shared table while observers walk it.
 *
 * Every node carries a canary, which reclamation destroys (checked builds poison, and the block is
 * handed out again in any build), and the epoch in which the owner unlinked it. A guard that began in
 * epoch P acquired everything the owner stored before P, so it must never meet a node that was
 * unlinked in an earlier epoch: that one may be gone. Run under the thread and address sanitizers too.
 */
#include "epoch_graph.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    OBSERVERS = 3,
    SLOTS = 64,
    ITERATIONS = 60,
    MUTATIONS = 200, /* per iteration */
    TREE_DEPTH = 3,  /* 7 nodes */
    LONG_GUARD_WALKS = 20,
};

/* A node of the table's trees: the graph's node and the stamp behind it. */
struct stamped {
    struct node node;
    _Atomic uint64_t unlinked_epoch; /* relaxed: the epoch's own release and acquire order what matters */
};

enum { STAMP_BYTES = sizeof(struct stamped) - sizeof(struct node) };

struct shared {
    struct graph graph;
    struct sm_object *table; /* SLOTS values; never replaced */
    _Atomic bool stop;
    _Atomic uint64_t walks, nodes_seen, bad_canaries, too_old;
};

struct walker {
    struct sm_visitor visitor; /* first: edges are downcast to walkers */
    struct shared *shared;
    uint64_t guard_epoch;
    uint64_t nodes_seen;
};

static void check_node(struct walker *walker, const struct stamped *stamped)
{
    walker->nodes_seen++;
    if (!node_is_intact(&stamped->node))
        atomic_fetch_add_explicit(&walker->shared->bad_canaries, 1, memory_order_relaxed);
    uint64_t unlinked_epoch = atomic_load_explicit(&stamped->unlinked_epoch, memory_order_relaxed);
    if (unlinked_epoch != 0 && unlinked_epoch < walker->guard_epoch)
        atomic_fetch_add_explicit(&walker->shared->too_old, 1, memory_order_relaxed);
}

static void walk_edge(struct sm_visitor *visitor, struct sm_object *target)
{
    struct walker *walker = (struct walker *)visitor;
    check_node(walker, (const struct stamped *)target);
    sm_trace(walker->shared->graph.mm, target, visitor);
}

static void walk_once(struct shared *shared, uint64_t guard_epoch)
{
    struct walker walker = {.visitor = {walk_edge, true}, .shared = shared, .guard_epoch = guard_epoch};
    sm_trace(shared->graph.mm, shared->table, &walker.visitor);
    atomic_fetch_add_explicit(&shared->walks, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&shared->nodes_seen, walker.nodes_seen, memory_order_relaxed);
}

/* Short guards, long ones, nested ones and repins in turn. */
static void observe_round(struct shared *shared, struct sm_guard *guard, unsigned round)
{
    unsigned walks = round % 8 == 0 ? LONG_GUARD_WALKS : 1;
    sm_pin(guard, SM_HERE);
    uint64_t guard_epoch = sm_epoch_current(shared->graph.mm);
    for (unsigned i = 0; i < walks; i++)
        walk_once(shared, guard_epoch);
    sm_pin(guard, SM_HERE);
    walk_once(shared, guard_epoch);
    sm_unpin(guard);
    sm_repin(guard, SM_HERE);
    walk_once(shared, sm_epoch_current(shared->graph.mm));
    sm_offline(guard);
    sm_online(guard);
    walk_once(shared, sm_epoch_current(shared->graph.mm));
    sm_unpin(guard);
}

static void *observer_main(void *context)
{
    struct shared *shared = context;
    struct sm_guard *guard = NULL;
    if (sm_observer_register(shared->graph.mm, "walker", &guard) != SM_OK) {
        atomic_fetch_add_explicit(&shared->bad_canaries, 1, memory_order_relaxed);
        return NULL;
    }
    for (unsigned round = 0; !atomic_load_explicit(&shared->stop, memory_order_relaxed); round++)
        observe_round(shared, guard, round);
    sm_observer_unregister(guard);
    return NULL;
}

/* ---- The owner. ---- */

static struct node *tree_new(struct shared *shared, unsigned depth, uint64_t id)
{
    struct node *node = node_try(&shared->graph, shared->graph.node_type, id, STAMP_BYTES);
    assert_non_null(node);
    for (size_t edge = 0; depth > 1 && edge < GRAPH_EDGES; edge++)
        node_link(&shared->graph, node, edge, tree_new(shared, depth - 1, id * 2 + edge));
    return node;
}

/* The tree is out of the table: no guard that begins in a later epoch may meet it. */
static void tree_drop(struct shared *shared, struct node *node, uint64_t epoch, bool retire)
{
    if (node == NULL)
        return;
    for (size_t edge = 0; edge < GRAPH_EDGES; edge++)
        tree_drop(shared, node_edge(node, edge), epoch, retire);
    atomic_store_explicit(&((struct stamped *)node)->unlinked_epoch, epoch, memory_order_relaxed);
    if (retire)
        sm_retire(shared->graph.mm, &node->header);
}

/* Half of the trees are retired by hand, the rest is left to the cycles. */
static void replace_tree(struct shared *shared, uint64_t step)
{
    struct sm_manager *mm = shared->graph.mm;
    struct sm_value *slot = (struct sm_value *)sm_payload(shared->table) + step * 2654435761u % SLOTS;
    struct node *old = sm_value_is_heap(*slot) ? (struct node *)sm_value_object(*slot) : NULL;
    struct node *fresh = tree_new(shared, TREE_DEPTH, step);
    sm_store(mm, shared->table, slot, sm_value_from_object(&fresh->header, 1));
    tree_drop(shared, old, sm_epoch_current(mm), step % 2 == 0);
}

static void mutate(struct shared *shared)
{
    struct sm_manager *mm = shared->graph.mm;
    uint64_t step = 0;
    for (unsigned iteration = 0; iteration < ITERATIONS; iteration++) {
        sm_pin(sm_owner_guard(mm), SM_HERE);
        for (unsigned i = 0; i < MUTATIONS; i++) {
            replace_tree(shared, ++step);
            sm_safepoint(mm);
        }
        sm_unpin(sm_owner_guard(mm));
    }
}

static uint64_t walks_done(struct shared *shared)
{
    return atomic_load_explicit(&shared->walks, memory_order_relaxed);
}

static void run_with(const char *policy)
{
    static struct shared shared;
    pthread_t threads[OBSERVERS];
    memset(&shared, 0, sizeof(shared));
    struct sm_config config = {.policy = policy, .threshold_bytes = 256 << 10};
    graph_open(&shared.graph, &config);
    shared.table = sm_alloc(shared.graph.mm, SM_TYPE_VALUES, SLOTS * sizeof(struct sm_value));
    shared.graph.roots[0] = (struct node *)shared.table;
    assert_int_equal(sm_observers_allow(shared.graph.mm), SM_OK);
    for (size_t i = 0; i < OBSERVERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, observer_main, &shared), 0);
    while (walks_done(&shared) == 0)
        sleep_ms(1);
    mutate(&shared);
    atomic_store_explicit(&shared.stop, true, memory_order_relaxed);
    for (size_t i = 0; i < OBSERVERS; i++)
        pthread_join(threads[i], NULL);

    assert_int_equal(sm_quiesce(shared.graph.mm), SM_OK);
    struct sm_stats stats = graph_stats(&shared.graph);
    assert_int_equal(atomic_load(&shared.bad_canaries), 0);
    assert_int_equal(atomic_load(&shared.too_old), 0);
    assert_true(atomic_load(&shared.nodes_seen) > 0);
    assert_true(stats.cycles >= 3);
    assert_int_equal(stats.live_objects, 1 + SLOTS * ((1 << TREE_DEPTH) - 1));
    assert_int_equal(stats.backlog_bytes, 0);
    assert_int_equal(stats.reclaimed_objects, stats.alloc_count - stats.live_objects);
    graph_close(&shared.graph);
}

static void test_R2_observers_never_meet_reclaimed_memory_memb(void **state)
{
    (void)state;
    run_with("epoch:flavor=memb");
}

static void test_R2_observers_never_meet_reclaimed_memory_qsbr(void **state)
{
    (void)state;
    run_with("epoch:flavor=qsbr");
}

static void test_R2_observers_never_meet_reclaimed_memory_mb(void **state)
{
    (void)state;
    run_with("epoch:flavor=mb");
}

static void test_R2_observers_never_meet_reclaimed_memory_bp(void **state)
{
    (void)state;
    run_with("epoch:flavor=bp");
}

static void test_R2_observers_never_meet_reclaimed_memory_inline(void **state)
{
    (void)state;
    run_with("epoch:reclaim=inline");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R2_observers_never_meet_reclaimed_memory_memb),
        cmocka_unit_test(test_R2_observers_never_meet_reclaimed_memory_qsbr),
        cmocka_unit_test(test_R2_observers_never_meet_reclaimed_memory_mb),
        cmocka_unit_test(test_R2_observers_never_meet_reclaimed_memory_bp),
        cmocka_unit_test(test_R2_observers_never_meet_reclaimed_memory_inline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
