/**
 * crossbeam-epoch's stress case and its large arrays, in every variant: one owner publishes blocks of every size and
 * takes them away again, by hand and by cycles, while observers that come and go verify each word they can reach.
 *
 * A block is filled with a pattern of its own before it is published; a block that was reused, or never whole, breaks
 * it (R1, R2). In the end every object that was ever made has been given back exactly once, by count and by bytes,
 * and every destructor has run exactly once (R5), though destructors themselves retire and pin.
 */
#include "epoch_variants.h"
#include "test_scale.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    OBSERVERS = 3,
    SLOTS = 24,
    BLOCKS = 4, /* in one box */
    STEPS_MAX = 840,
    STEPS_PER_ITERATION = 20,
    ROUNDS_PER_REGISTRATION = 40,
    WORDS_MAX = 1 << 9,
    LARGE_WORDS = 1 << 15, /* 256 KiB */
    LARGE_EVERY = 61,
    DESTRUCTIBLE_EVERY = 7
};

/* Payload of a block: its seed, then words that follow from it. */
struct block {
    struct sm_object header;
    uint64_t seed;
    uint64_t words[];
};

struct block_world {
    struct graph graph;
    sm_type_id guardian_type;
    struct sm_object *table; /* SLOTS boxes, each BLOCKS blocks; never replaced */
    uint32_t destroyed[STEPS_MAX + 1];
    uint64_t guardians;
    _Atomic bool stop;
    _Atomic uint64_t blocks_seen, broken, registrations;
};

/* An object whose destructor retires the block that it alone keeps. */
struct guardian {
    struct sm_object header;
    struct sm_value block;
    uint64_t id;
};

static uint64_t word_of(uint64_t seed, size_t index)
{
    uint64_t word = (seed + index) * UINT64_C(0x9E3779B97F4A7C15);
    return word ^ (word >> 29);
}

static size_t word_count_of(const struct block *block)
{
    return (size_t)(block->header.payload_bytes / sizeof(uint64_t)) - 1;
}

static bool block_is_intact(const struct block *block)
{
    size_t count = word_count_of(block);
    for (size_t i = 0; i < count; i++) {
        if (block->words[i] != word_of(block->seed, i))
            return false;
    }
    return true;
}

/* ---- Observers. ---- */

struct verifier {
    struct sm_visitor visitor; /* first: edges are downcast to verifiers */
    struct block_world *world;
    uint64_t seen, broken;
};

static void verify_block(struct sm_visitor *visitor, struct sm_object *target)
{
    struct verifier *verifier = (struct verifier *)visitor;
    if (target->type == SM_TYPE_VALUES) {
        sm_trace(verifier->world->graph.mm, target, visitor);
        return;
    }
    verifier->seen++;
    if (!block_is_intact((const struct block *)target))
        verifier->broken++;
}

static void verify_all(struct block_world *world)
{
    struct verifier verifier = {.visitor = {verify_block, true}, .world = world};
    sm_trace(world->graph.mm, world->table, &verifier.visitor);
    atomic_fetch_add_explicit(&world->blocks_seen, verifier.seen, memory_order_relaxed);
    atomic_fetch_add_explicit(&world->broken, verifier.broken, memory_order_relaxed);
}

static void leave_by_longjmp(struct block_world *world, struct sm_guard *guard, jmp_buf catch_point)
{
    sm_pin(guard, SM_HERE);
    verify_all(world);
    sm_pin(guard, SM_HERE);
    longjmp(catch_point, 1);
}

static void observe_round(struct block_world *world, struct sm_guard *guard, unsigned round)
{
    jmp_buf catch_point;
    sm_pin(guard, SM_HERE);
    verify_all(world);
    if (round % 4 == 1)
        sm_repin(guard, SM_HERE);
    if (round % 4 == 2) {
        sm_offline(guard);
        sm_online(guard);
    }
    if (round % 4 == 3 && setjmp(catch_point) == 0)
        leave_by_longjmp(world, guard, catch_point);
    sm_guard_restore(guard, 1);
    verify_all(world);
    sm_unpin(guard);
}

static bool is_stopped(struct block_world *world)
{
    return atomic_load_explicit(&world->stop, memory_order_relaxed);
}

static void *observe(void *context)
{
    struct block_world *world = context;
    do {
        struct sm_guard *guard = NULL;
        if (sm_observer_register(world->graph.mm, "verifier", &guard) != SM_OK) {
            atomic_fetch_add_explicit(&world->broken, 1, memory_order_relaxed);
            return NULL;
        }
        for (unsigned round = 0; round < ROUNDS_PER_REGISTRATION && !is_stopped(world); round++)
            observe_round(world, guard, round);
        sm_observer_unregister(guard);
        atomic_fetch_add_explicit(&world->registrations, 1, memory_order_relaxed);
    } while (!is_stopped(world));
    return NULL;
}

/* ---- The owner. ---- */

static struct block *block_new(struct block_world *world, uint64_t seed)
{
    size_t words = seed % LARGE_EVERY == 0 ? LARGE_WORDS : (size_t)(seed * 2654435761u % WORDS_MAX);
    struct sm_object *object = sm_alloc_leaf(world->graph.mm, SM_TYPE_BYTES, (words + 1) * sizeof(uint64_t));
    assert_non_null(object);
    struct block *block = (struct block *)object;
    block->seed = seed;
    for (size_t i = 0; i < words; i++)
        block->words[i] = word_of(seed, i);
    return block;
}

static struct sm_value *slot_of(struct sm_object *values, size_t index)
{
    return (struct sm_value *)sm_payload(values) + index;
}

static struct sm_object *box_new(struct block_world *world, uint64_t step)
{
    struct sm_manager *mm = world->graph.mm;
    struct sm_object *box = sm_alloc(mm, SM_TYPE_VALUES, BLOCKS * sizeof(struct sm_value));
    assert_non_null(box);
    for (size_t i = 0; i < BLOCKS; i++) {
        struct block *block = block_new(world, step * BLOCKS + i);
        sm_store(mm, box, slot_of(box, i), sm_value_from_object(&block->header, 1));
    }
    return box;
}

static void box_retire(struct sm_manager *mm, struct sm_object *box)
{
    struct sm_object *blocks[BLOCKS];
    for (size_t i = 0; i < BLOCKS; i++)
        blocks[i] = sm_value_object(*slot_of(box, i));
    sm_retire(mm, box);
    for (size_t i = 0; i < BLOCKS; i++)
        sm_retire(mm, blocks[i]);
}

static void replace_box(struct block_world *world, uint64_t step)
{
    struct sm_manager *mm = world->graph.mm;
    struct sm_value *slot = slot_of(world->table, (size_t)(step * 2654435761u % SLOTS));
    struct sm_object *old = sm_value_is_heap(*slot) ? sm_value_object(*slot) : NULL;
    sm_store(mm, world->table, slot, sm_value_from_object(box_new(world, step), 1));
    if (old != NULL && step % 2 == 0)
        box_retire(mm, old);
}

static void guardian_trace(const struct sm_object *object, struct sm_visitor *visitor)
{
    sm_visit_value(visitor, &((const struct guardian *)object)->block);
}

static void guardian_destructor(struct sm_manager *mm, struct sm_object *object, void *context)
{
    struct block_world *world = context;
    struct guardian *guardian = (struct guardian *)object;
    struct sm_object *block = sm_value_object(guardian->block);
    world->destroyed[guardian->id]++;
    if (!block_is_intact((const struct block *)block))
        atomic_fetch_add_explicit(&world->broken, 1, memory_order_relaxed);
    sm_pin(sm_owner_guard(mm), SM_HERE);
    sm_store(mm, object, &guardian->block, (struct sm_value){0, 0});
    sm_retire(mm, block);
    sm_unpin(sm_owner_guard(mm));
}

/* Garbage at once. */
static void guardian_new(struct block_world *world)
{
    struct sm_manager *mm = world->graph.mm;
    struct sm_object *object = sm_alloc(mm, world->guardian_type, sizeof(struct guardian) - SM_HEADER_BYTES);
    assert_non_null(object);
    struct guardian *guardian = (struct guardian *)object;
    guardian->id = world->guardians++;
    struct block *block = block_new(world, guardian->id);
    sm_store(mm, object, &guardian->block, sm_value_from_object(&block->header, 1));
    assert_int_equal(sm_finalizer_register(mm, object), SM_OK);
}

static void mutate(struct block_world *world, uint64_t step_count)
{
    struct sm_manager *mm = world->graph.mm;
    for (uint64_t step = 1; step <= step_count;) {
        sm_pin(sm_owner_guard(mm), SM_HERE);
        for (int i = 0; i < STEPS_PER_ITERATION; i++, step++) {
            replace_box(world, step);
            if (step % DESTRUCTIBLE_EVERY == 0)
                guardian_new(world);
            sm_safepoint(mm);
        }
        sm_unpin(sm_owner_guard(mm));
    }
}

static void open_world(struct block_world *world, const char *policy)
{
    memset(world, 0, sizeof(*world));
    struct sm_config config = {.policy = policy, .threshold_bytes = 1 << 20};
    graph_open(&world->graph, &config);
    const struct sm_type type = {
        .name = "guardian", .trace = guardian_trace, .finalize = guardian_destructor, .context = world};
    assert_int_equal(sm_type_register(world->graph.mm, &type, &world->guardian_type), SM_OK);
    world->table = sm_alloc(world->graph.mm, SM_TYPE_VALUES, SLOTS * sizeof(struct sm_value));
    assert_non_null(world->table);
    world->graph.roots[0] = (struct node *)world->table;
    assert_int_equal(sm_observers_allow(world->graph.mm), SM_OK);
}

/* Nothing is reachable any more, nobody reads. */
static void expect_everything_back(struct block_world *world)
{
    world->graph.roots[0] = NULL;
    assert_int_equal(sm_quiesce(world->graph.mm), SM_OK);
    struct sm_stats stats = graph_stats(&world->graph);
    assert_int_equal(stats.live_objects, 0);
    assert_int_equal(stats.reclaimed_objects, stats.alloc_count);
    assert_int_equal(stats.reclaimed_bytes, stats.alloc_bytes);
    assert_int_equal(stats.backlog_bytes, 0);
    assert_int_equal(stats.destructors_run, world->guardians);
    for (uint64_t id = 0; id < world->guardians; id++)
        assert_int_equal(world->destroyed[id], 1);
}

static void run_with(const char *policy)
{
    static struct block_world world;
    pthread_t threads[OBSERVERS];
    open_world(&world, policy);
    for (size_t i = 0; i < OBSERVERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, observe, &world), 0);
    mutate(&world, test_scale(STEPS_MAX, STEPS_MAX / 2, STEPS_MAX / 3));
    while (atomic_load_explicit(&world.blocks_seen, memory_order_relaxed) == 0)
        sleep_ms(1);
    atomic_store_explicit(&world.stop, true, memory_order_relaxed);
    for (size_t i = 0; i < OBSERVERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&world.broken), 0);
    assert_true(atomic_load(&world.blocks_seen) > 0);
    assert_true(atomic_load(&world.registrations) >= OBSERVERS);
    assert_true(graph_stats(&world.graph).cycles >= 2);
    expect_everything_back(&world);
    graph_close(&world.graph);
}

static void run_flavor(size_t flavor)
{
    char policy[EPOCH_VARIANT_BYTES];
    for (size_t i = 0; i < 2; i++) {
        epoch_variant_text(2 * flavor + i, policy);
        run_with(policy);
    }
}

static void test_R2_observers_verify_every_word_and_all_is_given_back_once_memb(void **state)
{
    (void)state;
    run_flavor(0);
}

static void test_R2_observers_verify_every_word_and_all_is_given_back_once_qsbr(void **state)
{
    (void)state;
    run_flavor(1);
}

static void test_R2_observers_verify_every_word_and_all_is_given_back_once_mb(void **state)
{
    (void)state;
    run_flavor(2);
}

static void test_R2_observers_verify_every_word_and_all_is_given_back_once_bp(void **state)
{
    (void)state;
    run_flavor(3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R2_observers_verify_every_word_and_all_is_given_back_once_memb),
        cmocka_unit_test(test_R2_observers_verify_every_word_and_all_is_given_back_once_qsbr),
        cmocka_unit_test(test_R2_observers_verify_every_word_and_all_is_given_back_once_mb),
        cmocka_unit_test(test_R2_observers_verify_every_word_and_all_is_given_back_once_bp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
