/**
 * What a deep VM stack costs the policies that look at it in pieces, or at what changed (R11).
 */
#include "check.h"

#include "sapimem/roots.h"
#include "sapivm/vm.h"

enum { DEEP = 100000, BUDGET = 1000, DEEP_FRAME_SLOTS = 2 };

struct count {
    struct sm_visitor visitor;
    size_t count;
};

static void count_edge(struct sm_visitor *visitor, struct sm_object *target)
{
    (void)target;
    ((struct count *)visitor)->count++;
}

/* A local and a temporary each. */
static void enter_deep(struct vm *vm, struct sm_value value)
{
    for (int i = 0; i < DEEP; i++) {
        vm_frame_enter(vm, 1);
        vm_local_set(vm, 0, value);
        vm_temporary_push(vm, value);
    }
}

struct deep {
    struct vm *vm;
    struct sm_manager *mm;
    struct count seen;
};

static void open_deep(struct deep *deep)
{
    const struct vm_config config = {.manager = {.policy = "null", .pacing = "never"}};
    *deep = (struct deep){.seen = {.visitor = {.edge = count_edge}}};
    assert_int_equal(vm_create(&config, &deep->vm, NULL), SM_OK);
    deep->mm = vm_manager(deep->vm);
    enter_deep(deep->vm, vm_string_value(vm_string_new(deep->vm, "x", 1)));
}

static size_t seen_since(struct deep *deep)
{
    size_t count = deep->seen.count;
    deep->seen.count = 0;
    return count;
}

static void R11_a_piece_of_a_deep_stack_costs_its_budget(void **state)
{
    struct deep deep;
    (void)state;
    open_deep(&deep);
    size_t left = sm_roots_enumerate_begin(deep.mm, &deep.seen.visitor, BUDGET);
    assert_int_equal(left, DEEP * DEEP_FRAME_SLOTS - BUDGET);
    size_t others = seen_since(&deep) - BUDGET;
    assert_true(others < 10);
    for (; left > 0; left = sm_roots_enumerate_some(deep.mm, BUDGET))
        assert_true(seen_since(&deep) <= BUDGET);
    sm_roots_enumerate_end(deep.mm);
    vm_destroy(deep.vm);
}

/* What returns come to is visited on the way, a little more than is needed and not all at once. */
static void R11_returns_meet_a_deep_stack_in_steps(void **state)
{
    struct deep deep;
    size_t total = 0;
    (void)state;
    open_deep(&deep);
    (void)sm_roots_enumerate_begin(deep.mm, &deep.seen.visitor, 0);
    (void)seen_since(&deep);
    for (int i = 0; i < DEEP; i++) {
        vm_frame_leave(deep.vm);
        assert_true(deep.seen.count <= 300);
        total += seen_since(&deep);
    }
    assert_int_equal(total, DEEP * DEEP_FRAME_SLOTS - DEEP_FRAME_SLOTS);
    assert_int_equal(sm_roots_enumerate_some(deep.mm, BUDGET), 0);
    sm_roots_enumerate_end(deep.mm);
    vm_destroy(deep.vm);
}

static void begin_deep_and_bail_out(struct vm *vm, void *context)
{
    struct deep *deep = context;
    enter_deep(vm, vm_string_value(vm_string_new(vm, "y", 1)));
    (void)sm_roots_enumerate_begin(deep->mm, &deep->seen.visitor, BUDGET);
    vm_bailout(vm, SM_ERR_SYSTEM);
}

/* The exception that R11 names: all that is thrown away at once is visited at once. */
static void R11_a_bailout_visits_what_it_throws_away(void **state)
{
    struct deep deep;
    (void)state;
    open_deep(&deep);
    assert_int_equal(vm_try(deep.vm, begin_deep_and_bail_out, &deep), SM_ERR_SYSTEM);
    assert_true(seen_since(&deep) >= DEEP * DEEP_FRAME_SLOTS + DEEP_FRAME_SLOTS);
    assert_true(sm_roots_enumerate_some(deep.mm, 0) <= (DEEP - 1) * DEEP_FRAME_SLOTS);
    while (sm_roots_enumerate_some(deep.mm, BUDGET) > 0)
        continue;
    sm_roots_enumerate_end(deep.mm);
    vm_destroy(deep.vm);
}

static void R11_a_young_enumeration_of_a_deep_stack_costs_what_changed(void **state)
{
    struct deep deep;
    (void)state;
    open_deep(&deep);
    assert_int_equal(sm_roots_enumerate_young(deep.mm, &deep.seen.visitor), DEEP * DEEP_FRAME_SLOTS);
    assert_int_equal(sm_roots_enumerate_young(deep.mm, &deep.seen.visitor), DEEP_FRAME_SLOTS);
    for (int i = 0; i < 10; i++)
        vm_frame_leave(deep.vm);
    assert_in_range(sm_roots_enumerate_young(deep.mm, &deep.seen.visitor), DEEP_FRAME_SLOTS, 300);
    enter_deep(deep.vm, vm_null());
    assert_int_equal(sm_roots_enumerate_young(deep.mm, &deep.seen.visitor), (DEEP + 1) * DEEP_FRAME_SLOTS);
    sm_roots_forget_clean(deep.mm);
    assert_int_equal(sm_roots_enumerate_young(deep.mm, &deep.seen.visitor), (2 * DEEP - 10) * DEEP_FRAME_SLOTS);
    vm_destroy(deep.vm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(R11_a_piece_of_a_deep_stack_costs_its_budget),
        cmocka_unit_test(R11_returns_meet_a_deep_stack_in_steps),
        cmocka_unit_test(R11_a_bailout_visits_what_it_throws_away),
        cmocka_unit_test(R11_a_young_enumeration_of_a_deep_stack_costs_what_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
