/**
 * The doors to liburcu, in every flavour: locks that nest, and its own two back-ends, call_rcu and defer_rcu.
 * A function runs only after a guard held on another thread has ended, and then it does run; barriers wait.
 */
#include "epoch_reader.h"

#include "epoch/flavor.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

enum { WATCHDOG_SECONDS = 120, PATIENCE_MS = 20000, NOT_YET_MS = 30, DEFER_NOT_YET_MS = 200, MANY = 10000 };

typedef void flavor_body(const struct epoch_flavor *flavor);

/* On a registered thread that is in no guard, as it is left. */
static void in_every_flavor(flavor_body *body)
{
    for (size_t f = 0; f < EPOCH_FLAVOR_COUNT; f++) {
        const struct epoch_flavor *flavor = epoch_flavor_get(f);
        epoch_thread_register(flavor);
        body(flavor);
        assert_false(epoch_thread_in_guard());
        epoch_thread_unregister(flavor);
    }
}

/* What a function that had to wait leaves behind. Release pairs with the acquire in `ran`. */
static atomic_int run_count;

static int ran(void)
{
    return atomic_load_explicit(&run_count, memory_order_acquire);
}

static void count_run(void)
{
    atomic_fetch_add_explicit(&run_count, 1, memory_order_release);
}

static bool has_run(int count)
{
    for (int ms = 0; ms < PATIENCE_MS && ran() < count; ms++)
        sleep_ms(1);
    return ran() == count;
}

/* ---- A guard held on another thread. ---- */

struct holder {
    const struct epoch_flavor *flavor;
    pthread_t thread;
    sem_t locked, release;
};

static void *hold(void *context)
{
    struct holder *holder = context;
    epoch_thread_register(holder->flavor);
    holder->flavor->lock();
    sem_post(&holder->locked);
    sem_wait(&holder->release);
    holder->flavor->unlock();
    epoch_thread_unregister(holder->flavor);
    return NULL;
}

static void holder_start(struct holder *holder, const struct epoch_flavor *flavor)
{
    holder->flavor = flavor;
    sem_init(&holder->locked, 0, 0);
    sem_init(&holder->release, 0, 0);
    assert_int_equal(pthread_create(&holder->thread, NULL, hold, holder), 0);
    sem_wait(&holder->locked);
}

static void holder_end(struct holder *holder)
{
    sem_post(&holder->release);
    pthread_join(holder->thread, NULL);
    sem_destroy(&holder->locked);
    sem_destroy(&holder->release);
}

/* ---- A wait on another thread; run_count tells when it is over. ---- */

static void *wait_for(void *context)
{
    void (*const *wait)(void) = context;
    (*wait)();
    count_run();
    return NULL;
}

/* `wait` does not return while the other thread's guard lasts, and does afterwards. */
static void assert_waits_for_holder(void (*wait)(void), struct holder *holder)
{
    pthread_t waiter;
    int before = ran();
    assert_int_equal(pthread_create(&waiter, NULL, wait_for, &wait), 0);
    sleep_ms(NOT_YET_MS);
    assert_int_equal(ran(), before);
    holder_end(holder);
    pthread_join(waiter, NULL);
    assert_true(ran() > before);
}

/* ---- Locks. ---- */

static void nest(const struct epoch_flavor *flavor)
{
    void (*synchronize)(void) = flavor->synchronize;
    pthread_t waiter;
    int before = ran();
    flavor->lock();
    flavor->lock();
    assert_int_equal(pthread_create(&waiter, NULL, wait_for, &synchronize), 0);
    flavor->quiescent(); /* nothing: the outer guard is held */
    flavor->unlock();
    assert_true(epoch_thread_in_guard());
    sleep_ms(NOT_YET_MS);
    assert_int_equal(ran(), before);
    while (ran() == before) { /* the grace period may have begun after any one of them */
        flavor->quiescent();
        usleep(10);
    }
    assert_true(epoch_thread_in_guard());
    flavor->unlock();
    pthread_join(waiter, NULL);
}

static void test_R3_nested_locks_are_one_guard_and_quiescent_ends_only_a_single_one(void **state)
{
    (void)state;
    in_every_flavor(nest);
}

/* ---- call_rcu. ---- */

struct item {
    int value;
    struct epoch_deferred deferred;
};

static void item_run(struct epoch_deferred *deferred)
{
    struct item *item = (struct item *)(void *)((char *)deferred - offsetof(struct item, deferred));
    if (item->value == 1) /* plain on both sides: `call` orders it */
        count_run();
    free(item);
}

static void item_call(const struct epoch_flavor *flavor)
{
    struct item *item = malloc(sizeof(*item));
    assert_non_null(item);
    item->value = 1;
    flavor->call(&item->deferred, item_run);
}

static void call_under_a_guard(const struct epoch_flavor *flavor)
{
    struct holder holder;
    int before = ran();
    holder_start(&holder, flavor);
    item_call(flavor);
    sleep_ms(NOT_YET_MS);
    assert_int_equal(ran(), before);
    holder_end(&holder);
    assert_true(has_run(before + 1)); /* without a barrier */
}

static void test_R2_call_runs_after_the_guards_of_others_have_ended(void **state)
{
    (void)state;
    in_every_flavor(call_under_a_guard);
}

static void call_in_own_guard(const struct epoch_flavor *flavor)
{
    int before = ran();
    flavor->lock();
    item_call(flavor); /* does not block */
    sleep_ms(NOT_YET_MS);
    assert_int_equal(ran(), before);
    assert_true(epoch_thread_in_guard());
    flavor->unlock();
    assert_true(has_run(before + 1));
}

static void test_R3_call_is_for_guards_too_and_waits_for_the_callers_own(void **state)
{
    (void)state;
    in_every_flavor(call_in_own_guard);
}

static void call_many(const struct epoch_flavor *flavor)
{
    struct holder holder;
    int before = ran();
    for (int i = 0; i < MANY; i++)
        item_call(flavor);
    flavor->call_barrier();
    assert_int_equal(ran(), before + MANY);
    holder_start(&holder, flavor);
    item_call(flavor);
    assert_waits_for_holder(flavor->call_barrier, &holder);
    assert_int_equal(ran(), before + MANY + 2); /* the item and the waiter */
}

static void test_call_barrier_waits_for_all_that_was_called_before(void **state)
{
    (void)state;
    in_every_flavor(call_many);
}

/* ---- defer_rcu. ---- */

/* Release pairs with the acquire here: `defer` itself orders nothing that tools see. */
static void deferred_run(void *argument)
{
    if (atomic_load_explicit((atomic_int *)argument, memory_order_acquire) == 1)
        count_run();
}

static atomic_int ready;

static void defer_once(const struct epoch_flavor *flavor)
{
    atomic_store_explicit(&ready, 1, memory_order_release);
    flavor->defer(deferred_run, &ready);
}

/* A thread with a ring: liburcu gives a thread one in its life. It defers `count` times, twice registered. */
struct deferrer {
    const struct epoch_flavor *flavor;
    int count;
    pthread_t thread;
    sem_t deferred, finish;
    bool registered, second_ring;
    int after_barrier, after_end; /* what had run */
};

static void *deferrer_main(void *context)
{
    struct deferrer *self = context;
    self->registered = epoch_thread_defer_register(self->flavor);
    if (self->registered)
        self->registered = epoch_thread_defer_register(self->flavor);
    for (int i = 0; self->registered && i < self->count; i++)
        defer_once(self->flavor);
    sem_post(&self->deferred);
    sem_wait(&self->finish);
    self->flavor->defer_barrier_thread();
    self->after_barrier = ran();
    epoch_thread_defer_unregister(self->flavor); /* another manager's is left */
    defer_once(self->flavor);
    epoch_thread_defer_unregister(self->flavor);
    self->after_end = ran();
    self->second_ring = epoch_thread_defer_register(self->flavor);
    return NULL;
}

static void deferrer_start(struct deferrer *deferrer, const struct epoch_flavor *flavor, int count)
{
    *deferrer = (struct deferrer){.flavor = flavor, .count = count};
    sem_init(&deferrer->deferred, 0, 0);
    sem_init(&deferrer->finish, 0, 0);
    assert_int_equal(pthread_create(&deferrer->thread, NULL, deferrer_main, deferrer), 0);
    sem_wait(&deferrer->deferred);
    assert_true(deferrer->registered);
}

static void deferrer_end(struct deferrer *deferrer)
{
    sem_post(&deferrer->finish);
    pthread_join(deferrer->thread, NULL);
    sem_destroy(&deferrer->deferred);
    sem_destroy(&deferrer->finish);
    assert_false(deferrer->second_ring);
}

static void defer_under_a_guard(const struct epoch_flavor *flavor)
{
    struct deferrer deferrer;
    int before = ran();
    flavor->lock();
    deferrer_start(&deferrer, flavor, 1);
    sleep_ms(DEFER_NOT_YET_MS);
    assert_int_equal(ran(), before);
    flavor->unlock();
    assert_true(has_run(before + 1)); /* without a barrier */
    deferrer_end(&deferrer);
}

static void test_R2_defer_runs_after_the_guards_of_others_have_ended(void **state)
{
    (void)state;
    in_every_flavor(defer_under_a_guard);
}

static void defer_many(const struct epoch_flavor *flavor)
{
    struct deferrer deferrer;
    int before = ran();
    deferrer_start(&deferrer, flavor, MANY); /* more than a ring holds */
    deferrer_end(&deferrer);
    assert_int_equal(deferrer.after_barrier, before + MANY);
    assert_int_equal(deferrer.after_end, before + MANY + 1);
}

static void test_rings_that_are_full_or_given_back_run_what_they_hold(void **state)
{
    (void)state;
    in_every_flavor(defer_many);
}

static void defer_barrier(const struct epoch_flavor *flavor)
{
    struct holder holder;
    struct deferrer deferrer;
    int before = ran();
    holder_start(&holder, flavor);
    deferrer_start(&deferrer, flavor, 1);
    assert_waits_for_holder(flavor->defer_barrier, &holder);
    assert_int_equal(ran(), before + 2); /* the deferred one and the waiter */
    deferrer_end(&deferrer);
}

static void test_defer_barrier_waits_for_a_grace_period_and_runs_every_ring(void **state)
{
    (void)state;
    in_every_flavor(defer_barrier);
}

int main(void)
{
    alarm(WATCHDOG_SECONDS); /* a wait without end is a failure here, and this says so */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R3_nested_locks_are_one_guard_and_quiescent_ends_only_a_single_one),
        cmocka_unit_test(test_R2_call_runs_after_the_guards_of_others_have_ended),
        cmocka_unit_test(test_R3_call_is_for_guards_too_and_waits_for_the_callers_own),
        cmocka_unit_test(test_call_barrier_waits_for_all_that_was_called_before),
        cmocka_unit_test(test_R2_defer_runs_after_the_guards_of_others_have_ended),
        cmocka_unit_test(test_rings_that_are_full_or_given_back_run_what_they_hold),
        cmocka_unit_test(test_defer_barrier_waits_for_a_grace_period_and_runs_every_ring),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
