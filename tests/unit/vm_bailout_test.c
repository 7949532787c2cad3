/* Bail-outs: what vm_try restores, refused memory, and that nothing is left half-done. */
#include "sapimem/extension.h"
#include "test_scale.h"
#include "vm_fixture.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- What vm_try restores ---- */

static void body_nothing(struct vm *vm, void *context)
{
    (void)vm;
    ++*(int *)context;
}

static void a_body_that_returns_is_ok(struct vm_fixture *fixture)
{
    int calls = 0;
    assert_int_equal(vm_try(fixture->vm, body_nothing, &calls), SM_OK);
    assert_int_equal(calls, 1);
}

static void body_bail_out_deep(struct vm *vm, void *context)
{
    struct sm_guard *guard = sm_owner_guard(vm_manager(vm));
    vm_frame_enter(vm, 3);
    vm_local_set(vm, 0, vm_string_value(vm_fixture_string(vm, "lost")));
    vm_temporary_push(vm, vm_int(1));
    sm_pin(guard, SM_HERE);
    sm_pin(guard, SM_HERE);
    vm_frame_enter(vm, 1);
    if (context != NULL)
        *(sm_handle *)context = sm_alloc_value(vm_manager(vm), vm_int(5));
    vm_bailout(vm, SM_ERR_UNSUPPORTED);
}

static void frames_and_temporaries_come_back(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 1);
    vm_local_set(vm, 0, vm_int(11));
    vm_temporary_push(vm, vm_int(12));
    assert_int_equal(vm_try(vm, body_bail_out_deep, NULL), SM_ERR_UNSUPPORTED);
    assert_int_equal(vm_frame_depth(vm), 1);
    vm_assert_int(vm_local_get(vm, 0), 11);
    vm_assert_int(vm_temporary_pop(vm), 12);
    vm_frame_leave(vm);
}

static void the_guard_depth_comes_back(struct vm_fixture *fixture)
{
    struct sm_guard *guard = sm_owner_guard(fixture->mm);
    assert_int_equal(vm_try(fixture->vm, body_bail_out_deep, NULL), SM_ERR_UNSUPPORTED);
    assert_int_equal(sm_guard_depth(guard), 0);
    sm_pin(guard, SM_HERE);
    assert_int_equal(vm_try(fixture->vm, body_bail_out_deep, NULL), SM_ERR_UNSUPPORTED);
    assert_int_equal(sm_guard_depth(guard), 1);
    sm_unpin(guard);
}

static void handles_of_the_try_are_stale_afterwards(struct vm_fixture *fixture)
{
    sm_handle outer = sm_alloc_value(fixture->mm, vm_int(4));
    sm_handle inner = SM_HANDLE_NONE;
    struct sm_value value = vm_undef();
    assert_int_equal(vm_try(fixture->vm, body_bail_out_deep, &inner), SM_ERR_UNSUPPORTED);
    assert_int_equal(sm_handle_get(fixture->mm, inner, &value), SM_ERR_STALE_HANDLE);
    assert_int_equal(sm_handle_get(fixture->mm, outer, &value), SM_OK);
    vm_assert_int(value, 4);
}

static void the_line_says_why(struct vm_fixture *fixture)
{
    assert_int_equal(vm_try(fixture->vm, body_bail_out_deep, NULL), SM_ERR_UNSUPPORTED);
    assert_int_equal(sm_error_status(fixture->mm), SM_ERR_UNSUPPORTED);
    assert_non_null(strstr(sm_error_detail(fixture->mm), "SM_ERR_UNSUPPORTED"));
}

struct nesting {
    sm_status inner;
    bool after_inner;
};

static void body_catch_inner(struct vm *vm, void *context)
{
    struct nesting *nesting = (struct nesting *)context;
    nesting->inner = vm_try(vm, body_bail_out_deep, NULL);
    nesting->after_inner = true;
    vm_bailout(vm, SM_ERR_INVALID_ARGUMENT);
}

static void a_bail_out_reaches_the_innermost_try(struct vm_fixture *fixture)
{
    struct nesting nesting = {SM_OK, false};
    assert_int_equal(vm_try(fixture->vm, body_catch_inner, &nesting), SM_ERR_INVALID_ARGUMENT);
    assert_int_equal(nesting.inner, SM_ERR_UNSUPPORTED);
    assert_true(nesting.after_inner);
}

static void body_pushes_a_result(struct vm *vm, void *context)
{
    (void)context;
    vm_temporary_push(vm, vm_string_value(vm_fixture_string(vm, "result")));
}

static void a_body_may_leave_a_temporary(struct vm_fixture *fixture)
{
    assert_int_equal(vm_try(fixture->vm, body_pushes_a_result, NULL), SM_OK);
    vm_safepoint(fixture->vm);
    vm_assert_string(vm_temporary_pop(fixture->vm), "result");
}

static void a_bail_out_outside_any_try_aborts(struct vm_fixture *fixture)
{
    /* The policy's threads end with the VM: a sanitizer refuses threads in the child of a process that has some. */
    vm_destroy(fixture->vm);
    fixture->vm = NULL;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct vm_config config = {.manager = fixture->variant->manager};
        struct vm *vm = NULL;
        /* cmocka's own handler would turn the abort into a failed test of the child. */
        signal(SIGABRT, SIG_DFL);
        fclose(stderr);
        if (vm_create(&config, &vm, NULL) == SM_OK)
            vm_bailout(vm, SM_ERR_OUT_OF_MEMORY);
        _exit(3);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    vm_fixture_reopen(fixture, NULL);
}

/* ---- Iterations ---- */

struct iteration_log {
    uint32_t guard_depth;
    uint32_t frame_depth;
};

static void body_note_depths(struct vm *vm, void *context)
{
    struct iteration_log *log = (struct iteration_log *)context;
    log->guard_depth = sm_guard_depth(sm_owner_guard(vm_manager(vm)));
    log->frame_depth = vm_frame_depth(vm);
    vm_temporary_push(vm, vm_int(1));
}

static void an_iteration_is_a_guard_and_a_frame(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct iteration_log log = {0, 0};
    vm_frame_enter(vm, 1);
    vm_temporary_push(vm, vm_int(9));
    assert_int_equal(vm_iteration(vm, SM_HERE, body_note_depths, &log), SM_OK);
    assert_int_equal(log.guard_depth, 1);
    assert_int_equal(log.frame_depth, 2);
    assert_int_equal(vm_frame_depth(vm), 1);
    assert_int_equal(sm_guard_depth(sm_owner_guard(fixture->mm)), 0);
    vm_assert_int(vm_temporary_pop(vm), 9);
    vm_frame_leave(vm);
}

static void an_iteration_that_bails_out_ends_its_guard(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    for (int i = 0; i < 100; i++)
        assert_int_equal(vm_iteration(vm, SM_HERE, body_bail_out_deep, NULL), SM_ERR_UNSUPPORTED);
    assert_int_equal(sm_guard_depth(sm_owner_guard(fixture->mm)), 0);
    assert_int_equal(vm_frame_depth(vm), 0);
}

static void body_end_request(struct vm *vm, void *context)
{
    (void)context;
    vm_request_end(vm);
}

static void an_iteration_may_end_the_request(struct vm_fixture *fixture)
{
    vm_frame_enter(fixture->vm, 1);
    assert_int_equal(vm_iteration(fixture->vm, SM_HERE, body_end_request, NULL), SM_OK);
    assert_int_equal(vm_frame_depth(fixture->vm), 0);
}

static void body_block(struct vm *vm, void *context)
{
    vm_block(vm, *(uint64_t *)context);
}

static void blocking_leaves_the_guard_as_it_was(struct vm_fixture *fixture)
{
    uint64_t microseconds = 1500;
    assert_int_equal(vm_iteration(fixture->vm, SM_HERE, body_block, &microseconds), SM_OK);
    vm_block(fixture->vm, 0);
    assert_int_equal(sm_guard_depth(sm_owner_guard(fixture->mm)), 0);
}

/* ---- Refused memory ---- */

/* What audits every edge takes long for each object, and a smaller heap is as full as a larger one. */
static uint64_t small_limit(const struct sm_config *config)
{
    return config->custom_policy != NULL ? 1 << 20 : 4 << 20;
}

static void limit_memory(struct sm_config *config)
{
    config->memory_limit_bytes = small_limit(config);
    /* A cycle at every safepoint of a loop that fills the heap would be quadratic. */
    config->collect_every_safepoint = false;
}

/* Each body works on the global "subject" until memory is refused, or for the rounds asked for. */
static void body_append_elements(struct vm *vm, void *context)
{
    for (int64_t i = 0; i < *(int64_t *)context; i++) {
        struct vm_array *list = vm_array_write(vm, vm_global_place(vm, "subject"));
        vm_array_append(vm, list, vm_string_value(vm_string_format(vm, "element number %lld", (long long)i)));
        vm_safepoint(vm);
    }
}

static void body_add_keys(struct vm *vm, void *context)
{
    for (int64_t i = 0; i < *(int64_t *)context; i++) {
        struct vm_array *table = vm_array_write(vm, vm_global_place(vm, "subject"));
        struct vm_string *key = vm_string_format(vm, "key number %lld", (long long)i);
        vm_array_set_key(vm, table, key, vm_string_value(vm_string_format(vm, "value %lld", (long long)i)));
        vm_value_drop(vm, vm_string_value(key));
        vm_safepoint(vm);
    }
}

static void body_append_bytes(struct vm *vm, void *context)
{
    for (int64_t i = 0; i < *(int64_t *)context; i++) {
        vm_string_append(vm, vm_global_place(vm, "subject"), "0123456789", 10);
        vm_safepoint(vm);
    }
}

/* Copies of a nested list, each separated by a write; every copy is kept. */
static void body_copy_lists(struct vm *vm, void *context)
{
    struct vm_array *copies = vm_as_array(vm_global_get(vm, "subject"));
    for (int64_t i = 1; i < *(int64_t *)context; i++) {
        vm_array_append(vm, copies, vm_value_copy(vm, vm_array_get_index(copies, 0)));
        struct vm_array *copy = vm_array_write(vm, vm_array_place_index(copies, i));
        vm_array_append(vm, copy, vm_int(-1));
        vm_safepoint(vm);
    }
}

static void check_array(struct sm_value value, size_t minimum_count)
{
    const struct vm_array *array = vm_as_array(value);
    struct vm_array_entry entry;
    size_t position = 0;
    size_t seen = 0;
    for (; vm_array_next(array, &position, &entry); seen++)
        assert_int_equal(entry.value.tag, VM_STRING);
    assert_int_equal(seen, vm_array_count(array));
    assert_true(seen >= minimum_count);
}

static void check_keys(const struct vm_array *table)
{
    char text[32];
    for (size_t i = 0; i < vm_array_count(table); i++) {
        struct vm_array_entry entry;
        size_t position = i;
        assert_true(vm_array_next(table, &position, &entry));
        snprintf(text, sizeof(text), "key number %zu", i);
        vm_assert_string(vm_string_value(entry.key), text);
        snprintf(text, sizeof(text), "value %zu", i);
        vm_assert_string(vm_array_get_key(table, entry.key), text);
    }
}

static void run_until_refused(struct vm_fixture *fixture, void (*body)(struct vm *vm, void *context))
{
    int64_t for_ever = INT64_MAX;
    assert_int_equal(vm_iteration(fixture->vm, SM_HERE, body, &for_ever), SM_ERR_OUT_OF_MEMORY);
    assert_int_equal(sm_error_status(fixture->mm), SM_ERR_OUT_OF_MEMORY);
    assert_int_equal(vm_frame_depth(fixture->vm), 0);
    assert_int_equal(sm_guard_depth(sm_owner_guard(fixture->mm)), 0);
}

static void set_subject(struct vm *vm, enum vm_array_kind kind)
{
    vm_global_set(vm, "subject", vm_array_value(vm_array_new(vm, kind, 0)));
}

static void a_refused_append_leaves_the_list_whole(struct vm_fixture *fixture)
{
    vm_fixture_reopen(fixture, limit_memory);
    set_subject(fixture->vm, VM_ARRAY_PACKED);
    run_until_refused(fixture, body_append_elements);
    check_array(vm_global_get(fixture->vm, "subject"), 1000);
}

static void a_refused_key_leaves_the_hash_whole(struct vm_fixture *fixture)
{
    vm_fixture_reopen(fixture, limit_memory);
    set_subject(fixture->vm, VM_ARRAY_HASH);
    run_until_refused(fixture, body_add_keys);
    check_array(vm_global_get(fixture->vm, "subject"), 1000);
    check_keys(vm_as_array(vm_global_get(fixture->vm, "subject")));
}

static void a_refused_growth_leaves_the_string_whole(struct vm_fixture *fixture)
{
    vm_fixture_reopen(fixture, limit_memory);
    vm_global_set(fixture->vm, "subject", vm_string_value(vm_fixture_string(fixture->vm, "")));
    run_until_refused(fixture, body_append_bytes);
    const struct vm_string *string = vm_as_string(vm_global_get(fixture->vm, "subject"));
    assert_true(string->length > 100000 && string->length % 10 == 0);
    for (size_t i = 0; i < string->length; i++)
        assert_int_equal(string->data[i], '0' + (int)(i % 10));
}

static void a_refused_copy_leaves_both_whole(struct vm_fixture *fixture)
{
    enum { LENGTH = 5000 };
    vm_fixture_reopen(fixture, limit_memory);
    struct vm *vm = fixture->vm;
    struct vm_array *original = vm_array_new(vm, VM_ARRAY_PACKED, LENGTH);
    for (int i = 0; i < LENGTH; i++)
        vm_array_append(vm, original, vm_int(i));
    set_subject(vm, VM_ARRAY_PACKED);
    struct vm_array *copies = vm_as_array(vm_global_get(vm, "subject"));
    vm_array_append(vm, copies, vm_array_value(original));
    run_until_refused(fixture, body_copy_lists);
    size_t last = vm_array_count(copies) - 1;
    assert_true(last > 5);
    for (size_t i = 0; i <= last; i++) {
        const struct vm_array *list = vm_as_array(vm_array_get_index(copies, (int64_t)i));
        assert_int_equal(vm_array_count(list), i == 0 || i == last ? LENGTH : LENGTH + 1);
        vm_assert_int(vm_array_get_index(list, LENGTH - 1), LENGTH - 1);
    }
}

static void the_heap_is_usable_once_the_garbage_is_dropped(struct vm_fixture *fixture)
{
    int64_t rounds = 2000;
    vm_fixture_reopen(fixture, limit_memory);
    for (int i = 0; i < 3; i++) {
        set_subject(fixture->vm, VM_ARRAY_PACKED);
        run_until_refused(fixture, body_append_elements);
        /* Before anything is asked for: the heap is full to the last hole. */
        vm_global_set(fixture->vm, "subject", vm_int(0));
        set_subject(fixture->vm, VM_ARRAY_PACKED);
        assert_int_equal(vm_iteration(fixture->vm, SM_HERE, body_append_elements, &rounds), SM_OK);
        check_array(vm_global_get(fixture->vm, "subject"), 2000);
    }
}

static void the_next_request_is_usable(struct vm_fixture *fixture)
{
    int64_t rounds = 2000;
    vm_fixture_reopen(fixture, limit_memory);
    for (int i = 0; i < 3; i++) {
        set_subject(fixture->vm, VM_ARRAY_PACKED);
        run_until_refused(fixture, body_append_elements);
        vm_request_end(fixture->vm);
        vm_request_begin(fixture->vm);
        set_subject(fixture->vm, VM_ARRAY_PACKED);
        assert_int_equal(vm_iteration(fixture->vm, SM_HERE, body_append_elements, &rounds), SM_OK);
        check_array(vm_global_get(fixture->vm, "subject"), 2000);
    }
}

/* ---- Emergencies: what the VM's own functions hold across an allocation ---- */

static void only_emergencies(struct sm_config *config)
{
    config->memory_limit_bytes = small_limit(config);
    config->threshold_bytes = 0;
    config->pacing = "never";
    config->collect_every_safepoint = false;
}

/* Local 0: a string that is older than any cycle to come, which the test takes into its own hands. */
static void make_old_value(struct vm_fixture *fixture)
{
    vm_local_set(fixture->vm, 0, vm_string_value(vm_fixture_string(fixture->vm, "old value")));
    vm_fixture_collect(fixture);
}

static void check_old_value(struct vm_fixture *fixture, struct sm_value value)
{
    assert_true(sm_is_valid(fixture->mm, sm_value_object(value)));
    vm_assert_string(value, "old value");
}

static uint64_t emergencies(struct vm_fixture *fixture)
{
    struct sm_stats stats;
    sm_stats_get(fixture->mm, &stats);
    return stats.cycles_by_trigger[SM_TRIGGER_EMERGENCY];
}

/*
 * Rounds of `work` until emergencies struck. It takes the value from local 0, makes garbage with it and puts it back,
 * and leaves nothing else that refers to it: young garbage counts as a root in an emergency.
 */
static void work_through_emergencies(struct vm_fixture *fixture, void (*work)(struct vm *vm))
{
    enum { ROUNDS_MAX = 3000000 };
    const uint64_t enough = test_scale(10, 10, 3);
    vm_fixture_reopen(fixture, only_emergencies);
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 2);
    make_old_value(fixture);
    /* Where everything is counted there is no garbage, and no emergency in a few rounds is right. */
    const int rounds_max = vm_fixture_counts(fixture) ? 1000 : ROUNDS_MAX;
    for (int i = 0; i < rounds_max && emergencies(fixture) < enough; i++) {
        work(vm);
        check_old_value(fixture, vm_local_get(vm, 0));
        vm_safepoint(vm);
    }
    assert_true(vm_fixture_counts(fixture) ? emergencies(fixture) == 0 : emergencies(fixture) >= enough);
    vm_frame_leave(vm);
}

static void work_append(struct vm *vm)
{
    struct vm_array *array = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    vm_local_set(vm, 1, vm_array_value(array));
    vm_array_append(vm, array, vm_local_take(vm, 0));
    vm_local_set(vm, 0, vm_value_copy(vm, vm_array_get_index(array, 0)));
    vm_array_unset_index(vm, array, 0);
}

static void an_appended_value_survives_an_emergency(struct vm_fixture *fixture)
{
    work_through_emergencies(fixture, work_append);
}

static void work_set_key(struct vm *vm)
{
    struct vm_array *array = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    vm_local_set(vm, 1, vm_array_value(array));
    struct sm_value key = vm_local_take(vm, 0);
    vm_array_set_key(vm, array, vm_as_string(key), vm_null());
    vm_array_unset_key(vm, array, vm_as_string(key));
    vm_local_set(vm, 0, key);
}

static void a_key_survives_an_emergency(struct vm_fixture *fixture)
{
    work_through_emergencies(fixture, work_set_key);
}

static void work_reference(struct vm *vm)
{
    struct vm_reference *reference = vm_reference_new(vm, vm_local_take(vm, 0));
    vm_local_set(vm, 0, vm_value_copy(vm, reference->value));
    vm_reference_set(vm, reference, vm_null());
    vm_value_drop(vm, vm_heap_value(reference, VM_REFERENCE));
}

static void a_referenced_value_survives_an_emergency(struct vm_fixture *fixture)
{
    work_through_emergencies(fixture, work_reference);
}

/* A name that has to be interned anew each time: all of the garbage is made inside vm_global_set. */
static void work_global(struct vm *vm)
{
    char name[512];
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    vm_global_set(vm, name, vm_local_take(vm, 0));
    vm_local_set(vm, 0, vm_value_copy(vm, vm_global_get(vm, name)));
    vm_global_set(vm, name, vm_undef());
    vm_interner_remove(vm, name, strlen(name));
}

static void a_global_value_survives_an_emergency(struct vm_fixture *fixture)
{
    work_through_emergencies(fixture, work_global);
}

/* ---- Fault sweep ---- */

static void body_mixed(struct vm *vm, void *context)
{
    static const char *const properties[] = {"list", "table", "parent"};
    struct vm_class *class_entry = vm_class_define(vm, "Node", properties, 3, NULL);
    set_subject(vm, VM_ARRAY_PACKED);
    for (int64_t i = 0; i < *(int64_t *)context; i++) {
        struct vm_object *node = vm_object_new(vm, class_entry);
        vm_global_set(vm, "node", vm_object_value(node));
        vm_object_set(vm, node, 0, vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 20)));
        vm_object_set(vm, node, 1, vm_array_value(vm_array_new(vm, VM_ARRAY_HASH, 200)));
        vm_object_set(vm, node, 2, vm_value_copy(vm, vm_object_value(node)));
        struct vm_array *list = vm_array_write(vm, vm_global_place(vm, "subject"));
        vm_array_append(vm, list, vm_string_value(vm_string_with_capacity(vm, 4000)));
        vm_safepoint(vm);
    }
}

/* Whichever request for memory the system refuses, the VM is not made at all, or what it did stays whole. */
static void any_refused_request_leaves_the_heap_whole(struct vm_fixture *fixture)
{
    const uint64_t requests = test_scale(30, 30, 10);
    /* A cycle at every step is quadratic in the rounds. */
    const struct sm_config *manager = &fixture->variant->manager;
    int64_t rounds = manager->collect_every_alloc || manager->collect_every_safepoint ? 100 : 500;
    int created = 0;
    for (uint64_t n = 1; n <= requests; n++) {
        struct vm_config config = {.manager = *manager};
        config.manager.fail_alloc_after = n;
        struct vm *vm = NULL;
        struct sm_error error = {0};
        if (vm_create(&config, &vm, &error) != SM_OK) {
            assert_int_equal(error.status, SM_ERR_OUT_OF_MEMORY);
            continue;
        }
        created++;
        if (config.manager.sapi == SM_SAPI_FPM)
            vm_request_begin(vm);
        sm_status status = vm_iteration(vm, SM_HERE, body_mixed, &rounds);
        assert_true(status == SM_OK || status == SM_ERR_OUT_OF_MEMORY);
        if (vm_tag_of(vm_global_get(vm, "subject")) == VM_ARRAY)
            check_array(vm_global_get(vm, "subject"), status == SM_OK ? (size_t)rounds : 0);
        else
            assert_int_equal(status, SM_ERR_OUT_OF_MEMORY);
        vm_destroy(vm);
    }
    assert_true(created > 0);
}

int main(void)
{
    static const struct vm_case cases[] = {
        VM_CASE(a_body_that_returns_is_ok, 0),
        VM_CASE(frames_and_temporaries_come_back, 0),
        VM_CASE(the_guard_depth_comes_back, 0),
        VM_CASE(handles_of_the_try_are_stale_afterwards, 0),
        VM_CASE(the_line_says_why, 0),
        VM_CASE(a_bail_out_reaches_the_innermost_try, 0),
        VM_CASE(a_body_may_leave_a_temporary, 0),
        VM_CASE(a_bail_out_outside_any_try_aborts, 0),
        VM_CASE(an_iteration_is_a_guard_and_a_frame, 0),
        VM_CASE(an_iteration_that_bails_out_ends_its_guard, 0),
        VM_CASE(an_iteration_may_end_the_request, 0),
        VM_CASE(blocking_leaves_the_guard_as_it_was, 0),
        VM_CASE(a_refused_append_leaves_the_list_whole, 0),
        VM_CASE(a_refused_key_leaves_the_hash_whole, 0),
        VM_CASE(a_refused_growth_leaves_the_string_whole, 0),
        VM_CASE(a_refused_copy_leaves_both_whole, 0),
        VM_CASE(the_heap_is_usable_once_the_garbage_is_dropped, SM_CAP_COLLECT),
        VM_CASE(the_next_request_is_usable, SM_CAP_BULK_FREE),
        VM_CASE(an_appended_value_survives_an_emergency, SM_CAP_COLLECT),
        VM_CASE(a_key_survives_an_emergency, SM_CAP_COLLECT),
        VM_CASE(a_referenced_value_survives_an_emergency, SM_CAP_COLLECT),
        VM_CASE(a_global_value_survives_an_emergency, SM_CAP_COLLECT),
        VM_CASE(any_refused_request_leaves_the_heap_whole, 0),
    };
    return vm_cases_run("vm_bailout", cases, sizeof(cases) / sizeof(cases[0]));
}
