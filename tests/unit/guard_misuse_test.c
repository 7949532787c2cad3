/**
 * What the guard layer traps: each misuse in a process of its own, which an assertion must end; and the same process
 * without the misuse, which must end well. Before anything else starts a thread here, since the children start some.
 */
#include "epoch_graph.h"

#include "assertion.h"

#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WENT_WELL = 0, NO_OBSERVER = 3 };

/* A graph and its observer, in the child. */
struct scene {
    struct graph graph;
    struct sm_guard *guard; /**< the observer's */
    void (*act)(struct scene *scene);
    sem_t acted, leave;
};

/* ---- What an observer may do, and what it may not. ---- */

static void behave(struct scene *scene)
{
    sm_pin(scene->guard, SM_HERE);
    sm_unpin(scene->guard);
}

static void unregister_while_pinned(struct scene *scene)
{
    sm_pin(scene->guard, SM_HERE);
    sm_observer_unregister(scene->guard);
}

static void unpin_unpinned(struct scene *scene)
{
    sm_unpin(scene->guard);
}

static void pin_while_offline(struct scene *scene)
{
    sm_offline(scene->guard);
    sm_pin(scene->guard, SM_HERE);
}

static void online_without_offline(struct scene *scene)
{
    sm_online(scene->guard);
}

static void use_the_owners_guard(struct scene *scene)
{
    sm_pin(sm_owner_guard(scene->graph.mm), SM_HERE);
}

static void republish_a_pointer(struct scene *scene)
{
    struct node *node = scene->graph.roots[0];
    if (node == NULL)
        abort();
    sm_pin(scene->guard, SM_HERE);
    sm_store_pointer(scene->graph.mm, &node->header, &node->edges[0], node);
}

static void republish_by_a_move(struct scene *scene)
{
    struct node *node = scene->graph.roots[0];
    sm_pin(scene->guard, SM_HERE);
    sm_store_move(scene->graph.mm, &node->header, &node->edges[0], sm_value_from_object(&node->header, 1));
}

/* ---- What the owner may not. ---- */

static void destroy_before_the_observer_left(struct scene *scene)
{
    sm_manager_destroy(scene->graph.mm);
}

static void retire_twice(struct scene *scene)
{
    struct node *node = scene->graph.roots[0];
    scene->graph.roots[0] = NULL;
    sm_pin(sm_owner_guard(scene->graph.mm), SM_HERE); /* the batch stays open: the memory is still there */
    sm_retire(scene->graph.mm, &node->header);
    sm_retire(scene->graph.mm, &node->header);
}

static void restore_to_a_deeper_guard(struct scene *scene)
{
    sm_guard_restore(sm_owner_guard(scene->graph.mm), 1);
}

/* ---- The child. ---- */

static void *observe(void *context)
{
    struct scene *scene = context;
    if (sm_observer_register(scene->graph.mm, "observer", &scene->guard) != SM_OK)
        _exit(NO_OBSERVER);
    if (scene->act != NULL)
        scene->act(scene);
    sem_post(&scene->acted);
    sem_wait(&scene->leave);
    sm_observer_unregister(scene->guard);
    return NULL;
}

static void run_child(const char *policy, void (*observer_act)(struct scene *), void (*owner_act)(struct scene *))
{
    static struct scene scene;
    const struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    signal(SIGABRT, SIG_DFL); /* cmocka's handler would make of an abort a failed test of the child */
    dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
    pthread_t thread;
    scene.act = observer_act;
    sem_init(&scene.acted, 0, 0);
    sem_init(&scene.leave, 0, 0);
    graph_open_policy(&scene.graph, policy);
    scene.graph.roots[0] = node_new(&scene.graph, 1);
    if (sm_observers_allow(scene.graph.mm) != SM_OK || pthread_create(&thread, NULL, observe, &scene) != 0)
        _exit(NO_OBSERVER);
    sem_wait(&scene.acted);
    if (owner_act != NULL)
        owner_act(&scene);
    sem_post(&scene.leave);
    pthread_join(thread, NULL);
    graph_close(&scene.graph);
    _exit(WENT_WELL);
}

/* The wait status of the child. */
static int child_status(const char *policy, void (*observer_act)(struct scene *), void (*owner_act)(struct scene *))
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        run_child(policy, observer_act, owner_act);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static const char *const policies[] = {"epoch:flavor=memb", "epoch:flavor=qsbr,reclaim=inline", "epoch:flavor=mb",
                                       "epoch:flavor=bp,reclaim=inline"};

enum { POLICY_COUNT = sizeof(policies) / sizeof(policies[0]) };

/* `level`: of SM_ASSERT_LEVEL from which on the misuse is trapped. */
static void expect_trap(int level, void (*observer_act)(struct scene *), void (*owner_act)(struct scene *))
{
    if (SM_ASSERT_LEVEL < level) {
        print_message("skipped: trapped from SM_ASSERT_LEVEL %d on, this is %d\n", level, SM_ASSERT_LEVEL);
        skip();
    }
    for (size_t p = 0; p < POLICY_COUNT; p++) {
        int status = child_status(policies[p], observer_act, owner_act);
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
            fail_msg("%s: wait status %#x where an assertion should end the process", policies[p], (unsigned)status);
    }
}

static void test_the_same_process_without_a_misuse_ends_well(void **state)
{
    (void)state;
    for (size_t p = 0; p < POLICY_COUNT; p++) {
        int status = child_status(policies[p], behave, NULL);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), WENT_WELL);
    }
}

/* crossbeam-epoch lets a guard outlive its thread's registration; here that is the caller's mistake. */
static void test_a_guard_cannot_outlive_its_registration(void **state)
{
    (void)state;
    expect_trap(1, unregister_while_pinned, NULL);
}

static void test_a_registration_cannot_outlive_the_manager(void **state)
{
    (void)state;
    expect_trap(1, behave, destroy_before_the_observer_left);
}

static void test_unbalanced_guards_are_trapped(void **state)
{
    (void)state;
    expect_trap(1, unpin_unpinned, NULL);
    expect_trap(1, online_without_offline, NULL);
    expect_trap(1, pin_while_offline, NULL);
    expect_trap(1, behave, restore_to_a_deeper_guard);
}

static void test_R1_a_guard_is_its_own_threads_alone(void **state)
{
    (void)state;
    expect_trap(2, use_the_owners_guard, NULL);
}

static void test_R1_an_observer_cannot_republish_by_any_store(void **state)
{
    (void)state;
    expect_trap(2, republish_a_pointer, NULL);
    expect_trap(2, republish_by_a_move, NULL);
}

static void test_R2_retiring_twice_is_trapped(void **state)
{
    (void)state;
    expect_trap(1, behave, retire_twice);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_same_process_without_a_misuse_ends_well),
        cmocka_unit_test(test_a_guard_cannot_outlive_its_registration),
        cmocka_unit_test(test_a_registration_cannot_outlive_the_manager),
        cmocka_unit_test(test_unbalanced_guards_are_trapped),
        cmocka_unit_test(test_R1_a_guard_is_its_own_threads_alone),
        cmocka_unit_test(test_R1_an_observer_cannot_republish_by_any_store),
        cmocka_unit_test(test_R2_retiring_twice_is_trapped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
