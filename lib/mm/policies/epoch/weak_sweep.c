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

/*
 * A target may be garbage that no cycle has found yet. The caller holds it in a C local, and an emergency
 * before the next safepoint must not take it from there, though it is neither young nor reachable.
 */
static void hand_out(struct epoch_policy *epoch, struct sm_object *target)
{
    uint32_t count = epoch->handed_out_count;
    if (count > EPOCH_HANDED_OUT_MAX || (count > 0 && epoch->handed_out[count - 1] == target))
        return;
    if (count < EPOCH_HANDED_OUT_MAX)
        epoch->handed_out[count] = target;
    epoch->handed_out_count = count + 1;
}

void epoch_weak_handed_back(struct epoch_policy *epoch)
{
    epoch->handed_out_count = 0;
}

void epoch_weak_mark_handed_out(const struct epoch_policy *epoch, struct epoch_marker *marker)
{
    if (epoch->handed_out_count <= EPOCH_HANDED_OUT_MAX) {
        for (uint32_t i = 0; i < epoch->handed_out_count; i++)
            epoch_mark_object(marker, epoch->handed_out[i]);
        return;
    }
    for (const struct sm_weak_cell *cell = epoch->weak_cells; cell != NULL; cell = cell->next)
        epoch_mark_object(marker, cell->target);
}

/* `object` is about to go, by the word of the C code itself. */
static void forget_handed_out(struct epoch_policy *epoch, const struct sm_object *object)
{
    if (epoch->handed_out_count > EPOCH_HANDED_OUT_MAX)
        return;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < epoch->handed_out_count; i++)
        if (epoch->handed_out[i] != object)
            epoch->handed_out[kept++] = epoch->handed_out[i];
    epoch->handed_out_count = kept;
}

/* The only door to a weak target, so that a concurrent marker can shade what passes (R9). */
struct sm_object *epoch_weak_get(struct sm_policy *policy, struct sm_object *cell)
{
    struct epoch_policy *epoch = epoch_of_base(policy);
    struct sm_object *target = ((struct sm_weak_cell *)cell)->target;
    SM_ASSERT(target == NULL || (sm_object_flags(target) & EPOCH_RETIRED) == 0);
    if (target != NULL)
        hand_out(epoch, target);
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
    forget_handed_out(epoch, object);
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
