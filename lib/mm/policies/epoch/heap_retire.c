/* Objects given up by hand, on their way out of the heap. */
#include "epoch/heap.h"

#include "epoch/poisoning.h"
#include "epoch/sweep.h"

static void unlink_large(struct epoch_heap *heap, struct epoch_block *block)
{
    if (heap->large_unswept == block)
        heap->large_unswept = block->next;
    if (block->previous != NULL)
        block->previous->next = block->next;
    else
        heap->large = block->next;
    if (block->next != NULL)
        block->next->previous = block->previous;
    block->next = block->previous = NULL;
}

void epoch_heap_retire_large(struct epoch_heap *heap, struct epoch_block *block, struct epoch_batch *batch)
{
    unlink_large(heap, block);
    heap->large_bytes -= block->large_bytes;
    epoch_list_append(&batch->large, block);
    batch->room_bytes += block->large_bytes;
    batch->uncounted_bytes += block->large_bytes;
}

/* Without memory for the list it waits for the cycle that finds it, as all that nobody retires does. */
static void retire_shared(struct epoch_heap *heap, struct sm_object *object, struct epoch_batch *batch)
{
    if (!epoch_batch_list(batch, object, heap->recent_sequence)) {
        heap->unlisted_objects++;
        heap->unlisted_bytes += object->payload_bytes;
        return;
    }
    epoch_heap_keep_room(heap, object);
    batch->room_bytes += sm_block_bytes((size_t)object->payload_bytes);
    batch->uncounted_bytes += sm_block_bytes((size_t)object->payload_bytes);
    batch->object_count++;
    batch->payload_bytes += object->payload_bytes;
}

/* It does not live on, whatever the marker makes of it. */
static void count_out(struct epoch_heap *heap, const struct sm_object *object)
{
    uint8_t byte = epoch_granule_load(object);
    if (byte == 0)
        return;
    heap->old_objects--;
    heap->old_bytes -= object->payload_bytes;
}

void epoch_heap_retire(struct epoch_heap *heap, struct sm_object *object, struct epoch_batch *batch)
{
    struct epoch_block *block = epoch_block_of(object);
    SM_ASSERT((sm_object_flags(object) & EPOCH_RETIRED) == 0);
    sm_object_set_flags(object, EPOCH_RETIRED);
    count_out(heap, object);
    if (block->state == EPOCH_BLOCK_LARGE) {
        batch->object_count++;
        batch->payload_bytes += object->payload_bytes;
        epoch_heap_retire_large(heap, block, batch);
    } else {
        retire_shared(heap, object, batch);
    }
}

void epoch_heap_retire_unlisted(struct epoch_heap *heap, struct sm_object *object)
{
    SM_ASSERT((sm_object_flags(object) & EPOCH_RETIRED) == 0);
    sm_object_set_flags(object, EPOCH_RETIRED);
    count_out(heap, object);
    heap->unlisted_objects++;
    heap->unlisted_bytes += object->payload_bytes;
}

void epoch_heap_take_unlisted(struct epoch_heap *heap, struct epoch_batch *batch)
{
    batch->object_count += heap->unlisted_objects;
    batch->payload_bytes += heap->unlisted_bytes;
    heap->unlisted_objects = heap->unlisted_bytes = 0;
}

uint64_t epoch_heap_forget_listed(struct epoch_heap *heap, struct epoch_batch *batch)
{
    uint64_t room_bytes = epoch_retired_chunks_room_bytes(batch->retired);
    (void)heap;
    SM_ASSERT(batch->uncounted_bytes == 0);
    batch->room_bytes -= room_bytes;
    epoch_batch_forget_list(batch);
    return room_bytes;
}

/* ---- After the grace period, on whatever thread. ---- */

/* Header and size stay for whoever goes through the block; the owner takes them away. */
static void poison_retired(struct epoch_heap *heap, const struct epoch_retired_chunk *chunks)
{
    if (heap->pool.debug == EPOCH_DEBUG_NONE && !SM_IS_ASAN)
        return;
    for (const struct epoch_retired_chunk *chunk = chunks; chunk != NULL; chunk = chunk->next)
        for (size_t i = 0; i < chunk->count; i++)
            epoch_poison(&heap->pool, sm_payload(chunk->objects[i]),
                         sm_block_bytes((size_t)chunk->objects[i]->payload_bytes) - SM_HEADER_BYTES);
}

static void hand_over(struct epoch_heap *heap, struct epoch_retired_chunk *chunks)
{
    struct epoch_retired_chunk *last = chunks;
    while (last->next != NULL)
        last = last->next;
    last->next = atomic_load_explicit(&heap->graced, memory_order_relaxed);
    /* Pairs with the acquire in epoch_heap_reuse_graced. */
    while (!atomic_compare_exchange_weak_explicit(&heap->graced, &last->next, chunks, memory_order_release,
                                                  memory_order_relaxed))
        ;
}

void epoch_heap_release(struct epoch_heap *heap, struct epoch_batch *batch)
{
    struct epoch_block *block;
    while ((block = epoch_list_take(&batch->blocks)) != NULL)
        epoch_pool_release(&heap->pool, block);
    while ((block = epoch_list_take(&batch->large)) != NULL)
        epoch_pool_release_large(&heap->pool, block);
    if (batch->retired != NULL) {
        poison_retired(heap, batch->retired);
        hand_over(heap, batch->retired);
    }
    *batch = (struct epoch_batch){0};
}

/* While a marker counts objects of the colour that it gives, the owner counts its own of that colour apart. */
static void uncount(const struct epoch_heap *heap, struct epoch_block *block, uint8_t byte, uint32_t granules)
{
    uint8_t colour = byte & EPOCH_COLOUR_MASK;
    if (colour == heap->marking)
        block->black_granules -= granules;
    else
        block->live_granules[epoch_colour_index(colour)] -= granules;
}

/* What was made since the block's last conclusion was not counted there. */
static void uncount_occupancy(struct epoch_heap *heap, struct epoch_block *block, uint32_t room_bytes)
{
    uint32_t counted = block->concluded_bytes < room_bytes ? block->concluded_bytes : room_bytes;
    block->concluded_bytes -= counted;
    atomic_fetch_sub_explicit(&heap->occupancy.live_bytes, counted, memory_order_relaxed);
    if (counted != 0 && block->concluded_bytes == 0)
        atomic_fetch_sub_explicit(&heap->occupancy.blocks, 1, memory_order_relaxed);
}

/* In the part of a block that is a sequence of headers it is a loose hole now; elsewhere the search will find it. */
static void reuse(struct epoch_heap *heap, struct sm_object *object)
{
    struct epoch_block *block = epoch_block_of(object);
    uint32_t room_bytes = (uint32_t)sm_block_bytes((size_t)object->payload_bytes);
    epoch_pool_lock_settled(&heap->pool); /* its block may be in the pool's hands */
    bool is_parsed = epoch_block_offset(block, object) < block->parsed_bytes;
    SM_ASSERT(*epoch_granule_of(object) != 0 && block->used_bytes >= room_bytes);
    uncount(heap, block, *epoch_granule_of(object), room_bytes / EPOCH_GRANULE_BYTES);
    block->used_bytes -= room_bytes;
    uncount_occupancy(heap, block, room_bytes);
    block->is_touched = true;
    epoch_sweep_unmark(object);
    if (!is_parsed)
        epoch_poison(&heap->pool, (char *)object, room_bytes);
    epoch_pool_unlock(&heap->pool);
    epoch_forget_poison((char *)object, is_parsed ? room_bytes : 0);
    if (is_parsed)
        epoch_heap_leave_hole(heap, (char *)object, room_bytes);
}

/*
 * Something made since the last safepoint op may refer to what was retired since: an emergency reads it. So that room is
 * used again only after the next.
 */
void epoch_heap_reuse_graced(struct epoch_heap *heap)
{
    /* Pairs with the release in hand_over. */
    if (atomic_load_explicit(&heap->graced, memory_order_relaxed) == NULL)
        return;
    struct epoch_retired_chunk *chunks = atomic_exchange_explicit(&heap->graced, NULL, memory_order_acquire);
    while (chunks != NULL) {
        struct epoch_retired_chunk *chunk = chunks;
        chunks = chunk->next;
        chunk->next = NULL;
        if (chunk->sequence == heap->recent_sequence) {
            hand_over(heap, chunk);
            continue;
        }
        for (size_t i = 0; i < chunk->count; i++)
            reuse(heap, chunk->objects[i]);
        epoch_retired_chunks_free(chunk);
    }
}
