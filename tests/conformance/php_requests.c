/* Iterations, ends of requests, and graphs that are long or wide. php-src: gc_040, gc_044, bug77345_gc_1, bug36759, bug71266. */
#include "php_case.h"

/* ---- Long and wide ---- */

enum { LONG_COUNT = 20000 };

/* A list whose nodes know both neighbours, and are all reached from the first. */
static struct sm_value long_ring(struct vm *vm)
{
    struct vm_object *first = php_plain(vm), *last = first;
    for (int i = 1; i < LONG_COUNT; i++) {
        struct vm_object *node = php_plain(vm);
        php_link(vm, node, PHP_P, last);
        vm_object_set(vm, last, PHP_Q, vm_object_value(node));
        last = node;
    }
    php_link(vm, last, PHP_Q, first);
    php_link(vm, first, PHP_P, last);
    return vm_object_value(first);
}

static struct sm_value wide_array(struct vm *vm)
{
    struct vm_object *object = php_plain(vm);
    struct vm_array *list = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    for (int64_t i = 0; i < LONG_COUNT; i++) {
        struct sm_value element[] = {vm_int(i), php_share(vm, object)};
        vm_array_append(vm, list, php_list(vm, 2, element));
    }
    vm_object_set(vm, object, PHP_P, vm_array_value(list));
    return vm_object_value(object);
}

/* One stale word may hold a whole graph under a conservative policy: of five like it three must die all the same. */
static void most_graphs_die(struct vm_fixture *fixture, php_build *build, uint64_t live_before, uint64_t graph_objects)
{
    for (int i = 0; i < 4; i++) {
        vm_global_set(fixture->vm, "kept", build(fixture->vm));
        vm_global_set(fixture->vm, "kept", vm_null());
        (void)php_collect(fixture);
    }
    assert_in_range(php_settled(fixture), 0, live_before + 2 * graph_objects + graph_objects / 10);
}

static void build_hold_drop(struct vm_fixture *fixture, php_build *build, uint64_t collected, unsigned depth)
{
    struct vm *vm = fixture->vm;
    struct php_log log;
    php_begin(fixture, &log);
    uint64_t live_before = php_settled(fixture);
    vm_global_set(vm, "kept", build(vm));
    uint64_t hash = vm_value_hash(vm, vm_global_get(vm, "kept"), depth);
    (void)php_collect(fixture);
    vm_fixture_settle(fixture);
    assert_true(vm_value_hash(vm, vm_global_get(vm, "kept"), depth) == hash);
    uint64_t graph_objects = php_live(fixture) - live_before;
    vm_global_set(vm, "kept", vm_null());
    php_expect_gone(fixture, live_before, collected, NULL);
    if (php_is_boehm(fixture))
        most_graphs_die(fixture, build, live_before, graph_objects);
}

/* PHP 8.2: one for each node. A million of them: unit/large_graphs_test. */
static void php_74_long_ring(struct vm_fixture *fixture)
{
    build_hold_drop(fixture, long_ring, LONG_COUNT, PHP_HASH_DEPTH);
}

/* PHP 8.2: the object, the array, and the arrays in it. */
static void php_75_wide_array_of_arrays(struct vm_fixture *fixture)
{
    build_hold_drop(fixture, wide_array, LONG_COUNT + 2, PHP_WIDE_DEPTH);
}

/* ---- Iterations ---- */

/* A message: some cycles, one of them with a destructor, and a counter in the object that stays. */
static void handle_message(struct vm *vm, void *context)
{
    struct vm_object *state = vm_as_object(vm_global_get(vm, "kept"));
    int64_t *handled = context;
    struct vm_object *request = php_object(vm, "Counted", 0), *response = php_plain(vm);
    php_link(vm, request, PHP_P, response);
    php_link(vm, response, PHP_P, request);
    php_link(vm, response, PHP_Q, state);
    for (int i = 0; i < 5; i++)
        php_drop_cycle(vm);
    vm_value_drop(vm, vm_object_value(request));
    vm_value_drop(vm, vm_object_value(response));
    vm_object_set(vm, state, PHP_NUMBER, vm_int(vm_as_int(vm_object_get(state, PHP_NUMBER)) + 1));
    ++*handled;
}

static void count_only(struct vm *vm, struct vm_object *object)
{
    (void)object;
    ((struct php_log *)vm_context(vm))->answer++;
}

/* PHP 8.2: 7 for each iteration, all by explicit collections here and there; each destructor once. */
static void php_76_many_small_cycles_across_iterations(struct vm_fixture *fixture)
{
    enum { ITERATIONS = 1000 };
    struct vm *vm = fixture->vm;
    struct php_log log;
    int64_t handled = 0;
    uint64_t collected = 0;
    php_begin(fixture, &log);
    php_class(vm, "Counted", count_only);
    vm_global_set(vm, "kept", vm_object_value(php_plain(vm)));
    uint64_t live_before = php_settled(fixture);
    for (int i = 0; i < ITERATIONS; i++) {
        assert_int_equal(vm_iteration(vm, SM_HERE, handle_message, &handled), SM_OK);
        if (i % 50 == 49)
            collected += php_collect(fixture);
    }
    if (vm_fixture_counts(fixture))
        assert_int_equal(collected, ITERATIONS * 7);
    vm_assert_int(vm_object_get(vm_as_object(vm_global_get(vm, "kept")), PHP_NUMBER), ITERATIONS);
    uint64_t live = php_settled(fixture);
    if (vm_fixture_is_exact(fixture)) {
        assert_int_equal(live, live_before);
        assert_int_equal(log.answer, ITERATIONS);
    }
    if (php_is_boehm(fixture))
        assert_in_range(live, 0, live_before + ITERATIONS * 7 / 10);
    vm_request_end(vm);
    assert_int_equal(log.answer, ITERATIONS);
    vm_request_begin(vm);
}

/* ---- The end ---- */

static void collect_at_the_end(struct vm *vm, struct vm_object *object)
{
    struct php_log *log = vm_context(vm);
    php_note(vm, object);
    if (vm_as_int(vm_object_get(object, PHP_NUMBER)) == 1)
        log->answer = (int64_t)vm_gc_collect_cycles(vm);
}

/* A destructor that runs at the end collects five waiting cycles. PHP 8.2: "~1 ~2 ~3 ~4 ~5 ~6", and 5. */
static void php_77_collection_inside_the_end_of_a_request(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct php_log log;
    php_begin(fixture, &log);
    php_class(vm, "Ending", collect_at_the_end);
    vm_global_set(vm, "kept", vm_object_value(php_object(vm, "Ending", 1)));
    for (int64_t i = 2; i <= 6; i++) {
        struct vm_object *object = php_object(vm, "Ending", i);
        php_link(vm, object, PHP_P, object);
        vm_value_drop(vm, vm_object_value(object));
    }
    assert_int_equal(log.count, 0);
    php_expect_at_end(fixture, &log, 6);
    php_expect_order(fixture, &log, "1 2 3 4 5 6");
    if (vm_fixture_counts(fixture))
        assert_int_equal(log.answer, 5);
}

/*
 * $a; $b; $c->p = $b; $d->p = new; $x->p = $x; $list = [new]. PHP 8.2: "~d ~d2 ~c ~b ~a ~x ~in-list": globals from
 * the newest while they are the only holder, then the rest by age.
 */
static void php_78_order_of_destructors_at_the_end(struct vm_fixture *fixture)
{
    static const int64_t php_order[] = {4, 5, 3, 2, 1, 6, 7};
    struct vm *vm = fixture->vm;
    struct php_log log;
    php_begin(fixture, &log);
    struct vm_object *b, *c, *d, *x;
    vm_global_set(vm, "a", vm_object_value(php_logged(vm, 1)));
    vm_global_set(vm, "b", vm_object_value(b = php_logged(vm, 2)));
    vm_global_set(vm, "c", vm_object_value(c = php_logged(vm, 3)));
    php_link(vm, c, PHP_P, b);
    vm_global_set(vm, "d", vm_object_value(d = php_logged(vm, 4)));
    vm_object_set(vm, d, PHP_P, vm_object_value(php_logged(vm, 5)));
    vm_global_set(vm, "x", vm_object_value(x = php_logged(vm, 6)));
    php_link(vm, x, PHP_P, x);
    struct sm_value element = vm_object_value(php_logged(vm, 7));
    vm_global_set(vm, "list", php_list(vm, 1, &element));
    php_expect_at_end(fixture, &log, 7);
    for (size_t i = 0; i < 7; i++)
        assert_int_equal(log.numbers[i], php_order[i]);
}

/* Live cycles, garbage cycles and a suspended collection at the end. PHP 8.2: each destructor once. */
static void php_79_shutdown_with_live_cycles(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct php_log log;
    php_begin(fixture, &log);
    struct vm_array *list = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    vm_global_set(vm, "kept", vm_array_value(list));
    for (int64_t i = 1; i <= 100; i++) {
        struct vm_object *first = php_logged(vm, i), *second = php_plain(vm);
        php_link(vm, first, PHP_P, second);
        php_link(vm, second, PHP_P, first);
        vm_value_drop(vm, vm_object_value(second));
        if (i % 2 == 0)
            vm_array_append(vm, list, vm_object_value(first));
        else
            vm_value_drop(vm, vm_object_value(first));
    }
    assert_int_equal(log.count, 0);
    vm_fixture_reopen(fixture, NULL);
    assert_int_equal(log.count, 100);
    uint64_t sum = 0;
    for (size_t i = 0; i < log.count; i++)
        sum += (uint64_t)log.numbers[i];
    assert_int_equal(sum, 5050);
}

static const struct vm_case cases[] = {
    VM_CASE(php_74_long_ring, 0),
    VM_CASE(php_75_wide_array_of_arrays, 0),
    VM_CASE(php_76_many_small_cycles_across_iterations, 0),
    VM_CASE(php_77_collection_inside_the_end_of_a_request, 0),
    VM_CASE(php_78_order_of_destructors_at_the_end, 0),
    VM_CASE(php_79_shutdown_with_live_cycles, 0),
};

const struct php_suite php_requests = PHP_SUITE(cases);
