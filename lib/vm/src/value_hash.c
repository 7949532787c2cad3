/* What a script sees of a value, as a number: content and structure, never addresses, handles or ids. */
#include "vm_internal.h"

struct sm_value vm_value_deref(struct sm_value value)
{
    return vm_tag_of(value) == VM_REFERENCE ? vm_as_reference(value)->value : value;
}

static uint64_t fold(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9fb21c651e98df25);
    hash ^= hash >> 29;
    hash *= UINT64_C(0xd6e8feb86659fd93);
    return hash ^ (hash >> 32);
}

/* A tag as the first word: folded into a constant, so that small payloads cannot cancel small tags. */
static uint64_t begin(uint64_t tag)
{
    return fold(UINT64_C(0x9e3779b97f4a7c15), tag);
}

/* From the bytes, not from the cached hash: a changed byte must show. */
static uint64_t hash_string(const struct vm_string *string)
{
    return vm_bytes_hash(string->data, string->length);
}

static uint64_t hash_value(struct sm_value value, unsigned depth);

static uint64_t hash_array(const struct vm_array *array, unsigned depth)
{
    uint64_t hash = fold(begin(VM_ARRAY), array->count);
    struct vm_array_entry entry;
    size_t position = 0;
    if (depth == 0)
        return hash;
    while (vm_array_next(array, &position, &entry)) {
        hash = fold(hash, entry.key != NULL ? hash_string(entry.key) : (uint64_t)entry.index);
        hash = fold(hash, entry.key != NULL);
        hash = fold(hash, hash_value(entry.value, depth - 1));
    }
    return hash;
}

static uint64_t hash_object(const struct vm_object *object, unsigned depth)
{
    uint64_t hash = fold(begin(VM_OBJECT), hash_string(object->class_entry->name));
    uint32_t property_count = depth == 0 ? 0 : vm_object_property_count(object);
    for (uint32_t i = 0; i < property_count; i++)
        hash = fold(hash, hash_value(object->properties[i], depth - 1));
    return hash;
}

static uint64_t hash_closure(const struct vm_closure *closure, unsigned depth)
{
    const struct vm_function *function = closure->function;
    uint64_t hash = fold(begin(VM_CLOSURE), vm_bytes_hash(function->name, strlen(function->name)));
    if (depth == 0)
        return hash;
    hash = fold(hash, hash_value(closure->bound_this, depth - 1));
    for (uint32_t i = 0; i < function->capture_count; i++)
        hash = fold(hash, hash_value(vm_closure_capture(closure, i), depth - 1));
    return hash;
}

/* Where it stands, and the frame it stands in, which has gone once it has ended. */
static uint64_t hash_generator(const struct vm_generator *generator, unsigned depth)
{
    const char *name = generator->function->name;
    uint64_t hash = fold(begin(VM_GENERATOR), vm_bytes_hash(name, strlen(name)));
    hash = fold(fold(hash, generator->state), (uint64_t)generator->key);
    if (depth == 0)
        return hash;
    hash = fold(hash, hash_value(generator->current, depth - 1));
    hash = fold(hash, hash_value(generator->returned, depth - 1));
    uint32_t local_count = generator->frame == NULL ? 0 : generator->function->local_count;
    for (uint32_t i = 0; i < local_count; i++)
        hash = fold(hash, hash_value(generator->frame->locals[i], depth - 1));
    return hash;
}

/* Whether a weak reference still answers, or an entry of a weak map is still there, may differ between policies: only the type counts. */
static uint64_t hash_value(struct sm_value value, unsigned depth)
{
    value = vm_value_deref(value);
    switch (vm_tag_of(value)) {
    case VM_STRING:
        return fold(begin(VM_STRING), hash_string(vm_as_string(value)));
    case VM_ARRAY:
        return hash_array(vm_as_array(value), depth);
    case VM_OBJECT:
        return hash_object(vm_as_object(value), depth);
    case VM_CLOSURE:
        return hash_closure(vm_as_closure(value), depth);
    case VM_GENERATOR:
        return hash_generator(vm_as_generator(value), depth);
    case VM_BOOL:
    case VM_INT:
    case VM_FLOAT:
        return fold(begin(value.tag), value.payload);
    default:
        return begin(vm_tag_of(value));
    }
}

uint64_t vm_value_hash(struct vm *vm, struct sm_value value, unsigned depth)
{
    (void)vm;
    return hash_value(value, depth);
}
