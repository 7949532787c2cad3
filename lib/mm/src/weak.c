#include "weak.h"

#include "manager_internal.h"

_Static_assert(SM_WEAK_CELL_PAYLOAD_BYTES == 16, "a weak cell is a target and a link");

struct sm_object *sm_weak_make(struct sm_manager *mm, struct sm_object *target)
{
    struct sm_weak_cell *cell = (struct sm_weak_cell *)sm_alloc(mm, SM_TYPE_WEAK_CELL, SM_WEAK_CELL_PAYLOAD_BYTES);
    if (cell == NULL)
        return NULL;
    cell->target = target;
    /* Without the capability targets die only when the cells do, so holding the address is enough. */
    if (sm_has(mm, SM_CAP_WEAK) && mm->ops->weak_make(mm->policy, &cell->header) != SM_OK)
        return NULL;
    return &cell->header;
}

struct sm_object *sm_weak_get(struct sm_manager *mm, struct sm_object *cell)
{
    SM_ASSERT(cell->type == SM_TYPE_WEAK_CELL);
    if (sm_has(mm, SM_CAP_WEAK))
        return mm->ops->weak_get(mm->policy, cell);
    return ((struct sm_weak_cell *)cell)->target;
}
