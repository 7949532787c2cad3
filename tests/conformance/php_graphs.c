/* Cycles of arrays and objects, through references and properties. php-src: gc_004 to gc_015, gc_018, gc_032, gc_035. */
#include "php_case.h"

/* $a = []; $a[] = &$a; */
static struct sm_value array_in_itself(struct vm *vm)
{
    struct vm_reference *self = vm_reference_new(vm, vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 0)));
    php_reference_append(vm, self, vm_value_copy(vm, php_reference_value(self)));
    return php_reference_value(self);
}

/* PHP 8.2: 1. References are not counted among what was collected. */
static void php_01_array_in_itself_by_reference(struct vm_fixture *fixture)
{
    php_graph_case(fixture, array_in_itself, 1);
}

/* $a = [[]]; $a[0][] = &$a[0]; */
static struct sm_value inner_array_in_itself(struct vm *vm)
{
    struct sm_value inner = array_in_itself(vm);
    return php_list(vm, 1, &inner);
}

/* PHP 8.2: 1. The outer array is in no cycle and dies at its drop. */
static void php_02_inner_array_in_itself(struct vm_fixture *fixture)
{
    php_graph_case(fixture, inner_array_in_itself, 1);
}

static struct sm_value object_in_itself(struct vm *vm)
{
    struct vm_object *object = php_plain(vm);
    php_link(vm, object, PHP_P, object);
    return vm_object_value(object);
}

/* PHP 8.2: 1. */
static void php_03_object_in_its_own_property(struct vm_fixture *fixture)
{
    php_graph_case(fixture, object_in_itself, 1);
}

static struct sm_value two_objects(struct vm *vm)
{
    struct vm_object *first = php_plain(vm), *second = php_plain(vm);
    vm_object_set(vm, first, PHP_P, vm_object_value(second));
    php_link(vm, second, PHP_P, first);
    return vm_object_value(first);
}

/* PHP 8.2: 2. */
static void php_04_two_objects(struct vm_fixture *fixture)
{
    php_graph_case(fixture, two_objects, 2);
}

static struct sm_value object_and_array(struct vm *vm)
{
    struct vm_object *object = php_plain(vm);
    struct sm_value self = php_share(vm, object);
    vm_object_set(vm, object, PHP_P, php_list(vm, 1, &self));
    return vm_object_value(object);
}

/* PHP 8.2: 2. */
static void php_05_object_in_an_array_in_its_property(struct vm_fixture *fixture)
{
    php_graph_case(fixture, object_and_array, 2);
}

/* $a = [new A]; $a[0]->p = &$a; */
static struct sm_value array_and_object(struct vm *vm)
{
    struct vm_object *object = php_plain(vm);
    struct sm_value element = vm_object_value(object);
    struct vm_reference *array = vm_reference_new(vm, php_list(vm, 1, &element));
    vm_object_set(vm, object, PHP_P, vm_value_copy(vm, php_reference_value(array)));
    return php_reference_value(array);
}

/* PHP 8.2: 2. */
static void php_06_array_whose_object_refers_to_it(struct vm_fixture *fixture)
{
    php_graph_case(fixture, array_and_object, 2);
}

/* $o->p = &$o; */
static struct sm_value property_reference(struct vm *vm)
{
    struct vm_object *object = php_plain(vm);
    struct vm_reference *variable = vm_reference_new(vm, vm_object_value(object));
    vm_object_set(vm, object, PHP_P, vm_value_copy(vm, php_reference_value(variable)));
    return php_reference_value(variable);
}

/* PHP 8.2: 1. */
static void php_07_object_through_a_reference_in_its_property(struct vm_fixture *fixture)
{
    php_graph_case(fixture, property_reference, 1);
}

/* $a->p = &$x; $b->p = &$x; $x = [$a, $b]; */
static struct sm_value shared_reference(struct vm *vm)
{
    struct vm_object *first = php_plain(vm), *second = php_plain(vm);
    struct vm_reference *variable = vm_reference_new(vm, vm_null());
    vm_object_set(vm, first, PHP_P, vm_value_copy(vm, php_reference_value(variable)));
    vm_object_set(vm, second, PHP_P, vm_value_copy(vm, php_reference_value(variable)));
    struct sm_value both[] = {php_share(vm, first), vm_object_value(second)};
    vm_reference_set(vm, variable, php_list(vm, 2, both));
    vm_value_drop(vm, php_reference_value(variable));
    return vm_object_value(first);
}

/* PHP 8.2: 3. */
static void php_08_reference_shared_by_two_objects(struct vm_fixture *fixture)
{
    php_graph_case(fixture, shared_reference, 3);
}

/* $a[0] = &$b; $b[0] = &$a; */
static struct sm_value arrays_in_each_other(struct vm *vm)
{
    struct vm_reference *first = vm_reference_new(vm, vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 0)));
    struct vm_reference *second = vm_reference_new(vm, vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 0)));
    php_reference_append(vm, first, vm_value_copy(vm, php_reference_value(second)));
    php_reference_append(vm, second, vm_value_copy(vm, php_reference_value(first)));
    vm_value_drop(vm, php_reference_value(second));
    return php_reference_value(first);
}

/* PHP 8.2: 2. */
static void php_09_two_arrays_in_each_other(struct vm_fixture *fixture)
{
    php_graph_case(fixture, arrays_in_each_other, 2);
}

/* Ten objects, each with [[next], [previous, number]] in a property. */
static struct sm_value nested_arrays(struct vm *vm)
{
    enum { RING = 10 };
    struct vm_object *ring[RING];
    for (int i = 0; i < RING; i++)
        ring[i] = php_plain(vm);
    for (int i = 0; i < RING; i++) {
        struct sm_value next = php_share(vm, ring[(i + 1) % RING]);
        struct sm_value previous[] = {php_share(vm, ring[(i + RING - 1) % RING]), vm_int(i)};
        struct sm_value lists[] = {php_list(vm, 1, &next), php_list(vm, 2, previous)};
        vm_object_set(vm, ring[i], PHP_P, php_list(vm, 2, lists));
    }
    for (int i = 1; i < RING; i++)
        vm_value_drop(vm, vm_object_value(ring[i]));
    return vm_object_value(ring[0]);
}

/* PHP 8.2: 40. */
static void php_10_nested_arrays_of_objects(struct vm_fixture *fixture)
{
    php_graph_case(fixture, nested_arrays, 40);
}

static struct sm_value linked_ring(struct vm *vm)
{
    struct vm_object *first = php_plain(vm), *last = first;
    for (int i = 1; i < 100; i++) {
        struct vm_object *node = php_plain(vm);
        php_link(vm, node, PHP_P, last);
        vm_object_set(vm, last, PHP_Q, vm_object_value(node));
        last = node;
    }
    php_link(vm, last, PHP_Q, first);
    php_link(vm, first, PHP_P, last);
    return vm_object_value(first);
}

/* PHP 8.2: 100. */
static void php_11_doubly_linked_ring(struct vm_fixture *fixture)
{
    php_graph_case(fixture, linked_ring, 100);
}

static struct vm_object *tree(struct vm *vm, int depth, struct vm_object *parent)
{
    struct vm_object *node = php_plain(vm);
    if (parent != NULL)
        php_link(vm, node, PHP_P, parent);
    if (depth > 0) {
        struct sm_value children[3];
        for (int i = 0; i < 3; i++)
            children[i] = vm_object_value(tree(vm, depth - 1, node));
        vm_object_set(vm, node, PHP_Q, php_list(vm, 3, children));
    }
    return node;
}

static struct sm_value tree_with_parents(struct vm *vm)
{
    return vm_object_value(tree(vm, 3, NULL));
}

/* PHP 8.2: 53, of them 13 arrays. */
static void php_12_tree_whose_nodes_know_their_parents(struct vm_fixture *fixture)
{
    php_graph_case(fixture, tree_with_parents, 53);
}

static struct sm_value many_edges(struct vm *vm)
{
    struct vm_object *object = php_plain(vm);
    struct vm_array *list = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    for (int i = 0; i < 1000; i++)
        vm_array_append(vm, list, php_share(vm, object));
    vm_object_set(vm, object, PHP_P, vm_array_value(list));
    return vm_object_value(object);
}

/* PHP 8.2: 2. */
static void php_13_thousand_edges_to_one_object(struct vm_fixture *fixture)
{
    php_wide_case(fixture, many_edges, 2);
}

static struct sm_value clique(struct vm *vm)
{
    enum { MEMBERS = 20 };
    struct vm_object *members[MEMBERS];
    struct sm_value values[MEMBERS];
    for (int i = 0; i < MEMBERS; i++) {
        members[i] = php_plain(vm);
        values[i] = php_share(vm, members[i]);
    }
    struct sm_value all = php_list(vm, MEMBERS, values);
    for (int i = 0; i < MEMBERS; i++)
        vm_object_set(vm, members[i], PHP_P, vm_value_copy(vm, all));
    vm_value_drop(vm, all);
    for (int i = 1; i < MEMBERS; i++)
        vm_value_drop(vm, vm_object_value(members[i]));
    return vm_object_value(members[0]);
}

/* PHP 8.2: 21, for the array is one, shared by all. */
static void php_14_everyone_knows_everyone(struct vm_fixture *fixture)
{
    php_wide_case(fixture, clique, 21);
}

static struct sm_value figure_of_eight(struct vm *vm)
{
    struct vm_object *middle = php_plain(vm);
    for (uint32_t loop = PHP_P; loop <= PHP_Q; loop++) {
        struct vm_object *other = php_plain(vm);
        php_link(vm, other, PHP_P, middle);
        vm_object_set(vm, middle, loop, vm_object_value(other));
    }
    return vm_object_value(middle);
}

/* PHP 8.2: 3. */
static void php_15_two_cycles_through_one_object(struct vm_fixture *fixture)
{
    php_graph_case(fixture, figure_of_eight, 3);
}

static struct sm_value cycle_with_tail(struct vm *vm)
{
    struct vm_object *object = php_plain(vm);
    struct sm_value tail = vm_null();
    for (int i = 0; i < 10; i++) {
        struct vm_object *node = php_plain(vm);
        struct sm_value number = vm_int(i);
        vm_object_set(vm, node, PHP_P, tail);
        vm_object_set(vm, node, PHP_Q, php_list(vm, 1, &number));
        tail = vm_object_value(node);
    }
    php_link(vm, object, PHP_P, object);
    vm_object_set(vm, object, PHP_Q, tail);
    return vm_object_value(object);
}

/* PHP 8.2: 21. What hangs on the cycle and would die without it is counted with it. */
static void php_16_cycle_with_a_tail(struct vm_fixture *fixture)
{
    php_graph_case(fixture, cycle_with_tail, 21);
}

static struct sm_value cycle_with_strings(struct vm *vm)
{
    struct vm_object *object = php_plain(vm);
    php_link(vm, object, PHP_P, object);
    vm_object_set(vm, object, PHP_Q, php_text(vm, "xxx"));
    struct sm_value texts[] = {php_text(vm, "yyy"), php_text(vm, "zzz"), php_text(vm, "zzz")};
    vm_object_set(vm, object, PHP_R, php_list(vm, 3, texts));
    return vm_object_value(object);
}

/* PHP 8.2: 6. Strings that only garbage holds are counted. */
static void php_17_cycle_with_strings(struct vm_fixture *fixture)
{
    php_graph_case(fixture, cycle_with_strings, 6);
}

/* $list = [$a, $b]; $a->p = $list; $b->p = $list; */
static struct sm_value shared_array(struct vm *vm)
{
    struct vm_object *first = php_plain(vm), *second = php_plain(vm);
    struct sm_value both[] = {php_share(vm, first), vm_object_value(second)};
    struct sm_value list = php_list(vm, 2, both);
    vm_object_set(vm, first, PHP_P, vm_value_copy(vm, list));
    vm_object_set(vm, second, PHP_P, list);
    return vm_object_value(first);
}

/* PHP 8.2: 3. */
static void php_18_array_shared_inside_the_cycle(struct vm_fixture *fixture)
{
    php_graph_case(fixture, shared_array, 3);
}

/* $b = &$a; $a[0] = $a; then $a = [[]]; $a[0][0] = $a: arrays are values, so neither is a cycle. */
static struct sm_value array_assigned_into_itself(struct vm *vm)
{
    struct sm_value empty = vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 0));
    struct vm_reference *variable = vm_reference_new(vm, php_list(vm, 1, &empty));
    struct sm_value before = vm_value_copy(vm, variable->value);
    struct vm_array *outer = vm_array_write(vm, (struct vm_place){&variable->header, &variable->value});
    vm_array_append(vm, vm_array_write(vm, vm_array_place_index(outer, 0)), before);
    return php_reference_value(variable);
}

/* PHP 8.2: the array is [[[[]]]], and nothing is left to collect. */
static void php_19_array_assigned_into_itself_is_a_copy(struct vm_fixture *fixture)
{
    struct vm *vm = fixture->vm;
    struct sm_value variable = array_assigned_into_itself(vm);
    struct sm_value level = vm_value_deref(variable);
    for (int depth = 0; depth < 3; depth++) {
        assert_int_equal(vm_array_count(vm_as_array(level)), 1);
        level = vm_array_get_index(vm_as_array(level), 0);
    }
    assert_int_equal(vm_array_count(vm_as_array(level)), 0);
    vm_value_drop(vm, variable);
    php_graph_case(fixture, array_assigned_into_itself, 0);
}

static struct sm_value deep_acyclic(struct vm *vm)
{
    struct sm_value value = vm_null();
    for (int i = 0; i < 3000; i++) {
        struct vm_object *object = php_plain(vm);
        vm_object_set(vm, object, PHP_P, php_list(vm, 1, &value));
        value = vm_object_value(object);
    }
    return value;
}

/* PHP 8.2: gone at the drop; nothing to collect. */
static void php_20_what_is_in_no_cycle_dies_at_once(struct vm_fixture *fixture)
{
    php_graph_case(fixture, deep_acyclic, 0);
}

static const struct vm_case cases[] = {
    VM_CASE(php_01_array_in_itself_by_reference, 0),
    VM_CASE(php_02_inner_array_in_itself, 0),
    VM_CASE(php_03_object_in_its_own_property, 0),
    VM_CASE(php_04_two_objects, 0),
    VM_CASE(php_05_object_in_an_array_in_its_property, 0),
    VM_CASE(php_06_array_whose_object_refers_to_it, 0),
    VM_CASE(php_07_object_through_a_reference_in_its_property, 0),
    VM_CASE(php_08_reference_shared_by_two_objects, 0),
    VM_CASE(php_09_two_arrays_in_each_other, 0),
    VM_CASE(php_10_nested_arrays_of_objects, 0),
    VM_CASE(php_11_doubly_linked_ring, 0),
    VM_CASE(php_12_tree_whose_nodes_know_their_parents, 0),
    VM_CASE(php_13_thousand_edges_to_one_object, 0),
    VM_CASE(php_14_everyone_knows_everyone, 0),
    VM_CASE(php_15_two_cycles_through_one_object, 0),
    VM_CASE(php_16_cycle_with_a_tail, 0),
    VM_CASE(php_17_cycle_with_strings, 0),
    VM_CASE(php_18_array_shared_inside_the_cycle, 0),
    VM_CASE(php_19_array_assigned_into_itself_is_a_copy, 0),
    VM_CASE(php_20_what_is_in_no_cycle_dies_at_once, 0),
};

const struct php_suite php_graphs = PHP_SUITE(cases);
