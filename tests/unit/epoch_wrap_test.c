/**
 * The manager's epoch at the end of its 64 bits: tags, ages, the order of guards, the backlog and reclamation are
 * right across the wrap, in every variant. Only liburcu decides on reuse (R2), so nothing here may turn into a wait
 * without end or an early one; 0, which says "not pinned", is no epoch.
 */
#include "epoch_variants.h"

#include <unistd.h>

enum { BEFORE_WRAP = 5, ACROSS = 40, WATCHDOG_SECONDS = 60 };

/* As if the manager had lived almost for ever; before anything else is done with it. */
static void set_epoch(struct graph *graph, uint64_t epoch)
{
    __atomic_store_n(&graph->mm->guards.epoch, epoch, __ATOMIC_RELEASE);
}

static bool is_wrapped(const struct graph *graph)
{
    return sm_epoch_current(graph->mm) < UINT64_MAX / 2;
}

static void pin_across(struct graph *graph)
{
    struct sm_manager *mm = graph->mm;
    struct sm_guard_report report;
    set_epoch(graph, UINT64_MAX - BEFORE_WRAP);
    uint64_t last = 0;
    for (int i = 0; i < ACROSS; i++) {
        sm_pin(sm_owner_guard(mm), SM_HERE);
        uint64_t epoch = sm_epoch_current(mm);
        assert_true(epoch != 0 && epoch != last);
        assert_int_equal(sm_guard_reports(mm, &report, 1), 1); /* a guard is seen in whatever epoch it begins */
        assert_int_equal(report.pinned_epoch, epoch);
        sm_unpin(sm_owner_guard(mm));
        assert_int_equal(sm_guard_reports(mm, &report, 1), 0);
        last = epoch;
    }
    assert_true(is_wrapped(graph));
}

static void test_every_pin_across_the_wrap_is_seen(void **state)
{
    (void)state;
    in_every_variant(pin_across);
}

static void tag_across(struct graph *graph)
{
    uint64_t births[ACROSS];
    set_epoch(graph, UINT64_MAX - BEFORE_WRAP);
    for (uint64_t i = 0; i < ACROSS; i++) {
        sm_pin(sm_owner_guard(graph->mm), SM_HERE);
        graph->roots[i] = node_new(graph, i);
        births[i] = sm_epoch_current(graph->mm);
        sm_unpin(sm_owner_guard(graph->mm));
    }
    assert_true(is_wrapped(graph));
    graph_collect(graph);
    for (uint64_t i = 0; i < ACROSS; i++) {
        assert_false(sm_epoch_is_before(births[i], sm_epoch_of(graph->mm, &graph->roots[i]->header)));
        assert_true(births[i] != 0 && node_is_intact(graph->roots[i]));
        assert_true(i == 0 || sm_epoch_is_before(births[i - 1], births[i]));
    }
}

static void test_tags_across_the_wrap_are_not_after_birth(void **state)
{
    (void)state;
    in_every_variant(tag_across);
}

static void reclaim_across(struct graph *graph)
{
    set_epoch(graph, UINT64_MAX - BEFORE_WRAP);
    uint64_t count = 0;
    for (uint64_t i = 0; i < ACROSS; i++) {
        sm_pin(sm_owner_guard(graph->mm), SM_HERE);
        graph_retire_one(graph);
        node_new(graph, i); /* for the cycle */
        sm_unpin(sm_owner_guard(graph->mm));
        count += 2;
        if (i % 4 == 3)
            assert_true(graph_reclaims(graph, count / 2));
    }
    assert_true(is_wrapped(graph));
    assert_int_equal(sm_quiesce(graph->mm), SM_OK);
    struct sm_stats stats = graph_stats(graph);
    assert_int_equal(stats.reclaimed_objects, count);
    assert_int_equal(stats.backlog_bytes, 0);
    assert_int_equal(stats.live_objects, 0);
    assert_int_equal(stats.epoch, sm_epoch_current(graph->mm));
}

static void test_R2_reclamation_across_the_wrap_gives_back_all_of_the_backlog(void **state)
{
    (void)state;
    in_every_variant(reclaim_across);
}

/* Move the owner's epoch past the wrap. */
static void pass_the_wrap(struct graph *graph)
{
    for (int i = 0; i < 2 * BEFORE_WRAP; i++) {
        sm_pin(sm_owner_guard(graph->mm), SM_HERE);
        sm_unpin(sm_owner_guard(graph->mm));
    }
    assert_true(is_wrapped(graph));
}

static void hold_across(struct graph *graph)
{
    struct reader early;
    struct sm_guard_report report;
    sm_status status = SM_ERR_GUARD_HELD;
    set_epoch(graph, UINT64_MAX - BEFORE_WRAP);
    reader_start(&early, graph->mm);
    reader_do(&early, READER_PIN);
    graph_retire_one(graph);
    pass_the_wrap(graph);
    graph_retire_one(graph);
    assert_int_equal(graph_reclaimed_in_vain(graph, &status), 0); /* inline: after a bounded wait */
    assert_int_equal(status, SM_ERR_GUARD_HELD);
    assert_int_equal(sm_guard_reports(graph->mm, &report, 1), 1);
    assert_int_equal(report.pinned_epoch, UINT64_MAX - BEFORE_WRAP);
    assert_int_equal(report.backlog_bytes, graph_stats(graph).backlog_bytes);
    reader_do(&early, READER_UNPIN);
    assert_true(graph_reclaims(graph, 2));
    reader_stop(&early);
}

static void test_R2_a_guard_from_before_the_wrap_holds_back_and_waits_for_it_stay_bounded(void **state)
{
    (void)state;
    in_every_variant(hold_across);
}

/* Both guards are looked at for the first time at once: their epochs alone tell which is the older. */
static void order_across(struct graph *graph)
{
    struct reader early, late;
    struct sm_guard_report reports[2];
    set_epoch(graph, UINT64_MAX - BEFORE_WRAP);
    reader_start(&early, graph->mm);
    reader_start(&late, graph->mm);
    reader_do(&early, READER_PIN);
    pass_the_wrap(graph);
    reader_do(&late, READER_PIN);
    assert_int_equal(sm_guard_reports(graph->mm, reports, 2), 2);
    assert_int_equal(reports[0].age_ns, reports[1].age_ns);
    assert_int_equal(reports[0].pinned_epoch, UINT64_MAX - BEFORE_WRAP);
    assert_int_equal(reports[1].pinned_epoch, sm_epoch_current(graph->mm));
    reader_do(&early, READER_UNPIN);
    reader_do(&late, READER_UNPIN);
    reader_stop(&late);
    reader_stop(&early);
}

static void test_R6_the_oldest_guard_across_the_wrap_is_named_first(void **state)
{
    (void)state;
    in_every_variant(order_across);
}

static void test_epochs_are_ordered_across_the_wrap(void **state)
{
    (void)state;
    assert_true(sm_epoch_is_before(1, 2));
    assert_false(sm_epoch_is_before(2, 2));
    assert_false(sm_epoch_is_before(2, 1));
    assert_true(sm_epoch_is_before(UINT64_MAX, 1));
    assert_false(sm_epoch_is_before(1, UINT64_MAX));
}

int main(void)
{
    alarm(WATCHDOG_SECONDS); /* a wait without end is a failure here, and this says so */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_pin_across_the_wrap_is_seen),
        cmocka_unit_test(test_tags_across_the_wrap_are_not_after_birth),
        cmocka_unit_test(test_R2_reclamation_across_the_wrap_gives_back_all_of_the_backlog),
        cmocka_unit_test(test_R2_a_guard_from_before_the_wrap_holds_back_and_waits_for_it_stay_bounded),
        cmocka_unit_test(test_R6_the_oldest_guard_across_the_wrap_is_named_first),
        cmocka_unit_test(test_epochs_are_ordered_across_the_wrap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
