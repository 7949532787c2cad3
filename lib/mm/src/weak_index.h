/**
 * Which weak cells refer to an object: for policies that free one object at a time and must find them then.
 *
 * The cells of one target are chained through sm_weak_cell.next, the newest first. The index keeps nothing
 * alive: the policy takes a dead target's cells out, and a dead cell too. Threads: owner.
 */
#ifndef SM_WEAK_INDEX_H
#define SM_WEAK_INDEX_H

#include "object_map.h"
#include "weak.h"

/** Zeroed: empty. */
struct sm_weak_index {
    struct sm_object_map chains; /**< value: the target's newest cell */
};

/** Add a cell that holds its target. False: no memory; nothing changed. Cost: O(1) amortised. */
bool sm_weak_index_add(struct sm_weak_index *index, struct sm_weak_cell *cell);

/** A cell that is in the index dies. Returns whether its target has other cells. Cost: O(cells of the target). */
bool sm_weak_index_remove(struct sm_weak_index *index, struct sm_weak_cell *cell);

/** The target dies: its cells are cleared. Returns their chain, for the values of entries; NULL: it had none. */
struct sm_weak_cell *sm_weak_index_take(struct sm_weak_index *index, const struct sm_object *target);

/** Whether an object outlives what is being forgotten. */
typedef bool sm_weak_stays(void *context, const struct sm_object *object);
/** Many objects go at once: keep cells that stay and whose targets do; clear those that stay without their target. */
void sm_weak_index_filter(struct sm_weak_index *index, sm_weak_stays *stays, void *context);

void sm_weak_index_finish(struct sm_weak_index *index);

#endif
