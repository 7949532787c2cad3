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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
