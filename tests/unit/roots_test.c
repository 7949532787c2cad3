/**
 * Root providers and tracing.
 */
#include "list_policy.h"
#include "manager_fixture.h"

#include <string.h>

/* A provider of one value, and how often it was asked. */
struct one_root {
    struct sm_value value;
    int asked;
};

static void enumerate_one(void *context, struct sm_visitor *visitor)
{
    struct one_root *root = context;
    root->asked++;
    sm_visit_value(visitor, &root->value);
}

static void enumerate_pointer(void *context, struct sm_visitor *visitor)
{
    sm_visit_pointer(visitor, context);
}

struct collector {
    struct sm_visitor visitor;
    size_t count;
    struct sm_object *targets[8];
};

static void keep_target(struct sm_visitor *visitor, struct sm_object *target)
{
    struct collector *collector = (struct collector *)visitor;
    assert_true(collector->count < 8);
    collector->targets[collector->count++] = target;
}

static void test_the_library_registers_its_own_providers_first(void **state)
{
    assert_int_equal(sm_roots_count(*state), 2);
    assert_string_equal(sm_roots_get(*state, 0)->name, "handles");
    assert_string_equal(sm_roots_get(*state, 1)->name, "finalizers");
    assert_null(sm_roots_get(*state, 2));
}

static void test_providers_are_copied_and_kept_in_order(void **state)
{
    struct one_root root = {{0, 0}, 0};
    const char *names[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};
    for (size_t i = 0; i < 10; i++) {
        struct sm_root_provider provider = {names[i], enumerate_one, &root};
        assert_int_equal(sm_roots_register(*state, &provider), SM_OK);
        provider.enumerate = NULL;
    }
    assert_int_equal(sm_roots_unregister(*state, "c"), SM_OK);
    assert_int_equal(sm_roots_count(*state), 11);
    assert_string_equal(sm_roots_get(*state, 4)->name, "d");
    assert_string_equal(sm_roots_get(*state, 10)->name, "j");
    struct collector collector = {.visitor = {.edge = keep_target}};
    sm_roots_enumerate(*state, &collector.visitor);
    assert_int_equal(root.asked, 9);
    assert_int_equal(collector.count, 0);
}

static void test_bad_providers_are_refused(void **state)
{
    struct sm_root_provider provider = {"x", enumerate_one, NULL};
    provider.enumerate = NULL;
    assert_int_equal(sm_roots_register(*state, &provider), SM_ERR_INVALID_ARGUMENT);
    provider = (struct sm_root_provider){NULL, enumerate_one, NULL};
    assert_int_equal(sm_roots_register(*state, &provider), SM_ERR_INVALID_ARGUMENT);
    provider = (struct sm_root_provider){"handles", enumerate_one, NULL};
    assert_int_equal(sm_roots_register(*state, &provider), SM_ERR_INVALID_ARGUMENT);
    assert_non_null(strstr(sm_error_detail(*state), "handles"));
    assert_int_equal(sm_roots_unregister(*state, "nobody"), SM_ERR_INVALID_ARGUMENT);
    assert_int_equal(sm_roots_unregister(*state, NULL), SM_ERR_INVALID_ARGUMENT);
    assert_int_equal(sm_roots_count(*state), 2);
}

static void test_a_provider_keeps_its_object_alive_and_lets_it_go(void **state)
{
    struct sm_manager *mm = *state;
    struct sm_object *object = sm_alloc(mm, SM_TYPE_VALUES, 32);
    struct one_root root = {sm_value_from_object(object, 0), 0};
    struct sm_root_provider provider = {"one", enumerate_one, &root};
    assert_int_equal(sm_roots_register(mm, &provider), SM_OK);
    sm_collect(mm, SM_COLLECT_FULL);
    assert_int_equal(root.asked, 1);
    assert_true(sm_is_valid(mm, object));
    assert_int_equal(sm_roots_unregister(mm, "one"), SM_OK);
    sm_collect(mm, SM_COLLECT_FULL);
    assert_false(sm_is_valid(mm, object));
}

static void test_pointer_roots(void **state)
{
    struct sm_manager *mm = *state;
    struct sm_object *object = sm_alloc(mm, SM_TYPE_VALUES, 32);
    struct sm_root_provider provider = {"pointer", enumerate_pointer, &object};
    struct sm_object *kept = object;
    assert_int_equal(sm_roots_register(mm, &provider), SM_OK);
    sm_collect(mm, SM_COLLECT_FULL);
    assert_true(sm_is_valid(mm, kept));
    object = NULL;
    sm_collect(mm, SM_COLLECT_FULL);
    assert_false(sm_is_valid(mm, kept));
}

static void test_trace_visits_heap_values_only(void **state)
{
    struct sm_manager *mm = *state;
    struct sm_object *owner = sm_alloc(mm, SM_TYPE_VALUES, 64);
    struct sm_object *target = sm_alloc_leaf(mm, SM_TYPE_BYTES, 16);
    struct sm_value *slots = sm_payload(owner);
    memset(sm_payload(target), 0xFF, 16);
    slots[0] = (struct sm_value){(uint64_t)(uintptr_t)target, 3}; /* a number that looks like an address */
    slots[2] = sm_value_from_object(target, 1);
    slots[3] = sm_value_from_object(owner, 1);
    struct collector collector = {.visitor = {.edge = keep_target}};
    sm_trace(mm, owner, &collector.visitor);
    assert_int_equal(collector.count, 2);
    assert_ptr_equal(collector.targets[0], target);
    assert_ptr_equal(collector.targets[1], owner);
    sm_trace(mm, target, &collector.visitor);
    assert_int_equal(collector.count, 2);
}

static void test_shared_visitors_read_the_same_edges(void **state)
{
    struct sm_manager *mm = *state;
    struct sm_object *owner = sm_alloc(mm, SM_TYPE_VALUES, 48);
    struct sm_value *slots = sm_payload(owner);
    sm_store(mm, owner, &slots[1], sm_value_from_object(owner, 0));
    struct collector collector = {.visitor = {.edge = keep_target, .shared = true}};
    sm_trace(mm, owner, &collector.visitor);
    assert_int_equal(collector.count, 1);
    assert_ptr_equal(collector.targets[0], owner);
}

static void test_a_weak_cell_is_no_edge(void **state)
{
    struct sm_manager *mm = *state;
    struct sm_object *cell = sm_weak_make(mm, sm_alloc(mm, SM_TYPE_VALUES, 16));
    struct collector collector = {.visitor = {.edge = keep_target}};
    sm_trace(mm, cell, &collector.visitor);
    assert_int_equal(collector.count, 0);
}

static void test_cycles_of_garbage_are_found(void **state)
{
    struct sm_manager *mm = *state;
    struct sm_object *left = sm_alloc(mm, SM_TYPE_VALUES, 16);
    struct sm_object *right = sm_alloc(mm, SM_TYPE_VALUES, 16);
    sm_store(mm, left, sm_payload(left), sm_value_from_object(right, 0));
    sm_store(mm, right, sm_payload(right), sm_value_from_object(left, 0));
    sm_collect(mm, SM_COLLECT_FULL);
    assert_false(sm_is_valid(mm, left));
    assert_false(sm_is_valid(mm, right));
}

/* ---- Stacks. ---- */

enum { PILE = 10 };

/* A stack that never moves: all its roots are one object. */
struct pile {
    struct sm_value value;
    size_t unvisited, clean;
};

static size_t visit_pile(const struct pile *pile, struct sm_visitor *visitor, size_t from, size_t end)
{
    for (size_t i = from; i < end; i++)
        sm_visit_value(visitor, &pile->value);
    return from;
}

static void pile_enumerate(void *context, struct sm_visitor *visitor)
{
    (void)visit_pile(context, visitor, 0, PILE);
}

static size_t pile_top(void *context, struct sm_visitor *visitor, size_t budget)
{
    struct pile *pile = context;
    pile->clean = PILE;
    return pile->unvisited = visit_pile(pile, visitor, budget < PILE ? PILE - budget : 0, PILE);
}

static size_t pile_more(void *context, struct sm_visitor *visitor, size_t budget)
{
    struct pile *pile = context;
    size_t end = pile->unvisited;
    return pile->unvisited = visit_pile(pile, visitor, budget < end ? end - budget : 0, end);
}

static size_t pile_changed(void *context, struct sm_visitor *visitor)
{
    struct pile *pile = context;
    size_t from = visit_pile(pile, visitor, pile->clean, PILE);
    pile->clean = PILE;
    return PILE - from;
}

static void pile_forget(void *context)
{
    struct pile *pile = context;
    pile->unvisited = pile->clean = 0;
}

static struct sm_root_stack stack_of(struct pile *pile, const char *name)
{
    return (struct sm_root_stack){.provider = {name, pile_enumerate, pile},
                                  .enumerate_top = pile_top,
                                  .enumerate_more = pile_more,
                                  .enumerate_changed = pile_changed,
                                  .forget = pile_forget};
}

struct tally {
    struct sm_visitor visitor;
    size_t count;
};

static void tally_edge(struct sm_visitor *visitor, struct sm_object *target)
{
    (void)target;
    ((struct tally *)visitor)->count++;
}

/* Two piles and a plain root, all of one object. */
struct piles {
    struct pile first, second;
    struct one_root plain;
    struct tally tally;
};

static void register_piles(struct sm_manager *mm, struct piles *piles)
{
    struct sm_value value = sm_value_from_object(sm_alloc(mm, SM_TYPE_VALUES, 16), 0);
    *piles = (struct piles){.first.value = value, .second.value = value, .plain = {value, 0}};
    piles->tally.visitor.edge = tally_edge;
    struct sm_root_stack first = stack_of(&piles->first, "first"), second = stack_of(&piles->second, "second");
    const struct sm_root_provider plain = {"plain", enumerate_one, &piles->plain};
    assert_int_equal(sm_roots_register_stack(mm, &first), SM_OK);
    assert_int_equal(sm_roots_register(mm, &plain), SM_OK);
    assert_int_equal(sm_roots_register_stack(mm, &second), SM_OK);
    first.provider.enumerate = NULL; /* they were copied */
}

static void test_bad_stacks_are_refused(void **state)
{
    struct pile pile = {{0, 0}, 0, 0};
    struct sm_root_stack stack = stack_of(&pile, "pile");
    stack.enumerate_more = NULL;
    assert_int_equal(sm_roots_register_stack(*state, &stack), SM_ERR_INVALID_ARGUMENT);
    stack = stack_of(&pile, "handles");
    assert_int_equal(sm_roots_register_stack(*state, &stack), SM_ERR_INVALID_ARGUMENT);
    assert_int_equal(sm_roots_count(*state), 2);
}

static void test_R11_pieces_visit_plain_roots_once_and_stacks_by_budget(void **state)
{
    struct piles piles;
    register_piles(*state, &piles);
    struct sm_visitor *visitor = &piles.tally.visitor;
    assert_int_equal(sm_roots_enumerate_begin(*state, visitor, 4), 12);
    assert_int_equal(piles.tally.count, 4 + 1 + 4);
    assert_int_equal(sm_roots_enumerate_some(*state, 0), 12);
    assert_int_equal(sm_roots_enumerate_some(*state, 7), 5);
    assert_int_equal(piles.tally.count, 9 + 7);
    sm_roots_reach(*state, &piles.second, 1); /* in a step that is larger */
    assert_int_equal(sm_roots_enumerate_some(*state, 0), 0);
    assert_int_equal(piles.tally.count, 2 * PILE + 1);
    sm_roots_enumerate_end(*state);
    sm_roots_enumerate_end(*state); /* none is open: nothing happens */
    assert_int_equal(piles.plain.asked, 1);
}

static void test_a_whole_enumeration_leaves_an_open_one_alone(void **state)
{
    struct piles piles;
    struct tally whole = {.visitor = {.edge = tally_edge}};
    register_piles(*state, &piles);
    assert_int_equal(sm_roots_enumerate_begin(*state, &piles.tally.visitor, 1), 18);
    sm_roots_enumerate(*state, &whole.visitor);
    assert_int_equal(whole.count, 2 * PILE + 1);
    assert_int_equal(sm_roots_enumerate_some(*state, 100), 0);
    assert_int_equal(piles.tally.count, 2 * PILE + 1);
    sm_roots_enumerate_end(*state);
}

static void test_a_stack_that_goes_is_visited_first(void **state)
{
    struct piles piles;
    register_piles(*state, &piles);
    assert_int_equal(sm_roots_enumerate_begin(*state, &piles.tally.visitor, 1), 18);
    assert_int_equal(sm_roots_unregister(*state, "first"), SM_OK);
    assert_int_equal(piles.tally.count, 2 + 1 + 9);
    assert_int_equal(sm_roots_enumerate_some(*state, 0), 9);
    sm_roots_enumerate_end(*state);
    assert_int_equal(piles.first.clean, PILE);
    assert_int_equal(piles.second.clean, 0); /* given up before its end */
}

static void test_R11_young_enumerations_visit_what_is_not_clean(void **state)
{
    struct piles piles;
    register_piles(*state, &piles);
    struct sm_visitor *visitor = &piles.tally.visitor;
    assert_int_equal(sm_roots_enumerate_young(*state, visitor), 2 * PILE);
    piles.second.clean = 7;
    assert_int_equal(sm_roots_enumerate_young(*state, visitor), 3);
    assert_int_equal(piles.tally.count, 2 * PILE + 3 + 2);
    sm_roots_forget_clean(*state);
    assert_int_equal(sm_roots_enumerate_young(*state, visitor), 2 * PILE);
}

int main(void)
{
    struct sm_config traced = {.custom_policy = &list_policy_tracing_ops};
    const struct CMUnitTest tests[] = {
        MANAGER_TEST(test_the_library_registers_its_own_providers_first, &traced),
        MANAGER_TEST(test_providers_are_copied_and_kept_in_order, &traced),
        MANAGER_TEST(test_bad_providers_are_refused, &traced),
        MANAGER_TEST(test_a_provider_keeps_its_object_alive_and_lets_it_go, &traced),
        MANAGER_TEST(test_pointer_roots, &traced),
        MANAGER_TEST(test_trace_visits_heap_values_only, &traced),
        MANAGER_TEST(test_shared_visitors_read_the_same_edges, &traced),
        MANAGER_TEST(test_a_weak_cell_is_no_edge, &traced),
        MANAGER_TEST(test_cycles_of_garbage_are_found, &traced),
        MANAGER_TEST(test_bad_stacks_are_refused, &traced),
        MANAGER_TEST(test_R11_pieces_visit_plain_roots_once_and_stacks_by_budget, &traced),
        MANAGER_TEST(test_a_whole_enumeration_leaves_an_open_one_alone, &traced),
        MANAGER_TEST(test_a_stack_that_goes_is_visited_first, &traced),
        MANAGER_TEST(test_R11_young_enumerations_visit_what_is_not_clean, &traced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
