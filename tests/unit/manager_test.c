/**
 * Creation and its refusals, policy selection, requests, forked children, statistics.
 */
#include "list_policy.h"
#include "manager_fixture.h"

#include "../../lib/mm/src/policy_check.h"

#include "sapimem/extension.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void assert_refused(const struct sm_config *config, sm_status expected, const char *why)
{
    struct sm_manager *mm = NULL;
    struct sm_error error = {0};
    assert_int_equal(sm_manager_create(config, &mm, &error), expected);
    assert_int_equal(error.status, expected);
    assert_null(mm);
    if (strstr(error.detail, why) == NULL)
        fail_msg("'%s' does not say '%s'", error.detail, why);
    /* The line is optional. */
    assert_int_equal(sm_manager_create(config, &mm, NULL), expected);
}

static void assert_policy(const struct sm_config *config, const char *name)
{
    struct sm_manager *mm = NULL;
    struct sm_error error = {SM_ERR_SYSTEM, "stale"};
    assert_int_equal(sm_manager_create(config, &mm, &error), SM_OK);
    assert_int_equal(error.status, SM_OK);
    assert_string_equal(error.detail, "");
    assert_string_equal(sm_policy_name(mm), name);
    assert_int_equal(sm_manager_sapi(mm), config->sapi);
    assert_int_equal(sm_policy_capabilities(mm), sm_policy_find(name)->capabilities);
    sm_manager_destroy(mm);
}

static void test_policy_follows_the_sapi(void **state)
{
    (void)state;
    assert_policy(&(struct sm_config){.sapi = SM_SAPI_CLI}, "epoch");
    assert_policy(&(struct sm_config){.sapi = SM_SAPI_FPM}, "arena");
}

static void test_policy_can_be_overridden_under_either_sapi(void **state)
{
    (void)state;
    assert_policy(&(struct sm_config){.sapi = SM_SAPI_CLI, .policy = "arena"}, "arena");
    assert_policy(&(struct sm_config){.sapi = SM_SAPI_FPM, .policy = "epoch"}, "epoch");
    assert_policy(&(struct sm_config){.policy = "null"}, "null");
}

static void test_unknown_policy_lists_near_names(void **state)
{
    (void)state;
    assert_refused(&(struct sm_config){.policy = "epok"}, SM_ERR_INVALID_ARGUMENT, "epoch");
    assert_refused(&(struct sm_config){.policy = "arenas:x=1"}, SM_ERR_INVALID_ARGUMENT, "arena");
    assert_refused(&(struct sm_config){.policy = "zzzzzzzz"}, SM_ERR_INVALID_ARGUMENT, "one of epoch, arena, ");
    assert_refused(&(struct sm_config){.policy = ""}, SM_ERR_INVALID_ARGUMENT, "unknown");
}

static void test_very_long_policy_name_is_refused_in_one_line(void **state)
{
    (void)state;
    char name[2000];
    memset(name, 'q', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_refused(&(struct sm_config){.policy = name}, SM_ERR_INVALID_ARGUMENT, "unknown");
}

static void test_unknown_policy_option_is_refused(void **state)
{
    (void)state;
    assert_refused(&(struct sm_config){.policy = "null:colour=red"}, SM_ERR_INVALID_ARGUMENT, "colour");
    assert_refused(&(struct sm_config){.custom_policy = &list_policy_ops, .policy = "x=1"}, SM_ERR_INVALID_ARGUMENT,
                   "policy lists");
}

static void test_threshold_and_pacing_exclude_each_other(void **state)
{
    (void)state;
    assert_refused(&(struct sm_config){.threshold_bytes = 1 << 20, .pacing = "never"}, SM_ERR_INVALID_ARGUMENT, "both");
}

static void test_values_below_their_minimum_are_refused(void **state)
{
    (void)state;
    assert_refused(&(struct sm_config){.threshold_bytes = 4095}, SM_ERR_INVALID_ARGUMENT, "threshold 4095");
    assert_refused(&(struct sm_config){.memory_limit_bytes = (1 << 20) - 1}, SM_ERR_INVALID_ARGUMENT,
                   "memory limit 1048575");
    assert_refused(&(struct sm_config){.pacing = "sometimes"}, SM_ERR_INVALID_ARGUMENT, "sometimes");
    assert_refused(&(struct sm_config){.sapi = (enum sm_sapi)7}, SM_ERR_INVALID_ARGUMENT, "sapi 7");
}

static void test_unavailable_policy_is_refused_with_its_reason(void **state)
{
    (void)state;
    struct sm_policy_ops ops = list_policy_ops;
    ops.unavailable = "its library was not found at build time";
    assert_refused(&(struct sm_config){.custom_policy = &ops}, SM_ERR_UNSUPPORTED, "not found at build time");
}

static void test_table_must_match_its_capability_bits(void **state)
{
    (void)state;
    struct sm_policy_ops ops = list_policy_ops;
    ops.resize = NULL;
    assert_refused(&(struct sm_config){.custom_policy = &ops}, SM_ERR_INVALID_ARGUMENT, "lacks operation resize");
    ops = list_policy_ops;
    ops.capabilities &= ~(uint32_t)SM_CAP_COUNTS;
    assert_refused(&(struct sm_config){.custom_policy = &ops}, SM_ERR_INVALID_ARGUMENT, "has operation value_dead");
    ops = list_policy_tracing_ops;
    ops.online = NULL;
    assert_refused(&(struct sm_config){.custom_policy = &ops}, SM_ERR_INVALID_ARGUMENT, "lacks operation online");
    ops = list_policy_tracing_ops;
    ops.capabilities |= SM_CAP_EPOCH_TAGS;
    assert_refused(&(struct sm_config){.custom_policy = &ops}, SM_ERR_INVALID_ARGUMENT, "epoch-tags");
}

static void test_required_operations_are_required(void **state)
{
    (void)state;
    struct sm_policy_ops ops = list_policy_ops;
    ops.walk = NULL;
    assert_refused(&(struct sm_config){.custom_policy = &ops}, SM_ERR_INVALID_ARGUMENT, "required operation walk");
    ops = list_policy_ops;
    ops.refill = NULL;
    assert_refused(&(struct sm_config){.custom_policy = &ops}, SM_ERR_INVALID_ARGUMENT, "refill");
}

static void test_observers_need_pins(void **state)
{
    (void)state;
    struct sm_policy_ops ops = list_policy_ops;
    ops.capabilities |= SM_CAP_OBSERVERS;
    assert_refused(&(struct sm_config){.custom_policy = &ops}, SM_ERR_INVALID_ARGUMENT, "needs capability pin");
}

static void test_marking_beside_the_program_needs_cycles(void **state)
{
    (void)state;
    struct sm_policy_ops ops = list_policy_ops;
    ops.capabilities |= SM_CAP_CONCURRENT;
    assert_refused(&(struct sm_config){.custom_policy = &ops}, SM_ERR_INVALID_ARGUMENT,
                   "capability concurrent needs capability collect");
}

static sm_status failing_create(struct sm_manager *mm, const struct sm_option_values *options,
                                struct sm_policy **policy)
{
    (void)options;
    (void)policy;
    return sm_policy_fail(mm, SM_ERR_SYSTEM, "no such thing as %d", 42);
}

static sm_status silent_create(struct sm_manager *mm, const struct sm_option_values *options, struct sm_policy **policy)
{
    (void)mm;
    (void)options;
    (void)policy;
    return SM_ERR_OUT_OF_MEMORY;
}

static void test_failure_of_the_policy_reaches_the_caller(void **state)
{
    (void)state;
    struct sm_policy_ops ops = list_policy_ops;
    ops.create = failing_create;
    assert_refused(&(struct sm_config){.custom_policy = &ops}, SM_ERR_SYSTEM, "no such thing as 42");
    ops.create = silent_create;
    assert_refused(&(struct sm_config){.custom_policy = &ops}, SM_ERR_OUT_OF_MEMORY,
                   "policy lists could not be created");
}

static void test_table_and_capability_names(void **state)
{
    (void)state;
    size_t count = 0;
    for (const struct sm_policy_ops *ops = sm_policy_table(0); ops != NULL; ops = sm_policy_table(++count)) {
        struct sm_error error = {0};
        assert_ptr_equal(sm_policy_find(ops->name), ops);
        if (ops->unavailable == NULL && sm_policy_check(ops, &error) != SM_OK)
            fail_msg("%s", error.detail);
    }
    assert_true(count >= 3);
    assert_null(sm_policy_find("no-such-policy"));
    assert_string_equal(sm_capability_name(SM_CAP_RESIZE), "resize");
    assert_string_equal(sm_capability_name(SM_CAP_BULK_FREE), "bulk-free");
    assert_null(sm_capability_name(0));
    assert_null(sm_capability_name(UINT32_C(1) << 31));
    assert_null(sm_capability_name(SM_CAP_RESIZE | SM_CAP_FREE));
}

static void test_status_names(void **state)
{
    (void)state;
    assert_string_equal(sm_status_name(SM_OK), "SM_OK");
    assert_string_equal(sm_status_name(SM_ERR_SYSTEM), "SM_ERR_SYSTEM");
    assert_string_equal(sm_status_name((sm_status)99), "unknown status");
}

static void test_error_line_is_empty_until_a_call_fails(void **state)
{
    assert_int_equal(sm_error_status(*state), SM_OK);
    assert_string_equal(sm_error_detail(*state), "");
    assert_int_equal(sm_request_end(*state), SM_ERR_INVALID_ARGUMENT);
    assert_int_equal(sm_error_status(*state), SM_ERR_INVALID_ARGUMENT);
    assert_string_equal(sm_error_detail(*state), "no request is open");
}

static void test_requests_must_balance(void **state)
{
    struct sm_manager *mm = *state;
    assert_int_equal(sm_request_begin(mm), SM_OK);
    assert_int_equal(sm_request_begin(mm), SM_ERR_INVALID_ARGUMENT);
    assert_int_equal(sm_request_end(mm), SM_OK);
    assert_int_equal(sm_request_end(mm), SM_ERR_INVALID_ARGUMENT);
    assert_int_equal(list_policy_of(mm)->calls.request_begin, 1);
    assert_int_equal(list_policy_of(mm)->calls.request_end, 1);
    assert_int_equal(manager_stats(mm).requests, 1);
}

static void test_request_end_makes_handles_stale(void **state)
{
    struct sm_manager *mm = *state;
    struct sm_value value = {7, 1};
    sm_request_begin(mm);
    sm_handle handle = sm_alloc_value(mm, value);
    assert_int_equal(sm_handle_get(mm, handle, &value), SM_OK);
    sm_request_end(mm);
    assert_int_equal(sm_handle_get(mm, handle, &value), SM_ERR_STALE_HANDLE);
}

static void test_bulk_free_counts_what_the_request_allocated(void **state)
{
    (void)state;
    struct sm_config config = {.sapi = SM_SAPI_FPM};
    struct sm_manager *mm = NULL;
    assert_int_equal(sm_manager_create(&config, &mm, NULL), SM_OK);
    assert_non_null(sm_alloc(mm, SM_TYPE_VALUES, 160));
    for (int i = 0; i < 3; i++) {
        sm_request_begin(mm);
        assert_non_null(sm_alloc(mm, SM_TYPE_VALUES, 1600));
        assert_non_null(sm_alloc(mm, SM_TYPE_VALUES, 16000));
        assert_int_equal(manager_stats(mm).live_bytes, 160 + 17600);
        sm_request_end(mm);
        assert_int_equal(manager_stats(mm).live_bytes, 160);
        assert_int_equal(manager_stats(mm).live_objects, 1);
    }
    assert_int_equal(manager_stats(mm).peak_live_bytes, 160 + 17600);
    sm_manager_destroy(mm);
}

static void test_destroying_null_is_fine(void **state)
{
    assert_non_null(*state);
    sm_manager_destroy(NULL);
}

static void test_destroy_leaves_guards_and_open_requests(void **state)
{
    (void)state;
    struct sm_manager *mm = list_policy_manager(&list_policy_tracing_ops, NULL);
    sm_pin(sm_owner_guard(mm), SM_HERE);
    sm_pin(sm_owner_guard(mm), SM_HERE);
    assert_int_equal(sm_request_begin(mm), SM_OK);
    assert_non_null(sm_alloc(mm, SM_TYPE_VALUES, 160));
    sm_manager_destroy(mm);
}

static void test_two_managers_are_independent(void **state)
{
    struct sm_manager *other = list_policy_manager(&list_policy_ops, NULL);
    sm_alloc(other, SM_TYPE_VALUES, 64);
    assert_int_equal(manager_stats(other).alloc_count, 1);
    assert_int_equal(manager_stats(*state).alloc_count, 0);
    assert_int_equal(sm_request_end(other), SM_ERR_INVALID_ARGUMENT);
    assert_int_equal(sm_error_status(*state), SM_OK);
    sm_manager_destroy(other);
}

/* In the child: every entry says so, and destroying is harmless. Returns the number of the first that does not. */
static int child_checks(struct sm_manager *mm)
{
    struct sm_value value = {0, 0};
    struct sm_guard *guard = NULL;
    struct sm_type type = {.name = "t"};
    sm_type_id id = 0;
    if (sm_collect(mm, SM_COLLECT_FULL) != SM_ERR_FORKED || sm_error_status(mm) != SM_ERR_FORKED)
        return 1;
    if (sm_alloc_slow(mm, SM_TYPE_VALUES, 64) != NULL || sm_error_status(mm) != SM_ERR_FORKED)
        return 2;
    if (sm_quiesce(mm) != SM_ERR_FORKED || sm_request_begin(mm) != SM_ERR_FORKED)
        return 3;
    if (sm_observer_register(mm, "x", &guard) != SM_ERR_FORKED || sm_type_register(mm, &type, &id) != SM_ERR_FORKED)
        return 4;
    if (!sm_handle_is_none(sm_alloc_value(mm, value)))
        return 5;
    sm_safepoint_slow(mm);
    sm_manager_destroy(mm);
    return 0;
}

static void test_R14_child_fails_cleanly(void **state)
{
    struct sm_manager *mm = *state;
    sm_collect_request(mm);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        _exit(child_checks(mm));
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    /* The parent goes on as before. */
    sm_safepoint(mm);
    assert_int_equal(list_policy_of(mm)->calls.collect, 1);
}

static void *call_from_elsewhere(void *context)
{
    struct sm_manager *mm = context;
    bool right = sm_collect(mm, SM_COLLECT_FULL) == SM_ERR_WRONG_THREAD && sm_quiesce(mm) == SM_ERR_WRONG_THREAD &&
                 sm_request_begin(mm) == SM_ERR_WRONG_THREAD && sm_alloc_slow(mm, SM_TYPE_VALUES, 8) == NULL;
    return right ? mm : NULL;
}

static void test_owner_operations_refuse_other_threads(void **state)
{
    struct sm_manager *mm = *state;
    pthread_t thread;
    void *result = NULL;
    assert_int_equal(pthread_create(&thread, NULL, call_from_elsewhere, mm), 0);
    pthread_join(thread, &result);
    assert_ptr_equal(result, mm);
    assert_int_equal(sm_error_status(mm), SM_OK); /* the owner's line was left alone */
}

static void *observe_from_elsewhere(void *context)
{
    struct sm_guard *guard = NULL;
    return sm_observer_register(context, "x", &guard) == SM_ERR_UNSUPPORTED ? context : NULL;
}

static void test_a_managers_error_is_one_line_whatever_it_quotes(void **state)
{
    (void)state;
    struct sm_manager *mm = list_policy_manager(&list_policy_ops, &(struct sm_config){0});
    assert_int_equal(sm_policy_fail(mm, SM_ERR_SYSTEM, "a\nb\tc\x7f%s", "\x1b[31md\r"), SM_ERR_SYSTEM);
    assert_string_equal(sm_error_detail(mm), "a?b?c??[31md?");
    /* What is no control character stays, letters beyond ASCII too. */
    assert_int_equal(sm_policy_fail(mm, SM_ERR_SYSTEM, "%s", "caf\xc3\xa9 ~ !"), SM_ERR_SYSTEM);
    assert_string_equal(sm_error_detail(mm), "caf\xc3\xa9 ~ !");
    sm_manager_destroy(mm);
}

static void test_other_threads_leave_the_owners_line_alone(void **state)
{
    (void)state;
    struct sm_manager *mm = list_policy_manager(&list_policy_ops, NULL);
    pthread_t thread;
    void *result = NULL;
    assert_int_equal(pthread_create(&thread, NULL, observe_from_elsewhere, mm), 0);
    pthread_join(thread, &result);
    assert_ptr_equal(result, mm);
    assert_int_equal(sm_error_status(mm), SM_OK);
    assert_string_equal(sm_error_detail(mm), "");
    sm_manager_destroy(mm);
}

static void wrong_stats(const struct sm_policy *policy, struct sm_stats *stats)
{
    (void)policy;
    stats->live_bytes = 1;
    stats->retired_objects = 1000;
    stats->backlog_bytes = 77;
}

static void test_live_figures_are_the_managers(void **state)
{
    (void)state;
    struct sm_policy_ops ops = list_policy_ops;
    ops.stats = wrong_stats;
    struct sm_manager *mm = list_policy_manager(&ops, NULL);
    assert_non_null(sm_alloc(mm, SM_TYPE_VALUES, 100));
    assert_int_equal(manager_stats(mm).live_bytes, 100);
    assert_int_equal(manager_stats(mm).retired_objects, 0);
    assert_int_equal(manager_stats(mm).backlog_bytes, 77);
    sm_manager_destroy(mm);
}

static void test_print_shows_the_counters(void **state)
{
    struct sm_manager *mm = *state;
    char *text = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&text, &length);
    sm_alloc(mm, SM_TYPE_VALUES, 12345);
    sm_stats_print(mm, stream);
    fclose(stream);
    assert_non_null(strstr(text, "traced-lists"));
    assert_non_null(strstr(text, "12345 bytes"));
    assert_non_null(strstr(text, "cycles"));
    free(text);
}

static void test_type_registration(void **state)
{
    struct sm_manager *mm = *state;
    sm_type_id id = 0;
    struct sm_type type = {.name = "thing"};
    assert_int_equal(sm_type_register(mm, &type, &id), SM_OK);
    assert_int_equal(id, SM_TYPE_BUILTIN_COUNT);
    type.name = "changed";
    assert_string_equal(sm_type_get(mm, id)->name, "thing");
    assert_string_equal(sm_type_get(mm, SM_TYPE_VALUES)->name, "values");
    assert_null(sm_type_get(mm, (sm_type_id)(id + 1)));
    type.name = NULL;
    assert_int_equal(sm_type_register(mm, &type, &id), SM_ERR_INVALID_ARGUMENT);
}

static void test_types_are_limited_and_never_move(void **state)
{
    struct sm_manager *mm = *state;
    const struct sm_type *first = sm_type_get(mm, 0);
    struct sm_type type = {.name = "many"};
    sm_type_id id = 0;
    for (unsigned i = SM_TYPE_BUILTIN_COUNT; i < 65535; i++)
        assert_int_equal(sm_type_register(mm, &type, &id), SM_OK);
    assert_int_equal(id, 65534);
    assert_int_equal(sm_type_register(mm, &type, &id), SM_ERR_INVALID_ARGUMENT);
    assert_ptr_equal(sm_type_get(mm, 0), first);
    assert_string_equal(sm_type_get(mm, 65534)->name, "many");
    assert_null(sm_type_get(mm, 65535)); /* fillers carry it */
}

int main(void)
{
    struct sm_config traced = {.custom_policy = &list_policy_tracing_ops};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_policy_follows_the_sapi),
        cmocka_unit_test(test_policy_can_be_overridden_under_either_sapi),
        cmocka_unit_test(test_unknown_policy_lists_near_names),
        cmocka_unit_test(test_very_long_policy_name_is_refused_in_one_line),
        cmocka_unit_test(test_unknown_policy_option_is_refused),
        cmocka_unit_test(test_threshold_and_pacing_exclude_each_other),
        cmocka_unit_test(test_values_below_their_minimum_are_refused),
        cmocka_unit_test(test_unavailable_policy_is_refused_with_its_reason),
        cmocka_unit_test(test_table_must_match_its_capability_bits),
        cmocka_unit_test(test_required_operations_are_required),
        cmocka_unit_test(test_observers_need_pins),
        cmocka_unit_test(test_marking_beside_the_program_needs_cycles),
        cmocka_unit_test(test_failure_of_the_policy_reaches_the_caller),
        cmocka_unit_test(test_table_and_capability_names),
        cmocka_unit_test(test_status_names),
        MANAGER_TEST(test_error_line_is_empty_until_a_call_fails, &traced),
        MANAGER_TEST(test_requests_must_balance, &traced),
        MANAGER_TEST(test_request_end_makes_handles_stale, &traced),
        cmocka_unit_test(test_bulk_free_counts_what_the_request_allocated),
        MANAGER_TEST(test_destroying_null_is_fine, &traced),
        cmocka_unit_test(test_destroy_leaves_guards_and_open_requests),
        MANAGER_TEST(test_two_managers_are_independent, &traced),
        MANAGER_TEST(test_R14_child_fails_cleanly, &traced),
        MANAGER_TEST(test_owner_operations_refuse_other_threads, &traced),
        cmocka_unit_test(test_a_managers_error_is_one_line_whatever_it_quotes),
        cmocka_unit_test(test_other_threads_leave_the_owners_line_alone),
        cmocka_unit_test(test_live_figures_are_the_managers),
        MANAGER_TEST(test_print_shows_the_counters, &traced),
        MANAGER_TEST(test_type_registration, &traced),
        MANAGER_TEST(test_types_are_limited_and_never_move, &traced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
