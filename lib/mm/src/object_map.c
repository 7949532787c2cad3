#include "object_map.h"

#include "assertion.h"

#include <stdlib.h>

enum { CAPACITY_FIRST = 64 };

static size_t home_of(const struct sm_object_map *map, const struct sm_object *object)
{
    uint64_t spread = ((uint64_t)(uintptr_t)object >> 4) * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(spread >> 24) & (map->capacity - 1);
}

/* Where the object is, or where it would go. */
static struct sm_object_entry *place_of(const struct sm_object_map *map, const struct sm_object *object)
{
    size_t place = home_of(map, object);
    while (map->entries[place].object != NULL && map->entries[place].object != object)
        place = (place + 1) & (map->capacity - 1);
    return &map->entries[place];
}

static bool grow(struct sm_object_map *map)
{
    struct sm_object_map grown = {map->count, map->capacity == 0 ? CAPACITY_FIRST : map->capacity * 2, NULL};
    grown.entries = calloc(grown.capacity, sizeof(*grown.entries));
    if (grown.entries == NULL)
        return false;
    for (size_t i = 0; i < map->capacity; i++) {
        if (map->entries[i].object != NULL)
            *place_of(&grown, map->entries[i].object) = map->entries[i];
    }
    free(map->entries);
    *map = grown;
    return true;
}

struct sm_object_entry *sm_object_map_find(const struct sm_object_map *map, const struct sm_object *object)
{
    if (map->count == 0)
        return NULL;
    struct sm_object_entry *entry = place_of(map, object);
    return entry->object == NULL ? NULL : entry;
}

struct sm_object_entry *sm_object_map_put(struct sm_object_map *map, struct sm_object *object)
{
    SM_ASSERT(object != NULL);
    struct sm_object_entry *entry = sm_object_map_find(map, object);
    if (entry != NULL)
        return entry;
    if ((map->count + 1) * 2 > map->capacity && !grow(map))
        return NULL;
    entry = place_of(map, object);
    *entry = (struct sm_object_entry){.object = object};
    map->count++;
    return entry;
}

bool sm_object_map_set(struct sm_object_map *map, struct sm_object *object, uint64_t value)
{
    struct sm_object_entry *entry = sm_object_map_put(map, object);
    if (entry == NULL)
        return false;
    entry->value = value;
    return true;
}

/* Whoever follows without a gap and would not be found any more moves up. */
void sm_object_map_remove(struct sm_object_map *map, struct sm_object_entry *entry)
{
    size_t mask = map->capacity - 1;
    size_t gap = (size_t)(entry - map->entries);
    SM_ASSERT(gap < map->capacity && entry->object != NULL);
    for (size_t place = (gap + 1) & mask; map->entries[place].object != NULL; place = (place + 1) & mask) {
        size_t home = home_of(map, map->entries[place].object);
        if (((place - home) & mask) < ((place - gap) & mask))
            continue;
        map->entries[gap] = map->entries[place];
        gap = place;
    }
    map->entries[gap].object = NULL;
    map->count--;
}

uint64_t sm_object_map_take(struct sm_object_map *map, const struct sm_object *object)
{
    struct sm_object_entry *entry = sm_object_map_find(map, object);
    SM_ASSERT(entry != NULL);
    uint64_t value = entry->value;
    sm_object_map_remove(map, entry);
    return value;
}

void sm_object_map_finish(struct sm_object_map *map)
{
    free(map->entries);
    *map = (struct sm_object_map){0};
}
