#include "weak_index.h"

#include "assertion.h"

#include <stdlib.h>

enum { CAPACITY_FIRST = 32 };

static size_t home_of(const struct sm_weak_index *index, const struct sm_object *target)
{
    uint64_t spread = ((uint64_t)(uintptr_t)target >> 4) * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(spread >> 20) & (index->capacity - 1);
}

/* Where the target's chain is, or where it would go. */
static size_t find(const struct sm_weak_index *index, const struct sm_object *target)
{
    size_t slot = home_of(index, target);
    while (index->chains[slot] != NULL && index->chains[slot]->target != target)
        slot = (slot + 1) & (index->capacity - 1);
    return slot;
}

static bool grow(struct sm_weak_index *index)
{
    size_t capacity = index->capacity == 0 ? CAPACITY_FIRST : index->capacity * 2;
    struct sm_weak_index grown = {index->count, capacity, calloc(capacity, sizeof(struct sm_weak_cell *))};
    if (grown.chains == NULL)
        return false;
    for (size_t i = 0; i < index->capacity; i++) {
        if (index->chains[i] != NULL)
            grown.chains[find(&grown, index->chains[i]->target)] = index->chains[i];
    }
    free(index->chains);
    *index = grown;
    return true;
}

bool sm_weak_index_add(struct sm_weak_index *index, struct sm_weak_cell *cell)
{
    SM_ASSERT(cell->target != NULL);
    if ((index->count + 1) * 2 > index->capacity && !grow(index))
        return false;
    struct sm_weak_cell **chain = &index->chains[find(index, cell->target)];
    index->count += *chain == NULL;
    cell->next = *chain;
    *chain = cell;
    return true;
}

/* Whoever follows without a gap and would not be found any more moves up. */
static void close_gap(struct sm_weak_index *index, size_t gap)
{
    size_t mask = index->capacity - 1;
    index->count--;
    index->chains[gap] = NULL;
    for (size_t slot = (gap + 1) & mask; index->chains[slot] != NULL; slot = (slot + 1) & mask) {
        size_t home = home_of(index, index->chains[slot]->target);
        if (((slot - home) & mask) < ((slot - gap) & mask))
            continue;
        index->chains[gap] = index->chains[slot];
        index->chains[slot] = NULL;
        gap = slot;
    }
}

bool sm_weak_index_remove(struct sm_weak_index *index, struct sm_weak_cell *cell)
{
    SM_ASSERT(index->count > 0 && cell->target != NULL);
    size_t slot = find(index, cell->target);
    struct sm_weak_cell **link = &index->chains[slot];
    while (*link != cell) {
        SM_ASSERT(*link != NULL);
        link = &(*link)->next;
    }
    *link = cell->next;
    cell->next = NULL;
    if (index->chains[slot] != NULL)
        return true;
    close_gap(index, slot);
    return false;
}

struct sm_weak_cell *sm_weak_index_take(struct sm_weak_index *index, const struct sm_object *target)
{
    if (index->count == 0)
        return NULL;
    size_t slot = find(index, target);
    struct sm_weak_cell *chain = index->chains[slot];
    if (chain == NULL)
        return NULL;
    close_gap(index, slot);
    for (struct sm_weak_cell *cell = chain; cell != NULL; cell = cell->next)
        cell->target = NULL;
    return chain;
}

/* What is left of one chain. */
static void filter_chain(struct sm_weak_index *kept, struct sm_weak_cell *chain, sm_weak_stays *stays, void *context)
{
    bool target_stays = stays(context, chain->target);
    struct sm_weak_cell *next;
    for (struct sm_weak_cell *cell = chain; cell != NULL; cell = next) {
        next = cell->next;
        if (!stays(context, &cell->header))
            continue;
        /* As large as the old table, so this needs no memory. */
        if (target_stays)
            (void)sm_weak_index_add(kept, cell);
        else
            *cell = (struct sm_weak_cell){.header = cell->header};
    }
}

/* Rebuilt in place: gathered at the front first, then every chain goes where it belongs. */
void sm_weak_index_filter(struct sm_weak_index *index, sm_weak_stays *stays, void *context)
{
    struct sm_weak_index old = *index;
    *index = (struct sm_weak_index){.capacity = old.capacity};
    if (old.count == 0 || (index->chains = calloc(old.capacity, sizeof(struct sm_weak_cell *))) == NULL) {
        *index = (struct sm_weak_index){0};
        /* Without memory for the new table every cell that stays is cleared: early, but never dangling. */
        for (size_t i = 0; i < old.capacity; i++) {
            struct sm_weak_cell *next;
            for (struct sm_weak_cell *cell = old.chains[i]; cell != NULL; cell = next) {
                next = cell->next;
                if (stays(context, &cell->header))
                    *cell = (struct sm_weak_cell){.header = cell->header};
            }
        }
        free(old.chains);
        return;
    }
    for (size_t i = 0; i < old.capacity; i++) {
        if (old.chains[i] != NULL)
            filter_chain(index, old.chains[i], stays, context);
    }
    free(old.chains);
}

void sm_weak_index_finish(struct sm_weak_index *index)
{
    free(index->chains);
    *index = (struct sm_weak_index){0};
}
