#include "hash_table.h"

#include "sharing.h"

/* ---- Lookup ---- */

static bool same_bytes(const struct vm_string *string, const char *bytes, size_t byte_count)
{
    return string->length == byte_count && memcmp(string->data, bytes, byte_count) == 0;
}

struct vm_bucket *vm_hash_find_index(const struct vm_array *array, int64_t index)
{
    if (array->storage == NULL)
        return NULL;
    struct vm_hash_table table = vm_hash_table_of(array->storage);
    uint64_t hash = (uint64_t)index;
    for (uint32_t next = *vm_hash_head(&table, hash); next != 0; next = table.links[next - 1]) {
        struct vm_bucket *bucket = &table.buckets[next - 1];
        if (bucket->hash == hash && bucket->key == NULL)
            return bucket;
    }
    return NULL;
}

struct vm_bucket *vm_hash_find_bytes(const struct vm_array *array, const char *bytes, size_t byte_count, uint64_t hash)
{
    if (array->storage == NULL)
        return NULL;
    struct vm_hash_table table = vm_hash_table_of(array->storage);
    for (uint32_t next = *vm_hash_head(&table, hash); next != 0; next = table.links[next - 1]) {
        struct vm_bucket *bucket = &table.buckets[next - 1];
        if (bucket->hash == hash && bucket->key != NULL && same_bytes(bucket->key, bytes, byte_count))
            return bucket;
    }
    return NULL;
}

struct vm_bucket *vm_hash_find_key(const struct vm_array *array, struct vm_string *key)
{
    if (array->storage == NULL)
        return NULL;
    struct vm_hash_table table = vm_hash_table_of(array->storage);
    uint64_t hash = vm_string_hash(key);
    for (uint32_t next = *vm_hash_head(&table, hash); next != 0; next = table.links[next - 1]) {
        struct vm_bucket *bucket = &table.buckets[next - 1];
        if (bucket->key == key)
            return bucket;
        if (bucket->hash == hash && bucket->key != NULL && same_bytes(bucket->key, key->data, key->length))
            return bucket;
    }
    return NULL;
}

/* ---- Storage ---- */

static uint64_t round_capacity(uint64_t capacity)
{
    uint64_t rounded = VM_ARRAY_CAPACITY_FIRST;
    while (rounded < capacity)
        rounded *= 2;
    return rounded;
}

struct sm_object *vm_storage_new(struct vm *vm, enum vm_array_kind kind, uint64_t capacity)
{
    if (SM_UNLIKELY(capacity > VM_ARRAY_CAPACITY_MAX))
        vm_fail(vm, SM_ERR_OUT_OF_MEMORY, "an array of %llu elements: expected at most %llu",
                (unsigned long long)capacity, (unsigned long long)VM_ARRAY_CAPACITY_MAX);
    uint64_t rounded = round_capacity(capacity);
    if (kind == VM_ARRAY_PACKED)
        return vm_alloc(vm, vm->types.packed, rounded * sizeof(struct sm_value) + VM_PACKED_UNUSED_BYTES);
    return vm_alloc(vm, vm->types.hash, rounded * VM_HASH_ELEMENT_BYTES);
}

void vm_storage_publish(struct vm *vm, struct vm_array *array, struct sm_object *storage)
{
    struct sm_manager *mm = vm_manager(vm);
    struct sm_object *replaced = array->storage;
    sm_store_pointer_move(mm, &array->header, &array->storage, storage);
    if (replaced != NULL)
        sm_retire(mm, replaced);
}

/* ---- Filling fresh storage, which nobody else sees yet ---- */

static inline void link_bucket(const struct vm_hash_table *table, uint64_t position)
{
    uint32_t *head = vm_hash_head(table, table->buckets[position].hash);
    table->links[position] = *head;
    *head = (uint32_t)position + 1;
}

static void link_all(const struct vm_hash_table *table, uint64_t used)
{
    for (uint64_t i = 0; i < used; i++)
        link_bucket(table, i);
}

/* ---- Growth ---- */

static void grow(struct vm *vm, struct vm_array *array, uint64_t capacity)
{
    struct sm_object *storage = vm_storage_new(vm, VM_ARRAY_HASH, capacity);
    struct vm_hash_table fresh = vm_hash_table_of(storage);
    uint64_t filled = 0;
    if (array->storage != NULL) {
        struct vm_hash_table old = vm_hash_table_of(array->storage);
        for (uint64_t i = 0; i < array->used; i++) {
            if (old.buckets[i].value.tag != VM_UNDEF)
                fresh.buckets[filled++] = old.buckets[i];
        }
    }
    VM_ASSERT(filled == array->count);
    link_all(&fresh, filled);
    vm_storage_publish(vm, array, storage);
    array->used = filled;
}

/* The reader of a bucket on the move sees it twice or at its new place. */
static void move_bucket(struct vm *vm, struct sm_object *storage, struct vm_bucket *to, struct vm_bucket *from)
{
    struct sm_manager *mm = vm_manager(vm);
    to->hash = from->hash;
    sm_store_pointer_move(mm, storage, &to->key, from->key);
    sm_store_move(mm, storage, &to->value, from->value);
    sm_store_move(mm, storage, &from->value, vm_undef());
    if (from->key != NULL)
        sm_store_pointer_move(mm, storage, &from->key, NULL);
}

static void compact(struct vm *vm, struct vm_array *array)
{
    struct vm_hash_table table = vm_hash_table_of(array->storage);
    uint64_t filled = 0;
    for (uint64_t i = 0; i < array->used; i++) {
        if (table.buckets[i].value.tag == VM_UNDEF)
            continue;
        if (i != filled)
            move_bucket(vm, array->storage, &table.buckets[filled], &table.buckets[i]);
        filled++;
    }
    VM_ASSERT(filled == array->count);
    array->used = filled;
    memset(table.heads, 0, table.capacity * sizeof(uint32_t));
    link_all(&table, filled);
}

/* Compacting pays when it frees more than one slot in 32, as in Zend; fewer would come back too soon. */
void vm_hash_make_room(struct vm *vm, struct vm_array *array)
{
    uint64_t capacity = vm_hash_capacity(array);
    VM_ASSERT(array->used == capacity);
    if (array->used > array->count + array->count / 32)
        compact(vm, array);
    else
        grow(vm, array, capacity * 2 + (capacity == 0));
    VM_ASSERT(array->used < vm_hash_capacity(array));
}

void vm_hash_from_packed(struct vm *vm, struct vm_array *array)
{
    VM_ASSERT(array->kind == VM_ARRAY_PACKED);
    struct sm_object *storage = vm_storage_new(vm, VM_ARRAY_HASH, array->count + 1);
    struct vm_hash_table fresh = vm_hash_table_of(storage);
    uint64_t filled = 0;
    const struct sm_value *slots = array->storage == NULL ? NULL : (const struct sm_value *)sm_payload(array->storage);
    for (uint64_t i = 0; i < array->used; i++) {
        if (slots[i].tag != VM_UNDEF)
            fresh.buckets[filled++] = (struct vm_bucket){slots[i], i, NULL};
    }
    VM_ASSERT(filled == array->count);
    link_all(&fresh, filled);
    vm_storage_publish(vm, array, storage);
    array->kind = VM_ARRAY_HASH;
    array->used = filled;
}

/* ---- One element ---- */

void vm_hash_insert(struct vm *vm, struct vm_array *array, uint64_t hash, struct vm_string *key, struct sm_value value)
{
    struct sm_manager *mm = vm_manager(vm);
    struct vm_hash_table table = vm_hash_table_of(array->storage);
    VM_ASSERT(array->used < table.capacity);
    struct vm_bucket *bucket = &table.buckets[array->used];
    bucket->hash = hash;
    if (key != NULL) {
        vm_sharing_add_key(vm, key);
        sm_store_pointer(mm, array->storage, &bucket->key, key);
    }
    link_bucket(&table, array->used);
    array->used++;
    array->count++;
    sm_store_take(mm, array->storage, &bucket->value, value);
}

static void unlink_bucket(const struct vm_hash_table *table, const struct vm_bucket *bucket)
{
    uint32_t number = (uint32_t)(bucket - table->buckets) + 1;
    uint32_t *link = vm_hash_head(table, bucket->hash);
    while (*link != number) {
        VM_ASSERT(*link != 0);
        link = &table->links[*link - 1];
    }
    *link = table->links[number - 1];
}

/* The value goes last: dropping it may run a destructor, which finds the array whole. */
void vm_hash_remove(struct vm *vm, struct vm_array *array, struct vm_bucket *bucket)
{
    struct sm_manager *mm = vm_manager(vm);
    struct sm_object *storage = array->storage;
    struct vm_hash_table table = vm_hash_table_of(storage);
    struct sm_value value = bucket->value;
    unlink_bucket(&table, bucket);
    sm_store_move(mm, storage, &bucket->value, vm_undef());
    if (bucket->key != NULL)
        sm_store_pointer(mm, storage, &bucket->key, NULL);
    array->count--;
    while (array->used > 0 && table.buckets[array->used - 1].value.tag == VM_UNDEF)
        array->used--;
    sm_value_drop(mm, value);
}
