/* Weak cells: a list through the cells themselves. */
#include "epoch/epoch_internal.h"

sm_status epoch_weak_make(struct sm_policy *policy, struct sm_object *cell)
{
    struct epoch_policy *epoch = epoch_of_base(policy);
    struct sm_weak_cell *weak = (struct sm_weak_cell *)cell;
    SM_ASSERT(weak->target != NULL && (sm_object_flags(weak->target) & EPOCH_RETIRED) == 0);
    sm_object_set_flags(weak->target, EPOCH_WEAKLY_REFERRED);
    weak->next = epoch->weak_cells;
    epoch->weak_cells = weak;
    return SM_OK;
}

/* The only door to a weak target, so that a concurrent marker can shade what passes (R9). */
struct sm_object *epoch_weak_get(struct sm_policy *policy, struct sm_object *cell)
{
    (void)epoch_of_base(policy);
    struct sm_object *target = ((struct sm_weak_cell *)cell)->target;
    SM_ASSERT(target == NULL || (sm_object_flags(target) & EPOCH_RETIRED) == 0);
    return target;
}

static void unlink_cell(struct sm_weak_cell **link)
{
    struct sm_weak_cell *cell = *link;
    *link = cell->next;
    cell->next = NULL;
}

void epoch_weak_sweep(struct epoch_policy *epoch, uint16_t mark)
{
    struct sm_weak_cell **link = &epoch->weak_cells;
    while (*link != NULL) {
        struct sm_weak_cell *cell = *link;
        if (epoch_is_marked(&cell->header, mark) && epoch_is_marked(cell->target, mark)) {
            link = &cell->next;
            continue;
        }
        /* A cell that is cleared has nothing left to be swept for. */
        cell->target = NULL;
        unlink_cell(link);
    }
}

void epoch_weak_forget(struct epoch_policy *epoch, struct sm_object *object)
{
    if (object->type != SM_TYPE_WEAK_CELL && (sm_object_flags(object) & EPOCH_WEAKLY_REFERRED) == 0)
        return;
    struct sm_weak_cell **link = &epoch->weak_cells;
    while (*link != NULL) {
        struct sm_weak_cell *cell = *link;
        if (&cell->header != object && cell->target != object) {
            link = &cell->next;
            continue;
        }
        cell->target = NULL;
        unlink_cell(link);
    }
}
