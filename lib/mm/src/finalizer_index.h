/**
 * Where each registered object stands in the finalizer table: object to position, for those that are taken out one by one.
 *
 * Open addressing with linear probing, at most half full; a removal closes its gap, so there are no tombstones.
 * Threads: owner.
 */
#ifndef SM_FINALIZER_INDEX_H
#define SM_FINALIZER_INDEX_H

#include <stdbool.h>
#include <stddef.h>

struct sm_object;

struct sm_finalizer_place {
    struct sm_object *object; /**< NULL: free */
    size_t position;
};

/** Zeroed: empty. `capacity` is a power of two. */
struct sm_finalizer_index {
    size_t count, capacity;
    struct sm_finalizer_place *places;
};

/** Add an object that is not there, or change its position. False: no memory; nothing changed. Cost: O(1) amortised. */
bool sm_finalizer_index_put(struct sm_finalizer_index *index, struct sm_object *object, size_t position);
/** Remove an object that is there. Returns its position. */
size_t sm_finalizer_index_take(struct sm_finalizer_index *index, const struct sm_object *object);
void sm_finalizer_index_finish(struct sm_finalizer_index *index);

#endif
