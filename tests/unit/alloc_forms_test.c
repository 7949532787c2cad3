/**
 * The inline allocation forms, their slow paths, resizing, freeing, stores and counting hooks.
 */
#include "list_policy.h"
#include "manager_fixture.h"

#include <string.h>

static bool all_zero(const void *memory, size_t bytes)
{
    const unsigned char *byte = memory;
    for (size_t i = 0; i < bytes; i++) {
        if (byte[i] != 0)
            return false;
    }
    return true;
}

static void test_lists_refill_once_then_pop_inline(void **state)
{
    struct sm_manager *mm = *state;
    struct sm_object *first = sm_alloc(mm, SM_TYPE_VALUES, 32);
    struct sm_object *second = sm_alloc(mm, SM_TYPE_VALUES, 32);
    assert_non_null(first);
    assert_non_null(second);
    assert_ptr_not_equal(first, second);
    assert_int_equal(list_policy_of(mm)->calls.refill, 1);
    assert_int_equal(list_policy_of(mm)->calls.alloc_slow, 0);
}

static void test_each_size_class_has_its_own_list(void **state)
{
    struct sm_manager *mm = *state;
    for (size_t payload = 16; payload <= 2048; payload *= 2)
        assert_non_null(sm_alloc(mm, SM_TYPE_VALUES, payload));
    assert_int_equal(list_policy_of(mm)->calls.refill, 8);
}

static void test_every_inline_size_fits_its_block(void **state)
{
    struct sm_manager *mm = *state;
    for (size_t payload = 0; payload <= SM_INLINE_PAYLOAD_MAX; payload += 7) {
        struct sm_object *left = sm_alloc_leaf(mm, SM_TYPE_BYTES, payload);
        struct sm_object *right = sm_alloc_leaf(mm, SM_TYPE_BYTES, payload);
        assert_non_null(left);
        assert_non_null(right);
        memset(sm_payload(left), 0xAA, payload);
        memset(sm_payload(right), 0x55, payload);
        assert_int_equal(left->payload_bytes, payload);
        assert_true(payload == 0 || ((unsigned char *)sm_payload(left))[payload - 1] == 0xAA);
    }
}

static void test_freed_block_is_reused_first(void **state)
{
    struct sm_manager *mm = *state;
    struct sm_object *object = sm_alloc(mm, SM_TYPE_VALUES, 48);
    assert_int_equal(sm_free(mm, object), SM_OK);
    assert_ptr_equal(sm_alloc(mm, SM_TYPE_VALUES, 48), object);
    assert_int_equal(list_policy_of(mm)->calls.free, 1);
}

static void test_reused_block_is_zeroed_for_a_traced_type(void **state)
{
    struct sm_manager *mm = *state;
    struct sm_object *object = sm_alloc(mm, SM_TYPE_VALUES, 48);
    memset(sm_payload(object), 0xFF, 48);
    sm_free(mm, object);
    object = sm_alloc(mm, SM_TYPE_VALUES, 48);
    assert_true(all_zero(sm_payload(object), 48));
}

static void test_new_object_has_a_clean_header(void **state)
{
    struct sm_manager *mm = *state;
    struct sm_object *object = sm_alloc(mm, SM_TYPE_VALUES, 33);
    assert_int_equal(object->count, 1);
    assert_int_equal(object->type, SM_TYPE_VALUES);
    assert_int_equal(object->flags, 0);
    assert_int_equal(object->payload_bytes, 33);
    assert_int_equal((uintptr_t)object % SM_ALIGNMENT, 0);
}

static void test_payload_of_zero_bytes(void **state)
{
    struct sm_manager *mm = *state;
    struct sm_object *object = sm_alloc(mm, SM_TYPE_VALUES, 0);
    assert_non_null(object);
    assert_int_equal(object->payload_bytes, 0);
    assert_int_equal(manager_stats(mm).alloc_count, 1);
    assert_int_equal(manager_stats(mm).alloc_bytes, 0);
}

static void test_large_payload_goes_to_alloc_slow_and_is_zeroed(void **state)
{
    struct sm_manager *mm = *state;
    struct sm_object *object = sm_alloc(mm, SM_TYPE_VALUES, SM_INLINE_PAYLOAD_MAX + 1);
    assert_non_null(object);
    assert_int_equal(list_policy_of(mm)->calls.refill, 0);
    assert_int_equal(list_policy_of(mm)->calls.alloc_slow, 1);
    assert_true(all_zero(sm_payload(object), SM_INLINE_PAYLOAD_MAX + 1));
}

static void test_largest_inline_payload_takes_the_list(void **state)
{
    struct sm_manager *mm = *state;
    assert_non_null(sm_alloc(mm, SM_TYPE_VALUES, SM_INLINE_PAYLOAD_MAX));
    assert_int_equal(list_policy_of(mm)->calls.refill, 1);
    assert_int_equal(list_policy_of(mm)->calls.alloc_slow, 0);
}

static void test_payload_above_the_maximum_is_refused(void **state)
{
    struct sm_manager *mm = *state;
    assert_null(sm_alloc(mm, SM_TYPE_VALUES, (size_t)SM_PAYLOAD_MAX + 1));
    assert_int_equal(sm_error_status(mm), SM_ERR_INVALID_ARGUMENT);
    assert_non_null(strstr(sm_error_detail(mm), "1 TiB"));
    assert_null(sm_alloc_leaf(mm, SM_TYPE_BYTES, SIZE_MAX));
    assert_int_equal(sm_error_status(mm), SM_ERR_INVALID_ARGUMENT);
    assert_int_equal(manager_stats(mm).alloc_count, 0);
}

static void test_clock_counts_payloads_and_only_successes(void **state)
{
    struct sm_manager *mm = *state;
    sm_alloc(mm, SM_TYPE_VALUES, 33);
    sm_alloc_leaf(mm, SM_TYPE_BYTES, 5000);
    assert_null(sm_alloc(mm, SM_TYPE_VALUES, (size_t)SM_PAYLOAD_MAX + 1));
    assert_int_equal(manager_stats(mm).alloc_bytes, 5033);
    assert_int_equal(manager_stats(mm).alloc_count, 2);
    assert_int_equal(manager_stats(mm).live_bytes, 5033);
    assert_int_equal(manager_stats(mm).live_objects, 2);
}

static void test_window_form_bumps(void **state)
{
    struct sm_manager *mm = *state;
    struct sm_object *first = sm_alloc(mm, SM_TYPE_VALUES, 40);
    struct sm_object *second = sm_alloc(mm, SM_TYPE_VALUES, 40);
    assert_ptr_equal((char *)first + sm_block_bytes(40), second);
    assert_true(all_zero(sm_payload(second), 40));
}

static void test_window_form_survives_many_refills(void **state)
{
    struct sm_manager *mm = *state;
    for (int i = 0; i < 5000; i++) {
        struct sm_object *object = sm_alloc(mm, SM_TYPE_VALUES, SM_INLINE_PAYLOAD_MAX);
        assert_non_null(object);
        assert_true(all_zero(sm_payload(object), SM_INLINE_PAYLOAD_MAX));
    }
    assert_int_equal(manager_stats(mm).alloc_bytes, 5000u * SM_INLINE_PAYLOAD_MAX);
}

static void test_resize_in_place_grows_within_the_block(void **state)
{
    struct sm_manager *mm = *state;
    struct sm_object *object = sm_alloc(mm, SM_TYPE_VALUES, 64);
    memset(sm_payload(object), 0xFF, 64);
    memset((char *)sm_payload(object) + 64, 0xEE, 32); /* what an earlier use of the block left there */
    assert_ptr_equal(sm_resize(mm, object, 96), object);
    assert_int_equal(object->payload_bytes, 96);
    assert_true(all_zero((char *)sm_payload(object) + 64, 32));
    assert_int_equal(manager_stats(mm).alloc_bytes, 96);
    assert_int_equal(manager_stats(mm).alloc_count, 1);
    assert_int_equal(manager_stats(mm).resize_count, 1);
    assert_int_equal(manager_stats(mm).live_bytes, 96);
}

static void test_resize_in_place_shrinks_off_the_clock(void **state)
{
    struct sm_manager *mm = *state;
    struct sm_object *object = sm_alloc(mm, SM_TYPE_VALUES, 96);
    assert_ptr_equal(sm_resize(mm, object, 32), object);
    assert_int_equal(manager_stats(mm).alloc_bytes, 96);
    assert_int_equal(manager_stats(mm).live_bytes, 32);
    assert_int_equal(manager_stats(mm).live_objects, 1);
    sm_free(mm, object);
    assert_int_equal(manager_stats(mm).live_bytes, 0);
}

static void test_resize_to_the_same_size_is_nothing(void **state)
{
    struct sm_manager *mm = *state;
    struct sm_object *object = sm_alloc(mm, SM_TYPE_VALUES, 96);
    assert_ptr_equal(sm_resize(mm, object, 96), object);
    assert_int_equal(manager_stats(mm).resize_count, 0);
    assert_int_equal(list_policy_of(mm)->calls.resize, 0);
}

static void test_resize_by_copy_keeps_bytes_and_frees_the_old(void **state)
{
    struct sm_manager *mm = *state;
    struct sm_object *object = sm_alloc(mm, SM_TYPE_VALUES, 100);
    memset(sm_payload(object), 0xAB, 100);
    object->count = 5;
    sm_object_set_flags(object, SM_OBJECT_SHARED);
    struct sm_object *grown = sm_resize(mm, object, 1000);
    assert_ptr_not_equal(grown, object);
    assert_true(sm_is_valid(mm, object)); /* until the caller, who has references to replace, retires it */
    sm_retire(mm, object);
    assert_int_equal(grown->payload_bytes, 1000);
    assert_int_equal(grown->count, 5);
    assert_int_equal(grown->type, SM_TYPE_VALUES);
    assert_int_equal(grown->flags, SM_OBJECT_SHARED);
    assert_int_equal(((unsigned char *)sm_payload(grown))[99], 0xAB);
    assert_true(all_zero((char *)sm_payload(grown) + 100, 900));
    assert_false(sm_is_valid(mm, object));
    assert_int_equal(list_policy_of(mm)->calls.free, 1);
}

static void test_resize_by_copy_counts_growth_and_the_copy(void **state)
{
    struct sm_manager *mm = *state;
    struct sm_object *before = sm_alloc(mm, SM_TYPE_VALUES, 100);
    struct sm_object *object = sm_resize(mm, before, 1000);
    sm_retire(mm, before);
    struct sm_stats stats = manager_stats(mm);
    assert_int_equal(stats.alloc_bytes, 1000);
    assert_int_equal(stats.alloc_count, 1);
    assert_int_equal(stats.resize_count, 1);
    assert_int_equal(stats.copied_bytes, 100);
    assert_int_equal(stats.copy_count, 1);
    assert_int_equal(stats.live_bytes, 1000);
    assert_int_equal(stats.live_objects, 1);
    sm_free(mm, object);
    assert_int_equal(manager_stats(mm).live_bytes, 0);
    assert_int_equal(manager_stats(mm).live_objects, 0);
}

static void test_resize_by_copy_zeroes_growth_in_a_used_block(void **state)
{
    struct sm_manager *mm = *state;
    struct sm_object *used = sm_alloc(mm, SM_TYPE_VALUES, 1000);
    memset(sm_payload(used), 0xEE, 1000);
    sm_free(mm, used);
    struct sm_object *grown = sm_resize(mm, sm_alloc(mm, SM_TYPE_VALUES, 100), 1000);
    assert_ptr_equal(grown, used);
    assert_true(all_zero(sm_payload(grown), 1000));
}

static void test_resize_by_copy_retires_the_old(void **state)
{
    struct sm_manager *mm = *state;
    struct sm_object *object = sm_alloc(mm, SM_TYPE_VALUES, 500);
    struct sm_object *shrunk = sm_resize(mm, object, 100);
    assert_ptr_not_equal(shrunk, object);
    assert_int_equal(list_policy_of(mm)->calls.retire, 0);
    sm_retire(mm, object);
    assert_int_equal(list_policy_of(mm)->calls.retire, 1);
    struct sm_stats stats = manager_stats(mm);
    assert_int_equal(stats.alloc_bytes, 500);
    assert_int_equal(stats.live_bytes, 100);
    assert_int_equal(stats.live_objects, 1);
    assert_int_equal(stats.retired_bytes, 500);
    assert_int_equal(stats.copied_bytes, 100);
    assert_int_equal(stats.backlog_bytes, sm_block_bytes(500));
}

static void test_resize_without_retire_or_free_leaves_the_old_alive(void **state)
{
    struct sm_manager *mm = *state;
    struct sm_object *object = sm_alloc(mm, SM_TYPE_VALUES, 100);
    struct sm_object *other = sm_alloc(mm, SM_TYPE_VALUES, 16);
    struct sm_object *grown = sm_resize(mm, object, 4000);
    assert_non_null(other);
    assert_int_equal(grown->payload_bytes, 4000);
    struct sm_stats stats = manager_stats(mm);
    assert_int_equal(stats.alloc_bytes, 4016);
    if (grown != object)
        assert_int_equal(stats.live_bytes, 4116);
    else
        assert_int_equal(stats.live_bytes, 4016);
}

static void test_resize_failure_leaves_the_object_as_it_was(void **state)
{
    struct sm_manager *mm = *state;
    struct sm_object *object = sm_alloc(mm, SM_TYPE_VALUES, 100);
    memset(sm_payload(object), 0xAB, 100);
    assert_null(sm_resize(mm, object, (size_t)SM_PAYLOAD_MAX + 1));
    assert_int_equal(sm_error_status(mm), SM_ERR_INVALID_ARGUMENT);
    assert_int_equal(object->payload_bytes, 100);
    assert_true(sm_is_valid(mm, object));
    assert_int_equal(manager_stats(mm).resize_count, 0);
}

static void test_free_counts_the_dead(void **state)
{
    struct sm_manager *mm = *state;
    struct sm_object *small = sm_alloc(mm, SM_TYPE_VALUES, 64);
    struct sm_object *large = sm_alloc(mm, SM_TYPE_VALUES, (size_t)64 * 1024);
    assert_int_equal(sm_free(mm, large), SM_OK);
    assert_int_equal(manager_stats(mm).live_bytes, 64);
    assert_int_equal(sm_free(mm, small), SM_OK);
    assert_int_equal(manager_stats(mm).live_bytes, 0);
    assert_int_equal(manager_stats(mm).live_objects, 0);
    assert_int_equal(manager_stats(mm).alloc_bytes, 64 + 64 * 1024);
}

static void test_free_is_refused_without_the_capability(void **state)
{
    struct sm_manager *mm = *state;
    struct sm_object *object = sm_alloc(mm, SM_TYPE_VALUES, 64);
    assert_int_equal(sm_free(mm, object), SM_ERR_UNSUPPORTED);
    assert_non_null(strstr(sm_error_detail(mm), "traced-lists"));
    assert_true(sm_is_valid(mm, object));
}

static void test_retire_frees_at_once_where_it_cannot_wait(void **state)
{
    struct sm_manager *mm = *state;
    struct sm_object *object = sm_alloc(mm, SM_TYPE_VALUES, 64);
    sm_retire(mm, object);
    assert_int_equal(list_policy_of(mm)->calls.free, 1);
    assert_false(sm_is_valid(mm, object));
    assert_int_equal(manager_stats(mm).live_bytes, 0);
}

static void test_retired_object_is_no_longer_valid_and_is_reused_after_a_safepoint(void **state)
{
    struct sm_manager *mm = *state;
    struct sm_object *object = sm_alloc(mm, SM_TYPE_VALUES, 64);
    sm_retire(mm, object);
    assert_false(sm_is_valid(mm, object));
    assert_int_equal(manager_stats(mm).live_objects, 0);
    assert_ptr_not_equal(sm_alloc(mm, SM_TYPE_VALUES, 64), object);
    sm_attention_request(mm);
    sm_safepoint(mm);
    assert_int_equal(manager_stats(mm).backlog_bytes, 0);
    assert_ptr_equal(sm_alloc(mm, SM_TYPE_VALUES, 64), object);
}

static void test_store_without_a_barrier_asks_nobody(void **state)
{
    struct sm_manager *mm = *state;
    struct sm_object *owner = sm_alloc(mm, SM_TYPE_VALUES, 32);
    struct sm_value *slots = sm_payload(owner);
    struct sm_value value = {42, 3};
    sm_store(mm, owner, &slots[1], value);
    assert_int_equal(slots[1].payload, 42);
    assert_int_equal(slots[1].tag, 3);
    assert_int_equal(list_policy_of(mm)->calls.store_slow, 0);
}

static void test_store_with_the_policy_barrier_goes_through_it(void **state)
{
    struct sm_manager *mm = *state;
    struct sm_object *owner = sm_alloc(mm, SM_TYPE_VALUES, 32);
    struct sm_value *slots = sm_payload(owner);
    sm_hot(mm)->barrier |= SM_BARRIER_POLICY;
    sm_store(mm, owner, &slots[0], sm_value_from_object(owner, 5));
    assert_ptr_equal(sm_value_object(slots[0]), owner);
    assert_int_equal(slots[0].tag, 5 | SM_TAG_HEAP);
    sm_store_pointer(mm, owner, &slots[1], owner);
    assert_int_equal(slots[1].payload, (uintptr_t)owner);
    assert_int_equal(list_policy_of(mm)->calls.store_slow, 2);
    assert_int_equal(list_policy_of(mm)->calls.pointer_stores, 1);
}

static void test_published_stores_are_read_back_whole(void **state)
{
    struct sm_manager *mm = *state;
    struct sm_object *owner = sm_alloc(mm, SM_TYPE_VALUES, 32);
    if (owner == NULL) {
        fail_msg("%s", sm_error_detail(mm));
        return; /* cmocka does not tell analysers that a failure ends the test */
    }
    struct sm_value *slots = sm_payload(owner);
    assert_int_equal(sm_observers_allow(mm), SM_OK);
    struct sm_value value = {UINT64_C(0x0123456789abcdef), UINT64_C(0xfedcba9876543210)};
    sm_store(mm, owner, &slots[1], value);
    struct sm_value read = sm_load_shared(&slots[1]);
    assert_memory_equal(&read, &value, sizeof(value));
    sm_store_pointer(mm, owner, &slots[0], owner);
    assert_int_equal(slots[0].payload, (uintptr_t)owner);
}

static void test_published_objects_are_never_resized_in_place(void **state)
{
    /* R8; both test policies' blocks have room, so only the manager's rule makes the copy. */
    struct sm_manager *mm = *state;
    struct sm_object *object = sm_alloc(mm, SM_TYPE_VALUES, 64);
    sm_hot(mm)->barrier |= SM_BARRIER_PUBLISH;
    assert_ptr_not_equal(sm_resize(mm, object, 80), object);
    assert_int_equal(list_policy_of(mm)->calls.resize, 0);
}

static void count_visit(void *context, struct sm_object *object)
{
    size_t *sum = context;
    *sum += (size_t)object->payload_bytes;
}

static void test_walk_sees_live_objects_once(void **state)
{
    struct sm_manager *mm = *state;
    size_t sum = 0;
    sm_alloc(mm, SM_TYPE_VALUES, 16);
    struct sm_object *freed = sm_alloc(mm, SM_TYPE_VALUES, 32);
    sm_alloc(mm, SM_TYPE_VALUES, 5000);
    sm_free(mm, freed);
    sm_walk(mm, count_visit, &sum);
    assert_int_equal(sum, 5016);
}

int main(void)
{
    struct sm_config lists = {.custom_policy = &list_policy_ops};
    struct sm_config traced = {.custom_policy = &list_policy_tracing_ops};
    struct sm_config null = {.policy = "null"};
    const struct CMUnitTest tests[] = {
        MANAGER_TEST(test_lists_refill_once_then_pop_inline, &lists),
        MANAGER_TEST(test_each_size_class_has_its_own_list, &lists),
        MANAGER_TEST(test_every_inline_size_fits_its_block, &lists),
        MANAGER_TEST(test_freed_block_is_reused_first, &lists),
        MANAGER_TEST(test_reused_block_is_zeroed_for_a_traced_type, &lists),
        MANAGER_TEST(test_new_object_has_a_clean_header, &lists),
        MANAGER_TEST(test_payload_of_zero_bytes, &lists),
        MANAGER_TEST(test_large_payload_goes_to_alloc_slow_and_is_zeroed, &lists),
        MANAGER_TEST(test_largest_inline_payload_takes_the_list, &lists),
        MANAGER_TEST(test_payload_above_the_maximum_is_refused, &lists),
        MANAGER_TEST(test_clock_counts_payloads_and_only_successes, &lists),
        MANAGER_TEST(test_window_form_bumps, &null),
        MANAGER_TEST(test_window_form_survives_many_refills, &null),
        MANAGER_TEST(test_resize_in_place_grows_within_the_block, &lists),
        MANAGER_TEST(test_resize_in_place_shrinks_off_the_clock, &lists),
        MANAGER_TEST(test_resize_to_the_same_size_is_nothing, &lists),
        MANAGER_TEST(test_resize_by_copy_keeps_bytes_and_frees_the_old, &lists),
        MANAGER_TEST(test_resize_by_copy_counts_growth_and_the_copy, &lists),
        MANAGER_TEST(test_resize_by_copy_zeroes_growth_in_a_used_block, &lists),
        MANAGER_TEST(test_resize_by_copy_retires_the_old, &traced),
        MANAGER_TEST(test_resize_without_retire_or_free_leaves_the_old_alive, &null),
        MANAGER_TEST(test_resize_failure_leaves_the_object_as_it_was, &lists),
        MANAGER_TEST(test_free_counts_the_dead, &lists),
        MANAGER_TEST(test_free_is_refused_without_the_capability, &traced),
        MANAGER_TEST(test_retire_frees_at_once_where_it_cannot_wait, &lists),
        MANAGER_TEST(test_retired_object_is_no_longer_valid_and_is_reused_after_a_safepoint, &traced),
        MANAGER_TEST(test_store_without_a_barrier_asks_nobody, &lists),
        MANAGER_TEST(test_store_with_the_policy_barrier_goes_through_it, &lists),
        MANAGER_TEST(test_published_stores_are_read_back_whole, &traced),
        MANAGER_TEST(test_published_objects_are_never_resized_in_place, &lists),
        MANAGER_TEST(test_walk_sees_live_objects_once, &lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
