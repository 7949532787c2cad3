/* Weak cells: a list through the cells themselves. */
#include "weak_list.h"

#include "assertion.h"
#include "store.h"

void sm_weak_list_add(struct sm_weak_list *list, struct sm_object *cell)
{
    struct sm_weak_cell *weak = (struct sm_weak_cell *)cell;
    SM_ASSERT(sm_is_weak_cell(cell) && weak->target != NULL && weak->next == NULL);
    sm_object_set_flags(weak->target, SM_WEAKLY_REFERRED);
    weak->next = list->cells;
    list->cells = weak;
}

/*
 * A target may be garbage that no cycle has found yet. The caller holds it in a C local, and an emergency
 * before the next safepoint must not take it from there, though it is neither young nor reachable.
 */
static void hand_out(struct sm_weak_list *list, struct sm_object *target)
{
    uint32_t count = list->handed_out_count;
    if (count > SM_WEAK_HANDED_OUT_MAX || (count > 0 && list->handed_out[count - 1] == target))
        return;
    if (count < SM_WEAK_HANDED_OUT_MAX)
        list->handed_out[count] = target;
    list->handed_out_count = count + 1;
}

struct sm_object *sm_weak_list_get(struct sm_weak_list *list, const struct sm_object *cell)
{
    struct sm_object *target = ((const struct sm_weak_cell *)cell)->target;
    if (target != NULL)
        hand_out(list, target);
    return target;
}

void sm_weak_list_handed_back(struct sm_weak_list *list)
{
    list->handed_out_count = 0;
}

void sm_weak_list_visit_handed_out(const struct sm_weak_list *list, struct sm_visitor *visitor)
{
    if (list->handed_out_count <= SM_WEAK_HANDED_OUT_MAX) {
        for (uint32_t i = 0; i < list->handed_out_count; i++)
            visitor->edge(visitor, list->handed_out[i]);
        return;
    }
    for (const struct sm_weak_cell *cell = list->cells; cell != NULL; cell = cell->next)
        visitor->edge(visitor, cell->target);
}

/* `object` is about to go, by the word of the C code itself. */
static void forget_handed_out(struct sm_weak_list *list, const struct sm_object *object)
{
    if (list->handed_out_count > SM_WEAK_HANDED_OUT_MAX)
        return;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < list->handed_out_count; i++)
        if (list->handed_out[i] != object)
            list->handed_out[kept++] = list->handed_out[i];
    list->handed_out_count = kept;
}

static struct sm_weak_cell *unlink_cell(struct sm_weak_cell **link)
{
    struct sm_weak_cell *cell = *link;
    *link = cell->next;
    cell->next = NULL;
    return cell;
}

/* The target died, or is about to; observers may still read the entry. */
static void clear(struct sm_manager *mm, struct sm_weak_cell *cell)
{
    const struct sm_value nothing = {0, 0};
    struct sm_value *value = sm_weak_value_of(cell);
    cell->target = NULL;
    if (value != NULL)
        sm_write_slot(mm, value, false, nothing);
}

void sm_weak_list_sweep(struct sm_weak_list *list, struct sm_manager *mm, sm_is_live *is_live, void *context)
{
    struct sm_weak_cell **link = &list->cells;
    while (*link != NULL) {
        bool cell_lives = is_live(context, &(*link)->header);
        if (cell_lives && is_live(context, (*link)->target)) {
            link = &(*link)->next;
            continue;
        }
        /* A cell that is cleared has nothing left to be swept for. One that died goes as it is. */
        struct sm_weak_cell *cell = unlink_cell(link);
        if (cell_lives)
            clear(mm, cell);
        else
            cell->target = NULL;
    }
}

void sm_weak_list_forget(struct sm_weak_list *list, struct sm_manager *mm, struct sm_object *object)
{
    if (!sm_is_weak_cell(object) && (sm_object_flags(object) & SM_WEAKLY_REFERRED) == 0)
        return;
    forget_handed_out(list, object);
    struct sm_weak_cell **link = &list->cells;
    while (*link != NULL) {
        if (&(*link)->header == object)
            unlink_cell(link)->target = NULL;
        else if ((*link)->target == object)
            clear(mm, unlink_cell(link));
        else
            link = &(*link)->next;
    }
}
