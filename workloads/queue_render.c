/* From models to text: attribute arrays made presentable, then appended piece by piece. */
#include "queue.h"

/* Locals of a rendering frame: the array under construction, and the attributes that go into it. */
enum { PRESENTED, VISIBLE, RENDER_LOCALS };

/* What an attribute is shown as: text escaped, dates as text, numbers as they are. Owned. */
static struct sm_value present(struct vm *vm, struct sm_value value)
{
    switch (vm_tag_of(value)) {
    case VM_STRING:
        return vm_string_value(text_escape(vm, vm_as_string(value)));
    case VM_OBJECT:
        return vm_string_value(
            queue_date_text(vm, vm_as_int(vm_object_get(vm_as_object(value), DATE_TIMESTAMP)), QUEUE_DATE_SHOWN));
    default:
        return vm_value_copy(vm, value);
    }
}

/* The names of hidden attributes as keys, as array_flip() makes them: a temporary array, owned. */
static struct sm_value flip_hidden(struct queue *queue)
{
    static const enum queue_key hidden[] = {KEY_DSN, KEY_HOST};
    struct vm *vm = queue_vm(queue);
    struct vm_array *flipped = vm_array_new(vm, VM_ARRAY_HASH, 0);
    for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++)
        vm_array_set_key(vm, flipped, queue->keys[hidden[i]], vm_int((int64_t)i));
    queue_work(queue, 1);
    return vm_array_value(flipped);
}

/* array_diff_key() of the attributes and the hidden ones: another temporary array, owned. */
static struct sm_value visible_attributes(struct queue *queue, const struct vm_object *model)
{
    struct vm *vm = queue_vm(queue);
    struct sm_value hidden = flip_hidden(queue);
    struct vm_array *visible = vm_array_new(vm, VM_ARRAY_HASH, 0);
    const struct vm_array *attributes = vm_as_array(vm_object_get(model, MODEL_ATTRIBUTES));
    struct vm_array_entry entry;
    for (size_t position = 0; vm_array_next(attributes, &position, &entry);)
        if (vm_tag_of(vm_array_get_key(vm_as_array(hidden), entry.key)) == VM_UNDEF)
            vm_array_set_key(vm, visible, entry.key, vm_value_copy(vm, entry.value));
    vm_value_drop(vm, hidden);
    queue_work(queue, 1);
    return vm_array_value(visible);
}

/* toArray(): a new array with every attribute as text, owned. */
static struct sm_value model_to_array(struct queue *queue, const struct vm_object *model)
{
    struct vm *vm = queue_vm(queue);
    if (queue_has_mutator(queue, KEY_CREATED_AT))
        return vm_array_value(vm_array_new(vm, VM_ARRAY_HASH, 0));
    vm_frame_enter(vm, RENDER_LOCALS);
    vm_local_set(vm, VISIBLE, visible_attributes(queue, model));
    struct vm_array *presented = vm_array_new(vm, VM_ARRAY_HASH, 0);
    vm_local_set(vm, PRESENTED, vm_array_value(presented));
    struct vm_array_entry entry;
    for (size_t position = 0; vm_array_next(queue_local_array(queue, VISIBLE), &position, &entry);) {
        vm_array_set_key(vm, presented, entry.key, present(vm, entry.value));
        queue_work(queue, 1);
    }
    struct sm_value result = vm_local_take(vm, PRESENTED);
    vm_frame_leave(vm);
    return result;
}

/* Numbers are written without a string of their own, as json_encode() does. */
static void append_field(struct vm *vm, struct vm_place output, struct sm_value value)
{
    if (vm_tag_of(value) == VM_STRING) {
        text_append_string(vm, output, vm_as_string(value));
        return;
    }
    char digits[24];
    vm_string_append(vm, output, digits, text_format_number(digits, vm_as_int(value)));
}

static void append_fields(struct vm *vm, const struct vm_array *fields, struct vm_place output)
{
    struct vm_array_entry entry;
    for (size_t position = 0; vm_array_next(fields, &position, &entry);) {
        text_append(vm, output, "\"");
        text_append_string(vm, output, entry.key);
        text_append(vm, output, "\":\"");
        append_field(vm, output, entry.value);
        text_append(vm, output, "\",");
    }
}

/* The array sits in a temporary while its fields are appended. */
static void render_model(struct queue *queue, const struct vm_object *model, struct vm_place output)
{
    struct vm *vm = queue_vm(queue);
    struct sm_value fields = model_to_array(queue, model);
    vm_temporary_push(vm, fields);
    text_append(vm, output, "{");
    append_fields(vm, vm_as_array(fields), output);
    queue_work(queue, 2);
    text_append(vm, output, "}\n");
    vm_value_drop(vm, vm_temporary_pop(vm));
    vm_safepoint(vm);
}

/* A line of totals and what the cache knows of a product. */
static void render_summary(struct queue *queue, const struct vm_object *parent, struct vm_place output)
{
    struct vm *vm = queue_vm(queue);
    uint64_t entry_count = queue->options.cache_entries;
    for (int i = 0; i < 2; i++) {
        uint64_t product = wl_random_below(&queue->random, entry_count + entry_count / 4);
        struct sm_value title =
            vm_array_get_key(vm_as_array(queue_cache_fetch(queue, product)), queue->keys[KEY_TITLE]);
        text_append_string(vm, output, vm_as_string(title));
        queue_work(queue, 2);
    }
    struct vm_string *total = text_number(vm, vm_as_int(vm_object_get(parent, MODEL_TOTAL)));
    text_append_string(vm, output, total);
    vm_value_drop(vm, vm_string_value(total));
    text_append(vm, output, "\n");
    vm_safepoint(vm);
}

void queue_render_family(struct queue *queue, struct vm_object *parent, struct vm_place output)
{
    struct vm_array_entry entry;
    render_model(queue, parent, output);
    for (size_t position = 0; vm_array_next(queue_children(queue, parent), &position, &entry);)
        render_model(queue, vm_as_object(entry.value), output);
    render_summary(queue, parent, output);
}
