/* Hydration: rows become models with attribute arrays, events and relations that may point back. */
#include "queue.h"

#include <assert.h>

/* Locals of a model's and of a family's frame. */
enum { MODEL, ATTRIBUTES, ARGUMENTS, MODEL_LOCALS };
enum { ORDER, PARENT, ROWS, CHILDREN, COLLECTION, PENDING, TOTAL, FAMILY_LOCALS };

struct sm_value queue_attribute(const struct queue *queue, const struct vm_object *model, enum queue_key key)
{
    return vm_array_get_key(vm_as_array(vm_object_get(model, MODEL_ATTRIBUTES)), queue->keys[key]);
}

/* ---- One model ---- */

/* Attributes and original share the row until a cast writes the attributes. */
static void fill_model(struct queue *queue, struct sm_value row)
{
    struct vm *vm = queue_vm(queue);
    struct vm_object *model = vm_object_new(vm, queue->classes[CLASS_MODEL]);
    vm_local_set(vm, MODEL, vm_object_value(model));
    vm_object_set(vm, model, MODEL_ATTRIBUTES, vm_value_copy(vm, row));
    vm_object_set(vm, model, MODEL_ORIGINAL, vm_value_copy(vm, row));
    vm_object_set(vm, model, MODEL_TABLE, queue_key_value(queue, KEY_ORDERS));
    vm_object_set(vm, model, MODEL_KEY_NAME, queue_key_value(queue, KEY_ID));
    vm_object_set(vm, model, MODEL_EXISTS, vm_bool(true));
    vm_object_set(vm, model, MODEL_TOTAL, vm_int(0));
    queue_work(queue, 4);
}

/* An event object goes to the listeners with its arguments in a list, which dies with the call. */
static void fire_event(struct queue *queue, int64_t kind)
{
    struct vm *vm = queue_vm(queue);
    struct vm_array *arguments = vm_array_new(vm, VM_ARRAY_PACKED, 0);
    vm_local_set(vm, ARGUMENTS, vm_array_value(arguments));
    vm_array_append(vm, arguments, vm_object_value(vm_object_new(vm, queue->classes[CLASS_EVENT])));
    vm_array_append(vm, arguments, vm_value_copy(vm, vm_local_get(vm, MODEL)));
    const struct vm_array *listeners = vm_as_array(vm_object_get(queue->container, CONTAINER_LISTENERS));
    struct vm_array_entry entry;
    for (size_t position = 0; vm_array_next(listeners, &position, &entry);)
        if (vm_as_int(vm_object_get(vm_as_object(entry.value), CALLBACK_KIND)) == kind)
            vm_object_set(vm, vm_as_object(entry.value), CALLBACK_RESULT, vm_int(kind));
    queue_work(queue, 3);
    vm_local_set(vm, ARGUMENTS, vm_undef());
}

/* What changed since the row was read: a list of names, made for every save and thrown away. */
static void compare_original(struct queue *queue)
{
    struct vm *vm = queue_vm(queue);
    struct vm_object *model = queue_local_object(queue, MODEL);
    const struct vm_array *original = vm_as_array(vm_object_get(model, MODEL_ORIGINAL));
    struct vm_array *changed = vm_array_new(vm, VM_ARRAY_HASH, 0);
    vm_local_set(vm, ATTRIBUTES, vm_array_value(changed));
    struct vm_array_entry entry;
    const struct vm_array *attributes = vm_as_array(vm_object_get(model, MODEL_ATTRIBUTES));
    for (size_t position = 0; vm_array_next(attributes, &position, &entry);)
        if (vm_tag_of(vm_array_get_key(original, entry.key)) != vm_tag_of(entry.value))
            vm_array_set_key(vm, changed, entry.key, vm_value_copy(vm, entry.value));
    vm_object_set(vm, model, MODEL_TOTAL, vm_int((int64_t)vm_array_count(changed)));
    queue_work(queue, 4);
    vm_local_set(vm, ATTRIBUTES, vm_undef());
}

/* `row` is borrowed; the caller has it rooted. Returns owned. */
static struct vm_object *hydrate(struct queue *queue, struct sm_value row)
{
    struct vm *vm = queue_vm(queue);
    vm_frame_enter(vm, MODEL_LOCALS);
    fill_model(queue, row);
    fire_event(queue, 0);
    queue_cast_date(queue, queue_local_object(queue, MODEL), KEY_CREATED_AT);
    queue_cast_date(queue, queue_local_object(queue, MODEL), KEY_UPDATED_AT);
    compare_original(queue);
    queue_log_detail(queue, queue_local_object(queue, MODEL));
    vm_safepoint(vm);
    struct sm_value model = vm_local_take(vm, MODEL);
    vm_frame_leave(vm);
    return vm_as_object(model);
}

/* ---- Families ---- */

static int64_t order_id(const struct queue *queue)
{
    return vm_as_int(vm_array_get_key(queue_local_array(queue, ORDER), queue->keys[KEY_ID]));
}

static void hydrate_parent(struct queue *queue)
{
    struct vm *vm = queue_vm(queue);
    vm_local_set(vm, ROWS, queue_query(queue, "orders", queue_local_array(queue, ORDER), order_id(queue)));
    struct sm_value row = vm_array_get_index(queue_local_array(queue, ROWS), 0);
    vm_local_set(vm, PARENT, vm_object_value(hydrate(queue, row)));
    if (queue->options.linked)
        vm_object_set(vm, queue_local_object(queue, PARENT), MODEL_CONTAINER,
                      vm_value_copy(vm, vm_object_value(queue->container)));
}

/* The document goes before the models come. */
static void fetch_items(struct queue *queue)
{
    struct vm *vm = queue_vm(queue);
    struct sm_value items = vm_array_get_key(queue_local_array(queue, ORDER), queue->keys[KEY_ITEMS]);
    vm_local_set(vm, ROWS, queue_query(queue, "items", vm_as_array(items), order_id(queue)));
    vm_local_set(vm, ORDER, vm_undef());
}

static void hydrate_children(struct queue *queue, bool cyclic)
{
    struct vm *vm = queue_vm(queue);
    vm_local_set(vm, CHILDREN, vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 0)));
    struct vm_array_entry entry;
    for (size_t position = 0; vm_array_next(vm_as_array(vm_local_get(vm, ROWS)), &position, &entry);) {
        struct vm_object *child = hydrate(queue, entry.value);
        vm_array_append(vm, vm_as_array(vm_local_get(vm, CHILDREN)), vm_object_value(child));
        if (cyclic)
            vm_object_set(vm, child, MODEL_PARENT, vm_value_copy(vm, vm_local_get(vm, PARENT)));
        queue_work(queue, 2);
        vm_safepoint(vm);
    }
}

/* $parent->relations = ["items" => new Collection($children)]. */
/* List and collection stay in variables until the function ends, as in PHP, where that makes them possible roots. */
static void set_relation(struct queue *queue)
{
    struct vm *vm = queue_vm(queue);
    assert(vm_tag_of(vm_local_get(vm, CHILDREN)) == VM_ARRAY);
    struct vm_object *collection = vm_object_new(vm, queue->classes[CLASS_COLLECTION]);
    vm_local_set(vm, COLLECTION, vm_object_value(collection));
    vm_object_set(vm, collection, COLLECTION_ITEMS, vm_value_copy(vm, vm_local_get(vm, CHILDREN)));
    vm_object_set(vm, collection, COLLECTION_CLASS, queue_key_value(queue, KEY_ITEMS));
    struct vm_array *relations = vm_array_new(vm, VM_ARRAY_HASH, 0);
    vm_array_set_key(vm, relations, queue->keys[KEY_ITEMS], vm_value_copy(vm, vm_local_get(vm, COLLECTION)));
    vm_object_set(vm, queue_local_object(queue, PARENT), MODEL_RELATIONS, vm_array_value(relations));
}

/* Closures that wait for the children: each is bound to the parent and carries its arguments. */
static void queue_callbacks(struct queue *queue)
{
    struct vm *vm = queue_vm(queue);
    vm_local_set(vm, PENDING, vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 0)));
    for (int64_t kind = 0; kind < 2; kind++) {
        struct vm_object *callback = vm_object_new(vm, queue->classes[CLASS_CALLBACK]);
        struct vm_array *arguments = vm_array_new(vm, VM_ARRAY_PACKED, 0);
        vm_object_set(vm, callback, CALLBACK_KIND, vm_int(kind));
        vm_object_set(vm, callback, CALLBACK_TARGET, vm_value_copy(vm, vm_local_get(vm, PARENT)));
        vm_object_set(vm, callback, CALLBACK_ARGUMENTS, vm_array_value(arguments));
        vm_array_append(vm, arguments, vm_int(kind + 1));
        vm_array_append(vm, vm_as_array(vm_local_get(vm, PENDING)), vm_object_value(callback));
    }
}

struct vm_array *queue_children(const struct queue *queue, const struct vm_object *parent)
{
    const struct vm_array *relations = vm_as_array(vm_object_get(parent, MODEL_RELATIONS));
    struct sm_value collection = vm_array_get_key(relations, queue->keys[KEY_ITEMS]);
    assert(vm_tag_of(collection) == VM_OBJECT);
    return vm_as_array(vm_object_get(vm_as_object(collection), COLLECTION_ITEMS));
}

/* Sum of weighted quantities over the children, through a PHP reference as a by-reference loop does. */
static int64_t run_callback(struct queue *queue, const struct vm_object *callback)
{
    struct vm *vm = queue_vm(queue);
    const struct vm_object *parent = vm_as_object(vm_object_get(callback, CALLBACK_TARGET));
    const struct vm_array *arguments = vm_as_array(vm_object_get(callback, CALLBACK_ARGUMENTS));
    int64_t weight = vm_as_int(vm_array_get_index(arguments, 0));
    struct vm_reference *total = vm_reference_new(vm, vm_int(0));
    vm_local_set(vm, TOTAL, vm_heap_value(total, VM_REFERENCE));
    struct vm_array_entry entry;
    for (size_t position = 0; vm_array_next(queue_children(queue, parent), &position, &entry);) {
        struct sm_value quantity = queue_attribute(queue, vm_as_object(entry.value), KEY_QUANTITY);
        vm_reference_set(vm, total, vm_int(vm_as_int(total->value) + weight * vm_as_int(quantity)));
        queue_work(queue, 1);
    }
    return vm_as_int(total->value);
}

static void run_callbacks(struct queue *queue)
{
    struct vm *vm = queue_vm(queue);
    int64_t sum = 0;
    struct vm_array_entry entry;
    for (size_t position = 0; vm_array_next(vm_as_array(vm_local_get(vm, PENDING)), &position, &entry);) {
        struct vm_object *callback = vm_as_object(entry.value);
        int64_t result = run_callback(queue, callback);
        vm_object_set(vm, callback, CALLBACK_RESULT, vm_int(result));
        sum += result;
        vm_safepoint(vm);
    }
    vm_object_set(vm, queue_local_object(queue, PARENT), MODEL_TOTAL, vm_int(sum));
}

struct vm_object *queue_hydrate_order(struct queue *queue, struct sm_value order, bool cyclic)
{
    struct vm *vm = queue_vm(queue);
    vm_frame_enter(vm, FAMILY_LOCALS);
    vm_local_set(vm, ORDER, order);
    hydrate_parent(queue);
    fetch_items(queue);
    hydrate_children(queue, cyclic);
    set_relation(queue);
    queue_callbacks(queue);
    run_callbacks(queue);
    struct sm_value parent = vm_local_take(vm, PARENT);
    vm_frame_leave(vm);
    return vm_as_object(parent);
}

/* ---- Reading back ---- */

/* Depth 3 reaches the attributes' dates and what they hold; edges between models are followed by hand. */
static void fold_model(struct queue *queue, const struct vm_object *model)
{
    struct vm_session *session = &queue->session;
    vm_session_fold_value(session, vm_object_get(model, MODEL_ATTRIBUTES), 3);
    vm_session_fold(session, vm_object_get(model, MODEL_TOTAL).payload);
    struct sm_value parent = vm_object_get(model, MODEL_PARENT);
    bool points_back = vm_tag_of(parent) == VM_OBJECT;
    vm_session_fold(session, points_back ? queue_attribute(queue, vm_as_object(parent), KEY_ID).payload : 0);
    bool linked = vm_tag_of(vm_object_get(model, MODEL_CONTAINER)) == VM_OBJECT;
    vm_session_fold(session, linked);
}

void queue_fold_family(struct queue *queue, const struct vm_object *parent)
{
    struct vm_array_entry entry;
    fold_model(queue, parent);
    for (size_t position = 0; vm_array_next(queue_children(queue, parent), &position, &entry);)
        fold_model(queue, vm_as_object(entry.value));
}
