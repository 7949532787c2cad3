/**
 * Weak maps: values by object, each kept for as long as its key lives.
 *
 * As in PHP 8.2 the map holds a value strongly while the key lives: a value that refers to its own key
 * keeps both until the map dies. Inside the key's destructor the entry is still there; after it, it is not (R5). Keys
 * are found by their handle, which no other object ever gets. A weak map is an object of its own kind, with a handle:
 * 40 bytes of payload and a hash array (56), together Zend's zend_weakmap (96), and a weak entry of 32 a key.
 * Dead entries are skipped, and removed when the map is written: each time as many were added as were alive before.
 * Errors: allocation failure bails out (vm.h).
 */
#ifndef SAPIVM_WEAK_MAP_H
#define SAPIVM_WEAK_MAP_H

#include "sapivm/array.h"
#include "sapivm/object.h"

struct vm_weak_map {
    struct vm_identity identity;
    struct vm_array *entries; /**< handle of the key to VM_WEAK_ENTRY */
    uint64_t purge_count;     /**< so many entries, dead ones included, make the next set remove the dead ones */
};

/** A new, empty map. Returns owned. */
struct vm_weak_map *vm_weak_map_new(struct vm *vm);

/** Keys are values of an object, a closure, a generator or a weak map, borrowed; `value` is taken. */
void vm_weak_map_set(struct vm *vm, struct vm_weak_map *map, struct sm_value key, struct sm_value value);
/** The value, borrowed; undefined when there is none. */
struct sm_value vm_weak_map_get(const struct vm_weak_map *map, struct sm_value key);
bool vm_weak_map_has(const struct vm_weak_map *map, struct sm_value key);
/** False when there was none. */
bool vm_weak_map_remove(struct vm *vm, struct vm_weak_map *map, struct sm_value key);

/** Entries whose keys live, as far as the policy knows: keys that no cycle has found dead yet count. Cost: O(entries). */
size_t vm_weak_map_count(const struct vm_weak_map *map);

/** Step through in order of insertion: start with `*position` 0; false at the end. The map must not be written between. Both borrowed. */
bool vm_weak_map_next(struct vm *vm, const struct vm_weak_map *map, size_t *position, struct sm_value *key,
                      struct sm_value *value);

static inline struct sm_value vm_weak_map_value(struct vm_weak_map *map)
{
    return vm_heap_value(map, VM_WEAK_MAP);
}

static inline struct vm_weak_map *vm_as_weak_map(struct sm_value value)
{
    return (struct vm_weak_map *)sm_value_object(value);
}

#endif
