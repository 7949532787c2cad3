#include "model.h"

#include <stdlib.h>

static size_t place_of(const struct heap_set *set, const void *object)
{
    uint64_t word = (uint64_t)(uintptr_t)object / SM_ALIGNMENT * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(word >> 20) & (set->capacity - 1);
}

static void insert(struct heap_set *set, const struct sm_object *object)
{
    size_t place = place_of(set, object);
    while (set->slots[place] != NULL)
        place = (place + 1) & (set->capacity - 1);
    set->slots[place] = object;
    set->count++;
}

static void grow(struct heap_set *set)
{
    struct heap_set grown = {.object_count = set->object_count};
    grown.capacity = set->capacity == 0 ? 1024 : set->capacity * 2;
    grown.slots = (const struct sm_object **)calloc(grown.capacity, sizeof(const struct sm_object *));
    if (grown.slots == NULL)
        abort();
    for (size_t i = 0; i < set->capacity; i++)
        if (set->slots[i] != NULL)
            insert(&grown, set->slots[i]);
    free(set->slots);
    *set = grown;
}

struct filling {
    struct heap_set *set;
    sm_type_id object_type;
};

static void add(void *context, struct sm_object *object)
{
    struct filling *filling = (struct filling *)context;
    if (filling->set->count * 2 >= filling->set->capacity)
        grow(filling->set);
    insert(filling->set, object);
    filling->set->object_count += object->type == filling->object_type;
}

void heap_set_fill(struct heap_set *set, struct vm *vm)
{
    *set = (struct heap_set){0};
    grow(set);
    struct filling filling = {set, vm_types(vm)->object};
    sm_walk(vm_manager(vm), add, &filling);
}

bool heap_set_has(const struct heap_set *set, const void *object)
{
    size_t place = place_of(set, object);
    while (set->slots[place] != NULL && set->slots[place] != object)
        place = (place + 1) & (set->capacity - 1);
    return set->slots[place] != NULL;
}

void heap_set_finish(struct heap_set *set)
{
    free(set->slots);
    *set = (struct heap_set){0};
}
