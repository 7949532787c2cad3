/**
 * Two managers on two threads, and observers registered with both: guards of one manager inside guards of the
 * other, cycles under nested pins, emergencies, weak references and handles, all at once.
 *
 * An observer walks a manager's table under its guard and must find every canary whole (R1, R2). Nobody waits
 * under another's guard (R3), each owner reclaims though the other never leaves its iteration (R4), what weak_get
 * handed out survives an emergency (R9). Run under the thread and address sanitizers too.
 */
#include "epoch_graph.h"

#include "manager_internal.h"
#include "sapimem/extension.h"

#include <pthread.h>
#include <stdatomic.h>

enum { OWNERS = 2, OBSERVERS = 2, SLOTS = 32, STEPS = 12000, PATIENCE_MS = 20000 };

struct world {
    struct graph graph;
    struct sm_object *table, *cells; /* SLOTS values each; never replaced */
    const char *policy;
    _Atomic bool open;          /* release; pairs with the acquire in wait_until_open */
    _Atomic unsigned observers; /* of this world that have not left */
    _Atomic uint64_t walks;     /* relaxed: a count */
    _Atomic uint64_t failures;  /* relaxed: a count, read after the join */
    struct sm_handle kept;
};

struct scene {
    struct world worlds[OWNERS];
    _Atomic unsigned owners_done; /* relaxed: the observers only poll it */
};

static void expect(struct world *world, bool condition)
{
    if (!condition)
        atomic_fetch_add_explicit(&world->failures, 1, memory_order_relaxed);
}

/* ---- Observers. ---- */

struct walker {
    struct sm_visitor visitor; /* first: edges are downcast to walkers */
    struct world *world;
};

static void walk_edge(struct sm_visitor *visitor, struct sm_object *target)
{
    struct walker *walker = (struct walker *)visitor;
    expect(walker->world, node_is_intact((const struct node *)target));
    sm_trace(walker->world->graph.mm, target, visitor);
}

static void walk(struct world *world)
{
    struct walker walker = {.visitor = {walk_edge, true}, .world = world};
    sm_trace(world->graph.mm, world->table, &walker.visitor);
    atomic_fetch_add_explicit(&world->walks, 1, memory_order_relaxed);
}

/* Guards of the two managers overlap in every way; a guard of one outlives that of the other. */
static void observe_round(struct scene *scene, struct sm_guard **guards, unsigned round)
{
    unsigned first = round % OWNERS;
    unsigned second = 1 - first;
    sm_pin(guards[first], SM_HERE);
    walk(&scene->worlds[first]);
    sm_pin(guards[second], SM_HERE);
    walk(&scene->worlds[second]);
    if (round % 3 == 0) {
        sm_unpin(guards[second]);
        walk(&scene->worlds[first]);
        sm_unpin(guards[first]);
        return;
    }
    sm_repin(guards[first], SM_HERE);
    walk(&scene->worlds[second]);
    sm_pin(guards[second], SM_HERE);
    sm_offline(guards[first]);
    walk(&scene->worlds[second]);
    sm_online(guards[first]);
    walk(&scene->worlds[first]);
    sm_unpin(guards[first]);
    sm_guard_restore(guards[second], 0);
}

static void wait_until_open(struct world *world)
{
    while (!atomic_load_explicit(&world->open, memory_order_acquire))
        sleep_ms(1);
}

static void *observer_main(void *context)
{
    struct scene *scene = context;
    struct sm_guard *guards[OWNERS] = {NULL, NULL};
    bool registered = true;
    for (unsigned i = 0; i < OWNERS; i++) {
        wait_until_open(&scene->worlds[i]);
        registered = registered && sm_observer_register(scene->worlds[i].graph.mm, "walker", &guards[i]) == SM_OK;
    }
    expect(&scene->worlds[0], registered);
    unsigned round = 0;
    do
        if (registered)
            observe_round(scene, guards, round++);
    while (registered && atomic_load_explicit(&scene->owners_done, memory_order_relaxed) < OWNERS);
    for (unsigned i = 0; i < OWNERS; i++) {
        sm_observer_unregister(guards[i]);
        /* Pairs with the acquire in wait_for_observers: the owner may destroy now. */
        atomic_fetch_sub_explicit(&scene->worlds[i].observers, 1, memory_order_release);
    }
    return NULL;
}

/* ---- Owners. ---- */

static struct sm_value *slot_of(struct sm_object *values, uint64_t step)
{
    return (struct sm_value *)sm_payload(values) + step * 2654435761u % SLOTS;
}

/* Publish a new pair, then give up the old one: by hand, or to the cycles. */
static void replace(struct world *world, uint64_t step)
{
    struct graph *graph = &world->graph;
    struct sm_value *slot = slot_of(world->table, step);
    struct node *old = sm_value_is_heap(*slot) ? (struct node *)sm_value_object(*slot) : NULL;
    struct node *fresh = node_new(graph, step);
    node_link(graph, fresh, 0, node_new(graph, step + 1));
    sm_store(graph->mm, world->table, slot, sm_value_from_object(&fresh->header, 1));
    if (old != NULL && step % 3 == 0) {
        struct node *child = node_edge(old, 0);
        sm_retire(graph->mm, &old->header);
        sm_retire(graph->mm, &child->header);
    }
}

/* A weak cell on garbage-to-be, then its target through an emergency. */
static void emergency_behind_a_weak_get(struct world *world, uint64_t step)
{
    struct graph *graph = &world->graph;
    struct sm_value *slot = slot_of(world->cells, step);
    if (sm_value_is_heap(*slot)) {
        struct node *target = (struct node *)sm_weak_get(graph->mm, sm_value_object(*slot));
        graph->mm->reserve.fail_after = graph->mm->reserve.request_count + 1;
        struct node *fresh = node_new(graph, step);
        expect(world, target == NULL || node_is_intact(target));
        expect(world, node_is_intact(fresh));
    }
    struct sm_object *cell = sm_weak_make(graph->mm, &node_new(graph, step)->header);
    sm_store(graph->mm, world->cells, slot, sm_value_from_object(cell, 1));
}

static void keep_handle(struct world *world, uint64_t step)
{
    struct sm_manager *mm = world->graph.mm;
    struct sm_value value;
    if (!sm_handle_is_none(world->kept)) {
        expect(world, sm_handle_get(mm, world->kept, &value) == SM_OK);
        expect(world, node_is_intact((struct node *)sm_value_object(value)));
        expect(world, sm_handle_release(mm, world->kept) == SM_OK);
    }
    sm_scope scope = sm_scope_open(mm);
    value = sm_value_from_object(&node_new(&world->graph, step)->header, 1);
    world->kept = sm_handle_persist(mm, sm_alloc_value(mm, value));
    expect(world, sm_scope_close(mm, scope) == SM_OK);
}

/* Cycles at depth two, requests from "outside", a longjmp's worth of guards left behind. */
static void owner_step(struct world *world, uint64_t step)
{
    struct sm_manager *mm = world->graph.mm;
    struct sm_guard *guard = sm_owner_guard(mm);
    uint32_t depth = sm_guard_depth(guard);
    replace(world, step);
    if (step % 50 == 0)
        keep_handle(world, step);
    if (step % 400 == 7)
        emergency_behind_a_weak_get(world, step);
    if (step % 100 == 3)
        sm_collect_request(mm);
    if (step % 500 == 11) {
        sm_pin(guard, SM_HERE);
        expect(world, sm_collect(mm, SM_COLLECT_FULL) == SM_OK);
        sm_offline(guard);
        sm_guard_restore(guard, depth);
    }
    sm_safepoint(mm);
}

static void wait_for_observers(struct world *world)
{
    while (atomic_load_explicit(&world->observers, memory_order_acquire) != 0)
        sleep_ms(1);
}

/* The last iteration goes on until all it retired is reusable: nothing but safepoints may be needed for that. */
static void run_last_iteration(struct world *world)
{
    struct sm_manager *mm = world->graph.mm;
    uint64_t retired = graph_stats(&world->graph).retired_objects;
    int ms = 0;
    for (; graph_stats(&world->graph).reclaimed_objects < retired && ms < PATIENCE_MS; ms++) {
        for (int i = 0; i < 100; i++)
            sm_retire(mm, &node_new(&world->graph, 1)->header);
        sm_safepoint(mm);
        sleep_ms(1);
    }
    expect(world, ms < PATIENCE_MS);
}

static void open_world(struct world *world)
{
    struct sm_config config = {.policy = world->policy, .threshold_bytes = 64 << 10};
    graph_open(&world->graph, &config);
    struct sm_manager *mm = world->graph.mm;
    world->table = sm_alloc(mm, SM_TYPE_VALUES, SLOTS * sizeof(struct sm_value));
    world->graph.roots[0] = (struct node *)world->table;
    world->cells = sm_alloc(mm, SM_TYPE_VALUES, SLOTS * sizeof(struct sm_value));
    world->graph.roots[1] = (struct node *)world->cells;
    expect(world, sm_observers_allow(mm) == SM_OK);
    atomic_store_explicit(&world->open, true, memory_order_release);
}

struct owner_argument {
    struct scene *scene;
    unsigned index;
};

static void *owner_main(void *context)
{
    const struct owner_argument *argument = context;
    struct world *world = &argument->scene->worlds[argument->index];
    open_world(world);
    struct sm_guard *guard = sm_owner_guard(world->graph.mm);
    sm_pin(guard, SM_HERE);
    for (uint64_t step = 1; step <= STEPS; step++)
        owner_step(world, step);
    run_last_iteration(world);
    expect(world, sm_guard_depth(guard) == 1);
    sm_unpin(guard);
    atomic_fetch_add_explicit(&argument->scene->owners_done, 1, memory_order_relaxed);
    wait_for_observers(world);
    graph_close(&world->graph);
    return NULL;
}

static void run_with(const char *first, const char *second)
{
    static struct scene scene;
    memset(&scene, 0, sizeof(scene));
    const char *const policies[OWNERS] = {first, second};
    struct owner_argument arguments[OWNERS];
    pthread_t threads[OWNERS + OBSERVERS];
    for (unsigned i = 0; i < OWNERS; i++) {
        scene.worlds[i].policy = policies[i];
        atomic_store_explicit(&scene.worlds[i].observers, OBSERVERS, memory_order_relaxed);
        arguments[i] = (struct owner_argument){&scene, i};
        assert_int_equal(pthread_create(&threads[i], NULL, owner_main, &arguments[i]), 0);
    }
    for (unsigned i = 0; i < OBSERVERS; i++)
        assert_int_equal(pthread_create(&threads[OWNERS + i], NULL, observer_main, &scene), 0);
    for (unsigned i = 0; i < OWNERS + OBSERVERS; i++)
        pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < OWNERS; i++) {
        assert_int_equal(atomic_load(&scene.worlds[i].failures), 0);
        assert_true(atomic_load(&scene.worlds[i].walks) > 0);
    }
}

static void test_R3_R4_two_owners_and_shared_observers_memb(void **state)
{
    (void)state;
    run_with("epoch:flavor=memb", "epoch:flavor=memb");
}

static void test_R3_R4_two_owners_and_shared_observers_qsbr(void **state)
{
    (void)state;
    run_with("epoch:flavor=qsbr", "epoch:flavor=qsbr");
}

static void test_R3_R4_two_owners_and_shared_observers_of_two_flavours(void **state)
{
    (void)state;
    run_with("epoch:flavor=bp", "epoch:flavor=mb");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R3_R4_two_owners_and_shared_observers_memb),
        cmocka_unit_test(test_R3_R4_two_owners_and_shared_observers_qsbr),
        cmocka_unit_test(test_R3_R4_two_owners_and_shared_observers_of_two_flavours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
