/** What shapes retract and reuse take back: random deaths against an oracle, sequences by hand, uses after death. */
#include "manager_fixture.h"
#include "object_oracle.h"
#include "test_scale.h"

#include "sapimem/alloc.h"
#include "sapimem/extension.h"
#include "sapimem/policy.h"

#include "assertion.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define KIB UINT64_C(1024)
#define CHUNK (256 * KIB)

static uint64_t next_random(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *seed >> 33;
}

/** Small, medium and large, in the shares that pages have; large ones have mappings of their own. */
static size_t random_size(uint64_t *seed)
{
    uint64_t kind = next_random(seed) % 100;
    if (kind < 90)
        return (size_t)(next_random(seed) % 700);
    return (size_t)(next_random(seed) % (kind < 98 ? 20000 : 120000));
}

/* ---- Random deaths. ---- */

/** A string that grows by small steps while others are made. */
static void growing(struct sm_manager *mm)
{
    struct sm_object *string = leaf_new(mm, 20);
    for (size_t size = 40; size < 20000; size += 20) {
        struct sm_object *grown = sm_resize(mm, string, size);
        assert_non_null(grown);
        if (grown != string)
            sm_retire(mm, string);
        string = grown;
        sm_retire(mm, leaf_new(mm, 16));
    }
    sm_retire(mm, string);
}

static void oracle_remove(struct object_oracle *oracle, size_t index)
{
    oracle->count--;
    oracle->objects[index] = oracle->objects[oracle->count];
    oracle->marks[index] = oracle->marks[oracle->count];
}

static void assert_mark(const struct object_oracle *oracle, size_t index, const struct sm_object *object, size_t bytes)
{
    const unsigned char *payload = sm_payload_const(object);
    for (size_t i = 0; i < bytes; i++)
        assert_int_equal(payload[i], oracle->marks[index]);
}

/** Half of the deaths and resizes hit the newest, as on a stack; the others any. */
static size_t pick(const struct object_oracle *oracle, uint64_t *seed)
{
    if (next_random(seed) % 2 == 0)
        return oracle->count - 1;
    return (size_t)(next_random(seed) % oracle->count);
}

static void resize_step(struct sm_manager *mm, struct object_oracle *oracle, uint64_t *seed)
{
    size_t i = pick(oracle, seed);
    struct sm_object *before = oracle->objects[i];
    size_t old_bytes = (size_t)before->payload_bytes;
    size_t new_bytes =
        next_random(seed) % 4 == 0 ? random_size(seed) : old_bytes + old_bytes / 8 + (size_t)(next_random(seed) % 100);
    struct sm_object *after = sm_resize(mm, before, new_bytes);
    assert_non_null(after);
    assert_mark(oracle, i, after, old_bytes < new_bytes ? old_bytes : new_bytes);
    memset(sm_payload(after), oracle->marks[i], new_bytes);
    oracle->objects[i] = after;
    if (after != before)
        sm_retire(mm, before);
}

static void random_step(struct sm_manager *mm, struct object_oracle *oracle, uint64_t *seed)
{
    uint64_t kind = oracle->count == 0 ? 0 : oracle->count > 1000 ? 60 : next_random(seed) % 100;
    if (kind < 50) {
        oracle_add(oracle, leaf_new(mm, random_size(seed)));
    } else if (kind < 85) {
        size_t i = pick(oracle, seed);
        assert_mark(oracle, i, oracle->objects[i], (size_t)oracle->objects[i]->payload_bytes);
        sm_retire(mm, oracle->objects[i]);
        oracle_remove(oracle, i);
    } else {
        resize_step(mm, oracle, seed);
    }
}

/** `growing_count`: strings grown now and then, so that free blocks of all sizes lie between what lives. */
static void random_deaths_agree_with_an_oracle(const char *policy, int growing_count)
{
    static struct object_oracle boot, oracle;
    const uint64_t seeds = test_scale(12, 4, 2);
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        struct sm_manager *mm = manager_open_for(SM_SAPI_FPM, policy, 0);
        boot.count = 0;
        for (int request = 0; request < 4; request++) {
            uint64_t random = seed * 1000 + (uint64_t)request;
            for (int i = 0; i < 50; i++)
                oracle_add(&boot, leaf_new(mm, random_size(&random)));
            assert_int_equal(sm_request_begin(mm), SM_OK);
            oracle.count = 0;
            for (int i = 0; i < 4000; i++) {
                random_step(mm, &oracle, &random);
                if (i % 500 != 0)
                    continue;
                oracle_assert_contents(&oracle);
                for (int j = 0; j < growing_count; j++)
                    growing(mm);
            }
            uint64_t live_bytes = manager_stats(mm).live_bytes;
            for (size_t i = 0; i < oracle.count; i++)
                live_bytes -= oracle.objects[i]->payload_bytes;
            for (size_t i = 0; i < boot.count; i++) {
                live_bytes -= boot.objects[i]->payload_bytes;
                oracle_add_copy(&oracle, boot.objects[i], 0);
                oracle.marks[oracle.count - 1] = boot.marks[i];
            }
            assert_int_equal(live_bytes, 0);
            oracle_assert_walk(&oracle, mm);
            oracle_assert_contents(&oracle);
            assert_int_equal(sm_request_end(mm), SM_OK);
            oracle_assert_walk(&boot, mm);
            oracle_assert_contents(&boot);
        }
        sm_manager_destroy(mm);
    }
}

static void retract_agrees_with_an_oracle(void **state)
{
    (void)state;
    random_deaths_agree_with_an_oracle("arena:shape=retract,chunk=64K", 1);
}

static void reuse_agrees_with_an_oracle(void **state)
{
    (void)state;
    random_deaths_agree_with_an_oracle("arena:shape=reuse,reuse-after=0,chunk=64K", 40);
    random_deaths_agree_with_an_oracle("arena:shape=reuse,reuse-after=0", 0);
}

static void reuse_that_begins_late_agrees_with_an_oracle(void **state)
{
    (void)state;
    random_deaths_agree_with_an_oracle("arena:shape=reuse,reuse-after=300K,chunk=64K", 1);
    random_deaths_agree_with_an_oracle("arena", 0);
}

/* ---- Deaths by count. ---- */

/** Drop a leaf as a machine drops a string. */
static void drop(struct sm_manager *mm, struct sm_object *object)
{
    sm_value_drop(mm, sm_value_from_object(object, SM_TAG_COUNTED_LEAF));
}

static struct sm_manager *counting_manager(const char *policy)
{
    struct sm_config config = {.sapi = SM_SAPI_FPM, .policy = policy, .sharing_counts = true};
    struct sm_manager *mm = manager_open(&config);
    assert_int_equal(sm_request_begin(mm), SM_OK);
    return mm;
}

static void the_last_drop_makes_room_for_the_next_block(const char *policy)
{
    struct sm_manager *mm = counting_manager(policy);
    struct sm_object *first = leaf_new(mm, 100);
    sm_value_copy(mm, sm_value_from_object(first, SM_TAG_COUNTED_LEAF));
    drop(mm, first);
    assert_true(sm_is_valid(mm, first));
    drop(mm, first);
    assert_false(sm_is_valid(mm, first));
    assert_int_equal(manager_stats(mm).live_bytes, 0);
    struct sm_object *second = leaf_new(mm, 100);
    if (strstr(policy, "retract") != NULL)
        assert_ptr_equal(second, first);
    sm_manager_destroy(mm);
}

static void counts_tell_deaths(void **state)
{
    (void)state;
    the_last_drop_makes_room_for_the_next_block("arena:shape=retract");
    the_last_drop_makes_room_for_the_next_block("arena:shape=reuse,reuse-after=0");
}

static void what_is_held_otherwise_stays(void **state)
{
    (void)state;
    struct sm_manager *mm = counting_manager("arena:shape=reuse,reuse-after=0");
    const uint16_t flags[] = {SM_OBJECT_SHARED, SM_OBJECT_INTERNED, SM_OBJECT_FINALIZED};
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        struct sm_object *object = leaf_new(mm, 100);
        sm_object_set_flags(object, flags[i]);
        drop(mm, object);
        assert_true(sm_is_valid(mm, object));
    }
    struct sm_object *target = leaf_new(mm, 100);
    struct sm_object *cell = sm_weak_make(mm, target);
    drop(mm, target);
    assert_true(sm_is_valid(mm, target));
    assert_ptr_equal(sm_weak_get(mm, cell), target);
    sm_manager_destroy(mm);
}

static void boot_data_is_never_given_back(void **state)
{
    (void)state;
    struct sm_config config = {
        .sapi = SM_SAPI_FPM, .policy = "arena:shape=reuse,reuse-after=0", .sharing_counts = true};
    struct sm_manager *mm = manager_open(&config);
    struct sm_object *boot = leaf_new(mm, 100);
    memset(sm_payload(boot), 'b', 100);
    drop(mm, boot);
    assert_int_equal(sm_request_begin(mm), SM_OK);
    struct sm_object *late = leaf_new(mm, 100);
    assert_ptr_not_equal(late, boot);
    assert_int_equal(((char *)sm_payload(boot))[99], 'b');
    assert_int_equal(sm_request_end(mm), SM_OK);
    sm_manager_destroy(mm);
}

static void bump_counts_no_leaves(void **state)
{
    (void)state;
    struct sm_manager *mm = counting_manager("arena:shape=bump");
    assert_int_equal(sm_hot(mm)->counted_tags, SM_TAG_COUNTED);
    struct sm_object *object = leaf_new(mm, 100);
    drop(mm, object);
    sm_retire(mm, object);
    assert_true(sm_is_valid(mm, object));
    sm_manager_destroy(mm);
}

/* ---- Sequences by hand. ---- */

/** Bytes committed at the end of a request in which `run` is repeated `rounds` times. */
static uint64_t footprint_of(const char *policy, void (*run)(struct sm_manager *mm), int rounds)
{
    struct sm_manager *mm = manager_open_for(SM_SAPI_FPM, policy, 0);
    assert_int_equal(sm_request_begin(mm), SM_OK);
    for (int i = 0; i < rounds; i++)
        run(mm);
    uint64_t committed_bytes = manager_committed_bytes(mm);
    sm_manager_destroy(mm);
    return committed_bytes;
}

/** As on a stack: the newest dies first. */
static void stack_like(struct sm_manager *mm)
{
    struct sm_object *objects[50];
    for (size_t i = 0; i < 50; i++)
        objects[i] = leaf_new(mm, 40 + i * 8);
    for (size_t i = 50; i > 0; i--)
        sm_retire(mm, objects[i - 1]);
}

/** As in a queue: the oldest dies first. */
static void queue_like(struct sm_manager *mm)
{
    struct sm_object *objects[50];
    for (size_t i = 0; i < 50; i++)
        objects[i] = leaf_new(mm, 40 + i * 8);
    for (size_t i = 0; i < 50; i++)
        sm_retire(mm, objects[i]);
}

/** Two sequences in turn, one of which lives on. */
static void interleaved(struct sm_manager *mm)
{
    struct sm_object *objects[50];
    for (size_t i = 0; i < 50; i++) {
        objects[i] = leaf_new(mm, 200);
        leaf_new(mm, 16);
    }
    for (size_t i = 0; i < 50; i++)
        sm_retire(mm, objects[i]);
}

static void both_keep_a_stack_in_one_chunk(void **state)
{
    (void)state;
    assert_true(footprint_of("arena:shape=bump", stack_like, 1000) > 12000 * KIB);
    assert_int_equal(footprint_of("arena:shape=retract", stack_like, 1000), CHUNK);
    assert_int_equal(footprint_of("arena:shape=reuse,reuse-after=0", stack_like, 1000), CHUNK);
}

static void both_keep_a_queue_in_one_chunk(void **state)
{
    (void)state;
    assert_true(footprint_of("arena:shape=bump", queue_like, 1000) > 12000 * KIB);
    assert_int_equal(footprint_of("arena:shape=retract", queue_like, 1000), CHUNK);
    assert_int_equal(footprint_of("arena:shape=reuse,reuse-after=0", queue_like, 1000), CHUNK);
}

static void only_reuse_finds_what_lies_between_living_blocks(void **state)
{
    (void)state;
    const uint64_t living_bytes = 200 * 50 * 32, dead_bytes = 200 * 50 * 224;
    assert_true(footprint_of("arena:shape=retract", interleaved, 200) > living_bytes + dead_bytes);
    assert_in_range(footprint_of("arena:shape=reuse,reuse-after=0", interleaved, 200), living_bytes,
                    living_bytes + 2 * CHUNK);
}

static void a_growing_string_leaves_little(void **state)
{
    (void)state;
    assert_int_equal(footprint_of("arena:shape=retract", growing, 50), CHUNK);
    /* Blocks of all sizes are left between living ones; they are joined when there are 4 MiB of them. */
    assert_in_range(footprint_of("arena:shape=reuse,reuse-after=0", growing, 50), CHUNK, 6 * CHUNK);
    assert_in_range(footprint_of("arena:shape=reuse,reuse-after=0", growing, 2000), CHUNK, (4 << 20) + CHUNK);
}

static void large_blocks_are_used_again(void **state)
{
    (void)state;
    struct sm_manager *mm = manager_open_for(SM_SAPI_FPM, "arena:reuse-after=0", 0);
    assert_int_equal(sm_request_begin(mm), SM_OK);
    for (int i = 0; i < 100; i++)
        sm_retire(mm, leaf_new(mm, 100000));
    assert_in_range(manager_committed_bytes(mm), 100000, 110000);
    /* What no chunk holds is unmapped at once. */
    sm_retire(mm, leaf_new(mm, 3 << 20));
    assert_in_range(manager_committed_bytes(mm), 0, 110000);
    sm_manager_destroy(mm);
}

static void a_large_block_that_shrank_still_ends_its_mapping(void **state)
{
    (void)state;
    struct sm_manager *mm = manager_open_for(SM_SAPI_FPM, "arena:reuse-after=0", 0);
    assert_int_equal(sm_request_begin(mm), SM_OK);
    struct sm_object *object = leaf_new(mm, 3 << 20);
    assert_ptr_equal(sm_resize(mm, object, 480), object);
    sm_retire(mm, object);
    assert_int_equal(manager_committed_bytes(mm), 0);
    assert_ptr_not_equal(leaf_new(mm, 480), object);
    sm_manager_destroy(mm);
}

static void mappings_of_dead_large_blocks_are_kept_for_the_next_request(void **state)
{
    (void)state;
    struct sm_manager *mm = manager_open_for(SM_SAPI_FPM, "arena:reuse-after=0", 0);
    for (int request = 0; request < 3; request++) {
        assert_int_equal(sm_request_begin(mm), SM_OK);
        for (int i = 0; i < 10; i++)
            sm_retire(mm, leaf_new(mm, 100000));
        assert_int_equal(sm_request_end(mm), SM_OK);
        assert_in_range(manager_committed_bytes(mm), 100000, 110000);
    }
    sm_manager_destroy(mm);
}

/** Bytes committed once a block of 3 MiB is dead in a request that follows one which kept such a block to its end. */
static uint64_t kept_of_a_large_death(const char *policy)
{
    struct sm_manager *mm = manager_open_for(SM_SAPI_FPM, policy, 0);
    assert_int_equal(sm_request_begin(mm), SM_OK);
    leaf_new(mm, 3 << 20);
    assert_int_equal(sm_request_end(mm), SM_OK);
    assert_int_equal(sm_request_begin(mm), SM_OK);
    sm_retire(mm, leaf_new(mm, 3 << 20));
    uint64_t committed_bytes = manager_committed_bytes(mm);
    sm_manager_destroy(mm);
    return committed_bytes;
}

static void a_request_keeps_what_the_recent_ones_had_of_large_mappings(void **state)
{
    (void)state;
    assert_in_range(kept_of_a_large_death("arena:reuse-after=0"), 3 << 20, 4 << 20);
    assert_int_equal(kept_of_a_large_death("arena:reuse-after=0,pages=drop"), 0);
}

static void nothing_is_reused_before_reuse_after(void **state)
{
    (void)state;
    assert_int_equal(footprint_of("arena:reuse-after=1M", interleaved, 60), 3 * CHUNK);
    assert_true(footprint_of("arena:reuse-after=1M", interleaved, 1000) < 1024 * KIB + 1000 * 50 * 32 + 2 * CHUNK);
}

static void what_is_retired_too_early_is_still_no_object(void **state)
{
    (void)state;
    static struct object_oracle none;
    struct sm_manager *mm = manager_open_for(SM_SAPI_FPM, "arena", 0);
    assert_int_equal(sm_request_begin(mm), SM_OK);
    sm_retire(mm, leaf_new(mm, 100));
    sm_retire(mm, leaf_new(mm, 100000));
    oracle_assert_walk(&none, mm);
    assert_int_equal(manager_stats(mm).live_objects, 0);
    sm_manager_destroy(mm);
}

static void slack_is_an_option(void **state)
{
    (void)state;
    struct sm_manager *mm = manager_open_for(SM_SAPI_FPM, "arena:shape=bump,slack=0", 0);
    struct sm_object *object = leaf_new(mm, 1000);
    leaf_new(mm, 16);
    struct sm_object *moved = sm_resize(mm, object, 1100);
    assert_ptr_equal((char *)leaf_new(mm, 16), (char *)moved + sm_block_bytes(1100));
    sm_manager_destroy(mm);
}

/* ---- Pages. ---- */

/** Bytes committed after a request of `bytes`. */
static uint64_t kept_after(const char *policy, size_t bytes)
{
    struct sm_manager *mm = manager_open_for(SM_SAPI_FPM, policy, 0);
    for (int request = 0; request < 3; request++) {
        assert_int_equal(sm_request_begin(mm), SM_OK);
        for (size_t done = 0; done < bytes; done += 1000)
            leaf_new(mm, 984);
        leaf_new(mm, 100000);
        assert_int_equal(sm_request_end(mm), SM_OK);
    }
    uint64_t committed_bytes = manager_committed_bytes(mm);
    sm_manager_destroy(mm);
    return committed_bytes;
}

static void pages_say_what_stays_between_requests(void **state)
{
    (void)state;
    assert_in_range(kept_after("arena:pages=retain", 1000000), 1000000, 1500000);
    assert_int_equal(kept_after("arena:pages=drop", 1000000), 0);
    assert_int_equal(kept_after("arena:pages=drop,keep=1M", 1000000), 0);
    assert_int_equal(kept_after("arena:pages=keep,keep=512K", 1000000), 512 * KIB);
    assert_int_equal(kept_after("arena:pages=keep,keep=300K", 1000000), CHUNK);
    assert_in_range(kept_after("arena:pages=keep,keep=1G", 1000000), 1000000, 1500000);
}

/* ---- Uses after death. ---- */

/** Run `misuse` in a child. Returns whether it was stopped. */
static bool is_caught(void (*misuse)(struct sm_manager *mm), const char *policy)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        fclose(stderr);
        /* A sanitizer or an assertion ends the child otherwise; the manager is the child's own (R14). */
        struct sm_manager *mm = manager_open_for(SM_SAPI_FPM, policy, 0);
        sm_request_begin(mm);
        misuse(mm);
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static struct sm_object *dead_object(struct sm_manager *mm)
{
    struct sm_object *object = sm_alloc_leaf(mm, SM_TYPE_BYTES, 64);
    memset(sm_payload(object), 'x', 64);
    sm_retire(mm, object);
    return object;
}

static void write_late(struct sm_manager *mm)
{
    ((volatile char *)sm_payload(dead_object(mm)))[20] = 1;
    /* Without AddressSanitizer it shows when the block is taken again, which is when the stretch is used up. */
    for (int i = 0; i < 20000; i++)
        sm_alloc_leaf(mm, SM_TYPE_BYTES, 64);
}

static void read_late(struct sm_manager *mm)
{
    /* Without AddressSanitizer the pattern shows. */
    if (((volatile char *)sm_payload(dead_object(mm)))[20] != 'x')
        abort();
}

static void no_misuse(struct sm_manager *mm)
{
    dead_object(mm);
    memset(sm_payload(sm_alloc_leaf(mm, SM_TYPE_BYTES, 64)), 'y', 64);
}

static void checked_builds_catch_uses_after_death(void **state)
{
    (void)state;
    if (SM_ASSERT_LEVEL < 2)
        skip();
    const char *const policies[] = {"arena:shape=retract", "arena:shape=reuse,reuse-after=0"};
    for (size_t i = 0; i < 2; i++) {
        assert_false(is_caught(no_misuse, policies[i]));
        assert_true(is_caught(write_late, policies[i]));
        assert_true(is_caught(read_late, policies[i]));
    }
}

/* ---- Refusals. ---- */

static void a_limit_is_no_limit_on_what_is_reused(void **state)
{
    (void)state;
    struct sm_manager *mm = manager_open_for(SM_SAPI_FPM, "arena:reuse-after=0", 1 << 20);
    assert_int_equal(sm_request_begin(mm), SM_OK);
    for (int i = 0; i < 25; i++)
        interleaved(mm);
    for (int i = 0; i < 500; i++)
        queue_like(mm);
    while (sm_alloc_leaf(mm, SM_TYPE_BYTES, 1000) != NULL)
        continue;
    assert_int_equal(sm_error_status(mm), SM_ERR_OUT_OF_MEMORY);
    assert_in_range(manager_committed_bytes(mm), 0, 1 << 20);
    assert_int_equal(sm_request_end(mm), SM_OK);
    sm_manager_destroy(mm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(retract_agrees_with_an_oracle),
        cmocka_unit_test(reuse_agrees_with_an_oracle),
        cmocka_unit_test(reuse_that_begins_late_agrees_with_an_oracle),
        cmocka_unit_test(counts_tell_deaths),
        cmocka_unit_test(what_is_held_otherwise_stays),
        cmocka_unit_test(boot_data_is_never_given_back),
        cmocka_unit_test(bump_counts_no_leaves),
        cmocka_unit_test(both_keep_a_stack_in_one_chunk),
        cmocka_unit_test(both_keep_a_queue_in_one_chunk),
        cmocka_unit_test(only_reuse_finds_what_lies_between_living_blocks),
        cmocka_unit_test(a_growing_string_leaves_little),
        cmocka_unit_test(large_blocks_are_used_again),
        cmocka_unit_test(a_large_block_that_shrank_still_ends_its_mapping),
        cmocka_unit_test(mappings_of_dead_large_blocks_are_kept_for_the_next_request),
        cmocka_unit_test(a_request_keeps_what_the_recent_ones_had_of_large_mappings),
        cmocka_unit_test(nothing_is_reused_before_reuse_after),
        cmocka_unit_test(what_is_retired_too_early_is_still_no_object),
        cmocka_unit_test(slack_is_an_option),
        cmocka_unit_test(pages_say_what_stays_between_requests),
        cmocka_unit_test(checked_builds_catch_uses_after_death),
        cmocka_unit_test(a_limit_is_no_limit_on_what_is_reused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
