/** The arena: layout of blocks, resizing, and random operations against an oracle. */
#include "manager_fixture.h"
#include "object_oracle.h"

#include "sapimem/alloc.h"
#include "sapimem/extension.h"
#include "sapimem/policy.h"

#include <string.h>

#define KIB UINT64_C(1024)
#define CHUNK (256 * KIB)

static uint64_t next_random(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *seed >> 33;
}

/** Mostly small, some medium, a few large: all three ways an arena allocates. */
static size_t random_size(uint64_t *seed)
{
    uint64_t kind = next_random(seed) % 100;
    if (kind < 85)
        return (size_t)(next_random(seed) % 600);
    return (size_t)(next_random(seed) % (kind < 97 ? 20000 : 120000));
}

static void random_step(struct sm_manager *mm, struct object_oracle *oracle, uint64_t *seed)
{
    if (oracle->count == 0 || next_random(seed) % 3 != 0) {
        oracle_add(oracle, leaf_new(mm, random_size(seed)));
        return;
    }
    /* Half of the resizes hit the newest objects: those are done in place. */
    size_t recent = oracle->count < 3 ? oracle->count : 3;
    size_t i = (size_t)(next_random(seed) % 2 == 0 ? oracle->count - 1 - next_random(seed) % recent
                                                   : next_random(seed) % oracle->count);
    struct sm_object *before = oracle->objects[i];
    size_t old_bytes = (size_t)before->payload_bytes;
    size_t new_bytes =
        next_random(seed) % 4 == 0 ? random_size(seed) : old_bytes + old_bytes / 8 + (size_t)(next_random(seed) % 100);
    struct sm_object *after = sm_resize(mm, before, new_bytes);
    assert_non_null(after);
    assert_int_equal(after->payload_bytes, new_bytes);
    unsigned char *bytes = sm_payload(after);
    for (size_t j = 0; j < old_bytes && j < new_bytes; j++)
        assert_int_equal(bytes[j], oracle->marks[i]);
    memset(bytes, oracle->marks[i], new_bytes);
    if (after == before)
        return;
    /* An arena keeps the old block until request end, and the walk shows it. */
    oracle->objects[i] = after;
    oracle_add_copy(oracle, before, i);
}

static void random_operations_agree_with_an_oracle(void **state)
{
    (void)state;
    static struct object_oracle boot;
    static struct object_oracle oracle;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct sm_manager *mm = manager_open_for(SM_SAPI_FPM, "arena:shape=bump,chunk=64K", 0);
        boot.count = 0;
        for (int request = 0; request < 5; request++) {
            uint64_t random = seed * 1000 + (uint64_t)request;
            for (int i = 0; i < 100; i++)
                oracle_add(&boot, leaf_new(mm, random_size(&random)));
            assert_int_equal(sm_request_begin(mm), SM_OK);
            oracle = boot;
            for (int i = 0; i < 1000; i++) {
                random_step(mm, &oracle, &random);
                if (i % 200 == 0)
                    oracle_assert_walk(&oracle, mm);
            }
            oracle_assert_walk(&oracle, mm);
            oracle_assert_contents(&oracle);
            /* Boot objects that grew in place keep their new size; those that moved leave the old block as it was. */
            assert_int_equal(sm_request_end(mm), SM_OK);
            oracle_assert_walk(&boot, mm);
            oracle_assert_contents(&boot);
        }
        sm_manager_destroy(mm);
    }
}

/* ---- Layout. ---- */

static void every_block_is_aligned(void **state)
{
    for (size_t size = 0; size < 5000; size += 3)
        assert_int_equal((uintptr_t)sm_payload(leaf_new(*state, size)) % 16, 0);
    assert_int_equal((uintptr_t)sm_payload(leaf_new(*state, 1000003)) % 16, 0);
}

static void traced_payloads_are_zeroed_even_in_used_memory(void **state)
{
    struct sm_manager *mm = *state;
    for (int request = 0; request < 3; request++) {
        sm_request_begin(mm);
        memset(sm_payload(leaf_new(mm, 3000)), 0xFF, 3000);
        memset(sm_payload(leaf_new(mm, 100000)), 0xFF, 100000);
        const size_t sizes[] = {16, 320, 4096, 100000};
        for (size_t i = 0; i < 4; i++) {
            struct sm_object *object = sm_alloc(mm, SM_TYPE_VALUES, sizes[i]);
            const unsigned char *bytes = sm_payload(object);
            for (size_t j = 0; j < sizes[i]; j++)
                assert_int_equal(bytes[j], 0);
        }
        sm_request_end(mm);
    }
}

static void a_block_that_does_not_fit_leaves_a_hole_the_walk_skips(void **state)
{
    static struct object_oracle oracle;
    oracle.count = 0;
    struct sm_manager *mm = *state;
    for (int i = 0; i < 100; i++)
        oracle_add(&oracle, leaf_new(mm, 30000));
    for (int i = 0; i < 100; i++)
        oracle_add(&oracle, leaf_new(mm, 10));
    oracle_assert_walk(&oracle, mm);
    oracle_assert_contents(&oracle);
}

static void only_starts_of_objects_are_valid(void **state)
{
    struct sm_manager *mm = *state;
    struct sm_object *a = leaf_new(mm, 100);
    struct sm_object *b = leaf_new(mm, 100);
    struct sm_object *large = leaf_new(mm, 100000);
    int local = 0;
    assert_true(sm_is_valid(mm, a));
    assert_true(sm_is_valid(mm, b));
    assert_true(sm_is_valid(mm, large));
    assert_false(sm_is_valid(mm, a + 1));
    assert_false(sm_is_valid(mm, large + 1));
    assert_false(sm_is_valid(mm, (struct sm_object *)((char *)b + sm_block_bytes(100))));
    assert_false(sm_is_valid(mm, (struct sm_object *)(void *)&local));
    assert_false(sm_is_valid(mm, NULL));
}

/* ---- Resizing. ---- */

static void the_newest_block_grows_and_shrinks_in_place(void **state)
{
    struct sm_manager *mm = *state;
    struct sm_object *object = leaf_new(mm, 100);
    for (size_t size = 100; size < 100000; size += 999)
        assert_ptr_equal(sm_resize(mm, object, size), object);
    assert_ptr_equal(sm_resize(mm, object, 10), object);
    assert_ptr_equal((char *)leaf_new(mm, 8), (char *)object + sm_block_bytes(10));
}

static void growth_beyond_the_chunk_moves_and_keeps_the_bytes(void **state)
{
    struct sm_manager *mm = *state;
    struct sm_object *object = leaf_new(mm, 1000);
    memset(sm_payload(object), 'x', 1000);
    struct sm_object *moved = sm_resize(mm, object, 2 * CHUNK);
    assert_ptr_not_equal(moved, object);
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(((char *)sm_payload(moved))[i], 'x');
}

/** Starts `oracle` anew with a block of 1000 bytes, which it returns, and a small one behind it. */
static struct sm_object *block_in_the_middle(struct sm_manager *mm, struct object_oracle *oracle)
{
    oracle->count = 0;
    struct sm_object *object = leaf_new(mm, 1000);
    oracle_add(oracle, object);
    oracle_add(oracle, leaf_new(mm, 16));
    return object;
}

static void a_block_in_the_middle_moves_with_slack_then_grows_in_place(void **state)
{
    static struct object_oracle oracle;
    struct sm_manager *mm = *state;
    struct sm_object *object = block_in_the_middle(mm, &oracle);
    struct sm_object *moved = sm_resize(mm, object, 1100);
    assert_ptr_not_equal(moved, object);
    oracle_add(&oracle, moved);
    oracle_add(&oracle, leaf_new(mm, 16));
    oracle_assert_walk(&oracle, mm);
    assert_ptr_equal(sm_resize(mm, moved, 1400), moved);
    assert_ptr_equal(sm_resize(mm, moved, 1640), moved);
    oracle_assert_walk(&oracle, mm);
    assert_ptr_not_equal(sm_resize(mm, moved, 1800), moved);
}

static void growth_by_half_or_more_gets_no_slack(void **state)
{
    struct sm_manager *mm = *state;
    struct sm_object *object = leaf_new(mm, 320);
    leaf_new(mm, 16);
    struct sm_object *moved = sm_resize(mm, object, 640);
    assert_ptr_equal((char *)leaf_new(mm, 16), (char *)moved + sm_block_bytes(640));
}

static void what_shrinking_leaves_can_be_grown_into_again(void **state)
{
    static struct object_oracle oracle;
    struct sm_manager *mm = *state;
    struct sm_object *object = block_in_the_middle(mm, &oracle);
    assert_ptr_equal(sm_resize(mm, object, 16), object);
    oracle_assert_walk(&oracle, mm);
    assert_ptr_equal(sm_resize(mm, object, 500), object);
    oracle_assert_walk(&oracle, mm);
    assert_ptr_equal(sm_resize(mm, object, 1000), object);
    memset(sm_payload(object), oracle.marks[0], 1000);
    oracle_assert_walk(&oracle, mm);
    oracle_assert_contents(&oracle);
}

static void growth_in_place_zeroes_traced_payloads(void **state)
{
    struct sm_manager *mm = *state;
    struct sm_object *dirty = leaf_new(mm, 640);
    memset(sm_payload(dirty), 0xFF, 640);
    sm_resize(mm, dirty, 0);
    struct sm_object *object = sm_alloc(mm, SM_TYPE_VALUES, 32);
    object = sm_resize(mm, object, 512);
    const unsigned char *bytes = sm_payload(object);
    for (size_t i = 0; i < 512; i++)
        assert_int_equal(bytes[i], 0);
}

/** One string grown by small steps while other blocks are allocated: without slack the cost is the square. */
static void growth_by_small_steps_costs_linear_memory(void **state)
{
    enum { FINAL = 1000000, STEP = 20 };
    struct sm_manager *mm = *state;
    sm_request_begin(mm);
    struct sm_object *string = leaf_new(mm, STEP);
    for (size_t size = STEP; size < FINAL; size += STEP) {
        string = sm_resize(mm, string, size);
        assert_non_null(string);
        leaf_new(mm, 16);
    }
    uint64_t others = FINAL / STEP * 32;
    assert_true(manager_committed_bytes(mm) < others + 5 * FINAL + 4 * CHUNK);
    assert_true(manager_stats(mm).copied_bytes < UINT64_C(4) * FINAL);
    sm_request_end(mm);
}

static void a_refused_move_leaves_the_object_and_the_window(void **state)
{
    (void)state;
    static struct object_oracle oracle;
    oracle.count = 0;
    struct sm_manager *mm = manager_open_for(SM_SAPI_FPM, "arena:shape=bump", 1 << 20);
    struct sm_object *object = leaf_new(mm, 700000);
    oracle_add(&oracle, object);
    assert_null(sm_resize(mm, object, 800000));
    assert_int_equal(sm_error_status(mm), SM_ERR_OUT_OF_MEMORY);
    assert_int_equal(object->payload_bytes, 700000);
    oracle_add(&oracle, leaf_new(mm, 100));
    oracle_add(&oracle, leaf_new(mm, 3000));
    oracle_assert_walk(&oracle, mm);
    oracle_assert_contents(&oracle);
    sm_manager_destroy(mm);
}

int main(void)
{
    struct sm_config config = {.sapi = SM_SAPI_FPM, .policy = "arena:shape=bump"};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_operations_agree_with_an_oracle),
        MANAGER_TEST(every_block_is_aligned, &config),
        MANAGER_TEST(traced_payloads_are_zeroed_even_in_used_memory, &config),
        MANAGER_TEST(a_block_that_does_not_fit_leaves_a_hole_the_walk_skips, &config),
        MANAGER_TEST(only_starts_of_objects_are_valid, &config),
        MANAGER_TEST(the_newest_block_grows_and_shrinks_in_place, &config),
        MANAGER_TEST(growth_beyond_the_chunk_moves_and_keeps_the_bytes, &config),
        MANAGER_TEST(a_block_in_the_middle_moves_with_slack_then_grows_in_place, &config),
        MANAGER_TEST(growth_by_half_or_more_gets_no_slack, &config),
        MANAGER_TEST(what_shrinking_leaves_can_be_grown_into_again, &config),
        MANAGER_TEST(growth_in_place_zeroes_traced_payloads, &config),
        MANAGER_TEST(growth_by_small_steps_costs_linear_memory, &config),
        cmocka_unit_test(a_refused_move_leaves_the_object_and_the_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
