#include "sharing.h"

#include "hash_table.h"

struct sm_value vm_value_copy(struct vm *vm, struct sm_value value)
{
    vm_sharing_add_owner(vm, value);
    sm_value_copy(vm_manager(vm), value);
    return value;
}

void vm_value_drop(struct vm *vm, struct sm_value value)
{
    sm_value_drop(vm_manager(vm), value);
}

/* ---- Separation ---- */

/* A reference that only the array holds is none: the copy gets its value, as in PHP. Without a count nobody knows. */
static struct sm_value unwrapped(struct vm *vm, struct sm_value value)
{
    if (vm_tag_of(value) != VM_REFERENCE)
        return value;
    bool lone = vm_is_counted(vm, value) && sm_value_object(value)->count == 1;
    return sm_sharing_answer(vm_manager(vm), lone, false) ? vm_as_reference(value)->value : value;
}

/* The copy's elements are second owners of what the original's own. */
static void copy_element(struct vm *vm, struct sm_value *slot, struct sm_value value)
{
    struct sm_value element = unwrapped(vm, value);
    vm_sharing_add_owner(vm, element);
    vm_init_value(vm, slot, element);
}

static void copy_packed(struct vm *vm, struct sm_object *storage, const struct vm_array *array)
{
    const struct sm_value *source = (const struct sm_value *)sm_payload_const(array->storage);
    struct sm_value *slots = (struct sm_value *)sm_payload(storage);
    for (uint64_t i = 0; i < array->used; i++)
        copy_element(vm, &slots[i], source[i]);
}

/* Tombstones are copied as they are, so that the chains hold for the copy too. A key in a bucket is shared already. */
static void copy_hash(struct vm *vm, struct sm_object *storage, const struct vm_array *array)
{
    struct vm_hash_table source = vm_hash_table_of(array->storage);
    struct vm_hash_table table = vm_hash_table_of(storage);
    for (uint64_t i = 0; i < array->used; i++) {
        struct vm_bucket *bucket = &table.buckets[i];
        bucket->hash = source.buckets[i].hash;
        copy_element(vm, &bucket->value, source.buckets[i].value);
        if (source.buckets[i].key != NULL)
            vm_init_pointer(vm, &bucket->key, source.buckets[i].key);
    }
    memcpy(table.heads, source.heads, table.capacity * 2 * sizeof(uint32_t));
}

/* A copy is no allocation of the program: which ones are made depends on the scheme. */
static struct sm_object *alloc_copy(struct vm *vm, const struct sm_object *original)
{
    struct sm_object *copy = vm_alloc(vm, original->type, original->payload_bytes);
    sm_count_copy_object(vm_manager(vm), copy, original->payload_bytes);
    return copy;
}

static struct vm_array *duplicate(struct vm *vm, struct vm_array *array)
{
    struct vm_array *copy = (struct vm_array *)alloc_copy(vm, &array->header);
    struct sm_object *storage = NULL;
    if (array->storage != NULL) {
        storage = alloc_copy(vm, array->storage);
        if (array->kind == VM_ARRAY_PACKED)
            copy_packed(vm, storage, array);
        else
            copy_hash(vm, storage, array);
        vm_storage_publish(vm, copy, storage);
    }
    copy->used = array->used;
    copy->count = array->count;
    copy->next_index = array->next_index;
    copy->kind = array->kind;
    return copy;
}

struct vm_array *vm_array_write(struct vm *vm, struct vm_place place)
{
    VM_ASSERT(place.slot != NULL && vm_tag_of(*place.slot) == VM_ARRAY);
    struct vm_array *array = vm_as_array(*place.slot);
    if (SM_LIKELY(!vm_sharing_ask(vm, &array->header)))
        return array;
    uint32_t held_count = vm->held_count;
    vm_hold_object(vm, array);
    vm_hold_object(vm, place.owner);
    struct vm_array *copy = duplicate(vm, array);
    vm->held_count = held_count;
    vm_place_set(vm, place, vm_array_value(copy));
    return copy;
}
