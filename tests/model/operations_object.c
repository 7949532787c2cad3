/* Operations on closures, generators, weak maps and the pending exception. They run inside a vm_try. */
#include "model.h"

/* What runs in the middle of an operation finds the model, and the node that it belongs to, on the VM. */
static struct model *model_of(struct vm *vm)
{
    return (struct model *)vm_context(vm);
}

/* ---- Closures: of one argument, with three bound variables: an id, one by value, one by reference ---- */

enum { CLOSURE_VALUES = 3, CAPTURE_ID = 0, CAPTURE_VALUE = 1, CAPTURE_REFERENCE = 2, ARGUMENT = 0 };

/* The variable bound by value, which a call may write: the next one finds it as it was. */
static struct sm_value write_own_copy(struct vm *vm, const struct vm_closure *closure, struct oracle_value *expected)
{
    struct vm_place place = vm_closure_variable(vm, closure, CAPTURE_VALUE);
    if (expected->kind == ORACLE_ARRAY && oracle_weight(expected) < MODEL_WEIGHT_MAX) {
        struct vm_array *array = vm_array_write(vm, place);
        vm_array_append(vm, array, vm_int(7));
        oracle_array_set(expected->array, false, expected->array->next_index, oracle_int(7));
    }
    return vm_value_copy(vm, *place.slot);
}

/* Returns its own copy of the one bound by value, writes the argument through the reference, and a property of this. */
static struct sm_value closure_body(struct vm *vm, struct vm_closure *closure)
{
    struct model *model = model_of(vm);
    const struct oracle_node *node = model->callee;
    const struct oracle_value *bound = &node->values[0], *by_reference = &node->values[CAPTURE_REFERENCE];
    oracle_set(&model->scratch[1], oracle_copy(&node->values[CAPTURE_VALUE]));
    vm_temporary_push(vm, write_own_copy(vm, closure, &model->scratch[1]));
    if (by_reference->kind == ORACLE_REFERENCE && !by_reference->node->is_frozen) {
        struct sm_value reference = vm_closure_capture(closure, CAPTURE_REFERENCE);
        vm_reference_set(vm, vm_as_reference(reference), vm_local_take(vm, ARGUMENT));
        oracle_set(&by_reference->node->values[0], model_take_scratch(model));
    }
    if (bound->kind == ORACLE_OBJECT) {
        vm_object_set(vm, vm_as_object(closure->bound_this), 1, vm_int((int64_t)node->id));
        oracle_set(&bound->node->values[0], oracle_int((int64_t)node->id));
    }
    return vm_temporary_pop(vm);
}

static const struct vm_function closure_function = {"closure", closure_body, 1, CLOSURE_VALUES, 1};

static void closure_make(struct model *model, struct model_operation operation)
{
    struct sm_value captures[CLOSURE_VALUES] = {vm_undef(), vm_undef(), vm_null()};
    struct oracle_node *object = NULL, *shared = NULL;
    struct model_place place = model_place_target(model, operation.c);
    struct vm_reference *reference = operation.number % 4 == 0 ? NULL : model_reference_make(model, &place, &shared);
    struct vm_object *bound =
        operation.number % 3 == 0 ? NULL : model_source_object(model, (uint8_t)(operation.number >> 8), &object);
    struct oracle_node *node = oracle_node_new(&model->oracle, ORACLE_CLOSURE, CLOSURE_VALUES);
    captures[CAPTURE_ID] = vm_int((int64_t)node->origin);
    captures[CAPTURE_VALUE] = model_copy_source(model, operation.b);
    if (reference != NULL)
        captures[CAPTURE_REFERENCE] = vm_value_copy(model->vm, vm_heap_value(reference, VM_REFERENCE));
    struct sm_value bound_this = bound == NULL ? vm_undef() : vm_value_copy(model->vm, vm_object_value(bound));
    struct vm_closure *closure = vm_closure_new(model->vm, &closure_function, captures, bound_this);
    node->values[CAPTURE_VALUE] = model_take_scratch(model);
    if (reference != NULL)
        node->values[CAPTURE_REFERENCE] = oracle_of_node(ORACLE_REFERENCE, shared);
    if (bound != NULL)
        node->values[0] = oracle_of_node(ORACLE_OBJECT, object);
    struct model_place target = model_place_target(model, operation.a);
    if (target.kind == MODEL_PLACE_NONE)
        vm_value_drop(model->vm, vm_closure_value(closure));
    else
        model_assign(model, &target, vm_closure_value(closure), oracle_of_node(ORACLE_CLOSURE, node));
}

/* The closure, generator or map that a source holds, or the next one's; undefined: there is none. */
static struct sm_value source_of(struct model *model, uint8_t selector, enum oracle_kind kind,
                                 struct oracle_node **node)
{
    struct model_place source = model_place_find(model, selector, kind, false);
    if (source.kind == MODEL_PLACE_NONE)
        return vm_undef();
    *node = oracle_deref(source.oracle)->node;
    return vm_value_deref(model_place_read(model, &source));
}

static void closure_bind(struct model *model, struct model_operation operation)
{
    struct oracle_node *from, *object;
    struct sm_value closure = source_of(model, operation.b, ORACLE_CLOSURE, &from);
    struct vm_object *bound = model_source_object(model, operation.c, &object);
    if (closure.tag == VM_UNDEF || bound == NULL)
        return;
    struct vm_closure *fresh =
        vm_closure_bind(model->vm, vm_as_closure(closure), vm_value_copy(model->vm, vm_object_value(bound)));
    struct oracle_node *node = oracle_node_new(&model->oracle, ORACLE_CLOSURE, CLOSURE_VALUES);
    node->origin = from->origin;
    node->values[0] = oracle_of_node(ORACLE_OBJECT, object);
    node->values[CAPTURE_VALUE] = oracle_copy(&from->values[CAPTURE_VALUE]);
    node->values[CAPTURE_REFERENCE] = from->values[CAPTURE_REFERENCE];
    struct model_place target = model_place_target(model, operation.a);
    if (target.kind == MODEL_PLACE_NONE)
        vm_value_drop(model->vm, vm_closure_value(fresh));
    else
        model_assign(model, &target, vm_closure_value(fresh), oracle_of_node(ORACLE_CLOSURE, node));
}

/* Where a result goes: looked up after the call, which may have replaced what leads there. */
static void keep_result(struct model *model, uint8_t selector, struct sm_value value, struct oracle_value expected)
{
    struct model_place target = model_place_target(model, selector);
    if (target.kind == MODEL_PLACE_NONE || target.kind == MODEL_PLACE_ELEMENT) {
        vm_value_drop(model->vm, value);
        oracle_clear(&expected);
        model_done(model);
        return;
    }
    model_assign(model, &target, value, expected);
}

static void closure_call(struct model *model, struct model_operation operation)
{
    struct sm_value closure = source_of(model, operation.b, ORACLE_CLOSURE, &model->callee);
    if (closure.tag == VM_UNDEF)
        return;
    struct sm_value argument = model_copy_source(model, operation.c);
    struct sm_value result = vm_closure_call(model->vm, vm_as_closure(closure), &argument);
    struct oracle_value expected = model->scratch[1];
    model->scratch[1] = oracle_null();
    keep_result(model, operation.a, result, expected);
}

/* ---- Generators: two yields, then the end; locals: an id, the argument, what the first yield gave ---- */

enum { LOCAL_ID, LOCAL_ARGUMENT, LOCAL_SENT, LOCALS };

static void yielded(struct oracle_node *node, struct oracle_value value)
{
    oracle_set(&node->values[ORACLE_YIELDED], value);
    node->progress.state++;
    node->progress.key++;
}

/* Its own frame, and what was sent, go. */
static void ended(struct oracle_node *node)
{
    for (uint32_t i = 0; i < ORACLE_GENERATOR_VALUES; i++)
        if (i != ORACLE_RETURNED)
            oracle_clear(&node->values[i]);
    node->progress.key = -1;
    node->progress.has_ended = true;
    node->progress.has_frame = false;
}

static enum vm_generator_step first_step(struct model *model, struct vm_generator *generator, struct oracle_node *node)
{
    node->progress.has_begun = true;
    node->has_destructor = true;
    model->destructible++;
    yielded(node, oracle_copy(&node->values[ORACLE_GENERATOR_ARGUMENT]));
    return vm_generator_yield(model->vm, generator,
                              vm_value_copy(model->vm, vm_generator_local_get(generator, LOCAL_ARGUMENT)), 1);
}

/* The allocation may bail out, and then the generator has ended, with what it had written. */
static enum vm_generator_step second_step(struct model *model, struct vm_generator *generator, struct oracle_node *node)
{
    struct vm *vm = model->vm;
    oracle_set(&node->values[ORACLE_GENERATOR_LOCAL], oracle_copy(&node->values[ORACLE_SENT]));
    vm_generator_local_set(vm, generator, LOCAL_SENT, vm_value_copy(vm, vm_generator_sent(generator)));
    struct vm_array *array = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    vm_array_append(vm, array, vm_value_copy(vm, vm_generator_sent(generator)));
    struct oracle_value expected = oracle_array_new();
    oracle_array_set(expected.array, false, 0, oracle_copy(&node->values[ORACLE_SENT]));
    yielded(node, expected);
    return vm_generator_yield(vm, generator, vm_array_value(array), 2);
}

static enum vm_generator_step last_step(struct model *model, struct vm_generator *generator, struct oracle_node *node)
{
    struct sm_value value = vm_value_copy(model->vm, vm_generator_local_get(generator, LOCAL_SENT));
    oracle_set(&node->values[ORACLE_RETURNED], oracle_copy(&node->values[ORACLE_GENERATOR_LOCAL]));
    node->progress.has_returned = true;
    node->has_destructor = false;
    model->destructible--;
    ended(node);
    return vm_generator_return(model->vm, generator, value);
}

static enum vm_generator_step generator_body(struct vm *vm, struct vm_generator *generator)
{
    struct model *model = model_of(vm);
    struct oracle_node *node = model->callee;
    if (vm_generator_state(generator) != node->progress.state)
        model_fail(model, "a generator is continued at %u, and stood at %u", vm_generator_state(generator),
                   node->progress.state);
    if (node->progress.has_begun)
        oracle_set(&node->values[ORACLE_SENT], oracle_copy(&model->scratch[0]));
    switch (node->progress.state) {
    case 0:
        return first_step(model, generator, node);
    case 1:
        return second_step(model, generator, node);
    default:
        return last_step(model, generator, node);
    }
}

/* One passes its argument on, the next comes back itself, though it has ended, and the third does nothing. */
static void generator_finally(struct vm *vm, struct vm_generator *generator)
{
    struct model *model = model_of(vm);
    uint64_t id = (uint64_t)vm_as_int(vm_generator_local_get(generator, LOCAL_ID));
    struct oracle_node *node = model_destructed(model, id);
    if (id % 3 == 0)
        model_put_in_global(model, node, vm_generator_local_get(generator, LOCAL_ARGUMENT),
                            oracle_copy(&node->values[ORACLE_GENERATOR_ARGUMENT]));
    if (id % 3 == 1)
        model_put_in_global(model, node, vm_generator_value(generator), oracle_of_node(ORACLE_GENERATOR, node));
    ended(node);
}

static const struct vm_generator_function generator_function = {"generator", generator_body, generator_finally, LOCALS};

void model_callee_aborted(struct model *model)
{
    struct oracle_node *node = model->callee;
    if (node == NULL || node->kind != ORACLE_GENERATOR || !node->has_destructor || node->progress.has_ended)
        return;
    node->has_destructor = false;
    node->progress.has_ended = true;
    node->progress.key = -1;
    model->destructible--;
}

static void generator_make(struct model *model, struct model_operation operation)
{
    struct oracle_node *node = oracle_node_new(&model->oracle, ORACLE_GENERATOR, ORACLE_GENERATOR_VALUES);
    node->progress = (struct oracle_progress){.key = -1, .has_frame = true};
    struct sm_value arguments[LOCALS] = {vm_int((int64_t)node->id), model_copy_source(model, operation.b), vm_null()};
    struct vm_generator *generator = vm_generator_new(model->vm, &generator_function, arguments, LOCALS);
    node->values[ORACLE_GENERATOR_ARGUMENT] = model_take_scratch(model);
    struct model_place target = model_place_target(model, operation.a);
    if (target.kind == MODEL_PLACE_NONE)
        vm_value_drop(model->vm, vm_generator_value(generator));
    else
        model_assign(model, &target, vm_generator_value(generator), oracle_of_node(ORACLE_GENERATOR, node));
}

static void generator_step(struct model *model, struct model_operation operation)
{
    struct oracle_node *node = NULL;
    struct sm_value value = source_of(model, operation.b, ORACLE_GENERATOR, &node);
    if (value.tag == VM_UNDEF)
        return;
    bool is_sending = operation.c % 3 != 0;
    struct sm_value sent = is_sending ? model_copy_source(model, operation.a) : vm_null();
    /* A yield wraps what is sent, and that may be what another wrapped. */
    if (oracle_weight(&model->scratch[0]) >= MODEL_WEIGHT_MAX) {
        vm_value_drop(model->vm, sent);
        return;
    }
    model->callee = node;
    /* In a temporary, for the step may drop the last holder. */
    vm_temporary_push(model->vm, vm_value_copy(model->vm, value));
    if (is_sending)
        (void)vm_generator_send(model->vm, vm_as_generator(value), sent);
    else
        vm_generator_next(model->vm, vm_as_generator(value));
    model->callee = NULL;
    if (vm_generator_valid(model->vm, vm_as_generator(value)) == node->progress.has_ended)
        model_fail(model, "generator %llu is not as far as it should be", (unsigned long long)node->id);
    vm_value_drop(model->vm, vm_temporary_pop(model->vm));
    model_done(model);
}

/* ---- Weak maps ---- */

static void map_make(struct model *model, struct model_operation operation)
{
    struct model_place target = model_place_target(model, operation.a);
    if (target.kind == MODEL_PLACE_NONE)
        return;
    struct vm_weak_map *map = vm_weak_map_new(model->vm);
    struct oracle_node *node = oracle_node_new(&model->oracle, ORACLE_MAP, ORACLE_VALUES_MAX);
    model_assign(model, &target, vm_weak_map_value(map), oracle_of_node(ORACLE_MAP, node));
}

/* The entry of a key, or with none an unused one; NULL: the map is full. */
static struct oracle_value *entry_of(struct oracle_node *map, const struct oracle_node *key)
{
    struct oracle_value *unused = NULL;
    for (uint32_t i = 0; i < map->value_count; i++) {
        struct oracle_value *entry = &map->values[i];
        bool is_used = entry->kind == ORACLE_ENTRY && entry->node->target != NULL;
        if (is_used && entry->node->target == key)
            return entry;
        if (!is_used && unused == NULL)
            unused = entry;
    }
    return unused;
}

static bool is_entry_of(const struct oracle_value *entry, const struct oracle_node *key)
{
    return entry != NULL && entry->kind == ORACLE_ENTRY && entry->node->target == key;
}

static void map_set(struct model *model, struct model_operation operation)
{
    struct oracle_node *node, *key;
    struct sm_value map = source_of(model, operation.a, ORACLE_MAP, &node);
    struct vm_object *object = model_source_object(model, operation.b, &key);
    if (map.tag == VM_UNDEF || object == NULL)
        return;
    struct oracle_value *entry = entry_of(node, key);
    if (entry == NULL)
        return;
    struct sm_value value = model_copy_source(model, operation.c);
    vm_weak_map_set(model->vm, vm_as_weak_map(map), vm_object_value(object), value);
    if (!is_entry_of(entry, key)) {
        struct oracle_node *fresh = oracle_node_new(&model->oracle, ORACLE_ENTRY, 1);
        fresh->target = key;
        *entry = oracle_of_node(ORACLE_ENTRY, fresh);
    }
    oracle_set(&entry->node->values[0], model_take_scratch(model));
    model_done(model);
}

static void map_read(struct model *model, struct model_operation operation)
{
    struct oracle_node *node, *key;
    struct sm_value map = source_of(model, operation.b, ORACLE_MAP, &node);
    struct vm_object *object = model_source_object(model, operation.c, &key);
    if (map.tag == VM_UNDEF || object == NULL)
        return;
    const struct oracle_value *entry = entry_of(node, key);
    struct sm_value value = vm_weak_map_get(vm_as_weak_map(map), vm_object_value(object));
    if ((value.tag != VM_UNDEF) != is_entry_of(entry, key))
        model_fail(model, "a weak map says wrongly whether it has a key");
    if (value.tag == VM_UNDEF)
        return;
    struct oracle_value expected = oracle_copy(&entry->node->values[0]);
    keep_result(model, operation.a, vm_value_copy(model->vm, value), expected);
}

static void map_remove(struct model *model, struct model_operation operation)
{
    struct oracle_node *node, *key;
    struct sm_value map = source_of(model, operation.b, ORACLE_MAP, &node);
    struct vm_object *object = model_source_object(model, operation.c, &key);
    if (map.tag == VM_UNDEF || object == NULL)
        return;
    struct oracle_value *entry = entry_of(node, key);
    bool was_there = is_entry_of(entry, key);
    /* The oracle first: what this drops may have a destructor. */
    if (was_there)
        *entry = oracle_null();
    if (vm_weak_map_remove(model->vm, vm_as_weak_map(map), vm_object_value(object)) != was_there)
        model_fail(model, "a weak map says wrongly whether it had a key");
    model_done(model);
}

/* ---- Exceptions ---- */

static void exception_take(struct model *model, struct model_operation operation)
{
    struct model_place target = model_place_target(model, operation.a);
    if (!vm_exception_pending(model->vm) || target.kind == MODEL_PLACE_NONE)
        return;
    struct sm_value exception = vm_exception_take(model->vm);
    struct oracle_value expected = model->exception;
    model->exception = oracle_null();
    model_assign(model, &target, exception, expected);
}

const struct model_action model_object_actions[MODEL_CODE_COUNT] = {
    [MODEL_CLOSURE_MAKE] = {closure_make, false},
    [MODEL_CLOSURE_BIND] = {closure_bind, false},
    [MODEL_CLOSURE_CALL] = {closure_call, false},
    [MODEL_GENERATOR_MAKE] = {generator_make, false},
    [MODEL_GENERATOR_STEP] = {generator_step, false},
    [MODEL_MAP_MAKE] = {map_make, false},
    [MODEL_MAP_SET] = {map_set, false},
    [MODEL_MAP_READ] = {map_read, false},
    [MODEL_MAP_REMOVE] = {map_remove, false},
    [MODEL_EXCEPTION_TAKE] = {exception_take, false},
};
