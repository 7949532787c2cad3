/**
 * PHP values on top of sm_value: tags and conversions.
 *
 * Ownership words used in this library: a function returns a value *owned* (the caller holds one
 * count and passes it on or drops it) or *borrowed* (valid while its holder keeps it); a parameter is
 * *taken* (the callee uses up the caller's count) or *borrowed*. Under policies that do not count, all of
 * this costs nothing, and the same code is right under all of them. A value in a C variable is safe
 * until the next safepoint; to cross one it sits in a local, a temporary or a handle.
 */
#ifndef SAPIVM_VALUE_H
#define SAPIVM_VALUE_H

#include "sapimem/alloc.h"

#include <string.h>

struct vm;
struct vm_string;
struct vm_array;
struct vm_object;
struct vm_reference;
struct vm_class;
struct vm_closure;
struct vm_generator;
struct vm_weak_map;

/**
 * The PHP type, in the tag's low bits beside SM_TAG_HEAP. Zero is "undefined", so zeroed memory is valid.
 *
 * The tag of an array, of a reference, and of an object or generator whose destructor is to run at its last drop has
 * SM_TAG_COUNTED besides: make values by the functions below, and ask for the type by vm_tag_of. A string's has
 * SM_TAG_COUNTED_LEAF, always.
 */
enum vm_tag {
    VM_UNDEF = 0,
    VM_NULL = 1,
    VM_BOOL = 2,
    VM_INT = 3,
    VM_FLOAT = 4,
    VM_STRING = 5 | SM_TAG_HEAP | SM_TAG_COUNTED_LEAF,
    VM_ARRAY = 6 | SM_TAG_HEAP,
    VM_OBJECT = 7 | SM_TAG_HEAP,
    VM_REFERENCE = 8 | SM_TAG_HEAP,
    VM_WEAK = 9 | SM_TAG_HEAP,   /**< a weak reference: the payload is a weak cell */
    VM_CLASS = 10 | SM_TAG_HEAP, /**< entry of the class table; never in a script's hands */
    VM_CLOSURE = 11 | SM_TAG_HEAP,
    VM_GENERATOR = 12 | SM_TAG_HEAP,
    VM_WEAK_MAP = 13 | SM_TAG_HEAP,
    VM_WEAK_ENTRY = 14 | SM_TAG_HEAP, /**< an entry of a weak map; never in a script's hands */
};

/** Where a value lives: a slot, and the object whose payload holds it (NULL for locals and temporaries). */
struct vm_place {
    struct sm_object *owner;
    struct sm_value *slot;
};

static inline struct sm_value vm_undef(void)
{
    return (struct sm_value){0, VM_UNDEF};
}

static inline struct sm_value vm_null(void)
{
    return (struct sm_value){0, VM_NULL};
}

static inline struct sm_value vm_bool(bool truth)
{
    return (struct sm_value){truth ? 1 : 0, VM_BOOL};
}

static inline struct sm_value vm_int(int64_t number)
{
    return (struct sm_value){(uint64_t)number, VM_INT};
}

static inline struct sm_value vm_float(double number)
{
    struct sm_value value = {0, VM_FLOAT};
    memcpy(&value.payload, &number, sizeof(number));
    return value;
}

/** Whether holders of what `tag` says are counted beside tracing; objects tell by a flag of their own. */
static inline uint64_t vm_counted_bit(const struct sm_object *object, enum vm_tag tag)
{
    bool counted = tag == VM_ARRAY || tag == VM_REFERENCE ||
                   ((tag == VM_OBJECT || tag == VM_GENERATOR) && (sm_object_flags(object) & SM_OBJECT_COUNTED) != 0);
    return counted ? SM_TAG_COUNTED : 0;
}

static inline struct sm_value vm_heap_value(void *object, enum vm_tag tag)
{
    struct sm_object *header = (struct sm_object *)object;
    return sm_value_from_object(header, tag | vm_counted_bit(header, tag));
}

static inline struct sm_value vm_string_value(struct vm_string *string)
{
    return vm_heap_value(string, VM_STRING);
}

static inline struct sm_value vm_array_value(struct vm_array *array)
{
    return vm_heap_value(array, VM_ARRAY);
}

static inline struct sm_value vm_object_value(struct vm_object *object)
{
    return vm_heap_value(object, VM_OBJECT);
}

static inline enum vm_tag vm_tag_of(struct sm_value value)
{
    return (enum vm_tag)(value.tag & ~SM_TAG_COUNTED);
}

static inline int64_t vm_as_int(struct sm_value value)
{
    return (int64_t)value.payload;
}

static inline double vm_as_float(struct sm_value value)
{
    double number;
    memcpy(&number, &value.payload, sizeof(number));
    return number;
}

static inline struct vm_string *vm_as_string(struct sm_value value)
{
    return (struct vm_string *)sm_value_object(value);
}

static inline struct vm_array *vm_as_array(struct sm_value value)
{
    return (struct vm_array *)sm_value_object(value);
}

static inline struct vm_object *vm_as_object(struct sm_value value)
{
    return (struct vm_object *)sm_value_object(value);
}

static inline struct vm_reference *vm_as_reference(struct sm_value value)
{
    return (struct vm_reference *)sm_value_object(value);
}

/**
 * Assign by value: a second owner of `value` comes into being. Returns it owned.
 *
 * Arrays and strings are marked as possibly shared, so that a later write copies them first.
 */
struct sm_value vm_value_copy(struct vm *vm, struct sm_value value);

/** The C code's owned value ends here. */
void vm_value_drop(struct vm *vm, struct sm_value value);

/** Follow a reference to the value in it (borrowed); any other value as it is. */
struct sm_value vm_value_deref(struct sm_value value);

/** Hash of what a script can see of `value`, read back from memory, nested to `depth` levels; equal under every policy. */
uint64_t vm_value_hash(struct vm *vm, struct sm_value value, unsigned depth);

#endif
