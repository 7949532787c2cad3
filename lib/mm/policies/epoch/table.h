/**
 * A growing array of object pointers in fixed segments: nothing is copied as it grows.
 *
 * Used for all objects and for weak cells. Threads: owner.
 */
#ifndef SM_EPOCH_TABLE_H
#define SM_EPOCH_TABLE_H

#include "assertion.h"
#include "sapimem/object.h"

enum { EPOCH_SEGMENT_SLOTS = 8192 };
#define EPOCH_SEGMENT_BYTES (EPOCH_SEGMENT_SLOTS * sizeof(struct sm_object *))

/** Zeroed: empty. Segments are chunks of the manager, so they count as committed and can be refused. */
struct epoch_table {
    size_t count; /**< slots in use, tombstones (NULL) included */
    size_t segment_count, segment_capacity;
    struct sm_object ***segments;
};

/** Make room for one more entry. False: refused, nothing changed. */
bool epoch_table_reserve(struct epoch_table *table, struct sm_manager *mm);

/** Give back segments past `count`, but one. */
void epoch_table_trim(struct epoch_table *table, struct sm_manager *mm);

void epoch_table_finish(struct epoch_table *table, struct sm_manager *mm);

static inline bool epoch_table_has_room(const struct epoch_table *table)
{
    return table->count < table->segment_count * EPOCH_SEGMENT_SLOTS;
}

static inline struct sm_object **epoch_table_slot(const struct epoch_table *table, size_t index)
{
    SM_ASSERT(index < table->count);
    return &table->segments[index / EPOCH_SEGMENT_SLOTS][index % EPOCH_SEGMENT_SLOTS];
}

/** Append; room was reserved. Returns the index. */
static inline size_t epoch_table_push(struct epoch_table *table, struct sm_object *object)
{
    SM_ASSERT(epoch_table_has_room(table));
    size_t index = table->count++;
    *epoch_table_slot(table, index) = object;
    return index;
}

#endif
