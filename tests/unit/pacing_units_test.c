/**
 * Every pacing rule of the table has its units and is monotonic, over a grid of inputs.
 *
 * A row says what a rule's formula promises; a rule without a row fails the test.
 */
#include "check.h"

#include "../../lib/mm/src/pacing.h"

#include <math.h>

/* What the answer does when one quantity grows. */
enum direction { FALLS = -1, STAYS = 0, RISES = 1 };

/* The quantities, in the order of the rows' columns. */
enum quantity { LIVE, RATE, CYCLE_TIME, ROOM, PARAMETER, QUANTITY_COUNT };

struct row {
    const char *name;
    const char *text;
    double parameter_bytes; /* the power of bytes in the parameter's unit */
    enum direction direction[QUANTITY_COUNT];
};

static const struct row rows[] = {
    {"fixed", "fixed:1M", 1, {STAYS, STAYS, STAYS, RISES, RISES}},
    {"proportional", "proportional:0.5", 0, {RISES, STAYS, STAYS, RISES, RISES}},
    {"sqrt", "sqrt:1e-8", -1, {STAYS, RISES, RISES, RISES, FALLS}},
    {"limit", "limit:0.25", 0, {STAYS, RISES, RISES, RISES, FALLS}},
    {"zend", "zend:10001", 0, {STAYS, STAYS, STAYS, STAYS, STAYS}},
    {"never", "never", 0, {STAYS, STAYS, STAYS, STAYS, STAYS}},
    {"always", "always", 0, {STAYS, STAYS, STAYS, STAYS, STAYS}},
};

enum { ROW_COUNT = sizeof(rows) / sizeof(rows[0]) };

static struct sm_pacing parsed(const struct row *row)
{
    struct sm_pacing pacing = {0};
    struct sm_error error = {0};
    assert_int_equal(sm_pacing_parse(row->text, &pacing, &error), SM_OK);
    return pacing;
}

/* One point: the quantities as numbers, so that they can be scaled alike. */
struct point {
    double at[QUANTITY_COUNT];
};

static uint64_t threshold_at(const struct row *row, const struct point *point)
{
    struct sm_pacing pacing = parsed(row);
    pacing.parameter = point->at[PARAMETER];
    struct sm_pacing_input input = {.any_cycle = true,
                                    .live_bytes = (uint64_t)point->at[LIVE],
                                    .alloc_bytes_per_ns = point->at[RATE],
                                    .cycle_ns = point->at[CYCLE_TIME],
                                    .room_bytes = (uint64_t)point->at[ROOM]};
    return sm_pacing_threshold(&pacing, &input);
}

/* Calls `check` at every point of the grid, with the rule's own parameter. */
static void for_each_point(const struct row *row, void (*check)(const struct row *, const struct point *, void *),
                           void *context)
{
    static const double lives[] = {1e6, 1e8, 1e9};
    static const double rates[] = {0.01, 1, 10};
    static const double times[] = {1e5, 1e7, 1e9};
    static const double rooms[] = {1e6, 1e8, 1e12};
    struct point point = {.at = {[PARAMETER] = parsed(row).parameter}};
    for (int i = 0; i < 81; i++) {
        point.at[LIVE] = lives[i % 3];
        point.at[RATE] = rates[i / 3 % 3];
        point.at[CYCLE_TIME] = times[i / 9 % 3];
        point.at[ROOM] = rooms[i / 27];
        check(row, &point, context);
    }
}

static bool is_clamped(uint64_t bytes)
{
    return bytes == SM_THRESHOLD_MINIMUM_BYTES || bytes == UINT64_MAX;
}

/* Equal but for the rounding to whole bytes. */
static void assert_scaled(uint64_t bytes, uint64_t base_bytes, double factor)
{
    double expected = (double)base_bytes * factor;
    if (is_clamped(bytes) || is_clamped(base_bytes))
        assert_true(is_clamped(bytes) || bytes < 2 * factor * SM_THRESHOLD_MINIMUM_BYTES);
    else
        assert_true(fabs((double)bytes - expected) <= 1 + factor + expected * 1e-9);
}

static void check_bytes(const struct row *row, const struct point *point, void *context)
{
    (void)context;
    static const double factors[] = {2, 7, 1000};
    for (size_t i = 0; i < sizeof(factors) / sizeof(factors[0]); i++) {
        struct point scaled = *point;
        scaled.at[LIVE] *= factors[i];
        scaled.at[RATE] *= factors[i];
        scaled.at[ROOM] *= factors[i];
        scaled.at[PARAMETER] *= pow(factors[i], row->parameter_bytes);
        assert_scaled(threshold_at(row, &scaled), threshold_at(row, point), factors[i]);
    }
}

/* No rule's answer has time in its unit: a slower clock changes the rate and the cycle's time, and nothing else. */
static void check_time(const struct row *row, const struct point *point, void *context)
{
    (void)context;
    static const double factors[] = {0.001, 3, 1e6};
    for (size_t i = 0; i < sizeof(factors) / sizeof(factors[0]); i++) {
        struct point scaled = *point;
        scaled.at[RATE] /= factors[i];
        scaled.at[CYCLE_TIME] *= factors[i];
        assert_scaled(threshold_at(row, &scaled), threshold_at(row, point), 1);
    }
}

static void check_direction(const struct row *row, const struct point *point, enum quantity quantity)
{
    struct point moved = *point;
    uint64_t last_bytes = threshold_at(row, point);
    for (int step = 0; step < 20; step++) {
        /* A share ends at 1. */
        moved.at[quantity] *= quantity == PARAMETER && row->parameter_bytes == 0 ? 1.05 : 1.7;
        uint64_t bytes = threshold_at(row, &moved);
        enum direction direction = row->direction[quantity];
        assert_true(direction == RISES || bytes <= last_bytes);
        assert_true(direction == FALLS || bytes >= last_bytes);
        last_bytes = bytes;
    }
}

static void check_directions(const struct row *row, const struct point *point, void *context)
{
    (void)context;
    for (int quantity = 0; quantity < QUANTITY_COUNT; quantity++)
        check_direction(row, point, (enum quantity)quantity);
}

static void test_every_rule_has_a_row(void **state)
{
    (void)state;
    assert_int_equal(sm_pacing_rule_count(), ROW_COUNT);
    for (size_t i = 0; i < ROW_COUNT; i++)
        assert_string_equal(sm_pacing_rule_name(i), rows[i].name);
}

static void test_rescaled_bytes_rescale_the_answer(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROW_COUNT; i++)
        for_each_point(&rows[i], check_bytes, NULL);
}

static void test_rescaled_time_changes_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROW_COUNT; i++)
        for_each_point(&rows[i], check_time, NULL);
}

static void test_every_rule_is_monotonic(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROW_COUNT; i++)
        for_each_point(&rows[i], check_directions, NULL);
}

static void note_moves(const struct row *row, const struct point *point, void *context)
{
    bool *moves = context;
    for (int quantity = 0; quantity < QUANTITY_COUNT; quantity++) {
        struct point moved = *point;
        moved.at[quantity] *= 1.5;
        moves[quantity] |= threshold_at(row, &moved) != threshold_at(row, point);
    }
}

/* The grid must not lie where clamps hide a formula: what a row names moves the answer somewhere, nothing else does. */
static void test_named_quantities_matter_and_no_others(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROW_COUNT; i++) {
        bool moves[QUANTITY_COUNT] = {false};
        for_each_point(&rows[i], note_moves, moves);
        for (int quantity = 0; quantity < QUANTITY_COUNT; quantity++)
            assert_int_equal(moves[quantity], rows[i].direction[quantity] != STAYS);
    }
}

static uint64_t room_at(double limit, double live, double waiting, double overhead)
{
    const struct sm_pacing_memory memory = {(uint64_t)limit, (uint64_t)live, (uint64_t)waiting, overhead};
    return sm_pacing_room(&memory);
}

static void test_room_has_its_units_and_is_monotonic(void **state)
{
    (void)state;
    for (double base = 1e6; base < 1e12; base *= 10) {
        uint64_t bytes = room_at(100 * base, 20 * base, 5 * base, 1.5);
        assert_scaled(room_at(1000 * base, 200 * base, 50 * base, 1.5), bytes, 10);
        assert_true(room_at(101 * base, 20 * base, 5 * base, 1.5) > bytes);
        assert_true(room_at(100 * base, 21 * base, 5 * base, 1.5) < bytes);
        assert_true(room_at(100 * base, 20 * base, 6 * base, 1.5) < bytes);
        assert_true(room_at(100 * base, 20 * base, 5 * base, 1.6) < bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_rule_has_a_row),
        cmocka_unit_test(test_rescaled_bytes_rescale_the_answer),
        cmocka_unit_test(test_rescaled_time_changes_nothing),
        cmocka_unit_test(test_every_rule_is_monotonic),
        cmocka_unit_test(test_named_quantities_matter_and_no_others),
        cmocka_unit_test(test_room_has_its_units_and_is_monotonic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
