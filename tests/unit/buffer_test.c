/** Growable buffers under every built-in policy: contents, growth, limits, misuse. */
#include "list_policy.h"
#include "manager_fixture.h"

#include "../../lib/mm/src/manager_internal.h"

#include "sapimem/alloc.h"
#include "sapimem/extension.h"
#include "sapimem/policy.h"

#include <stdio.h>
#include <string.h>

/** Run `check` once under each policy of the table. */
static void for_each_policy(void (*check)(struct sm_manager *mm))
{
    const struct sm_policy_ops *ops;
    for (size_t i = 0; (ops = sm_policy_table(i)) != NULL; i++) {
        struct sm_manager *mm = manager_open_for(SM_SAPI_CLI, ops->name, 0);
        check(mm);
        sm_manager_destroy(mm);
    }
}

static void assert_contents(struct sm_manager *mm, sm_handle buffer, const char *expected, size_t expected_bytes)
{
    void *bytes = NULL;
    size_t byte_count = 0;
    assert_int_equal(sm_buffer_view(mm, buffer, &bytes, &byte_count), SM_OK);
    assert_int_equal(byte_count, expected_bytes);
    assert_memory_equal(bytes, expected, expected_bytes);
}

static void check_append(struct sm_manager *mm)
{
    sm_handle buffer = sm_buffer_create(mm, 0);
    assert_false(sm_handle_is_none(buffer));
    assert_contents(mm, buffer, "", 0);
    assert_int_equal(sm_buffer_append(mm, buffer, "hello ", 6), SM_OK);
    assert_int_equal(sm_buffer_append(mm, buffer, "world", 5), SM_OK);
    assert_int_equal(sm_buffer_append(mm, buffer, NULL, 0), SM_OK);
    assert_contents(mm, buffer, "hello world", 11);
}

static void appended_bytes_are_there(void **state)
{
    (void)state;
    for_each_policy(check_append);
}

static void check_growth(struct sm_manager *mm)
{
    enum { TOTAL = 300000 };
    static char expected[TOTAL];
    sm_handle buffer = sm_buffer_create(mm, 10);
    for (size_t i = 0; i < TOTAL; i++)
        expected[i] = (char)(i * 7 + i / 251);
    for (size_t done = 0; done < TOTAL;) {
        size_t part = done % 97 + 1 < TOTAL - done ? done % 97 + 1 : TOTAL - done;
        assert_int_equal(sm_buffer_append(mm, buffer, expected + done, part), SM_OK);
        done += part;
        /* Something between, so that the bytes are not always the newest block. */
        assert_non_null(sm_alloc_bytes(mm, 24));
        sm_safepoint(mm);
    }
    assert_contents(mm, buffer, expected, TOTAL);
}

static void growth_keeps_the_bytes_and_the_handle(void **state)
{
    (void)state;
    for_each_policy(check_growth);
}

static void check_collection(struct sm_manager *mm)
{
    sm_scope scope = sm_scope_open(mm);
    sm_handle kept = sm_handle_persist(mm, sm_buffer_create(mm, 4));
    sm_scope_close(mm, scope);
    sm_buffer_append(mm, kept, "stays where it is, or is found again", 36);
    if ((sm_policy_capabilities(mm) & SM_CAP_COLLECT) != 0)
        assert_int_equal(sm_collect(mm, SM_COLLECT_FULL), SM_OK);
    for (int i = 0; i < 1000; i++)
        assert_non_null(sm_alloc_bytes(mm, 64));
    assert_contents(mm, kept, "stays where it is, or is found again", 36);
    assert_int_equal(sm_handle_release(mm, kept), SM_OK);
    void *bytes = NULL;
    size_t byte_count = 0;
    assert_int_equal(sm_buffer_view(mm, kept, &bytes, &byte_count), SM_ERR_STALE_HANDLE);
    assert_null(bytes);
}

static void a_persistent_buffer_survives_a_cycle(void **state)
{
    (void)state;
    for_each_policy(check_collection);
}

static void check_reserve(struct sm_manager *mm)
{
    sm_handle buffer = sm_buffer_create(mm, 16);
    assert_int_equal(sm_buffer_append(mm, buffer, "abc", 3), SM_OK);
    assert_int_equal(sm_buffer_reserve(mm, buffer, 5000), SM_OK);
    void *before = NULL;
    void *after = NULL;
    size_t byte_count = 0;
    sm_buffer_view(mm, buffer, &before, &byte_count);
    char part[4997] = {0};
    assert_int_equal(sm_buffer_append(mm, buffer, part, sizeof(part)), SM_OK);
    sm_buffer_view(mm, buffer, &after, &byte_count);
    assert_ptr_equal(before, after);
    assert_int_equal(byte_count, 5000);
    assert_int_equal(sm_buffer_reserve(mm, buffer, 1), SM_OK);
}

static void reserved_room_keeps_the_address(void **state)
{
    (void)state;
    for_each_policy(check_reserve);
}

static void check_own_bytes(struct sm_manager *mm)
{
    sm_handle buffer = sm_buffer_create(mm, 16);
    sm_buffer_append(mm, buffer, "0123456789abcdef", 16);
    void *bytes = NULL;
    size_t byte_count = 0;
    sm_buffer_view(mm, buffer, &bytes, &byte_count);
    assert_int_equal(sm_buffer_append(mm, buffer, (char *)bytes + 10, 6), SM_OK);
    assert_contents(mm, buffer, "0123456789abcdefabcdef", 22);
}

static void a_buffer_can_be_appended_to_itself(void **state)
{
    (void)state;
    for_each_policy(check_own_bytes);
}

/** Under a policy that frees at once the old bytes are gone, mapping and all, when the new ones are in place. */
static void own_bytes_survive_growth_that_frees_at_once(void **state)
{
    (void)state;
    enum { SIZE = 100000 };
    static char expected[SIZE + 100];
    struct sm_manager *mm = list_policy_manager(&list_policy_ops, NULL);
    memset(expected, 'y', sizeof(expected));
    sm_handle buffer = sm_buffer_create(mm, SIZE);
    assert_int_equal(sm_buffer_append(mm, buffer, expected, SIZE), SM_OK);
    void *bytes = NULL;
    size_t byte_count = 0;
    sm_buffer_view(mm, buffer, &bytes, &byte_count);
    assert_int_equal(sm_buffer_append(mm, buffer, (char *)bytes + SIZE - 100, 100), SM_OK);
    assert_contents(mm, buffer, expected, SIZE + 100);
    sm_manager_destroy(mm);
}

/** What a retire looks at: whether a buffer's head still referred to the object when it was retired. */
static struct sm_object *const *watched_slot;
static size_t retired_while_linked, retired_unlinked;

static void watching_retire(struct sm_policy *policy, struct sm_object *object)
{
    if (*watched_slot == object)
        retired_while_linked++;
    else
        retired_unlinked++;
    list_policy_tracing_ops.retire(policy, object);
}

/** R2: an observer that arrives after the retirement must not find the old bytes. */
static void observed_bytes_are_unlinked_before_they_are_retired(void **state)
{
    (void)state;
    struct sm_policy_ops ops = list_policy_tracing_ops;
    ops.retire = watching_retire;
    struct sm_manager *mm = list_policy_manager(&ops, NULL);
    sm_handle buffer = sm_buffer_create(mm, 100);
    struct sm_value head;
    sm_handle_get(mm, buffer, &head);
    watched_slot = (struct sm_object *const *)((char *)sm_payload(sm_value_object(head)) + sizeof(uint64_t));
    mm->hot.barrier |= SM_BARRIER_PUBLISH;
    char expected[2000];
    for (size_t i = 0; i < sizeof(expected); i++) {
        expected[i] = (char)i;
        assert_int_equal(sm_buffer_append(mm, buffer, &expected[i], 1), SM_OK);
    }
    assert_contents(mm, buffer, expected, sizeof(expected));
    assert_int_equal(retired_unlinked, 5);
    assert_int_equal(retired_while_linked, 0);
    sm_manager_destroy(mm);
}

/** The allocation clock, the counts and the live figures of the same growth. */
static struct sm_stats stats_of_growth(uint32_t barrier)
{
    struct sm_manager *mm = list_policy_manager(&list_policy_tracing_ops, NULL);
    mm->hot.barrier |= barrier;
    sm_handle buffer = sm_buffer_create(mm, 100);
    for (size_t i = 0; i < 2000; i++)
        assert_int_equal(sm_buffer_append(mm, buffer, "x", 1), SM_OK);
    struct sm_stats stats = manager_stats(mm);
    sm_manager_destroy(mm);
    return stats;
}

static void observers_do_not_change_the_clock(void **state)
{
    (void)state;
    struct sm_stats alone = stats_of_growth(0);
    struct sm_stats observed = stats_of_growth(SM_BARRIER_PUBLISH);
    assert_int_equal(alone.alloc_bytes, observed.alloc_bytes);
    assert_int_equal(alone.alloc_count, observed.alloc_count);
    assert_int_equal(alone.resize_count, observed.resize_count);
    assert_int_equal(alone.live_bytes, observed.live_bytes);
    assert_int_equal(alone.live_objects, observed.live_objects);
}

static void growth_doubles_so_appends_are_amortised(void **state)
{
    (void)state;
    struct sm_manager *mm = manager_open_for(SM_SAPI_CLI, "null", 0);
    sm_handle buffer = sm_buffer_create(mm, 16);
    for (int i = 0; i < 100000; i++)
        assert_int_equal(sm_buffer_append(mm, buffer, "x", 1), SM_OK);
    struct sm_stats stats = manager_stats(mm);
    assert_in_range(stats.resize_count, 10, 17);
    assert_true(stats.alloc_bytes <= 131072 + 100);
    sm_manager_destroy(mm);
}

static void truncate_sets_the_length_within_the_capacity(void **state)
{
    (void)state;
    struct sm_manager *mm = manager_open_for(SM_SAPI_CLI, "null", 0);
    sm_handle buffer = sm_buffer_create(mm, 32);
    sm_buffer_append(mm, buffer, "abcdef", 6);
    assert_int_equal(sm_buffer_truncate(mm, buffer, 2), SM_OK);
    assert_contents(mm, buffer, "ab", 2);
    assert_int_equal(sm_buffer_truncate(mm, buffer, 6), SM_OK);
    assert_contents(mm, buffer, "abcdef", 6);
    assert_int_equal(sm_buffer_truncate(mm, buffer, 32), SM_OK);
    assert_int_equal(sm_buffer_truncate(mm, buffer, 33), SM_ERR_INVALID_ARGUMENT);
    assert_non_null(strstr(sm_error_detail(mm), "33"));
    sm_manager_destroy(mm);
}

static void handles_that_are_no_buffer_are_refused(void **state)
{
    (void)state;
    struct sm_manager *mm = manager_open_for(SM_SAPI_CLI, "null", 0);
    sm_handle bytes = sm_bytes_handle(mm, sm_alloc_bytes(mm, 10));
    sm_handle number = sm_alloc_value(mm, (struct sm_value){1, 4});
    assert_int_equal(sm_buffer_append(mm, bytes, "x", 1), SM_ERR_INVALID_ARGUMENT);
    assert_int_equal(sm_buffer_reserve(mm, number, 1), SM_ERR_INVALID_ARGUMENT);
    assert_int_equal(sm_buffer_truncate(mm, SM_HANDLE_NONE, 0), SM_ERR_STALE_HANDLE);
    sm_handle buffer = sm_buffer_create(mm, 1);
    assert_int_equal(sm_buffer_append(mm, buffer, NULL, 5), SM_ERR_INVALID_ARGUMENT);
    sm_manager_destroy(mm);
}

static void impossible_capacities_are_refused(void **state)
{
    (void)state;
    struct sm_manager *mm = manager_open_for(SM_SAPI_CLI, "null", 0);
    assert_true(sm_handle_is_none(sm_buffer_create(mm, SIZE_MAX)));
    sm_handle buffer = sm_buffer_create(mm, 16);
    sm_buffer_append(mm, buffer, "abc", 3);
    assert_int_equal(sm_buffer_reserve(mm, buffer, SIZE_MAX), SM_ERR_INVALID_ARGUMENT);
    assert_int_equal(sm_buffer_append(mm, buffer, "x", SIZE_MAX), SM_ERR_INVALID_ARGUMENT);
    assert_int_equal(sm_buffer_append(mm, buffer, "x", SIZE_MAX - 1), SM_ERR_INVALID_ARGUMENT);
    assert_contents(mm, buffer, "abc", 3);
    sm_manager_destroy(mm);
}

static void refusal_under_a_limit_leaves_the_buffer(const char *policy)
{
    struct sm_manager *mm = manager_open_for(SM_SAPI_CLI, policy, 4 << 20);
    sm_handle buffer = sm_buffer_create(mm, 16);
    assert_int_equal(sm_buffer_append(mm, buffer, "abc", 3), SM_OK);
    assert_int_equal(sm_buffer_reserve(mm, buffer, 64 << 20), SM_ERR_OUT_OF_MEMORY);
    assert_contents(mm, buffer, "abc", 3);
    assert_int_equal(sm_buffer_append(mm, buffer, "def", 3), SM_OK);
    assert_contents(mm, buffer, "abcdef", 6);
    sm_manager_destroy(mm);
}

static void out_of_memory_leaves_the_buffer_unchanged(void **state)
{
    (void)state;
    const struct sm_policy_ops *ops;
    for (size_t i = 0; (ops = sm_policy_table(i)) != NULL; i++)
        refusal_under_a_limit_leaves_the_buffer(ops->name);
}

/** Let the Nth request for memory fail, for every N until a run never reaches it. Returns whether it was reached. */
static bool run_with_failure(const char *policy, uint64_t fail_after)
{
    struct sm_config config = {.policy = policy, .fail_alloc_after = fail_after};
    struct sm_manager *mm = NULL;
    if (sm_manager_create(&config, &mm, NULL) != SM_OK)
        return true;
    bool failed = false;
    sm_handle buffer = sm_buffer_create(mm, 16);
    if (sm_handle_is_none(buffer)) {
        failed = true;
        assert_int_equal(sm_error_status(mm), SM_ERR_OUT_OF_MEMORY);
        buffer = sm_buffer_create(mm, 16);
    }
    assert_false(sm_handle_is_none(buffer));
    char expected[4096];
    size_t length = 0;
    for (int i = 0; i < 40; i++) {
        memset(expected + length, 'a' + i % 26, 100);
        sm_status status = sm_buffer_append(mm, buffer, expected + length, 100);
        if (status != SM_OK) {
            assert_int_equal(status, SM_ERR_OUT_OF_MEMORY);
            failed = true;
            assert_contents(mm, buffer, expected, length);
            assert_int_equal(sm_buffer_append(mm, buffer, expected + length, 100), SM_OK);
        }
        length += 100;
    }
    assert_contents(mm, buffer, expected, length);
    sm_manager_destroy(mm);
    return failed;
}

static void every_single_failure_is_survived(void **state)
{
    (void)state;
    const char *const policies[] = {"null", "arena"};
    for (size_t i = 0; i < 2; i++) {
        uint64_t fail_after = 1;
        while (run_with_failure(policies[i], fail_after))
            fail_after++;
        assert_in_range(fail_after, 2, 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appended_bytes_are_there),
        cmocka_unit_test(growth_keeps_the_bytes_and_the_handle),
        cmocka_unit_test(a_persistent_buffer_survives_a_cycle),
        cmocka_unit_test(reserved_room_keeps_the_address),
        cmocka_unit_test(a_buffer_can_be_appended_to_itself),
        cmocka_unit_test(own_bytes_survive_growth_that_frees_at_once),
        cmocka_unit_test(observed_bytes_are_unlinked_before_they_are_retired),
        cmocka_unit_test(observers_do_not_change_the_clock),
        cmocka_unit_test(growth_doubles_so_appends_are_amortised),
        cmocka_unit_test(truncate_sets_the_length_within_the_capacity),
        cmocka_unit_test(handles_that_are_no_buffer_are_refused),
        cmocka_unit_test(impossible_capacities_are_refused),
        cmocka_unit_test(out_of_memory_leaves_the_buffer_unchanged),
        cmocka_unit_test(every_single_failure_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
