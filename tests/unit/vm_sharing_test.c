/* Which writes copy: exact counts under a counting policy, counts beside tracing (R12), the sticky bit. */
#include "sharing_scenarios.h"
#include "test_scale.h"

#include "sapimem/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct sharing_scenario *scenario_named(const char *name)
{
    const struct sharing_scenario *scenario = NULL;
    for (size_t i = 0; (scenario = sharing_scenario(i)) != NULL && strcmp(scenario->name, name) != 0; i++)
        continue;
    assert_non_null(scenario);
    return scenario;
}

static struct sharing_figures figures_of(const char *name, const char *policy, bool counts, uint64_t operations)
{
    struct sharing_figures figures;
    sharing_scenario_run(scenario_named(name), policy, counts, operations, &figures);
    return figures;
}

static uint64_t operations_of(const char *name)
{
    uint64_t whole = scenario_named(name)->operations;
    return test_scale(whole, whole / 10, whole / 20);
}

/* Twice what counting copies, and one array. */
static void assert_close_to_counting(const char *name)
{
    uint64_t operations = operations_of(name);
    struct sharing_figures counting = figures_of(name, "refcount", false, operations);
    for (size_t i = 0; sm_policy_table(i) != NULL; i++) {
        const struct sm_policy_ops *ops = sm_policy_table(i);
        if (ops->unavailable != NULL || (ops->capabilities & SM_CAP_COLLECT) == 0)
            continue;
        struct sharing_figures beside = figures_of(name, ops->name, true, operations);
        assert_int_equal(beside.checksum, counting.checksum);
        assert_in_range(beside.copied_bytes, 0, 2 * counting.copied_bytes + scenario_named(name)->array_bytes);
    }
}

static void test_R12_an_argument_given_back_leaves_the_array_writable(void **state)
{
    (void)state;
    assert_close_to_counting("argument");
}

static void test_R12_an_array_unshared_again_is_written_in_place(void **state)
{
    (void)state;
    assert_close_to_counting("once-shared");
}

static void test_R12_a_map_updated_in_place_is_not_copied(void **state)
{
    (void)state;
    assert_close_to_counting("lru-map");
}

/* The control: the bit that stays copies at every write after a call, and the test above would say so. */
static void test_the_sticky_bit_copies_at_each_write(void **state)
{
    enum { OPERATIONS = 50 };
    (void)state;
    const struct sharing_scenario *scenario = scenario_named("argument");
    struct sharing_figures bit = figures_of("argument", "epoch", false, OPERATIONS);
    struct sharing_figures counting = figures_of("argument", "refcount", false, OPERATIONS);
    assert_int_equal(bit.checksum, counting.checksum);
    assert_int_equal(bit.copied_bytes, OPERATIONS * scenario->array_bytes);
    assert_int_equal(counting.copied_bytes, 0);
}

/* What R12 gives up: an owner that nothing counts goes on counting until its array is copied away from it. */
static void test_R12_an_owner_found_dead_by_no_cycle_costs_one_copy_each(void **state)
{
    enum { OPERATIONS = 20 };
    (void)state;
    const struct sharing_scenario *scenario = scenario_named("dead-holder");
    struct sharing_figures beside = figures_of("dead-holder", "epoch", true, OPERATIONS);
    struct sharing_figures counting = figures_of("dead-holder", "refcount", false, OPERATIONS);
    assert_int_equal(beside.checksum, counting.checksum);
    assert_int_equal(beside.copied_bytes, OPERATIONS * scenario->array_bytes);
    assert_int_equal(counting.copied_bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R12_an_argument_given_back_leaves_the_array_writable),
        cmocka_unit_test(test_R12_an_array_unshared_again_is_written_in_place),
        cmocka_unit_test(test_R12_a_map_updated_in_place_is_not_copied),
        cmocka_unit_test(test_the_sticky_bit_copies_at_each_write),
        cmocka_unit_test(test_R12_an_owner_found_dead_by_no_cycle_costs_one_copy_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
