/* Counts: which values have them, what moves them, what they lead to; policies that count and counts beside tracing (R12). */
#include "list_policy.h"
#include "manager_fixture.h"

#include "../../lib/mm/src/manager_internal.h"
#include "sapimem/extension.h"

static struct sm_value plain(struct sm_object *object)
{
    return sm_value_from_object(object, 0);
}

static struct sm_value counted(struct sm_object *object)
{
    return sm_value_from_object(object, SM_TAG_COUNTED);
}

static struct sm_object *new_object(struct sm_manager *mm)
{
    struct sm_object *object = sm_alloc(mm, SM_TYPE_VALUES, 32);
    assert_non_null(object);
    return object;
}

static struct sm_value *first_slot(struct sm_object *object)
{
    return sm_payload(object);
}

static void test_a_counting_policy_counts_every_heap_value_and_nothing_else(void **state)
{
    struct sm_manager *mm = *state;
    struct sm_object *object = new_object(mm);
    sm_value_copy(mm, (struct sm_value){5, 1});
    sm_value_drop(mm, (struct sm_value){5, 1});
    sm_value_copy(mm, plain(object));
    sm_value_copy(mm, counted(object));
    assert_int_equal(object->count, 3);
    sm_value_drop(mm, plain(object));
    sm_value_drop(mm, plain(object));
    assert_true(sm_is_valid(mm, object));
    sm_value_drop(mm, plain(object));
    assert_false(sm_is_valid(mm, object));
    assert_int_equal(list_policy_of(mm)->calls.value_dead, 1);
    assert_int_equal(manager_stats(mm).live_objects, 0);
}

static void test_R12_beside_tracing_only_marked_values_are_counted(void **state)
{
    struct sm_manager *mm = *state;
    struct sm_object *object = new_object(mm);
    sm_value_copy(mm, plain(object));
    assert_int_equal(object->count, 1);
    sm_value_copy(mm, counted(object));
    assert_int_equal(object->count, 2);
    sm_value_drop(mm, counted(object));
    sm_value_drop(mm, counted(object));
    /* The count decides sharing, never reclamation. */
    assert_int_equal(object->count, 0);
    assert_true(sm_is_valid(mm, object));
}

static void test_without_counts_nothing_is_counted(void **state)
{
    struct sm_manager *mm = *state;
    struct sm_object *object = new_object(mm);
    sm_value_copy(mm, counted(object));
    sm_store(mm, object, first_slot(object), counted(object));
    assert_int_equal(object->count, 1);
    assert_int_equal(sm_hot(mm)->counted_tags, 0);
}

static void test_R12_a_saturated_count_stays(void **state)
{
    struct sm_manager *mm = *state;
    struct sm_object *object = new_object(mm);
    object->count = SM_COUNT_MAX - 1;
    sm_value_copy(mm, counted(object));
    sm_value_copy(mm, counted(object));
    assert_int_equal(object->count, SM_COUNT_MAX);
    sm_value_drop(mm, counted(object));
    assert_int_equal(object->count, SM_COUNT_MAX);
    object->count = 1;
}

static void test_store_counts_in_and_out(void **state)
{
    struct sm_manager *mm = *state;
    struct sm_object *owner = new_object(mm), *first = new_object(mm), *second = new_object(mm);
    sm_store(mm, owner, first_slot(owner), counted(first));
    assert_int_equal(first->count, 2);
    sm_store(mm, owner, first_slot(owner), counted(second));
    assert_int_equal(first->count, 1);
    assert_int_equal(second->count, 2);
    /* A value over itself: counted in before it is counted out. */
    sm_value_drop(mm, counted(second));
    sm_store(mm, owner, first_slot(owner), counted(second));
    assert_int_equal(second->count, 1);
    assert_true(sm_is_valid(mm, second));
}

static void test_store_take_moves_the_count_in(void **state)
{
    struct sm_manager *mm = *state;
    struct sm_object *owner = new_object(mm), *first = new_object(mm), *second = new_object(mm);
    sm_store_take(mm, owner, first_slot(owner), counted(first));
    assert_int_equal(first->count, 1);
    sm_value_copy(mm, counted(first));
    sm_store_take(mm, owner, first_slot(owner), counted(second));
    assert_int_equal(first->count, 1);
    assert_int_equal(second->count, 1);
}

static void test_store_move_counts_nothing(void **state)
{
    struct sm_manager *mm = *state;
    struct sm_object *owner = new_object(mm), *first = new_object(mm), *second = new_object(mm);
    sm_store_take(mm, owner, first_slot(owner), counted(first));
    sm_store_move(mm, owner, first_slot(owner), counted(second));
    assert_int_equal(first->count, 1);
    assert_int_equal(second->count, 1);
    assert_ptr_equal(sm_value_object(*first_slot(owner)), second);
}

static void test_pointers_are_counted_where_everything_is(void **state)
{
    struct sm_manager *mm = *state;
    struct sm_object *owner = new_object(mm), *target = new_object(mm);
    bool all = sm_counts_all(mm);
    sm_store_pointer(mm, owner, sm_payload(owner), target);
    assert_int_equal(target->count, all ? 2 : 1);
    sm_store_pointer(mm, owner, sm_payload(owner), NULL);
    assert_int_equal(target->count, 1);
    sm_store_pointer_take(mm, owner, sm_payload(owner), target);
    assert_int_equal(target->count, 1);
    sm_store_pointer_move(mm, owner, sm_payload(owner), NULL);
    assert_int_equal(target->count, 1);
}

static void test_possible_roots_are_told_once_each_drop_to_non_zero(void **state)
{
    struct sm_manager *mm = *state;
    const struct list_calls *calls = &list_policy_of(mm)->calls;
    struct sm_object *object = new_object(mm);
    struct sm_object *leaf = sm_alloc_leaf(mm, SM_TYPE_BYTES, 32);
    object->count = leaf->count = 5;
    sm_value_drop(mm, plain(leaf));
    assert_int_equal(calls->value_candidate, 0);
    sm_value_drop(mm, plain(object));
    assert_int_equal(calls->value_candidate, 1);
    /* Buffered ones are not told again. */
    sm_object_set_flags(object, SM_OBJECT_CANDIDATE);
    sm_value_drop(mm, plain(object));
    assert_int_equal(calls->value_candidate, 1);
}

static void test_R12_beside_tracing_there_are_no_possible_roots(void **state)
{
    struct sm_manager *mm = *state;
    struct sm_object *object = new_object(mm);
    object->count = 3;
    sm_value_drop(mm, counted(object));
    assert_int_equal(object->count, 2);
    assert_int_equal(list_policy_of(mm)->calls.value_candidate, 0);
}

static void test_bytes_live_until_the_next_safepoint_then_by_their_handles(void **state)
{
    struct sm_manager *mm = *state;
    struct sm_object *kept = sm_object_of_payload(sm_alloc_bytes(mm, 64));
    struct sm_object *loose = sm_object_of_payload(sm_alloc_bytes(mm, 64));
    (void)sm_scope_open(mm);
    sm_bytes_handle(mm, sm_payload(kept));
    assert_true(sm_is_valid(mm, loose));
    sm_safepoint(mm);
    assert_true(sm_is_valid(mm, kept));
    assert_int_equal(kept->count, 1);
    assert_false(sm_is_valid(mm, loose));
    /* Once: the list is empty now. */
    sm_safepoint(mm);
    assert_true(sm_is_valid(mm, kept));
}

static void test_extension_roots_hold_and_release(void **state)
{
    struct sm_manager *mm = *state;
    struct sm_object *object = new_object(mm);
    sm_root_hold(mm, plain(object));
    sm_value_drop(mm, plain(object));
    assert_true(sm_is_valid(mm, object));
    sm_root_release(mm, plain(object));
    assert_false(sm_is_valid(mm, object));
}

static void test_a_copy_comes_off_the_clock_but_for_its_growth(void **state)
{
    struct sm_manager *mm = *state;
    (void)new_object(mm);
    struct sm_stats before = manager_stats(mm);
    struct sm_object *copy = sm_alloc(mm, SM_TYPE_VALUES, 48);
    sm_count_copy_object(mm, copy, 32);
    struct sm_stats after = manager_stats(mm);
    assert_int_equal(after.alloc_bytes - before.alloc_bytes, 16);
    assert_int_equal(after.alloc_count, before.alloc_count);
    assert_int_equal(after.copied_bytes, 32);
    assert_int_equal(after.live_bytes - before.live_bytes, 48);
    assert_int_equal(after.live_objects - before.live_objects, 1);
}

static void test_copies_bring_the_next_cycle_forward(void **state)
{
    (void)state;
    struct sm_config config = {.threshold_bytes = 64 << 10};
    struct sm_manager *mm = list_policy_manager(&list_policy_tracing_ops, &config);
    for (int i = 0; i < 40; i++) {
        struct sm_object *copy = sm_alloc(mm, SM_TYPE_VALUES, 2048);
        sm_count_copy_object(mm, copy, 2048);
        sm_safepoint(mm);
    }
    assert_int_equal(manager_stats(mm).alloc_bytes, 0);
    assert_int_equal(manager_stats(mm).cycles, 1);
    sm_manager_destroy(mm);
}

/* ---- Destructors at the last drop ---- */

struct destructor_log {
    int ran;
    struct sm_object *drop_inside; /* given up by the first destructor */
    sm_type_id type;
};

static void log_destructor(struct sm_manager *mm, struct sm_object *object, void *context)
{
    struct destructor_log *log = context;
    struct sm_object *inner = log->drop_inside;
    (void)object;
    log->ran++;
    log->drop_inside = NULL;
    if (inner != NULL)
        sm_value_drop(mm, counted(inner));
}

static struct sm_object *new_destructible(struct sm_manager *mm, struct destructor_log *log)
{
    struct sm_object *object = sm_alloc(mm, log->type, 32);
    assert_int_equal(sm_finalizer_register(mm, object), SM_OK);
    return object;
}

static void register_destructible(struct sm_manager *mm, struct destructor_log *log)
{
    struct sm_type type = {.name = "destructible", .finalize = log_destructor, .context = log};
    assert_int_equal(sm_type_register(mm, &type, &log->type), SM_OK);
}

static void test_R5_prompt_destructors_run_at_the_last_drop_once_and_nest(void **state)
{
    struct sm_manager *mm = *state;
    struct destructor_log log = {0};
    register_destructible(mm, &log);
    struct sm_object *outer = new_destructible(mm, &log);
    log.drop_inside = new_destructible(mm, &log);
    struct sm_object *other = new_destructible(mm, &log);
    sm_value_drop(mm, counted(outer));
    assert_int_equal(log.ran, 2);
    assert_true(sm_object_flags(outer) & SM_OBJECT_FINALIZED);
    assert_int_equal(outer->count, 0);
    sm_finalizers_run_all(mm);
    assert_int_equal(log.ran, 3);
    assert_true(sm_object_flags(other) & SM_OBJECT_FINALIZED);
}

int main(void)
{
    struct sm_config lists = {.custom_policy = &list_policy_ops};
    struct sm_config traced = {.custom_policy = &list_policy_tracing_ops};
    struct sm_config shared = {.custom_policy = &list_policy_tracing_ops, .sharing_counts = true};
    const struct CMUnitTest tests[] = {
        MANAGER_TEST(test_a_counting_policy_counts_every_heap_value_and_nothing_else, &lists),
        MANAGER_TEST(test_R12_beside_tracing_only_marked_values_are_counted, &shared),
        MANAGER_TEST(test_without_counts_nothing_is_counted, &traced),
        MANAGER_TEST(test_R12_a_saturated_count_stays, &shared),
        MANAGER_TEST(test_store_counts_in_and_out, &lists),
        MANAGER_TEST(test_store_counts_in_and_out, &shared),
        MANAGER_TEST(test_store_take_moves_the_count_in, &lists),
        MANAGER_TEST(test_store_take_moves_the_count_in, &shared),
        MANAGER_TEST(test_store_move_counts_nothing, &lists),
        MANAGER_TEST(test_pointers_are_counted_where_everything_is, &lists),
        MANAGER_TEST(test_pointers_are_counted_where_everything_is, &shared),
        MANAGER_TEST(test_possible_roots_are_told_once_each_drop_to_non_zero, &lists),
        MANAGER_TEST(test_R12_beside_tracing_there_are_no_possible_roots, &shared),
        MANAGER_TEST(test_bytes_live_until_the_next_safepoint_then_by_their_handles, &lists),
        MANAGER_TEST(test_extension_roots_hold_and_release, &lists),
        MANAGER_TEST(test_a_copy_comes_off_the_clock_but_for_its_growth, &traced),
        cmocka_unit_test(test_copies_bring_the_next_cycle_forward),
        MANAGER_TEST(test_R5_prompt_destructors_run_at_the_last_drop_once_and_nest, &shared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
