/* Cycles through closures, suspended generators and weak maps. php-src: gc_024, gc_049, bug69227, closure_033, generators. */
#include "php_case.h"

/** Arrays that the VM has inside a closure or weak map where PHP has a table that it does not count among what it collected. */
enum { TABLE = 1 };

/* ---- Closures ---- */

static struct sm_value nothing(struct vm *vm, struct vm_closure *closure)
{
    (void)vm;
    (void)closure;
    return vm_null();
}

static const struct vm_function unbound = {"unbound", nothing, 0, 0, 0}, bound = {"bound", nothing, 0, 1, 0};

static struct sm_value closure_with_this(struct vm *vm)
{
    struct vm_object *object = php_plain(vm);
    struct vm_closure *closure = vm_closure_new(vm, &unbound, NULL, php_share(vm, object));
    vm_object_set(vm, object, PHP_P, vm_closure_value(closure));
    return vm_object_value(object);
}

/* PHP 8.2: 2, the object and the closure. */
static void php_21_closure_bound_to_its_holder(struct vm_fixture *fixture)
{
    php_graph_case(fixture, closure_with_this, 2);
}

static struct sm_value closure_by_value(struct vm *vm)
{
    struct vm_object *object = php_plain(vm);
    struct sm_value capture = php_share(vm, object);
    struct vm_closure *closure = vm_closure_new(vm, &bound, &capture, vm_undef());
    vm_object_set(vm, object, PHP_P, vm_closure_value(closure));
    return vm_object_value(object);
}

/* PHP 8.2: 2. Here 3: the table of bound variables is an array of its own and is counted. */
static void php_22_closure_that_captured_its_holder(struct vm_fixture *fixture)
{
    php_graph_case(fixture, closure_by_value, 2 + TABLE);
}

/* $f = function () use (&$f) {}; */
static struct sm_value closure_by_reference(struct vm *vm)
{
    struct vm_reference *variable = vm_reference_new(vm, vm_null());
    struct sm_value capture = vm_value_copy(vm, php_reference_value(variable));
    vm_reference_set(vm, variable, vm_closure_value(vm_closure_new(vm, &bound, &capture, vm_undef())));
    return php_reference_value(variable);
}

/* PHP 8.2: 1. Here 2, likewise. */
static void php_23_closure_that_captured_itself_by_reference(struct vm_fixture *fixture)
{
    php_graph_case(fixture, closure_by_reference, 1 + TABLE);
}

static struct sm_value acyclic_closure(struct vm *vm)
{
    struct sm_value capture = vm_object_value(php_plain(vm));
    return vm_closure_value(vm_closure_new(vm, &bound, &capture, vm_object_value(php_plain(vm))));
}

/* PHP 8.2: the closure and what it captured die at the drop. */
static void php_24_closure_in_no_cycle(struct vm_fixture *fixture)
{
    php_graph_case(fixture, acyclic_closure, 0);
}

/* ---- Generators ---- */

/* function () { $self = yield 1; yield 2; yield 3; } */
static enum vm_generator_step keep_what_was_sent(struct vm *vm, struct vm_generator *generator)
{
    uint32_t state = vm_generator_state(generator);
    if (state == 1)
        vm_generator_local_set(vm, generator, 0, vm_value_copy(vm, vm_generator_sent(generator)));
    return vm_generator_yield(vm, generator, vm_int(state), state + 1);
}

static void note_finally(struct vm *vm, struct vm_generator *generator)
{
    struct php_log *log = vm_context(vm);
    (void)generator;
    log->numbers[log->count++] = 1;
}

static const struct vm_generator_function keeper = {"keeper", keep_what_was_sent, NULL, 2},
                                          guarded_keeper = {"guarded", keep_what_was_sent, note_finally, 2};

/* The body keeps the value in its frame; the generator's `sent` is replaced at the next step. */
static void send_and_step(struct vm *vm, struct vm_generator *generator, struct sm_value value)
{
    (void)vm_generator_current(vm, generator);
    (void)vm_generator_send(vm, generator, value);
    vm_generator_next(vm, generator);
}

static struct sm_value generator_in_itself(struct vm *vm)
{
    struct vm_generator *generator = vm_generator_new(vm, &keeper, NULL, 0);
    send_and_step(vm, generator, vm_value_copy(vm, vm_generator_value(generator)));
    return vm_generator_value(generator);
}

/* PHP 8.2: 1. A frame is part of its generator. */
static void php_25_suspended_frame_holds_its_generator(struct vm_fixture *fixture)
{
    php_graph_case(fixture, generator_in_itself, 1);
}

static struct sm_value generator_of_method(struct vm *vm)
{
    struct vm_object *object = php_plain(vm);
    struct sm_value self = php_share(vm, object);
    struct sm_value list = php_list(vm, 1, &self);
    struct vm_generator *generator = vm_generator_new(vm, &keeper, &list, 1);
    (void)vm_generator_current(vm, generator);
    vm_object_set(vm, object, PHP_P, vm_generator_value(generator));
    return vm_object_value(object);
}

/*
 * PHP 8.2: 1, and all three are gone. There every generator has a destructor, which closes the frame, and what
 * hung on the frame dies by its counts. Here one without `finally` has none: object, generator and array are
 * collected together, 3.
 */
static void php_26_generator_of_a_method_of_its_holder(struct vm_fixture *fixture)
{
    php_graph_case(fixture, generator_of_method, 3);
}

static struct sm_value guarded_generator_in_itself(struct vm *vm)
{
    struct vm_generator *generator = vm_generator_new(vm, &guarded_keeper, NULL, 0);
    send_and_step(vm, generator, vm_value_copy(vm, vm_generator_value(generator)));
    return vm_generator_value(generator);
}

/*
 * PHP 8.2: `finally` runs once, inside gc_collect_cycles, which returns 1. Here 0: `finally` done, the frame goes
 * and with it the last holder, so the generator dies by its count as soon as its destructor returns.
 */
static void php_27_finally_of_a_generator_in_a_cycle(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct php_log log;
    php_begin(fixture, &log);
    uint64_t live_before = php_settled(fixture);
    vm_value_drop(vm, guarded_generator_in_itself(vm));
    assert_int_equal(log.count, 0);
    if (vm_fixture_counts(fixture))
        assert_int_equal(php_collect(fixture), 0);
    else if (!php_keeps_garbage(fixture))
        vm_fixture_settle(fixture);
    php_expect_destructors(fixture, &log, 1);
    if (vm_fixture_is_exact(fixture))
        assert_int_equal(php_live(fixture), live_before);
    vm_request_end(vm);
    assert_int_equal(log.count, 1);
    vm_request_begin(vm);
}

/* PHP 8.2: `finally` runs at the drop. */
static void php_28_finally_of_a_dropped_generator(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct php_log log;
    php_begin(fixture, &log);
    struct vm_generator *generator = vm_generator_new(vm, &guarded_keeper, NULL, 0);
    (void)vm_generator_current(vm, generator);
    vm_value_drop(vm, vm_generator_value(generator));
    if (vm_fixture_is_prompt(fixture))
        assert_int_equal(log.count, 1);
    vm_fixture_settle(fixture);
    php_expect_destructors(fixture, &log, 1);
    vm_request_end(vm);
    assert_int_equal(log.count, 1);
    vm_request_begin(vm);
}

/* ---- Weak maps ---- */

static struct sm_value weak_map_of_its_key(struct vm *vm)
{
    struct vm_weak_map *map = vm_weak_map_new(vm);
    struct vm_object *key = php_plain(vm);
    vm_weak_map_set(vm, map, vm_object_value(key), php_share(vm, key));
    vm_object_set(vm, key, PHP_P, vm_weak_map_value(map));
    return vm_object_value(key);
}

/* $map[$key] = $key; $key->p = $map; PHP 8.2: 2. Here 3, with the map's array. */
static void php_29_weak_map_held_by_its_key(struct vm_fixture *fixture)
{
    php_graph_case(fixture, weak_map_of_its_key, 2 + TABLE);
}

static struct sm_value weak_map_of_itself(struct vm *vm)
{
    struct vm_weak_map *map = vm_weak_map_new(vm);
    struct sm_value self = vm_weak_map_value(map);
    vm_weak_map_set(vm, map, self, vm_value_copy(vm, self));
    return self;
}

/* $map[$map] = $map; PHP 8.2: 1. Here 2, likewise. */
static void php_30_weak_map_that_is_its_own_key_and_value(struct vm_fixture *fixture)
{
    php_graph_case(fixture, weak_map_of_itself, 1 + TABLE);
}

static const struct vm_case cases[] = {
    VM_CASE(php_21_closure_bound_to_its_holder, 0),
    VM_CASE(php_22_closure_that_captured_its_holder, 0),
    VM_CASE(php_23_closure_that_captured_itself_by_reference, 0),
    VM_CASE(php_24_closure_in_no_cycle, 0),
    VM_CASE(php_25_suspended_frame_holds_its_generator, 0),
    VM_CASE(php_26_generator_of_a_method_of_its_holder, 0),
    VM_CASE(php_27_finally_of_a_generator_in_a_cycle, 0),
    VM_CASE(php_28_finally_of_a_dropped_generator, 0),
    VM_CASE(php_29_weak_map_held_by_its_key, 0),
    VM_CASE(php_30_weak_map_that_is_its_own_key_and_value, 0),
};

const struct php_suite php_functions = PHP_SUITE(cases);
