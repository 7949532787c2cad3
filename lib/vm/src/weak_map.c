/* Weak maps: a hash array from the key's handle to a weak entry. */
#include "hash_table.h"
#include "vm_internal.h"

enum { PURGE_COUNT_FIRST = 8 };

struct vm_weak_map *vm_weak_map_new(struct vm *vm)
{
    uint32_t held_count = vm->held_count;
    struct vm_weak_map *map =
        (struct vm_weak_map *)vm_alloc(vm, vm->types.weak_map, sizeof(*map) - sizeof(struct sm_object));
    map->identity.handle = ++vm->last_handle;
    map->purge_count = PURGE_COUNT_FIRST;
    vm_hold_object(vm, map);
    struct vm_array *entries = vm_array_new(vm, VM_ARRAY_HASH, 0);
    vm->held_count = held_count;
    map->entries = entries;
    return map;
}

/* An entry's value is never undefined, so an undefined one says that the key died: R9's door to the key stays shut. */
static struct sm_value value_of(struct sm_value entry)
{
    return *sm_weak_entry_value(sm_value_object(entry));
}

static struct sm_value entry_of(const struct vm_weak_map *map, struct sm_value key)
{
    VM_ASSERT(vm_has_identity(key));
    return vm_array_get_index(map->entries, (int64_t)vm_handle_of(key));
}

struct sm_value vm_weak_map_get(const struct vm_weak_map *map, struct sm_value key)
{
    struct sm_value entry = entry_of(map, key);
    return entry.tag == VM_UNDEF ? entry : value_of(entry);
}

bool vm_weak_map_has(const struct vm_weak_map *map, struct sm_value key)
{
    return vm_weak_map_get(map, key).tag != VM_UNDEF;
}

size_t vm_weak_map_count(const struct vm_weak_map *map)
{
    struct vm_array_entry element;
    size_t position = 0, count = 0;
    while (vm_array_next(map->entries, &position, &element))
        count += value_of(element.value).tag != VM_UNDEF;
    return count;
}

/* ---- Writing ---- */

/* Dropping a dead entry runs nothing: its value went when its key did. */
static void purge(struct vm *vm, struct vm_weak_map *map)
{
    struct vm_array_entry element;
    size_t position = 0;
    while (vm_array_next(map->entries, &position, &element)) {
        if (value_of(element.value).tag == VM_UNDEF)
            (void)vm_array_unset_index(vm, map->entries, element.index);
    }
    uint64_t count = vm_array_count(map->entries) * 2;
    map->purge_count = count > PURGE_COUNT_FIRST ? count : PURGE_COUNT_FIRST;
}

static struct sm_object *entry_new(struct vm *vm, struct sm_value key, struct sm_value value)
{
    struct sm_object *entry = sm_weak_entry_make(vm_manager(vm), sm_value_object(key), value);
    if (SM_UNLIKELY(entry == NULL))
        vm_fail_allocation(vm);
    /* The entry has its own count of the value now. */
    vm_value_drop(vm, value);
    return entry;
}

static void add(struct vm *vm, struct vm_weak_map *map, struct sm_value key, struct sm_value value)
{
    uint32_t held_count = vm->held_count;
    vm_hold_object(vm, map);
    vm_hold(vm, key);
    vm_hold(vm, value);
    if (SM_UNLIKELY(vm_array_count(map->entries) >= map->purge_count))
        purge(vm, map);
    struct sm_object *entry = entry_new(vm, key, value);
    vm_array_set_index(vm, map->entries, (int64_t)vm_handle_of(key), vm_heap_value(entry, VM_WEAK_ENTRY));
    vm->held_count = held_count;
}

void vm_weak_map_set(struct vm *vm, struct vm_weak_map *map, struct sm_value key, struct sm_value value)
{
    VM_ASSERT(value.tag != VM_UNDEF);
    struct sm_value entry = entry_of(map, key);
    if (entry.tag == VM_UNDEF) {
        add(vm, map, key, value);
        return;
    }
    struct sm_object *owner = sm_value_object(entry);
    sm_store_take(vm_manager(vm), owner, sm_weak_entry_value(owner), value);
}

bool vm_weak_map_remove(struct vm *vm, struct vm_weak_map *map, struct sm_value key)
{
    VM_ASSERT(vm_has_identity(key));
    return vm_array_unset_index(vm, map->entries, (int64_t)vm_handle_of(key));
}

/* ---- Stepping ---- */

/* Nothing without a handle can be a key, so one of the kinds fits. */
static struct sm_value value_of_object(const struct vm *vm, struct sm_object *object)
{
    const struct {
        sm_type_id type;
        enum vm_tag tag;
    } kinds[] = {{vm->types.object, VM_OBJECT},
                 {vm->types.closure, VM_CLOSURE},
                 {vm->types.generator, VM_GENERATOR},
                 {vm->types.weak_map, VM_WEAK_MAP}};
    size_t kind = 0;
    while (object->type != kinds[kind].type) {
        kind++;
        VM_ASSERT(kind < sizeof(kinds) / sizeof(kinds[0]));
    }
    return vm_heap_value(object, kinds[kind].tag);
}

bool vm_weak_map_next(struct vm *vm, const struct vm_weak_map *map, size_t *position, struct sm_value *key,
                      struct sm_value *value)
{
    struct vm_array_entry element;
    while (vm_array_next(map->entries, position, &element)) {
        struct sm_object *target = sm_weak_get(vm_manager(vm), sm_value_object(element.value));
        if (target == NULL)
            continue;
        *key = value_of_object(vm, target);
        *value = value_of(element.value);
        return true;
    }
    return false;
}
