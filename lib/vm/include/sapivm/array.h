/**
 * PHP arrays: ordered, packed (list) or hash, with value semantics (copy on write).
 *
 * The head is 56 bytes of payload; its storage is a second object: packed 16 bytes an element (first
 * size 8) and 8 more, hash 40 (32-byte bucket and two 4-byte hash words; first size 8), doubling. Storage that is replaced is retired, never resized
 * in place, so that observers always read whole storage (R8).
 * Writers take an array made writable by vm_array_write. Errors: allocation failure bails out (vm.h).
 */
#ifndef SAPIVM_ARRAY_H
#define SAPIVM_ARRAY_H

#include "sapivm/value.h"

enum vm_array_kind { VM_ARRAY_PACKED, VM_ARRAY_HASH };

/** Packed storage carries two hash words that nothing reads, as in Zend, where they make 160 bytes of the first size: here behind the elements. */
enum { VM_PACKED_UNUSED_BYTES = 8 };

/**
 * Head of an array. `used` slots are filled, tombstones (undefined) included; `count` are alive. The last one is no
 * tombstone. `used` falls only after the barrier has seen the slots above it emptied, or the storage replaced, so that
 * whoever looks at the first `used` alone, as sm_layout lets him, misses nothing that was there when he began.
 */
struct vm_array {
    struct sm_object header;
    struct sm_object *storage; /**< NULL while empty; capacity follows from its payload size */
    uint64_t used;
    uint64_t count;
    int64_t next_index;
    uint32_t kind;
    uint32_t flags;
    uint32_t root_index; /**< the policy's (sm_type.root_offset) */
    uint32_t reserved[3];
};

/** One element of a hash. An integer key has `key` NULL and is in `hash`. */
struct vm_bucket {
    struct sm_value value;
    uint64_t hash;
    struct vm_string *key;
};

/** A new empty array; storage for at least `capacity` elements (0: none yet). Returns owned. */
struct vm_array *vm_array_new(struct vm *vm, enum vm_array_kind kind, size_t capacity);

/**
 * Make the array in `place` safe to write: copy it first when it may be shared; unwraps nothing.
 *
 * The place must hold an array. Returns the writable array, borrowed from the place, until the next copy of its value.
 */
struct vm_array *vm_array_write(struct vm *vm, struct vm_place place);

/** Append at the next index; `value` is taken. */
void vm_array_append(struct vm *vm, struct vm_array *array, struct sm_value value);

/** Set by integer or string key; `value` is taken, `key` borrowed. A string key that spells an integer is not converted. */
void vm_array_set_index(struct vm *vm, struct vm_array *array, int64_t index, struct sm_value value);
void vm_array_set_key(struct vm *vm, struct vm_array *array, struct vm_string *key, struct sm_value value);

/** The element (borrowed), or undefined when there is none. */
struct sm_value vm_array_get_index(const struct vm_array *array, int64_t index);
struct sm_value vm_array_get_key(const struct vm_array *array, struct vm_string *key);

/** Where the element lives, to write nested arrays through vm_array_write; slot NULL when there is none. Valid until the array grows. */
struct vm_place vm_array_place_index(struct vm_array *array, int64_t index);
struct vm_place vm_array_place_key(struct vm_array *array, struct vm_string *key);

/** Remove an element; false when there was none. Order of the others stays. */
bool vm_array_unset_index(struct vm *vm, struct vm_array *array, int64_t index);
bool vm_array_unset_key(struct vm *vm, struct vm_array *array, struct vm_string *key);

static inline size_t vm_array_count(const struct vm_array *array)
{
    return (size_t)array->count;
}

/** An element met in insertion order. `key` NULL: the key is `index`. All borrowed. */
struct vm_array_entry {
    struct vm_string *key;
    int64_t index;
    struct sm_value value;
};

/** Step through: start with `*position` 0; false at the end. The array must not be written between. */
bool vm_array_next(const struct vm_array *array, size_t *position, struct vm_array_entry *entry);

#endif
