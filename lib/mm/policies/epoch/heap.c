/* Objects in mimalloc. */
#include "epoch/heap.h"

#include "allocator_order.h"

#include "sapimem/policy.h"

#include <mimalloc.h>
#include <string.h>

enum { POISON_BYTE = 0xDF };

_Static_assert(sizeof(struct epoch_prefix) == SM_ALIGNMENT, "the prefix keeps objects aligned");
_Static_assert(offsetof(struct epoch_prefix, index) + sizeof(uint64_t) == sizeof(struct epoch_prefix),
               "the table's word stands before the header");

size_t epoch_heap_block_bytes(size_t payload_bytes)
{
    return mi_good_size(sizeof(struct epoch_prefix) + sm_block_bytes(payload_bytes));
}

void epoch_heap_init(struct epoch_heap *heap, struct sm_manager *mm)
{
    *heap = (struct epoch_heap){.mm = mm};
    sm_object_table_init(&heap->objects, mm);
}

static struct epoch_prefix *block_malloc(size_t block_bytes)
{
    struct epoch_prefix *prefix = mi_malloc(block_bytes);
    if (prefix != NULL)
        sm_allocator_acquired(prefix);
    return prefix;
}

static void block_free(struct epoch_prefix *prefix)
{
    sm_allocator_releases(prefix);
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
    sm_object_table_walk(&heap->objects, free_object, heap);
    sm_object_table_finish(&heap->objects);
}

struct sm_object *epoch_heap_alloc(struct epoch_heap *heap, size_t payload_bytes)
{
    size_t block_bytes = epoch_heap_block_bytes(payload_bytes);
    if (!sm_object_table_reserve(&heap->objects) || !sm_reserve(heap->mm, block_bytes))
        return NULL;
    struct epoch_prefix *prefix = block_malloc(block_bytes);
    if (prefix == NULL) {
        sm_unreserve(heap->mm, block_bytes);
        return NULL;
    }
    struct sm_object *object = epoch_object_of(prefix);
    SM_ASSERT((uintptr_t)object % SM_ALIGNMENT == 0);
    prefix->birth_epoch = sm_epoch_current(heap->mm);
    sm_object_table_add(&heap->objects, object, payload_bytes);
    heap->bytes_since_step += block_bytes;
    sm_count_policy_bytes(heap->mm, block_bytes - payload_bytes);
    return object;
}

void epoch_heap_safepoint(struct epoch_heap *heap)
{
    sm_object_table_safepoint(&heap->objects);
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

bool epoch_heap_is_consistent(const struct epoch_heap *heap)
{
    return sm_object_table_is_consistent(&heap->objects, EPOCH_RETIRED);
}

/* The object has left the table already. */
static void move_to_batch(void *context, struct sm_object *object)
{
    SM_ASSERT((sm_object_flags(object) & EPOCH_RETIRED) == 0);
    sm_object_set_flags(object, EPOCH_RETIRED);
    batch_append(context, epoch_prefix_of(object));
}

void epoch_heap_retire(struct epoch_heap *heap, struct sm_object *object, struct epoch_batch *batch)
{
    sm_object_table_remove(&heap->objects, object);
    move_to_batch(batch, object);
}

void epoch_heap_sweep(struct epoch_heap *heap, uint16_t mark, struct epoch_batch *batch)
{
    sm_object_table_sweep(&heap->objects, mark, move_to_batch, batch);
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
