/** The boehm policy: what bdwgc is told of roots, deaths, weak references and memory. */
#include "manager_fixture.h"

#include "sapimem/alloc.h"
#include "sapimem/policy.h"
#include "sapimem/roots.h"

#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EDGES = 2, ROOTS = 8 };

struct node {
    struct sm_object header;
    struct sm_value edges[EDGES];
    uint64_t id;
};

/** A manager with nodes, destructible nodes and a table of roots. */
struct world {
    struct sm_manager *mm;
    sm_type_id plain, destructible;
    struct node *roots[ROOTS];
    unsigned destroyed;
    struct node **resurrect_into; /**< where a destructor stores its object; NULL: nowhere */
    uint64_t pauses;
};

static void node_trace(const struct sm_object *object, struct sm_visitor *visitor)
{
    sm_visit_values(visitor, ((const struct node *)object)->edges, EDGES);
}

static void node_destroyed(struct sm_manager *mm, struct sm_object *object, void *context)
{
    struct world *world = context;
    assert_true(sm_is_valid(mm, object));
    world->destroyed++;
    if (world->resurrect_into != NULL)
        *world->resurrect_into = (struct node *)object;
}

static void enumerate_roots(void *context, struct sm_visitor *visitor)
{
    struct world *world = context;
    for (size_t i = 0; i < ROOTS; i++)
        sm_visit_pointer(visitor, &world->roots[i]);
}

static void count_pause(void *context, const struct sm_pause_record *pause)
{
    struct world *world = context;
    world->pauses += pause->cause == SM_PAUSE_CYCLE;
}

static void world_open(struct world *world, const struct sm_config *config)
{
    struct sm_config own = *config;
    *world = (struct world){0};
    if (own.policy == NULL)
        own.policy = "boehm";
    own.hooks = (struct sm_hooks){.context = world, .on_pause = count_pause};
    world->mm = manager_open(&own);
    const struct sm_type plain = {.name = "node", .trace = node_trace};
    const struct sm_type destructible = {
        .name = "destructible", .trace = node_trace, .finalize = node_destroyed, .context = world};
    const struct sm_root_provider provider = {"roots", enumerate_roots, world};
    assert_int_equal(sm_type_register(world->mm, &plain, &world->plain), SM_OK);
    assert_int_equal(sm_type_register(world->mm, &destructible, &world->destructible), SM_OK);
    assert_int_equal(sm_roots_register(world->mm, &provider), SM_OK);
}

static struct node *node_of(struct world *world, sm_type_id type, uint64_t id)
{
    struct node *node = (struct node *)sm_alloc(world->mm, type, sizeof(*node) - SM_HEADER_BYTES);
    assert_non_null(node);
    node->id = id;
    return node;
}

static struct node *node_new(struct world *world, uint64_t id)
{
    return node_of(world, world->plain, id);
}

static struct node *destructible_new(struct world *world, uint64_t id)
{
    struct node *node = node_of(world, world->destructible, id);
    assert_int_equal(sm_finalizer_register(world->mm, &node->header), SM_OK);
    return node;
}

static void link_nodes(struct world *world, struct node *from, unsigned edge, struct node *to)
{
    sm_store(world->mm, &from->header, &from->edges[edge], sm_value_from_object(&to->header, 1));
}

static void collect(struct world *world)
{
    assert_int_equal(sm_collect(world->mm, SM_COLLECT_FULL), SM_OK);
}

static uint64_t live_objects(const struct world *world)
{
    return manager_stats(world->mm).live_objects;
}

/* Cycles of garbage, of each kind, and the figures that follow from them. */
static void deaths_are_counted_exactly(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, &(struct sm_config){0});
    world.roots[0] = node_new(&world, 1);
    uint64_t before_bytes = manager_stats(world.mm).live_bytes;
    for (uint64_t i = 0; i < 1000; i++) {
        struct node *left = node_new(&world, i);
        struct node *right = node_new(&world, i);
        link_nodes(&world, left, 0, right);
        link_nodes(&world, right, 0, left);
        leaf_new(world.mm, 5000);
    }
    assert_int_equal(live_objects(&world), 3001);
    collect(&world);
    struct sm_stats stats = manager_stats(world.mm);
    assert_int_equal(stats.live_objects, 1);
    assert_int_equal(stats.live_bytes, before_bytes);
    assert_int_equal(stats.retired_objects, 3000);
    assert_int_equal(stats.reclaimed_objects, 3000);
    sm_manager_destroy(world.mm);
}

/* Numbers in leaf objects are no pointers; in traced ones bdwgc takes them for such, and that is its nature. */
static void leaves_are_not_scanned(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, &(struct sm_config){0});
    struct sm_object *holder = leaf_new(world.mm, 4096);
    world.roots[0] = (struct node *)holder;
    struct node *node = node_new(&world, 1);
    memset(sm_payload(holder), 0, 4096);
    memcpy(sm_payload(holder), &node, sizeof(struct node *));
    collect(&world);
    assert_int_equal(live_objects(&world), 1);
    sm_manager_destroy(world.mm);
}

/* The address that sm_alloc_bytes gives keeps its object, wherever a traced object holds it. */
static void payload_addresses_keep_their_object(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, &(struct sm_config){0});
    struct node *holder = world.roots[0] = node_new(&world, 1);
    struct sm_object *kept = leaf_new(world.mm, 100);
    holder->id = (uint64_t)(uintptr_t)sm_payload(kept);
    collect(&world);
    assert_int_equal(live_objects(&world), 2);
    holder->id += 8; /* inside it, which is not recognised */
    collect(&world);
    assert_int_equal(live_objects(&world), 1);
    sm_manager_destroy(world.mm);
}

static void destructors_of_a_cycle_run_once(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, &(struct sm_config){0});
    struct node *left = destructible_new(&world, 1);
    struct node *right = destructible_new(&world, 2);
    link_nodes(&world, left, 0, right);
    link_nodes(&world, right, 0, left);
    link_nodes(&world, left, 1, node_new(&world, 3));
    collect(&world);
    assert_int_equal(world.destroyed, 2);
    assert_int_equal(live_objects(&world), 3); /* what they reach goes with the next cycle */
    collect(&world);
    assert_in_range(live_objects(&world), 0, 4); /* conservatively */
    sm_finalizers_run_all(world.mm);
    assert_int_equal(world.destroyed, 2);
    sm_manager_destroy(world.mm);
}

static void a_destructor_can_resurrect(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, &(struct sm_config){0});
    world.resurrect_into = &world.roots[3];
    struct node *node = destructible_new(&world, 7);
    link_nodes(&world, node, 0, node_new(&world, 8));
    collect(&world);
    collect(&world);
    assert_int_equal(world.destroyed, 1);
    assert_int_equal(live_objects(&world), 2);
    assert_int_equal(world.roots[3]->id, 7);
    assert_int_equal(((struct node *)sm_value_object(world.roots[3]->edges[0]))->id, 8);
    world.roots[3] = NULL;
    collect(&world);
    assert_int_equal(world.destroyed, 1);
    assert_in_range(live_objects(&world), 0, 4); /* conservatively */
    sm_manager_destroy(world.mm);
}

static bool weak_answers_inside;

static void ask_weak(struct sm_manager *mm, struct sm_object *object, void *context)
{
    struct world *world = context;
    weak_answers_inside = sm_weak_get(mm, &world->roots[0]->header) == object;
}

/* R5: a weak reference still answers inside the destructor, and no longer once the object is gone. */
static void weak_cells_outlast_the_destructor(void **state)
{
    struct world world;
    sm_type_id asking;
    (void)state;
    world_open(&world, &(struct sm_config){0});
    const struct sm_type type = {.name = "asking", .trace = node_trace, .finalize = ask_weak, .context = &world};
    assert_int_equal(sm_type_register(world.mm, &type, &asking), SM_OK);
    struct node *target = node_of(&world, asking, 1);
    assert_int_equal(sm_finalizer_register(world.mm, &target->header), SM_OK);
    world.roots[0] = (struct node *)sm_weak_make(world.mm, &target->header);
    assert_ptr_equal(sm_weak_get(world.mm, &world.roots[0]->header), target);
    collect(&world);
    assert_true(weak_answers_inside);
    collect(&world);
    assert_null(sm_weak_get(world.mm, &world.roots[0]->header));
    assert_int_equal(live_objects(&world), 1);
    sm_manager_destroy(world.mm);
}

/* Entries of dead keys give up their values; the slots of dead entries serve again, over many segments. */
static void weak_entries_let_their_value_go(void **state)
{
    enum { ENTRIES = 3000 };
    struct world world;
    (void)state;
    world_open(&world, &(struct sm_config){0});
    for (unsigned round = 0; round < 2; round++) {
        struct sm_object *map = sm_alloc(world.mm, SM_TYPE_VALUES, 16 * ENTRIES);
        world.roots[1] = (struct node *)map;
        struct node *key = world.roots[0] = node_new(&world, 1);
        for (size_t i = 0; i < ENTRIES; i++) {
            struct node *other = i % 2 == 0 ? key : node_new(&world, 2);
            struct sm_value value = sm_value_from_object(&node_new(&world, i)->header, 1);
            struct sm_object *entry = sm_weak_entry_make(world.mm, &other->header, value);
            assert_non_null(entry);
            sm_store(world.mm, map, (struct sm_value *)sm_payload(map) + i, sm_value_from_object(entry, 1));
        }
        collect(&world);
        collect(&world); /* the values of the dead keys */
        assert_int_equal(live_objects(&world), 2 + ENTRIES + ENTRIES / 2);
        for (size_t i = 0; i < ENTRIES; i++) {
            struct sm_object *entry = sm_value_object(((struct sm_value *)sm_payload(map))[i]);
            const struct sm_value *value = sm_weak_entry_value(entry);
            assert_int_equal(sm_value_is_heap(*value), i % 2 == 0);
            assert_ptr_equal(sm_weak_get(world.mm, entry), i % 2 == 0 ? key : NULL);
        }
        sm_safepoint(world.mm);
        memset(world.roots, 0, sizeof(world.roots));
        collect(&world);
        assert_in_range(live_objects(&world), 0, 4); /* conservatively */
    }
    sm_manager_destroy(world.mm);
}

/* A number of its own is what bdwgc must not find the objects by: they are known to nobody but this array. */
static uintptr_t hidden[200];

/* Contract: what was allocated since the last safepoint survives an emergency, held by nothing that bdwgc sees. */
static void emergencies_keep_the_recent(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, &(struct sm_config){.memory_limit_bytes = 4 << 20, .pacing = "never"});
    sm_safepoint(world.mm);
    for (size_t i = 0; i < 200; i++)
        hidden[i] = ~(uintptr_t)node_new(&world, i);
    assert_null(sm_alloc_leaf(world.mm, SM_TYPE_BYTES, 8 << 20));
    assert_int_equal(sm_error_status(world.mm), SM_ERR_OUT_OF_MEMORY);
    assert_int_equal(manager_stats(world.mm).cycles_by_trigger[SM_TRIGGER_EMERGENCY], 1);
    for (size_t i = 0; i < 200; i++) {
        struct node *node = (struct node *)~hidden[i];
        assert_true(sm_is_valid(world.mm, &node->header));
        assert_int_equal(node->id, i);
    }
    collect(&world);
    /* A word left on the stack may hold one of them, conservatively; not many. */
    assert_in_range(live_objects(&world), 0, 4);
    sm_manager_destroy(world.mm);
}

/* Garbage under a limit: emergencies alone make it fit, whatever the sizes. */
static void the_limit_bounds_what_is_committed(void **state)
{
    struct world world;
    (void)state;
    world_open(&world, &(struct sm_config){.memory_limit_bytes = 8 << 20, .pacing = "never"});
    for (unsigned i = 0; i < 20000; i++) {
        assert_non_null(sm_alloc(world.mm, world.plain, 16 + i * 37 % 9000));
        sm_safepoint(world.mm);
        assert_true(manager_committed_bytes(world.mm) <= 8 << 20);
    }
    assert_true(manager_stats(world.mm).cycles_by_trigger[SM_TRIGGER_EMERGENCY] > 1);
    sm_manager_destroy(world.mm);
}

static void managers_share_the_process(void **state)
{
    struct world worlds[4];
    struct sm_manager *fifth = NULL;
    struct sm_error error;
    (void)state;
    for (unsigned w = 0; w < 4; w++) {
        world_open(&worlds[w], &(struct sm_config){0});
        worlds[w].roots[0] = node_new(&worlds[w], w);
        destructible_new(&worlds[w], 10 + w);
    }
    assert_int_equal(sm_manager_create(&(struct sm_config){.policy = "boehm"}, &fifth, &error), SM_ERR_UNSUPPORTED);
    assert_non_null(strstr(error.detail, "4 managers"));
    collect(&worlds[0]);
    assert_int_equal(worlds[0].destroyed, 1);
    sm_manager_destroy(worlds[0].mm);
    for (unsigned w = 1; w < 4; w++) {
        collect(&worlds[w]);
        assert_int_equal(worlds[w].destroyed, 1); /* bdwgc found them earlier; each ran at its own safepoint */
        assert_int_equal(worlds[w].roots[0]->id, w);
        sm_manager_destroy(worlds[w].mm);
    }
}

/* Kinds and heap pass from one manager to the next: none meets an object of an earlier one. */
static void managers_follow_each_other(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 300; round++) {
        struct world world;
        world_open(&world, &(struct sm_config){0});
        assert_int_equal(manager_committed_bytes(world.mm) > 16 << 20, false);
        for (uint64_t i = 0; i < 200; i++)
            world.roots[i % ROOTS] = i % 10 == 0 ? destructible_new(&world, i) : node_new(&world, i);
        if (round % 2 == 0)
            collect(&world);
        for (size_t i = 0; i < ROOTS; i++)
            assert_int_equal(world.roots[i]->id % ROOTS, i);
        assert_int_equal(live_objects(&world), round % 2 == 0 ? ROOTS + 20 : 200); /* 20 died with a destructor due */
        sm_manager_destroy(world.mm);
    }
}

/* A list of `count` nodes; its head. */
static struct node *list_new(struct world *world, uint64_t count)
{
    struct node *head = NULL;
    for (uint64_t i = 0; i < count; i++) {
        struct node *node = node_new(world, i);
        if (head != NULL)
            link_nodes(world, node, 0, head);
        head = node;
    }
    return head;
}

static void count_walked(void *context, struct sm_object *object)
{
    (void)object;
    ++*(size_t *)context;
}

/*
 * Numbers in one manager's object that look like addresses of another's, of a size that does not divide a block.
 * The other ends all the same, and a successor with its kinds is not told of its objects, however often it collects.
 */
static void numbers_elsewhere_do_not_outlast_a_manager(void **state)
{
    enum { HELD = 2000, PAYLOAD_BYTES = 60 };
    struct world holder, world;
    (void)state;
    world_open(&holder, &(struct sm_config){0});
    struct sm_object *numbers = sm_alloc(holder.mm, SM_TYPE_VALUES, HELD * sizeof(struct sm_value));
    holder.roots[0] = (struct node *)numbers;
    for (unsigned round = 0; round < 5; round++) {
        world_open(&world, &(struct sm_config){0});
        for (size_t i = 0; i < HELD; i++) {
            struct sm_value *slot = (struct sm_value *)sm_payload(numbers) + i;
            slot->payload = (uint64_t)(uintptr_t)sm_alloc(world.mm, world.plain, PAYLOAD_BYTES);
        }
        collect(&world);
        assert_int_equal(live_objects(&world), HELD); /* kept by the numbers alone */
        sm_manager_destroy(world.mm);
        world_open(&world, &(struct sm_config){0});
        for (unsigned i = 0; i < 3; i++) {
            world.roots[0] = (struct node *)leaf_new(world.mm, PAYLOAD_BYTES);
            world.roots[1] = node_new(&world, i);
            collect(&world);
            assert_in_range(live_objects(&world), 2, 2 * i + 2); /* a number may keep what lies there now */
            size_t walked = 0;
            sm_walk(world.mm, count_walked, &walked);
            assert_in_range(walked, 2, 2 * i + 2);
        }
        sm_manager_destroy(world.mm);
    }
    sm_manager_destroy(holder.mm);
}

/* A number brings back what was counted dead and not swept yet: bdwgc keeps it, and the figures do not wrap. */
static void the_return_of_the_dead_is_bounded(void **state)
{
    enum { NODES = 100 };
    struct world world;
    (void)state;
    world_open(&world, &(struct sm_config){0});
    struct node *holder = world.roots[0] = node_new(&world, 0);
    world.roots[1] = node_new(&world, 1); /* so that the block of some of them stays */
    uintptr_t hidden_head = ~(uintptr_t)list_new(&world, NODES);
    for (unsigned round = 0; round < 4; round++) {
        holder->id = round % 2 == 0 ? 0 : (uint64_t)~hidden_head;
        collect(&world);
        assert_int_equal(live_objects(&world), 2);
        assert_int_equal(manager_stats(world.mm).retired_objects, NODES);
    }
    world.roots[2] = node_new(&world, 2);
    collect(&world);
    assert_in_range(live_objects(&world), 1, 3);
    sm_manager_destroy(world.mm);
}

static void *create_elsewhere(void *context)
{
    struct sm_error *error = context;
    struct sm_manager *mm = NULL;
    (void)sm_manager_create(&(struct sm_config){.policy = "boehm"}, &mm, error);
    return mm;
}

static void other_threads_are_refused(void **state)
{
    struct sm_error error;
    pthread_t thread;
    void *made = NULL;
    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, create_elsewhere, &error), 0);
    assert_int_equal(pthread_join(thread, &made), 0);
    assert_null(made);
    assert_int_equal(error.status, SM_ERR_UNSUPPORTED);
    assert_non_null(strstr(error.detail, "main thread"));
}

static void settings_of_the_process_stay(void **state)
{
    struct sm_manager *mm = NULL;
    struct sm_error error;
    (void)state;
    sm_manager_destroy(manager_open_for(SM_SAPI_CLI, "boehm", 0));
    assert_int_equal(sm_manager_create(&(struct sm_config){.policy = "boehm:markers=3"}, &mm, &error),
                     SM_ERR_UNSUPPORTED);
    assert_non_null(strstr(error.detail, "markers=1"));
}

/* A list that is kept, under much garbage, without a single cycle of the manager's. */
static void churn(struct world *world)
{
    for (uint64_t i = 0; i < 400000; i++) {
        struct node *node = node_new(world, i);
        if (i % 100 == 0) {
            if (world->roots[0] != NULL)
                link_nodes(world, node, 0, world->roots[0]);
            world->roots[0] = node;
        }
        sm_safepoint(world->mm);
    }
    uint64_t expected = 399900;
    for (struct node *node = world->roots[0]; expected != 0; expected -= 100) {
        assert_int_equal(node->id, expected);
        node = (struct node *)sm_value_object(node->edges[0]);
    }
}

/* Its trigger waits until the heap is full, and earlier managers may have left a large one: so in a process of its own. */
static int by_its_own_trigger(const char *policy)
{
    struct world world;
    world_open(&world, &(struct sm_config){.policy = policy, .pacing = "never"});
    churn(&world);
    struct sm_stats stats = manager_stats(world.mm);
    if (stats.cycles < 4 || stats.committed_bytes > 16 << 20)
        return 1;
    if (world.pauses < stats.cycles || stats.retired_objects < 200000)
        return 2;
    sm_manager_destroy(world.mm);
    world_open(&world, &(struct sm_config){.pacing = "never"}); /* the trigger went with its manager */
    churn(&world);
    stats = manager_stats(world.mm);
    sm_manager_destroy(world.mm);
    return stats.cycles == 0 ? 0 : 3;
}

/* In a process of its own, as bdwgc cannot be told to stop it. The exit code says what went wrong. */
static int in_slices(const char *policy)
{
    struct world world;
    world_open(&world, &(struct sm_config){.policy = policy, .threshold_bytes = 1 << 20});
    churn(&world);
    struct sm_stats stats = manager_stats(world.mm);
    if (stats.cycles < 3 || world.pauses == 0 || stats.committed_bytes > 64 << 20)
        return 1;
    if (stats.retired_objects < 100000)
        return 2;
    collect(&world);
    if (live_objects(&world) != 4000)
        return 3;
    sm_manager_destroy(world.mm);
    return 0;
}

static void run_apart(int (*run)(const char *policy), const char *policy)
{
    int status = -1;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(run(policy));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void incremental_and_parallel_marking_keep_what_is_reachable(void **state)
{
    (void)state;
    run_apart(in_slices, "boehm:incremental=on");
    run_apart(in_slices, "boehm:markers=2");
}

static void its_own_trigger_collects(void **state)
{
    (void)state;
    run_apart(by_its_own_trigger, "boehm:free-space-divisor=3");
}

int main(void)
{
    if (sm_policy_find("boehm")->unavailable != NULL) {
        print_message("skipped: %s\n", sm_policy_find("boehm")->unavailable);
        return 77;
    }
    const struct CMUnitTest tests[] = {
        /* First: they fork, and bdwgc must not run yet. */
        cmocka_unit_test(incremental_and_parallel_marking_keep_what_is_reachable),
        cmocka_unit_test(its_own_trigger_collects),
        cmocka_unit_test(other_threads_are_refused),
        cmocka_unit_test(deaths_are_counted_exactly),
        cmocka_unit_test(leaves_are_not_scanned),
        cmocka_unit_test(payload_addresses_keep_their_object),
        cmocka_unit_test(destructors_of_a_cycle_run_once),
        cmocka_unit_test(a_destructor_can_resurrect),
        cmocka_unit_test(weak_cells_outlast_the_destructor),
        cmocka_unit_test(weak_entries_let_their_value_go),
        cmocka_unit_test(emergencies_keep_the_recent),
        cmocka_unit_test(the_limit_bounds_what_is_committed),
        cmocka_unit_test(managers_share_the_process),
        cmocka_unit_test(managers_follow_each_other),
        cmocka_unit_test(numbers_elsewhere_do_not_outlast_a_manager),
        cmocka_unit_test(the_return_of_the_dead_is_bounded),
        cmocka_unit_test(settings_of_the_process_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
