#include "slot_table.h"

#include "assertion.h"

#include <stdlib.h>

enum { CAPACITY_FIRST = 1024 };

static bool grow(struct sm_slot_table *table)
{
    if (table->capacity >= SM_SLOT_MAX)
        return false;
    uint32_t capacity = table->capacity == 0 ? CAPACITY_FIRST : table->capacity * 2;
    uintptr_t *entries = realloc(table->entries, capacity * sizeof(*entries));
    if (entries == NULL)
        return false;
    if (table->used == 0) {
        entries[0] = 1;
        table->used = 1;
    }
    table->entries = entries;
    table->capacity = capacity;
    return true;
}

bool sm_slot_reserve(struct sm_slot_table *table)
{
    return table->first_free != 0 || table->used < table->capacity || grow(table);
}

uint32_t sm_slot_take(struct sm_slot_table *table, struct sm_object *object)
{
    uint32_t slot = table->first_free;
    if (slot != 0) {
        SM_ASSERT((table->entries[slot] & 1) != 0);
        table->first_free = (uint32_t)(table->entries[slot] >> 1);
    } else {
        SM_ASSERT(table->used < table->capacity);
        slot = table->used++;
    }
    table->entries[slot] = (uintptr_t)object;
    return slot;
}

void sm_slot_release(struct sm_slot_table *table, uint32_t slot)
{
    SM_ASSERT(sm_slot_is_taken(table, slot));
    table->entries[slot] = (uintptr_t)table->first_free << 1 | 1;
    table->first_free = slot;
}

void sm_slot_table_finish(struct sm_slot_table *table)
{
    free(table->entries);
    *table = (struct sm_slot_table){0};
}
