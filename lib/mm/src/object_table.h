/**
 * Every object of a policy whose blocks know nothing of each other: a growing array of object pointers in
 * fixed segments, so that nothing is copied as it grows.
 *
 * Invariants. An object is in the table exactly once, from sm_object_table_add until it is removed or swept;
 * the table is in order of allocation. The word before each object's header is the table's meanwhile: it
 * holds the object's index. So a policy's block begins with at least that word; once the object has left the
 * table, the word is the policy's. A removed object leaves a gap; a sweep, or a table that is half gaps,
 * closes them. What is asked about an object is only its mark (marker.h) and, in the functions that say so, its size.
 *
 * Memory order. The owner's alone; observers never read the word before a header.
 */
#ifndef SM_OBJECT_TABLE_H
#define SM_OBJECT_TABLE_H

#include "assertion.h"
#include "sapimem/object.h"

enum { SM_TABLE_SEGMENT_SLOTS = 8192 };
#define SM_TABLE_SEGMENT_BYTES (SM_TABLE_SEGMENT_SLOTS * sizeof(struct sm_object *))

struct sm_object_table {
    struct sm_manager *mm;
    size_t entry_count;  /**< slots in use, gaps (NULL) included */
    size_t gap_count;    /**< left by sm_object_table_remove */
    size_t recent_index; /**< entries from here on are younger than the last safepoint */
    uint64_t live_bytes; /**< payloads of the objects in the table */
    size_t segment_count, segment_capacity;
    struct sm_object ***segments; /**< chunks of the manager, so they count as committed and can be refused */
};

typedef void sm_object_visit(void *context, struct sm_object *object);

void sm_object_table_init(struct sm_object_table *table, struct sm_manager *mm);
/** Give back the segments; the objects are the policy's to free. */
void sm_object_table_finish(struct sm_object_table *table);

/** Make room for one more entry. False: memory was refused, nothing changed. */
bool sm_object_table_reserve(struct sm_object_table *table);

/** Append; room was reserved. The header need not be written yet. */
void sm_object_table_add(struct sm_object_table *table, struct sm_object *object, size_t payload_bytes);

/** Take one object out. Reads its size. */
void sm_object_table_remove(struct sm_object_table *table, struct sm_object *object);

/**
 * Take out every object that does not carry `mark`, each handed to `dead` in order of allocation once the
 * table has done with it (so `dead` may free it); close the gaps. Reads sizes.
 */
void sm_object_table_sweep(struct sm_object_table *table, uint16_t mark, sm_object_visit *dead, void *context);

/** A safepoint: what has been added is no longer recent. */
static inline void sm_object_table_safepoint(struct sm_object_table *table)
{
    table->recent_index = table->entry_count;
}

/** Visit objects in order of allocation, all of them or the recent ones. `visit` may add objects but not remove any. */
void sm_object_table_walk(const struct sm_object_table *table, sm_object_visit *visit, void *context);
void sm_object_table_walk_recent(const struct sm_object_table *table, sm_object_visit *visit, void *context);

/** Whether `object` is in the table. Cost: O(objects); the pointer is not followed. */
bool sm_object_table_has(const struct sm_object_table *table, const struct sm_object *object);

/** Whether the invariants above hold, and no object carries one of `dead_flags`. Reads sizes. Cost: O(objects). */
bool sm_object_table_is_consistent(const struct sm_object_table *table, uint16_t dead_flags);

static inline size_t sm_object_table_count(const struct sm_object_table *table)
{
    return table->entry_count - table->gap_count;
}

#endif
