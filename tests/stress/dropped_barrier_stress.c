/*
 * A control of the thread sanitizer's runs: stores of the owner that are not published to observers are found there.
 *
 * One child stores through the barrier while an observer loads; in another the barrier word has lost the bit that
 * sends stores out of line as whole values with release. Without the thread sanitizer nothing sees the difference.
 */
#include "check.h"
#include "manager_fixture.h"
#include "test_scale.h"

#include "manager_internal.h"

#include "sapimem/epoch.h"

#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LOADS = 2000, STORES = 20000, CHILD_FAILED = 9 };

struct shared {
    struct sm_manager *mm;
    struct sm_object *table; /* one value */
    sem_t registered;
    uint64_t torn;
};

static void *observe(void *context)
{
    struct shared *shared = context;
    struct sm_guard *guard = NULL;
    if (sm_observer_register(shared->mm, "loader", &guard) != SM_OK)
        exit(CHILD_FAILED);
    sem_post(&shared->registered);
    for (int i = 0; i < LOADS; i++) {
        sm_pin(guard, SM_HERE);
        struct sm_value value = sm_load_shared(sm_payload(shared->table));
        shared->torn += value.payload != value.tag;
        sm_unpin(guard);
    }
    sm_observer_unregister(guard);
    return NULL;
}

/* Payload and tag are the same number, below every bit that means something. */
static void store_all(const struct shared *shared)
{
    for (uint64_t i = 0; i < STORES; i++)
        sm_store(shared->mm, shared->table, sm_payload(shared->table), (struct sm_value){i % 32, i % 32});
}

_Noreturn static void run_child(bool drops_barrier)
{
    struct sm_config config = {.policy = "epoch"};
    struct shared shared = {0};
    pthread_t thread;
    if (sm_manager_create(&config, &shared.mm, NULL) != SM_OK || sm_observers_allow(shared.mm) != SM_OK)
        exit(CHILD_FAILED);
    shared.table = sm_alloc(shared.mm, SM_TYPE_VALUES, sizeof(struct sm_value));
    sem_init(&shared.registered, 0, 0);
    if (shared.table == NULL || pthread_create(&thread, NULL, observe, &shared) != 0)
        exit(CHILD_FAILED);
    sem_wait(&shared.registered);
    if ((sm_hot(shared.mm)->barrier & SM_BARRIER_PUBLISH) == 0)
        exit(CHILD_FAILED);
    if (drops_barrier)
        sm_hot(shared.mm)->barrier &= ~(uint32_t)SM_BARRIER_PUBLISH;
    store_all(&shared);
    pthread_join(thread, NULL);
    sm_manager_destroy(shared.mm);
    /* The thread sanitizer makes another code of it when it has seen a race. */
    exit(!drops_barrier && shared.torn != 0 ? CHILD_FAILED : 0);
}

static int exit_code(bool drops_barrier)
{
    int status = 0;
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        int null = open("/dev/null", O_WRONLY);
        if (drops_barrier)
            (void)dup2(null, STDERR_FILENO);
        run_child(drops_barrier);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_published_stores_race_with_nobody(void **state)
{
    (void)state;
    assert_int_equal(exit_code(false), 0);
}

static void test_dropped_barrier_is_found(void **state)
{
    (void)state;
    int code = exit_code(true);
    assert_int_not_equal(code, CHILD_FAILED);
    assert_int_equal(code != 0, IS_THREAD_SANITIZED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_stores_race_with_nobody),
        cmocka_unit_test(test_dropped_barrier_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
