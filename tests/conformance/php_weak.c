/* Weak references and weak maps across deaths. php-src: weakrefs_001 to 006, weakmap_*, gh10043, notify. */
#include "php_case.h"

/* Whether weak answers clear before the request ends; not surely under a conservative policy. */
static bool clears_weak(const struct vm_fixture *fixture)
{
    return vm_fixture_is_exact(fixture);
}

/* PHP 8.2: alive before gc_collect_cycles, null after it. */
static void php_58_weak_reference_to_a_cycle_member(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct php_log log;
    php_begin(fixture, &log);
    vm_frame_enter(vm, 1);
    struct vm_object *object = php_plain(vm), *other = php_plain(vm);
    vm_object_set(vm, object, PHP_P, vm_object_value(other));
    php_link(vm, other, PHP_P, object);
    vm_local_set(vm, 0, vm_weak_new(vm, other));
    vm_global_set(vm, "kept", vm_object_value(object));
    (void)php_collect(fixture);
    assert_ptr_equal(vm_weak_get(vm, vm_local_get(vm, 0)), other);
    vm_global_set(vm, "kept", vm_null());
    if (vm_fixture_counts(fixture)) {
        assert_ptr_equal(vm_weak_get(vm, vm_local_get(vm, 0)), other);
        assert_int_equal(php_collect(fixture), 2);
    }
    vm_safepoint(vm);
    vm_fixture_settle(fixture);
    struct vm_object *answer = vm_weak_get(vm, vm_local_get(vm, 0));
    if (clears_weak(fixture))
        assert_null(answer);
    else if (php_keeps_garbage(fixture))
        assert_ptr_equal(answer, other);
    vm_frame_leave(vm);
}

static void ask_weak(struct vm *vm, struct vm_object *object)
{
    struct php_log *log = vm_context(vm);
    php_note(vm, object);
    if (vm_weak_get(vm, vm_object_get(object, PHP_Q)) == object)
        log->answer++;
}

static struct vm_object *asking(struct vm *vm, int64_t number)
{
    struct vm_object *object = php_object(vm, "Asking", number);
    vm_object_set(vm, object, PHP_Q, vm_weak_new(vm, object));
    return object;
}

/* PHP 8.2: inside the destructor it answers, at the drop as in a cycle, and right after it is null. */
static void php_59_weak_reference_inside_the_destructor(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct php_log log;
    php_begin(fixture, &log);
    php_class(vm, "Asking", ask_weak);
    vm_frame_enter(vm, 2);
    struct vm_object *single = asking(vm, 1), *cycle = asking(vm, 2);
    php_link(vm, cycle, PHP_P, cycle);
    vm_local_set(vm, 0, vm_value_copy(vm, vm_object_get(single, PHP_Q)));
    vm_local_set(vm, 1, vm_value_copy(vm, vm_object_get(cycle, PHP_Q)));
    vm_value_drop(vm, vm_object_value(single));
    if (vm_fixture_counts(fixture))
        assert_null(vm_weak_get(vm, vm_local_get(vm, 0)));
    vm_value_drop(vm, vm_object_value(cycle));
    (void)php_collect(fixture);
    vm_fixture_settle(fixture);
    php_expect_destructors(fixture, &log, 2);
    assert_int_equal(log.answer, log.count);
    for (uint32_t i = 0; i < 2 && clears_weak(fixture); i++)
        assert_null(vm_weak_get(vm, vm_local_get(vm, i)));
    vm_frame_leave(vm);
    php_expect_at_end(fixture, &log, 2);
    assert_int_equal(log.answer, 2);
}

static void save(struct vm *vm, struct vm_object *object)
{
    php_note(vm, object);
    vm_global_set(vm, "saved", php_share(vm, object));
}

/* PHP 8.2: it answers while the resurrected object lives, and is null when that dies. */
static void php_60_weak_reference_to_a_resurrected_object(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct php_log log;
    php_begin(fixture, &log);
    php_class(vm, "Saving", save);
    vm_global_set(vm, "saved", vm_null());
    vm_frame_enter(vm, 1);
    struct vm_object *object = php_object(vm, "Saving", 1);
    php_link(vm, object, PHP_P, object);
    vm_local_set(vm, 0, vm_weak_new(vm, object));
    vm_value_drop(vm, vm_object_value(object));
    (void)php_collect(fixture);
    vm_fixture_settle(fixture);
    if (log.count == 1)
        assert_ptr_equal(vm_as_object(vm_global_get(vm, "saved")), object);
    php_expect_destructors(fixture, &log, 1);
    if (log.count == 1 || php_keeps_garbage(fixture))
        assert_ptr_equal(vm_weak_get(vm, vm_local_get(vm, 0)), object);
    vm_global_set(vm, "saved", vm_null());
    (void)php_collect(fixture);
    vm_fixture_settle(fixture);
    if (clears_weak(fixture))
        assert_null(vm_weak_get(vm, vm_local_get(vm, 0)));
    vm_frame_leave(vm);
    php_expect_at_end(fixture, &log, 1);
}

/* A map in a local, with an entry for `key` (borrowed). */
static struct vm_weak_map *map_of(struct vm *vm, struct vm_object *key, struct sm_value value)
{
    struct vm_weak_map *map = vm_weak_map_new(vm);
    vm_local_set(vm, 0, vm_weak_map_value(map));
    vm_weak_map_set(vm, map, vm_object_value(key), value);
    return map;
}

/* PHP 8.2: count 1; gc_collect_cycles runs the value's destructor and returns 1; count 0. */
static void php_61_weak_map_whose_key_dies_in_a_cycle(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct php_log log;
    php_begin(fixture, &log);
    vm_frame_enter(vm, 1);
    struct vm_object *key = php_plain(vm);
    php_link(vm, key, PHP_P, key);
    const struct vm_weak_map *map = map_of(vm, key, vm_object_value(php_logged(vm, 1)));
    vm_value_drop(vm, vm_object_value(key));
    assert_int_equal(vm_weak_map_count(map), 1);
    uint64_t collected = php_collect(fixture);
    if (vm_fixture_counts(fixture))
        assert_int_equal(collected, 1);
    vm_fixture_settle(fixture);
    if (clears_weak(fixture))
        assert_int_equal(vm_weak_map_count(map), 0);
    else if (php_keeps_garbage(fixture))
        assert_int_equal(vm_weak_map_count(map), 1);
    php_expect_destructors(fixture, &log, 1);
    vm_frame_leave(vm);
    php_expect_at_end(fixture, &log, 1);
}

/*
 * $map[$key] = $value; $value->p = $key. PHP 8.2: the entry keeps both, count stays 1 and nothing is collected; when
 * the map goes, both die, the value first, and nothing is left to collect.
 */
static void php_62_weak_map_whose_value_refers_to_its_key(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct php_log log;
    php_begin(fixture, &log);
    uint64_t live_before = php_settled(fixture);
    vm_frame_enter(vm, 1);
    struct vm_object *key = php_logged(vm, 1), *value = php_logged(vm, 2);
    php_link(vm, value, PHP_P, key);
    const struct vm_weak_map *map = map_of(vm, key, vm_object_value(value));
    vm_value_drop(vm, vm_object_value(key));
    uint64_t collected = php_collect(fixture);
    if (vm_fixture_counts(fixture))
        assert_int_equal(collected, 0);
    vm_fixture_settle(fixture);
    assert_int_equal(vm_weak_map_count(map), 1);
    assert_int_equal(log.count, 0);
    assert_true(sm_is_valid(fixture->mm, &key->header) && sm_is_valid(fixture->mm, &value->header));
    vm_local_set(vm, 0, vm_null());
    php_expect_order(fixture, &log, "2 1");
    if (vm_fixture_is_exact(fixture))
        assert_int_equal(php_settled(fixture), live_before);
    vm_fixture_settle(fixture);
    php_expect_destructors(fixture, &log, 2);
    vm_frame_leave(vm);
    php_expect_at_end(fixture, &log, 2);
}

static void ask_map(struct vm *vm, struct vm_object *object)
{
    struct php_log *log = vm_context(vm);
    php_note(vm, object);
    const struct vm_weak_map *map = vm_as_weak_map(vm_global_get(vm, "kept"));
    vm_assert_int(vm_weak_map_get(map, vm_object_value(object)), 9);
    log->answer++;
}

/* PHP 8.2: inside the key's destructor the entry is there; right after it, it is not. */
static void php_63_weak_map_inside_the_destructor_of_its_key(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct php_log log;
    php_begin(fixture, &log);
    php_class(vm, "Mapped", ask_map);
    struct vm_weak_map *map = vm_weak_map_new(vm);
    vm_global_set(vm, "kept", vm_weak_map_value(map));
    for (int64_t i = 1; i <= 2; i++) {
        struct vm_object *key = php_object(vm, "Mapped", i);
        if (i == 2)
            php_link(vm, key, PHP_P, key);
        vm_weak_map_set(vm, map, vm_object_value(key), vm_int(9));
        vm_value_drop(vm, vm_object_value(key));
        if (i == 1 && vm_fixture_counts(fixture))
            assert_int_equal(vm_weak_map_count(map), 0);
    }
    (void)php_collect(fixture);
    vm_fixture_settle(fixture);
    php_expect_destructors(fixture, &log, 2);
    assert_int_equal(log.answer, log.count);
    if (clears_weak(fixture))
        assert_int_equal(vm_weak_map_count(map), 0);
    php_expect_at_end(fixture, &log, 2);
    assert_int_equal(log.answer, 2);
}

/* Many keys, some of which die; those that live keep their entries. PHP 8.2: count 50, each its own value. */
static void php_64_weak_map_after_half_of_its_keys_died(struct vm_fixture *fixture)
{
    enum { KEYS = 100 };
    struct vm *vm = fixture->vm;
    struct php_log log;
    php_begin(fixture, &log);
    vm_frame_enter(vm, 1);
    struct vm_array *keepers = vm_array_new(vm, VM_ARRAY_PACKED, KEYS);
    vm_global_set(vm, "kept", vm_array_value(keepers));
    struct vm_weak_map *map = vm_weak_map_new(vm);
    vm_local_set(vm, 0, vm_weak_map_value(map));
    for (int64_t i = 0; i < KEYS; i++) {
        struct vm_object *key = php_object(vm, "Plain", i);
        php_link(vm, key, PHP_P, key);
        vm_weak_map_set(vm, map, vm_object_value(key), vm_int(i));
        if (i % 2 == 0)
            vm_array_append(vm, keepers, vm_object_value(key));
        else
            vm_value_drop(vm, vm_object_value(key));
    }
    uint64_t collected = php_collect(fixture);
    if (vm_fixture_counts(fixture))
        assert_int_equal(collected, KEYS / 2);
    vm_fixture_settle(fixture);
    if (clears_weak(fixture))
        assert_int_equal(vm_weak_map_count(map), KEYS / 2);
    for (int64_t i = 0; i < KEYS / 2; i++)
        vm_assert_int(vm_weak_map_get(map, vm_array_get_index(keepers, i)), i * 2);
    vm_frame_leave(vm);
}

static const struct vm_case cases[] = {
    VM_CASE(php_58_weak_reference_to_a_cycle_member, 0),
    VM_CASE(php_59_weak_reference_inside_the_destructor, 0),
    VM_CASE(php_60_weak_reference_to_a_resurrected_object, 0),
    VM_CASE(php_61_weak_map_whose_key_dies_in_a_cycle, 0),
    VM_CASE(php_62_weak_map_whose_value_refers_to_its_key, 0),
    VM_CASE(php_63_weak_map_inside_the_destructor_of_its_key, 0),
    VM_CASE(php_64_weak_map_after_half_of_its_keys_died, 0),
};

const struct php_suite php_weak = PHP_SUITE(cases);
