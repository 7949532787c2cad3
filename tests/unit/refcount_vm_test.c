/** Policy refcount under the virtual machine: its types' layouts, and what dies in which order. */
#include "refcount/edges.h"

#include "check.h"
#include "manager_internal.h"
#include "sapivm/gc.h"
#include "sapivm/vm.h"
#include "sapivm/weak_map.h"

#include <stdlib.h>

enum { EDGES_MAX = 64, TYPES_MAX = 32, SEEN_MAX = 8 };

static const char *const properties[] = {"a", "b", "c"};

/** What the destructor of class Noting sees; PHP's global variable. */
struct notes {
    uint64_t roots[SEEN_MAX];
    int64_t ids[SEEN_MAX];
    size_t count;
    bool collects;
};

static void note(struct vm *vm, struct vm_object *object)
{
    struct notes *notes = vm_context(vm);
    assert_true(notes->count < SEEN_MAX);
    notes->ids[notes->count] = vm_as_int(vm_object_get(object, 0));
    notes->roots[notes->count++] = vm_gc_status(vm).roots;
    if (notes->collects)
        (void)vm_gc_collect_cycles(vm);
}

static struct vm *vm_open(struct notes *notes)
{
    struct vm_config config = {.manager = {.sapi = SM_SAPI_CLI, .policy = "refcount"}};
    struct sm_error error = {0};
    struct vm *vm = NULL;
    if (vm_create(&config, &vm, &error) != SM_OK)
        fail_msg("%s", error.detail);
    vm_context_set(vm, notes);
    (void)vm_class_define(vm, "Plain", properties, 3, NULL);
    (void)vm_class_define(vm, "Noting", properties, 3, note);
    vm_frame_enter(vm, 4);
    return vm;
}

static void vm_close(struct vm *vm)
{
    vm_frame_leave(vm);
    vm_destroy(vm);
}

static struct sm_value object_of(struct vm *vm, const char *name, int64_t id)
{
    struct vm_object *object = vm_object_new(vm, vm_class_find(vm, name));
    vm_object_set(vm, object, 0, vm_int(id));
    return vm_object_value(object);
}

static struct sm_value text_of(struct vm *vm, const char *text)
{
    return vm_string_value(vm_string_new(vm, text, strlen(text)));
}

/* ---- Layouts. ---- */

struct edge_list {
    struct sm_visitor visitor;
    const struct sm_object *skipped; /**< the storage of a head */
    struct sm_object *targets[EDGES_MAX];
    size_t count;
};

static void list_edge(struct edge_list *list, struct sm_object *target)
{
    if (target == list->skipped)
        return;
    assert_true(list->count < EDGES_MAX);
    list->targets[list->count++] = target;
}

static void list_traced(struct sm_visitor *visitor, struct sm_object *target)
{
    list_edge((struct edge_list *)visitor, target);
}

static struct edge_state list_stepped(struct edge_state state, struct sm_object *child)
{
    list_edge(state.at, child);
    return state;
}

static int compare_targets(const void *left, const void *right)
{
    uintptr_t a = (uintptr_t) * (struct sm_object *const *)left, b = (uintptr_t) * (struct sm_object *const *)right;
    return a < b ? -1 : a > b;
}

struct comparison {
    struct sm_manager *mm;
    size_t compared[TYPES_MAX]; /**< objects, by type */
    size_t edges[TYPES_MAX];
};

static void compare_edges(void *context, struct sm_object *object)
{
    struct comparison *comparison = context;
    const struct sm_type *type = sm_type_get(comparison->mm, object->type);
    struct edge_list traced = {.visitor = {.edge = list_traced}}, stepped = {.count = 0};
    if (type->layout.kind == SM_LAYOUT_HEAD)
        traced.skipped = edges_storage(&type->layout, object);
    sm_trace(comparison->mm, object, &traced.visitor);
    if (traced.skipped != NULL)
        sm_trace(comparison->mm, traced.skipped, &traced.visitor);
    (void)edges_each(&comparison->mm->types, type, object, (struct edge_state){.at = &stepped}, list_stepped);
    qsort(traced.targets, traced.count, sizeof(struct sm_object *), compare_targets);
    qsort(stepped.targets, stepped.count, sizeof(struct sm_object *), compare_targets);
    assert_int_equal(stepped.count, traced.count);
    assert_memory_equal(stepped.targets, traced.targets, traced.count * sizeof(struct sm_object *));
    comparison->compared[object->type]++;
    comparison->edges[object->type] += traced.count;
}

/* One of everything: tombstones, integer and string keys, a weak reference, shared and lone storage. */
static void make_one_of_each(struct vm *vm)
{
    struct vm_array *packed = vm_array_new(vm, VM_ARRAY_PACKED, 0), *hash = vm_array_new(vm, VM_ARRAY_HASH, 0);
    vm_local_set(vm, 0, vm_array_value(packed));
    vm_local_set(vm, 1, vm_array_value(hash));
    struct sm_value holder = object_of(vm, "Plain", 1);
    vm_local_set(vm, 2, holder);
    for (int64_t i = 0; i < 11; i++)
        vm_array_append(vm, packed, i % 2 == 0 ? text_of(vm, "element") : vm_int(i));
    assert_true(vm_array_unset_index(vm, packed, 10));
    for (int64_t i = 0; i < 5; i++) {
        struct sm_value key = text_of(vm, (const char *const[]){"k0", "k1", "k2", "k3", "k4"}[i]);
        vm_array_set_key(vm, hash, vm_as_string(key), i % 2 == 0 ? text_of(vm, "value") : vm_null());
        vm_value_drop(vm, key);
    }
    vm_array_set_index(vm, hash, 7, text_of(vm, "by number"));
    assert_true(vm_array_unset_index(vm, hash, 7));
    vm_object_set(vm, vm_as_object(holder), 1,
                  vm_heap_value(vm_reference_new(vm, text_of(vm, "referred to")), VM_REFERENCE));
    vm_object_set(vm, vm_as_object(holder), 2, vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 4)));
    vm_value_drop(vm, vm_weak_new(vm, vm_as_object(holder)));
    vm_local_set(vm, 3, vm_weak_map_value(vm_weak_map_new(vm)));
}

static void layouts_say_what_trace_says(void **state)
{
    (void)state;
    struct vm *vm = vm_open(NULL);
    make_one_of_each(vm);
    struct comparison comparison = {.mm = vm_manager(vm), .compared = {0}};
    sm_walk(comparison.mm, compare_edges, &comparison);
    const struct vm_types *types = vm_types(vm);
    const sm_type_id needed[] = {types->array,  types->packed,    types->hash,
                                 types->object, types->reference, types->class_entry};
    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
        assert_true(comparison.compared[needed[i]] > 0);
        assert_true(comparison.edges[needed[i]] > 0);
    }
    assert_true(comparison.compared[types->string] > 0 && comparison.compared[types->weak_map] > 0);
    vm_close(vm);
}

/* ---- Deaths. ---- */

/* It has lost a count and is in the root buffer. */
static void make_root(struct vm *vm, uint32_t local)
{
    vm_value_drop(vm, vm_value_copy(vm, vm_local_get(vm, local)));
}

/* PHP 8.2.36, gc_status()['roots'] in the destructor: 1 for an object, whose slot goes with its memory; 0 for an array. */
static void a_dying_root_keeps_its_slot_as_long_as_in_php(void **state)
{
    (void)state;
    struct notes notes = {.count = 0};
    struct vm *vm = vm_open(&notes);
    vm_local_set(vm, 0, object_of(vm, "Plain", 1));
    vm_object_set(vm, vm_as_object(vm_local_get(vm, 0)), 1, object_of(vm, "Noting", 2));
    make_root(vm, 0);
    assert_int_equal(vm_gc_status(vm).roots, 1);
    vm_local_set(vm, 0, vm_null());
    struct vm_array *list = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    vm_local_set(vm, 0, vm_array_value(list));
    vm_array_append(vm, list, object_of(vm, "Noting", 3));
    make_root(vm, 0);
    assert_int_equal(vm_gc_status(vm).roots, 1);
    vm_local_set(vm, 0, vm_null());
    assert_int_equal(notes.count, 2);
    assert_int_equal(notes.roots[0], 1);
    assert_int_equal(notes.roots[1], 0);
    assert_int_equal(vm_gc_status(vm).roots, 0);
    vm_close(vm);
}

static void elements_of_a_hash_die_in_order(void **state)
{
    (void)state;
    struct notes notes = {.count = 0};
    struct vm *vm = vm_open(&notes);
    struct vm_array *hash = vm_array_new(vm, VM_ARRAY_HASH, 0);
    vm_local_set(vm, 0, vm_array_value(hash));
    for (int64_t i = 0; i < 4; i++)
        vm_array_set_index(vm, hash, 10 - i, object_of(vm, "Noting", i));
    vm_local_set(vm, 0, vm_null());
    assert_int_equal(notes.count, 4);
    for (int64_t i = 0; i < 4; i++)
        assert_int_equal(notes.ids[i], i);
    vm_close(vm);
}

/* Objects that wait for their death, in the buffer, when a destructor before theirs collects: a run leaves them alone. */
static void a_run_inside_a_death_leaves_what_dies_alone(void **state)
{
    (void)state;
    struct notes notes = {.collects = true};
    struct vm *vm = vm_open(&notes);
    uint64_t before = sm_live_objects(vm_manager(vm));
    struct sm_value parent = object_of(vm, "Plain", 1), sibling = object_of(vm, "Plain", 3);
    vm_local_set(vm, 0, parent);
    vm_object_set(vm, vm_as_object(parent), 1, object_of(vm, "Noting", 2));
    vm_local_set(vm, 1, vm_value_copy(vm, sibling));
    vm_object_set(vm, vm_as_object(parent), 2, sibling);
    struct sm_value kept = object_of(vm, "Plain", 4);
    vm_object_set(vm, vm_as_object(sibling), 1, vm_value_copy(vm, kept));
    vm_local_set(vm, 2, kept);
    vm_local_set(vm, 1, vm_null()); /* the sibling is a root, and so is, by this, the parent */
    make_root(vm, 0);
    assert_int_equal(vm_gc_status(vm).roots, 2);
    vm_local_set(vm, 0, vm_null());
    assert_int_equal(notes.count, 1);
    assert_int_equal(notes.roots[0], 2);
    assert_int_equal(vm_gc_status(vm).runs, 1);
    assert_int_equal(vm_gc_status(vm).collected, 0);
    assert_int_equal(sm_value_object(kept)->count, 1);
    assert_int_equal(sm_live_objects(vm_manager(vm)), before + 1);
    vm_close(vm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layouts_say_what_trace_says),
        cmocka_unit_test(a_dying_root_keeps_its_slot_as_long_as_in_php),
        cmocka_unit_test(elements_of_a_hash_die_in_order),
        cmocka_unit_test(a_run_inside_a_death_leaves_what_dies_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
