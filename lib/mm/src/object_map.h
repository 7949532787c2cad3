/**
 * A table keyed by objects: open addressing with linear probing, at most half full; a removal closes its gap, so there
 * are no deletion marks. It keeps nothing alive. Cost: O(1) a call, amortised. Threads: owner.
 */
#ifndef SM_OBJECT_MAP_H
#define SM_OBJECT_MAP_H

#include "sapimem/object.h"

struct sm_object_entry {
    struct sm_object *object; /**< NULL: free */
    uint64_t value;           /**< the user's, as are the two below */
    uint32_t slot;
    uint32_t stamp;
};

/** Zeroed: empty. */
struct sm_object_map {
    size_t count, capacity; /**< a power of two, or 0 */
    struct sm_object_entry *entries;
};

/** The entry of `object`; NULL when there is none. Valid until the next put or remove. */
struct sm_object_entry *sm_object_map_find(const struct sm_object_map *map, const struct sm_object *object);
/** The entry of `object`, made zeroed when there is none. NULL: no memory to make one; nothing changed then. */
struct sm_object_entry *sm_object_map_put(struct sm_object_map *map, struct sm_object *object);
/** Put an entry with this value, or change the value of the one there is, which needs no memory. False: no memory. */
bool sm_object_map_set(struct sm_object_map *map, struct sm_object *object, uint64_t value);
/** Remove an entry; one that follows may move to its place, and none that came before it and did not wrap around. */
void sm_object_map_remove(struct sm_object_map *map, struct sm_object_entry *entry);
/** Remove the entry of an object that has one. Returns its value. */
uint64_t sm_object_map_take(struct sm_object_map *map, const struct sm_object *object);
void sm_object_map_finish(struct sm_object_map *map);

#endif
