/* Workload cli-etl: faithful to the measured import; what a batch keeps dies one iteration later, by counts. */
#include "card_run.h"
#include "check.h"
#include "heap_census.h"

#include "../../workloads/vm_session.h"

#include <math.h>

#define SMALL "keys=2000"

static const struct wl_ops *etl_ops(void)
{
    return workload_find("cli-etl");
}

/* cli-w-etl-csv: 22.4 blocks a row, 11,206 blocks and 879 KB an iteration, 45 % of them outlive it. */
static void test_a_batch_has_the_measured_size_and_overlap(void **state)
{
    (void)state;
    enum { BATCHES = 10 };
    struct hx_card *card = card_run(etl_ops(), SMALL, 2, BATCHES);
    const struct hx_card_part *work = &card->parts[HX_CARD_WORK];
    assert_in_range(work->blocks / BATCHES, 10100, 12300);
    assert_in_range(work->bytes / BATCHES, 790000, 967000);
    assert_true(fabs(card_survivor_share(card) - 0.45) < 0.05);
    hx_card_destroy(card);
}

/* Of the blocks that outlive their iteration all but the remembered keys are gone at the end of the next. */
static void test_what_crosses_dies_one_iteration_later(void **state)
{
    (void)state;
    struct hx_card *card = card_run(etl_ops(), SMALL, 4, 3);
    uint64_t survivors = card->parts[HX_CARD_WORK].ends[SM_DEATH_NEVER];
    hx_card_destroy(card);
    struct hx_card *longer = card_run(etl_ops(), SMALL, 4, 9);
    /* The last batch, and about 200 keys of each. */
    uint64_t more = longer->parts[HX_CARD_WORK].ends[SM_DEATH_NEVER] - survivors;
    assert_in_range(more, 6 * 180, 6 * 225);
    assert_true(longer->parts[HX_CARD_WORK].ends[SM_DEATH_CYCLE] == 0);
    hx_card_destroy(longer);
}

/* Array heads 11 %, packed storage 8 %, hash storage 3 % of the blocks where the program writes the lines too. */
static void test_kinds_have_the_measured_shares(void **state)
{
    (void)state;
    struct hx_card *card = card_run(etl_ops(), SMALL ",write=4", 0, 8);
    assert_true(fabs(card_kind_share(card, HX_CARD_ARRAY) - 0.107) < 0.02);
    assert_true(fabs(card_kind_share(card, HX_CARD_PACKED) - 0.076) < 0.02);
    assert_true(fabs(card_kind_share(card, HX_CARD_HASH) - 0.031) < 0.01);
    hx_card_destroy(card);
}

static uint64_t checksum_of(const char *options)
{
    return workload_checksum(etl_ops(), workload_run_of(SM_SAPI_CLI, "null", options, 5));
}

/* Without mutator work, which is charged for writing as well, the rows are the same whoever wrote them. */
static void test_lines_are_the_same_whoever_writes_them(void **state)
{
    (void)state;
    struct workload_run run = workload_run_of(SM_SAPI_CLI, "null", "rows=50,keys=16", 5);
    run.mutator_work = false;
    uint64_t read = workload_checksum(etl_ops(), run);
    run.options = "rows=50,keys=16,write=2";
    assert_true(workload_checksum(etl_ops(), run) == read);
    assert_true(checksum_of("rows=50,keys=16") != read);
}

static void test_mutator_work_runs_at_the_anchored_density(void **state)
{
    (void)state;
    struct workload_run run = workload_run_of(SM_SAPI_CLI, "null", SMALL, 5);
    double density = workload_opcodes_per_alloc(etl_ops(), &run);
    assert_true(density >= 4 && density <= 8);
}

static void assert_analytic_matches(const char *options)
{
    enum { STEPS = 4 };
    struct workload_run run = workload_run_of(SM_SAPI_CLI, "refcount", options, STEPS);
    struct wl_instance *instance = workload_create(etl_ops(), &run);
    struct heap_census census;
    struct sm_stats stats;
    workload_steps(instance, STEPS);
    heap_census_take(instance->mm, &census);
    sm_stats_get(instance->mm, &stats);
    etl_ops()->destroy(instance);
    /* The most that lives inside a step, in payloads, becomes blocks by the ratio between steps. */
    struct hx_card *card = card_run(etl_ops(), options, 0, STEPS);
    double peak = (double)card->peak_live_bytes * (double)census.reachable_block_bytes / (double)stats.live_bytes;
    hx_card_destroy(card);
    workload_assert_analytic_size(etl_ops(), options, (uint64_t)peak);
}

static void test_analytic_live_bytes_are_within_five_percent(void **state)
{
    (void)state;
    assert_analytic_matches("");
    assert_analytic_matches("keys=2000,rows=1000");
    assert_analytic_matches("keys=20000,rows=100");
}

/* The index is compacted, never doubled. */
static void test_live_bytes_stay_the_same_however_many_keys_pass(void **state)
{
    (void)state;
    struct workload_run run = workload_run_of(SM_SAPI_CLI, "epoch", "rows=40,keys=100", 0);
    struct wl_instance *instance = workload_create(etl_ops(), &run);
    struct heap_census early, late;
    workload_steps(instance, 10);
    heap_census_take(instance->mm, &early);
    workload_steps(instance, 200);
    heap_census_take(instance->mm, &late);
    etl_ops()->destroy(instance);
    assert_true(late.reachable_block_bytes < early.reachable_block_bytes + early.reachable_block_bytes / 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_batch_has_the_measured_size_and_overlap),
        cmocka_unit_test(test_what_crosses_dies_one_iteration_later),
        cmocka_unit_test(test_kinds_have_the_measured_shares),
        cmocka_unit_test(test_lines_are_the_same_whoever_writes_them),
        cmocka_unit_test(test_mutator_work_runs_at_the_anchored_density),
        cmocka_unit_test(test_analytic_live_bytes_are_within_five_percent),
        cmocka_unit_test(test_live_bytes_stay_the_same_however_many_keys_pass),
    };
    return cmocka_run_group_tests_name("cli_etl", tests, NULL, NULL);
}
