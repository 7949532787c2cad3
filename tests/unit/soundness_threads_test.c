/**
 * Soundness, rule by rule: other threads, other managers, jumps and forks, where an object could be freed under a
 * reader, or a wait could be without end.
 *
 * Named by the rules of the epoch policy (R1 to R14). Each case is one that no other file makes.
 */
#include "epoch_graph.h"

#include "epoch/epoch_internal.h"
#include "manager_internal.h"
#include "sapimem/extension.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE_MS = 5000, MANY = 100 };

/* ---- R1: who may refer to the heap. ---- */

struct borrower {
    struct graph *graph;
    sm_handle outer; /**< the owner's */
    void *bytes;     /**< of sm_alloc_bytes */
    struct node *node;
    bool refused;
};

/* Everything that would let an observer keep an object, or end one. */
static bool everything_is_refused(const struct borrower *borrower)
{
    struct sm_manager *mm = borrower->graph->mm;
    struct sm_value value = sm_value_from_object(&borrower->node->header, 1);
    sm_scope scope = sm_scope_open(mm);
    sm_retire(mm, &borrower->node->header);
    return sm_handle_is_none(sm_alloc_value(mm, value)) && sm_handle_is_none(sm_handle_persist(mm, borrower->outer)) &&
           sm_handle_is_none(sm_bytes_handle(mm, borrower->bytes)) && sm_handle_is_none(sm_buffer_create(mm, 16)) &&
           sm_handle_set(mm, borrower->outer, value) == SM_ERR_WRONG_THREAD &&
           sm_handle_get(mm, borrower->outer, &value) == SM_ERR_WRONG_THREAD &&
           sm_handle_release(mm, borrower->outer) == SM_ERR_WRONG_THREAD && scope.depth == 0 &&
           sm_scope_close(mm, (sm_scope){1, 0}) == SM_ERR_WRONG_THREAD &&
           sm_collect(mm, SM_COLLECT_FULL) == SM_ERR_WRONG_THREAD &&
           sm_alloc(mm, borrower->graph->node_type, SM_INLINE_PAYLOAD_MAX + 1) == NULL &&
           sm_alloc_bytes(mm, 16) == NULL;
}

static void *borrow(void *context)
{
    struct borrower *borrower = context;
    struct sm_guard *guard = NULL;
    if (sm_observer_register(borrower->graph->mm, "borrower", &guard) != SM_OK)
        return NULL;
    sm_pin(guard, SM_HERE);
    borrower->refused = everything_is_refused(borrower);
    sm_unpin(guard);
    sm_observer_unregister(guard);
    return NULL;
}

static void test_R1_an_observer_is_refused_whatever_would_keep_an_object(void **state)
{
    (void)state;
    struct graph graph;
    pthread_t thread;
    graph_open_policy(&graph, "epoch");
    sm_scope scope = sm_scope_open(graph.mm);
    struct node *node = graph.roots[0] = node_new(&graph, 1);
    struct borrower borrower = {.graph = &graph, .bytes = sm_alloc_bytes(graph.mm, 16), .node = node};
    borrower.outer = sm_handle_persist(graph.mm, sm_alloc_value(graph.mm, sm_value_from_object(&node->header, 1)));
    assert_int_equal(sm_observers_allow(graph.mm), SM_OK);
    assert_int_equal(pthread_create(&thread, NULL, borrow, &borrower), 0);
    pthread_join(thread, NULL);
    assert_true(borrower.refused);
    /* Nothing came of it: the object was not retired, the handle not released, the scope not closed. */
    struct sm_value value;
    assert_true(graph_is_valid(&graph, node) && node_is_intact(node));
    assert_int_equal(sm_handle_get(graph.mm, borrower.outer, &value), SM_OK);
    assert_int_equal(sm_scope_close(graph.mm, scope), SM_OK);
    assert_int_equal(graph_stats(&graph).retired_objects, 0);
    graph_close(&graph);
}

static void *store_under_a_guard(void *context)
{
    struct graph *graph = context;
    struct sm_guard *guard = NULL;
    if (sm_observer_register(graph->mm, "writer", &guard) != SM_OK)
        _exit(2);
    sm_pin(guard, SM_HERE);
    node_link(graph, graph->roots[0], 0, graph->roots[0]);
    _exit(3); /* the store went through */
}

/* In a process of its own, which the assertion ends. */
static void run_forbidden_store(void)
{
    struct graph graph;
    pthread_t thread;
    const struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
    graph_open_policy(&graph, "epoch");
    graph.roots[0] = node_new(&graph, 1);
    if (sm_observers_allow(graph.mm) != SM_OK || pthread_create(&thread, NULL, store_under_a_guard, &graph) != 0)
        _exit(4);
    pthread_join(thread, NULL);
    _exit(5);
}

static void test_R1_a_checked_build_traps_an_observers_store(void **state)
{
    (void)state;
    if (SM_ASSERT_LEVEL < 2) {
        print_message("skipped: stores are checked from SM_ASSERT_LEVEL 2 on, this is %d\n", SM_ASSERT_LEVEL);
        skip();
    }
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        run_forbidden_store();
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

/* ---- R3, R4: other managers of the process. ---- */

/* A thread that owns a manager and stays in the first iteration of its run loop. */
struct neighbour {
    const char *policy;
    bool allocates;
    _Atomic bool pinned, leave;
    bool gave_up; /**< nobody asked it to leave */
    struct graph graph;
};

static void *live_next_door(void *context)
{
    struct neighbour *neighbour = context;
    struct graph *graph = &neighbour->graph;
    graph_open_policy(graph, neighbour->policy);
    sm_pin(sm_owner_guard(graph->mm), SM_HERE);
    /* Pairs with the acquire in move_in. */
    atomic_store_explicit(&neighbour->pinned, true, memory_order_release);
    int ms = 0;
    for (; !atomic_load_explicit(&neighbour->leave, memory_order_relaxed) && ms < PATIENCE_MS; ms++) {
        for (uint64_t i = 0; neighbour->allocates && i < MANY; i++) {
            node_link(graph, graph->roots[0] = node_new(graph, i), 0, NULL);
            sm_safepoint(graph->mm);
        }
        sleep_ms(1);
    }
    neighbour->gave_up = ms == PATIENCE_MS;
    sm_unpin(sm_owner_guard(graph->mm));
    graph_close(graph);
    return NULL;
}

static pthread_t move_in(struct neighbour *neighbour)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, live_next_door, neighbour), 0);
    /* Pairs with the release in live_next_door. */
    while (!atomic_load_explicit(&neighbour->pinned, memory_order_acquire))
        sleep_ms(1);
    return thread;
}

static void move_out(struct neighbour *neighbour, pthread_t thread)
{
    atomic_store_explicit(&neighbour->leave, true, memory_order_relaxed);
    pthread_join(thread, NULL);
}

static void retire_some(struct graph *graph, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        sm_retire(graph->mm, &node_new(graph, i)->header);
}

/* liburcu's domain is the process: an owner that has no garbage of its own holds back that of others. */
static void test_R4_an_owner_without_garbage_lets_other_managers_reclaim(void **state)
{
    (void)state;
    static const char *const policies[] = {"epoch:flavor=memb", "epoch:flavor=qsbr", "epoch:flavor=mb",
                                           "epoch:flavor=bp"};
    for (size_t p = 0; p < sizeof(policies) / sizeof(policies[0]); p++) {
        struct neighbour neighbour = {.policy = policies[p], .allocates = true};
        pthread_t thread = move_in(&neighbour);
        struct graph graph;
        graph_open_policy(&graph, policies[p]);
        retire_some(&graph, MANY);
        for (int ms = 0; graph_stats(&graph).backlog_bytes != 0 && ms < PATIENCE_MS; ms++)
            sleep_ms(1);
        uint64_t backlog_bytes = graph_stats(&graph).backlog_bytes;
        move_out(&neighbour, thread);
        assert_int_equal(backlog_bytes, 0);
        assert_false(neighbour.gave_up);
        graph_close(&graph);
    }
}

static void test_R3_destroying_does_not_wait_for_other_managers_guards(void **state)
{
    (void)state;
    static const char *const policies[] = {"epoch", "epoch:reclaim=inline"};
    for (size_t p = 0; p < sizeof(policies) / sizeof(policies[0]); p++) {
        struct neighbour neighbour = {.policy = "epoch"};
        pthread_t thread = move_in(&neighbour);
        struct graph graph;
        graph_open_policy(&graph, policies[p]);
        retire_some(&graph, MANY);
        graph_close(&graph);
        move_out(&neighbour, thread);
        assert_false(neighbour.gave_up);
    }
}

/* A cycle goes offline at any depth; what nesting the C code around it has stays, and so does what it rooted. */
static void test_R4_a_cycle_inside_nested_pins_keeps_nesting_and_roots(void **state)
{
    (void)state;
    struct graph graph;
    graph_open_policy(&graph, "epoch:reclaim=inline");
    struct sm_guard *guard = sm_owner_guard(graph.mm);
    sm_pin(guard, SM_HERE);
    sm_pin(guard, SM_HERE);
    struct node *kept = node_new(&graph, 1);
    node_link(&graph, kept, 0, node_new(&graph, 2));
    sm_alloc_value(graph.mm, sm_value_from_object(&kept->header, 1));
    node_new(&graph, 3);
    graph_collect(&graph);
    struct sm_guard_report report;
    assert_int_equal(sm_guard_depth(guard), 2);
    assert_int_equal(sm_guard_reports(graph.mm, &report, 1), 1);
    assert_int_equal(graph_stats(&graph).backlog_bytes, 0);
    assert_true(graph_is_valid(&graph, kept) && node_is_intact(node_edge(kept, 0)));
    sm_unpin(guard);
    sm_unpin(guard);
    graph_close(&graph);
}

/* ---- R14: longjmp. ---- */

static void test_R14_a_guard_left_offline_is_online_at_the_catch_point(void **state)
{
    (void)state;
    struct graph graph;
    jmp_buf catch_point;
    struct sm_guard_report report;
    graph_open_policy(&graph, "epoch");
    struct sm_guard *guard = sm_owner_guard(graph.mm);
    sm_pin(guard, SM_HERE);
    if (setjmp(catch_point) == 0) {
        sm_pin(guard, SM_HERE);
        sm_offline(guard);
        sm_offline(guard);
        longjmp(catch_point, 1);
    }
    sm_guard_restore(guard, 1);
    assert_int_equal(sm_guard_depth(guard), 1);
    assert_int_equal(sm_guard_reports(graph.mm, &report, 1), 1);
    sm_pin(guard, SM_HERE);
    sm_unpin(guard);
    sm_unpin(guard);
    assert_int_equal(sm_guard_reports(graph.mm, &report, 1), 0);
    graph_close(&graph);
}

static void test_R14_an_unpinned_guard_left_offline_can_be_pinned_again(void **state)
{
    (void)state;
    struct graph graph;
    struct sm_guard_report report;
    graph_open_policy(&graph, "epoch");
    struct sm_guard *guard = sm_owner_guard(graph.mm);
    sm_offline(guard);
    sm_guard_restore(guard, 0);
    sm_pin(guard, SM_HERE);
    assert_int_equal(sm_guard_reports(graph.mm, &report, 1), 1);
    sm_offline(guard);
    graph_close(&graph); /* ends it all the same */
}

/* ---- R14: fork. ---- */

/* Everything a child still may do on its way out of the parent's iteration; some thread of the parent's held each lock. */
static void leave_iteration_of_the_parent(struct graph *graph)
{
    struct sm_guard *guard = sm_owner_guard(graph->mm);
    struct sm_guard_report report;
    const struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    alarm(PATIENCE_MS / 1000); /* ends a child that waits for a thread it does not have */
    (void)sm_guard_reports(graph->mm, &report, 1);
    sm_offline(guard);
    sm_online(guard);
    sm_repin(guard, SM_HERE);
    sm_unpin(guard);
    sm_manager_destroy(graph->mm);
    _exit(0);
}

static void test_R14_a_child_leaves_its_parents_guard_without_the_parents_threads(void **state)
{
    (void)state;
    struct graph graph;
    graph_open_policy(&graph, "epoch");
    struct epoch_reclaimer *reclaimer = epoch_of_base(graph.mm->policy)->reclaimer;
    sm_pin(sm_owner_guard(graph.mm), SM_HERE);
    sm_retire(graph.mm, &node_new(&graph, 1)->header);
    sm_attention_raise(graph.mm, SM_ATTENTION_OBSERVERS); /* an observer waits for its registration */
    pthread_mutex_lock(&reclaimer->lock);
    pthread_mutex_lock(&graph.mm->guards.lock);
    pid_t child = fork();
    if (child == 0)
        leave_iteration_of_the_parent(&graph);
    pthread_mutex_unlock(&graph.mm->guards.lock);
    pthread_mutex_unlock(&reclaimer->lock);
    assert_true(child > 0);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    sm_unpin(sm_owner_guard(graph.mm));
    graph_close(&graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R1_an_observer_is_refused_whatever_would_keep_an_object),
        cmocka_unit_test(test_R1_a_checked_build_traps_an_observers_store),
        cmocka_unit_test(test_R3_destroying_does_not_wait_for_other_managers_guards),
        cmocka_unit_test(test_R4_an_owner_without_garbage_lets_other_managers_reclaim),
        cmocka_unit_test(test_R4_a_cycle_inside_nested_pins_keeps_nesting_and_roots),
        cmocka_unit_test(test_R14_a_guard_left_offline_is_online_at_the_catch_point),
        cmocka_unit_test(test_R14_an_unpinned_guard_left_offline_can_be_pinned_again),
        cmocka_unit_test(test_R14_a_child_leaves_its_parents_guard_without_the_parents_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
