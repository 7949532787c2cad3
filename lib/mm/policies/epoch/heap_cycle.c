/* The heap's side of cycles: who holds which block, and what died in it. */
#include "epoch/heap.h"

#include "epoch/sweep.h"

#include <string.h>

static void add(_Atomic uint64_t *figure, uint64_t amount)
{
    atomic_fetch_add_explicit(figure, amount, memory_order_relaxed);
}

/* Modulo 2^64 a smaller figure is a large amount to add. */
static void count_occupancy(struct epoch_heap *heap, struct epoch_block *block, uint32_t live_bytes)
{
    uint32_t before = block->concluded_bytes;
    add(&heap->occupancy.live_bytes, (uint64_t)live_bytes - before);
    add(&heap->occupancy.blocks, (uint64_t)(live_bytes != 0) - (before != 0));
    block->concluded_bytes = live_bytes;
}

void epoch_heap_occupancy(const struct epoch_heap *heap, uint64_t *occupied_bytes, uint64_t *hole_bytes)
{
    uint64_t live_bytes = atomic_load_explicit(&heap->occupancy.live_bytes, memory_order_relaxed);
    uint64_t blocks = atomic_load_explicit(&heap->occupancy.blocks, memory_order_relaxed);
    *occupied_bytes = live_bytes + heap->large_bytes;
    *hole_bytes = blocks * EPOCH_BLOCK_BYTES - live_bytes;
}

/* Count and clear what does not carry `colour`. Returns what died, in block bytes. */
static uint32_t conclude(struct epoch_heap *heap, struct epoch_block *block, uint8_t colour)
{
    size_t index = epoch_colour_index(colour);
    epoch_sweep_block(block, colour);
    block->live_granules[index] += block->black_granules;
    block->black_granules = block->live_granules[1 - index] = 0;
    uint32_t live_bytes = block->live_granules[index] * EPOCH_GRANULE_BYTES;
    SM_ASSERT(block->used_bytes >= live_bytes);
    uint32_t dead_bytes = block->used_bytes - live_bytes;
    block->used_bytes = live_bytes;
    block->dead_bytes += dead_bytes;
    block->parsed_bytes = 0;
    block->is_open = false;
    count_occupancy(heap, block, live_bytes);
    return dead_bytes;
}

/* What died in a block makes all of it wait; where nothing did, its holes are as good as before. Returns whether it waits. */
static bool wait_for_grace(struct epoch_block *block, uint32_t dead_bytes, struct epoch_batch *batch)
{
    if (dead_bytes == 0 && !block->awaits_grace)
        return false;
    block->awaits_grace = block->is_touched = true;
    batch->room_bytes += block->dead_bytes;
    batch->uncounted_bytes += dead_bytes;
    epoch_list_append(&batch->blocks, block);
    return true;
}

static void conclude_list(struct epoch_heap *heap, struct epoch_block_list *blocks, bool is_young,
                          struct epoch_batch *batch)
{
    struct epoch_block *block;
    while ((block = epoch_list_take(blocks)) != NULL) {
        uint32_t dead_bytes = conclude(heap, block, heap->colour);
        block->is_worn = is_young;
        if (!wait_for_grace(block, dead_bytes, batch))
            epoch_pool_release(&heap->pool, block);
    }
}

/* ---- Young cycles. ---- */

void epoch_heap_hold_open(struct epoch_heap *heap)
{
    epoch_heap_close_window(heap);
    if (heap->current != NULL)
        epoch_list_append(&heap->filled, heap->current);
    if (heap->overflow != NULL)
        epoch_list_append(&heap->filled, heap->overflow);
    heap->current = heap->overflow = NULL;
    heap->overflow_old = 0;
}

/* Newest first, so the first old one ends it. */
static void retire_young_large(struct epoch_heap *heap, struct epoch_batch *batch)
{
    struct epoch_block *next;
    for (struct epoch_block *block = heap->large; block != NULL; block = next) {
        next = block->next;
        if (!epoch_heap_is_old((struct sm_object *)(void *)epoch_block_start(block)))
            epoch_heap_retire_large(heap, block, batch);
        else if (block->is_open)
            block->is_open = false; /* survived its first */
        else
            return;
    }
}

void epoch_heap_conclude_open(struct epoch_heap *heap, struct epoch_batch *batch)
{
    SM_ASSERT(heap->marking == EPOCH_COLOUR_NONE && heap->window == NULL);
    epoch_loose_clear(&heap->loose);
    conclude_list(heap, &heap->filled, true, batch);
    retire_young_large(heap, batch);
}

/* ---- Full cycles, the program stopped. ---- */

/* Retired by hand, and their grace period is over: they are room like any other, but for their headers, which nobody has overwritten. */
static void forget_graced(struct epoch_heap *heap)
{
    struct epoch_retired_chunk *chunks = atomic_exchange_explicit(&heap->graced, NULL, memory_order_acquire);
    for (const struct epoch_retired_chunk *chunk = chunks; chunk != NULL; chunk = chunk->next)
        for (size_t i = 0; i < chunk->count; i++)
            epoch_block_of(chunk->objects[i])->is_touched = true;
    epoch_retired_chunks_free(chunks);
}

/*
 * What a sweep has yet to clear here is dead. Once its bytes are gone the part that is a sequence of headers would show it as
 * young; as retired it is passed over, and whoever still reads it under a guard finds it whole.
 */
static void sweep_in_use(struct epoch_heap *heap, struct epoch_block *block)
{
    if (block->swept_for == heap->colour)
        return;
    const char *start = epoch_block_start(block);
    for (const char *at = start; at < start + block->parsed_bytes;) {
        struct sm_object *object = (struct sm_object *)(uintptr_t)at;
        if (!epoch_is_filler(object) && epoch_heap_is_dead(heap, object))
            sm_object_set_flags(object, EPOCH_RETIRED);
        at += sm_block_bytes((size_t)object->payload_bytes);
    }
    epoch_sweep_block(block, heap->colour);
}

void epoch_heap_begin_cycle(struct epoch_heap *heap, struct epoch_block_list *withdrawn)
{
    epoch_heap_hold_open(heap);
    epoch_list_splice(&heap->filled, withdrawn);
    epoch_pool_gather(&heap->pool, &heap->filled);
    /* The sweep to come finds all of these again. */
    epoch_loose_clear(&heap->loose);
    forget_graced(heap);
    /* A block that was in use when the colour last changed has bytes and counts from before, in the colour to come. */
    size_t other = epoch_colour_index(epoch_other_colour(heap->colour));
    for (struct epoch_block *block = heap->filled.first; block != NULL; block = block->next) {
        sweep_in_use(heap, block);
        block->live_granules[other] = block->black_granules = 0;
    }
}

static void take_colour(struct epoch_heap *heap, uint8_t colour)
{
    heap->colour = colour;
    heap->marking = EPOCH_COLOUR_NONE;
    heap->cycle_sequence = heap->recent_sequence;
}

static void retire_unmarked_large(struct epoch_heap *heap, struct epoch_batch *batch)
{
    struct epoch_block *next;
    for (struct epoch_block *block = heap->large; block != NULL; block = next) {
        next = block->next;
        if ((epoch_granule_load(epoch_block_start(block)) & EPOCH_COLOUR_MASK) != heap->colour)
            epoch_heap_retire_large(heap, block, batch);
    }
}

void epoch_heap_end_cycle(struct epoch_heap *heap, uint8_t colour, struct epoch_batch *batch)
{
    take_colour(heap, colour);
    epoch_pool_unsweep(&heap->pool, colour); /* nothing is in its hands; it is told the colour */
    conclude_list(heap, &heap->filled, false, batch);
    retire_unmarked_large(heap, batch);
}

/* ---- Full cycles beside the program. ---- */

void epoch_heap_change_colour(struct epoch_heap *heap, uint8_t colour)
{
    take_colour(heap, colour);
    heap->large_unswept = heap->large;
    epoch_pool_unsweep(&heap->pool, colour);
}

/* One that was made since the snapshot has no colour, or that of survivors. */
bool epoch_heap_sweep_large(struct epoch_heap *heap, size_t budget, struct epoch_batch *batch)
{
    for (; heap->large_unswept != NULL && budget > 0; budget--) {
        struct epoch_block *block = heap->large_unswept;
        heap->large_unswept = block->next;
        uint8_t byte = epoch_granule_load(epoch_block_start(block));
        if (byte != 0 && (byte & EPOCH_COLOUR_MASK) != heap->colour)
            epoch_heap_retire_large(heap, block, batch);
    }
    return heap->large_unswept == NULL;
}

bool epoch_heap_sweep_one(struct epoch_heap *heap, struct epoch_block_list *unconcluded, struct epoch_batch *batch)
{
    struct epoch_block *block = epoch_list_take(unconcluded);
    if (block != NULL)
        epoch_pool_begin_sweep_of(&heap->pool);
    else if ((block = epoch_pool_begin_sweep(&heap->pool)) == NULL)
        return false;
    uint32_t dead_bytes = conclude(heap, block, heap->pool.colour);
    block->is_worn = false;
    epoch_pool_end_sweep(&heap->pool, block, wait_for_grace(block, dead_bytes, batch));
    return true;
}

/* ---- The end of a request that goes as a whole. ---- */

static void clear_granules(struct epoch_block *block)
{
    bool is_marked = (block->live_granules[0] | block->live_granules[1] | block->black_granules) != 0;
    if (is_marked)
        memset(epoch_block_granules(block), 0, EPOCH_BLOCK_GRANULES);
    block->live_granules[0] = block->live_granules[1] = block->black_granules = 0;
    SM_ASSERT_CHECKED(epoch_sweep_is_clear(block));
}

/* Nobody looks at what is in it. */
static void drop_block(struct epoch_heap *heap, struct epoch_block *block, struct epoch_batch *batch)
{
    uint32_t room_bytes = block->used_bytes;
    clear_granules(block);
    count_occupancy(heap, block, 0);
    block->used_bytes = block->parsed_bytes = 0;
    block->dead_bytes += room_bytes;
    block->is_open = false;
    block->awaits_grace = true;
    batch->room_bytes += block->dead_bytes;
    batch->uncounted_bytes += room_bytes;
    epoch_list_append(&batch->blocks, block);
}

/* Newest first, so the first from before the request ends it. */
static void drop_large(struct epoch_heap *heap, struct epoch_batch *batch)
{
    while (heap->large != NULL && !epoch_block_is_boot(heap->large))
        epoch_heap_retire_large(heap, heap->large, batch);
}

void epoch_heap_drop_region(struct epoch_heap *heap, struct epoch_batch *batch)
{
    struct epoch_block_list blocks = {0};
    struct epoch_block *block;
    epoch_heap_hold_open(heap);
    heap->filled = (struct epoch_block_list){0}; /* the pool knows them as well */
    epoch_loose_clear(&heap->loose);
    drop_large(heap, batch);
    epoch_pool_take_region(&heap->pool, &blocks);
    while ((block = epoch_list_take(&blocks)) != NULL)
        drop_block(heap, block, batch);
}
