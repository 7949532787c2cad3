/** When the epoch policy may reuse memory: not before the last guard ends, and in bounded time after. */
#include "epoch_reader.h"

enum { PATIENCE_MS = 20000 };

/* ---- R2: not before, and in bounded time after. ---- */

static void wait_for_both(struct graph *graph, struct reader *early)
{
    struct reader late;
    reader_start(&late, graph->mm);
    reader_do(early, READER_PIN);
    reader_do(&late, READER_PIN);
    graph_retire_one(graph);
    assert_int_equal(graph_reclaimed_after_a_while(graph), 0);
    reader_do(early, READER_UNPIN);
    assert_int_equal(graph_reclaimed_after_a_while(graph), 0);
    assert_true(graph_stats(graph).backlog_bytes > 0);
    reader_do(&late, READER_UNPIN);
    assert_true(graph_reclaims_while_idle(graph, 1));
    assert_int_equal(sm_quiesce(graph->mm), SM_OK);
    assert_int_equal(graph_stats(graph).backlog_bytes, 0);
    reader_stop(&late);
}

static void test_R2_reuse_waits_for_the_last_guard_and_then_happens(void **state)
{
    (void)state;
    with_reader_in_every_flavor(wait_for_both);
}

static void retire_then_pin(struct graph *graph, struct reader *reader)
{
    graph_retire_one(graph);
    assert_true(graph_reclaims_while_idle(graph, 1));
    reader_do(reader, READER_PIN);
    assert_int_equal(graph_stats(graph).reclaimed_objects, 1);
    reader_do(reader, READER_UNPIN);
}

static void test_R2_a_later_guard_does_not_hold_back_what_was_reclaimable_before(void **state)
{
    (void)state;
    with_reader("epoch", retire_then_pin);
}

static void unpin_inner(struct graph *graph, struct reader *reader)
{
    reader_do(reader, READER_PIN);
    reader_do(reader, READER_PIN);
    graph_retire_one(graph);
    reader_do(reader, READER_UNPIN);
    assert_int_equal(graph_reclaimed_after_a_while(graph), 0);
    reader_do(reader, READER_REPIN);
    reader_do(reader, READER_UNPIN);
    assert_true(graph_reclaims_while_idle(graph, 1));
}

static void test_R2_an_inner_unpin_ends_nothing(void **state)
{
    (void)state;
    with_reader_in_every_flavor(unpin_inner);
}

static void repin_at_depth_two(struct graph *graph, struct reader *reader)
{
    reader_do(reader, READER_PIN);
    reader_do(reader, READER_PIN);
    graph_retire_one(graph);
    reader_do(reader, READER_REPIN);
    assert_int_equal(graph_reclaimed_after_a_while(graph), 0);
    reader_do(reader, READER_UNPIN);
    reader_do(reader, READER_UNPIN);
    assert_true(graph_reclaims_while_idle(graph, 1));
}

static void test_R2_a_repin_at_depth_two_ends_nothing(void **state)
{
    (void)state;
    with_reader("epoch:flavor=qsbr", repin_at_depth_two);
}

/* One repin may come before the grace period has begun, on a machine that is slow to begin it. */
static bool reclaims_as_it_repins(struct graph *graph, struct reader *reader)
{
    for (int i = 0; i < 1000 && graph_reclaimed_after_a_while(graph) == 0; i++)
        reader_do(reader, READER_REPIN);
    return graph_stats(graph).reclaimed_objects == 1;
}

static void repin_and_go_offline(struct graph *graph, struct reader *reader)
{
    reader_do(reader, READER_PIN);
    graph_retire_one(graph);
    assert_int_equal(graph_reclaimed_after_a_while(graph), 0);
    reader_do(reader, READER_REPIN);
    assert_true(reclaims_as_it_repins(graph, reader));
    graph_retire_one(graph);
    assert_int_equal(graph_reclaimed_after_a_while(graph), 1);
    reader_do(reader, READER_OFFLINE);
    assert_true(graph_reclaims_while_idle(graph, 2));
    graph_retire_one(graph);
    assert_true(graph_reclaims_while_idle(graph, 3));
    reader_do(reader, READER_ONLINE);
    graph_retire_one(graph);
    assert_int_equal(graph_reclaimed_after_a_while(graph), 3);
    reader_do(reader, READER_UNPIN);
    assert_true(graph_reclaims_while_idle(graph, 4));
}

static void test_R4_repin_and_offline_release(void **state)
{
    (void)state;
    with_reader_in_every_flavor(repin_and_go_offline);
}

static void test_R2_the_owners_own_guard_counts(void **state)
{
    (void)state;
    for (size_t f = 0; f < EPOCH_FLAVOR_COUNT; f++) {
        struct graph graph;
        graph_open_flavor(&graph, epoch_flavors[f], "");
        struct sm_guard *guard = sm_owner_guard(graph.mm);
        sm_pin(guard, SM_HERE);
        for (int i = 0; i < 5000; i++) /* more than an open batch holds */
            graph_retire_one(&graph);
        assert_int_equal(graph_reclaimed_after_a_while(&graph), 0);
        sm_unpin(guard);
        assert_true(graph_reclaims_while_idle(&graph, 5000));
        graph_close(&graph);
    }
}

/* A batch script: one iteration for ever, and every byte it drops comes back all the same. */
static void test_R4_an_owner_that_never_leaves_its_iteration_reclaims_at_safepoints(void **state)
{
    (void)state;
    for (size_t f = 0; f < EPOCH_FLAVOR_COUNT; f++) {
        struct graph graph;
        graph_open_flavor(&graph, epoch_flavors[f], "");
        sm_pin(sm_owner_guard(graph.mm), SM_HERE);
        for (int i = 0; i < 100; i++)
            graph_retire_one(&graph);
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
    for (size_t f = 0; f < EPOCH_FLAVOR_COUNT; f++) {
        struct graph first, second;
        graph_open_flavor(&first, epoch_flavors[f], "");
        graph_open_flavor(&second, epoch_flavors[f], "");
        sm_pin(sm_owner_guard(first.mm), SM_HERE);
        sm_pin(sm_owner_guard(second.mm), SM_HERE);
        for (int i = 0; i < 5000; i++)
            graph_retire_one(&first);
        sm_repin(sm_owner_guard(second.mm), SM_HERE);
        sm_unpin(sm_owner_guard(second.mm)); /* must not end the first one's guard */
        assert_int_equal(graph_reclaimed_after_a_while(&first), 0);
        sm_unpin(sm_owner_guard(first.mm));
        assert_true(graph_reclaims_while_idle(&first, 5000));
        graph_close(&first);
        graph_retire_one(&second); /* still registered */
        assert_true(graph_reclaims_while_idle(&second, 1));
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
    assert_true(graph_reclaims_while_idle(&threaded, 1));
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
            graph_retire_one(&graph);
        graph.roots[0] = node_new(&graph, 2);
        graph_close(&graph);
        sm_unpin(sm_owner_guard(other.mm));
        graph_close(&other);
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
