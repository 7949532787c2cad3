/* Destructors that bring their object back. php-src: gc_038, gc_042, bug36568, objects/destructor_and_globals. */
#include "php_case.h"

static void save(struct vm *vm, struct vm_object *object)
{
    php_note(vm, object);
    vm_global_set(vm, "saved", php_share(vm, object));
}

/* Only the second of a ring saves itself. */
static void save_the_second(struct vm *vm, struct vm_object *object)
{
    php_note(vm, object);
    if (vm_as_int(vm_object_get(object, PHP_NUMBER)) == 2)
        vm_global_set(vm, "saved", php_share(vm, object));
}

static uint64_t begin_saving(struct vm_fixture *fixture, struct php_log *log)
{
    php_begin(fixture, log);
    php_class(fixture->vm, "Saving", save);
    php_class(fixture->vm, "Second", save_the_second);
    vm_global_set(fixture->vm, "saved", vm_null());
    return php_settled(fixture);
}

static bool is_saved(struct vm_fixture *fixture, const struct vm_object *object)
{
    struct sm_value saved = vm_global_get(fixture->vm, "saved");
    return vm_tag_of(saved) == VM_OBJECT && vm_as_object(saved) == object;
}

/* Until the policy has had every chance to run what is due. */
static void collect_expecting_none(struct vm_fixture *fixture)
{
    uint64_t collected = php_collect(fixture);
    if (vm_fixture_counts(fixture))
        assert_int_equal(collected, 0);
    vm_fixture_settle(fixture);
}

/* PHP 8.2: saved at the drop; when the global goes, it dies without a second destructor. */
static void php_54_resurrected_at_the_drop(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct php_log log;
    uint64_t live_before = begin_saving(fixture, &log);
    struct vm_object *object = php_object(vm, "Saving", 1);
    vm_value_drop(vm, vm_object_value(object));
    if (vm_fixture_is_prompt(fixture))
        assert_true(is_saved(fixture, object));
    collect_expecting_none(fixture);
    php_expect_destructors(fixture, &log, 1);
    if (log.count == 1) {
        assert_true(is_saved(fixture, object) && sm_is_valid(fixture->mm, &object->header));
        vm_assert_int(vm_object_get(object, PHP_NUMBER), 1);
    }
    vm_global_set(vm, "saved", vm_null());
    php_expect_gone(fixture, live_before, 0, NULL);
    php_expect_at_end(fixture, &log, 1);
}

/* PHP 8.2: gc_collect_cycles returns 0; after the global goes it returns 1, and no destructor runs again. */
static void php_55_resurrected_from_a_cycle(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct php_log log;
    uint64_t live_before = begin_saving(fixture, &log);
    struct vm_object *object = php_object(vm, "Saving", 1);
    php_link(vm, object, PHP_P, object);
    vm_value_drop(vm, vm_object_value(object));
    assert_int_equal(log.count, 0);
    collect_expecting_none(fixture);
    php_expect_destructors(fixture, &log, 1);
    if (log.count == 1) {
        assert_true(is_saved(fixture, object) && sm_is_valid(fixture->mm, &object->header));
        assert_ptr_equal(vm_as_object(vm_object_get(object, PHP_P)), object);
    }
    vm_global_set(vm, "saved", vm_null());
    php_expect_gone(fixture, live_before, 1, NULL);
    php_expect_at_end(fixture, &log, 1);
}

/* PHP 8.2: all three destructors run, one saves itself and with it the ring: 0; later 3. */
static void php_56_one_member_saves_the_ring(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct php_log log;
    uint64_t live_before = begin_saving(fixture, &log);
    struct vm_object *ring[3];
    for (int i = 0; i < 3; i++)
        ring[i] = php_object(vm, "Second", i + 1);
    for (int i = 0; i < 3; i++)
        php_link(vm, ring[i], PHP_P, ring[(i + 1) % 3]);
    for (int i = 0; i < 3; i++)
        vm_value_drop(vm, vm_object_value(ring[i]));
    collect_expecting_none(fixture);
    php_expect_order(fixture, &log, "1 2 3");
    php_expect_destructors(fixture, &log, 3);
    for (int i = 0; i < 3 && log.count == 3; i++) {
        assert_true(sm_is_valid(fixture->mm, &ring[i]->header));
        assert_ptr_equal(vm_as_object(vm_object_get(ring[i], PHP_P)), ring[(i + 1) % 3]);
    }
    vm_global_set(vm, "saved", vm_null());
    php_expect_gone(fixture, live_before, 3, NULL);
    php_expect_at_end(fixture, &log, 3);
}

/* What the saved one holds, a tail without destructors, comes back with it. PHP 8.2: 0, then 3. */
static void php_57_resurrection_keeps_what_the_object_holds(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct php_log log;
    uint64_t live_before = begin_saving(fixture, &log);
    struct vm_object *object = php_object(vm, "Saving", 1), *tail = php_object(vm, "Plain", 7);
    struct sm_value numbers[] = {vm_int(1), vm_int(2)};
    php_link(vm, object, PHP_P, object);
    vm_object_set(vm, tail, PHP_P, php_list(vm, 2, numbers));
    vm_object_set(vm, object, PHP_Q, vm_object_value(tail));
    uint64_t hash = vm_value_hash(vm, vm_object_value(object), PHP_HASH_DEPTH);
    vm_value_drop(vm, vm_object_value(object));
    collect_expecting_none(fixture);
    php_expect_destructors(fixture, &log, 1);
    if (log.count == 1) {
        assert_true(is_saved(fixture, object));
        assert_true(sm_is_valid(fixture->mm, &tail->header));
        assert_true(vm_value_hash(vm, vm_object_value(object), PHP_HASH_DEPTH) == hash);
    }
    vm_global_set(vm, "saved", vm_null());
    php_expect_gone(fixture, live_before, 3, NULL);
    php_expect_at_end(fixture, &log, 1);
}

static const struct vm_case cases[] = {
    VM_CASE(php_54_resurrected_at_the_drop, 0),
    VM_CASE(php_55_resurrected_from_a_cycle, 0),
    VM_CASE(php_56_one_member_saves_the_ring, 0),
    VM_CASE(php_57_resurrection_keeps_what_the_object_holds, 0),
};

const struct php_suite php_resurrections = PHP_SUITE(cases);
