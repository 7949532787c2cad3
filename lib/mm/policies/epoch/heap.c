/* Objects in mimalloc. */
#include "epoch/heap.h"

#include "epoch/allocator_order.h"

#include "sapimem/policy.h"

#include <mimalloc.h>
#include <string.h>

enum {
    COMPACT_MINIMUM = 4096, /* tombstones worth a compaction */
    POISON_BYTE = 0xDF,
};

_Static_assert(sizeof(struct epoch_prefix) == SM_ALIGNMENT, "the prefix keeps objects aligned");

size_t epoch_heap_block_bytes(size_t payload_bytes)
{
    return mi_good_size(sizeof(struct epoch_prefix) + sm_block_bytes(payload_bytes));
}

void epoch_heap_init(struct epoch_heap *heap, struct sm_manager *mm)
{
    *heap = (struct epoch_heap){.mm = mm};
}

static struct epoch_prefix *block_malloc(size_t block_bytes)
{
    struct epoch_prefix *prefix = mi_malloc(block_bytes);
    if (prefix != NULL)
        epoch_allocator_acquired(prefix);
    return prefix;
}

static void block_free(struct epoch_prefix *prefix)
{
    epoch_allocator_releases(prefix);
    mi_free(prefix);
}

static void free_object(void *context, struct sm_object *object)
{
    struct epoch_heap *heap = context;
    size_t block_bytes = epoch_heap_block_bytes(object->payload_bytes);
    block_free(epoch_prefix_of(object));
    sm_unreserve(heap->mm, block_bytes);
}

void epoch_heap_finish(struct epoch_heap *heap)
{
    epoch_heap_walk(heap, 0, free_object, heap);
    epoch_table_finish(&heap->objects, heap->mm);
}

/* Place `object` at `index`, at or before where it was. */
static void place(struct epoch_heap *heap, size_t index, struct sm_object *object)
{
    *epoch_table_slot(&heap->objects, index) = object;
    epoch_prefix_of(object)->index = index;
}

/* Close the gaps that tombstones left; order is kept. */
static void compact(struct epoch_heap *heap)
{
    struct epoch_table *objects = &heap->objects;
    size_t kept = 0;
    size_t recent_index = 0;
    for (size_t i = 0; i < objects->count; i++) {
        if (i == heap->recent_index)
            recent_index = kept;
        struct sm_object *object = *epoch_table_slot(objects, i);
        if (object != NULL)
            place(heap, kept++, object);
    }
    heap->recent_index = heap->recent_index >= objects->count ? kept : recent_index;
    SM_ASSERT(objects->count - kept == heap->tombstone_count);
    heap->tombstone_count = 0;
    objects->count = kept;
    epoch_table_trim(objects, heap->mm);
}

/* A program that retires much and collects never must not grow the table: half of it may be gaps. */
static bool reserve_entry(struct epoch_heap *heap)
{
    struct epoch_table *objects = &heap->objects;
    if (epoch_table_has_room(objects))
        return true;
    if (heap->tombstone_count > COMPACT_MINIMUM && heap->tombstone_count > objects->count / 2) {
        sm_pause_begin(heap->mm, SM_PAUSE_REFILL);
        compact(heap);
        sm_pause_end(heap->mm);
    }
    return epoch_table_reserve(objects, heap->mm);
}

static void count_allocation(struct epoch_heap *heap, size_t payload_bytes, size_t block_bytes)
{
    heap->live_objects++;
    heap->live_bytes += payload_bytes;
    heap->bytes_since_step += block_bytes;
    sm_count_policy_bytes(heap->mm, block_bytes - payload_bytes);
}

struct sm_object *epoch_heap_alloc(struct epoch_heap *heap, size_t payload_bytes)
{
    size_t block_bytes = epoch_heap_block_bytes(payload_bytes);
    if (!reserve_entry(heap) || !sm_reserve(heap->mm, block_bytes))
        return NULL;
    struct epoch_prefix *prefix = block_malloc(block_bytes);
    if (prefix == NULL) {
        sm_unreserve(heap->mm, block_bytes);
        return NULL;
    }
    struct sm_object *object = epoch_object_of(prefix);
    SM_ASSERT((uintptr_t)object % SM_ALIGNMENT == 0);
    prefix->birth_epoch = sm_epoch_current(heap->mm);
    prefix->index = epoch_table_push(&heap->objects, object);
    count_allocation(heap, payload_bytes, block_bytes);
    return object;
}

void epoch_heap_safepoint(struct epoch_heap *heap)
{
    heap->recent_index = heap->objects.count;
    heap->bytes_since_step = 0;
}

static void batch_append(struct epoch_batch *batch, struct epoch_prefix *prefix)
{
    struct sm_object *object = epoch_object_of(prefix);
    prefix->next = NULL;
    if (batch->last == NULL)
        batch->first = prefix;
    else
        batch->last->next = prefix;
    batch->last = prefix;
    batch->object_count++;
    batch->payload_bytes += object->payload_bytes;
    batch->block_bytes += epoch_heap_block_bytes(object->payload_bytes);
}

/* The object has left the table already. */
static void move_to_batch(struct epoch_heap *heap, struct sm_object *object, struct epoch_batch *batch)
{
    SM_ASSERT((sm_object_flags(object) & EPOCH_RETIRED) == 0);
    SM_ASSERT(heap->live_objects > 0 && heap->live_bytes >= object->payload_bytes);
    sm_object_set_flags(object, EPOCH_RETIRED);
    heap->live_objects--;
    heap->live_bytes -= object->payload_bytes;
    batch_append(batch, epoch_prefix_of(object));
}

void epoch_heap_retire(struct epoch_heap *heap, struct sm_object *object, struct epoch_batch *batch)
{
    struct sm_object **slot = epoch_table_slot(&heap->objects, epoch_prefix_of(object)->index);
    SM_ASSERT(*slot == object);
    *slot = NULL;
    heap->tombstone_count++;
    move_to_batch(heap, object, batch);
}

void epoch_heap_sweep(struct epoch_heap *heap, uint16_t mark, struct epoch_batch *batch)
{
    struct epoch_table *objects = &heap->objects;
    for (size_t i = 0; i < objects->count; i++) {
        struct sm_object **slot = epoch_table_slot(objects, i);
        struct sm_object *object = *slot;
        if (object == NULL || (sm_object_flags(object) & EPOCH_MARK_MASK) == mark)
            continue;
        *slot = NULL;
        heap->tombstone_count++;
        move_to_batch(heap, object, batch);
    }
    compact(heap);
}

void epoch_heap_walk(const struct epoch_heap *heap, size_t first,
                     void (*visit)(void *context, struct sm_object *object), void *context)
{
    for (size_t i = first; i < heap->objects.count; i++) {
        struct sm_object *object = *epoch_table_slot(&heap->objects, i);
        if (object != NULL)
            visit(context, object);
    }
}

bool epoch_heap_has(const struct epoch_heap *heap, const struct sm_object *object)
{
    if (object == NULL)
        return false;
    for (size_t i = 0; i < heap->objects.count; i++)
        if (*epoch_table_slot(&heap->objects, i) == object)
            return true;
    return false;
}

bool epoch_heap_is_consistent(const struct epoch_heap *heap)
{
    uint64_t object_count = 0;
    uint64_t payload_bytes = 0;
    for (size_t i = 0; i < heap->objects.count; i++) {
        const struct sm_object *object = *epoch_table_slot(&heap->objects, i);
        if (object == NULL)
            continue;
        if (epoch_prefix_of(object)->index != i || (sm_object_flags(object) & EPOCH_RETIRED) != 0)
            return false;
        object_count++;
        payload_bytes += object->payload_bytes;
    }
    return object_count == heap->live_objects && payload_bytes == heap->live_bytes &&
           heap->objects.count - object_count == heap->tombstone_count && heap->recent_index <= heap->objects.count;
}

void epoch_batch_splice(struct epoch_batch *batch, struct epoch_batch *tail)
{
    if (tail->object_count == 0)
        return;
    if (batch->last == NULL)
        batch->first = tail->first;
    else
        batch->last->next = tail->first;
    batch->last = tail->last;
    batch->object_count += tail->object_count;
    batch->payload_bytes += tail->payload_bytes;
    batch->block_bytes += tail->block_bytes;
    batch->retire_epoch = tail->retire_epoch;
    *tail = (struct epoch_batch){0};
}

/* Detach the first object; in checked builds whoever still reads it finds 0xDF. */
static struct epoch_prefix *take_first(struct epoch_batch *batch, uint64_t *payload_bytes, uint64_t *block_bytes)
{
    struct epoch_prefix *prefix = batch->first;
    struct sm_object *object = epoch_object_of(prefix);
    SM_ASSERT((sm_object_flags(object) & EPOCH_RETIRED) != 0);
    size_t object_payload_bytes = object->payload_bytes;
    *payload_bytes += object_payload_bytes;
    *block_bytes += epoch_heap_block_bytes(object_payload_bytes);
    batch->first = prefix->next;
    if (SM_ASSERT_LEVEL >= 2)
        memset(object, POISON_BYTE, sm_block_bytes(object_payload_bytes));
    return prefix;
}

uint64_t epoch_heap_release(struct epoch_batch *batch, size_t count_max, struct epoch_reclaimed *reclaimed)
{
    uint64_t payload_bytes = 0;
    uint64_t block_bytes = 0;
    uint64_t object_count = 0;
    for (; object_count < count_max && batch->first != NULL; object_count++)
        block_free(take_first(batch, &payload_bytes, &block_bytes));
    atomic_fetch_add_explicit(&reclaimed->payload_bytes, payload_bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&reclaimed->objects, object_count, memory_order_relaxed);
    batch->object_count -= object_count;
    batch->payload_bytes -= payload_bytes;
    batch->block_bytes -= block_bytes;
    SM_ASSERT((batch->object_count == 0) == (batch->first == NULL));
    if (batch->first == NULL)
        *batch = (struct epoch_batch){0};
    return block_bytes;
}
