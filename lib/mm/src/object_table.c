/* Segmented table of object pointers. */
#include "object_table.h"

#include "marker.h"

#include "sapimem/policy.h"

#include <stdlib.h>

enum {
    PAGE_BYTES = 4096,
    COMPACT_MINIMUM = 4096, /* gaps worth a compaction */
};

static uint64_t *index_of(const struct sm_object *object)
{
    return (uint64_t *)(uintptr_t)object - 1;
}

static struct sm_object **slot_at(const struct sm_object_table *table, size_t index)
{
    SM_ASSERT(index < table->entry_count);
    return &table->segments[index / SM_TABLE_SEGMENT_SLOTS][index % SM_TABLE_SEGMENT_SLOTS];
}

void sm_object_table_init(struct sm_object_table *table, struct sm_manager *mm)
{
    *table = (struct sm_object_table){.mm = mm};
}

static void drop_last_segment(struct sm_object_table *table)
{
    SM_ASSERT(table->segment_count > 0);
    sm_chunk_unmap(table->mm, table->segments[--table->segment_count], SM_TABLE_SEGMENT_BYTES);
}

/* Give back segments past the entries, but one. */
static void trim(struct sm_object_table *table)
{
    size_t needed = (table->entry_count + SM_TABLE_SEGMENT_SLOTS - 1) / SM_TABLE_SEGMENT_SLOTS;
    while (table->segment_count > needed + 1)
        drop_last_segment(table);
}

void sm_object_table_finish(struct sm_object_table *table)
{
    while (table->segment_count > 0)
        drop_last_segment(table);
    free(table->segments);
    *table = (struct sm_object_table){0};
}

static bool has_room(const struct sm_object_table *table)
{
    return table->entry_count < table->segment_count * SM_TABLE_SEGMENT_SLOTS;
}

/* The directory holds one pointer per 8192 entries; it is the library's own memory, not the heap's. */
static bool directory_grow(struct sm_object_table *table)
{
    if (table->segment_count < table->segment_capacity)
        return true;
    size_t capacity = table->segment_capacity == 0 ? 16 : table->segment_capacity * 2;
    struct sm_object ***segments = realloc(table->segments, capacity * sizeof(*segments));
    if (segments == NULL)
        return false;
    table->segments = segments;
    table->segment_capacity = capacity;
    return true;
}

static bool segment_add(struct sm_object_table *table)
{
    if (!directory_grow(table))
        return false;
    struct sm_object **segment = sm_chunk_map(table->mm, SM_TABLE_SEGMENT_BYTES, PAGE_BYTES);
    if (segment == NULL)
        return false;
    sm_count_policy_bytes(table->mm, SM_TABLE_SEGMENT_BYTES);
    table->segments[table->segment_count++] = segment;
    return true;
}

/*
 * Move the entries that stay to the front, in order: all objects, or those that carry `mark` while the others go
 * to `dead`. The next slot to fill is never past the one being read.
 */
static void sweep(struct sm_object_table *table, uint16_t mark, sm_object_visit *dead, void *context)
{
    size_t kept = 0;
    size_t recent_index = 0;
    for (size_t i = 0; i < table->entry_count; i++) {
        struct sm_object *object = *slot_at(table, i);
        if (i == table->recent_index)
            recent_index = kept;
        if (object == NULL)
            continue;
        if (dead == NULL || sm_is_marked(object, mark)) {
            *slot_at(table, kept) = object;
            *index_of(object) = kept++;
        } else {
            table->live_bytes -= object->payload_bytes;
            dead(context, object);
        }
    }
    table->recent_index = table->recent_index >= table->entry_count ? kept : recent_index;
    table->entry_count = kept;
    table->gap_count = 0;
    trim(table);
}

void sm_object_table_sweep(struct sm_object_table *table, uint16_t mark, sm_object_visit *dead, void *context)
{
    SM_ASSERT(dead != NULL);
    sweep(table, mark, dead, context);
}

/* A program that gives up much by hand and collects never must not grow the table: half of it may be gaps. */
static void compact(struct sm_object_table *table)
{
    sm_pause_begin(table->mm, SM_PAUSE_REFILL);
    sweep(table, SM_MARK_NONE, NULL, NULL);
    sm_pause_end(table->mm);
}

bool sm_object_table_reserve(struct sm_object_table *table)
{
    if (has_room(table))
        return true;
    if (table->gap_count > COMPACT_MINIMUM && table->gap_count > table->entry_count / 2)
        compact(table);
    return has_room(table) || segment_add(table);
}

void sm_object_table_add(struct sm_object_table *table, struct sm_object *object, size_t payload_bytes)
{
    SM_ASSERT(has_room(table));
    size_t index = table->entry_count++;
    *slot_at(table, index) = object;
    *index_of(object) = index;
    table->live_bytes += payload_bytes;
}

void sm_object_table_remove(struct sm_object_table *table, struct sm_object *object)
{
    struct sm_object **slot = slot_at(table, *index_of(object));
    SM_ASSERT(*slot == object && table->live_bytes >= object->payload_bytes);
    *slot = NULL;
    table->gap_count++;
    table->live_bytes -= object->payload_bytes;
}

static void walk_from(const struct sm_object_table *table, size_t first, sm_object_visit *visit, void *context)
{
    for (size_t i = first; i < table->entry_count; i++) {
        struct sm_object *object = *slot_at(table, i);
        if (object != NULL)
            visit(context, object);
    }
}

void sm_object_table_walk(const struct sm_object_table *table, sm_object_visit *visit, void *context)
{
    walk_from(table, 0, visit, context);
}

void sm_object_table_walk_recent(const struct sm_object_table *table, sm_object_visit *visit, void *context)
{
    walk_from(table, table->recent_index, visit, context);
}

bool sm_object_table_has(const struct sm_object_table *table, const struct sm_object *object)
{
    if (object == NULL)
        return false;
    for (size_t i = 0; i < table->entry_count; i++)
        if (*slot_at(table, i) == object)
            return true;
    return false;
}

bool sm_object_table_is_consistent(const struct sm_object_table *table, uint16_t dead_flags)
{
    size_t object_count = 0;
    uint64_t payload_bytes = 0;
    for (size_t i = 0; i < table->entry_count; i++) {
        const struct sm_object *object = *slot_at(table, i);
        if (object == NULL)
            continue;
        if (*index_of(object) != i || (sm_object_flags(object) & dead_flags) != 0)
            return false;
        object_count++;
        payload_bytes += object->payload_bytes;
    }
    return object_count == sm_object_table_count(table) && payload_bytes == table->live_bytes &&
           table->recent_index <= table->entry_count;
}
