/* The hash of a value's content as vm_value_hash defines it, computed from the oracle alone. */
#include "oracle.h"

#include "vm_internal.h"

#include <stdio.h>
#include <string.h>

static uint64_t fold(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9fb21c651e98df25);
    hash = (hash ^ (hash >> 29)) * UINT64_C(0xd6e8feb86659fd93);
    return hash ^ (hash >> 32);
}

static uint64_t of_tag(uint64_t tag)
{
    return fold(UINT64_C(0x9e3779b97f4a7c15), tag);
}

static uint64_t of_bytes(const char *bytes, size_t byte_count)
{
    return vm_bytes_hash(bytes, byte_count);
}

static uint64_t of_array(const struct oracle_array *array, unsigned depth)
{
    char text[ORACLE_KEY_BYTES];
    uint64_t hash = fold(of_tag(VM_ARRAY), array->count);
    for (uint32_t i = 0; depth > 0 && i < array->count; i++) {
        struct oracle_element *element = &array->elements[i];
        oracle_key_text(element->key, text);
        hash = fold(hash, element->is_text ? of_bytes(text, strlen(text)) : (uint64_t)element->key);
        hash = fold(hash, element->is_text);
        hash = fold(hash, oracle_hash(&element->value, depth - 1));
    }
    return hash;
}

static uint64_t of_object(struct oracle_node *node, unsigned depth)
{
    char name[16];
    int length = snprintf(name, sizeof(name), "Class%u", node->class_index);
    uint64_t hash = fold(of_tag(VM_OBJECT), of_bytes(name, (size_t)length));
    if (depth == 0)
        return hash;
    /* The first property is the id, an integer. */
    hash = fold(hash, fold(of_tag(VM_INT), node->id));
    for (uint32_t i = 0; i < node->value_count; i++)
        hash = fold(hash, oracle_hash(&node->values[i], depth - 1));
    return hash;
}

/* Bound this; the first bound variable is the id of the closure it came from. */
static uint64_t of_closure(struct oracle_node *node, unsigned depth)
{
    uint64_t hash = fold(of_tag(VM_CLOSURE), of_bytes("closure", strlen("closure")));
    if (depth == 0)
        return hash;
    bool is_bound = node->values[0].kind != ORACLE_NULL;
    hash = fold(hash, is_bound ? oracle_hash(&node->values[0], depth - 1) : of_tag(VM_UNDEF));
    hash = fold(hash, fold(of_tag(VM_INT), node->origin));
    for (uint32_t i = 1; i < node->value_count; i++)
        hash = fold(hash, oracle_hash(&node->values[i], depth - 1));
    return hash;
}

static uint64_t of_generator(struct oracle_node *node, unsigned depth)
{
    const struct oracle_progress *progress = &node->progress;
    uint64_t hash = fold(of_tag(VM_GENERATOR), of_bytes("generator", strlen("generator")));
    hash = fold(fold(hash, progress->state), (uint64_t)progress->key);
    if (depth == 0)
        return hash;
    bool has_yielded = progress->has_begun && progress->has_frame;
    hash = fold(hash, has_yielded ? oracle_hash(&node->values[ORACLE_YIELDED], depth - 1) : of_tag(VM_UNDEF));
    hash =
        fold(hash, progress->has_returned ? oracle_hash(&node->values[ORACLE_RETURNED], depth - 1) : of_tag(VM_UNDEF));
    if (!progress->has_frame)
        return hash;
    hash = fold(hash, fold(of_tag(VM_INT), node->id));
    hash = fold(hash, oracle_hash(&node->values[ORACLE_GENERATOR_ARGUMENT], depth - 1));
    return fold(hash, oracle_hash(&node->values[ORACLE_GENERATOR_LOCAL], depth - 1));
}

uint64_t oracle_hash(struct oracle_value *value, unsigned depth)
{
    value = oracle_deref(value);
    switch (value->kind) {
    case ORACLE_INT:
        return fold(of_tag(VM_INT), (uint64_t)value->number);
    case ORACLE_STRING:
        return fold(of_tag(VM_STRING), of_bytes(value->bytes, (size_t)value->number));
    case ORACLE_ARRAY:
        return of_array(value->array, depth);
    case ORACLE_OBJECT:
        return of_object(value->node, depth);
    case ORACLE_CLOSURE:
        return of_closure(value->node, depth);
    case ORACLE_GENERATOR:
        return of_generator(value->node, depth);
    case ORACLE_WEAK:
        return of_tag(VM_WEAK);
    case ORACLE_MAP:
        return of_tag(VM_WEAK_MAP);
    case ORACLE_ENTRY:
        return of_tag(ORACLE_ENTRY_TAG);
    default:
        return of_tag(VM_NULL);
    }
}
