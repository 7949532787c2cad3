/* Workload cli-orm: faithful to the measured imports; clearing makes cycles, not clearing makes each flush slower. */
#include "card_run.h"
#include "check.h"
#include "heap_census.h"

#include "../../workloads/vm_session.h"

#include <math.h>

static const struct wl_ops *orm_ops(void)
{
    return workload_find("cli-orm");
}

/* cli-w-doctrine-import: 6,941 blocks and 1.08 MB an iteration, mean 156 bytes. */
static void test_a_batch_has_the_measured_size(void **state)
{
    (void)state;
    enum { BATCHES = 45 };
    struct hx_card *card = card_run(orm_ops(), "", 1, BATCHES);
    const struct hx_card_part *work = &card->parts[HX_CARD_WORK];
    assert_in_range(work->blocks / BATCHES, 6250, 7630);
    assert_in_range(work->bytes / BATCHES, 920000, 1240000);
    assert_in_range(work->bytes / work->blocks, 140, 172);
    hx_card_destroy(card);
}

/* Array heads 30 % and hash storage 19 % of the blocks, references 1.4 %; packed storage 9 %. */
static void test_kinds_have_the_measured_shares(void **state)
{
    (void)state;
    struct hx_card *card = card_run(orm_ops(), "", 1, 20);
    assert_true(fabs(card_kind_share(card, HX_CARD_ARRAY) - 0.302) < 0.02);
    assert_true(fabs(card_kind_share(card, HX_CARD_HASH) - 0.191) < 0.02);
    assert_true(fabs(card_kind_share(card, HX_CARD_PACKED) - 0.088) < 0.02);
    assert_true(fabs(card_kind_share(card, HX_CARD_REFERENCE) - 0.014) < 0.004);
    hx_card_destroy(card);
}

/* 7.8 % of the blocks are freed by the cycle collector alone, which 242 possible roots a batch start 7 times in 300. */
static void test_the_cyclic_share_and_the_roots_are_the_measured_ones(void **state)
{
    (void)state;
    enum { BATCHES = 126 };
    struct hx_card *card = card_run(orm_ops(), "", 1, BATCHES);
    double waiting = (double)card->parts[HX_CARD_WORK].ends[SM_DEATH_NEVER] / (double)card->parts[HX_CARD_WORK].blocks;
    double share = card_cycle_share(card) + waiting;
    assert_true(share > 0.068 && share < 0.088);
    assert_true(fabs(card_survivor_share(card) - 0.075) < 0.01);
    hx_card_destroy(card);
    struct workload_run run = workload_run_of(SM_SAPI_CLI, "refcount", "", BATCHES);
    struct wl_instance *instance = workload_create(orm_ops(), &run);
    struct sm_stats stats;
    workload_steps(instance, BATCHES);
    sm_stats_get(instance->mm, &stats);
    orm_ops()->destroy(instance);
    assert_in_range(stats.cycles, 2, 3);
}

static void test_nothing_is_cyclic_without_the_option(void **state)
{
    (void)state;
    struct hx_card *card = card_run(orm_ops(), "metadata=1,cyclic=0", 1, 10);
    /* Empty maps, and the last statement. */
    assert_true(card_survivor_share(card) < 0.005);
    hx_card_destroy(card);
}

static uint64_t blocks_of_batch(const char *options, uint64_t batch)
{
    struct hx_card *card = card_run(orm_ops(), options, batch - 1, 1);
    uint64_t blocks = card->parts[HX_CARD_WORK].blocks;
    hx_card_destroy(card);
    return blocks;
}

/* cli-w-doctrine-import-noclear: 121 blocks for each managed product at every flush: quadratic in all. */
static void test_without_clearing_each_flush_is_slower_by_the_same(void **state)
{
    (void)state;
    uint64_t first = blocks_of_batch("metadata=1,clear=0", 2), second = blocks_of_batch("metadata=1,clear=0", 6),
             third = blocks_of_batch("metadata=1,clear=0", 10);
    double a_product = (double)(second - first) / (4 * 20);
    assert_true(fabs((double)(third - second) / (double)(second - first) - 1) < 0.05);
    assert_true(a_product > 80 && a_product < 130);
    /* Array growth differs by a few blocks. */
    assert_true(blocks_of_batch("metadata=1", 10) < first);
}

/* 157 KB an iteration stay in PHP. */
static void test_without_clearing_everything_stays(void **state)
{
    (void)state;
    enum { BATCHES = 8 };
    struct hx_card *card = card_run(orm_ops(), "metadata=1,clear=0", 2, BATCHES);
    double kept = (double)card->steps.survivor_bytes / BATCHES;
    assert_true(kept > 110000 && kept < 190000);
    hx_card_destroy(card);
}

static void test_mutator_work_runs_at_the_anchored_density(void **state)
{
    (void)state;
    struct workload_run run = workload_run_of(SM_SAPI_CLI, "null", "metadata=1", 5);
    double density = workload_opcodes_per_alloc(orm_ops(), &run);
    assert_true(density >= 4 && density <= 6);
}

/* What is reachable after `batches` batches, and how much of the analytic size that is. */
static double reachable_share(const char *options, uint64_t batches)
{
    struct workload_run run = workload_run_of(SM_SAPI_CLI, "null", options, batches);
    struct wl_instance *instance = workload_create(orm_ops(), &run);
    workload_steps(instance, batches);
    struct heap_census census;
    heap_census_take(instance->mm, &census);
    orm_ops()->destroy(instance);
    return (double)census.reachable_block_bytes / (double)workload_analytic_live_bytes(orm_ops(), options);
}

/* The last flush's change sets come on top of what is reachable between batches; counts see all of it. */
static void test_analytic_live_bytes_are_those_of_a_flush_before_clearing(void **state)
{
    (void)state;
    assert_true(reachable_share("metadata=50,clear=40", 39) > 0.85);
    assert_true(reachable_share("metadata=50,clear=40", 39) < 1);
    struct hx_card *card = card_run(orm_ops(), "metadata=50,clear=10", 0, 10);
    double analytic = (double)workload_analytic_live_bytes(orm_ops(), "metadata=50,clear=10");
    /* Payloads are 85 to 95 % of blocks of these sizes. */
    double payload_share = (double)card->peak_live_bytes / analytic;
    hx_card_destroy(card);
    assert_true(payload_share > 0.82 && payload_share < 0.97);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_batch_has_the_measured_size),
        cmocka_unit_test(test_kinds_have_the_measured_shares),
        cmocka_unit_test(test_the_cyclic_share_and_the_roots_are_the_measured_ones),
        cmocka_unit_test(test_nothing_is_cyclic_without_the_option),
        cmocka_unit_test(test_without_clearing_each_flush_is_slower_by_the_same),
        cmocka_unit_test(test_without_clearing_everything_stays),
        cmocka_unit_test(test_mutator_work_runs_at_the_anchored_density),
        cmocka_unit_test(test_analytic_live_bytes_are_those_of_a_flush_before_clearing),
    };
    return cmocka_run_group_tests_name("cli_orm", tests, NULL, NULL);
}
