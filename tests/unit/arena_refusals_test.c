/** When shape reuse refuses memory: after it has looked through all that died, and without slack. */
#include "manager_fixture.h"

#include "sapimem/alloc.h"

/** Small blocks until memory is refused. Returns how many. */
static size_t fill_up(struct sm_manager *mm, struct sm_object **objects, size_t count_max)
{
    size_t count = 0;
    while (count < count_max && (objects[count] = sm_alloc_leaf(mm, SM_TYPE_BYTES, 100)) != NULL)
        count++;
    assert_in_range(count, 1, count_max - 1);
    return count;
}

/** Blocks that are free but small are no reason to refuse a larger one. */
static void what_is_free_is_joined_before_memory_is_refused(const char *policy)
{
    static struct sm_object *objects[32768];
    struct sm_manager *mm = manager_open_for(SM_SAPI_FPM, policy, 2 << 20);
    for (size_t size = 1000; size <= 27000; size += 13000) {
        assert_int_equal(sm_request_begin(mm), SM_OK);
        size_t count = fill_up(mm, objects, 32768);
        for (size_t i = 0; i < count; i++)
            sm_retire(mm, objects[i]);
        for (size_t bytes = 0; bytes < (3 << 19); bytes += size)
            assert_non_null(sm_alloc_leaf(mm, SM_TYPE_BYTES, size));
        while (sm_alloc_leaf(mm, SM_TYPE_BYTES, size) != NULL)
            continue;
        assert_in_range(manager_committed_bytes(mm), 0, 2 << 20);
        assert_int_equal(sm_request_end(mm), SM_OK);
    }
    sm_manager_destroy(mm);
}

static void refusals_come_last(void **state)
{
    (void)state;
    what_is_free_is_joined_before_memory_is_refused("arena:reuse-after=0");
    what_is_free_is_joined_before_memory_is_refused("arena");
    what_is_free_is_joined_before_memory_is_refused("arena:reuse-after=1G");
}

static void slack_is_no_reason_to_refuse(void **state)
{
    (void)state;
    struct sm_manager *mm = manager_open_for(SM_SAPI_FPM, "arena:reuse-after=0,chunk=1M", 1 << 20);
    assert_int_equal(sm_request_begin(mm), SM_OK);
    /* Of the one chunk that the limit allows 7,200 bytes are left: more than the string needs, less than it likes. */
    struct sm_object *object = leaf_new(mm, 5000);
    for (int i = 0; i < 10; i++)
        leaf_new(mm, 100000);
    leaf_new(mm, 36128);
    assert_non_null(sm_resize(mm, object, 5200));
    assert_int_equal(sm_request_end(mm), SM_OK);
    sm_manager_destroy(mm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals_come_last),
        cmocka_unit_test(slack_is_no_reason_to_refuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
