#include "weak.h"

#include "manager_internal.h"

_Static_assert(SM_WEAK_CELL_PAYLOAD_BYTES == 16, "a weak cell is a target and a link");

_Static_assert(SM_WEAK_ENTRY_PAYLOAD_BYTES == 32, "a weak entry is a cell and a value");

/* Without the capability targets die only when the cells do, so holding the address is enough. */
static bool register_cell(struct sm_manager *mm, struct sm_weak_cell *cell, struct sm_object *target)
{
    cell->target = target;
    /* Nobody would clear the cell: from now on no death of the target is known. */
    if (sm_has(mm, SM_CAP_DEATHS) && !sm_has(mm, SM_CAP_WEAK) && (sm_object_flags(target) & SM_OBJECT_FINALIZABLE) == 0)
        target->count = SM_COUNT_MAX;
    if (!sm_has(mm, SM_CAP_WEAK) || mm->ops->weak_make(mm->policy, &cell->header) == SM_OK)
        return true;
    cell->target = NULL;
    sm_value_drop(mm, sm_value_from_object(&cell->header, 0));
    return false;
}

struct sm_object *sm_weak_make(struct sm_manager *mm, struct sm_object *target)
{
    if (sm_entry_check(mm) != SM_OK)
        return NULL;
    struct sm_weak_cell *cell = (struct sm_weak_cell *)sm_alloc_leaf(mm, SM_TYPE_WEAK_CELL, SM_WEAK_CELL_PAYLOAD_BYTES);
    if (cell == NULL)
        return NULL;
    cell->next = NULL;
    return register_cell(mm, cell, target) ? &cell->header : NULL;
}

struct sm_object *sm_weak_entry_make(struct sm_manager *mm, struct sm_object *target, struct sm_value value)
{
    if (sm_entry_check(mm) != SM_OK)
        return NULL;
    struct sm_weak_entry *entry = (struct sm_weak_entry *)sm_alloc(mm, SM_TYPE_WEAK_ENTRY, SM_WEAK_ENTRY_PAYLOAD_BYTES);
    if (entry == NULL || !register_cell(mm, &entry->cell, target))
        return NULL;
    sm_store(mm, &entry->cell.header, &entry->value, value);
    return &entry->cell.header;
}

struct sm_value *sm_weak_entry_value(struct sm_object *entry)
{
    SM_ASSERT(entry->type == SM_TYPE_WEAK_ENTRY);
    return &((struct sm_weak_entry *)entry)->value;
}

static void trace_entry(const struct sm_object *object, struct sm_visitor *visitor)
{
    sm_visit_value(visitor, &((const struct sm_weak_entry *)object)->value);
}

void sm_weak_entry_type(struct sm_type *type)
{
    *type = (struct sm_type){.name = "weak-entry", .trace = trace_entry};
}

struct sm_object *sm_weak_get(struct sm_manager *mm, struct sm_object *cell)
{
    SM_ASSERT(sm_is_weak_cell(cell));
    /* What an observer were given would be a root that no snapshot knows (R1, R9). */
    if (sm_entry_check(mm) != SM_OK)
        return NULL;
    struct sm_object *target = ((struct sm_weak_cell *)cell)->target;
    /* Dead by the record, and nothing may bring it back, though its counts keep it a while. */
    if (mm->recorder != NULL && target != NULL && !sm_record_is_alive(mm, target))
        return NULL;
    if (sm_has(mm, SM_CAP_WEAK))
        return mm->ops->weak_get(mm->policy, cell);
    return ((struct sm_weak_cell *)cell)->target;
}
