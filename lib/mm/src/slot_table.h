/**
 * Numbers for objects, dense and reused last in, first out: two sides that do the same get the same numbers.
 *
 * Invariants. Number 0 is nobody's. A free entry holds the next free number, shifted left, with bit 0 set.
 */
#ifndef SM_SLOT_TABLE_H
#define SM_SLOT_TABLE_H

#include "sapimem/object.h"

/** Zeroed: empty. */
struct sm_slot_table {
    uint32_t used, capacity; /**< entries ever in use, number 0 included; of room */
    uint32_t first_free;     /**< 0: none below `used` */
    uintptr_t *entries;
};

/** Numbers stay below: a bit of 32 is left to the user. */
#define SM_SLOT_MAX (UINT32_C(1) << 31)

/** Room for one more. False: no memory; nothing changed. */
bool sm_slot_reserve(struct sm_slot_table *table);
/** A number for `object` (NULL: to be set later); there is room. */
uint32_t sm_slot_take(struct sm_slot_table *table, struct sm_object *object);
/** Give a number back. */
void sm_slot_release(struct sm_slot_table *table, uint32_t slot);
void sm_slot_table_finish(struct sm_slot_table *table);

/** Whether `slot` is somebody's. */
static inline bool sm_slot_is_taken(const struct sm_slot_table *table, uint32_t slot)
{
    return slot != 0 && slot < table->used && (table->entries[slot] & 1) == 0;
}

/** Whose it is; NULL: nobody's. */
static inline struct sm_object *sm_slot_object(const struct sm_slot_table *table, uint32_t slot)
{
    return sm_slot_is_taken(table, slot) ? (struct sm_object *)table->entries[slot] : NULL;
}

static inline void sm_slot_set(struct sm_slot_table *table, uint32_t slot, struct sm_object *object)
{
    table->entries[slot] = (uintptr_t)object;
}

#endif
