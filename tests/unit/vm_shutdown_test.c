/* The end of a request: the order of destructors as PHP 8.2 has it, exceptions that nobody is left to catch. */
#include "vm_fixture.h"

#include <string.h>

static const char *const named_properties[] = {"name", "other"};

struct log {
    char names[128];
    const char *throwing;  /* the one that throws */
    const char *resetting; /* the one that unsets the global "a" */
    int uncaught;
    char message[64];
};

static void named_destructor(struct vm *vm, struct vm_object *object)
{
    struct log *log = vm_context(vm);
    const char *name = vm_as_string(vm_object_get(object, 0))->data;
    strncat(log->names, name, sizeof(log->names) - strlen(log->names) - 1);
    strncat(log->names, " ", sizeof(log->names) - strlen(log->names) - 1);
    if (log->throwing != NULL && strcmp(log->throwing, name) == 0)
        vm_throw(vm, vm_object_value(vm_exception_new(vm, name)));
    if (log->resetting != NULL && strcmp(log->resetting, name) == 0)
        vm_global_set(vm, "a", vm_undef());
}

static void note_uncaught(struct vm *vm, struct sm_value exception)
{
    struct log *log = vm_context(vm);
    log->uncaught++;
    strncat(log->message, vm_as_string(vm_object_get(vm_as_object(exception), 0))->data,
            sizeof(log->message) - strlen(log->message) - 1);
}

/* The fixture's VM makes room, for some policies bear only one. */
static struct vm *open_vm(struct vm_fixture *fixture, struct log *log)
{
    struct vm_config config = {fixture->variant->manager, fixture->variant->prompt_destructors, note_uncaught};
    struct vm *vm = NULL;
    vm_destroy(fixture->vm);
    fixture->vm = NULL;
    assert_int_equal(vm_create(&config, &vm, NULL), SM_OK);
    if (config.manager.sapi == SM_SAPI_FPM)
        vm_request_begin(vm);
    vm_context_set(vm, log);
    vm_class_define(vm, "Named", named_properties, 2, named_destructor);
    vm_class_define(vm, "Plain", named_properties, 2, NULL);
    return vm;
}

/* Owned; `other` taken. */
static struct sm_value named(struct vm *vm, const char *class_name, const char *name, struct sm_value other)
{
    vm_temporary_push(vm, other);
    struct vm_object *object = vm_object_new(vm, vm_class_find(vm, class_name));
    vm_temporary_push(vm, vm_object_value(object));
    vm_object_set(vm, object, 0, vm_string_value(vm_fixture_string(vm, name)));
    (void)vm_temporary_pop(vm);
    vm_object_set(vm, object, 1, vm_temporary_pop(vm));
    return vm_object_value(object);
}

static void global_named(struct vm *vm, const char *name)
{
    vm_global_set(vm, name, named(vm, "Named", name, vm_null()));
}

/* PHP 8.2 prints "y y2 b a c x k1 r" for the same script. */
static void globals_go_first_in_reverse_while_they_are_the_only_holder(struct vm_fixture *fixture)
{
    struct log log = {0};
    struct vm *vm = open_vm(fixture, &log);
    global_named(vm, "c");
    global_named(vm, "a");
    vm_global_set(vm, "b", named(vm, "Named", "b", vm_value_copy(vm, vm_global_get(vm, "a"))));
    struct vm_array *list = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    vm_global_set(vm, "x", vm_array_value(list));
    vm_array_append(vm, list, named(vm, "Named", "x", vm_null()));
    global_named(vm, "k1");
    struct sm_value k1 = vm_global_get(vm, "k1");
    vm_object_set(vm, vm_as_object(k1), 1, vm_value_copy(vm, k1));
    vm_global_set(vm, "y", named(vm, "Named", "y", named(vm, "Named", "y2", vm_null())));
    vm_global_set(vm, "r", vm_heap_value(vm_reference_new(vm, named(vm, "Named", "r", vm_null())), VM_REFERENCE));
    vm_destroy(vm);
    assert_string_equal(log.names, "y y2 b a c x k1 r ");
}

/* The last global frees the first: PHP goes round again until nothing more is freed. */
static void a_global_set_free_by_an_older_one_goes_in_the_next_round(struct vm_fixture *fixture)
{
    struct log log = {0};
    struct vm *vm = open_vm(fixture, &log);
    struct sm_value late = named(vm, "Named", "late", vm_null());
    vm_global_set(vm, "first", named(vm, "Named", "first", vm_value_copy(vm, late)));
    vm_global_set(vm, "late", late);
    global_named(vm, "middle");
    vm_destroy(vm);
    assert_string_equal(log.names, "middle first late ");
}

static void objects_that_nobody_roots_go_in_the_order_of_their_making(struct vm_fixture *fixture)
{
    struct log log = {0};
    struct vm *vm = open_vm(fixture, &log);
    struct vm_array *list = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    vm_extension_data_set(vm, "test", vm_array_value(list));
    const char *const names[] = {"1", "2", "3", "4"};
    struct sm_value made[4];
    for (size_t i = 0; i < 4; i++)
        vm_array_append(vm, list, made[i] = named(vm, "Named", names[i], vm_null()));
    vm_object_set(vm, vm_as_object(made[0]), 1, vm_value_copy(vm, made[3]));
    vm_destroy(vm);
    assert_string_equal(log.names, "1 2 3 4 ");
}

static void a_destructor_may_unset_another_global(struct vm_fixture *fixture)
{
    struct log log = {.resetting = "c"};
    struct vm *vm = open_vm(fixture, &log);
    bool counts = (sm_policy_capabilities(vm_manager(vm)) & SM_CAP_COUNTS) != 0;
    global_named(vm, "a");
    global_named(vm, "b");
    global_named(vm, "c");
    vm_destroy(vm);
    /* Where counts run it, "a" goes inside the destructor of "c". */
    assert_string_equal(log.names, counts || fixture->variant->prompt_destructors ? "c a b " : "c b a ");
}

static void an_exception_at_the_end_is_reported_and_the_others_run(struct vm_fixture *fixture)
{
    struct log log = {.throwing = "b"};
    struct vm *vm = open_vm(fixture, &log);
    global_named(vm, "a");
    global_named(vm, "b");
    global_named(vm, "c");
    vm_throw(vm, vm_object_value(vm_exception_new(vm, "script,")));
    vm_destroy(vm);
    assert_string_equal(log.names, "c b a ");
    assert_int_equal(log.uncaught, 2);
    assert_string_equal(log.message, "script,b");
}

static void a_request_begins_without_an_exception(struct vm_fixture *fixture)
{
    struct log log = {0};
    struct vm *vm = open_vm(fixture, &log);
    if (fixture->variant->manager.sapi != SM_SAPI_FPM)
        vm_request_begin(vm);
    vm_throw(vm, vm_object_value(vm_exception_new(vm, "left over")));
    vm_request_end(vm);
    vm_request_begin(vm);
    assert_false(vm_exception_pending(vm));
    assert_int_equal(vm_uncaught_exceptions(vm), 1);
    assert_int_equal(log.uncaught, 1);
    vm_destroy(vm);
}

/* A destructor's pending global behind plain objects, a long chain: nothing here may recurse. */
static void a_long_chain_behind_a_global_is_taken_down(struct vm_fixture *fixture)
{
    struct log log = {0};
    struct vm *vm = open_vm(fixture, &log);
    vm_frame_enter(vm, 1);
    vm_local_set(vm, 0, named(vm, "Named", "end", vm_null()));
    for (int i = 0; i < 20000; i++)
        vm_local_set(vm, 0, named(vm, "Plain", "link", vm_local_take(vm, 0)));
    vm_global_set(vm, "a", named(vm, "Named", "a", vm_local_take(vm, 0)));
    global_named(vm, "b");
    vm_frame_leave(vm);
    vm_destroy(vm);
    assert_string_equal(log.names, "b a end ");
}

int main(void)
{
    static const struct vm_case cases[] = {
        VM_CASE(globals_go_first_in_reverse_while_they_are_the_only_holder, 0),
        VM_CASE(a_global_set_free_by_an_older_one_goes_in_the_next_round, 0),
        VM_CASE(objects_that_nobody_roots_go_in_the_order_of_their_making, 0),
        VM_CASE(a_destructor_may_unset_another_global, 0),
        VM_CASE(an_exception_at_the_end_is_reported_and_the_others_run, 0),
        VM_CASE(a_request_begins_without_an_exception, 0),
        VM_CASE(a_long_chain_behind_a_global_is_taken_down, 0),
    };
    return vm_cases_run_all_policies("vm_shutdown", cases, sizeof(cases) / sizeof(cases[0]));
}
