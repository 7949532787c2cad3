/* Objects under the arena that reuses what counts show to be dead: what dies with their last holder, and what must not. */
#include "test_scale.h"
#include "vm_fixture.h"

#include "assertion.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NEXT, PAYLOAD, PROPERTIES };

static const char *const property_names[PROPERTIES] = {"next", "payload"};

static struct vm *open_vm(const char *policy)
{
    struct vm_config config = {.manager = {.sapi = SM_SAPI_FPM, .policy = policy, .sharing_counts = true},
                               .prompt_destructors = true};
    struct vm *vm = NULL;
    struct sm_error error = {0};
    if (vm_create(&config, &vm, &error) != SM_OK)
        fail_msg("%s", error.detail);
    vm_request_begin(vm);
    (void)vm_class_define(vm, "Node", property_names, PROPERTIES, NULL);
    vm_frame_enter(vm, 2);
    return vm;
}

static struct vm *open_reuse(void)
{
    return open_vm("arena:shape=reuse,reuse-after=0");
}

static void close_vm(struct vm *vm)
{
    vm_frame_leave(vm);
    vm_request_end(vm);
    vm_destroy(vm);
}

static uint64_t live_objects(struct vm *vm)
{
    struct sm_stats stats;
    sm_stats_get(vm_manager(vm), &stats);
    return stats.live_objects;
}

static struct vm_object *node_new(struct vm *vm, const char *class_name)
{
    return vm_object_new(vm, vm_class_find(vm, class_name));
}

/* A node in local 0 that holds an array of a string. Returns it, borrowed. */
static struct vm_object *hold_a_node(struct vm *vm, const char *class_name)
{
    struct vm_object *node = node_new(vm, class_name);
    vm_local_set(vm, 0, vm_object_value(node));
    struct vm_array *list = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    vm_object_set(vm, node, PAYLOAD, vm_array_value(list));
    vm_array_append(vm, list, vm_string_value(vm_fixture_string(vm, "held by an array of an object")));
    return node;
}

static void an_object_dies_with_what_it_holds(void **state)
{
    (void)state;
    struct vm *vm = open_reuse();
    uint64_t before = live_objects(vm);
    struct vm_object *node = hold_a_node(vm, "Node");
    vm_local_set(vm, 1, vm_value_copy(vm, vm_object_value(node)));
    vm_local_set(vm, 0, vm_undef());
    assert_true(sm_is_valid(vm_manager(vm), &node->header));
    assert_int_equal(live_objects(vm), before + 4); /* The array's storage is one. */
    vm_local_set(vm, 1, vm_undef());
    assert_false(sm_is_valid(vm_manager(vm), &node->header));
    assert_int_equal(live_objects(vm), before);
    close_vm(vm);
}

static void an_array_takes_its_objects_along(void **state)
{
    (void)state;
    struct vm *vm = open_reuse();
    uint64_t before = live_objects(vm);
    struct vm_object *node = hold_a_node(vm, "Node");
    struct vm_array *list = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    for (int i = 0; i < 3; i++)
        vm_array_append(vm, list, vm_value_copy(vm, vm_object_value(node)));
    vm_value_drop(vm, vm_array_value(list));
    assert_int_equal(live_objects(vm), before + 4);
    vm_local_set(vm, 0, vm_undef());
    assert_int_equal(live_objects(vm), before);
    close_vm(vm);
}

/* Its cell, or its entry in a weak map, refers to it, and nobody would clear it. */
static void an_object_with_a_weak_reference_stays(void **state)
{
    (void)state;
    struct vm *vm = open_reuse();
    struct vm_object *node = hold_a_node(vm, "Node");
    vm_local_set(vm, 1, vm_weak_new(vm, node));
    vm_local_set(vm, 0, vm_undef());
    assert_ptr_equal(vm_weak_get(vm, vm_local_get(vm, 1)), node);
    const struct vm_array *list = vm_as_array(vm_object_get(node, PAYLOAD));
    vm_assert_string(vm_array_get_index(list, 0), "held by an array of an object");
    close_vm(vm);
}

static struct sm_value return_this(struct vm *vm, struct vm_closure *closure)
{
    return vm_value_copy(vm, closure->bound_this);
}

/* A closure has no count: it may be alive, and then its object is. */
static void what_a_closure_is_bound_to_stays(void **state)
{
    (void)state;
    static const struct vm_function function = {"thisOf", return_this, 0, 0, 0};
    struct vm *vm = open_reuse();
    struct vm_object *node = hold_a_node(vm, "Node");
    struct vm_closure *closure = vm_closure_new(vm, &function, NULL, vm_local_take(vm, 0));
    vm_local_set(vm, 1, vm_closure_value(closure));
    for (int i = 0; i < 3; i++)
        vm_value_drop(vm, vm_closure_call(vm, closure, NULL));
    assert_true(sm_is_valid(vm_manager(vm), &node->header));
    close_vm(vm);
}

static unsigned destroyed;

static void count_destruction(struct vm *vm, struct vm_object *object)
{
    const struct vm_array *list = vm_as_array(vm_object_get(object, PAYLOAD));
    vm_assert_string(vm_array_get_index(list, 0), "held by an array of an object");
    (void)vm;
    destroyed++;
}

/* By hand it runs at once; by an array's death nothing may run, so it does at the end. What it holds is there either way. */
static void one_with_a_destructor_stays_until_it_has_run(void **state)
{
    (void)state;
    for (int by_array = 0; by_array < 2; by_array++) {
        struct vm *vm = open_reuse();
        destroyed = 0;
        (void)vm_class_define(vm, "Closing", property_names, PROPERTIES, count_destruction);
        struct vm_object *node = hold_a_node(vm, "Closing");
        if (by_array == 1) {
            struct vm_array *list = vm_array_new(vm, VM_ARRAY_PACKED, 0);
            vm_array_append(vm, list, vm_local_take(vm, 0));
            vm_value_drop(vm, vm_array_value(list));
        }
        vm_local_set(vm, 0, vm_undef());
        assert_true(sm_is_valid(vm_manager(vm), &node->header));
        assert_int_equal(destroyed, 1 - by_array);
        close_vm(vm);
        assert_int_equal(destroyed, 1);
    }
}

/* Counts are upper bounds: a cycle is left to the end. */
static void a_cycle_stays(void **state)
{
    (void)state;
    struct vm *vm = open_reuse();
    struct vm_object *node = hold_a_node(vm, "Node");
    vm_object_set(vm, node, NEXT, vm_value_copy(vm, vm_object_value(node)));
    vm_local_set(vm, 0, vm_undef());
    assert_true(sm_is_valid(vm_manager(vm), &node->header));
    close_vm(vm);
}

/* Its end would be as deep as it is long; what lies too deep is left. */
static void a_long_list_dies_without_its_depth_on_the_stack(void **state)
{
    (void)state;
    struct vm *vm = open_reuse();
    uint64_t before = live_objects(vm), count = test_scale(200000, 20000, 20000);
    for (uint64_t i = 0; i < count; i++) {
        struct vm_object *node = node_new(vm, "Node");
        vm_object_set(vm, node, NEXT, vm_local_take(vm, 0));
        vm_local_set(vm, 0, vm_object_value(node));
    }
    assert_int_equal(live_objects(vm), before + count);
    vm_local_set(vm, 0, vm_undef());
    assert_in_range(live_objects(vm), before, before + count - 64);
    close_vm(vm);
}

static void bump_counts_no_objects(void **state)
{
    (void)state;
    struct vm *vm = open_vm("arena:shape=bump");
    struct vm_object *node = hold_a_node(vm, "Node");
    assert_int_equal(sm_object_flags(&node->header) & SM_OBJECT_COUNTED, 0);
    close_vm(vm);
}

/* ---- Uses after death ---- */

static bool is_caught(void (*misuse)(struct vm *vm))
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        fclose(stderr);
        /* A sanitizer or an assertion ends the child otherwise. */
        misuse(open_reuse());
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void read_property_late(struct vm *vm)
{
    struct vm_object *node = hold_a_node(vm, "Node");
    vm_object_set(vm, node, NEXT, vm_int(7));
    volatile const struct sm_value *slot = &node->properties[NEXT];
    vm_local_set(vm, 0, vm_undef());
    /* Without AddressSanitizer the pattern shows. */
    if (slot->payload != 7)
        abort();
}

static void read_property_in_time(struct vm *vm)
{
    struct vm_object *node = hold_a_node(vm, "Node");
    vm_object_set(vm, node, NEXT, vm_int(7));
    if (vm_as_int(vm_object_get(node, NEXT)) != 7)
        abort();
}

static void checked_builds_catch_uses_of_dead_objects(void **state)
{
    (void)state;
    if (SM_ASSERT_LEVEL < 2)
        skip();
    assert_false(is_caught(read_property_in_time));
    assert_true(is_caught(read_property_late));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_object_dies_with_what_it_holds),
        cmocka_unit_test(an_array_takes_its_objects_along),
        cmocka_unit_test(an_object_with_a_weak_reference_stays),
        cmocka_unit_test(what_a_closure_is_bound_to_stays),
        cmocka_unit_test(one_with_a_destructor_stays_until_it_has_run),
        cmocka_unit_test(a_cycle_stays),
        cmocka_unit_test(a_long_list_dies_without_its_depth_on_the_stack),
        cmocka_unit_test(bump_counts_no_objects),
        cmocka_unit_test(checked_builds_catch_uses_of_dead_objects),
    };
    return cmocka_run_group_tests_name("arena_object_deaths", tests, NULL, NULL);
}
