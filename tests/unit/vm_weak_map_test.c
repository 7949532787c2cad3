/* Weak maps and weak references under every policy: when entries go, and what keeps them. */
#include "vm_fixture.h"

static const char *const one_property[] = {"x"};

static struct sm_value object_of(struct vm *vm, vm_destructor *destructor)
{
    struct vm_class *found = vm_class_find(vm, "Key");
    struct vm_class *class_entry = found != NULL ? found : vm_class_define(vm, "Key", one_property, 1, destructor);
    return vm_object_value(vm_object_new(vm, class_entry));
}

/* A map in local 0. */
static struct vm_weak_map *map_in_local(struct vm *vm)
{
    struct vm_weak_map *map = vm_weak_map_new(vm);
    vm_local_set(vm, 0, vm_weak_map_value(map));
    return map;
}

static void it_finds_values_by_identity(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 3);
    struct vm_weak_map *map = map_in_local(vm);
    vm_local_set(vm, 1, object_of(vm, NULL));
    vm_local_set(vm, 2, object_of(vm, NULL));
    assert_false(vm_weak_map_has(map, vm_local_get(vm, 1)));
    vm_weak_map_set(vm, map, vm_local_get(vm, 1), vm_string_value(vm_fixture_string(vm, "one")));
    vm_weak_map_set(vm, map, vm_local_get(vm, 2), vm_null());
    vm_weak_map_set(vm, map, vm_local_get(vm, 1), vm_string_value(vm_fixture_string(vm, "first")));
    vm_fixture_settle(fixture);
    assert_int_equal(vm_weak_map_count(map), 2);
    vm_assert_string(vm_weak_map_get(map, vm_local_get(vm, 1)), "first");
    assert_int_equal(vm_weak_map_get(map, vm_local_get(vm, 2)).tag, VM_NULL);
    assert_true(vm_weak_map_has(map, vm_local_get(vm, 2)));
    assert_true(vm_weak_map_remove(vm, map, vm_local_get(vm, 2)));
    assert_false(vm_weak_map_remove(vm, map, vm_local_get(vm, 2)));
    assert_false(vm_weak_map_has(map, vm_local_get(vm, 2)));
    assert_int_equal(vm_weak_map_count(map), 1);
    vm_frame_leave(vm);
}

static struct sm_value body_nothing(struct vm *vm, struct vm_closure *closure)
{
    (void)vm;
    (void)closure;
    return vm_null();
}

static enum vm_generator_step body_ends(struct vm *vm, struct vm_generator *generator)
{
    return vm_generator_return(vm, generator, vm_null());
}

static void every_kind_with_a_handle_is_a_key(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    static const struct vm_function function = {"nothing", body_nothing, 0, 0, 0};
    static const struct vm_generator_function generator = {"ends", body_ends, NULL, 0};
    vm_frame_enter(vm, 5);
    struct vm_weak_map *map = map_in_local(vm);
    vm_local_set(vm, 1, object_of(vm, NULL));
    vm_local_set(vm, 2, vm_closure_value(vm_closure_new(vm, &function, NULL, vm_undef())));
    vm_local_set(vm, 3, vm_generator_value(vm_generator_new(vm, &generator, NULL, 0)));
    vm_local_set(vm, 4, vm_weak_map_value(vm_weak_map_new(vm)));
    for (uint32_t i = 1; i < 5; i++)
        vm_weak_map_set(vm, map, vm_local_get(vm, i), vm_int(i));
    vm_fixture_settle(fixture);
    size_t position = 0;
    struct sm_value key, value;
    for (uint32_t i = 1; i < 5; i++) {
        assert_true(vm_weak_map_next(vm, map, &position, &key, &value));
        assert_int_equal(key.tag, vm_local_get(vm, i).tag);
        assert_int_equal(key.payload, vm_local_get(vm, i).payload);
        vm_assert_int(value, i);
    }
    assert_false(vm_weak_map_next(vm, map, &position, &key, &value));
    vm_frame_leave(vm);
}

static void an_entry_goes_with_its_key(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 3);
    struct vm_weak_map *map = map_in_local(vm);
    vm_local_set(vm, 1, object_of(vm, NULL));
    vm_local_set(vm, 2, object_of(vm, NULL));
    vm_weak_map_set(vm, map, vm_local_get(vm, 1), object_of(vm, NULL));
    vm_weak_map_set(vm, map, vm_local_get(vm, 2), vm_int(2));
    struct sm_object *value = sm_value_object(vm_weak_map_get(map, vm_local_get(vm, 1)));
    vm_fixture_settle(fixture);
    assert_true(sm_is_valid(fixture->mm, value));
    vm_local_set(vm, 1, vm_null());
    if (vm_fixture_counts(fixture))
        assert_int_equal(vm_weak_map_count(map), 1);
    if (vm_fixture_is_exact(fixture)) {
        vm_fixture_settle(fixture);
        assert_int_equal(vm_weak_map_count(map), 1);
        assert_false(sm_is_valid(fixture->mm, value));
    }
    size_t position = 0;
    struct sm_value key, last = vm_undef();
    while (vm_weak_map_next(vm, map, &position, &key, &last))
        continue;
    vm_assert_int(last, 2);
    vm_frame_leave(vm);
}

/* PHP 8.2: strong while the key lives, so this pair lives as long as the map. */
static void a_value_that_refers_to_its_key_keeps_both_until_the_map_dies(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 2);
    struct vm_weak_map *map = map_in_local(vm);
    vm_local_set(vm, 1, object_of(vm, NULL));
    struct sm_value value = object_of(vm, NULL);
    vm_object_set(vm, vm_as_object(value), 0, vm_value_copy(vm, vm_local_get(vm, 1)));
    struct sm_object *key = sm_value_object(vm_local_get(vm, 1));
    vm_weak_map_set(vm, map, vm_local_get(vm, 1), value);
    vm_local_set(vm, 1, vm_null());
    vm_fixture_settle(fixture);
    assert_int_equal(vm_weak_map_count(map), 1);
    assert_true(sm_is_valid(fixture->mm, key));
    vm_local_set(vm, 0, vm_null());
    if (vm_fixture_is_exact(fixture)) {
        vm_fixture_settle(fixture);
        assert_false(sm_is_valid(fixture->mm, key));
        assert_false(sm_is_valid(fixture->mm, sm_value_object(value)));
    }
    vm_frame_leave(vm);
}

struct key_log {
    int calls;
    int seen_in_map;
    int weak_answered;
};

static void key_destructor(struct vm *vm, struct vm_object *object)
{
    struct key_log *log = vm_context(vm);
    log->calls++;
    if (vm_global_get(vm, "map").tag == VM_UNDEF)
        return;
    struct sm_value key = vm_object_value(object);
    log->seen_in_map += vm_weak_map_has(vm_as_weak_map(vm_global_get(vm, "map")), key);
    log->weak_answered += vm_weak_get(vm, vm_global_get(vm, "weak")) == object;
}

static void inside_the_destructor_of_the_key_the_entry_is_there(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct key_log log = {0};
    vm_context_set(vm, &log);
    vm_frame_enter(vm, 1);
    vm_global_set(vm, "map", vm_weak_map_value(vm_weak_map_new(vm)));
    vm_local_set(vm, 0, object_of(vm, key_destructor));
    vm_weak_map_set(vm, vm_as_weak_map(vm_global_get(vm, "map")), vm_local_get(vm, 0), vm_int(4));
    vm_global_set(vm, "weak", vm_weak_new(vm, vm_as_object(vm_local_get(vm, 0))));
    vm_local_set(vm, 0, vm_null());
    vm_fixture_settle(fixture);
    if (vm_fixture_is_exact(fixture)) {
        assert_int_equal(log.calls, 1);
        assert_int_equal(vm_weak_map_count(vm_as_weak_map(vm_global_get(vm, "map"))), 0);
        assert_null(vm_weak_get(vm, vm_global_get(vm, "weak")));
    }
    assert_int_equal(log.seen_in_map, log.calls);
    assert_int_equal(log.weak_answered, log.calls);
    vm_frame_leave(vm);
    vm_fixture_reopen(fixture, NULL);
    assert_int_equal(log.calls, 1);
}

static void dead_entries_are_removed_as_the_map_is_written(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 2);
    struct vm_weak_map *map = map_in_local(vm);
    for (int i = 0; i < 200; i++) {
        vm_local_set(vm, 1, object_of(vm, NULL));
        vm_weak_map_set(vm, map, vm_local_get(vm, 1), vm_int(i));
        if (i % 5 == 0)
            vm_fixture_settle(fixture);
    }
    vm_assert_int(vm_weak_map_get(map, vm_local_get(vm, 1)), 199);
    /* At most eight entries were in the array when a set removed the dead: those of five keys, and new ones. */
    if (vm_fixture_is_exact(fixture))
        assert_in_range(vm_array_count(map->entries), 1, 24);
    vm_frame_leave(vm);
}

static void an_object_has_one_weak_reference(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    vm_frame_enter(vm, 3);
    vm_local_set(vm, 0, object_of(vm, NULL));
    vm_local_set(vm, 1, vm_weak_new(vm, vm_as_object(vm_local_get(vm, 0))));
    vm_local_set(vm, 2, vm_weak_new(vm, vm_as_object(vm_local_get(vm, 0))));
    struct sm_value first = vm_local_get(vm, 1);
    assert_ptr_equal(sm_value_object(first), sm_value_object(vm_local_get(vm, 2)));
    if (vm_fixture_counts(fixture))
        assert_int_equal(sm_value_object(first)->count, 3);
    vm_local_set(vm, 1, vm_null());
    vm_local_set(vm, 0, vm_null());
    if (vm_fixture_is_exact(fixture)) {
        vm_fixture_settle(fixture);
        assert_null(vm_weak_get(vm, vm_local_get(vm, 2)));
    }
    vm_local_set(vm, 2, vm_null());
    if (vm_fixture_is_exact(fixture)) {
        vm_fixture_settle(fixture);
        assert_false(sm_is_valid(fixture->mm, sm_value_object(first)));
    }
    vm_frame_leave(vm);
}

static void handles_are_never_given_twice(struct vm_fixture *fixture)
{
    _Static_assert(sizeof(((struct vm_object *)0)->handle) == 8, "64 bits do not run out");
    struct vm *vm = fixture->vm;
    uint64_t last = 0;
    vm_frame_enter(vm, 2);
    struct vm_weak_map *map = map_in_local(vm);
    for (int i = 0; i < 300; i++) {
        vm_local_set(vm, 1, object_of(vm, NULL));
        assert_true(vm_handle_of(vm_local_get(vm, 1)) > last);
        assert_false(vm_weak_map_has(map, vm_local_get(vm, 1)));
        vm_weak_map_set(vm, map, vm_local_get(vm, 1), vm_int(i));
        last = vm_handle_of(vm_local_get(vm, 1));
        if (i % 50 == 0)
            vm_fixture_settle(fixture);
    }
    vm_frame_leave(vm);
}

int main(void)
{
    static const struct vm_case cases[] = {
        VM_CASE(it_finds_values_by_identity, 0),
        VM_CASE(every_kind_with_a_handle_is_a_key, 0),
        VM_CASE(an_entry_goes_with_its_key, 0),
        VM_CASE(a_value_that_refers_to_its_key_keeps_both_until_the_map_dies, 0),
        VM_CASE(inside_the_destructor_of_the_key_the_entry_is_there, 0),
        VM_CASE(dead_entries_are_removed_as_the_map_is_written, 0),
        VM_CASE(an_object_has_one_weak_reference, 0),
        VM_CASE(handles_are_never_given_twice, 0),
    };
    return vm_cases_run_all_policies("vm_weak_map", cases, sizeof(cases) / sizeof(cases[0]));
}
