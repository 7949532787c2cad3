#include "finalizer_index.h"

#include "assertion.h"

#include <stdint.h>
#include <stdlib.h>

enum { CAPACITY_FIRST = 32 };

static size_t home_of(const struct sm_finalizer_index *index, const struct sm_object *object)
{
    uint64_t spread = ((uint64_t)(uintptr_t)object >> 4) * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(spread >> 20) & (index->capacity - 1);
}

/* Where the object is, or where it would go. */
static size_t find(const struct sm_finalizer_index *index, const struct sm_object *object)
{
    size_t slot = home_of(index, object);
    while (index->places[slot].object != NULL && index->places[slot].object != object)
        slot = (slot + 1) & (index->capacity - 1);
    return slot;
}

static bool grow(struct sm_finalizer_index *index)
{
    struct sm_finalizer_index grown = {index->count, index->capacity == 0 ? CAPACITY_FIRST : index->capacity * 2, NULL};
    grown.places = calloc(grown.capacity, sizeof(*grown.places));
    if (grown.places == NULL)
        return false;
    for (size_t i = 0; i < index->capacity; i++) {
        if (index->places[i].object != NULL)
            grown.places[find(&grown, index->places[i].object)] = index->places[i];
    }
    free(index->places);
    *index = grown;
    return true;
}

bool sm_finalizer_index_put(struct sm_finalizer_index *index, struct sm_object *object, size_t position)
{
    if ((index->count + 1) * 2 > index->capacity && !grow(index))
        return false;
    struct sm_finalizer_place *place = &index->places[find(index, object)];
    index->count += place->object == NULL;
    *place = (struct sm_finalizer_place){object, position};
    return true;
}

/* Whoever follows without a gap and would not be found any more moves up. */
static void close_gap(struct sm_finalizer_index *index, size_t gap)
{
    size_t mask = index->capacity - 1;
    for (size_t slot = (gap + 1) & mask; index->places[slot].object != NULL; slot = (slot + 1) & mask) {
        size_t home = home_of(index, index->places[slot].object);
        if (((slot - home) & mask) < ((slot - gap) & mask))
            continue;
        index->places[gap] = index->places[slot];
        gap = slot;
    }
    index->places[gap].object = NULL;
}

size_t sm_finalizer_index_take(struct sm_finalizer_index *index, const struct sm_object *object)
{
    SM_ASSERT(index->count > 0);
    size_t slot = find(index, object);
    SM_ASSERT(index->places[slot].object == object);
    size_t position = index->places[slot].position;
    index->count--;
    close_gap(index, slot);
    return position;
}

void sm_finalizer_index_finish(struct sm_finalizer_index *index)
{
    free(index->places);
    *index = (struct sm_finalizer_index){0};
}
