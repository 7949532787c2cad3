/**
 * The system's memory: limit, committed bytes, fault injection, chunk alignment.
 */
#include "list_policy.h"
#include "manager_fixture.h"

#include <pthread.h>
#include <string.h>

#define MIB (UINT64_C(1) << 20)

static struct sm_manager *limited(uint64_t limit_bytes, uint64_t fail_after)
{
    struct sm_config config = {.memory_limit_bytes = limit_bytes, .fail_alloc_after = fail_after};
    return list_policy_manager(&list_policy_ops, &config);
}

static struct sm_manager *faulty(uint64_t fail_after, uint64_t fail_count)
{
    struct sm_config config = {.fail_alloc_after = fail_after, .fail_alloc_count = fail_count};
    return list_policy_manager(&list_policy_ops, &config);
}

static void test_committed_counts_up_and_down(void **state)
{
    (void)state;
    struct sm_manager *mm = limited(0, 0);
    assert_true(sm_reserve(mm, 3000));
    assert_true(sm_reserve(mm, 2000));
    assert_int_equal(manager_committed_bytes(mm), 5000);
    sm_unreserve(mm, 3000);
    assert_int_equal(manager_committed_bytes(mm), 2000);
    assert_int_equal(manager_stats(mm).peak_committed_bytes, 5000);
    sm_unreserve(mm, 2000);
    sm_manager_destroy(mm);
}

static void test_limit_is_reached_exactly(void **state)
{
    (void)state;
    struct sm_manager *mm = limited(MIB, 0);
    assert_true(sm_reserve(mm, MIB - 1));
    assert_false(sm_reserve(mm, 2));
    assert_int_equal(manager_committed_bytes(mm), MIB - 1);
    assert_true(sm_reserve(mm, 1));
    assert_false(sm_reserve(mm, 1));
    sm_unreserve(mm, MIB);
    assert_true(sm_reserve(mm, MIB));
    sm_unreserve(mm, MIB);
    sm_manager_destroy(mm);
}

static void test_huge_requests_do_not_wrap(void **state)
{
    (void)state;
    struct sm_manager *mm = limited(MIB, 0);
    assert_true(sm_reserve(mm, 4096));
    assert_false(sm_reserve(mm, SIZE_MAX));
    assert_false(sm_reserve(mm, SIZE_MAX - 4095));
    sm_unreserve(mm, 4096);
    sm_manager_destroy(mm);
}

static void test_fault_injection_fails_the_nth_request_once(void **state)
{
    (void)state;
    struct sm_manager *mm = limited(0, 3);
    assert_true(sm_reserve(mm, 1));
    assert_true(sm_reserve(mm, 1));
    assert_false(sm_reserve(mm, 1));
    assert_true(sm_reserve(mm, 1));
    assert_int_equal(manager_committed_bytes(mm), 3);
    sm_unreserve(mm, 3);
    sm_manager_destroy(mm);
}

static void require_requests(struct sm_manager *mm, uint64_t first, uint64_t last, bool granted)
{
    for (uint64_t nth = first; nth <= last; nth++)
        assert_int_equal(sm_reserve(mm, 1), granted);
}

static void test_fault_injection_fails_several_in_a_row(void **state)
{
    (void)state;
    struct sm_manager *mm = faulty(3, 4);
    require_requests(mm, 1, 2, true);
    require_requests(mm, 3, 6, false);
    require_requests(mm, 7, 20, true);
    assert_int_equal(manager_committed_bytes(mm), 16);
    sm_unreserve(mm, 16);
    sm_manager_destroy(mm);
}

static void test_fault_injection_fails_all_from_the_nth_on(void **state)
{
    (void)state;
    struct sm_manager *mm = faulty(3, UINT64_MAX);
    require_requests(mm, 1, 2, true);
    require_requests(mm, 3, 500, false);
    sm_unreserve(mm, 2);
    require_requests(mm, 501, 501, false);
    sm_manager_destroy(mm);
    /* How many makes no difference where none is to fail. */
    mm = faulty(0, UINT64_MAX);
    require_requests(mm, 1, 5, true);
    sm_unreserve(mm, 5);
    sm_manager_destroy(mm);
}

static void test_fault_sweep_leaves_the_heap_usable(void **state)
{
    (void)state;
    for (uint64_t nth = 1; nth <= 8; nth++) {
        struct sm_manager *mm = limited(0, nth);
        uint64_t made = 0;
        uint64_t failed = 0;
        for (size_t payload = 16; payload <= 65536; payload *= 2)
            *(sm_alloc(mm, SM_TYPE_VALUES, payload) != NULL ? &made : &failed) += 1;
        assert_int_equal(failed, 1);
        assert_int_equal(sm_error_status(mm), SM_ERR_OUT_OF_MEMORY);
        assert_int_equal(manager_stats(mm).alloc_count, made);
        sm_manager_destroy(mm);
    }
}

static void test_chunks_are_aligned_writable_and_counted(void **state)
{
    (void)state;
    struct sm_manager *mm = limited(0, 0);
    for (size_t alignment = 4096; alignment <= 4 * MIB; alignment *= 2) {
        char *chunk = sm_chunk_map(mm, 64 << 10, alignment);
        assert_non_null(chunk);
        assert_int_equal((uintptr_t)chunk % alignment, 0);
        assert_int_equal(chunk[0], 0);
        memset(chunk, 1, 64 << 10);
        assert_int_equal(manager_committed_bytes(mm), 64 << 10);
        sm_chunk_unmap(mm, chunk, 64 << 10);
        assert_int_equal(manager_committed_bytes(mm), 0);
    }
    sm_manager_destroy(mm);
}

static void test_refused_chunks_count_nothing(void **state)
{
    (void)state;
    struct sm_manager *mm = limited(MIB, 0);
    assert_null(sm_chunk_map(mm, 2 * MIB, 4096));
    assert_int_equal(manager_committed_bytes(mm), 0);
    sm_manager_destroy(mm);
    mm = limited(0, 0);
    /* More than any address space: the system refuses. */
    assert_null(sm_chunk_map(mm, (size_t)1 << 60, 4096));
    assert_int_equal(manager_committed_bytes(mm), 0);
    sm_manager_destroy(mm);
}

static void *give_back(void *context)
{
    for (int i = 0; i < 10000; i++)
        sm_unreserve(context, 16);
    return NULL;
}

static void test_other_threads_may_give_back(void **state)
{
    (void)state;
    struct sm_manager *mm = limited(0, 0);
    pthread_t thread;
    assert_true(sm_reserve(mm, 160000));
    assert_int_equal(pthread_create(&thread, NULL, give_back, mm), 0);
    for (int i = 0; i < 10000; i++)
        assert_true(sm_reserve(mm, 16));
    pthread_join(thread, NULL);
    assert_int_equal(manager_committed_bytes(mm), 160000);
    sm_unreserve(mm, 160000);
    sm_manager_destroy(mm);
}

static void test_policy_bytes_and_copies_are_counted(void **state)
{
    (void)state;
    struct sm_manager *mm = limited(0, 0);
    sm_count_policy_bytes(mm, 100);
    sm_count_policy_bytes(mm, 50);
    sm_count_copy(mm, 7);
    sm_count_copy(mm, 9);
    assert_int_equal(manager_stats(mm).policy_bytes, 150);
    assert_int_equal(manager_stats(mm).copied_bytes, 16);
    assert_int_equal(manager_stats(mm).copy_count, 2);
    sm_manager_destroy(mm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_committed_counts_up_and_down),
        cmocka_unit_test(test_limit_is_reached_exactly),
        cmocka_unit_test(test_huge_requests_do_not_wrap),
        cmocka_unit_test(test_fault_injection_fails_the_nth_request_once),
        cmocka_unit_test(test_fault_injection_fails_several_in_a_row),
        cmocka_unit_test(test_fault_injection_fails_all_from_the_nth_on),
        cmocka_unit_test(test_fault_sweep_leaves_the_heap_usable),
        cmocka_unit_test(test_chunks_are_aligned_writable_and_counted),
        cmocka_unit_test(test_refused_chunks_count_nothing),
        cmocka_unit_test(test_other_threads_may_give_back),
        cmocka_unit_test(test_policy_bytes_and_copies_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
