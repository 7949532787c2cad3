/**
 * An age histogram as rcutorture keeps one: whatever a reader meets under its guard, how many grace periods ago was
 * it taken away?
 *
 * Elements live in a pool that is never reclaimed, so that a reader which meets one too late still finds it whole and
 * can say so. The owner publishes one at a time; one that was taken away is aged by one for every whole grace period
 * since, and is published again only after PIPE of them. A grace period is what the policy itself calls one: a token,
 * retired after the element was taken away, has been reclaimed (R2). A reader looks at the age last of all, still
 * under its guard: it may be published or just taken away, but no grace period can have passed.
 *
 * The control is a flavour whose synchronize does not wait: it must fill the forbidden bins.
 */
#include "epoch_variants.h"
#include "test_scale.h"

#include <pthread.h>
#include <stdatomic.h>

enum { READERS = 2, PIPE = 10, POOL = PIPE + 4, PATIENCE_MS = 20000, LONG_GUARD_EVERY = 16 };

/* Ages of an element; from AGE_FORBIDDEN on a grace period has passed since it was taken away. */
enum { AGE_PUBLISHED, AGE_TAKEN_AWAY, AGE_FORBIDDEN, AGE_BINS = AGE_FORBIDDEN + PIPE };

struct element {
    struct node node;
    _Atomic uint64_t age; /* relaxed: what orders it is the grace period itself */
};

struct torture {
    struct graph graph;
    struct sm_object *table; /* one value: the element that is published */
    struct element *pool[POOL];
    uint64_t long_guard_us;
    _Atomic bool stop;
    _Atomic uint64_t bins[AGE_BINS], bad_canaries, rounds;
};

/* ---- Readers. ---- */

static void linger(const struct torture *torture, unsigned round)
{
    const struct timespec span = {.tv_nsec = (long)torture->long_guard_us * 1000};
    if (round % LONG_GUARD_EVERY == 0)
        nanosleep(&span, NULL);
}

static void read_once(struct torture *torture, unsigned round)
{
    struct sm_value value = sm_load_shared(sm_payload_const(torture->table));
    const struct element *element = (const struct element *)sm_value_object(value);
    linger(torture, round);
    if (!node_is_intact(&element->node))
        atomic_fetch_add_explicit(&torture->bad_canaries, 1, memory_order_relaxed);
    uint64_t age = atomic_load_explicit(&element->age, memory_order_relaxed);
    atomic_fetch_add_explicit(&torture->bins[age < AGE_BINS ? age : AGE_BINS - 1], 1, memory_order_relaxed);
}

static void *read_ages(void *context)
{
    struct torture *torture = context;
    struct sm_guard *guard = NULL;
    if (sm_observer_register(torture->graph.mm, "reader", &guard) != SM_OK) {
        atomic_fetch_add_explicit(&torture->bad_canaries, 1, memory_order_relaxed);
        return NULL;
    }
    for (unsigned round = 0; !atomic_load_explicit(&torture->stop, memory_order_relaxed); round++) {
        sm_pin(guard, SM_HERE);
        read_once(torture, round);
        if (round % 3 == 0) { /* nested, and a quiescent point in between: the age is of the second guard's element */
            sm_pin(guard, SM_HERE);
            sm_unpin(guard);
            sm_repin(guard, SM_HERE);
            read_once(torture, round + 1);
        }
        sm_unpin(guard);
        atomic_fetch_add_explicit(&torture->rounds, 1, memory_order_relaxed);
    }
    sm_observer_unregister(guard);
    return NULL;
}

/* ---- The owner. ---- */

static void open_pool(struct torture *torture)
{
    struct graph *graph = &torture->graph;
    torture->table = sm_alloc(graph->mm, SM_TYPE_VALUES, sizeof(struct sm_value));
    assert_non_null(torture->table);
    graph->roots[0] = (struct node *)torture->table;
    for (uint64_t i = 0; i < POOL; i++) {
        struct node *node = node_try(graph, graph->node_type, i, sizeof(struct element) - sizeof(struct node));
        assert_non_null(node);
        graph->roots[1 + i] = node;
        torture->pool[i] = (struct element *)node;
        atomic_store_explicit(&torture->pool[i]->age, AGE_FORBIDDEN + PIPE, memory_order_relaxed);
    }
}

static uint64_t age_of(const struct element *element)
{
    return atomic_load_explicit(&element->age, memory_order_relaxed);
}

/* One that went through the whole pipe: there is always one, since each grace period ages all the others. */
static struct element *take_from_pool(struct torture *torture)
{
    for (size_t i = 0; i < POOL; i++) {
        if (age_of(torture->pool[i]) >= AGE_TAKEN_AWAY + PIPE)
            return torture->pool[i];
    }
    fail_msg("the pool is empty");
    return NULL;
}

static void replace(struct torture *torture)
{
    struct sm_value *slot = sm_payload(torture->table);
    struct element *old = sm_value_is_heap(*slot) ? (struct element *)sm_value_object(*slot) : NULL;
    struct element *fresh = take_from_pool(torture);
    atomic_store_explicit(&fresh->age, AGE_PUBLISHED, memory_order_relaxed);
    sm_store(torture->graph.mm, torture->table, slot, sm_value_from_object(&fresh->node.header, 1));
    if (old != NULL)
        atomic_store_explicit(&old->age, AGE_TAKEN_AWAY, memory_order_relaxed);
}

/* Retire a token and wait until it is reclaimed: with reclaim=inline a cycle does that, in bounded waits. */
static void pass_a_grace_period(struct graph *graph)
{
    uint64_t wanted = graph_stats(graph).reclaimed_objects + 1;
    graph_retire_one(graph);
    const struct timespec step = {.tv_nsec = 20000};
    for (int i = 0; graph_stats(graph).reclaimed_objects < wanted; i++) {
        assert_true(i < 50 * PATIENCE_MS);
        if (graph_is_threaded(graph))
            nanosleep(&step, NULL);
        else
            (void)sm_collect(graph->mm, SM_COLLECT_FULL);
    }
}

static void age_the_pipe(struct torture *torture)
{
    for (size_t i = 0; i < POOL; i++) {
        uint64_t age = age_of(torture->pool[i]);
        if (age >= AGE_TAKEN_AWAY && age < AGE_TAKEN_AWAY + PIPE)
            atomic_store_explicit(&torture->pool[i]->age, age + 1, memory_order_relaxed);
    }
}

static uint64_t forbidden(struct torture *torture)
{
    uint64_t count = 0;
    for (size_t age = AGE_FORBIDDEN; age < AGE_BINS; age++)
        count += atomic_load_explicit(&torture->bins[age], memory_order_relaxed);
    return count;
}

static uint64_t rounds_of(struct torture *torture)
{
    return atomic_load_explicit(&torture->rounds, memory_order_relaxed);
}

static void mutate(struct torture *torture)
{
    replace(torture);
    pass_a_grace_period(&torture->graph);
    age_the_pipe(torture);
}

/* `body` runs while readers read. */
static void with_readers(struct torture *torture, void (*body)(struct torture *torture))
{
    pthread_t threads[READERS];
    assert_int_equal(sm_observers_allow(torture->graph.mm), SM_OK);
    replace(torture);
    for (size_t i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_ages, torture), 0);
    while (rounds_of(torture) == 0)
        sleep_ms(1);
    body(torture);
    atomic_store_explicit(&torture->stop, true, memory_order_relaxed);
    for (size_t i = 0; i < READERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&torture->bad_canaries), 0);
}

/* ---- The policy as it is. ---- */

static void mutate_for_a_while(struct torture *torture)
{
    const uint64_t count = test_scale(40, 30, 30);
    for (uint64_t i = 0; i < count; i++)
        mutate(torture);
    /* So short a run may miss what it is about: a reader must have met an element that was being taken away. */
    for (int ms = 0; atomic_load(&torture->bins[AGE_TAKEN_AWAY]) == 0 && ms < PATIENCE_MS; ms++)
        mutate(torture);
}

static void expect_no_old_element(const char *policy)
{
    static struct torture torture;
    memset(&torture, 0, sizeof(torture));
    torture.long_guard_us = 300;
    graph_open_policy(&torture.graph, policy);
    open_pool(&torture);
    with_readers(&torture, mutate_for_a_while);
    assert_true(atomic_load(&torture.bins[AGE_PUBLISHED]) > 0);
    assert_true(atomic_load(&torture.bins[AGE_TAKEN_AWAY]) > 0);
    if (forbidden(&torture) != 0)
        fail_msg("%s: readers met %llu elements that were taken away a grace period ago or more", policy,
                 (unsigned long long)forbidden(&torture));
    graph_close(&torture.graph);
}

static void test_R2_no_reader_meets_what_was_taken_away_a_grace_period_ago(void **state)
{
    (void)state;
    for (size_t i = 0; i < EPOCH_VARIANT_COUNT; i++) {
        char policy[EPOCH_VARIANT_BYTES];
        epoch_variant_text(i, policy);
        expect_no_old_element(policy);
    }
}

/* ---- The control. ---- */

static void synchronize_without_waiting(void)
{
}

static void mutate_until_forbidden(struct torture *torture)
{
    for (int ms = 0; forbidden(torture) == 0 && ms < PATIENCE_MS; ms++)
        mutate(torture);
}

/* The guards are the real flavour's; only the reclaimer's grace periods are not. */
static void expect_the_forbidden_bins_to_fill(struct graph *graph)
{
    static struct torture torture;
    struct epoch_reclaimer *reclaimer = graph_epoch(graph)->reclaimer;
    struct epoch_flavor broken = *reclaimer->flavor;
    const struct epoch_flavor *whole = reclaimer->flavor;
    broken.synchronize = synchronize_without_waiting;
    pthread_mutex_lock(&reclaimer->lock);
    reclaimer->flavor = &broken; /* the thread reads it after it has taken the lock for its first batch */
    pthread_mutex_unlock(&reclaimer->lock);
    memset(&torture, 0, sizeof(torture));
    torture.long_guard_us = 5000;
    torture.graph = *graph;
    const struct sm_root_provider provider = {"torture", graph_roots, &torture.graph};
    assert_int_equal(sm_roots_register(graph->mm, &provider), SM_OK);
    open_pool(&torture);
    with_readers(&torture, mutate_until_forbidden);
    assert_true(forbidden(&torture) > 0);
    assert_int_equal(sm_quiesce(graph->mm), SM_OK);
    pthread_mutex_lock(&reclaimer->lock);
    reclaimer->flavor = whole;
    pthread_mutex_unlock(&reclaimer->lock);
    assert_int_equal(sm_roots_unregister(graph->mm, "torture"), SM_OK);
}

static void test_a_flavour_that_skips_the_grace_period_is_caught(void **state)
{
    (void)state;
    char policy[EPOCH_VARIANT_BYTES];
    for (size_t f = 0; f < EPOCH_FLAVOR_COUNT; f++) {
        struct graph graph;
        epoch_variant_text(EPOCH_BACKEND_COUNT * f + EPOCH_BACKEND_THREAD,
                           policy); /* the thread: inline, the owner first looks at the guards itself */
        graph_open_policy(&graph, policy);
        expect_the_forbidden_bins_to_fill(&graph);
        graph_close(&graph);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R2_no_reader_meets_what_was_taken_away_a_grace_period_ago),
        cmocka_unit_test(test_a_flavour_that_skips_the_grace_period_is_caught),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
