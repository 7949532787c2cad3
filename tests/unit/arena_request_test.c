/** The arena between requests: boot data, what is kept, limits, and uses after request end. */
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

/** Allocate `bytes` in pieces that a web page would ask for. */
static void run_request(struct sm_manager *mm, uint64_t bytes)
{
    assert_int_equal(sm_request_begin(mm), SM_OK);
    for (uint64_t done = 0; done < bytes; done += 56 + 160 + 320) {
        leaf_new(mm, 56);
        leaf_new(mm, 160);
        leaf_new(mm, 320);
    }
    assert_int_equal(sm_request_end(mm), SM_OK);
}

/* ---- Requests. ---- */

static void request_end_frees_what_the_request_allocated(void **state)
{
    static struct object_oracle none;
    struct sm_manager *mm = *state;
    sm_request_begin(mm);
    struct sm_object *object = leaf_new(mm, 100);
    leaf_new(mm, 100000);
    assert_true(sm_is_valid(mm, object));
    sm_request_end(mm);
    assert_false(sm_is_valid(mm, object));
    oracle_assert_walk(&none, mm);
    assert_int_equal(manager_stats(mm).live_bytes, 0);
    assert_int_equal(manager_stats(mm).live_objects, 0);
}

static void requests_reuse_the_same_addresses(void **state)
{
    struct sm_manager *mm = *state;
    sm_request_begin(mm);
    struct sm_object *first = leaf_new(mm, 100);
    sm_request_end(mm);
    sm_request_begin(mm);
    assert_ptr_equal(leaf_new(mm, 100), first);
    sm_request_end(mm);
}

static void boot_data_survives_requests(void **state)
{
    static struct object_oracle boot;
    boot.count = 0;
    struct sm_manager *mm = *state;
    for (size_t i = 0; i < 500; i++)
        oracle_add(&boot, leaf_new(mm, i * 7));
    oracle_add(&boot, leaf_new(mm, 200000));
    for (int request = 0; request < 20; request++) {
        run_request(mm, 2 * CHUNK);
        /* What a worker allocates between requests is boot data too. */
        oracle_add(&boot, leaf_new(mm, 48));
    }
    oracle_assert_walk(&boot, mm);
    oracle_assert_contents(&boot);
}

/** The newest boot object must not grow into memory that the request end takes back. */
static void boot_data_grown_in_a_request_keeps_its_bytes(void **state)
{
    static struct object_oracle boot;
    boot.count = 0;
    struct sm_manager *mm = *state;
    oracle_add(&boot, leaf_new(mm, 100));
    sm_request_begin(mm);
    leaf_new(mm, 100);
    assert_ptr_equal(sm_resize(mm, boot.objects[0], 5000), boot.objects[0]);
    memset(sm_payload(boot.objects[0]), boot.marks[0], 5000);
    sm_request_end(mm);
    oracle_add(&boot, leaf_new(mm, 100));
    run_request(mm, CHUNK);
    oracle_assert_walk(&boot, mm);
    oracle_assert_contents(&boot);
}

static void count_call(struct sm_manager *mm, struct sm_object *object, void *context)
{
    /* Still whole: the arena resets only after the destructors. */
    assert_true(sm_is_valid(mm, object));
    assert_int_equal(*(const uint64_t *)sm_payload(object), 42);
    ++*(int *)context;
}

static void destructors_run_before_the_reset(void **state)
{
    struct sm_manager *mm = *state;
    int calls = 0;
    const struct sm_type type = {.name = "resource", .finalize = count_call, .context = &calls};
    sm_type_id id = 0;
    assert_int_equal(sm_type_register(mm, &type, &id), SM_OK);
    sm_request_begin(mm);
    for (int i = 0; i < 10; i++) {
        struct sm_object *object = sm_alloc(mm, id, 8);
        *(uint64_t *)sm_payload(object) = 42;
        assert_int_equal(sm_finalizer_register(mm, object), SM_OK);
    }
    sm_request_end(mm);
    assert_int_equal(calls, 10);
    run_request(mm, 1000);
    assert_int_equal(calls, 10);
}

static void without_requests_nothing_is_reset(void **state)
{
    static struct object_oracle oracle;
    oracle.count = 0;
    struct sm_manager *mm = *state;
    for (int iteration = 0; iteration < 50; iteration++) {
        for (int i = 0; i < 50; i++)
            oracle_add(&oracle, leaf_new(mm, 300));
        sm_safepoint(mm);
    }
    oracle_assert_walk(&oracle, mm);
    oracle_assert_contents(&oracle);
}

/* ---- Retention. ---- */

static void equal_requests_are_flat_for_thousands(void **state)
{
    (void)state;
    struct sm_manager *mm = manager_open_for(SM_SAPI_FPM, "arena:shape=bump,chunk=64K", 0);
    uint64_t early_max = 0;
    const uint64_t requests = test_scale(10000, 10000, 1000);
    for (uint64_t request = 0; request < requests; request++) {
        sm_request_begin(mm);
        for (int i = 0; i < 12; i++)
            leaf_new(mm, 2000 + (size_t)i * 500);
        leaf_new(mm, 10000 + request % 7 * 3000);
        leaf_new(mm, 30000);
        uint64_t now = manager_committed_bytes(mm);
        sm_request_end(mm);
        if (request < 100 && now > early_max)
            early_max = now;
        assert_true(now <= early_max);
    }
    assert_true(manager_stats(mm).peak_committed_bytes <= early_max + 64 * KIB);
    sm_manager_destroy(mm);
}

static void chunks_of_equal_requests_are_mapped_once(void **state)
{
    struct sm_manager *mm = *state;
    run_request(mm, 5 * CHUNK);
    uint64_t after_first = manager_committed_bytes(mm);
    assert_true(after_first >= 5 * CHUNK);
    for (int i = 0; i < 20; i++) {
        run_request(mm, 5 * CHUNK);
        assert_int_equal(manager_committed_bytes(mm), after_first);
    }
}

static void a_burst_is_given_back_as_the_mean_decays(void **state)
{
    struct sm_manager *mm = *state;
    run_request(mm, CHUNK / 2);
    assert_int_equal(manager_committed_bytes(mm), CHUNK);
    run_request(mm, 79 * CHUNK);
    /* An eighth of the burst is kept at once, not all of it. */
    assert_in_range(manager_committed_bytes(mm), 8 * CHUNK, 16 * CHUNK);
    uint64_t before = manager_committed_bytes(mm);
    for (int i = 0; i < 60; i++) {
        run_request(mm, CHUNK / 2);
        assert_true(manager_committed_bytes(mm) <= before);
        before = manager_committed_bytes(mm);
    }
    assert_int_equal(manager_committed_bytes(mm), CHUNK);
}

static void large_mappings_follow_the_same_rule(void **state)
{
    struct sm_manager *mm = *state;
    for (int i = 0; i < 3; i++) {
        sm_request_begin(mm);
        leaf_new(mm, 1000000);
        sm_request_end(mm);
        assert_in_range(manager_committed_bytes(mm), 1000000, 1100000);
    }
    for (int i = 0; i < 60; i++)
        run_request(mm, 100);
    assert_int_equal(manager_committed_bytes(mm), CHUNK);
}

static void a_kept_mapping_is_used_only_where_it_fits(void **state)
{
    struct sm_manager *mm = *state;
    sm_request_begin(mm);
    struct sm_object *first = leaf_new(mm, 1000000);
    sm_request_end(mm);
    sm_request_begin(mm);
    /* Too small for it: most of the mapping would be waste. */
    assert_ptr_not_equal(leaf_new(mm, 100000), first);
    assert_in_range(manager_committed_bytes(mm), 1100000, 1200000);
    assert_ptr_equal(leaf_new(mm, 900000), first);
    assert_in_range(manager_committed_bytes(mm), 1100000, 1200000);
    sm_request_end(mm);
}

static void keep_is_a_lower_bound(void **state)
{
    (void)state;
    struct sm_manager *mm = manager_open_for(SM_SAPI_FPM, "arena:shape=bump,chunk=64K,keep=640K", 0);
    run_request(mm, 20 * 64 * KIB);
    for (int i = 0; i < 100; i++)
        run_request(mm, 100);
    assert_int_equal(manager_committed_bytes(mm), 10 * 64 * KIB);
    sm_manager_destroy(mm);
    mm = manager_open_for(SM_SAPI_FPM, "arena:shape=bump,chunk=64K,keep=0", 0);
    for (int i = 0; i < 5; i++) {
        sm_request_begin(mm);
        sm_request_end(mm);
    }
    assert_int_equal(manager_committed_bytes(mm), 0);
    sm_manager_destroy(mm);
}

static void a_chunk_that_is_no_power_of_two_is_refused(void **state)
{
    (void)state;
    struct sm_config config = {.policy = "arena:shape=bump,chunk=192K"};
    struct sm_manager *mm = NULL;
    struct sm_error error;
    assert_int_equal(sm_manager_create(&config, &mm, &error), SM_ERR_INVALID_ARGUMENT);
    assert_string_equal(error.detail, "policy arena: option 'chunk' wants a power of two, not 196608");
}

/* ---- Limits. ---- */

static void the_limit_refuses_cleanly_and_the_next_request_has_it_all(void **state)
{
    (void)state;
    static struct object_oracle oracle;
    struct sm_manager *mm = manager_open_for(SM_SAPI_FPM, "arena:shape=bump", 1 << 20);
    size_t first_count = 0;
    for (int request = 0; request < 3; request++) {
        oracle.count = 0;
        sm_request_begin(mm);
        struct sm_object *object = NULL;
        while ((object = sm_alloc_leaf(mm, SM_TYPE_BYTES, 1000)) != NULL)
            oracle_add(&oracle, object);
        assert_int_equal(sm_error_status(mm), SM_ERR_OUT_OF_MEMORY);
        assert_in_range(manager_committed_bytes(mm), 0, 1 << 20);
        assert_in_range(oracle.count, 900, 1048);
        oracle_assert_walk(&oracle, mm);
        oracle_assert_contents(&oracle);
        /* Smaller blocks may still fit the window's rest; a large one does not. */
        assert_null(sm_alloc_leaf(mm, SM_TYPE_BYTES, 100000));
        sm_request_end(mm);
        if (request == 0)
            first_count = oracle.count;
        assert_int_equal(oracle.count, first_count);
    }
    sm_manager_destroy(mm);
}

static void kept_memory_is_given_up_before_an_allocation_is_refused(void **state)
{
    (void)state;
    struct sm_manager *mm = manager_open_for(SM_SAPI_FPM, "arena:shape=bump", 4 << 20);
    for (int i = 0; i < 10; i++)
        run_request(mm, 3 << 20);
    assert_true(manager_committed_bytes(mm) >= 3 << 20);
    sm_request_begin(mm);
    assert_non_null(sm_alloc_leaf(mm, SM_TYPE_BYTES, 3500000));
    sm_request_end(mm);
    for (int i = 0; i < 10; i++) {
        sm_request_begin(mm);
        leaf_new(mm, 3500000);
        sm_request_end(mm);
    }
    run_request(mm, 3 << 20);
    sm_manager_destroy(mm);
}

static void every_single_failure_is_survived(void **state)
{
    (void)state;
    bool failed = true;
    uint64_t fail_after = 1;
    for (; failed; fail_after++) {
        struct sm_config config = {.policy = "arena:shape=bump,chunk=64K", .fail_alloc_after = fail_after};
        struct sm_manager *mm = manager_open(&config);
        static struct object_oracle oracle;
        oracle.count = 0;
        failed = false;
        sm_request_begin(mm);
        for (size_t i = 0; i < 200; i++) {
            size_t size = i % 20 == 0 ? 20000 : i * 10;
            struct sm_object *object = sm_alloc_leaf(mm, SM_TYPE_BYTES, size);
            if (object == NULL) {
                failed = true;
                assert_int_equal(sm_error_status(mm), SM_ERR_OUT_OF_MEMORY);
                object = leaf_new(mm, size);
            }
            oracle_add(&oracle, object);
        }
        oracle_assert_walk(&oracle, mm);
        oracle_assert_contents(&oracle);
        sm_manager_destroy(mm);
    }
    assert_in_range(fail_after, 5, 50);
}

/* ---- Uses after request end. ---- */

/** Run `misuse` in a child. Returns whether it was stopped. */
static bool is_caught(void (*misuse)(struct sm_manager *mm))
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        fclose(stderr);
        /* A sanitizer or an assertion ends the child otherwise; the manager is the child's own (R14). */
        misuse(manager_open_for(SM_SAPI_FPM, "arena:shape=bump", 0));
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static struct sm_object *object_of_an_ended_request(struct sm_manager *mm)
{
    sm_request_begin(mm);
    struct sm_object *object = sm_alloc_leaf(mm, SM_TYPE_BYTES, 64);
    memset(sm_payload(object), 'x', 64);
    sm_request_end(mm);
    return object;
}

static void write_late(struct sm_manager *mm)
{
    *(volatile char *)sm_payload(object_of_an_ended_request(mm)) = 1;
    sm_request_begin(mm);
    sm_alloc_leaf(mm, SM_TYPE_BYTES, 64);
}

static void resize_late(struct sm_manager *mm)
{
    sm_resize(mm, object_of_an_ended_request(mm), 10);
}

static void read_late(struct sm_manager *mm)
{
    const struct sm_object *object = object_of_an_ended_request(mm);
    /* Without AddressSanitizer the pattern shows: a type that does not exist. */
    if (*(volatile const sm_type_id *)&object->type != SM_TYPE_BYTES)
        abort();
}

static void checked_builds_catch_uses_after_request_end(void **state)
{
    (void)state;
    if (SM_ASSERT_LEVEL < 2)
        skip();
    assert_true(is_caught(write_late));
    assert_true(is_caught(resize_late));
    assert_true(is_caught(read_late));
}

/** The stamp alone, where addresses are not poisoned: the chunk says which request it belonged to. */
static void the_generation_stamp_catches_a_late_resize(void **state)
{
    (void)state;
    if (SM_ASSERT_LEVEL < 1)
        skip();
    assert_true(is_caught(resize_late));
}

/* ---- Figures. ---- */

static void policy_bytes_are_headers_rounding_and_copies(void **state)
{
    struct sm_manager *mm = *state;
    for (int i = 0; i < 1000; i++)
        leaf_new(mm, 56);
    assert_int_equal(manager_stats(mm).policy_bytes, 1000 * (80 - 56));
    sm_request_begin(mm);
    leaf_new(mm, 100000);
    assert_int_equal(manager_stats(mm).policy_bytes, 1000 * (80 - 56) + 16);
    sm_request_end(mm);
    assert_int_equal(manager_stats(mm).policy_bytes, 1000 * (80 - 56) + 16);
    assert_int_equal(manager_stats(mm).reclaimed_bytes, 100000);
}

int main(void)
{
    struct sm_config config = {.sapi = SM_SAPI_FPM, .policy = "arena:shape=bump"};
    const struct CMUnitTest tests[] = {
        MANAGER_TEST(request_end_frees_what_the_request_allocated, &config),
        MANAGER_TEST(requests_reuse_the_same_addresses, &config),
        MANAGER_TEST(boot_data_survives_requests, &config),
        MANAGER_TEST(boot_data_grown_in_a_request_keeps_its_bytes, &config),
        MANAGER_TEST(destructors_run_before_the_reset, &config),
        MANAGER_TEST(without_requests_nothing_is_reset, &config),
        cmocka_unit_test(equal_requests_are_flat_for_thousands),
        MANAGER_TEST(chunks_of_equal_requests_are_mapped_once, &config),
        MANAGER_TEST(a_burst_is_given_back_as_the_mean_decays, &config),
        MANAGER_TEST(large_mappings_follow_the_same_rule, &config),
        MANAGER_TEST(a_kept_mapping_is_used_only_where_it_fits, &config),
        cmocka_unit_test(keep_is_a_lower_bound),
        cmocka_unit_test(a_chunk_that_is_no_power_of_two_is_refused),
        cmocka_unit_test(the_limit_refuses_cleanly_and_the_next_request_has_it_all),
        cmocka_unit_test(kept_memory_is_given_up_before_an_allocation_is_refused),
        cmocka_unit_test(every_single_failure_is_survived),
        cmocka_unit_test(checked_builds_catch_uses_after_request_end),
        cmocka_unit_test(the_generation_stamp_catches_a_late_resize),
        MANAGER_TEST(policy_bytes_are_headers_rounding_and_copies, &config),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
