/** The null policy: blocks lie end to end, nothing is ever freed, refusals are clean. */
#include "manager_fixture.h"
#include "object_oracle.h"

#include "sapimem/alloc.h"
#include "sapimem/extension.h"
#include "sapimem/policy.h"

#include <string.h>

static void make(struct sm_manager *mm, struct object_oracle *made, size_t payload_bytes)
{
    oracle_add(made, leaf_new(mm, payload_bytes));
}

static void make_mixture(struct sm_manager *mm, struct object_oracle *made, size_t count)
{
    uint64_t random = 99;
    for (size_t i = 0; i < count; i++) {
        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        uint64_t kind = random >> 60;
        make(mm, made, (size_t)(random >> 33) % (kind < 13 ? 500 : kind < 15 ? 9000 : 200000));
    }
}

static void assert_all_there(struct sm_manager *mm, const struct object_oracle *made)
{
    oracle_assert_walk(made, mm);
    oracle_assert_contents(made);
}

static void the_walk_shows_every_object_once(void **state)
{
    static struct object_oracle made;
    make_mixture(*state, &made, 2000);
    assert_all_there(*state, &made);
}

static void an_empty_heap_walks_over_nothing(void **state)
{
    static struct object_oracle none;
    assert_all_there(*state, &none);
    assert_false(sm_is_valid(*state, NULL));
}

static void only_starts_of_objects_are_valid(void **state)
{
    static struct object_oracle made;
    make_mixture(*state, &made, 300);
    for (size_t i = 0; i < made.count; i++) {
        assert_true(sm_is_valid(*state, made.objects[i]));
        assert_false(sm_is_valid(*state, (struct sm_object *)((char *)made.objects[i] + 8)));
    }
    assert_false(sm_is_valid(*state, (struct sm_object *)(void *)&made));
}

static void request_ends_free_nothing(void **state)
{
    static struct object_oracle made;
    assert_int_equal(sm_request_begin(*state), SM_OK);
    make_mixture(*state, &made, 100);
    assert_int_equal(sm_request_end(*state), SM_OK);
    make_mixture(*state, &made, 100);
    assert_all_there(*state, &made);
}

static void what_it_cannot_do_is_unsupported(void **state)
{
    struct sm_object *object = sm_alloc_leaf(*state, SM_TYPE_BYTES, 10);
    assert_int_equal(sm_collect(*state, SM_COLLECT_FULL), SM_ERR_UNSUPPORTED);
    assert_int_equal(sm_free(*state, object), SM_ERR_UNSUPPORTED);
    assert_true(sm_is_valid(*state, object));
    assert_int_equal(sm_policy_capabilities(*state), 0);
}

static void resizing_copies(void **state)
{
    struct sm_object *object = sm_alloc_leaf(*state, SM_TYPE_BYTES, 10);
    memcpy(sm_payload(object), "0123456789", 10);
    struct sm_object *grown = sm_resize(*state, object, 5000);
    assert_ptr_not_equal(grown, object);
    assert_memory_equal(sm_payload(grown), "0123456789", 10);
    assert_int_equal(manager_stats(*state).alloc_bytes, 5000);
    assert_int_equal(manager_stats(*state).copied_bytes, 10);
}

static void policy_bytes_are_what_blocks_take_beyond_payloads(void **state)
{
    for (int i = 0; i < 100000; i++)
        assert_non_null(sm_alloc_leaf(*state, SM_TYPE_BYTES, 56));
    assert_non_null(sm_alloc_leaf(*state, SM_TYPE_BYTES, 5000000));
    /* 56 bytes take a block of 80; 5,000,000 take one of 5,000,016. */
    assert_int_equal(manager_stats(*state).policy_bytes, 100000 * (80 - 56) + 16);
    assert_true(manager_committed_bytes(*state) > 100000 * 80 + 5000000);
}

static void medium_blocks_share_a_chunk(void **state)
{
    for (int i = 0; i < 100; i++)
        assert_non_null(sm_alloc_leaf(*state, SM_TYPE_BYTES, 5000));
    assert_int_equal(manager_committed_bytes(*state), 1 << 20);
}

static void the_limit_refuses_and_the_heap_stays_usable(void **state)
{
    (void)state;
    static struct object_oracle made;
    struct sm_manager *mm = manager_open_for(SM_SAPI_CLI, "null:chunk=256K", 1 << 20);
    make(mm, &made, 700000);
    assert_null(sm_alloc_leaf(mm, SM_TYPE_BYTES, 700000));
    assert_int_equal(sm_error_status(mm), SM_ERR_OUT_OF_MEMORY);
    while (manager_committed_bytes(mm) < 900000)
        make(mm, &made, 2000);
    struct sm_object *object = NULL;
    while ((object = sm_alloc_leaf(mm, SM_TYPE_BYTES, 2000)) != NULL) {
        oracle_add(&made, object);
    }
    assert_all_there(mm, &made);
    assert_in_range(manager_committed_bytes(mm), 900000, 1 << 20);
    sm_manager_destroy(mm);
}

static void a_failing_system_is_survived(void **state)
{
    (void)state;
    struct sm_config config = {.policy = "null:chunk=64K", .fail_alloc_after = 2};
    struct sm_manager *mm = manager_open(&config);
    static struct object_oracle made;
    size_t failures = 0;
    for (int i = 0; i < 200; i++) {
        struct sm_object *object = sm_alloc_leaf(mm, SM_TYPE_BYTES, 1000);
        failures += object == NULL;
        if (object == NULL)
            continue;
        oracle_add(&made, object);
    }
    assert_int_equal(failures, 1);
    assert_all_there(mm, &made);
    sm_manager_destroy(mm);
}

int main(void)
{
    struct sm_config config = {.policy = "null"};
    const struct CMUnitTest tests[] = {
        MANAGER_TEST(the_walk_shows_every_object_once, &config),
        MANAGER_TEST(an_empty_heap_walks_over_nothing, &config),
        MANAGER_TEST(only_starts_of_objects_are_valid, &config),
        MANAGER_TEST(request_ends_free_nothing, &config),
        MANAGER_TEST(what_it_cannot_do_is_unsupported, &config),
        MANAGER_TEST(resizing_copies, &config),
        MANAGER_TEST(policy_bytes_are_what_blocks_take_beyond_payloads, &config),
        MANAGER_TEST(medium_blocks_share_a_chunk, &config),
        cmocka_unit_test(the_limit_refuses_and_the_heap_stays_usable),
        cmocka_unit_test(a_failing_system_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
