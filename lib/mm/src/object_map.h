/** A table keyed by objects: open addressing, no deletion marks. */
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
/** The entry of `object`, made zeroed when there is none. NULL: no memory; nothing changed then. */
struct sm_object_entry *sm_object_map_put(struct sm_object_map *map, struct sm_object *object);
/** Remove an entry. */
void sm_object_map_remove(struct sm_object_map *map, struct sm_object_entry *entry);
void sm_object_map_finish(struct sm_object_map *map);

#endif
