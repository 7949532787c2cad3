/* Operations of the program: values, arrays, objects, references, weak references, frames. They run inside a vm_try. */
#include "model.h"

/* The copy of a source's value on both sides, references followed; the oracle's is in scratch 0 until somebody takes it. */
struct sm_value model_copy_source(struct model *model, uint8_t selector)
{
    struct model_place source = model_place_source(model, selector);
    if (source.kind == MODEL_PLACE_NONE)
        return vm_null();
    oracle_set(&model->scratch[0], oracle_copy(oracle_deref(source.oracle)));
    struct sm_value value = vm_value_deref(model_place_read(model, &source));
    return vm_value_copy(model->vm, value.tag == VM_UNDEF ? vm_null() : value);
}

struct oracle_value model_take_scratch(struct model *model)
{
    struct oracle_value value = model->scratch[0];
    model->scratch[0] = oracle_null();
    return value;
}

void model_assign(struct model *model, struct model_place *target, struct sm_value value, struct oracle_value expected)
{
    oracle_set(&model->scratch[0], expected);
    model_place_assign(model, target, value);
    model_place_assign_oracle(target, model_take_scratch(model));
    model_done(model);
}

/* ---- New values ---- */

static void set_integer(struct model *model, struct model_operation operation)
{
    struct model_place target = model_place_target(model, operation.a);
    if (target.kind != MODEL_PLACE_NONE)
        model_assign(model, &target, vm_int(operation.number), oracle_int(operation.number));
}

static size_t string_bytes(struct model_operation operation, char *bytes)
{
    size_t length = operation.c % 16 == 0 ? operation.number % 4096u : operation.number % 48u;
    for (size_t i = 0; i < length; i++)
        bytes[i] = (char)('a' + (operation.number + i * 7) % 26);
    return length;
}

static void set_string(struct model *model, struct model_operation operation)
{
    char bytes[4096];
    struct model_place target = model_place_target(model, operation.a);
    if (target.kind == MODEL_PLACE_NONE)
        return;
    size_t length = string_bytes(operation, bytes);
    struct vm_string *string = vm_string_new(model->vm, bytes, length);
    model_assign(model, &target, vm_string_value(string), oracle_string(bytes, length));
}

static void set_array(struct model *model, struct model_operation operation)
{
    struct model_place target = model_place_target(model, operation.a);
    if (target.kind == MODEL_PLACE_NONE)
        return;
    enum vm_array_kind kind = operation.c % 2 == 0 ? VM_ARRAY_PACKED : VM_ARRAY_HASH;
    struct vm_array *array = vm_array_new(model->vm, kind, operation.number % 20u);
    model_assign(model, &target, vm_array_value(array), oracle_array_new());
}

static void set_object(struct model *model, struct model_operation operation)
{
    struct model_place target = model_place_target(model, operation.a);
    struct oracle_node *node;
    if (target.kind == MODEL_PLACE_NONE)
        return;
    struct vm_object *object = model_object_new(model, operation.number % MODEL_CLASSES, &node);
    model_assign(model, &target, vm_object_value(object), oracle_of_node(ORACLE_OBJECT, node));
}

static void assign_value(struct model *model, struct model_operation operation)
{
    struct model_place target = model_place_target(model, operation.a);
    if (target.kind == MODEL_PLACE_NONE)
        return;
    struct sm_value value = model_copy_source(model, operation.b);
    size_t room = target.kind == MODEL_PLACE_ELEMENT ? oracle_weight(target.oracle_base) : 0;
    if (room + oracle_weight(&model->scratch[0]) > MODEL_WEIGHT_MAX) {
        vm_value_drop(model->vm, value);
        return;
    }
    model_place_assign(model, &target, value);
    model_place_assign_oracle(&target, model_take_scratch(model));
    model_done(model);
}

/* The place itself, be it a reference: it leaves the set of those that share one. An element's stays an element. */
static void clear(struct model *model, struct model_operation operation)
{
    struct model_place target = model_place_target(model, operation.a);
    if (target.kind == MODEL_PLACE_NONE)
        return;
    bool may_be_unset = target.kind == MODEL_PLACE_GLOBAL || target.kind == MODEL_PLACE_LOCAL;
    model_place_replace(model, &target, may_be_unset ? vm_undef() : vm_null());
    oracle_clear(target.oracle);
    model_done(model);
}

/* ---- Strings ---- */

static struct vm_place string_place(struct model *model, const struct model_place *target)
{
    char name[16];
    if (target->oracle->kind != ORACLE_STRING)
        return (struct vm_place){NULL, NULL};
    if (target->kind == MODEL_PLACE_LOCAL)
        return vm_local_place(model->vm, target->index);
    if (target->kind == MODEL_PLACE_PROPERTY)
        return vm_object_place(target->object, target->index);
    if (target->kind != MODEL_PLACE_GLOBAL)
        return (struct vm_place){NULL, NULL};
    model_global_name(target->index, name);
    return vm_global_place(model->vm, name);
}

static void string_append(struct model *model, struct model_operation operation)
{
    char bytes[4096];
    struct model_place target = model_place_find(model, operation.a, ORACLE_STRING, true);
    if (target.kind == MODEL_PLACE_NONE)
        return;
    size_t length = string_bytes(operation, bytes);
    struct vm_place place = string_place(model, &target);
    if (place.slot == NULL || (size_t)target.oracle->number + length > MODEL_STRING_MAX)
        return;
    vm_string_append(model->vm, place, bytes, length);
    oracle_string_append(target.oracle, bytes, length);
    model_done(model);
}

/* ---- Arrays ---- */

/* The array of the target, with room for the copied source; NULL: none, and the copy is dropped. */
static struct vm_array *writable(struct model *model, struct model_operation operation, struct sm_value *value,
                                 struct oracle_array **expected)
{
    struct model_place target = model_place_find(model, operation.a, ORACLE_ARRAY, true);
    *value = model_copy_source(model, operation.b);
    struct oracle_value *whole = target.kind == MODEL_PLACE_ELEMENT ? target.oracle_base : target.oracle;
    bool fits = target.kind != MODEL_PLACE_NONE &&
                oracle_weight(oracle_deref(whole)) + oracle_weight(&model->scratch[0]) <= MODEL_WEIGHT_MAX;
    /* On the stack meanwhile: separating the target may take the value's last other holder away, and then allocate. */
    vm_temporary_push(model->vm, *value);
    struct vm_array *array = fits ? model_array_write(model, &target, expected) : NULL;
    (void)vm_temporary_pop(model->vm);
    if (array == NULL)
        vm_value_drop(model->vm, *value);
    return array;
}

static void array_append(struct model *model, struct model_operation operation)
{
    struct sm_value value;
    struct oracle_array *expected;
    struct vm_array *array = writable(model, operation, &value, &expected);
    if (array == NULL)
        return;
    vm_array_append(model->vm, array, value);
    oracle_array_set(expected, false, expected->next_index, model_take_scratch(model));
    model_done(model);
}

static void array_set_index(struct model *model, struct model_operation operation)
{
    struct sm_value value;
    struct oracle_array *expected;
    struct vm_array *array = writable(model, operation, &value, &expected);
    if (array == NULL)
        return;
    /* Near ones stay packed, far and negative ones do not. */
    int64_t index = operation.c % 8 == 0 ? (int64_t)operation.number * 1000 - 1000000 : operation.number % 24;
    vm_array_set_index(model->vm, array, index, value);
    oracle_array_set(expected, false, index, model_take_scratch(model));
    model_done(model);
}

static void array_set_key(struct model *model, struct model_operation operation)
{
    char text[ORACLE_KEY_BYTES];
    struct sm_value value;
    struct oracle_array *expected;
    int64_t number = operation.number % 20;
    bool is_interned = operation.c % 2 == 0;
    oracle_key_text(number, text);
    /* Before the array is looked at: making it may collect. */
    struct vm_string *key =
        is_interned ? vm_intern(model->vm, text, strlen(text)) : vm_string_new(model->vm, text, strlen(text));
    struct vm_array *array = writable(model, operation, &value, &expected);
    if (array != NULL) {
        vm_array_set_key(model->vm, array, key, value);
        oracle_array_set(expected, true, number, model_take_scratch(model));
        model_done(model);
    }
    if (!is_interned)
        vm_value_drop(model->vm, vm_string_value(key));
}

static void array_unset(struct model *model, struct model_operation operation)
{
    struct model_place target = model_place_find(model, operation.a, ORACLE_ARRAY, true);
    struct oracle_array *expected;
    struct vm_array *array = model_array_write(model, &target, &expected);
    if (array == NULL || expected->count == 0)
        return;
    uint32_t position = operation.number % expected->count;
    const struct oracle_element *element = &expected->elements[position];
    struct vm_array_entry entry = {NULL, 0, vm_undef()};
    size_t cursor = 0;
    for (uint32_t i = 0; i <= position; i++)
        (void)vm_array_next(array, &cursor, &entry);
    bool was_there = element->is_text ? entry.key != NULL && vm_array_unset_key(model->vm, array, entry.key)
                                      : vm_array_unset_index(model->vm, array, element->key);
    if (!was_there)
        model_fail(model, "element %u of an array could not be unset", position);
    oracle_array_remove(expected, position);
    model_done(model);
}

/* ---- References ---- */

/* The reference in the place; the value in it becomes one. NULL: the place cannot hold one. */
struct vm_reference *model_reference_make(struct model *model, struct model_place *place, struct oracle_node **node)
{
    if (place->kind == MODEL_PLACE_NONE || place->kind == MODEL_PLACE_ELEMENT || place->kind == MODEL_PLACE_HANDLE)
        return NULL;
    struct sm_value value = model_place_read(model, place);
    if (place->oracle->kind == ORACLE_REFERENCE) {
        *node = place->oracle->node;
        return vm_as_reference(value);
    }
    struct sm_value content = vm_value_copy(model->vm, value.tag == VM_UNDEF ? vm_null() : value);
    struct vm_reference *reference = vm_reference_new(model->vm, content);
    model_place_replace(model, place, vm_heap_value(reference, VM_REFERENCE));
    *node = oracle_node_new(&model->oracle, ORACLE_REFERENCE, 1);
    (*node)->values[0] = *place->oracle;
    *place->oracle = oracle_of_node(ORACLE_REFERENCE, *node);
    return reference;
}

static void reference_bind(struct model *model, struct model_operation operation)
{
    struct oracle_node *node;
    struct model_place target = model_place_target(model, operation.a);
    struct model_place source = model_place_target(model, operation.b);
    if (target.kind == MODEL_PLACE_NONE || target.kind == MODEL_PLACE_ELEMENT || target.kind == MODEL_PLACE_HANDLE)
        return;
    struct vm_reference *reference = model_reference_make(model, &source, &node);
    if (reference == NULL)
        return;
    model_place_replace(model, &target, vm_value_copy(model->vm, vm_heap_value(reference, VM_REFERENCE)));
    oracle_set(target.oracle, oracle_of_node(ORACLE_REFERENCE, node));
    model_done(model);
}

static void reference_to_element(struct model *model, struct model_operation operation)
{
    struct oracle_node *node;
    struct oracle_array *expected;
    struct model_place source = model_place_target(model, operation.b);
    struct vm_reference *reference = model_reference_make(model, &source, &node);
    struct model_place target = model_place_find(model, operation.a, ORACLE_ARRAY, true);
    if (reference == NULL || target.kind == MODEL_PLACE_NONE)
        return;
    struct oracle_value *whole = target.kind == MODEL_PLACE_ELEMENT ? target.oracle_base : target.oracle;
    if (oracle_weight(oracle_deref(whole)) >= MODEL_WEIGHT_MAX)
        return;
    struct vm_array *array = model_array_write(model, &target, &expected);
    if (array == NULL)
        return;
    vm_array_append(model->vm, array, vm_value_copy(model->vm, vm_heap_value(reference, VM_REFERENCE)));
    /* Written never again, so that it does not matter whether a copy of the array shares it. */
    node->is_frozen = true;
    oracle_array_set(expected, false, expected->next_index, oracle_of_node(ORACLE_REFERENCE, node));
    model_done(model);
}

/* ---- Weak references and entries ---- */

/* The object in a source place, or NULL. */
struct vm_object *model_source_object(struct model *model, uint8_t selector, struct oracle_node **node)
{
    struct model_place source = model_place_find(model, selector, ORACLE_OBJECT, false);
    if (source.kind == MODEL_PLACE_NONE)
        return NULL;
    *node = oracle_deref(source.oracle)->node;
    return vm_as_object(vm_value_deref(model_place_read(model, &source)));
}

static void weak_make(struct model *model, struct model_operation operation)
{
    struct oracle_node *node;
    struct model_place target = model_place_target(model, operation.a);
    struct vm_object *object = model_source_object(model, operation.b, &node);
    if (object == NULL || target.kind == MODEL_PLACE_NONE)
        return;
    model_assign(model, &target, vm_weak_new(model->vm, object), oracle_of_node(ORACLE_WEAK, node));
}

static void weak_read(struct model *model, struct model_operation operation)
{
    struct model_place target = model_place_target(model, operation.a);
    struct model_place source = model_place_find(model, operation.b, ORACLE_WEAK, false);
    if (target.kind == MODEL_PLACE_NONE || source.kind == MODEL_PLACE_NONE)
        return;
    const struct oracle_value *weak = oracle_deref(source.oracle);
    struct vm_object *object = vm_weak_get(model->vm, vm_value_deref(model_place_read(model, &source)));
    if (object == NULL) {
        model_assign(model, &target, vm_null(), oracle_null());
        return;
    }
    if (weak->node == NULL || (uint64_t)vm_as_int(vm_object_get(object, 0)) != weak->node->id)
        model_fail(model, "a weak reference answers with another object than the one it was made for");
    model_assign(model, &target, vm_value_copy(model->vm, vm_object_value(object)),
                 oracle_of_node(ORACLE_OBJECT, weak->node));
}

static void entry_make(struct model *model, struct model_operation operation)
{
    struct oracle_node *key;
    struct model_place target = model_place_target(model, operation.a);
    struct vm_object *object = model_source_object(model, operation.b, &key);
    if (object == NULL || target.kind == MODEL_PLACE_NONE)
        return;
    struct sm_value value = model_copy_source(model, operation.c);
    struct sm_object *entry = sm_weak_entry_make(model->mm, &object->header, value);
    vm_value_drop(model->vm, value);
    if (entry == NULL)
        vm_bailout(model->vm, SM_ERR_OUT_OF_MEMORY);
    struct oracle_node *node = oracle_node_new(&model->oracle, ORACLE_ENTRY, 1);
    node->target = key;
    node->values[0] = model_take_scratch(model);
    model_assign(model, &target, sm_value_from_object(entry, MODEL_TAG_ENTRY), oracle_of_node(ORACLE_ENTRY, node));
}

/* The entry in a place while its target lives; the memory says whether it does. */
static struct sm_object *living_entry(struct model *model, uint8_t selector, struct oracle_node **node)
{
    struct model_place source = model_place_find(model, selector, ORACLE_ENTRY, false);
    if (source.kind == MODEL_PLACE_NONE)
        return NULL;
    *node = oracle_deref(source.oracle)->node;
    struct sm_object *entry = sm_value_object(vm_value_deref(model_place_read(model, &source)));
    return sm_weak_get(model->mm, entry) == NULL ? NULL : entry;
}

static void entry_write(struct model *model, struct model_operation operation)
{
    struct oracle_node *node;
    struct sm_object *entry = living_entry(model, operation.b, &node);
    if (entry == NULL)
        return;
    struct sm_value value = model_copy_source(model, operation.c);
    sm_store_take(model->mm, entry, sm_weak_entry_value(entry), value);
    oracle_set(&node->values[0], model_take_scratch(model));
    model_done(model);
}

static void entry_read(struct model *model, struct model_operation operation)
{
    struct oracle_node *node;
    struct model_place target = model_place_target(model, operation.a);
    struct sm_object *entry = living_entry(model, operation.b, &node);
    if (entry == NULL || target.kind == MODEL_PLACE_NONE || target.kind == MODEL_PLACE_ELEMENT)
        return;
    struct sm_value value = *sm_weak_entry_value(entry);
    model_assign(model, &target, vm_value_copy(model->vm, value), oracle_copy(&node->values[0]));
}

/* ---- Frames ---- */

static void temporary_push(struct model *model, struct model_operation operation)
{
    struct model_frame *frame = &model->frames[model->frame_count - 1];
    if (frame->temporary_count == MODEL_TEMPORARIES)
        return;
    vm_temporary_push(model->vm, model_copy_source(model, operation.b));
    frame->temporaries[frame->temporary_count++] = model_take_scratch(model);
    model_done(model);
}

static void temporary_pop(struct model *model, struct model_operation operation)
{
    struct model_frame *frame = &model->frames[model->frame_count - 1];
    struct model_place target = model_place_target(model, operation.a);
    if (frame->temporary_count == 0 || target.kind == MODEL_PLACE_NONE || target.kind == MODEL_PLACE_ELEMENT)
        return;
    /* In two steps: the pop must not be undone when the write is refused. */
    struct sm_value value = vm_temporary_pop(model->vm);
    struct oracle_value expected = frame->temporaries[--frame->temporary_count];
    frame->temporaries[frame->temporary_count] = oracle_null();
    model_assign(model, &target, value, expected);
}

static void frame_enter(struct model *model, struct model_operation operation)
{
    (void)operation;
    if (model->frame_count == MODEL_FRAMES)
        return;
    vm_frame_enter(model->vm, MODEL_LOCALS);
    model->frame_count++;
    model_done(model);
}

static void frame_leave(struct model *model, struct model_operation operation)
{
    (void)operation;
    if (model->frame_count == 1)
        return;
    vm_frame_leave(model->vm);
    struct model_frame *frame = &model->frames[--model->frame_count];
    for (uint32_t i = 0; i < MODEL_LOCALS; i++)
        oracle_clear(&frame->locals[i]);
    while (frame->temporary_count > 0)
        oracle_clear(&frame->temporaries[--frame->temporary_count]);
    model_done(model);
}

/* ---- Pressure ---- */

/* Now and then one large block, which meets a memory limit before small ones do. */
static void garbage(struct model *model, struct model_operation operation)
{
    if (operation.c >= 248) {
        vm_value_drop(model->vm, vm_string_value(vm_string_with_capacity(model->vm, operation.number * (size_t)64)));
        model_done(model);
        return;
    }
    for (unsigned i = 0; i < 1u + operation.c % 16u; i++)
        vm_value_drop(model->vm, vm_string_value(vm_string_with_capacity(model->vm, operation.number % 4000u)));
    model_done(model);
}

/* The oracle first: what this drops may have a destructor that writes here. */
static void resurrected_drop(struct model *model, struct model_operation operation)
{
    char name[16];
    uint32_t index = MODEL_GLOBALS + operation.a % MODEL_RESURRECTED;
    model_global_name(index, name);
    oracle_clear(&model->globals[index]);
    vm_global_set(model->vm, name, vm_null());
    model_done(model);
}

const struct model_action model_value_actions[MODEL_CODE_COUNT] = {
    [MODEL_SET_INTEGER] = {set_integer, false},
    [MODEL_SET_STRING] = {set_string, false},
    [MODEL_SET_ARRAY] = {set_array, false},
    [MODEL_SET_OBJECT] = {set_object, false},
    [MODEL_ASSIGN] = {assign_value, false},
    [MODEL_CLEAR] = {clear, false},
    [MODEL_STRING_APPEND] = {string_append, false},
    [MODEL_ARRAY_APPEND] = {array_append, false},
    [MODEL_ARRAY_SET_INDEX] = {array_set_index, false},
    [MODEL_ARRAY_SET_KEY] = {array_set_key, false},
    [MODEL_ARRAY_UNSET] = {array_unset, false},
    [MODEL_REFERENCE_BIND] = {reference_bind, false},
    [MODEL_REFERENCE_TO_ELEMENT] = {reference_to_element, false},
    [MODEL_WEAK_MAKE] = {weak_make, false},
    [MODEL_WEAK_READ] = {weak_read, false},
    [MODEL_ENTRY_MAKE] = {entry_make, false},
    [MODEL_ENTRY_WRITE] = {entry_write, false},
    [MODEL_ENTRY_READ] = {entry_read, false},
    [MODEL_TEMPORARY_PUSH] = {temporary_push, false},
    [MODEL_TEMPORARY_POP] = {temporary_pop, false},
    [MODEL_FRAME_ENTER] = {frame_enter, false},
    [MODEL_FRAME_LEAVE] = {frame_leave, false},
    [MODEL_GARBAGE] = {garbage, false},
    [MODEL_RESURRECTED_DROP] = {resurrected_drop, false},
};
