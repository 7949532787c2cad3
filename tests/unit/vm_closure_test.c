/* Closures under every policy: captures by value and by reference, $this, cycles, calls that fail. */
#include "vm_fixture.h"

static struct sm_value body_add(struct vm *vm, struct vm_closure *closure)
{
    struct vm_place total = vm_closure_variable(vm, closure, 0);
    struct sm_value sum = vm_int(vm_as_int(*total.slot) + vm_as_int(vm_local_get(vm, 0)));
    if (total.owner == NULL)
        *total.slot = sum;
    else
        sm_store_take(vm_manager(vm), total.owner, total.slot, sum);
    vm_local_set(vm, 2, vm_string_value(vm_string_format(vm, "%lld", (long long)vm_as_int(sum))));
    vm_safepoint(vm);
    vm_assert_int(*vm_closure_variable(vm, closure, 0).slot, vm_as_int(sum));
    return vm_local_take(vm, 2);
}

static const struct vm_function add_function = {"add", body_add, 1, 1, 1};

static void assert_adds(struct vm *vm, struct vm_closure *closure, int64_t number, const char *sum)
{
    struct sm_value argument = vm_int(number);
    struct sm_value result = vm_closure_call(vm, closure, &argument);
    vm_assert_string(result, sum);
    vm_value_drop(vm, result);
}

static void a_value_is_captured_as_it_was(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct sm_value ten = vm_int(10);
    vm_frame_enter(vm, 1);
    struct vm_closure *closure = vm_closure_new(vm, &add_function, &ten, vm_undef());
    vm_local_set(vm, 0, vm_closure_value(closure));
    assert_int_equal(closure->identity.header.payload_bytes, 384);
    assert_adds(vm, closure, 5, "15");
    assert_adds(vm, closure, 7, "17");
    vm_assert_int(vm_closure_capture(closure, 0), 10);
    vm_frame_leave(vm);
}

static void a_captured_reference_is_shared(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 2);
    vm_local_set(vm, 0, vm_heap_value(vm_reference_new(vm, vm_int(10)), VM_REFERENCE));
    struct sm_value shared = vm_value_copy(vm, vm_local_get(vm, 0));
    struct vm_closure *closure = vm_closure_new(vm, &add_function, &shared, vm_undef());
    vm_local_set(vm, 1, vm_closure_value(closure));
    vm_fixture_settle(fixture);
    assert_adds(vm, closure, 5, "15");
    assert_adds(vm, closure, 5, "20");
    vm_assert_int(vm_value_deref(vm_local_get(vm, 0)), 20);
    vm_reference_set(vm, vm_as_reference(vm_local_get(vm, 0)), vm_int(1));
    assert_adds(vm, closure, 1, "2");
    vm_frame_leave(vm);
}

static void an_array_captured_by_value_keeps_its_content(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 2);
    struct vm_array *array = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    vm_array_append(vm, array, vm_int(1));
    vm_local_set(vm, 0, vm_array_value(array));
    struct sm_value copy = vm_value_copy(vm, vm_local_get(vm, 0));
    struct vm_closure *closure = vm_closure_new(vm, &add_function, &copy, vm_undef());
    vm_local_set(vm, 1, vm_closure_value(closure));
    vm_array_append(vm, vm_array_write(vm, vm_local_place(vm, 0)), vm_int(2));
    vm_fixture_settle(fixture);
    assert_int_equal(vm_array_count(vm_as_array(vm_closure_capture(closure, 0))), 1);
    assert_int_equal(vm_array_count(vm_as_array(vm_local_get(vm, 0))), 2);
    vm_frame_leave(vm);
}

static struct sm_value body_this(struct vm *vm, struct vm_closure *closure)
{
    vm_local_set(vm, 1, vm_int(9)); /* the own local, behind the captured variable */
    return vm_value_copy(vm, vm_object_get(vm_as_object(closure->bound_this), 0));
}

static const struct vm_function this_function = {"this", body_this, 0, 1, 1};
static const char *const one_property[] = {"x"};

static void bind_makes_another_closure_with_another_this(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct vm_class *class_entry = vm_class_define(vm, "Bound", one_property, 1, NULL);
    vm_frame_enter(vm, 4);
    for (uint32_t i = 0; i < 2; i++) {
        struct vm_object *object = vm_object_new(vm, class_entry);
        vm_object_set(vm, object, 0, vm_int(100 + (int64_t)i));
        vm_local_set(vm, i, vm_object_value(object));
    }
    struct sm_value captured = vm_string_value(vm_fixture_string(vm, "kept"));
    struct vm_closure *first = vm_closure_new(vm, &this_function, &captured, vm_value_copy(vm, vm_local_get(vm, 0)));
    vm_local_set(vm, 2, vm_closure_value(first));
    struct vm_closure *second = vm_closure_bind(vm, first, vm_value_copy(vm, vm_local_get(vm, 1)));
    vm_local_set(vm, 3, vm_closure_value(second));
    assert_true(first->identity.handle != second->identity.handle);
    vm_local_set(vm, 0, vm_null());
    vm_local_set(vm, 1, vm_null());
    vm_fixture_settle(fixture);
    vm_assert_int(vm_closure_call(vm, first, NULL), 100);
    vm_local_set(vm, 2, vm_null());
    vm_fixture_settle(fixture);
    vm_assert_int(vm_closure_call(vm, second, NULL), 101);
    vm_assert_string(vm_closure_capture(second, 0), "kept");
    vm_frame_leave(vm);
}

/* $f = function () use (&$f) {}; */
static void a_closure_that_captures_itself_is_let_go(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 2);
    vm_local_set(vm, 0, vm_heap_value(vm_reference_new(vm, vm_null()), VM_REFERENCE));
    struct sm_value shared = vm_value_copy(vm, vm_local_get(vm, 0));
    struct vm_closure *closure = vm_closure_new(vm, &add_function, &shared, vm_undef());
    struct vm_array *captures = closure->captures;
    vm_reference_set(vm, vm_as_reference(vm_local_get(vm, 0)), vm_closure_value(closure));
    vm_fixture_settle(fixture);
    assert_true(sm_is_valid(fixture->mm, &closure->identity.header));
    vm_local_set(vm, 0, vm_null());
    if (vm_fixture_is_exact(fixture)) {
        vm_fixture_settle(fixture);
        assert_false(sm_is_valid(fixture->mm, &closure->identity.header));
        assert_false(sm_is_valid(fixture->mm, &captures->header));
    }
    vm_frame_leave(vm);
}

static struct sm_value body_forget(struct vm *vm, struct vm_closure *closure)
{
    (void)closure;
    vm_global_set(vm, "closure", vm_undef());
    vm_local_set(vm, 2, vm_string_value(vm_fixture_string(vm, "fresh")));
    vm_safepoint(vm);
    vm_assert_string(vm_local_get(vm, 1), "captured");
    vm_assert_string(vm_closure_capture(closure, 0), "captured");
    return vm_local_take(vm, 0);
}

static const struct vm_function forget_function = {"forget", body_forget, 1, 1, 1};

static void a_closure_outlives_its_last_holder_during_a_call(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct sm_value captured = vm_string_value(vm_fixture_string(vm, "captured"));
    vm_global_set(vm, "closure", vm_closure_value(vm_closure_new(vm, &forget_function, &captured, vm_undef())));
    struct sm_value argument = vm_string_value(vm_fixture_string(vm, "argument"));
    struct sm_value result = vm_closure_call(vm, vm_as_closure(vm_global_get(vm, "closure")), &argument);
    vm_assert_string(result, "argument");
    vm_value_drop(vm, result);
    assert_int_equal(vm_frame_depth(vm), 0);
}

static struct sm_value body_fails(struct vm *vm, struct vm_closure *closure)
{
    (void)closure;
    vm_temporary_push(vm, vm_int(1));
    vm_bailout(vm, SM_ERR_INVALID_ARGUMENT);
}

static const struct vm_function failing_function = {"failing", body_fails, 0, 0, 0};

static void call_it(struct vm *vm, void *context)
{
    (void)vm_closure_call(vm, context, NULL);
}

static void a_bail_out_leaves_the_call(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 1);
    struct vm_closure *closure = vm_closure_new(vm, &failing_function, NULL, vm_undef());
    vm_local_set(vm, 0, vm_closure_value(closure));
    assert_int_equal(vm_try(vm, call_it, closure), SM_ERR_INVALID_ARGUMENT);
    assert_int_equal(vm_frame_depth(vm), 1);
    if (vm_fixture_counts(fixture))
        assert_int_equal(closure->identity.header.count, 1);
    vm_frame_leave(vm);
}

static void the_hash_sees_name_captures_and_this(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    static const struct vm_function other = {"other", body_add, 1, 1, 1};
    struct sm_value one = vm_int(1), two = vm_int(2);
    vm_frame_enter(vm, 5);
    vm_local_set(vm, 0, vm_closure_value(vm_closure_new(vm, &add_function, &one, vm_undef())));
    vm_local_set(vm, 1, vm_closure_value(vm_closure_new(vm, &add_function, &one, vm_undef())));
    vm_local_set(vm, 2, vm_closure_value(vm_closure_new(vm, &add_function, &two, vm_undef())));
    vm_local_set(vm, 3, vm_closure_value(vm_closure_new(vm, &other, &one, vm_undef())));
    struct vm_object *object = vm_object_new(vm, vm_class_define(vm, "Bound", one_property, 1, NULL));
    vm_local_set(vm, 4, vm_closure_value(vm_closure_new(vm, &add_function, &one, vm_object_value(object))));
    uint64_t hash = vm_value_hash(vm, vm_local_get(vm, 0), 3);
    assert_true(hash == vm_value_hash(vm, vm_local_get(vm, 1), 3));
    for (uint32_t i = 2; i < 5; i++)
        assert_true(hash != vm_value_hash(vm, vm_local_get(vm, i), 3));
    vm_frame_leave(vm);
}

int main(void)
{
    static const struct vm_case cases[] = {
        VM_CASE(a_value_is_captured_as_it_was, 0),
        VM_CASE(a_captured_reference_is_shared, 0),
        VM_CASE(an_array_captured_by_value_keeps_its_content, 0),
        VM_CASE(bind_makes_another_closure_with_another_this, 0),
        VM_CASE(a_closure_that_captures_itself_is_let_go, 0),
        VM_CASE(a_closure_outlives_its_last_holder_during_a_call, 0),
        VM_CASE(a_bail_out_leaves_the_call, 0),
        VM_CASE(the_hash_sees_name_captures_and_this, 0),
    };
    return vm_cases_run_all_policies("vm_closure", cases, sizeof(cases) / sizeof(cases[0]));
}
