/* Workload cli-cache: faithful to the measured cache service; collections in vain, copies where a snapshot is held. */
#include "card_run.h"
#include "check.h"
#include "heap_census.h"

#include "../../workloads/vm_session.h"

#include <math.h>

static const struct wl_ops *cache_ops(void)
{
    return workload_find("cli-cache");
}

static struct sm_stats stats_after(const char *options, uint64_t steps)
{
    struct workload_run run = workload_run_of(SM_SAPI_CLI, "refcount", options, steps);
    struct wl_instance *instance = workload_create(cache_ops(), &run);
    struct sm_stats stats;
    workload_steps(instance, steps);
    sm_stats_get(instance->mm, &stats);
    cache_ops()->destroy(instance);
    return stats;
}

/* cli-w-cache-svc: 27,174 blocks an iteration, a third of which outlive it; 266 MB of them are copies of the array. */
static void test_an_iteration_has_the_measured_size(void **state)
{
    (void)state;
    enum { STEPS = 3 };
    struct hx_card *card = card_run(cache_ops(), "snapshot=on", 1, STEPS);
    const struct hx_card_part *work = &card->parts[HX_CARD_WORK];
    assert_in_range(work->blocks / STEPS, 24400, 29900);
    assert_in_range(work->bytes / STEPS, 245000000, 320000000);
    assert_true(fabs(card_survivor_share(card) - 0.333) < 0.08);
    assert_true(fabs(card_kind_share(card, HX_CARD_ARRAY) - 0.179) < 0.04);
    assert_true(fabs(card_kind_share(card, HX_CARD_HASH) - 0.151) < 0.04);
    assert_true(fabs(card_kind_share(card, HX_CARD_PACKED) - 0.026) < 0.02);
    hx_card_destroy(card);
}

/* Each store copies head and storage of the array of 7,900 once; without a snapshot nothing is copied. */
static void test_a_snapshot_copies_the_array_at_each_store(void **state)
{
    (void)state;
    struct sm_stats with = stats_after("snapshot=on", 2), without = stats_after("", 2);
    assert_true(with.copied_bytes > UINT64_C(2) * 850 * 8192 * 40);
    assert_true(without.copied_bytes == 0);
    assert_true(with.alloc_count == without.alloc_count);
}

/* 382 possible roots an iteration, all of them alive: the threshold is passed, a run frees nothing, it rises. */
static void test_the_collector_runs_in_vain_and_its_threshold_climbs(void **state)
{
    (void)state;
    struct hx_card *card = card_run(cache_ops(), "", 0, 2);
    assert_true(card->parts[HX_CARD_WORK].ends[SM_DEATH_CYCLE] == 0);
    hx_card_destroy(card);
    struct sm_stats early = stats_after("entries=1000", 20), late = stats_after("entries=1000", 60);
    assert_true(early.cycles == 0);
    assert_in_range(early.roots, 20 * 340, 20 * 450);
    assert_int_equal(late.cycles, 1);
    struct sm_stats climbed = stats_after("entries=1000,resident=40000,touch=4", 12);
    assert_in_range(climbed.cycles, 2, 3);
}

static void test_mutator_work_runs_at_the_anchored_density(void **state)
{
    (void)state;
    struct workload_run run = workload_run_of(SM_SAPI_CLI, "null", "entries=500", 3);
    double density = workload_opcodes_per_alloc(cache_ops(), &run);
    assert_true(density >= 3.5 && density <= 8);
}

static void assert_analytic_matches(const char *options)
{
    struct workload_run run = workload_run_of(SM_SAPI_CLI, "null", options, 2);
    struct wl_instance *instance = workload_create(cache_ops(), &run);
    workload_steps(instance, run.steps);
    struct heap_census census;
    heap_census_take(instance->mm, &census);
    cache_ops()->destroy(instance);
    workload_assert_analytic_size(cache_ops(), options, census.reachable_block_bytes);
}

static void test_analytic_live_bytes_are_within_five_percent(void **state)
{
    (void)state;
    assert_analytic_matches("");
    assert_analytic_matches("entries=500,resident=5000");
    assert_analytic_matches("entries=20000,resident=100,lookups=10");
    /* The copy is dead at the end of a step, and alive while an entry is stored. */
    uint64_t table = workload_analytic_live_bytes(cache_ops(), "snapshot=on") -
                     workload_analytic_live_bytes(cache_ops(), "snapshot=off");
    assert_true(table == sm_block_bytes(56) + sm_block_bytes(UINT64_C(8192) * 40));
}

/* The array is compacted, never doubled. */
static void test_live_bytes_stay_the_same_however_many_entries_pass(void **state)
{
    (void)state;
    struct workload_run run = workload_run_of(SM_SAPI_CLI, "epoch", "entries=100,lookups=50,resident=10", 0);
    struct wl_instance *instance = workload_create(cache_ops(), &run);
    struct heap_census early, late;
    workload_steps(instance, 10);
    heap_census_take(instance->mm, &early);
    workload_steps(instance, 200);
    heap_census_take(instance->mm, &late);
    cache_ops()->destroy(instance);
    assert_true(late.reachable_block_bytes < early.reachable_block_bytes + early.reachable_block_bytes / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_iteration_has_the_measured_size),
        cmocka_unit_test(test_a_snapshot_copies_the_array_at_each_store),
        cmocka_unit_test(test_the_collector_runs_in_vain_and_its_threshold_climbs),
        cmocka_unit_test(test_mutator_work_runs_at_the_anchored_density),
        cmocka_unit_test(test_analytic_live_bytes_are_within_five_percent),
        cmocka_unit_test(test_live_bytes_stay_the_same_however_many_entries_pass),
    };
    return cmocka_run_group_tests_name("cli_cache", tests, NULL, NULL);
}
