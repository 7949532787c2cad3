/* Garbage beside what stays: holders outside the cycle, live data that garbage refers to, static members, temporaries. */
#include "php_case.h"

/* A ring of three objects; owned, each. */
static void ring_of_three(struct vm *vm, struct vm_object *ring[3])
{
    for (int i = 0; i < 3; i++)
        ring[i] = php_plain(vm);
    for (int i = 0; i < 3; i++) {
        vm_object_set(vm, ring[i], PHP_NUMBER, vm_int(i));
        php_link(vm, ring[i], PHP_P, ring[(i + 1) % 3]);
    }
}

static uint64_t hash_of_kept(struct vm *vm)
{
    return vm_value_hash(vm, vm_global_get(vm, "kept"), PHP_WIDE_DEPTH);
}

/* PHP 8.2: 0 while $kept holds the second, then 3. */
static void php_31_cycle_held_by_one_member(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct php_log log;
    php_begin(fixture, &log);
    uint64_t live_before = php_settled(fixture);
    struct vm_object *ring[3];
    ring_of_three(vm, ring);
    vm_global_set(vm, "kept", vm_object_value(ring[1]));
    vm_value_drop(vm, vm_object_value(ring[0]));
    vm_value_drop(vm, vm_object_value(ring[2]));
    uint64_t hash = hash_of_kept(vm);
    uint64_t collected = php_collect(fixture);
    if (vm_fixture_counts(fixture))
        assert_int_equal(collected, 0);
    vm_fixture_settle(fixture);
    assert_int_equal(php_live(fixture), live_before + 3);
    assert_true(hash_of_kept(vm) == hash);
    for (int i = 0; i < 3; i++)
        assert_true(sm_is_valid(fixture->mm, &ring[i]->header));
    vm_global_set(vm, "kept", vm_null());
    php_expect_gone(fixture, live_before, 3, NULL);
}

/* Two cycles, the first of which refers to the second, which stays. PHP 8.2: 1, then 1. */
static void php_32_dead_cycle_that_refers_to_a_live_one(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct php_log log;
    php_begin(fixture, &log);
    uint64_t live_before = php_settled(fixture);
    struct vm_object *dying = php_plain(vm), *staying = php_plain(vm);
    php_link(vm, dying, PHP_P, dying);
    php_link(vm, dying, PHP_Q, staying);
    php_link(vm, staying, PHP_P, staying);
    vm_global_set(vm, "kept", vm_object_value(staying));
    uint64_t hash = hash_of_kept(vm);
    vm_value_drop(vm, vm_object_value(dying));
    php_expect_gone(fixture, live_before + 1, 1, NULL);
    assert_true(sm_is_valid(fixture->mm, &staying->header) && hash_of_kept(vm) == hash);
    vm_global_set(vm, "kept", vm_null());
    php_expect_gone(fixture, live_before, 1, NULL);
}

/* A live member reached from the live side only through what looks like garbage from its roots. PHP 8.2: 0. */
static void php_33_live_object_that_refers_into_the_suspects(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct php_log log;
    php_begin(fixture, &log);
    struct vm_object *holder = php_plain(vm);
    vm_global_set(vm, "kept", vm_object_value(holder));
    uint64_t live_before = php_settled(fixture);
    struct vm_object *ring[3];
    ring_of_three(vm, ring);
    php_link(vm, holder, PHP_P, ring[2]);
    for (int i = 0; i < 3; i++)
        vm_value_drop(vm, vm_object_value(ring[i]));
    uint64_t hash = hash_of_kept(vm);
    (void)php_collect(fixture);
    vm_fixture_settle(fixture);
    assert_int_equal(php_live(fixture), live_before + 3);
    assert_true(hash_of_kept(vm) == hash);
    vm_object_set(vm, holder, PHP_P, vm_null());
    php_expect_gone(fixture, live_before, 3, NULL);
}

/* Garbage that refers to a large live container, again and again. PHP 8.2: 1 each time. */
static void php_34_garbage_that_refers_to_a_live_container(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct php_log log;
    php_begin(fixture, &log);
    struct vm_object *container = php_plain(vm);
    vm_global_set(vm, "kept", vm_object_value(container));
    struct vm_array *list = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    for (int i = 0; i < 2000; i++)
        vm_array_append(vm, list, vm_object_value(php_object(vm, "Plain", i)));
    vm_object_set(vm, container, PHP_Q, vm_array_value(list));
    uint64_t live_before = php_settled(fixture), hash = hash_of_kept(vm);
    for (int round = 0; round < 3; round++) {
        struct vm_object *garbage = php_plain(vm);
        php_link(vm, garbage, PHP_P, garbage);
        php_link(vm, garbage, PHP_Q, container);
        vm_value_drop(vm, vm_object_value(garbage));
        php_expect_gone(fixture, live_before, 1, NULL);
        assert_true(hash_of_kept(vm) == hash);
    }
}

/* $list in a dead cycle and in a variable. PHP 8.2: 1, and the array stays. */
static void php_35_array_shared_by_garbage_and_the_living(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct php_log log;
    php_begin(fixture, &log);
    struct sm_value texts[] = {php_text(vm, "first"), php_text(vm, "second")};
    vm_global_set(vm, "kept", php_list(vm, 2, texts));
    uint64_t live_before = php_settled(fixture), hash = hash_of_kept(vm);
    struct vm_object *garbage = php_plain(vm);
    php_link(vm, garbage, PHP_P, garbage);
    vm_object_set(vm, garbage, PHP_Q, vm_value_copy(vm, vm_global_get(vm, "kept")));
    vm_value_drop(vm, vm_object_value(garbage));
    php_expect_gone(fixture, live_before, 1, NULL);
    assert_true(hash_of_kept(vm) == hash);
    vm_array_append(vm, vm_array_write(vm, vm_global_place(vm, "kept")), vm_int(3));
    assert_int_equal(vm_array_count(vm_as_array(vm_global_get(vm, "kept"))), 3);
    vm_assert_string(vm_array_get_index(vm_as_array(vm_global_get(vm, "kept")), 1), "second");
}

/* S::$x = new A; S::$x->p = S::$x: a static member is a root of the class. PHP 8.2: 0, and 1 once it is null. */
static void php_36_static_member(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct php_log log;
    php_begin(fixture, &log);
    vm_extension_data_set(vm, "S::$x", vm_null());
    uint64_t live_before = php_settled(fixture);
    struct vm_object *object = php_plain(vm);
    php_link(vm, object, PHP_P, object);
    vm_extension_data_set(vm, "S::$x", vm_object_value(object));
    uint64_t collected = php_collect(fixture);
    if (vm_fixture_counts(fixture))
        assert_int_equal(collected, 0);
    assert_int_equal(php_settled(fixture), live_before + 1);
    assert_ptr_equal(vm_as_object(vm_object_get(object, PHP_P)), object);
    vm_extension_data_set(vm, "S::$x", vm_null());
    php_expect_gone(fixture, live_before, 1, NULL);
}

/* $object->p = &$GLOBALS['kept'], which holds the object. PHP 8.2: 0, and 1 once the global is unset. */
static void php_37_global_by_reference(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct php_log log;
    php_begin(fixture, &log);
    uint64_t live_before = php_settled(fixture);
    struct vm_object *object = php_plain(vm);
    struct vm_reference *variable = vm_reference_new(vm, vm_object_value(object));
    vm_global_set(vm, "kept", php_reference_value(variable));
    vm_object_set(vm, object, PHP_P, vm_value_copy(vm, php_reference_value(variable)));
    (void)php_collect(fixture);
    assert_int_equal(php_settled(fixture), live_before + 2);
    assert_true(sm_is_valid(fixture->mm, &object->header));
    vm_global_set(vm, "kept", vm_null());
    php_expect_gone(fixture, live_before, 1, NULL);
}

/* The result of a function, held by a temporary while the next call collects. PHP 8.2: intact, then 1. */
static void php_38_cycle_held_by_a_temporary(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct php_log log;
    php_begin(fixture, &log);
    uint64_t live_before = php_settled(fixture);
    struct vm_reference *array = vm_reference_new(vm, vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 0)));
    php_reference_append(vm, array, vm_value_copy(vm, php_reference_value(array)));
    vm_temporary_push(vm, php_reference_value(array));
    (void)php_collect(fixture);
    vm_fixture_settle(fixture);
    assert_int_equal(vm_array_count(vm_as_array(array->value)), 1);
    assert_ptr_equal(vm_as_reference(vm_array_get_index(vm_as_array(array->value), 0)), array);
    vm_value_drop(vm, vm_temporary_pop(vm));
    php_expect_gone(fixture, live_before, 1, NULL);
}

/* $a = [[]]; $a[0][0] = &$a[0]; $a = 1: an assignment is a drop. PHP 8.2: 1. */
static void php_39_cycle_dropped_by_assignment(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct php_log log;
    php_begin(fixture, &log);
    uint64_t live_before = php_settled(fixture);
    vm_frame_enter(vm, 1);
    struct vm_reference *inner = vm_reference_new(vm, vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 0)));
    php_reference_append(vm, inner, vm_value_copy(vm, php_reference_value(inner)));
    struct sm_value element = php_reference_value(inner);
    vm_local_set(vm, 0, php_list(vm, 1, &element));
    vm_local_set(vm, 0, vm_int(1));
    php_expect_gone(fixture, live_before, 1, NULL);
    vm_frame_leave(vm);
}

/*
 * An array grows by references to itself while other cycles die and collections run between. PHP 8.2: the
 * collections find 901 and then 99 of the others' arrays, the array keeps its 1,000 elements, and unset leaves 1.
 */
static void php_40_array_written_while_garbage_is_collected(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct php_log log;
    php_begin(fixture, &log);
    uint64_t live_before = php_settled(fixture), collected = 0;
    struct vm_reference *array = vm_reference_new(vm, vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 0)));
    vm_global_set(vm, "kept", php_reference_value(array));
    for (int i = 0; i < 1000; i++) {
        php_reference_append(vm, array, vm_value_copy(vm, php_reference_value(array)));
        php_drop_cycle(vm);
        if (i % 100 == 0)
            collected += php_collect(fixture);
    }
    if (vm_fixture_counts(fixture))
        assert_int_equal(collected, 901);
    (void)php_collect(fixture);
    const struct vm_array *list = vm_as_array(array->value);
    assert_int_equal(vm_array_count(list), 1000);
    for (int64_t i = 0; i < 1000; i++)
        assert_ptr_equal(vm_as_reference(vm_array_get_index(list, i)), array);
    vm_global_set(vm, "kept", vm_null());
    php_expect_gone(fixture, live_before, 1, NULL);
}

static const struct vm_case cases[] = {
    VM_CASE(php_31_cycle_held_by_one_member, 0),
    VM_CASE(php_32_dead_cycle_that_refers_to_a_live_one, 0),
    VM_CASE(php_33_live_object_that_refers_into_the_suspects, 0),
    VM_CASE(php_34_garbage_that_refers_to_a_live_container, 0),
    VM_CASE(php_35_array_shared_by_garbage_and_the_living, 0),
    VM_CASE(php_36_static_member, 0),
    VM_CASE(php_37_global_by_reference, 0),
    VM_CASE(php_38_cycle_held_by_a_temporary, 0),
    VM_CASE(php_39_cycle_dropped_by_assignment, 0),
    VM_CASE(php_40_array_written_while_garbage_is_collected, 0),
};

const struct php_suite php_holders = PHP_SUITE(cases);
