/* The comparison: what the oracle can reach, read back from the VM's memory. */
#include "model.h"

#include "heap_census.h"
#include "vm_internal.h"

#include <stdlib.h>
#include <unistd.h>

void model_fail(struct model *model, const char *format, ...)
{
    char text[512], line[900];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    snprintf(line, sizeof(line), "policy %s, modes %u, operation %llu (%s): %s", sm_policy_name(model->mm),
             model->config.modes, (unsigned long long)model->operations, model_code_name(model->current.code), text);
    if (model->config.on_finding != NULL)
        model->config.on_finding(line);
    fprintf(stderr, "model: %s\n", line);
    fflush(NULL);
    /* What is still allocated is no news now. */
    _exit(MODEL_FINDING);
}

enum { HASH_DEPTH = 3 };

/* One comparison. Nodes that it met and has not looked into yet are on the stack. */
struct comparison {
    struct model *model;
    bool is_deep, is_settled;
    struct heap_set heap;
    const char *where; /**< the kind of root that led here */
    size_t stacked, capacity;
    struct oracle_node **stack;
};

static void require_in_heap(const struct comparison *comparison, const void *object, const char *what)
{
    if (comparison->is_deep && !heap_set_has(&comparison->heap, object))
        model_fail(comparison->model, "a %s that can be reached from %s is not in the heap", what, comparison->where);
}

static void mismatch(const struct comparison *comparison, const char *what)
{
    model_fail(comparison->model, "%s reached from %s", what, comparison->where);
}

static bool bytes_equal(const struct vm_string *string, const char *bytes, size_t length)
{
    return string->length == length && memcmp(string->data, bytes, length) == 0 && string->data[length] == '\0';
}

static void push(struct comparison *comparison, struct oracle_node *node)
{
    if (comparison->stacked == comparison->capacity) {
        comparison->capacity = comparison->capacity == 0 ? 256 : comparison->capacity * 2;
        comparison->stack = (struct oracle_node **)oracle_memory(comparison->stack,
                                                                 comparison->capacity * sizeof(struct oracle_node *));
    }
    comparison->stack[comparison->stacked++] = node;
}

/* One node is one object, however often it is met. */
static void meet(struct comparison *comparison, struct oracle_node *node, const struct sm_object *memory)
{
    if (node->memory == memory)
        return;
    if (node->memory != NULL)
        mismatch(comparison, "two different objects stand for one,");
    node->memory = memory;
    push(comparison, node);
}

static void compare(struct comparison *comparison, struct sm_value value, struct oracle_value *expected);

static void compare_key(const struct comparison *comparison, const struct vm_array_entry *entry,
                        const struct oracle_element *element)
{
    char text[ORACLE_KEY_BYTES];
    if (!element->is_text) {
        if (entry->key != NULL || entry->index != element->key)
            mismatch(comparison, "a wrong integer key in an array");
        return;
    }
    if (entry->key == NULL)
        mismatch(comparison, "an integer key where a string is expected in an array");
    require_in_heap(comparison, entry->key, "key");
    oracle_key_text(element->key, text);
    if (!bytes_equal(entry->key, text, strlen(text)))
        mismatch(comparison, "a wrong string key in an array");
}

static void compare_array(struct comparison *comparison, const struct vm_array *array, struct oracle_array *expected)
{
    struct vm_array_entry entry;
    size_t position = 0;
    require_in_heap(comparison, array, "array");
    if (array->storage != NULL)
        require_in_heap(comparison, array->storage, "array's storage");
    if (vm_array_count(array) != expected->count || array->next_index != expected->next_index)
        mismatch(comparison, "a wrong count or next index of an array");
    for (uint32_t i = 0; i < expected->count; i++) {
        if (!vm_array_next(array, &position, &entry))
            mismatch(comparison, "an element too few in an array");
        compare_key(comparison, &entry, &expected->elements[i]);
        compare(comparison, entry.value, &expected->elements[i].value);
    }
    if (vm_array_next(array, &position, &entry))
        mismatch(comparison, "an element too many in an array");
}

static void compare_weak(struct comparison *comparison, struct sm_value value, struct oracle_value *expected)
{
    struct model *model = comparison->model;
    struct vm_object *object = vm_weak_get(model->vm, value);
    struct oracle_node *node = expected->node;
    if (object == NULL) {
        if (node != NULL && node->is_certain)
            mismatch(comparison, "no answer for a living object from a weak reference");
        expected->node = NULL;
        return;
    }
    if (node == NULL)
        mismatch(comparison, "an answer for an object that died before from a weak reference");
    require_in_heap(comparison, object, "target of a weak reference");
    if ((uint64_t)vm_as_int(vm_object_get(object, 0)) != node->id)
        mismatch(comparison, "an answer for another object from a weak reference");
    if (comparison->is_settled && !node->is_reachable)
        mismatch(comparison, "an answer for a dead object, after settling, from a weak reference");
}

/* What an array holds may be the reference or, in a copy, what was in it; it is never written again, so both read alike. */
static void compare_reference(struct comparison *comparison, struct sm_value value, struct oracle_value *expected)
{
    struct oracle_node *node = expected->node;
    if (vm_tag_of(value) == VM_REFERENCE) {
        require_in_heap(comparison, sm_value_object(value), "reference");
        if (!node->is_frozen) {
            meet(comparison, node, sm_value_object(value));
            return;
        }
    } else if (!node->is_frozen) {
        mismatch(comparison, "a plain value where a reference is expected,");
    }
    /* Frozen ones are looked into once, or a cycle through one would not end. */
    if (node->memory != NULL)
        return;
    node->memory = sm_value_object(value);
    compare(comparison, vm_value_deref(value), &node->values[0]);
}

/* Kinds that are nodes, by their tags in the VM. */
static uint64_t tag_of(enum oracle_kind kind)
{
    static const uint64_t tags[] = {
        [ORACLE_OBJECT] = VM_OBJECT,   [ORACLE_REFERENCE] = VM_REFERENCE, [ORACLE_ENTRY] = MODEL_TAG_ENTRY,
        [ORACLE_CLOSURE] = VM_CLOSURE, [ORACLE_GENERATOR] = VM_GENERATOR, [ORACLE_MAP] = VM_WEAK_MAP};
    return tags[kind];
}

/* What the VM's side carries of the node's origin; where it carries nothing, the node's own. */
static uint64_t id_of(struct sm_value value, const struct oracle_node *node)
{
    switch (node->kind) {
    case ORACLE_OBJECT:
        return (uint64_t)vm_as_int(vm_object_get(vm_as_object(value), 0));
    case ORACLE_CLOSURE:
        return (uint64_t)vm_as_int(vm_closure_capture(vm_as_closure(value), 0));
    case ORACLE_GENERATOR:
        if (vm_as_generator(value)->frame != NULL)
            return (uint64_t)vm_as_int(vm_generator_local_get(vm_as_generator(value), 0));
        return node->origin;
    default:
        return node->origin;
    }
}

static void compare_node(struct comparison *comparison, struct sm_value value, const struct oracle_value *expected)
{
    require_in_heap(comparison, sm_value_object(value), "object or weak entry");
    if (id_of(value, expected->node) != expected->node->origin)
        mismatch(comparison, "another object than expected,");
    meet(comparison, expected->node, sm_value_object(value));
}

static void require_tag(const struct comparison *comparison, struct sm_value value, uint64_t tag)
{
    if (vm_tag_of(value) == tag)
        return;
    model_fail(comparison->model, "a value of tag %llu where %llu is expected, reached from %s",
               (unsigned long long)vm_tag_of(value), (unsigned long long)tag, comparison->where);
}

static void compare_string(const struct comparison *comparison, struct sm_value value,
                           const struct oracle_value *expected)
{
    require_tag(comparison, value, VM_STRING);
    require_in_heap(comparison, sm_value_object(value), "string");
    if (!bytes_equal(vm_as_string(value), expected->bytes, (size_t)expected->number))
        mismatch(comparison, "a string of other bytes");
}

static void compare(struct comparison *comparison, struct sm_value value, struct oracle_value *expected)
{
    switch (expected->kind) {
    case ORACLE_NULL:
        if (value.tag != VM_UNDEF)
            require_tag(comparison, value, VM_NULL);
        return;
    case ORACLE_INT:
        require_tag(comparison, value, VM_INT);
        if (vm_as_int(value) != expected->number)
            mismatch(comparison, "another integer");
        return;
    case ORACLE_STRING:
        compare_string(comparison, value, expected);
        return;
    case ORACLE_ARRAY:
        require_tag(comparison, value, VM_ARRAY);
        compare_array(comparison, vm_as_array(value), expected->array);
        return;
    case ORACLE_REFERENCE:
        compare_reference(comparison, value, expected);
        return;
    case ORACLE_WEAK:
        require_tag(comparison, value, VM_WEAK);
        require_in_heap(comparison, sm_value_object(value), "weak reference");
        compare_weak(comparison, value, expected);
        return;
    default:
        require_tag(comparison, value, tag_of(expected->kind));
        compare_node(comparison, value, expected);
    }
}

/* ---- What is in a node ---- */

static void compare_object(struct comparison *comparison, struct oracle_node *node)
{
    const struct vm_object *object = (const struct vm_object *)node->memory;
    if (vm_object_property_count(object) != node->value_count + 1 ||
        object->class_entry != comparison->model->classes[node->class_index])
        mismatch(comparison, "an object of another class");
    for (uint32_t i = 0; i < node->value_count; i++)
        compare(comparison, vm_object_get(object, i + 1), &node->values[i]);
}

static void compare_entry(struct comparison *comparison, struct oracle_node *node)
{
    struct model *model = comparison->model;
    struct sm_object *entry = (struct sm_object *)(uintptr_t)node->memory;
    const struct vm_object *target = (const struct vm_object *)sm_weak_get(model->mm, entry);
    if (target != NULL) {
        if (node->target == NULL || (uint64_t)vm_as_int(vm_object_get(target, 0)) != node->target->id)
            mismatch(comparison, "an answer for another target from a weak entry");
        if (comparison->is_settled && !node->target->is_reachable)
            mismatch(comparison, "an answer for a dead target, after settling, from a weak entry");
        compare(comparison, *sm_weak_entry_value(entry), &node->values[0]);
        return;
    }
    if (node->target != NULL && node->target->is_certain)
        mismatch(comparison, "no answer for a living target from a weak entry");
    if (sm_weak_entry_value(entry)->tag != VM_UNDEF)
        mismatch(comparison, "a value that outlasted its target in a weak entry");
    node->target = NULL;
    oracle_clear(&node->values[0]);
}

static void compare_closure(struct comparison *comparison, struct oracle_node *node)
{
    const struct vm_closure *closure = (const struct vm_closure *)node->memory;
    require_in_heap(comparison, closure->captures, "closure's variables");
    compare(comparison, closure->bound_this, &node->values[0]);
    for (uint32_t i = 1; i < node->value_count; i++)
        compare(comparison, vm_closure_capture(closure, i), &node->values[i]);
}

static void compare_generator(struct comparison *comparison, struct oracle_node *node)
{
    const struct vm_generator *generator = (const struct vm_generator *)node->memory;
    const struct oracle_progress *progress = &node->progress;
    if (generator->state != progress->state || generator->key != progress->key ||
        (generator->frame != NULL) != progress->has_frame)
        mismatch(comparison, "a generator that is not as far as it should be");
    compare(comparison, generator->current, &node->values[ORACLE_YIELDED]);
    compare(comparison, generator->returned, &node->values[ORACLE_RETURNED]);
    compare(comparison, generator->sent, &node->values[ORACLE_SENT]);
    if (generator->frame == NULL)
        return;
    require_in_heap(comparison, generator->frame, "generator's frame");
    compare(comparison, vm_generator_local_get(generator, 1), &node->values[ORACLE_GENERATOR_ARGUMENT]);
    compare(comparison, vm_generator_local_get(generator, 2), &node->values[ORACLE_GENERATOR_LOCAL]);
}

/* The oracle's entry of the key with this id. */
static struct oracle_node *map_entry(const struct oracle_node *map, uint64_t id)
{
    for (uint32_t i = 0; i < map->value_count; i++) {
        const struct oracle_value *entry = &map->values[i];
        if (entry->kind == ORACLE_ENTRY && entry->node->target != NULL && entry->node->target->id == id)
            return entry->node;
    }
    return NULL;
}

/* What the VM's map did not show is dead, and must not be certain. */
static void forget_unseen_entries(const struct comparison *comparison, struct oracle_node *map, const void *seen)
{
    for (uint32_t i = 0; i < map->value_count; i++) {
        struct oracle_node *entry = map->values[i].kind == ORACLE_ENTRY ? map->values[i].node : NULL;
        if (entry == NULL || entry->memory == seen)
            continue;
        if (entry->target != NULL && entry->target->is_certain)
            mismatch(comparison, "a living key that is missing in a weak map");
        entry->target = NULL;
        oracle_clear(&entry->values[0]);
    }
}

static void compare_map(struct comparison *comparison, struct oracle_node *node)
{
    const struct vm_weak_map *map = (const struct vm_weak_map *)node->memory;
    struct sm_value key, value;
    size_t position = 0, count = 0;
    require_in_heap(comparison, map->entries, "weak map's table");
    for (; vm_weak_map_next(comparison->model->vm, map, &position, &key, &value); count++) {
        struct oracle_node *entry = map_entry(node, (uint64_t)vm_as_int(vm_object_get(vm_as_object(key), 0)));
        if (entry == NULL || entry->memory == map)
            mismatch(comparison, "a key that should not be there, in a weak map");
        if (comparison->is_settled && !entry->target->is_reachable)
            mismatch(comparison, "a dead key, after settling, in a weak map");
        entry->memory = map;
        compare(comparison, value, &entry->values[0]);
    }
    if (vm_weak_map_count(map) != count)
        mismatch(comparison, "a wrong count of a weak map");
    forget_unseen_entries(comparison, node, map);
}

static void compare_content(struct comparison *comparison, struct oracle_node *node)
{
    switch (node->kind) {
    case ORACLE_OBJECT:
        compare_object(comparison, node);
        break;
    case ORACLE_ENTRY:
        compare_entry(comparison, node);
        break;
    case ORACLE_CLOSURE:
        compare_closure(comparison, node);
        break;
    case ORACLE_GENERATOR:
        compare_generator(comparison, node);
        break;
    case ORACLE_MAP:
        compare_map(comparison, node);
        break;
    default:
        compare(comparison, ((const struct vm_reference *)node->memory)->value, &node->values[0]);
    }
}

static void follow(struct comparison *comparison)
{
    while (comparison->stacked > 0)
        compare_content(comparison, comparison->stack[--comparison->stacked]);
}

/* ---- Roots ---- */

void model_roots(void *context, oracle_visit *visit, void *visitor)
{
    struct model *model = (struct model *)context;
    for (uint32_t i = 0; i < MODEL_GLOBALS + MODEL_RESURRECTED; i++)
        visit(visitor, &model->globals[i]);
    for (uint32_t f = 0; f < model->frame_count; f++) {
        for (uint32_t i = 0; i < MODEL_LOCALS; i++)
            visit(visitor, &model->frames[f].locals[i]);
        for (uint32_t i = 0; i < model->frames[f].temporary_count; i++)
            visit(visitor, &model->frames[f].temporaries[i]);
    }
    for (uint32_t i = 0; i < model->local_count; i++)
        visit(visitor, &model->locals[i].value);
    for (uint32_t i = 0; i < MODEL_PERSISTENT; i++)
        visit(visitor, &model->persistent[i].value);
    visit(visitor, &model->exception);
}

static void compare_root(struct comparison *comparison, const char *where, struct sm_value value,
                         struct oracle_value *expected)
{
    comparison->where = where;
    compare(comparison, value, expected);
    follow(comparison);
    /* Nothing and null read alike here, and not to the hash. */
    if (comparison->is_deep && value.tag != VM_UNDEF &&
        vm_value_hash(comparison->model->vm, value, HASH_DEPTH) != oracle_hash(expected, HASH_DEPTH))
        mismatch(comparison, "content of another hash");
}

/* Only the innermost frame's locals can be asked for; the others are read as it leaves. */
static void compare_places(struct comparison *comparison)
{
    struct model *model = comparison->model;
    struct model_frame *frame = &model->frames[model->frame_count - 1];
    char name[16];
    for (uint32_t i = 0; i < MODEL_GLOBALS + MODEL_RESURRECTED; i++) {
        model_global_name(i, name);
        compare_root(comparison, "a global", vm_global_get(model->vm, name), &model->globals[i]);
    }
    for (uint32_t i = 0; i < MODEL_LOCALS; i++)
        compare_root(comparison, "a local", vm_local_get(model->vm, i), &frame->locals[i]);
}

static void compare_handle(struct comparison *comparison, const char *where, struct model_handle *handle)
{
    struct model *model = comparison->model;
    struct sm_value value;
    if (sm_handle_is_none(handle->handle))
        return;
    if (sm_handle_get(model->mm, handle->handle, &value) != SM_OK)
        model_fail(model, "%s cannot be read: %s", where, sm_error_detail(model->mm));
    compare_root(comparison, where, value, &handle->value);
}

static void compare_buffer(struct comparison *comparison, const struct model_buffer *buffer)
{
    struct model *model = comparison->model;
    void *bytes = NULL;
    size_t byte_count = 0;
    if (sm_handle_is_none(buffer->handle))
        return;
    sm_status status = buffer->is_bytes ? sm_bytes_get(model->mm, buffer->handle, &bytes, &byte_count)
                                        : sm_buffer_view(model->mm, buffer->handle, &bytes, &byte_count);
    if (status != SM_OK)
        model_fail(model, "a buffer cannot be read: %s", sm_error_detail(model->mm));
    if (byte_count != (size_t)buffer->content.number ||
        (byte_count != 0 && memcmp(bytes, buffer->content.bytes, byte_count) != 0))
        model_fail(model, "a buffer holds other bytes");
}

static void compare_all(struct comparison *comparison)
{
    struct model *model = comparison->model;
    compare_places(comparison);
    for (uint32_t i = 0; i < model->local_count; i++)
        compare_handle(comparison, "a local handle", &model->locals[i]);
    for (uint32_t i = 0; i < MODEL_PERSISTENT; i++)
        compare_handle(comparison, "a persistent handle", &model->persistent[i]);
    compare_root(comparison, "the pending exception", model->vm->exception, &model->exception);
    for (uint32_t i = 0; i < MODEL_BUFFERS; i++)
        compare_buffer(comparison, &model->buffers[i]);
}

/* ---- What must be gone ---- */

/* Where counts are exact, what counting alone finds dead is dead at once, and its destructor has run. */
static void require_prompt_deaths(struct model *model)
{
    for (size_t i = 0; i < model->oracle.count; i++) {
        const struct oracle_node *node = model->oracle.nodes[i];
        if (node != NULL && node->is_peeled && node->has_destructor && node->destructor_runs == 0)
            model_fail(model, "object %llu lost its last holder and its destructor did not run",
                       (unsigned long long)node->id);
    }
}

static void require_nothing_else(struct model *model, const struct heap_set *heap)
{
    struct heap_census census;
    size_t expected = oracle_reachable_objects(&model->oracle);
    if (heap->object_count != expected)
        model_fail(model, "%zu objects exist after settling; the oracle reaches %zu", heap->object_count, expected);
    heap_census_take(model->mm, &census);
    if (census.dead_count != 0)
        model_fail(model, "%llu of %llu blocks are unreachable and exist after settling",
                   (unsigned long long)census.dead_count, (unsigned long long)census.object_count);
}

static bool counts_are_exact(const struct model *model)
{
    return model->bailout_total == 0 && vm_destructor_failures(model->vm) == 0;
}

void model_check(struct model *model, bool is_settled)
{
    bool is_exact = model->is_exact && (!model->is_counting || counts_are_exact(model));
    struct comparison comparison = {.model = model, .is_settled = is_settled && is_exact};
    comparison.is_deep = model->config.is_deep || is_settled || model->check_count++ % 16 == 0;
    oracle_analyse(&model->oracle, model_roots, model, comparison.is_settled);
    for (size_t i = 0; i < model->oracle.count; i++)
        if (model->oracle.nodes[i] != NULL)
            model->oracle.nodes[i]->memory = NULL;
    if (comparison.is_deep)
        heap_set_fill(&comparison.heap, model->vm);
    compare_all(&comparison);
    if (model->is_counting && counts_are_exact(model))
        require_prompt_deaths(model);
    if (comparison.is_settled)
        require_nothing_else(model, &comparison.heap);
    oracle_prune(&model->oracle, comparison.is_settled || !model->is_counting);
    heap_set_finish(&comparison.heap);
    free(comparison.stack);
}
