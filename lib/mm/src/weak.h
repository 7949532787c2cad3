/**
 * Layout of SM_TYPE_WEAK_CELL and SM_TYPE_WEAK_ENTRY objects: an entry is a cell with a value behind it.
 */
#ifndef SM_WEAK_H
#define SM_WEAK_H

#include "sapimem/object.h"

struct sm_weak_cell {
    struct sm_object header;
    struct sm_object *target;  /**< NULL once cleared; no edge */
    struct sm_weak_cell *next; /**< the policy's, for its list of cells */
};

#define SM_WEAK_CELL_PAYLOAD_BYTES (sizeof(struct sm_weak_cell) - sizeof(struct sm_object))

struct sm_weak_entry {
    struct sm_weak_cell cell;
    struct sm_value value; /**< a strong edge until the target dies; zero from then on */
};

#define SM_WEAK_ENTRY_PAYLOAD_BYTES (sizeof(struct sm_weak_entry) - sizeof(struct sm_object))

static inline bool sm_is_weak_cell(const struct sm_object *object)
{
    return object->type == SM_TYPE_WEAK_CELL || object->type == SM_TYPE_WEAK_ENTRY;
}

/** The value of a cell that is an entry; NULL for a plain one. */
static inline struct sm_value *sm_weak_value_of(struct sm_weak_cell *cell)
{
    return cell->header.type == SM_TYPE_WEAK_ENTRY ? &((struct sm_weak_entry *)cell)->value : NULL;
}

/** Fill the descriptor of SM_TYPE_WEAK_ENTRY. */
void sm_weak_entry_type(struct sm_type *type);

#endif
