/* Objects, classes, references, weak references, destructors. */
#include "vm_fixture.h"

#include <string.h>

static const char *const point_properties[] = {"x", "y", "next"};

static struct vm_class *point_class(struct vm *vm)
{
    struct vm_class *found = vm_class_find(vm, "Point");
    return found != NULL ? found : vm_class_define(vm, "Point", point_properties, 3, NULL);
}

static void a_class_has_its_names(struct vm_fixture *fixture)
{
    struct vm_class *class_entry = point_class(fixture->vm);
    vm_assert_string(vm_string_value(class_entry->name), "Point");
    assert_int_equal(class_entry->property_count, 3);
    assert_int_equal(vm_array_count(class_entry->property_names), 3);
    vm_assert_string(vm_array_get_index(class_entry->property_names, 2), "next");
    assert_ptr_equal(vm_class_find(fixture->vm, "Point"), class_entry);
    assert_null(vm_class_find(fixture->vm, "point"));
}

static void class_ids_follow_definition(struct vm_fixture *fixture)
{
    assert_int_equal(vm_class_define(fixture->vm, "A", NULL, 0, NULL)->id, 1);
    assert_int_equal(vm_class_define(fixture->vm, "B", NULL, 0, NULL)->id, 2);
}

static void body_define_again(struct vm *vm, void *context)
{
    (void)context;
    vm_class_define(vm, "Point", NULL, 0, NULL);
}

static void defining_a_class_twice_bails_out(struct vm_fixture *fixture)
{
    struct vm_class *class_entry = point_class(fixture->vm);
    assert_int_equal(vm_try(fixture->vm, body_define_again, NULL), SM_ERR_INVALID_ARGUMENT);
    assert_non_null(strstr(sm_error_detail(fixture->mm), "Point"));
    assert_ptr_equal(vm_class_find(fixture->vm, "Point"), class_entry);
}

static void body_too_many_properties(struct vm *vm, void *context)
{
    vm_class_define(vm, "Wide", (const char *const *)context, VM_CLASS_PROPERTIES_MAX + 1, NULL);
}

static void too_many_properties_bail_out(struct vm_fixture *fixture)
{
    const char *names[VM_CLASS_PROPERTIES_MAX + 1];
    for (size_t i = 0; i <= VM_CLASS_PROPERTIES_MAX; i++)
        names[i] = "p";
    assert_int_equal(vm_try(fixture->vm, body_too_many_properties, (void *)names), SM_ERR_INVALID_ARGUMENT);
    assert_null(vm_class_find(fixture->vm, "Wide"));
}

static void properties_begin_as_null(struct vm_fixture *fixture)
{
    struct vm_object *object = vm_object_new(fixture->vm, point_class(fixture->vm));
    assert_int_equal(object->header.payload_bytes, 40 + 3 * 16);
    assert_int_equal(vm_object_property_count(object), 3);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(vm_object_get(object, i).tag, VM_NULL);
}

static void properties_hold_values(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 1);
    struct vm_object *object = vm_object_new(vm, point_class(vm));
    vm_local_set(vm, 0, vm_object_value(object));
    vm_object_set(vm, object, 0, vm_int(1));
    vm_object_set(vm, object, 1, vm_string_value(vm_fixture_string(vm, "text")));
    vm_object_set(vm, object, 2, vm_object_value(vm_object_new(vm, point_class(vm))));
    vm_safepoint(vm);
    vm_assert_int(vm_object_get(object, 0), 1);
    vm_assert_string(vm_object_get(object, 1), "text");
    assert_ptr_equal(vm_as_object(vm_object_get(object, 2))->class_entry, object->class_entry);
    vm_frame_leave(vm);
}

static void an_array_in_a_property_is_written_through_its_place(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 2);
    struct vm_object *object = vm_object_new(vm, point_class(vm));
    vm_local_set(vm, 0, vm_object_value(object));
    vm_object_set(vm, object, 0, vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 0)));
    vm_array_append(vm, vm_array_write(vm, vm_object_place(object, 0)), vm_int(5));
    vm_local_set(vm, 1, vm_value_copy(vm, vm_object_get(object, 0)));
    vm_array_append(vm, vm_array_write(vm, vm_object_place(object, 0)), vm_int(6));
    assert_int_equal(vm_array_count(vm_as_array(vm_object_get(object, 0))), 2);
    assert_int_equal(vm_array_count(vm_as_array(vm_local_get(vm, 1))), 1);
    vm_frame_leave(vm);
}

static void handles_are_unique(struct vm_fixture *fixture)
{
    struct vm_object *first = vm_object_new(fixture->vm, point_class(fixture->vm));
    struct vm_object *second = vm_object_new(fixture->vm, point_class(fixture->vm));
    assert_int_equal(first->handle, 1);
    assert_int_equal(second->handle, 2);
}

static void objects_are_shared_not_copied(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 2);
    vm_local_set(vm, 0, vm_object_value(vm_object_new(vm, point_class(vm))));
    vm_local_set(vm, 1, vm_value_copy(vm, vm_local_get(vm, 0)));
    vm_object_set(vm, vm_as_object(vm_local_get(vm, 1)), 0, vm_int(8));
    vm_assert_int(vm_object_get(vm_as_object(vm_local_get(vm, 0)), 0), 8);
    vm_frame_leave(vm);
}

/* ---- References ---- */

static void a_reference_shares_its_value(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 2);
    struct vm_reference *reference = vm_reference_new(vm, vm_int(1));
    assert_int_equal(reference->header.payload_bytes, 32);
    vm_local_set(vm, 0, vm_heap_value(reference, VM_REFERENCE));
    vm_local_set(vm, 1, vm_value_copy(vm, vm_local_get(vm, 0)));
    vm_reference_set(vm, reference, vm_string_value(vm_fixture_string(vm, "new")));
    vm_safepoint(vm);
    vm_assert_string(vm_value_deref(vm_local_get(vm, 0)), "new");
    vm_assert_string(vm_value_deref(vm_local_get(vm, 1)), "new");
    vm_frame_leave(vm);
}

static void dereferencing_another_value_is_itself(struct vm_fixture *fixture)
{
    (void)fixture;
    vm_assert_int(vm_value_deref(vm_int(-4)), -4);
    assert_int_equal(vm_value_deref(vm_undef()).tag, VM_UNDEF);
}

/* ---- Weak references ---- */

static void a_weak_reference_answers_while_its_object_lives(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 2);
    struct vm_object *object = vm_object_new(vm, point_class(vm));
    vm_local_set(vm, 0, vm_object_value(object));
    vm_local_set(vm, 1, vm_weak_new(vm, object));
    vm_safepoint(vm);
    assert_ptr_equal(vm_weak_get(vm, vm_local_get(vm, 1)), object);
    vm_frame_leave(vm);
}

static void a_weak_reference_does_not_keep_its_object(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 2);
    struct vm_object *object = vm_object_new(vm, point_class(vm));
    vm_local_set(vm, 0, vm_object_value(object));
    vm_local_set(vm, 1, vm_weak_new(vm, object));
    vm_local_set(vm, 0, vm_null());
    vm_fixture_collect(fixture);
    assert_null(vm_weak_get(vm, vm_local_get(vm, 1)));
    vm_frame_leave(vm);
}

static void cycles_are_let_go(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 1);
    struct vm_object *left = vm_object_new(vm, point_class(vm));
    vm_local_set(vm, 0, vm_object_value(left));
    struct vm_object *right = vm_object_new(vm, point_class(vm));
    vm_object_set(vm, left, 2, vm_object_value(right));
    vm_object_set(vm, right, 2, vm_value_copy(vm, vm_object_value(left)));
    vm_fixture_collect(fixture);
    assert_true(sm_is_valid(fixture->mm, &right->header));
    vm_frame_leave(vm);
    vm_fixture_collect(fixture);
    assert_false(sm_is_valid(fixture->mm, &left->header));
    assert_false(sm_is_valid(fixture->mm, &right->header));
}

/* ---- Destructors ---- */

struct destructor_log {
    int calls;
    bool resurrect;
    bool bail_out;
    bool weak_answered;
    int64_t property_sum;
};

static void logged_destructor(struct vm *vm, struct vm_object *object)
{
    struct destructor_log *log = (struct destructor_log *)vm_context(vm);
    log->calls++;
    vm_frame_enter(vm, 1);
    vm_local_set(vm, 0, vm_string_value(vm_string_format(vm, "call %d", log->calls)));
    log->property_sum += vm_as_int(vm_object_get(object, 0));
    if (vm_global_get(vm, "weak").tag == VM_WEAK)
        log->weak_answered = vm_weak_get(vm, vm_global_get(vm, "weak")) == object;
    if (log->resurrect)
        vm_global_set(vm, "saved", vm_value_copy(vm, vm_object_value(object)));
    if (log->bail_out)
        vm_bailout(vm, SM_ERR_INVALID_ARGUMENT);
    vm_frame_leave(vm);
}

/* An object with a destructor in local 0, whose first property is 7. */
static struct vm_object *destructible(struct vm *vm, struct destructor_log *log)
{
    vm_context_set(vm, log);
    struct vm_class *class_entry = vm_class_define(vm, "Logged", point_properties, 3, logged_destructor);
    struct vm_object *object = vm_object_new(vm, class_entry);
    vm_object_set(vm, object, 0, vm_int(7));
    vm_local_set(vm, 0, vm_object_value(object));
    return object;
}

static void a_destructor_runs_once_after_death(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct destructor_log log = {0};
    vm_frame_enter(vm, 1);
    struct vm_object *object = destructible(vm, &log);
    vm_fixture_collect(fixture);
    assert_int_equal(log.calls, 0);
    vm_local_set(vm, 0, vm_null());
    vm_fixture_collect(fixture);
    assert_int_equal(log.calls, 1);
    assert_int_equal(log.property_sum, 7);
    vm_fixture_collect(fixture);
    vm_fixture_collect(fixture);
    assert_int_equal(log.calls, 1);
    assert_false(sm_is_valid(fixture->mm, &object->header));
    vm_frame_leave(vm);
}

static void a_destructor_may_resurrect(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct destructor_log log = {.resurrect = true};
    vm_frame_enter(vm, 1);
    struct vm_object *object = destructible(vm, &log);
    vm_local_set(vm, 0, vm_null());
    vm_fixture_collect(fixture);
    vm_fixture_collect(fixture);
    assert_int_equal(log.calls, 1);
    assert_ptr_equal(vm_as_object(vm_global_get(vm, "saved")), object);
    vm_assert_int(vm_object_get(object, 0), 7);
    vm_global_set(vm, "saved", vm_undef());
    vm_fixture_collect(fixture);
    assert_int_equal(log.calls, 1);
    assert_false(sm_is_valid(fixture->mm, &object->header));
    vm_frame_leave(vm);
}

static void a_weak_reference_answers_inside_the_destructor(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct destructor_log log = {0};
    vm_frame_enter(vm, 1);
    struct vm_object *object = destructible(vm, &log);
    vm_global_set(vm, "weak", vm_weak_new(vm, object));
    vm_local_set(vm, 0, vm_null());
    vm_fixture_collect(fixture);
    assert_int_equal(log.calls, 1);
    assert_true(log.weak_answered);
    vm_fixture_collect(fixture);
    assert_null(vm_weak_get(vm, vm_global_get(vm, "weak")));
    vm_frame_leave(vm);
}

static void a_bail_out_stays_inside_the_destructor(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct destructor_log log = {.bail_out = true};
    vm_frame_enter(vm, 1);
    destructible(vm, &log);
    vm_local_set(vm, 0, vm_int(3));
    vm_temporary_push(vm, vm_int(4));
    vm_fixture_collect(fixture);
    assert_int_equal(log.calls, 1);
    assert_int_equal(vm_destructor_failures(vm), 1);
    assert_int_equal(vm_frame_depth(vm), 1);
    vm_assert_int(vm_temporary_pop(vm), 4);
    vm_assert_int(vm_local_get(vm, 0), 3);
    vm_frame_leave(vm);
}

static void an_object_keeps_its_removed_class(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct destructor_log log = {0};
    vm_frame_enter(vm, 1);
    struct vm_object *object = destructible(vm, &log);
    assert_true(vm_class_remove(vm, "Logged"));
    assert_false(vm_class_remove(vm, "Logged"));
    vm_fixture_collect(fixture);
    assert_true(sm_is_valid(fixture->mm, &object->class_entry->header));
    vm_local_set(vm, 0, vm_null());
    vm_fixture_collect(fixture);
    assert_int_equal(log.calls, 1);
    vm_frame_leave(vm);
}

static void every_destructor_has_run_once_when_the_vm_is_gone(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct destructor_log log = {0};
    vm_frame_enter(vm, 1);
    struct vm_object *object = destructible(vm, &log);
    vm_global_set(vm, "second", vm_object_value(vm_object_new(vm, object->class_entry)));
    vm_object_set(vm, vm_as_object(vm_global_get(vm, "second")), 0, vm_int(10));
    vm_fixture_reopen(fixture, NULL);
    assert_int_equal(log.calls, 2);
    assert_int_equal(log.property_sum, 17);
}

/* ---- Hash of what a script sees ---- */

static void the_hash_ignores_identity(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct vm_object *first = vm_object_new(vm, point_class(vm));
    struct vm_object *second = vm_object_new(vm, point_class(vm));
    vm_object_set(vm, first, 0, vm_float(1.5));
    vm_object_set(vm, second, 0, vm_heap_value(vm_reference_new(vm, vm_float(1.5)), VM_REFERENCE));
    assert_true(vm_value_hash(vm, vm_object_value(first), 3) == vm_value_hash(vm, vm_object_value(second), 3));
    vm_object_set(vm, second, 1, vm_bool(false));
    assert_true(vm_value_hash(vm, vm_object_value(first), 3) != vm_value_hash(vm, vm_object_value(second), 3));
}

static void the_hash_ends_at_its_depth(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct vm_object *object = vm_object_new(vm, point_class(vm));
    vm_object_set(vm, object, 2, vm_value_copy(vm, vm_object_value(object)));
    uint64_t shallow = vm_value_hash(vm, vm_object_value(object), 1);
    assert_true(shallow != vm_value_hash(vm, vm_object_value(object), 5));
    vm_object_set(vm, object, 0, vm_int(1));
    assert_true(shallow != vm_value_hash(vm, vm_object_value(object), 1));
}

static void the_hash_tells_types_apart(struct vm_fixture *fixture)
{
    const struct sm_value values[] = {vm_undef(), vm_null(),     vm_bool(false), vm_bool(true), vm_int(0),
                                      vm_int(1),  vm_float(0.0), vm_float(-0.0), vm_int(-1),    vm_float(1.0)};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        for (size_t j = 0; j < i; j++)
            assert_true(vm_value_hash(fixture->vm, values[i], 1) != vm_value_hash(fixture->vm, values[j], 1));
}

int main(void)
{
    static const struct vm_case cases[] = {
        VM_CASE(a_class_has_its_names, 0),
        VM_CASE(class_ids_follow_definition, 0),
        VM_CASE(defining_a_class_twice_bails_out, 0),
        VM_CASE(too_many_properties_bail_out, 0),
        VM_CASE(properties_begin_as_null, 0),
        VM_CASE(properties_hold_values, 0),
        VM_CASE(an_array_in_a_property_is_written_through_its_place, 0),
        VM_CASE(handles_are_unique, 0),
        VM_CASE(objects_are_shared_not_copied, 0),
        VM_CASE(a_reference_shares_its_value, 0),
        VM_CASE(dereferencing_another_value_is_itself, 0),
        VM_CASE(a_weak_reference_answers_while_its_object_lives, 0),
        VM_CASE(a_weak_reference_does_not_keep_its_object, SM_CAP_COLLECT | SM_CAP_WEAK),
        VM_CASE(cycles_are_let_go, SM_CAP_COLLECT),
        VM_CASE(a_destructor_runs_once_after_death, SM_CAP_COLLECT),
        VM_CASE(a_destructor_may_resurrect, SM_CAP_COLLECT),
        VM_CASE(a_weak_reference_answers_inside_the_destructor, SM_CAP_COLLECT | SM_CAP_WEAK),
        VM_CASE(a_bail_out_stays_inside_the_destructor, SM_CAP_COLLECT),
        VM_CASE(an_object_keeps_its_removed_class, SM_CAP_COLLECT),
        VM_CASE(every_destructor_has_run_once_when_the_vm_is_gone, 0),
        VM_CASE(the_hash_ignores_identity, 0),
        VM_CASE(the_hash_ends_at_its_depth, 0),
        VM_CASE(the_hash_tells_types_apart, 0),
    };
    return vm_cases_run("vm_object", cases, sizeof(cases) / sizeof(cases[0]));
}
