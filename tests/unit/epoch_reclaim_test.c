/** How the epoch policy reclaims: bounds of the backlog, emergencies, reclamation in line, beginning and end. */
#include "epoch_reader.h"

#include <sys/wait.h>
#include <unistd.h>

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
    if (strstr(detail, READER_NAME) == NULL || strstr(detail, READER_SITE) == NULL || strstr(detail, " ms") == NULL)
        fail_msg("the line does not name the guard, its site and its age: %s", detail);
    struct sm_stats stats = graph_stats(&graph);
    assert_true(stats.backlog_bytes >= STALL_LIMIT_BYTES);
    assert_true(stats.peak_backlog_bytes <= STALL_LIMIT_BYTES + 2 * STALL_COLLECT_BYTES);
    assert_int_equal(stalls.count, 1); /* once per stall */
    assert_int_equal(stats.guard_stalls, 1);
    assert_string_equal(stalls.last.thread, READER_NAME);
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

/* ---- In line: an iteration that never ends reuses what it made, though only cycles beside the program run. ---- */

enum { INLINE_THRESHOLD_BYTES = 1 << 20, INLINE_WORK_BYTES = 32 << 20 };

static void test_inline_backlog_stays_within_thresholds(void **state)
{
    (void)state;
    struct graph graph;
    struct sm_config config = {.policy = "epoch:reclaim=inline,young=never",
                               .pacing = "fixed:1M",
                               .collector_threads = SM_COLLECTOR_THREADS_NONE};
    graph_open(&graph, &config);
    sm_pin(sm_owner_guard(graph.mm), SM_HERE);
    assert_true(churn(&graph, INLINE_WORK_BYTES));
    struct sm_stats stats = graph_stats(&graph);
    assert_true(stats.peak_backlog_bytes > 0);
    assert_in_range(stats.peak_backlog_bytes, 1, 4 * INLINE_THRESHOLD_BYTES);
    sm_unpin(sm_owner_guard(graph.mm));
    graph_close(&graph);
}

static void test_inline_backlog_grows_under_an_observer_and_falls_after_it(void **state)
{
    (void)state;
    struct graph graph;
    struct reader reader;
    struct sm_config config = {.policy = "epoch:reclaim=inline,young=never",
                               .pacing = "fixed:1M",
                               .collector_threads = SM_COLLECTOR_THREADS_NONE};
    graph_open(&graph, &config);
    reader_start(&reader, graph.mm);
    reader_do(&reader, READER_PIN);
    assert_true(churn(&graph, INLINE_WORK_BYTES / 2));
    assert_true(graph_stats(&graph).backlog_bytes > 4 * INLINE_THRESHOLD_BYTES);
    reader_do(&reader, READER_UNPIN);
    assert_true(churn(&graph, INLINE_WORK_BYTES));
    assert_true(graph_stats(&graph).backlog_bytes <= 4 * INLINE_THRESHOLD_BYTES);
    reader_stop(&reader);
    graph_close(&graph);
}

/* ---- R7: the limit. ---- */

static void *unpin_later(void *context)
{
    sleep_ms(300); /* three times as long as an emergency waits for a guard of its own manager */
    reader_do((struct reader *)context, READER_UNPIN);
    return NULL;
}

/* No guard of the manager is in the way: a reclaimer that is late, here for another manager's reader, is waited for. */
static void test_R7_an_emergency_waits_for_a_reclaimer_that_is_late(void **state)
{
    (void)state;
    struct graph graph, other;
    struct sm_config config = {.policy = "epoch", .pacing = "never", .memory_limit_bytes = 2 << 20};
    struct sm_config plain = {.policy = "epoch"};
    struct reader reader;
    pthread_t thread;
    graph_open(&graph, &config);
    graph_open(&other, &plain);
    reader_start(&reader, other.mm);
    reader_do(&reader, READER_PIN);
    assert_int_equal(pthread_create(&thread, NULL, unpin_later, &reader), 0);
    assert_true(churn(&graph, 4 << 20));
    assert_true(graph_stats(&graph).cycles_by_trigger[SM_TRIGGER_EMERGENCY] >= 1);
    pthread_join(thread, NULL);
    reader_stop(&reader);
    graph_close(&other);
    graph_close(&graph);
}

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
    for (size_t f = 0; f < EPOCH_FLAVOR_COUNT; f++) {
        snprintf(policy, sizeof(policy), "epoch:flavor=%s", epoch_flavors[f]);
        hit_the_limit(policy);
        snprintf(policy, sizeof(policy), "epoch:flavor=%s,reclaim=inline", epoch_flavors[f]);
        hit_the_limit(policy);
    }
}

/* ---- reclaim=inline. ---- */

static void inline_run(struct sm_stats *samples, size_t sample_count)
{
    struct graph graph;
    struct sm_config config = {
        .policy = "epoch:reclaim=inline", .collector_threads = SM_COLLECTOR_THREADS_NONE, .threshold_bytes = 256 << 10};
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

static void collect_past_a_stalled_observer(struct graph *graph, struct reader *reader)
{
    reader_do(reader, READER_PIN);
    node_new(graph, 1);
    graph_collect(graph);
    assert_int_equal(graph_stats(graph).retired_objects, 1);
    assert_int_equal(graph_stats(graph).reclaimed_objects, 0);
    reader_do(reader, READER_UNPIN);
    graph_collect(graph);
    assert_int_equal(graph_stats(graph).reclaimed_objects, 1);
}

static void test_inline_cycles_do_not_hang_on_a_stalled_observer(void **state)
{
    (void)state;
    with_reader("epoch:reclaim=inline", collect_past_a_stalled_observer);
}

/* ---- Beginning and end. ---- */

static void test_destroy_drains_what_is_pending(void **state)
{
    (void)state;
    char policy[64];
    for (size_t f = 0; f < EPOCH_FLAVOR_COUNT; f++) {
        for (size_t r = 0; r < 2; r++) {
            struct graph graph;
            snprintf(policy, sizeof(policy), "epoch:flavor=%s,reclaim=%s", epoch_flavors[f],
                     r == 0 ? "thread" : "inline");
            graph_open_policy(&graph, policy);
            for (uint64_t i = 0; i < 1000; i++) {
                graph.roots[i % 5] = node_new(&graph, i);
                graph_retire_one(&graph);
            }
            sm_pin(sm_owner_guard(graph.mm), SM_HERE);
            graph_retire_one(&graph);
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
    graph_retire_one(&graph);
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
    static const char *const wrong[] = {"epoch:flavor=signal", "epoch:reclaim=signal", "epoch:backlog-limit=-1",
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
        cmocka_unit_test(test_R6_a_stalled_guard_bounds_the_backlog_and_is_named),
        cmocka_unit_test(test_R6_a_stalled_guard_bounds_the_backlog_inline_too),
        cmocka_unit_test(test_R6_a_second_stall_is_reported_again),
        cmocka_unit_test(test_inline_backlog_stays_within_thresholds),
        cmocka_unit_test(test_inline_backlog_grows_under_an_observer_and_falls_after_it),
        cmocka_unit_test(test_R7_an_emergency_waits_for_a_reclaimer_that_is_late),
        cmocka_unit_test(test_R7_the_limit_ends_in_out_of_memory_with_the_heap_usable),
        cmocka_unit_test(test_inline_reclamation_depends_on_the_program_alone),
        cmocka_unit_test(test_inline_cycles_do_not_hang_on_a_stalled_observer),
        cmocka_unit_test(test_destroy_drains_what_is_pending),
        cmocka_unit_test(test_R14_a_forked_child_is_refused_and_can_leave),
        cmocka_unit_test(test_options_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
