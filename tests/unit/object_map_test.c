/** Tables keyed by objects: the map, and the index of weak cells by their target that is built on it. */
#include "check.h"

#include "object_map.h"
#include "weak_index.h"

#include <stdlib.h>

/* Random settings and removals against a plain table. */
static void test_map_agrees_with_a_plain_table(void **state)
{
    enum { OBJECTS = 500, STEPS = 50000 };
    static struct sm_object objects[OBJECTS];
    static size_t positions[OBJECTS];
    static bool present[OBJECTS];
    struct sm_object_map map = {0};
    uint64_t random = 88172645463325252u;
    size_t count = 0;
    (void)state;
    for (size_t step = 0; step < STEPS; step++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        size_t i = (size_t)(random % OBJECTS);
        if (present[i] && random % 3 != 0) {
            assert_int_equal(sm_object_map_take(&map, &objects[i]), positions[i]);
            present[i] = false;
            count--;
        } else {
            positions[i] = step;
            assert_true(sm_object_map_set(&map, &objects[i], step));
            count += !present[i];
            present[i] = true;
        }
        assert_int_equal(map.count, count);
    }
    for (size_t i = 0; i < OBJECTS; i++) {
        if (present[i])
            assert_int_equal(sm_object_map_take(&map, &objects[i]), positions[i]);
    }
    assert_int_equal(map.count, 0);
    sm_object_map_finish(&map);
}

/* Those who change a value in the middle of a cycle could not bear a refusal. */
static void test_changing_a_value_needs_no_memory(void **state)
{
    enum { OBJECTS = 200 };
    static struct sm_object objects[OBJECTS];
    struct sm_object_map map = {0};
    (void)state;
    for (size_t i = 0; i < OBJECTS; i++) {
        assert_true(sm_object_map_set(&map, &objects[i], i));
        size_t capacity = map.capacity;
        for (size_t j = 0; j <= i; j++)
            assert_true(sm_object_map_set(&map, &objects[j], j + 1));
        assert_int_equal(map.capacity, capacity);
    }
    for (size_t i = 0; i < OBJECTS; i++)
        assert_int_equal(sm_object_map_find(&map, &objects[i])->value, i + 1);
    sm_object_map_finish(&map);
}

/* No multiple of 3, so that every target keeps some of its cells. */
enum { TARGETS = 298, CELLS = 1200 };

/* By its place in the array: two in three cells stay, and half of the targets. */
struct population {
    struct sm_object targets[TARGETS];
    struct sm_weak_cell cells[CELLS];
};

static bool cell_stays(size_t i)
{
    return i % 3 != 0;
}

static bool target_stays(size_t i)
{
    return i % 2 != 0;
}

static bool stays(void *context, const struct sm_object *object)
{
    const struct population *population = context;
    if (object >= population->targets && object < population->targets + TARGETS)
        return target_stays((size_t)(object - population->targets));
    return cell_stays((size_t)((const struct sm_weak_cell *)object - population->cells));
}

static void test_filter_keeps_what_stays_and_clears_what_lost_its_target(void **state)
{
    struct population *population = calloc(1, sizeof(*population));
    struct sm_weak_index index = {0};
    (void)state;
    assert_non_null(population);
    for (size_t i = 0; i < CELLS; i++) {
        population->cells[i].target = &population->targets[i * 7 % TARGETS];
        assert_true(sm_weak_index_add(&index, &population->cells[i]));
    }
    sm_weak_index_filter(&index, stays, population);
    assert_int_equal(index.chains.count, TARGETS / 2);
    for (size_t i = 0; i < CELLS; i++) {
        struct sm_object *target = &population->targets[i * 7 % TARGETS];
        if (cell_stays(i))
            assert_ptr_equal(population->cells[i].target, target_stays(i * 7 % TARGETS) ? target : NULL);
    }
    for (size_t i = 0; i < TARGETS; i++) {
        size_t met = 0;
        for (struct sm_weak_cell *cell = sm_weak_index_take(&index, &population->targets[i]); cell != NULL; met++) {
            assert_true(cell_stays((size_t)(cell - population->cells)) && target_stays(i));
            assert_null(cell->target);
            cell = cell->next;
        }
        size_t expected = 0;
        for (size_t j = 0; j < CELLS; j++)
            expected += j * 7 % TARGETS == i && cell_stays(j) && target_stays(i);
        assert_int_equal(met, expected);
    }
    assert_int_equal(index.chains.count, 0);
    sm_weak_index_finish(&index);
    free(population);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_map_agrees_with_a_plain_table),
        cmocka_unit_test(test_changing_a_value_needs_no_memory),
        cmocka_unit_test(test_filter_keeps_what_stays_and_clears_what_lost_its_target),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
