/* Arrays: packed ones here, hash ones in hash_table.c, copies in sharing.c. */
#include "hash_table.h"
#include "sharing.h"

static inline struct sm_value *packed_slots(const struct vm_array *array)
{
    return (struct sm_value *)sm_payload(array->storage);
}

static inline uint64_t packed_capacity(const struct vm_array *array)
{
    return array->storage == NULL ? 0 : array->storage->payload_bytes / sizeof(struct sm_value);
}

struct vm_array *vm_array_new(struct vm *vm, enum vm_array_kind kind, size_t capacity)
{
    struct vm_array *array =
        (struct vm_array *)vm_alloc(vm, vm->types.array, sizeof(*array) - sizeof(struct sm_object));
    array->kind = kind;
    if (capacity > 0)
        vm_storage_publish(vm, array, vm_storage_new(vm, kind, capacity));
    return array;
}

/* What must survive while an array grows: it, its newcomer, and the newcomer's key. */
static inline uint32_t hold_arguments(struct vm *vm, struct vm_array *array, struct vm_string *key,
                                      struct sm_value value)
{
    uint32_t held_count = vm->held_count;
    vm_hold_object(vm, array);
    vm_hold_object(vm, key);
    vm_hold(vm, value);
    return held_count;
}

/* ---- Packed ---- */

static void grow_packed(struct vm *vm, struct vm_array *array, uint64_t capacity)
{
    struct sm_object *storage = vm_storage_new(vm, VM_ARRAY_PACKED, capacity);
    struct sm_value *slots = (struct sm_value *)sm_payload(storage);
    if (array->used > 0)
        memcpy(slots, packed_slots(array), array->used * sizeof(*slots));
    vm_storage_publish(vm, array, storage);
}

/* A new highest position; those between stay undefined. */
static inline void packed_extend(struct vm *vm, struct vm_array *array, uint64_t position, struct sm_value value)
{
    array->used = position + 1;
    array->count++;
    if ((int64_t)position >= array->next_index)
        array->next_index = (int64_t)position + 1;
    sm_store_take(vm_manager(vm), array->storage, &packed_slots(array)[position], value);
}

/*
 * Whether `position` may stay packed beyond the capacity: Zend's rule, at most half of the slots empty
 * and not further away than one doubling.
 */
static bool packed_may_grow(const struct vm_array *array, uint64_t position)
{
    uint64_t capacity = packed_capacity(array);
    if (capacity == 0)
        return position < VM_ARRAY_CAPACITY_FIRST;
    return position / 2 < capacity && capacity / 2 < array->count;
}

/* Set a position that is beyond `used`. False: the array must become a hash. */
static bool packed_add(struct vm *vm, struct vm_array *array, uint64_t position, struct sm_value value)
{
    if (position >= packed_capacity(array)) {
        if (!packed_may_grow(array, position))
            return false;
        uint32_t held_count = hold_arguments(vm, array, NULL, value);
        grow_packed(vm, array, position + 1);
        vm->held_count = held_count;
    }
    packed_extend(vm, array, position, value);
    return true;
}

/* False: a hole below `used`, which a packed array cannot fill without losing insertion order, or too far away. */
static bool packed_set(struct vm *vm, struct vm_array *array, uint64_t position, struct sm_value value)
{
    if (position >= array->used)
        return packed_add(vm, array, position, value);
    struct sm_value *slot = &packed_slots(array)[position];
    if (slot->tag == VM_UNDEF)
        return false;
    sm_store_take(vm_manager(vm), array->storage, slot, value);
    return true;
}

static bool packed_unset(struct vm *vm, struct vm_array *array, uint64_t position)
{
    if (position >= array->used || packed_slots(array)[position].tag == VM_UNDEF)
        return false;
    struct sm_manager *mm = vm_manager(vm);
    struct sm_value *slots = packed_slots(array);
    struct sm_value value = slots[position];
    sm_store_move(mm, array->storage, &slots[position], vm_undef());
    array->count--;
    while (array->used > 0 && slots[array->used - 1].tag == VM_UNDEF)
        array->used--;
    /* Last: dropping the value may run a destructor, which finds the array whole. */
    sm_value_drop(mm, value);
    return true;
}

/* ---- Either kind ---- */

static void become_hash(struct vm *vm, struct vm_array *array, struct vm_string *key, struct sm_value value)
{
    uint32_t held_count = hold_arguments(vm, array, key, value);
    vm_hash_from_packed(vm, array);
    vm->held_count = held_count;
}

static void hash_add(struct vm *vm, struct vm_array *array, uint64_t hash, struct vm_string *key, struct sm_value value)
{
    if (SM_UNLIKELY(array->used == vm_hash_capacity(array))) {
        uint32_t held_count = hold_arguments(vm, array, key, value);
        vm_hash_make_room(vm, array);
        vm->held_count = held_count;
    }
    vm_hash_insert(vm, array, hash, key, value);
}

static void hash_set_index(struct vm *vm, struct vm_array *array, int64_t index, struct sm_value value)
{
    struct vm_bucket *bucket = vm_hash_find_index(array, index);
    if (bucket != NULL) {
        sm_store_take(vm_manager(vm), array->storage, &bucket->value, value);
        return;
    }
    hash_add(vm, array, (uint64_t)index, NULL, value);
    if (index >= array->next_index)
        array->next_index = index < INT64_MAX ? index + 1 : INT64_MAX;
}

void vm_array_set_index(struct vm *vm, struct vm_array *array, int64_t index, struct sm_value value)
{
    VM_ASSERT(value.tag != VM_UNDEF);
    VM_ASSERT(!vm_sharing_is_shared(vm, &array->header));
    if (array->kind == VM_ARRAY_PACKED) {
        /* A negative index is a huge position, which no packed array has. */
        if (packed_set(vm, array, (uint64_t)index, value))
            return;
        become_hash(vm, array, NULL, value);
    }
    hash_set_index(vm, array, index, value);
}

void vm_array_append(struct vm *vm, struct vm_array *array, struct sm_value value)
{
    VM_ASSERT(value.tag != VM_UNDEF);
    VM_ASSERT(!vm_sharing_is_shared(vm, &array->header));
    uint64_t position = (uint64_t)array->next_index;
    if (SM_LIKELY(array->kind == VM_ARRAY_PACKED && position < packed_capacity(array))) {
        packed_extend(vm, array, position, value);
        return;
    }
    if (SM_UNLIKELY(array->next_index == INT64_MAX && vm_array_get_index(array, INT64_MAX).tag != VM_UNDEF))
        vm_fail(vm, SM_ERR_INVALID_ARGUMENT, "cannot append: the next index of the array is already occupied");
    vm_array_set_index(vm, array, array->next_index, value);
}

void vm_array_set_key(struct vm *vm, struct vm_array *array, struct vm_string *key, struct sm_value value)
{
    VM_ASSERT(value.tag != VM_UNDEF);
    VM_ASSERT(!vm_sharing_is_shared(vm, &array->header));
    if (array->kind == VM_ARRAY_PACKED)
        become_hash(vm, array, key, value);
    struct vm_bucket *bucket = vm_hash_find_key(array, key);
    if (bucket != NULL)
        sm_store_take(vm_manager(vm), array->storage, &bucket->value, value);
    else
        hash_add(vm, array, vm_string_hash(key), key, value);
}

static inline struct sm_value *slot_of_index(const struct vm_array *array, int64_t index)
{
    if (SM_LIKELY(array->kind == VM_ARRAY_PACKED)) {
        if ((uint64_t)index >= array->used)
            return NULL;
        struct sm_value *slot = &packed_slots(array)[index];
        return slot->tag == VM_UNDEF ? NULL : slot;
    }
    struct vm_bucket *bucket = vm_hash_find_index(array, index);
    return bucket == NULL ? NULL : &bucket->value;
}

static inline struct sm_value *slot_of_key(const struct vm_array *array, struct vm_string *key)
{
    if (array->kind == VM_ARRAY_PACKED)
        return NULL;
    struct vm_bucket *bucket = vm_hash_find_key(array, key);
    return bucket == NULL ? NULL : &bucket->value;
}

struct sm_value vm_array_get_index(const struct vm_array *array, int64_t index)
{
    const struct sm_value *slot = slot_of_index(array, index);
    return slot == NULL ? vm_undef() : *slot;
}

struct sm_value vm_array_get_key(const struct vm_array *array, struct vm_string *key)
{
    const struct sm_value *slot = slot_of_key(array, key);
    return slot == NULL ? vm_undef() : *slot;
}

static struct vm_place place_of(const struct vm_array *array, struct sm_value *slot)
{
    return (struct vm_place){slot == NULL ? NULL : array->storage, slot};
}

struct vm_place vm_array_place_index(struct vm_array *array, int64_t index)
{
    return place_of(array, slot_of_index(array, index));
}

struct vm_place vm_array_place_key(struct vm_array *array, struct vm_string *key)
{
    return place_of(array, slot_of_key(array, key));
}

static bool hash_unset(struct vm *vm, struct vm_array *array, struct vm_bucket *bucket)
{
    if (bucket == NULL)
        return false;
    vm_hash_remove(vm, array, bucket);
    return true;
}

bool vm_array_unset_index(struct vm *vm, struct vm_array *array, int64_t index)
{
    VM_ASSERT(!vm_sharing_is_shared(vm, &array->header));
    if (array->kind == VM_ARRAY_PACKED)
        return packed_unset(vm, array, (uint64_t)index);
    return hash_unset(vm, array, vm_hash_find_index(array, index));
}

bool vm_array_unset_key(struct vm *vm, struct vm_array *array, struct vm_string *key)
{
    VM_ASSERT(!vm_sharing_is_shared(vm, &array->header));
    if (array->kind == VM_ARRAY_PACKED)
        return false;
    return hash_unset(vm, array, vm_hash_find_key(array, key));
}

/* ---- Stepping ---- */

static bool next_packed(const struct vm_array *array, size_t *position, struct vm_array_entry *entry)
{
    for (size_t i = *position; i < array->used; i++) {
        struct sm_value value = packed_slots(array)[i];
        if (value.tag == VM_UNDEF)
            continue;
        *entry = (struct vm_array_entry){NULL, (int64_t)i, value};
        *position = i + 1;
        return true;
    }
    *position = array->used;
    return false;
}

bool vm_array_next(const struct vm_array *array, size_t *position, struct vm_array_entry *entry)
{
    if (array->kind == VM_ARRAY_PACKED)
        return next_packed(array, position, entry);
    for (size_t i = *position; i < array->used; i++) {
        const struct vm_bucket *bucket = (const struct vm_bucket *)sm_payload_const(array->storage) + i;
        if (bucket->value.tag == VM_UNDEF)
            continue;
        *entry = (struct vm_array_entry){bucket->key, bucket->key == NULL ? (int64_t)bucket->hash : 0, bucket->value};
        *position = i + 1;
        return true;
    }
    *position = array->used;
    return false;
}
