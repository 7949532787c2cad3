/** Axes of a sweep, the order of filling in, cells, their ids and slices. */
#include "sweep_plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ARGUMENTS_MAX = 16 };

/* ---- Axes ---- */

/* The thresholds of `text`, joined by spaces. */
static void check_thresholds(const char *text, const char *expected)
{
    struct hx_axis axis = {0};
    struct sm_error error = {SM_OK, ""};
    char joined[512] = "";
    assert_int_equal(hx_axis_add_thresholds(&axis, text, &error), SM_OK);
    for (size_t i = 0; i < axis.count; i++) {
        strcat(joined, i > 0 ? " " : "");
        strcat(joined, axis.values[i]);
    }
    assert_string_equal(joined, expected);
    hx_axis_free(&axis);
}

static void test_thresholds(void **state)
{
    (void)state;
    check_thresholds("256K:4M:x4", "fixed:256K fixed:1M fixed:4M");
    check_thresholds("1M:5M:x2", "fixed:1M fixed:2M fixed:4M");
    check_thresholds("1M:1M:x2", "fixed:1M");
    check_thresholds("1M:4M:x1.4142136", "fixed:1M fixed:1448K fixed:2M fixed:2896K fixed:4M");
    check_thresholds("16M;1M;1048577", "fixed:16M fixed:1M fixed:1048577");
}

static void test_bad_thresholds(void **state)
{
    (void)state;
    static const char *const texts[] = {"",         "1M;;2M",    ";",        "4M:1M:x2",     "1M:4M",     "1M:4M:2",
                                        "1M:4M:x1", "1M:4M:x-2", "x:4M:x2",  "1M:4M:x2:3",   "1M:4M:x2x", "100",
                                        "many",     "1K:4M:x2",  "1M:2M:xx", "4K:1G:x1.0001"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct hx_axis axis = {0};
        struct sm_error error = {SM_OK, ""};
        assert_int_equal(hx_axis_add_thresholds(&axis, texts[i], &error), SM_ERR_INVALID_ARGUMENT);
        assert_non_null(strstr(error.detail, "--thresholds="));
        assert_non_null(strstr(error.detail, "expected"));
        hx_axis_free(&axis);
    }
}

static void check_rounds(size_t count, const unsigned expected[])
{
    unsigned rounds[16];
    memset(rounds, 0xff, sizeof(rounds));
    hx_fill_in_rounds(count, rounds);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(rounds[i], expected[i]);
}

static void test_rounds_of_filling_in(void **state)
{
    (void)state;
    hx_fill_in_rounds(0, NULL);
    check_rounds(1, (const unsigned[]){0});
    check_rounds(2, (const unsigned[]){0, 0});
    check_rounds(3, (const unsigned[]){0, 1, 0});
    check_rounds(9, (const unsigned[]){0, 3, 2, 3, 1, 3, 2, 3, 0});
}

/* After every round no gap is more than twice as long as another, so the points are a curve. */
static void test_every_round_is_even(void **state)
{
    (void)state;
    unsigned rounds[64];
    for (size_t count = 2; count <= 64; count++) {
        hx_fill_in_rounds(count, rounds);
        for (unsigned round = 0; round < 7; round++) {
            size_t last = 0, least = count, most = 0;
            for (size_t i = 1; i < count; i++) {
                if (rounds[i] > round)
                    continue;
                least = i - last < least ? i - last : least;
                most = i - last > most ? i - last : most;
                last = i;
            }
            assert_int_equal(last, count - 1);
            assert_true(most <= 2 * least);
        }
    }
}

/* ---- Plans ---- */

struct fixture {
    char *line;
    struct hx_sweep_options options;
    struct hx_sweep_plan plan;
    struct sm_error error;
};

/* The plan of a command line split at spaces; release with finish. */
static sm_status make(struct fixture *fixture, const char *line)
{
    char *arguments[ARGUMENTS_MAX];
    int count = 0;
    memset(fixture, 0, sizeof(*fixture));
    fixture->line = strdup(line);
    for (char *word = strtok(fixture->line, " "); word != NULL; word = strtok(NULL, " ")) {
        assert_true(count < ARGUMENTS_MAX);
        arguments[count++] = word;
    }
    sm_status status = hx_sweep_options_parse(&fixture->options, count, arguments, &fixture->error);
    return status == SM_OK ? hx_sweep_plan_make(&fixture->plan, &fixture->options, &fixture->error) : status;
}

static void finish(struct fixture *fixture)
{
    hx_sweep_plan_finish(&fixture->plan);
    hx_sweep_options_finish(&fixture->options);
    free(fixture->line);
}

static size_t count_cells(const struct hx_sweep_plan *plan, const char *policy, const char *pacing)
{
    size_t count = 0;
    for (size_t i = 0; i < plan->count; i++) {
        const char *rule = plan->cells[i].pacing;
        bool is_paced_so = pacing == NULL ? rule == NULL : rule != NULL && strcmp(rule, pacing) == 0;
        count += is_paced_so && strcmp(plan->cells[i].policy, policy) == 0 ? 1 : 0;
    }
    return count;
}

/* Rules by bytes are not for policies that count, and no rule is for those without cycles. */
static void test_each_policy_gets_its_rules(void **state)
{
    (void)state;
    struct fixture fixture;
    assert_int_equal(make(&fixture, "--policies=epoch;refcount;null --workloads=cli-queue --thresholds=1M;4M "
                                    "--pacing=proportional:1;zend:20000 --plan"),
                     SM_OK);
    assert_int_equal(fixture.plan.count, 5);
    assert_int_equal(count_cells(&fixture.plan, "epoch", "fixed:1M"), 1);
    assert_int_equal(count_cells(&fixture.plan, "epoch", "fixed:4M"), 1);
    assert_int_equal(count_cells(&fixture.plan, "epoch", "proportional:1"), 1);
    assert_int_equal(count_cells(&fixture.plan, "refcount", "zend:20000"), 1);
    assert_int_equal(count_cells(&fixture.plan, "null", NULL), 1);
    finish(&fixture);
    assert_int_equal(make(&fixture, "--policies=epoch;refcount --workloads=cli-queue --thresholds=1M --plan"), SM_OK);
    assert_int_equal(count_cells(&fixture.plan, "refcount", NULL), 1);
    finish(&fixture);
}

static void test_cells_are_the_cross_product(void **state)
{
    (void)state;
    struct fixture fixture;
    assert_int_equal(make(&fixture, "--policies=epoch;null --workloads=cli-queue;cli-tick --thresholds=1M;4M "
                                    "--heap-factors=2;3 --minheap-factors=2 --seeds=1;2 --invocations=3 --plan"),
                     SM_OK);
    assert_int_equal(fixture.plan.block_count, 2 * 2 * 3);
    assert_int_equal(fixture.plan.count, 12 * (2 + 1) * 3);
    for (size_t i = 0; i < fixture.plan.count; i++) {
        const struct hx_cell *cell = &fixture.plan.cells[i];
        assert_true((cell->heap_factor != 0) != (cell->minheap_factor != 0));
        assert_int_equal(cell->invocation, cell->block / 4);
        assert_true(i == 0 || cell->block >= cell[-1].block);
    }
    finish(&fixture);
}

/* In every block the ends of the curve come first, then the middle. */
static void test_fill_in_order(void **state)
{
    (void)state;
    struct fixture fixture;
    assert_int_equal(
        make(&fixture, "--policies=epoch --workloads=cli-queue --thresholds=1M:16M:x2 --invocations=2 --plan"), SM_OK);
    assert_int_equal(fixture.plan.count, 10);
    for (size_t i = 0; i < 10; i += 5) {
        const struct hx_cell *cells = &fixture.plan.cells[i];
        const char *ends[] = {cells[0].threshold, cells[1].threshold};
        bool is_low_first = strcmp(ends[0], "1M") == 0;
        assert_string_equal(ends[is_low_first ? 0 : 1], "1M");
        assert_string_equal(ends[is_low_first ? 1 : 0], "16M");
        assert_string_equal(cells[2].threshold, "4M");
    }
    finish(&fixture);
}

static void test_grid_and_random_order(void **state)
{
    (void)state;
    static const char line[] =
        "--policies=epoch --workloads=cli-queue;cli-tick --thresholds=1M:128M:x2 --invocations=4 "
        "--plan --order=";
    char text[256];
    struct fixture grid, random;
    snprintf(text, sizeof(text), "%sgrid", line);
    assert_int_equal(make(&grid, text), SM_OK);
    snprintf(text, sizeof(text), "%srandom", line);
    assert_int_equal(make(&random, text), SM_OK);
    assert_int_equal(grid.plan.count, 8 * 8);
    assert_string_equal(grid.plan.cells[1].threshold, "2M");
    bool differs = false;
    for (size_t i = 0; i < grid.plan.count; i++) {
        const struct hx_cell *cell = &random.plan.cells[i];
        differs = differs || strcmp(cell->id, grid.plan.cells[i].id) != 0;
        assert_int_equal(cell->invocation, i / 16);
        assert_int_equal(cell->block, i / 8);
        assert_string_equal(cell->workload, random.plan.cells[i / 8 * 8].workload);
    }
    assert_true(differs);
    finish(&grid);
    finish(&random);
}

/* ---- Ids ---- */

static void read_id(const char *line, size_t index, char id[HX_CELL_ID_BYTES])
{
    struct fixture fixture;
    assert_int_equal(make(&fixture, line), SM_OK);
    assert_true(index < fixture.plan.count);
    memcpy(id, fixture.plan.cells[index].id, HX_CELL_ID_BYTES);
    assert_int_equal(strspn(id, "0123456789abcdef"), HX_CELL_ID_BYTES - 1);
    finish(&fixture);
}

/* The same configuration, however it is written, has one id; every change of it has another. */
static void test_ids(void **state)
{
    (void)state;
    static const char *const others[] = {
        "--policies=epoch:young=never --workloads=cli-queue --thresholds=1M --alloc=8M --plan",
        "--policies=epoch --workloads=cli-queue:cache=500 --thresholds=1M --alloc=8M --plan",
        "--policies=epoch --workloads=cli-queue --thresholds=2M --alloc=8M --plan",
        "--policies=epoch --workloads=cli-queue --thresholds=1M --alloc=9M --plan",
        "--policies=epoch --workloads=cli-queue --thresholds=1M --alloc=8M --seeds=2 --plan",
        "--policies=epoch --workloads=cli-queue --thresholds=1M --alloc=8M --heap-factors=2 --plan",
    };
    char id[HX_CELL_ID_BYTES], other[HX_CELL_ID_BYTES];
    read_id("--policies=epoch --workloads=cli-queue --thresholds=1M --alloc=8M --sharing=bit --plan", 0, id);
    read_id("--sharing bit --alloc 8M --workloads cli-queue --plan --pacing=fixed:1M --policies epoch", 0, other);
    assert_string_equal(id, other);
    read_id("--policies=epoch --workloads=cli-queue --thresholds=1M --alloc=8M --plan", 0, id);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        read_id(others[i], 0, other);
        assert_string_not_equal(id, other);
    }
    read_id("--policies=epoch --workloads=cli-queue --thresholds=1M --alloc=8M --invocations=2 --plan", 1, other);
    assert_string_not_equal(id, other);
    read_id("--policies=epoch --workloads=cli-queue --thresholds=1M --alloc=8M --invocations=2 --plan", 0, other);
    assert_string_equal(id, other);
}

/* More invocations go on where fewer end. */
static void test_more_invocations_are_appended(void **state)
{
    (void)state;
    static const char line[] = "--policies=epoch;refcount --workloads=cli-queue;cli-tick --thresholds=1M:16M:x2 --plan "
                               "--order=%s --invocations=%d";
    static const char *const orders[] = {"fill-in", "random", "grid"};
    for (size_t i = 0; i < 3; i++) {
        struct fixture fewer, more;
        char text[256];
        snprintf(text, sizeof(text), line, orders[i], 2);
        assert_int_equal(make(&fewer, text), SM_OK);
        snprintf(text, sizeof(text), line, orders[i], 3);
        assert_int_equal(make(&more, text), SM_OK);
        for (size_t j = 0; j < fewer.plan.count; j++) {
            assert_string_equal(fewer.plan.cells[j].id, more.plan.cells[j].id);
            assert_int_equal(fewer.plan.cells[j].block, more.plan.cells[j].block);
        }
        finish(&fewer);
        finish(&more);
    }
}

/* ---- Slices ---- */

/* Every cell is in one slice, with all of its block. */
static void test_slices_share_out_whole_blocks(void **state)
{
    (void)state;
    enum { SLICES = 4 };
    struct fixture slices[SLICES];
    char text[256];
    for (int i = 0; i < SLICES; i++) {
        snprintf(text, sizeof(text),
                 "--policies=epoch;null --workloads=cli-queue;cli-tick;cli-idle --thresholds=1M;4M --invocations=3 "
                 "--plan --slice=%d/%d",
                 i + 1, SLICES);
        assert_int_equal(make(&slices[i], text), SM_OK);
        assert_int_equal(slices[i].plan.count, slices[0].plan.count);
    }
    unsigned owner_of_block[9];
    memset(owner_of_block, 0xff, sizeof(owner_of_block));
    for (size_t i = 0; i < slices[0].plan.count; i++) {
        unsigned owner_count = 0;
        for (unsigned j = 0; j < SLICES; j++) {
            const struct hx_cell *cell = &slices[j].plan.cells[i];
            assert_string_equal(cell->id, slices[0].plan.cells[i].id);
            if (!hx_sweep_plan_has(&slices[j].plan, cell))
                continue;
            owner_count++;
            assert_true(owner_of_block[cell->block] == UINT32_MAX || owner_of_block[cell->block] == j);
            owner_of_block[cell->block] = j;
        }
        assert_int_equal(owner_count, 1);
    }
    for (int i = 0; i < SLICES; i++)
        finish(&slices[i]);
}

/* ---- Work ---- */

static const char *argument(const struct hx_cell *cell, const char *prefix)
{
    for (size_t i = 0; i < cell->argument_count; i++)
        if (strncmp(cell->arguments[i], prefix, strlen(prefix)) == 0)
            return cell->arguments[i] + strlen(prefix);
    return "";
}

/* The same work under each policy, and twice as much for twice the time. */
static void test_cell_seconds(void **state)
{
    (void)state;
    struct fixture one, two;
    assert_int_equal(make(&one, "--policies=epoch;null --workloads=cli-queue;cli-tick --cell-seconds=1 --plan"), SM_OK);
    assert_int_equal(make(&two, "--policies=epoch;null --workloads=cli-queue;cli-tick --cell-seconds=2 --plan"), SM_OK);
    const struct hx_cell *cells = one.plan.cells;
    double bytes = strtod(argument(&cells[0], "--alloc="), NULL);
    assert_string_equal(argument(&cells[0], "--alloc="), argument(&cells[1], "--alloc="));
    assert_true(bytes > 1);
    assert_true(strtod(argument(&two.plan.cells[0], "--alloc="), NULL) / bytes > 1.99);
    assert_true(strtod(argument(&cells[2], "--iterations="), NULL) >= 1);
    finish(&one);
    finish(&two);
}

/* ---- Refusals ---- */

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        const char *named;
    } refusals[] = {
        {"--policies=epoch --plan", "--workloads"},
        {"--policies=epohc --workloads=cli-queue --plan", "--policies=epohc"},
        {"--policies=epoch:young=perhaps --workloads=cli-queue --plan", "young=perhaps"},
        {"--policies=epoch --workloads=cli-que --plan", "cli-queue"},
        {"--policies=epoch --workloads=cli-queue --pacing=sometimes --plan", "--pacing=sometimes"},
        {"--policies=epoch --workloads=cli-queue --heap-factors=x --plan", "--heap-factors=x"},
        {"--policies=null --workloads=cli-queue --observers=2 --plan", "--observers"},
        {"--policies=malloc --workloads=cli-queue --seconds=1 --plan", "--seconds"},
        {"--policies=epoch --workloads=cli-queue --minheap-factors=2 --seconds=1 --plan", "--minheap-factors"},
        {"--policies=epoch --workloads=cli-queue;cli-queue --plan", "twice"},
        {"--policies=epoch --workloads=cli-queue --csv=x --plan", "--csv"},
        {"--policies=epoch --workloads=cli-queue --plan=yes", "--plan=yes"},
        {"--policies=epoch --workloads=cli-queue --plan --slice", "--slice"},
        {"--policies=epoch --workloads=fpm-page --workers=2 --cell-seconds=1 --plan", "--cell-seconds"},
    };
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        struct fixture fixture;
        assert_int_equal(make(&fixture, refusals[i].line), SM_ERR_INVALID_ARGUMENT);
        assert_non_null(strstr(fixture.error.detail, refusals[i].named));
        finish(&fixture);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_thresholds),
        cmocka_unit_test(test_bad_thresholds),
        cmocka_unit_test(test_rounds_of_filling_in),
        cmocka_unit_test(test_every_round_is_even),
        cmocka_unit_test(test_each_policy_gets_its_rules),
        cmocka_unit_test(test_cells_are_the_cross_product),
        cmocka_unit_test(test_fill_in_order),
        cmocka_unit_test(test_grid_and_random_order),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_more_invocations_are_appended),
        cmocka_unit_test(test_slices_share_out_whole_blocks),
        cmocka_unit_test(test_cell_seconds),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
