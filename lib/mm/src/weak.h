/**
 * Layout of a SM_TYPE_WEAK_CELL object.
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

#endif
