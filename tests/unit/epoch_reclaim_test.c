/** When the epoch policy reuses memory: grace periods, bounds of the backlog, emergencies, back-ends. */
#include "epoch_graph.h"

#include <pthread.h>
#include <semaphore.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const flavors[] = {"memb", "qsbr", "mb", "bp"};
enum { FLAVOR_COUNT = 4, PATIENCE_MS = 20000, NOT_YET_MS = 20 };

/* ---- A second thread that does one thing to its guard at a time. ---- */

enum reader_step {
    READER_PIN,
    READER_UNPIN,
    READER_REPIN,
    READER_OFFLINE,
    READER_ONLINE,
    READER_END,
};

struct reader {
    struct sm_manager *mm;
    pthread_t thread;
    sem_t go, done;
    enum reader_step step;
};

#define READER_SITE "epoch_reclaim_test.c:reader"

static void reader_act(struct sm_guard *guard, enum reader_step step)
{
    switch (step) {
    case READER_PIN:
        sm_pin(guard, READER_SITE);
        return;
    case READER_UNPIN:
        sm_unpin(guard);
        return;
    case READER_REPIN:
        sm_repin(guard, READER_SITE);
        return;
    case READER_OFFLINE:
        sm_offline(guard);
        return;
    case READER_ONLINE:
        sm_online(guard);
        return;
    case READER_END:
        sm_observer_unregister(guard);
        return;
    }
}

static void *reader_main(void *context)
{
    struct reader *reader = context;
    struct sm_guard *guard = NULL;
    if (sm_observer_register(reader->mm, "slow-reader", &guard) != SM_OK)
        return NULL;
    enum reader_step step;
    do {
        sem_post(&reader->done);
        sem_wait(&reader->go);
        step = reader->step;
        reader_act(guard, step);
    } while (step != READER_END);
    sem_post(&reader->done);
    return NULL;
}

static void reader_start(struct reader *reader, struct sm_manager *mm)
{
    *reader = (struct reader){.mm = mm};
    assert_int_equal(sm_observers_allow(mm), SM_OK);
    sem_init(&reader->go, 0, 0);
    sem_init(&reader->done, 0, 0);
    assert_int_equal(pthread_create(&reader->thread, NULL, reader_main, reader), 0);
    sem_wait(&reader->done);
}

static void reader_do(struct reader *reader, enum reader_step step)
{
    reader->step = step;
    sem_post(&reader->go);
    sem_wait(&reader->done);
}

static void reader_stop(struct reader *reader)
{
    reader_do(reader, READER_END);
    pthread_join(reader->thread, NULL);
    sem_destroy(&reader->go);
    sem_destroy(&reader->done);
}

/* ---- Helpers of this file. ---- */

static void open_flavor(struct graph *graph, const char *flavor, const char *more)
{
    char policy[128];
    snprintf(policy, sizeof(policy), "epoch:flavor=%s%s", flavor, more);
    graph_open_policy(graph, policy);
}

/* Only looks, never helps: what happens here happens while the owner is idle. */
static bool reclaims_while_idle(struct graph *graph, uint64_t object_count)
{
    for (int ms = 0; ms < PATIENCE_MS; ms++) {
        if (graph_stats(graph).reclaimed_objects >= object_count)
            return true;
        sleep_ms(1);
    }
    return false;
}

static uint64_t reclaimed_after_a_while(struct graph *graph)
{
    sleep_ms(NOT_YET_MS);
    return graph_stats(graph).reclaimed_objects;
}

static void retire_one(struct graph *graph)
{
    sm_retire(graph->mm, &node_new(graph, 1)->header);
}

/* ---- R2: not before, and in bounded time after. ---- */

static void test_R2_reuse_waits_for_the_last_guard_and_then_happens(void **state)
{
    (void)state;
    for (size_t f = 0; f < FLAVOR_COUNT; f++) {
        struct graph graph;
        struct reader early, late;
        open_flavor(&graph, flavors[f], "");
        reader_start(&early, graph.mm);
        reader_start(&late, graph.mm);
        reader_do(&early, READER_PIN);
        reader_do(&late, READER_PIN);
        retire_one(&graph);
        assert_int_equal(reclaimed_after_a_while(&graph), 0);
        reader_do(&early, READER_UNPIN);
        assert_int_equal(reclaimed_after_a_while(&graph), 0);
        assert_true(graph_stats(&graph).backlog_bytes > 0);
        reader_do(&late, READER_UNPIN);
        assert_true(reclaims_while_idle(&graph, 1));
        assert_int_equal(sm_quiesce(graph.mm), SM_OK);
        assert_int_equal(graph_stats(&graph).backlog_bytes, 0);
        reader_stop(&early);
        reader_stop(&late);
        graph_close(&graph);
    }
}

static void test_R2_a_later_guard_does_not_hold_back_what_was_reclaimable_before(void **state)
{
    (void)state;
    struct graph graph;
    struct reader reader;
    graph_open_policy(&graph, "epoch");
    reader_start(&reader, graph.mm);
    retire_one(&graph);
    assert_true(reclaims_while_idle(&graph, 1));
    reader_do(&reader, READER_PIN);
    assert_int_equal(graph_stats(&graph).reclaimed_objects, 1);
    reader_do(&reader, READER_UNPIN);
    reader_stop(&reader);
    graph_close(&graph);
}

static void test_R2_an_inner_unpin_ends_nothing(void **state)
{
    (void)state;
    for (size_t f = 0; f < FLAVOR_COUNT; f++) {
        struct graph graph;
        struct reader reader;
        open_flavor(&graph, flavors[f], "");
        reader_start(&reader, graph.mm);
        reader_do(&reader, READER_PIN);
        reader_do(&reader, READER_PIN);
        retire_one(&graph);
        reader_do(&reader, READER_UNPIN);
        assert_int_equal(reclaimed_after_a_while(&graph), 0);
        reader_do(&reader, READER_REPIN);
        reader_do(&reader, READER_UNPIN);
        assert_true(reclaims_while_idle(&graph, 1));
        reader_stop(&reader);
        graph_close(&graph);
    }
}

static void test_R2_a_repin_at_depth_two_ends_nothing(void **state)
{
    (void)state;
    struct graph graph;
    struct reader reader;
    graph_open_policy(&graph, "epoch:flavor=qsbr");
    reader_start(&reader, graph.mm);
    reader_do(&reader, READER_PIN);
    reader_do(&reader, READER_PIN);
    retire_one(&graph);
    reader_do(&reader, READER_REPIN);
    assert_int_equal(reclaimed_after_a_while(&graph), 0);
    reader_do(&reader, READER_UNPIN);
    reader_do(&reader, READER_UNPIN);
    assert_true(reclaims_while_idle(&graph, 1));
    reader_stop(&reader);
    graph_close(&graph);
}

static void test_R4_repin_and_offline_release(void **state)
{
    (void)state;
    for (size_t f = 0; f < FLAVOR_COUNT; f++) {
        struct graph graph;
        struct reader reader;
        open_flavor(&graph, flavors[f], "");
        reader_start(&reader, graph.mm);
        reader_do(&reader, READER_PIN);
        retire_one(&graph);
        assert_int_equal(reclaimed_after_a_while(&graph), 0);
        reader_do(&reader, READER_REPIN);
        assert_true(reclaims_while_idle(&graph, 1));
        retire_one(&graph);
        assert_int_equal(reclaimed_after_a_while(&graph), 1);
        reader_do(&reader, READER_OFFLINE);
        assert_true(reclaims_while_idle(&graph, 2));
        retire_one(&graph);
        assert_true(reclaims_while_idle(&graph, 3));
        reader_do(&reader, READER_ONLINE);
        retire_one(&graph);
        assert_int_equal(reclaimed_after_a_while(&graph), 3);
        reader_do(&reader, READER_UNPIN);
        assert_true(reclaims_while_idle(&graph, 4));
        reader_stop(&reader);
        graph_close(&graph);
    }
}

static void test_R2_the_owners_own_guard_counts(void **state)
{
    (void)state;
    for (size_t f = 0; f < FLAVOR_COUNT; f++) {
        struct graph graph;
        open_flavor(&graph, flavors[f], "");
        struct sm_guard *guard = sm_owner_guard(graph.mm);
        sm_pin(guard, SM_HERE);
        for (int i = 0; i < 5000; i++) /* more than an open batch holds */
            retire_one(&graph);
        assert_int_equal(reclaimed_after_a_while(&graph), 0);
        sm_unpin(guard);
        assert_true(reclaims_while_idle(&graph, 5000));
        graph_close(&graph);
    }
}

/* A batch script: one iteration for ever, and every byte it drops comes back all the same. */
static void test_R4_an_owner_that_never_leaves_its_iteration_reclaims_at_safepoints(void **state)
{
    (void)state;
    for (size_t f = 0; f < FLAVOR_COUNT; f++) {
        struct graph graph;
        open_flavor(&graph, flavors[f], "");
        sm_pin(sm_owner_guard(graph.mm), SM_HERE);
        for (int i = 0; i < 100; i++)
            retire_one(&graph);
        struct sm_stats stats = graph_stats(&graph);
        for (int ms = 0; stats.reclaimed_objects < 100 && ms < PATIENCE_MS; ms++) {
            for (uint64_t i = 0; i < 100; i++) {
                graph.roots[0] = node_new(&graph, i);
                sm_safepoint(graph.mm);
            }
            sleep_ms(1);
            stats = graph_stats(&graph);
        }
        assert_true(stats.reclaimed_objects >= 100);
        assert_int_equal(sm_guard_depth(sm_owner_guard(graph.mm)), 1);
        sm_unpin(sm_owner_guard(graph.mm));
        graph_close(&graph);
    }
}

/* ---- R3: several managers. ---- */

static void test_R3_two_managers_on_one_thread_keep_their_guards_apart(void **state)
{
    (void)state;
    for (size_t f = 0; f < FLAVOR_COUNT; f++) {
        struct graph first, second;
        open_flavor(&first, flavors[f], "");
        open_flavor(&second, flavors[f], "");
        sm_pin(sm_owner_guard(first.mm), SM_HERE);
        sm_pin(sm_owner_guard(second.mm), SM_HERE);
        for (int i = 0; i < 5000; i++)
            retire_one(&first);
        sm_repin(sm_owner_guard(second.mm), SM_HERE);
        sm_unpin(sm_owner_guard(second.mm)); /* must not end the first one's guard */
        assert_int_equal(reclaimed_after_a_while(&first), 0);
        sm_unpin(sm_owner_guard(first.mm));
        assert_true(reclaims_while_idle(&first, 5000));
        graph_close(&first);
        retire_one(&second); /* still registered */
        assert_true(reclaims_while_idle(&second, 1));
        graph_close(&second);
    }
}

static void test_R3_nobody_waits_under_another_managers_guard(void **state)
{
    (void)state;
    struct graph threaded, in_line, other;
    graph_open_policy(&threaded, "epoch:flavor=memb");
    graph_open_policy(&in_line, "epoch:flavor=qsbr,reclaim=inline");
    graph_open_policy(&other, "epoch:flavor=memb");
    sm_pin(sm_owner_guard(other.mm), SM_HERE);
    node_new(&threaded, 1);
    node_new(&in_line, 1);
    assert_int_equal(sm_quiesce(threaded.mm), SM_ERR_GUARD_HELD);
    assert_int_equal(graph_stats(&threaded).reclaimed_objects, 0);
    graph_collect(&in_line); /* the cycle itself still retires */
    assert_int_equal(graph_stats(&in_line).retired_objects, 1);
    assert_int_equal(graph_stats(&in_line).reclaimed_objects, 0);
    assert_int_equal(sm_collect(in_line.mm, SM_COLLECT_FULL), SM_ERR_GUARD_HELD);
    sm_unpin(sm_owner_guard(other.mm));
    graph_collect(&in_line);
    assert_int_equal(graph_stats(&in_line).backlog_bytes, 0);
    assert_true(reclaims_while_idle(&threaded, 1));
    graph_close(&threaded);
    graph_close(&in_line);
    graph_close(&other);
}

static void test_R3_destroying_under_another_managers_guard_neither_waits_nor_frees_too_early(void **state)
{
    (void)state;
    static const char *const policies[] = {"epoch", "epoch:reclaim=inline"};
    for (size_t p = 0; p < 2; p++) {
        struct graph other, graph;
        graph_open_policy(&other, "epoch");
        sm_pin(sm_owner_guard(other.mm), SM_HERE);
        graph_open_policy(&graph, policies[p]);
        for (int i = 0; i < 1000; i++)
            retire_one(&graph);
        graph.roots[0] = node_new(&graph, 2);
        graph_close(&graph);
        sm_unpin(sm_owner_guard(other.mm));
        graph_close(&other);
    }
}

/* ---- R6: the backlog is bounded. ---- */

struct stalls {
    size_t count;
    struct sm_guard_report last;
    size_t pauses[SM_PAUSE_CAUSE_COUNT];
};

static void note_stall(void *context, const struct sm_guard_report *report)
{
    struct stalls *stalls = context;
    stalls->count++;
    stalls->last = *report;
}

static void note_pause(void *context, const struct sm_pause_record *pause)
{
    ((struct stalls *)context)->pauses[pause->cause]++;
}

enum { STALL_LIMIT_BYTES = 4 << 20, STALL_COLLECT_BYTES = 128 << 10, STALL_NODE_BYTES = 1000 };

/* Allocate garbage, with safepoints, until memory is refused or `bytes` went by. */
static bool churn(struct graph *graph, uint64_t bytes)
{
    uint64_t end = graph_stats(graph).alloc_bytes + bytes;
    while (graph_stats(graph).alloc_bytes < end) {
        struct node *node = node_try(graph, graph->node_type, 1, STALL_NODE_BYTES);
        if (node == NULL)
            return false;
        graph->roots[0] = node;
        sm_safepoint(graph->mm);
    }
    return true;
}

static void open_stalling(struct graph *graph, struct stalls *stalls, const char *reclaim)
{
    char policy[128];
    snprintf(policy, sizeof(policy), "epoch:backlog-limit=4M,stall-report=5,reclaim=%s", reclaim);
    *stalls = (struct stalls){0};
    struct sm_config config = {
        .policy = policy,
        .pacing = "never",
        .collect_every_bytes = STALL_COLLECT_BYTES,
        .hooks = {.context = stalls, .on_guard_stall = note_stall, .on_pause = note_pause},
    };
    graph_open(graph, &config);
}

static void stalled_guard(const char *reclaim)
{
    struct graph graph;
    struct stalls stalls;
    struct reader reader;
    open_stalling(&graph, &stalls, reclaim);
    reader_start(&reader, graph.mm);
    reader_do(&reader, READER_PIN);
    assert_false(churn(&graph, 64 << 20));
    assert_int_equal(sm_error_status(graph.mm), SM_ERR_OUT_OF_MEMORY);
    const char *detail = sm_error_detail(graph.mm);
    if (strstr(detail, "slow-reader") == NULL || strstr(detail, READER_SITE) == NULL || strstr(detail, " ms") == NULL)
        fail_msg("the line does not name the guard, its site and its age: %s", detail);
    struct sm_stats stats = graph_stats(&graph);
    assert_true(stats.backlog_bytes >= STALL_LIMIT_BYTES);
    assert_true(stats.peak_backlog_bytes <= STALL_LIMIT_BYTES + 2 * STALL_COLLECT_BYTES);
    assert_int_equal(stalls.count, 1); /* once per stall */
    assert_int_equal(stats.guard_stalls, 1);
    assert_string_equal(stalls.last.thread, "slow-reader");
    assert_string_equal(stalls.last.site, READER_SITE);
    assert_true(stalls.last.age_ns >= 5000000);
    assert_true(stalls.pauses[SM_PAUSE_ASSIST] >= 1);
    assert_true(node_is_intact(graph.roots[0]));
    reader_do(&reader, READER_UNPIN);
    assert_true(churn(&graph, 1 << 20)); /* usable again */
    assert_int_equal(sm_quiesce(graph.mm), SM_OK);
    assert_int_equal(graph_stats(&graph).backlog_bytes, 0);
    reader_stop(&reader);
    graph_close(&graph);
}

static void test_R6_a_stalled_guard_bounds_the_backlog_and_is_named(void **state)
{
    (void)state;
    stalled_guard("thread");
}

static void test_R6_a_stalled_guard_bounds_the_backlog_inline_too(void **state)
{
    (void)state;
    stalled_guard("inline");
}

static void test_R6_a_second_stall_is_reported_again(void **state)
{
    (void)state;
    struct graph graph;
    struct stalls stalls;
    struct reader reader;
    open_stalling(&graph, &stalls, "thread");
    reader_start(&reader, graph.mm);
    for (size_t i = 1; i <= 2; i++) {
        reader_do(&reader, READER_PIN);
        assert_false(churn(&graph, 64 << 20));
        assert_int_equal(stalls.count, i);
        reader_do(&reader, READER_UNPIN);
        assert_int_equal(sm_quiesce(graph.mm), SM_OK);
    }
    reader_stop(&reader);
    graph_close(&graph);
}

/* ---- R7: the limit. ---- */

static void hit_the_limit(const char *policy)
{
    struct graph graph;
    struct sm_config config = {.policy = policy, .pacing = "never", .memory_limit_bytes = 2 << 20};
    graph_open(&graph, &config);
    sm_pin(sm_owner_guard(graph.mm), SM_HERE);
    /* Garbage never runs out of memory: each refusal is answered by an emergency cycle, the guard notwithstanding. */
    assert_true(churn(&graph, 16 << 20));
    assert_true(graph_stats(&graph).cycles_by_trigger[SM_TRIGGER_EMERGENCY] >= 1);
    assert_true(graph_stats(&graph).peak_committed_bytes <= config.memory_limit_bytes);
    struct node *node;
    uint64_t kept_count = 0;
    while ((node = node_try(&graph, graph.node_type, kept_count, STALL_NODE_BYTES)) != NULL) {
        node_link(&graph, node, 0, graph.roots[1]);
        graph.roots[1] = node;
        kept_count++;
        sm_safepoint(graph.mm);
    }
    assert_int_equal(sm_error_status(graph.mm), SM_ERR_OUT_OF_MEMORY);
    assert_null(strstr(sm_error_detail(graph.mm), "held back by")); /* nobody is */
    uint64_t chain_length = 0;
    for (node = graph.roots[1]; node != NULL; node = node_edge(node, 0), chain_length++)
        assert_true(node_is_intact(node));
    assert_int_equal(chain_length, kept_count);
    graph.roots[1] = NULL;
    sm_safepoint(graph.mm);
    assert_true(churn(&graph, 4 << 20));
    sm_unpin(sm_owner_guard(graph.mm));
    graph_close(&graph);
}

static void test_R7_the_limit_ends_in_out_of_memory_with_the_heap_usable(void **state)
{
    (void)state;
    char policy[64];
    for (size_t f = 0; f < FLAVOR_COUNT; f++) {
        snprintf(policy, sizeof(policy), "epoch:flavor=%s", flavors[f]);
        hit_the_limit(policy);
        snprintf(policy, sizeof(policy), "epoch:flavor=%s,reclaim=inline", flavors[f]);
        hit_the_limit(policy);
    }
}

/* ---- reclaim=inline. ---- */

static void inline_run(struct sm_stats *samples, size_t sample_count)
{
    struct graph graph;
    struct sm_config config = {.policy = "epoch:reclaim=inline", .threshold_bytes = 256 << 10};
    graph_open(&graph, &config);
    for (size_t s = 0; s < sample_count; s++) {
        sm_pin(sm_owner_guard(graph.mm), SM_HERE);
        for (uint64_t i = 0; i < 3000; i++) {
            struct node *node = node_try(&graph, graph.node_type, i, (i * 37) % 500);
            graph.roots[i % 7] = node;
            if (i % 11 == 0) {
                graph.roots[i % 7] = NULL;
                sm_retire(graph.mm, &node->header);
            }
            sm_safepoint(graph.mm);
        }
        sm_unpin(sm_owner_guard(graph.mm));
        samples[s] = graph_stats(&graph);
    }
    graph_close(&graph);
}

static void test_inline_reclamation_depends_on_the_program_alone(void **state)
{
    (void)state;
    enum { SAMPLES = 8 };
    struct sm_stats first[SAMPLES], second[SAMPLES];
    inline_run(first, SAMPLES);
    inline_run(second, SAMPLES);
    assert_true(first[SAMPLES - 1].cycles > 10);
    for (size_t s = 0; s < SAMPLES; s++) {
        assert_int_equal(first[s].cycles, second[s].cycles);
        assert_int_equal(first[s].retired_bytes, second[s].retired_bytes);
        assert_int_equal(first[s].reclaimed_bytes, second[s].reclaimed_bytes);
        assert_int_equal(first[s].backlog_bytes, second[s].backlog_bytes);
        assert_int_equal(first[s].committed_bytes, second[s].committed_bytes);
        assert_int_equal(first[s].peak_committed_bytes, second[s].peak_committed_bytes);
        assert_int_equal(first[s].policy_bytes, second[s].policy_bytes);
        assert_int_equal(first[s].epoch, second[s].epoch);
    }
}

static void test_inline_cycles_do_not_hang_on_a_stalled_observer(void **state)
{
    (void)state;
    struct graph graph;
    struct reader reader;
    graph_open_policy(&graph, "epoch:reclaim=inline");
    reader_start(&reader, graph.mm);
    reader_do(&reader, READER_PIN);
    node_new(&graph, 1);
    graph_collect(&graph);
    assert_int_equal(graph_stats(&graph).retired_objects, 1);
    assert_int_equal(graph_stats(&graph).reclaimed_objects, 0);
    reader_do(&reader, READER_UNPIN);
    graph_collect(&graph);
    assert_int_equal(graph_stats(&graph).reclaimed_objects, 1);
    reader_stop(&reader);
    graph_close(&graph);
}

/* ---- Beginning and end. ---- */

static void test_destroy_drains_what_is_pending(void **state)
{
    (void)state;
    char policy[64];
    for (size_t f = 0; f < FLAVOR_COUNT; f++) {
        for (size_t r = 0; r < 2; r++) {
            struct graph graph;
            snprintf(policy, sizeof(policy), "epoch:flavor=%s,reclaim=%s", flavors[f], r == 0 ? "thread" : "inline");
            graph_open_policy(&graph, policy);
            for (uint64_t i = 0; i < 1000; i++) {
                graph.roots[i % 5] = node_new(&graph, i);
                retire_one(&graph);
            }
            sm_pin(sm_owner_guard(graph.mm), SM_HERE);
            retire_one(&graph);
            graph_close(&graph); /* asserts in a checked build that no byte is still committed */
        }
    }
}

static void test_R14_a_forked_child_is_refused_and_can_leave(void **state)
{
    (void)state;
    struct graph graph;
    graph_open_policy(&graph, "epoch");
    graph.roots[0] = node_new(&graph, 1);
    retire_one(&graph);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        bool refused = sm_collect(graph.mm, SM_COLLECT_FULL) == SM_ERR_FORKED;
        sm_manager_destroy(graph.mm);
        _exit(refused ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    graph_collect(&graph);
    assert_true(sm_is_valid(graph.mm, &graph.roots[0]->header));
    graph_close(&graph);
}

static void test_options_are_checked(void **state)
{
    (void)state;
    static const char *const wrong[] = {"epoch:flavor=signal", "epoch:reclaim=call_rcu", "epoch:backlog-limit=-1",
                                        "epoch:stall-report=0", "epoch:flavour=memb"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct sm_manager *mm = NULL;
        struct sm_error error = {0};
        struct sm_config config = {.policy = wrong[i]};
        assert_int_equal(sm_manager_create(&config, &mm, &error), SM_ERR_INVALID_ARGUMENT);
        assert_null(mm);
        assert_true(error.detail[0] != '\0');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R2_reuse_waits_for_the_last_guard_and_then_happens),
        cmocka_unit_test(test_R2_a_later_guard_does_not_hold_back_what_was_reclaimable_before),
        cmocka_unit_test(test_R2_an_inner_unpin_ends_nothing),
        cmocka_unit_test(test_R2_a_repin_at_depth_two_ends_nothing),
        cmocka_unit_test(test_R4_repin_and_offline_release),
        cmocka_unit_test(test_R2_the_owners_own_guard_counts),
        cmocka_unit_test(test_R4_an_owner_that_never_leaves_its_iteration_reclaims_at_safepoints),
        cmocka_unit_test(test_R3_two_managers_on_one_thread_keep_their_guards_apart),
        cmocka_unit_test(test_R3_nobody_waits_under_another_managers_guard),
        cmocka_unit_test(test_R3_destroying_under_another_managers_guard_neither_waits_nor_frees_too_early),
        cmocka_unit_test(test_R6_a_stalled_guard_bounds_the_backlog_and_is_named),
        cmocka_unit_test(test_R6_a_stalled_guard_bounds_the_backlog_inline_too),
        cmocka_unit_test(test_R6_a_second_stall_is_reported_again),
        cmocka_unit_test(test_R7_the_limit_ends_in_out_of_memory_with_the_heap_usable),
        cmocka_unit_test(test_inline_reclamation_depends_on_the_program_alone),
        cmocka_unit_test(test_inline_cycles_do_not_hang_on_a_stalled_observer),
        cmocka_unit_test(test_destroy_drains_what_is_pending),
        cmocka_unit_test(test_R14_a_forked_child_is_refused_and_can_leave),
        cmocka_unit_test(test_options_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
