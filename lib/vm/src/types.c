/* The VM's object types and root providers: how policies find every edge and every root. */
#include "hash_table.h"
#include "vm_internal.h"

#define ROOT_OFFSET(layout) ((uint32_t)(offsetof(layout, root_index) - sizeof(struct sm_object)))
#define IDENTITY_ROOT_OFFSET ROOT_OFFSET(struct vm_identity)

static void trace_packed(const struct sm_object *object, struct sm_visitor *visitor)
{
    const struct sm_value *slots = (const struct sm_value *)sm_payload_const(object);
    sm_visit_values(visitor, slots, object->payload_bytes / sizeof(struct sm_value));
}

/*
 * The whole capacity, for `used` in the head may run ahead of what an observer of the storage sees. Downwards,
 * because compaction moves buckets down: what moves while an observer scans, it meets again and never misses.
 */
static void trace_hash(const struct sm_object *object, struct sm_visitor *visitor)
{
    const struct vm_bucket *buckets = (const struct vm_bucket *)sm_payload_const(object);
    size_t capacity = object->payload_bytes / VM_HASH_ELEMENT_BYTES;
    for (size_t i = capacity; i-- > 0;) {
        sm_visit_value(visitor, &buckets[i].value);
        sm_visit_pointer(visitor, &buckets[i].key);
    }
}

static void trace_array(const struct sm_object *object, struct sm_visitor *visitor)
{
    sm_visit_pointer(visitor, &((const struct vm_array *)object)->storage);
}

static void trace_object(const struct sm_object *object, struct sm_visitor *visitor)
{
    const struct vm_object *instance = (const struct vm_object *)object;
    sm_visit_pointer(visitor, &instance->class_entry);
    sm_visit_pointer(visitor, &instance->weak);
    sm_visit_values(visitor, instance->properties, vm_object_property_count(instance));
}

static void trace_reference(const struct sm_object *object, struct sm_visitor *visitor)
{
    sm_visit_value(visitor, &((const struct vm_reference *)object)->value);
}

static void trace_class(const struct sm_object *object, struct sm_visitor *visitor)
{
    const struct vm_class *class_entry = (const struct vm_class *)object;
    sm_visit_pointer(visitor, &class_entry->name);
    sm_visit_pointer(visitor, &class_entry->property_names);
}

static void trace_closure(const struct sm_object *object, struct sm_visitor *visitor)
{
    const struct vm_closure *closure = (const struct vm_closure *)object;
    sm_visit_value(visitor, &closure->bound_this);
    sm_visit_pointer(visitor, &closure->captures);
}

static void trace_generator(const struct sm_object *object, struct sm_visitor *visitor)
{
    const struct vm_generator *generator = (const struct vm_generator *)object;
    sm_visit_value(visitor, &generator->current);
    sm_visit_value(visitor, &generator->sent);
    sm_visit_value(visitor, &generator->returned);
    sm_visit_pointer(visitor, &generator->frame);
}

static void trace_generator_frame(const struct sm_object *object, struct sm_visitor *visitor)
{
    const struct vm_generator_frame *frame = (const struct vm_generator_frame *)object;
    size_t local_bytes = object->payload_bytes - (offsetof(struct vm_generator_frame, locals) - sizeof(*object));
    sm_visit_values(visitor, frame->locals, local_bytes / sizeof(struct sm_value));
}

static void trace_weak_map(const struct sm_object *object, struct sm_visitor *visitor)
{
    sm_visit_pointer(visitor, &((const struct vm_weak_map *)object)->entries);
}

/* ---- The same for policies that look for themselves; closures and generators are too few to be worth it. ---- */

#define OFFSET_IN(layout, member) ((uint16_t)(offsetof(layout, member) - sizeof(struct sm_object)))

static const struct sm_layout opaque = {.kind = SM_LAYOUT_OPAQUE};

static const struct sm_layout packed_layout = {
    .kind = SM_LAYOUT_SLOTS, .stride = sizeof(struct sm_value), .element_bytes = sizeof(struct sm_value)};

/* The hash words behind the buckets are no edges. */
static const struct sm_layout hash_layout = {.kind = SM_LAYOUT_SLOTS,
                                             .stride = sizeof(struct vm_bucket),
                                             .element_bytes = VM_HASH_ELEMENT_BYTES,
                                             .key = offsetof(struct vm_bucket, key)};

static const struct sm_layout array_layout = {.kind = SM_LAYOUT_HEAD,
                                              .pointer_count = 1,
                                              .pointers = {OFFSET_IN(struct vm_array, storage)},
                                              .used = OFFSET_IN(struct vm_array, used)};

static const struct sm_layout object_layout = {
    .kind = SM_LAYOUT_SLOTS,
    .pointer_count = 2,
    .pointers = {OFFSET_IN(struct vm_object, class_entry), OFFSET_IN(struct vm_object, weak)},
    .first = OFFSET_IN(struct vm_object, properties),
    .stride = sizeof(struct sm_value),
    .element_bytes = sizeof(struct sm_value)};

/* The one element is the whole payload. */
static const struct sm_layout reference_layout = {.kind = SM_LAYOUT_SLOTS,
                                                  .stride = sizeof(struct vm_reference) - sizeof(struct sm_object),
                                                  .element_bytes =
                                                      sizeof(struct vm_reference) - sizeof(struct sm_object)};

_Static_assert(offsetof(struct vm_bucket, value) == 0 &&
                   offsetof(struct vm_reference, value) == sizeof(struct sm_object),
               "an element begins with its value");

sm_status vm_types_register(struct vm *vm)
{
    const struct {
        struct sm_type type;
        sm_type_id *id;
    } kinds[] = {
        {{"string", NULL, NULL, NULL, SM_ROOT_NONE, opaque}, &vm->types.string},
        {{"array", trace_array, NULL, NULL, ROOT_OFFSET(struct vm_array), array_layout}, &vm->types.array},
        {{"packed-storage", trace_packed, NULL, NULL, SM_ROOT_NONE, packed_layout}, &vm->types.packed},
        {{"hash-storage", trace_hash, NULL, NULL, SM_ROOT_NONE, hash_layout}, &vm->types.hash},
        {{"object", trace_object, vm_object_finalize, vm, ROOT_OFFSET(struct vm_object), object_layout},
         &vm->types.object},
        {{"reference", trace_reference, NULL, NULL, SM_ROOT_FORWARD, reference_layout}, &vm->types.reference},
        {{"class", trace_class, NULL, NULL, SM_ROOT_NONE, opaque}, &vm->types.class_entry},
        {{"closure", trace_closure, NULL, NULL, IDENTITY_ROOT_OFFSET, opaque}, &vm->types.closure},
        {{"generator", trace_generator, vm_generator_finalize, vm, IDENTITY_ROOT_OFFSET, opaque}, &vm->types.generator},
        {{"generator-frame", trace_generator_frame, NULL, NULL, SM_ROOT_NONE, opaque}, &vm->types.generator_frame},
        {{"weak-map", trace_weak_map, NULL, NULL, IDENTITY_ROOT_OFFSET, opaque}, &vm->types.weak_map},
    };
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        sm_status status = sm_type_register(vm_manager(vm), &kinds[i].type, kinds[i].id);
        if (status != SM_OK)
            return status;
    }
    return SM_OK;
}

static void enumerate_held(void *context, struct sm_visitor *visitor)
{
    const struct vm *vm = (const struct vm *)context;
    sm_visit_values(visitor, vm->held, vm->held_count);
}

/* The pending one, and those that wait for a destructor to end. */
static void enumerate_exceptions(void *context, struct sm_visitor *visitor)
{
    const struct vm *vm = (const struct vm *)context;
    sm_visit_value(visitor, &vm->exception);
    for (const struct vm_suspended_exception *waiting = vm->suspended_exception; waiting != NULL;
         waiting = waiting->outer)
        sm_visit_value(visitor, &waiting->exception);
}

/* The context is the table's root slot: one edge, however large the table. */
static void enumerate_table(void *context, struct sm_visitor *visitor)
{
    sm_visit_pointer(visitor, context);
}

sm_status vm_roots_register(struct vm *vm)
{
    const struct sm_root_provider providers[] = {
        {"arguments", enumerate_held, vm},
        {"globals", enumerate_table, &vm->tables[VM_TABLE_GLOBALS]},
        {"constants", enumerate_table, &vm->tables[VM_TABLE_CONSTANTS]},
        {"classes", enumerate_table, &vm->tables[VM_TABLE_CLASSES]},
        {"interner", enumerate_table, &vm->tables[VM_TABLE_INTERNER]},
        {"extension-data", enumerate_table, &vm->tables[VM_TABLE_EXTENSION_DATA]},
        {"exceptions", enumerate_exceptions, vm},
        {"doomed", vm_doomed_enumerate, &vm->doomed},
    };
    const struct sm_root_stack frames = vm_stack_roots(vm);
    sm_status status = sm_roots_register_stack(vm_manager(vm), &frames);
    for (size_t i = 0; status == SM_OK && i < sizeof(providers) / sizeof(providers[0]); i++)
        status = sm_roots_register(vm_manager(vm), &providers[i]);
    return status;
}
