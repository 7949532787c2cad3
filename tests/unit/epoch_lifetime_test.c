/**
 * Beginnings and ends under the epoch policy: destructors that retire, pin and collect; guards left by longjmp; a
 * process that idles, and one that exits, with a backlog. In every flavour and with either back-end of reclamation.
 */
#include "epoch_variants.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RETIRED_INSIDE = 100, RETIRED_IDLE = 200, WATCHED_ROUNDS = 8, EXIT_SECONDS = 60, STDERR_BYTES = 4096 };

/* ---- R5: retiring, pinning and collecting inside a destructor. ---- */

/* The node's child is its own: given up by hand, and a good deal more beside it. */
static void retire_pin_and_collect(struct graph *graph, struct node *node)
{
    struct sm_manager *mm = graph->mm;
    struct sm_guard *guard = sm_owner_guard(mm);
    uint32_t depth = sm_guard_depth(guard);
    uint64_t cycles = graph_stats(graph).cycles;
    struct node *child = node_edge(node, 0);
    sm_pin(guard, SM_HERE);
    node_link(graph, node, 0, NULL);
    sm_retire(mm, &child->header);
    for (int i = 0; i < RETIRED_INSIDE; i++)
        graph_retire_one(graph);
    assert_int_equal(sm_collect(mm, SM_COLLECT_FULL), SM_OK);
    assert_int_equal(sm_quiesce(mm), SM_ERR_INVALID_ARGUMENT); /* it would wait for this very destructor */
    sm_safepoint(mm);
    assert_int_equal(graph_stats(graph).cycles, cycles); /* the next safepoint outside collects */
    assert_true(graph_is_valid(graph, node) && node_is_intact(node));
    sm_unpin(guard);
    assert_int_equal(sm_guard_depth(guard), depth);
}

static void destroy_under_an_observer(struct graph *graph)
{
    struct reader reader;
    reader_start(&reader, graph->mm);
    struct node *node = destructible_new(graph, 1);
    struct node *child = node_new(graph, 2);
    node_link(graph, node, 0, child);
    graph->on_destroy = retire_pin_and_collect;
    reader_do(&reader, READER_PIN);
    graph_collect(graph);
    assert_int_equal(graph->destroyed_count, 1);
    assert_false(graph_is_valid(graph, child));
    assert_int_equal(graph_reclaimed_after_a_while(graph), 0);
    assert_true(node_is_intact(child)); /* looked at in the observer's stead */
    reader_do(&reader, READER_UNPIN);
    uint64_t cycles = graph_stats(graph).cycles;
    sm_safepoint(graph->mm); /* the cycle that the destructor asked for */
    assert_int_equal(graph_stats(graph).cycles, cycles + 1);
    assert_int_equal(sm_quiesce(graph->mm), SM_OK);
    assert_int_equal(graph->destroyed_count, 1);
    assert_int_equal(graph_stats(graph).reclaimed_objects, RETIRED_INSIDE + 2);
    assert_int_equal(graph_stats(graph).live_objects, 0);
    reader_stop(&reader);
}

static void test_R5_a_destructor_may_retire_pin_and_collect(void **state)
{
    (void)state;
    in_every_variant(destroy_under_an_observer);
}

/* The last destructors run in sm_manager_destroy: what they retire is given back there, or the books do not close. */
static void destroy_with_the_manager(struct graph *graph)
{
    struct node *node = graph->roots[0] = destructible_new(graph, 1);
    node_link(graph, node, 0, node_new(graph, 2));
    graph->on_destroy = retire_pin_and_collect;
    sm_pin(sm_owner_guard(graph->mm), SM_HERE);
    graph_retire_one(graph);
    graph_close(graph);
    assert_int_equal(graph->destroyed_count, 1);
}

static void test_R5_a_destructor_may_retire_pin_and_collect_while_the_manager_is_destroyed(void **state)
{
    (void)state;
    in_every_variant(destroy_with_the_manager); /* a second graph_close finds NULL */
}

/* ---- R14: longjmp. ---- */

struct jumper {
    struct sm_manager *mm;
    sem_t pinned, jump, restored, leave;
};

static void leave_guards_behind(struct sm_guard *guard, jmp_buf catch_point)
{
    sm_pin(guard, SM_HERE);
    sm_pin(guard, SM_HERE);
    longjmp(catch_point, 1);
}

static void *jump_out_of_guards(void *context)
{
    struct jumper *jumper = context;
    struct sm_guard *guard = NULL;
    jmp_buf catch_point;
    if (sm_observer_register(jumper->mm, "jumper", &guard) != SM_OK)
        return NULL;
    sm_pin(guard, SM_HERE);
    sem_post(&jumper->pinned);
    sem_wait(&jumper->jump);
    if (setjmp(catch_point) == 0)
        leave_guards_behind(guard, catch_point);
    sm_guard_restore(guard, 0);
    sem_post(&jumper->restored);
    sem_wait(&jumper->leave);
    sm_observer_unregister(guard);
    return NULL;
}

static void jump_as_an_observer(struct graph *graph)
{
    struct jumper jumper = {.mm = graph->mm};
    sem_t *const steps[] = {&jumper.pinned, &jumper.jump, &jumper.restored, &jumper.leave};
    pthread_t thread;
    sm_status status = SM_ERR_GUARD_HELD;
    for (size_t i = 0; i < 4; i++)
        sem_init(steps[i], 0, 0);
    assert_int_equal(sm_observers_allow(graph->mm), SM_OK);
    assert_int_equal(pthread_create(&thread, NULL, jump_out_of_guards, &jumper), 0);
    sem_wait(&jumper.pinned);
    graph_retire_one(graph);
    assert_int_equal(graph_reclaimed_in_vain(graph, &status), 0);
    assert_int_equal(status, SM_ERR_GUARD_HELD);
    sem_post(&jumper.jump);
    sem_wait(&jumper.restored);
    assert_true(graph_reclaims(graph, 1));
    sem_post(&jumper.leave);
    pthread_join(thread, NULL);
    for (size_t i = 0; i < 4; i++)
        sem_destroy(steps[i]);
}

static void test_R14_what_guards_left_by_an_observers_longjmp_held_back_is_reclaimed_once_restored(void **state)
{
    (void)state;
    in_every_variant(jump_as_an_observer);
}

static void retire_and_jump(struct graph *graph, jmp_buf catch_point)
{
    sm_pin(sm_owner_guard(graph->mm), SM_HERE);
    graph_retire_one(graph);
    leave_guards_behind(sm_owner_guard(graph->mm), catch_point);
}

static void jump_as_the_owner(struct graph *graph)
{
    struct sm_guard *guard = sm_owner_guard(graph->mm);
    jmp_buf catch_point;
    sm_pin(guard, SM_HERE);
    if (setjmp(catch_point) == 0)
        retire_and_jump(graph, catch_point);
    assert_int_equal(sm_guard_depth(guard), 4);
    sm_guard_restore(guard, 1);
    assert_int_equal(sm_guard_depth(guard), 1);
    assert_int_equal(graph_reclaimed_after_a_while(graph), 0); /* the iteration goes on, and so does its guard */
    sm_guard_restore(guard, 0);
    assert_true(graph_reclaims(graph, 1));
}

static void test_R14_a_batch_left_open_by_the_owners_longjmp_is_sealed_by_the_restoration(void **state)
{
    (void)state;
    in_every_variant(jump_as_the_owner);
}

/* ---- An idle process. ---- */

/*
 * The stated time (reclaimer.h): one grace period after the last guard that was active at retirement has ended, with
 * no timer and no call of the owner's involved. With reclaim=inline the owner reclaims at the end of a cycle and at no
 * other time, so there an idle process keeps its backlog, and the next cycle gives it back.
 */
static void expect_drained(struct graph *graph, uint64_t object_count)
{
    if (!graph_is_threaded(graph)) {
        assert_int_equal(graph_reclaimed_after_a_while(graph), 0);
        return;
    }
    assert_true(graph_reclaims_while_idle(graph, object_count));
    assert_int_equal(graph_stats(graph).backlog_bytes, 0);
    assert_int_equal(graph_epoch(graph)->open.object_count, 0);
}

static void idle_inside_an_iteration(struct graph *graph)
{
    struct sm_guard *guard = sm_owner_guard(graph->mm);
    sm_pin(guard, SM_HERE);
    for (int i = 0; i < RETIRED_IDLE; i++)
        graph_retire_one(graph);
    sm_offline(guard); /* a blocking read begins */
    expect_drained(graph, RETIRED_IDLE);
    sm_online(guard);
    sm_unpin(guard);
    graph_collect(graph);
    assert_true(graph_reclaims(graph, RETIRED_IDLE));
}

static void test_R4_an_owner_that_blocks_inside_its_iteration_drains_while_idle(void **state)
{
    (void)state;
    in_every_variant(idle_inside_an_iteration);
}

static void serve_a_request(struct graph *graph)
{
    assert_int_equal(sm_request_begin(graph->mm), SM_OK);
    sm_pin(sm_owner_guard(graph->mm), SM_HERE);
    for (int i = 0; i < RETIRED_IDLE; i++)
        graph_retire_one(graph);
    sm_unpin(sm_owner_guard(graph->mm));
    assert_int_equal(sm_request_end(graph->mm), SM_OK);
}

static void idle_after_a_request(struct graph *graph)
{
    serve_a_request(graph);
    expect_drained(graph, RETIRED_IDLE);
    assert_true(graph_reclaims(graph, RETIRED_IDLE));
    uint64_t sealed = graph_sealed_batches(graph);
    assert_int_equal(graph_reclaimed_after_a_while(graph), RETIRED_IDLE);
    assert_int_equal(graph_sealed_batches(graph), sealed); /* no garbage, no work */
}

static void test_an_owner_between_requests_drains_while_idle_and_then_nothing_runs(void **state)
{
    (void)state;
    in_every_variant(idle_after_a_request);
}

/* Looks without a pause, so that it sees the counts while they change. */
static struct sm_stats stats_once_reclaimed(struct graph *graph, uint64_t object_count)
{
    const uint64_t deadline_ns = sm_clock_ns() + EXIT_SECONDS * UINT64_C(1000000000);
    struct sm_stats stats;
    do
        stats = graph_stats(graph);
    while (stats.reclaimed_objects < object_count && sm_clock_ns() < deadline_ns);
    assert_int_equal(stats.reclaimed_objects, object_count);
    return stats;
}

static void watch_the_counts(struct graph *graph)
{
    for (uint64_t round = 1; graph_is_threaded(graph) && round <= WATCHED_ROUNDS; round++) {
        serve_a_request(graph);
        struct sm_stats stats = stats_once_reclaimed(graph, round * RETIRED_IDLE);
        assert_int_equal(stats.backlog_bytes, 0);
        assert_int_equal(stats.reclaimed_bytes, stats.retired_bytes);
    }
}

static void test_what_is_counted_as_reclaimed_has_left_the_backlog(void **state)
{
    (void)state;
    in_every_variant(watch_the_counts);
}

/* ---- Exit with pending retires. ---- */

/* In a process of its own: exits with a manager that nobody destroyed, its backlog held back by a reader and by itself. */
static int exit_with_a_backlog(const char *how, const char *policy)
{
    static struct graph graph;
    static struct reader reader;
    graph_open_policy(&graph, policy);
    if (strcmp(how, "held") == 0) {
        reader_start(&reader, graph.mm);
        reader_do(&reader, READER_PIN);
    }
    for (int i = 0; i < RETIRED_IDLE; i++)
        graph_retire_one(&graph);
    if (strcmp(how, "racing") != 0) {
        sm_pin(sm_owner_guard(graph.mm), SM_HERE);
        graph_retire_one(&graph); /* and an open batch */
    }
    return graph_stats(&graph).retired_objects >= RETIRED_IDLE ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Does not return. What a sanitizer says goes to standard error, which the parent reads. */
static void become(const char *how, char *policy, int standard_error)
{
    char program[] = "epoch_lifetime_test";
    char mode[16];
    snprintf(mode, sizeof(mode), "%s", how);
    char *const arguments[] = {program, mode, policy, NULL};
    dup2(standard_error, STDERR_FILENO);
    dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDOUT_FILENO);
    alarm(EXIT_SECONDS);
    execv("/proc/self/exe", arguments);
    _exit(127);
}

static size_t read_all(int descriptor, char *text, size_t text_bytes)
{
    size_t length = 0;
    ssize_t got;
    while (length < text_bytes - 1 && (got = read(descriptor, text + length, text_bytes - 1 - length)) > 0)
        length += (size_t)got;
    text[length] = '\0';
    return length;
}

struct leaver {
    char policy[EPOCH_VARIANT_BYTES];
    pid_t process;
    int standard_error;
};

static void leaver_start(struct leaver *leaver, const char *how)
{
    int pipe_ends[2];
    assert_int_equal(pipe2(pipe_ends, O_CLOEXEC), 0);
    leaver->process = fork();
    assert_true(leaver->process >= 0);
    if (leaver->process == 0)
        become(how, leaver->policy, pipe_ends[1]);
    close(pipe_ends[1]);
    leaver->standard_error = pipe_ends[0];
}

static void leaver_expect_clean_exit(struct leaver *leaver, const char *how)
{
    char said[STDERR_BYTES];
    int status = 0;
    size_t length = read_all(leaver->standard_error, said, sizeof(said));
    close(leaver->standard_error);
    assert_int_equal(waitpid(leaver->process, &status, 0), leaver->process);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != EXIT_SUCCESS || length != 0)
        fail_msg("%s, %s: wait status %#x, and it said: %s", leaver->policy, how, (unsigned)status, said);
}

/* All at once: a sanitizer makes each take its time at the exit. */
static void exit_in_every_variant(const char *how)
{
    struct leaver leavers[EPOCH_VARIANT_COUNT];
    size_t count = 0;
    for (size_t i = 0; i < EPOCH_VARIANT_COUNT; i++) {
        /* liburcu itself aborts a process that exits while a ring of defer_rcu is registered. */
        if (i % EPOCH_BACKEND_COUNT == EPOCH_BACKEND_DEFER_RCU)
            continue;
        epoch_variant_text(i, leavers[count].policy);
        leaver_start(&leavers[count++], how);
    }
    for (size_t i = 0; i < count; i++)
        leaver_expect_clean_exit(&leavers[i], how);
}

static void test_a_process_exits_cleanly_while_a_reader_holds_its_backlog_back(void **state)
{
    (void)state;
    exit_in_every_variant("held");
}

static void test_a_process_exits_cleanly_inside_its_owners_guard(void **state)
{
    (void)state;
    exit_in_every_variant("pinned");
}

static void test_a_process_exits_cleanly_while_its_backlog_is_being_reclaimed(void **state)
{
    (void)state;
    exit_in_every_variant("racing");
}

int main(int argc, char **argv)
{
    if (argc == 3)
        return exit_with_a_backlog(argv[1], argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R5_a_destructor_may_retire_pin_and_collect),
        cmocka_unit_test(test_R5_a_destructor_may_retire_pin_and_collect_while_the_manager_is_destroyed),
        cmocka_unit_test(test_R14_what_guards_left_by_an_observers_longjmp_held_back_is_reclaimed_once_restored),
        cmocka_unit_test(test_R14_a_batch_left_open_by_the_owners_longjmp_is_sealed_by_the_restoration),
        cmocka_unit_test(test_R4_an_owner_that_blocks_inside_its_iteration_drains_while_idle),
        cmocka_unit_test(test_an_owner_between_requests_drains_while_idle_and_then_nothing_runs),
        cmocka_unit_test(test_what_is_counted_as_reclaimed_has_left_the_backlog),
        cmocka_unit_test(test_a_process_exits_cleanly_while_a_reader_holds_its_backlog_back),
        cmocka_unit_test(test_a_process_exits_cleanly_inside_its_owners_guard),
        cmocka_unit_test(test_a_process_exits_cleanly_while_its_backlog_is_being_reclaimed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
