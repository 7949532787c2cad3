/* Destructors of what dies: when, in which order, and what they do to the rest. php-src: gc_011, gc_015 to gc_017, gc_029 to gc_031. */
#include "php_case.h"

/* A ring of "Logged" numbered 1 to `count`, held by nobody but `ring` (owned, each). */
static void logged_ring(struct vm *vm, const char *class_name, struct vm_object **ring, int count)
{
    for (int i = 0; i < count; i++)
        ring[i] = php_object(vm, class_name, i + 1);
    for (int i = 0; i < count; i++)
        php_link(vm, ring[i], PHP_P, ring[(i + 1) % count]);
}

static void drop(struct vm *vm, struct vm_object *object)
{
    vm_value_drop(vm, vm_object_value(object));
}

/* Collect by any means there is; where everything is counted, gc_collect_cycles must answer `collected`. */
static void collect_expecting(struct vm_fixture *fixture, uint64_t collected)
{
    if (vm_fixture_counts(fixture))
        assert_int_equal(php_collect(fixture), collected);
    else
        vm_fixture_settle(fixture);
}

static void expect_live(struct vm_fixture *fixture, uint64_t live)
{
    if (vm_fixture_is_exact(fixture))
        assert_int_equal(php_settled(fixture), live);
}

/* PHP 8.2: once, inside gc_collect_cycles, which returns 1; the next one 0. */
static void php_41_destructor_in_a_cycle_runs_once(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct php_log log;
    php_begin(fixture, &log);
    uint64_t live_before = php_settled(fixture);
    struct vm_object *object;
    logged_ring(vm, "Logged", &object, 1);
    drop(vm, object);
    assert_int_equal(log.count, 0);
    collect_expecting(fixture, 1);
    php_expect_destructors(fixture, &log, 1);
    php_expect_gone(fixture, live_before, 0, NULL);
    php_expect_at_end(fixture, &log, 1);
}

/* PHP 8.2: "~1 ~2 ~3" at the drop, the holder first. */
static void php_42_chain_of_destructors_at_the_drop(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct php_log log;
    php_begin(fixture, &log);
    uint64_t live_before = php_settled(fixture);
    struct vm_object *first = php_logged(vm, 1), *second = php_logged(vm, 2);
    vm_object_set(vm, second, PHP_P, vm_object_value(php_logged(vm, 3)));
    vm_object_set(vm, first, PHP_P, vm_object_value(second));
    drop(vm, first);
    if (vm_fixture_counts(fixture))
        assert_int_equal(log.count, 3);
    php_expect_order(fixture, &log, "1 2 3");
    expect_live(fixture, live_before);
    php_expect_destructors(fixture, &log, 3);
    php_expect_at_end(fixture, &log, 3);
}

/* PHP 8.2: "~1 ~2 ~4 ~3": the first property's whole subtree, then the next. */
static void php_43_siblings_die_in_order(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct php_log log;
    php_begin(fixture, &log);
    uint64_t live_before = php_settled(fixture);
    struct vm_object *first = php_logged(vm, 1), *second = php_logged(vm, 2);
    vm_object_set(vm, first, PHP_P, vm_object_value(second));
    vm_object_set(vm, first, PHP_Q, vm_object_value(php_logged(vm, 3)));
    vm_object_set(vm, second, PHP_P, vm_object_value(php_logged(vm, 4)));
    drop(vm, first);
    php_expect_order(fixture, &log, "1 2 4 3");
    expect_live(fixture, live_before);
    php_expect_destructors(fixture, &log, 4);
    php_expect_at_end(fixture, &log, 4);
}

/* unset($c, $a, $b) of the ring a, b, c. PHP 8.2: "~3 ~1 ~2", the order in which they became possible roots; 3. */
static void php_44_ring_in_the_order_of_its_roots(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct php_log log;
    php_begin(fixture, &log);
    uint64_t live_before = php_settled(fixture);
    struct vm_object *ring[3];
    logged_ring(vm, "Logged", ring, 3);
    drop(vm, ring[2]);
    drop(vm, ring[0]);
    drop(vm, ring[1]);
    collect_expecting(fixture, 3);
    php_expect_order(fixture, &log, "3 1 2");
    expect_live(fixture, live_before);
    php_expect_destructors(fixture, &log, 3);
    php_expect_at_end(fixture, &log, 3);
}

/* One with a destructor, in a ring with one without, an array, and another cycle. PHP 8.2: "~1", 4 in one call. */
static void php_45_neighbours_without_destructors(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct php_log log;
    php_begin(fixture, &log);
    uint64_t live_before = php_settled(fixture);
    struct vm_object *logged = php_logged(vm, 1), *plain = php_plain(vm);
    struct sm_value element = php_share(vm, logged);
    php_link(vm, logged, PHP_P, plain);
    php_link(vm, plain, PHP_P, logged);
    vm_object_set(vm, plain, PHP_Q, php_list(vm, 1, &element));
    drop(vm, logged);
    drop(vm, plain);
    php_drop_cycle(vm);
    collect_expecting(fixture, 4);
    php_expect_destructors(fixture, &log, 1);
    php_expect_gone(fixture, live_before, 0, NULL);
    php_expect_at_end(fixture, &log, 1);
}

static void add_cycles(struct vm *vm, struct vm_object *object)
{
    php_note(vm, object);
    for (int i = 0; i < 5; i++)
        php_drop_cycle(vm);
}

/* PHP 8.2: 6, its own and the five that the destructor left, found by the second look. */
static void php_46_destructor_that_adds_cycles(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct php_log log;
    php_begin(fixture, &log);
    php_class(vm, "Adding", add_cycles);
    uint64_t live_before = php_settled(fixture);
    struct vm_object *object;
    logged_ring(vm, "Adding", &object, 1);
    drop(vm, object);
    collect_expecting(fixture, 6);
    php_expect_destructors(fixture, &log, 1);
    expect_live(fixture, live_before);
    php_expect_gone(fixture, live_before, 0, NULL);
    php_expect_at_end(fixture, &log, 1);
}

static void collect_inside(struct vm *vm, struct vm_object *object)
{
    struct php_log *log = vm_context(vm);
    php_note(vm, object);
    log->answer = (int64_t)vm_gc_collect_cycles(vm);
    vm_safepoint(vm);
    assert_true(vm_as_int(vm_object_get(object, PHP_NUMBER)) == 1);
}

/* PHP 8.2: the inner call returns 0 and the outer one 2, the object and another cycle. */
static void php_47_destructor_in_a_cycle_that_collects(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct php_log log;
    php_begin(fixture, &log);
    php_class(vm, "Collecting", collect_inside);
    uint64_t live_before = php_settled(fixture);
    struct vm_object *object;
    logged_ring(vm, "Collecting", &object, 1);
    drop(vm, object);
    php_drop_cycle(vm);
    collect_expecting(fixture, 2);
    assert_int_equal(log.answer, 0);
    php_expect_destructors(fixture, &log, 1);
    php_expect_gone(fixture, live_before, 0, NULL);
    php_expect_at_end(fixture, &log, 1);
}

/* PHP 8.2: called from a drop, the inner call returns 1, the cycle that waited. */
static void php_48_destructor_at_a_drop_that_collects(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct php_log log;
    php_begin(fixture, &log);
    php_class(vm, "Collecting", collect_inside);
    uint64_t live_before = php_settled(fixture);
    php_drop_cycle(vm);
    drop(vm, php_object(vm, "Collecting", 1));
    if (vm_fixture_counts(fixture)) {
        assert_int_equal(log.answer, 1);
        assert_int_equal(php_live(fixture), live_before);
    }
    expect_live(fixture, live_before);
    php_expect_destructors(fixture, &log, 1);
    php_expect_at_end(fixture, &log, 1);
}

static void drop_the_rest(struct vm *vm, struct vm_object *object)
{
    php_note(vm, object);
    vm_object_set(vm, object, PHP_P, vm_null());
}

/*
 * unset($a, $b, $c) of a ring whose destructors each drop the next. PHP 8.2: "~1 ~2 ~3", and 1: the second and the
 * third die inside the destructor of the first, by their counts, and only the first is left to the collector. Here
 * the first one dies by its count as soon as its destructor returns, and the collector frees none: 0.
 */
static void php_49_destructor_that_drops_the_rest_of_its_cycle(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct php_log log;
    php_begin(fixture, &log);
    php_class(vm, "Dropping", drop_the_rest);
    uint64_t live_before = php_settled(fixture);
    struct vm_object *ring[3];
    logged_ring(vm, "Dropping", ring, 3);
    for (int i = 0; i < 3; i++)
        drop(vm, ring[i]);
    collect_expecting(fixture, 0);
    php_expect_order(fixture, &log, "1 2 3");
    php_expect_destructors(fixture, &log, 3);
    php_expect_gone(fixture, live_before, 0, NULL);
    php_expect_at_end(fixture, &log, 3);
}

static void join_a_new_cycle(struct vm *vm, struct vm_object *object)
{
    php_note(vm, object);
    struct vm_object *partner = php_plain(vm);
    php_link(vm, partner, PHP_P, object);
    vm_object_set(vm, object, PHP_Q, vm_object_value(partner));
}

/* PHP 8.2: 2, and once: a destructor that makes a new cycle around its object does not save it. */
static void php_50_destructor_that_makes_a_cycle_around_itself(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct php_log log;
    php_begin(fixture, &log);
    php_class(vm, "Joining", join_a_new_cycle);
    uint64_t live_before = php_settled(fixture);
    struct vm_object *object;
    logged_ring(vm, "Joining", &object, 1);
    drop(vm, object);
    collect_expecting(fixture, 2);
    drop(vm, php_object(vm, "Joining", 2));
    collect_expecting(fixture, 2);
    php_expect_destructors(fixture, &log, 2);
    php_expect_gone(fixture, live_before, 0, NULL);
    php_expect_at_end(fixture, &log, 2);
}

static void drop_the_kept(struct vm *vm, struct vm_object *object)
{
    php_note(vm, object);
    vm_global_set(vm, "kept", vm_null());
}

/* A destructor in a cycle drops a live tree with destructors. PHP 8.2: they run inside it; 1 is collected. */
static void php_51_destructor_that_drops_a_live_tree(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct php_log log;
    php_begin(fixture, &log);
    php_class(vm, "Felling", drop_the_kept);
    uint64_t live_before = php_settled(fixture);
    struct sm_value tree[2] = {vm_object_value(php_logged(vm, 2)), vm_object_value(php_logged(vm, 3))};
    vm_global_set(vm, "kept", php_list(vm, 2, tree));
    struct vm_object *object;
    logged_ring(vm, "Felling", &object, 1);
    drop(vm, object);
    collect_expecting(fixture, 1);
    php_expect_order(fixture, &log, "1 2 3");
    expect_live(fixture, live_before);
    php_expect_destructors(fixture, &log, 3);
    php_expect_at_end(fixture, &log, 3);
}

/* ---- Exceptions ---- */

static void throw_one(struct vm *vm, struct vm_object *object)
{
    php_note(vm, object);
    struct vm_string *message = vm_string_format(vm, "T%lld", (long long)vm_as_int(vm_object_get(object, PHP_NUMBER)));
    vm_throw(vm, vm_object_value(vm_exception_new(vm, message->data)));
    vm_value_drop(vm, vm_string_value(message));
}

/* Take what is pending, newest first: "T2 T1 ", as getPrevious goes. */
static void expect_caught(struct vm *vm, const char *first, const char *second)
{
    struct sm_value exception = vm_exception_take(vm);
    assert_int_equal(vm_tag_of(exception), VM_OBJECT);
    vm_assert_string(vm_object_get(vm_as_object(exception), 0), first);
    struct sm_value previous = vm_exception_previous(exception);
    if (second == NULL)
        assert_int_equal(vm_tag_of(previous), VM_NULL);
    else
        vm_assert_string(vm_object_get(vm_as_object(previous), 0), second);
    vm_value_drop(vm, exception);
}

/* The class is defined by its first instance. */
static void begin_throwing(struct vm_fixture *fixture, struct php_log *log)
{
    struct vm *vm = fixture->vm;
    php_begin(fixture, log);
    php_class(vm, "Throwing", throw_one);
    vm_value_drop(vm, vm_object_value(vm_exception_new(vm, "first")));
}

/* PHP 8.2: caught where the variable was set to null. */
static void php_52_destructor_that_throws_at_the_drop(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct php_log log;
    begin_throwing(fixture, &log);
    uint64_t live_before = php_settled(fixture);
    drop(vm, php_object(vm, "Throwing", 1));
    if (vm_fixture_is_prompt(fixture))
        assert_true(vm_exception_pending(vm));
    if (!vm_exception_pending(vm))
        vm_fixture_settle(fixture);
    if (log.count == 1)
        expect_caught(vm, "T1", NULL);
    assert_false(vm_exception_pending(vm));
    expect_live(fixture, live_before);
    php_expect_destructors(fixture, &log, 1);
    php_expect_at_end(fixture, &log, 1);
}

/* Two cycles that throw and one that does not. PHP 8.2: all three run, T2 is caught and T1 is its previous. */
static void php_53_destructors_in_cycles_that_throw(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct php_log log;
    begin_throwing(fixture, &log);
    uint64_t live_before = php_settled(fixture);
    struct vm_object *objects[3];
    logged_ring(vm, "Throwing", &objects[0], 1);
    logged_ring(vm, "Throwing", &objects[1], 1);
    logged_ring(vm, "Logged", &objects[2], 1);
    vm_object_set(vm, objects[1], PHP_NUMBER, vm_int(2));
    vm_object_set(vm, objects[2], PHP_NUMBER, vm_int(3));
    for (int i = 0; i < 3; i++)
        drop(vm, objects[i]);
    (void)php_collect(fixture);
    vm_fixture_settle(fixture);
    php_expect_destructors(fixture, &log, 3);
    if (log.count == 3)
        expect_caught(vm, "T2", "T1");
    else
        vm_value_drop(vm, vm_exception_take(vm));
    expect_live(fixture, live_before);
    php_expect_at_end(fixture, &log, 3);
}

static const struct vm_case cases[] = {
    VM_CASE(php_41_destructor_in_a_cycle_runs_once, 0),
    VM_CASE(php_42_chain_of_destructors_at_the_drop, 0),
    VM_CASE(php_43_siblings_die_in_order, 0),
    VM_CASE(php_44_ring_in_the_order_of_its_roots, 0),
    VM_CASE(php_45_neighbours_without_destructors, 0),
    VM_CASE(php_46_destructor_that_adds_cycles, 0),
    VM_CASE(php_47_destructor_in_a_cycle_that_collects, 0),
    VM_CASE(php_48_destructor_at_a_drop_that_collects, 0),
    VM_CASE(php_49_destructor_that_drops_the_rest_of_its_cycle, 0),
    VM_CASE(php_50_destructor_that_makes_a_cycle_around_itself, 0),
    VM_CASE(php_51_destructor_that_drops_a_live_tree, 0),
    VM_CASE(php_52_destructor_that_throws_at_the_drop, 0),
    VM_CASE(php_53_destructors_in_cycles_that_throw, 0),
};

const struct php_suite php_destructors = PHP_SUITE(cases);
