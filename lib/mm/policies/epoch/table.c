/* Segmented table of object pointers. */
#include "epoch/table.h"

#include "sapimem/policy.h"

enum { PAGE_BYTES = 4096 };

/* The directory holds one pointer per 8192 entries; it is the library's own memory, not the heap's. */
static bool directory_grow(struct epoch_table *table)
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

bool epoch_table_reserve(struct epoch_table *table, struct sm_manager *mm)
{
    if (epoch_table_has_room(table))
        return true;
    if (!directory_grow(table))
        return false;
    struct sm_object **segment = sm_chunk_map(mm, EPOCH_SEGMENT_BYTES, PAGE_BYTES);
    if (segment == NULL)
        return false;
    sm_count_policy_bytes(mm, EPOCH_SEGMENT_BYTES);
    table->segments[table->segment_count++] = segment;
    return true;
}

static void drop_last_segment(struct epoch_table *table, struct sm_manager *mm)
{
    SM_ASSERT(table->segment_count > 0);
    sm_chunk_unmap(mm, table->segments[--table->segment_count], EPOCH_SEGMENT_BYTES);
}

void epoch_table_trim(struct epoch_table *table, struct sm_manager *mm)
{
    size_t needed = (table->count + EPOCH_SEGMENT_SLOTS - 1) / EPOCH_SEGMENT_SLOTS;
    while (table->segment_count > needed + 1)
        drop_last_segment(table, mm);
}

void epoch_table_finish(struct epoch_table *table, struct sm_manager *mm)
{
    while (table->segment_count > 0)
        drop_last_segment(table, mm);
    free(table->segments);
    *table = (struct epoch_table){0};
}
