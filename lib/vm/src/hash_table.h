/**
 * Storage of a hash array: n buckets in insertion order, then n chain heads and n chain links.
 *
 * Heads and links are bucket indices plus one, so that zeroed storage is an empty table. They belong
 * to the owner alone: no trace function reads them. A removed bucket is a tombstone, its value
 * undefined and its key NULL; buckets from `used` on are always in that state too. n is a power of two.
 */
#ifndef VM_HASH_TABLE_H
#define VM_HASH_TABLE_H

#include "vm_internal.h"

#define VM_HASH_ELEMENT_BYTES 40u
/** Bucket indices plus one fit 32 bits with room to spare. */
#define VM_ARRAY_CAPACITY_MAX (UINT64_C(1) << 31)
#define VM_ARRAY_CAPACITY_FIRST 8u

struct vm_hash_table {
    struct vm_bucket *buckets;
    uint32_t *heads;
    uint32_t *links;
    uint64_t capacity;
};

static inline struct vm_hash_table vm_hash_table_of(struct sm_object *storage)
{
    struct vm_hash_table table;
    table.capacity = storage->payload_bytes / VM_HASH_ELEMENT_BYTES;
    table.buckets = (struct vm_bucket *)sm_payload(storage);
    table.heads = (uint32_t *)(table.buckets + table.capacity);
    table.links = table.heads + table.capacity;
    return table;
}

/** Integer keys come as they are, often in strides; the multiplication spreads them over the heads. */
static inline uint32_t *vm_hash_head(const struct vm_hash_table *table, uint64_t hash)
{
    uint64_t spread = hash * UINT64_C(0x9e3779b97f4a7c15);
    return &table->heads[(spread >> 32) & (table->capacity - 1)];
}

/** The bucket of an integer or string key, or NULL; an array without storage has none. */
struct vm_bucket *vm_hash_find_index(const struct vm_array *array, int64_t index);
struct vm_bucket *vm_hash_find_key(const struct vm_array *array, struct vm_string *key);
struct vm_bucket *vm_hash_find_bytes(const struct vm_array *array, const char *bytes, size_t byte_count, uint64_t hash);

/** Add a key that is not there yet; `key` NULL: `hash` is the integer. There must be room. `value` is taken. */
void vm_hash_insert(struct vm *vm, struct vm_array *array, uint64_t hash, struct vm_string *key, struct sm_value value);

static inline uint64_t vm_hash_capacity(const struct vm_array *array)
{
    return array->storage == NULL ? 0 : array->storage->payload_bytes / VM_HASH_ELEMENT_BYTES;
}

/** Make room in a full hash: compact in place when many are tombstones, otherwise grow. */
void vm_hash_make_room(struct vm *vm, struct vm_array *array);

/** Turn a packed array into a hash with room for one more. */
void vm_hash_from_packed(struct vm *vm, struct vm_array *array);

/** Remove a bucket of the array. */
void vm_hash_remove(struct vm *vm, struct vm_array *array, struct vm_bucket *bucket);

/** New storage for at least `capacity` elements (range 1 and up). Bails out when it is refused. */
struct sm_object *vm_storage_new(struct vm *vm, enum vm_array_kind kind, uint64_t capacity);

/** Give filled storage (taken) to the array, and the old one, whose contents moved, to whoever still reads it (R8). */
void vm_storage_publish(struct vm *vm, struct vm_array *array, struct sm_object *storage);

#endif
