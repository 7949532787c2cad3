/* Rendering as league/commonmark does it: an element object a node, whose text is put together from its parts. */
#include "batch.h"

static const char *const tags[] = {"div", "p", "h2", "li", "blockquote", "", "em", "code", "a"};

/* Locals of a node's frame. */
enum { ELEMENT, CONTENTS, RENDERED, CHILD, NODE_LOCALS };

static struct vm_string *render_node(struct batch *batch, const struct vm_object *node);

static enum batch_node kind_of(const struct vm_object *node)
{
    return (enum batch_node)vm_as_int(vm_object_get(node, NODE_KIND));
}

/* A link has an address; others have no attributes, in an array of their own. */
static struct vm_array *make_attributes(struct batch *batch, enum batch_node kind)
{
    struct vm *vm = batch_vm(batch);
    struct vm_array *attributes = vm_array_new(vm, VM_ARRAY_HASH, 0);
    if (kind == NODE_LINK) {
        struct sm_value address = vm_string_value(
            vm_string_format(vm, "/page/%06llu.html", (unsigned long long)wl_random_below(&batch->random, 1000000)));
        vm_array_set_key(vm, attributes, batch->href, address);
    }
    return attributes;
}

/* An entity that the text names is looked up. */
static struct vm_string *escape(struct batch *batch, struct vm_string *text)
{
    const struct vm_array *entities = vm_as_array(vm_object_get(batch->environment, ENVIRONMENT_ENTITIES));
    if (vm_tag_of(vm_array_get_key(entities, text)) != VM_UNDEF)
        vm_session_fold(&batch->session, 1);
    return text_escape(batch_vm(batch), text);
}

/* The children's texts, in a list that is put together. */
static void render_children(struct batch *batch, const struct vm_object *node)
{
    struct vm *vm = batch_vm(batch);
    vm_local_set(vm, CONTENTS, vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 0)));
    vm_local_set(vm, CHILD, vm_value_copy(vm, vm_object_get(node, NODE_FIRST)));
    while (vm_tag_of(vm_local_get(vm, CHILD)) == VM_OBJECT) {
        const struct vm_object *child = vm_as_object(vm_local_get(vm, CHILD));
        struct vm_string *text = render_node(batch, child);
        vm_array_append(vm, vm_as_array(vm_local_get(vm, CONTENTS)), vm_string_value(text));
        vm_local_set(vm, CHILD, vm_value_copy(vm, vm_object_get(child, NODE_NEXT)));
        vm_safepoint(vm);
    }
    struct vm_string *joined = text_join(vm, vm_as_array(vm_local_get(vm, CONTENTS)), "");
    vm_local_set(vm, CONTENTS, vm_string_value(joined));
}

static void append_attributes(struct batch *batch, const struct vm_array *attributes)
{
    struct vm *vm = batch_vm(batch);
    struct vm_array_entry entry;
    for (size_t position = 0; vm_array_next(attributes, &position, &entry);) {
        text_append(vm, vm_local_place(vm, RENDERED), " ");
        text_append_string(vm, vm_local_place(vm, RENDERED), entry.key);
        text_append(vm, vm_local_place(vm, RENDERED), "=\"");
        text_append_string(vm, vm_local_place(vm, RENDERED), vm_as_string(entry.value));
        text_append(vm, vm_local_place(vm, RENDERED), "\"");
    }
}

/* (string) $element. */
static void print_element(struct batch *batch, const struct vm_object *element)
{
    struct vm *vm = batch_vm(batch);
    const char *tag = tags[vm_as_int(vm_object_get(element, ELEMENT_TAG))];
    vm_local_set(vm, RENDERED, vm_string_value(text_prefix(vm, "<", vm_intern(vm, tag, strlen(tag)))));
    append_attributes(batch, vm_as_array(vm_object_get(element, ELEMENT_ATTRIBUTES)));
    text_append(vm, vm_local_place(vm, RENDERED), ">");
    text_append_string(vm, vm_local_place(vm, RENDERED), vm_as_string(vm_object_get(element, ELEMENT_CONTENTS)));
    text_append(vm, vm_local_place(vm, RENDERED), "</");
    text_append(vm, vm_local_place(vm, RENDERED), tag);
    text_append(vm, vm_local_place(vm, RENDERED), ">");
    batch_charge(batch);
}

static void render_element(struct batch *batch, enum batch_node kind)
{
    struct vm *vm = batch_vm(batch);
    vm_local_set(vm, ELEMENT, vm_object_value(batch_new(batch, BATCH_ELEMENT)));
    struct vm_object *element = vm_as_object(vm_local_get(vm, ELEMENT));
    vm_object_set(vm, element, ELEMENT_TAG, vm_int(kind));
    vm_object_set(vm, element, ELEMENT_ATTRIBUTES, vm_array_value(make_attributes(batch, kind)));
    vm_object_set(vm, element, ELEMENT_CONTENTS, vm_local_take(vm, CONTENTS));
    vm_object_set(vm, element, ELEMENT_CLOSING, vm_bool(false));
    print_element(batch, element);
}

/* Owned. */
static struct vm_string *render_node(struct batch *batch, const struct vm_object *node)
{
    struct vm *vm = batch_vm(batch);
    enum batch_node kind = kind_of(node);
    struct sm_value literal = vm_object_get(node, NODE_LITERAL);
    vm_frame_enter(vm, NODE_LOCALS);
    if (vm_tag_of(literal) == VM_STRING)
        vm_local_set(vm, CONTENTS, vm_string_value(escape(batch, vm_as_string(literal))));
    else
        render_children(batch, node);
    if (kind == NODE_TEXT)
        vm_local_set(vm, RENDERED, vm_local_take(vm, CONTENTS));
    else
        render_element(batch, kind);
    struct vm_string *rendered = vm_as_string(vm_local_take(vm, RENDERED));
    vm_frame_leave(vm);
    batch_charge(batch);
    return rendered;
}

void batch_render(struct batch *batch, const struct vm_object *block, uint32_t output)
{
    struct vm *vm = batch_vm(batch);
    struct vm_string *text = render_node(batch, block);
    vm_temporary_push(vm, vm_string_value(text));
    text_append_string(vm, vm_local_place(vm, output), text);
    text_append(vm, vm_local_place(vm, output), "\n");
    vm_value_drop(vm, vm_temporary_pop(vm));
}
