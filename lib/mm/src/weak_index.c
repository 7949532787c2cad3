#include "weak_index.h"

#include "assertion.h"

static struct sm_weak_cell *first_cell(const struct sm_object_entry *entry)
{
    return (struct sm_weak_cell *)(uintptr_t)entry->value;
}

static void set_first(struct sm_object_entry *entry, struct sm_weak_cell *cell)
{
    entry->value = (uintptr_t)cell;
}

bool sm_weak_index_add(struct sm_weak_index *index, struct sm_weak_cell *cell)
{
    SM_ASSERT(cell->target != NULL);
    struct sm_object_entry *entry = sm_object_map_put(&index->chains, cell->target);
    if (entry == NULL)
        return false;
    cell->next = first_cell(entry);
    set_first(entry, cell);
    return true;
}

static void unlink_cell(struct sm_object_entry *entry, struct sm_weak_cell *cell)
{
    if (first_cell(entry) == cell) {
        set_first(entry, cell->next);
    } else {
        struct sm_weak_cell *before = first_cell(entry);
        while (before->next != cell) {
            SM_ASSERT(before->next != NULL);
            before = before->next;
        }
        before->next = cell->next;
    }
    cell->next = NULL;
}

bool sm_weak_index_remove(struct sm_weak_index *index, struct sm_weak_cell *cell)
{
    SM_ASSERT(cell->target != NULL);
    struct sm_object_entry *entry = sm_object_map_find(&index->chains, cell->target);
    SM_ASSERT(entry != NULL);
    unlink_cell(entry, cell);
    if (first_cell(entry) != NULL)
        return true;
    sm_object_map_remove(&index->chains, entry);
    return false;
}

struct sm_weak_cell *sm_weak_index_take(struct sm_weak_index *index, const struct sm_object *target)
{
    struct sm_object_entry *entry = sm_object_map_find(&index->chains, target);
    if (entry == NULL)
        return NULL;
    struct sm_weak_cell *chain = first_cell(entry);
    sm_object_map_remove(&index->chains, entry);
    for (struct sm_weak_cell *cell = chain; cell != NULL; cell = cell->next)
        cell->target = NULL;
    return chain;
}

/* What is left of one chain: the cells that stay, if their target does. Returns the first. */
static struct sm_weak_cell *filter_chain(struct sm_weak_cell *chain, sm_weak_stays *stays, void *context)
{
    bool target_stays = stays(context, chain->target);
    struct sm_weak_cell *first = NULL, **link = &first, *next;
    for (struct sm_weak_cell *cell = chain; cell != NULL; cell = next) {
        next = cell->next;
        if (!stays(context, &cell->header))
            continue;
        cell->next = NULL;
        if (!target_stays) {
            cell->target = NULL;
            continue;
        }
        *link = cell;
        link = &cell->next;
    }
    return first;
}

/*
 * In place. A removal fills its place with an entry that follows, so that place is looked at again; entries that wrap
 * around the end may be looked at twice, which changes nothing.
 */
void sm_weak_index_filter(struct sm_weak_index *index, sm_weak_stays *stays, void *context)
{
    struct sm_object_map *chains = &index->chains;
    for (size_t i = 0; i < chains->capacity;) {
        struct sm_object_entry *entry = &chains->entries[i];
        if (entry->object != NULL) {
            set_first(entry, filter_chain(first_cell(entry), stays, context));
            if (first_cell(entry) == NULL) {
                sm_object_map_remove(chains, entry);
                continue;
            }
        }
        i++;
    }
}

void sm_weak_index_finish(struct sm_weak_index *index)
{
    sm_object_map_finish(&index->chains);
}
