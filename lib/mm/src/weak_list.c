/* Weak cells: lists through the cells themselves. */
#include "weak_list.h"

#include "assertion.h"

static void link_cell(struct sm_weak_list *list, enum sm_weak_age age, struct sm_weak_cell *cell)
{
    cell->next = list->cells[age];
    list->cells[age] = cell;
}

void sm_weak_list_add(struct sm_weak_list *list, struct sm_object *cell)
{
    struct sm_weak_cell *weak = (struct sm_weak_cell *)cell;
    SM_ASSERT(sm_is_weak_cell(cell) && weak->target != NULL && weak->next == NULL);
    sm_object_set_flags(weak->target, SM_WEAKLY_REFERRED);
    link_cell(list, SM_WEAK_YOUNG, weak);
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

struct sm_object *sm_weak_list_target(const struct sm_object *cell)
{
    return ((const struct sm_weak_cell *)cell)->target;
}

struct sm_object *sm_weak_list_get(struct sm_weak_list *list, const struct sm_object *cell)
{
    struct sm_object *target = sm_weak_list_target(cell);
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
    for (size_t age = 0; age < SM_WEAK_AGE_COUNT; age++)
        for (const struct sm_weak_cell *cell = list->cells[age]; cell != NULL; cell = cell->next)
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

/* The target died, or is about to. Observers may still read the entry, and a marker its old value. */
static void clear(struct sm_manager *mm, struct sm_weak_cell *cell)
{
    const struct sm_value nothing = {0, 0};
    struct sm_value *value = sm_weak_value_of(cell);
    cell->target = NULL;
    if (value != NULL)
        sm_store_move(mm, &cell->header, value, nothing);
}

/* ---- Sweeping. ---- */

/* A cell that is cleared has nothing left to be swept for. One that died goes as it is. */
static void settle(struct sm_weak_list *list, struct sm_manager *mm, struct sm_weak_cell *cell, enum sm_weak_age age,
                   sm_is_live *is_live, void *context)
{
    if (!is_live(context, &cell->header))
        cell->target = NULL;
    else if (is_live(context, cell->target))
        link_cell(list, age, cell);
    else
        clear(mm, cell);
}

static void sweep_age(struct sm_weak_list *list, enum sm_weak_age age, struct sm_manager *mm, sm_is_live *is_live,
                      void *context)
{
    while (list->cells[age] != NULL)
        settle(list, mm, unlink_cell(&list->cells[age]), SM_WEAK_OLD, is_live, context);
}

void sm_weak_list_sweep_young(struct sm_weak_list *list, struct sm_manager *mm, sm_is_live *is_live, void *context)
{
    sweep_age(list, SM_WEAK_YOUNG, mm, is_live, context);
}

/* Put the cells of one age before those of another; of what is left of a sweep that was given up there is little. */
static void prepend(struct sm_weak_list *list, enum sm_weak_age from, enum sm_weak_age to)
{
    struct sm_weak_cell **end = &list->cells[to];
    while (*end != NULL)
        end = &(*end)->next;
    *end = list->cells[from];
    list->cells[from] = NULL;
}

void sm_weak_list_sweep_begin(struct sm_weak_list *list)
{
    prepend(list, SM_WEAK_YOUNG, SM_WEAK_UNSWEPT_YOUNG);
    prepend(list, SM_WEAK_OLD, SM_WEAK_UNSWEPT);
}

/* A sweep in pieces spares what is young, so young cells stay so: the next young cycle decides about their targets. */
bool sm_weak_list_sweep_some(struct sm_weak_list *list, struct sm_manager *mm, sm_is_live *is_live, void *context,
                             size_t budget)
{
    for (; budget > 0; budget--) {
        bool is_young = list->cells[SM_WEAK_UNSWEPT_YOUNG] != NULL;
        struct sm_weak_cell **link = &list->cells[is_young ? SM_WEAK_UNSWEPT_YOUNG : SM_WEAK_UNSWEPT];
        if (*link == NULL)
            break;
        settle(list, mm, unlink_cell(link), is_young ? SM_WEAK_YOUNG : SM_WEAK_OLD, is_live, context);
    }
    return list->cells[SM_WEAK_UNSWEPT_YOUNG] == NULL && list->cells[SM_WEAK_UNSWEPT] == NULL;
}

void sm_weak_list_sweep(struct sm_weak_list *list, struct sm_manager *mm, sm_is_live *is_live, void *context)
{
    sm_weak_list_sweep_begin(list);
    (void)sm_weak_list_sweep_some(list, mm, is_live, context, SIZE_MAX);
    prepend(list, SM_WEAK_YOUNG, SM_WEAK_OLD);
}

static void forget_in(struct sm_weak_cell **link, struct sm_manager *mm, const struct sm_object *object)
{
    while (*link != NULL) {
        if (&(*link)->header == object)
            unlink_cell(link)->target = NULL;
        else if ((*link)->target == object)
            clear(mm, unlink_cell(link));
        else
            link = &(*link)->next;
    }
}

void sm_weak_list_forget(struct sm_weak_list *list, struct sm_manager *mm, struct sm_object *object)
{
    if (!sm_is_weak_cell(object) && (sm_object_flags(object) & SM_WEAKLY_REFERRED) == 0)
        return;
    forget_handed_out(list, object);
    for (size_t age = 0; age < SM_WEAK_AGE_COUNT; age++)
        forget_in(&list->cells[age], mm, object);
}
