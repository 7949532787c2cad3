/* Allocation: windows, holes, the block beside them, large objects. */
#include "epoch/heap.h"

#include "epoch/poisoning.h"
#include "epoch/sweep.h"

#include "sapimem/policy.h"

void epoch_heap_init(struct epoch_heap *heap, struct sm_manager *mm, enum epoch_debug debug)
{
    *heap = (struct epoch_heap){.mm = mm, .recent_sequence = 1};
    epoch_pool_init(&heap->pool, mm, debug);
}

void epoch_heap_finish(struct epoch_heap *heap)
{
    epoch_retired_chunks_free(atomic_exchange_explicit(&heap->graced, NULL, memory_order_acquire));
    epoch_pool_finish(&heap->pool);
}

/* ---- What a block is told when objects come to it. ---- */

/* Objects from `offset` on may be younger than the last safepoint op. */
static void note_recent(const struct epoch_heap *heap, struct epoch_block *block, uint32_t offset)
{
    if (block->recent_sequence == heap->recent_sequence && block->recent_from <= offset)
        return;
    block->recent_sequence = heap->recent_sequence;
    block->recent_from = offset;
}

/* Whole pages of the hole hold nothing older than now; at its ends something else may live, so those keep their tags. */
static void tag_pages(const struct epoch_heap *heap, struct epoch_block *block, uint32_t first, uint32_t end)
{
    uint64_t epoch = sm_epoch_current(heap->mm);
    for (uint32_t page = (first + EPOCH_PAGE_BYTES - 1) / EPOCH_PAGE_BYTES; (page + 1) * EPOCH_PAGE_BYTES <= end;
         page++)
        block->page_epochs[page] = epoch;
}

/* ---- The window. ---- */

static void set_limit(struct epoch_heap *heap, char *cursor, size_t room_bytes)
{
    struct epoch_block *block = heap->window;
    tag_pages(heap, block, epoch_block_offset(block, cursor), epoch_block_offset(block, heap->window_end));
    struct sm_hot *hot = sm_hot(heap->mm);
    size_t left = (size_t)(heap->window_end - cursor);
    size_t step = room_bytes > EPOCH_WINDOW_STEP_BYTES ? room_bytes : EPOCH_WINDOW_STEP_BYTES;
    hot->cursor = cursor;
    hot->limit = cursor + (left < step ? left : step);
    heap->bytes_since_step += (uint64_t)(hot->limit - cursor);
}

static void open_window(struct epoch_heap *heap, struct epoch_block *block, uint32_t first, uint32_t end,
                        size_t room_bytes)
{
    char *start = epoch_block_start(block);
    heap->window = block;
    heap->window_start = start + first;
    heap->window_end = start + end;
    note_recent(heap, block, first);
    set_limit(heap, start + first, room_bytes);
}

/* More of the same hole. */
static bool extend_window(struct epoch_heap *heap, size_t room_bytes)
{
    char *cursor = sm_hot(heap->mm)->cursor;
    if (heap->window == NULL || room_bytes > (size_t)(heap->window_end - cursor))
        return false;
    set_limit(heap, cursor, room_bytes);
    return true;
}

/* What the window has taken is counted, and its rest is a loose hole. */
static void close_window(struct epoch_heap *heap)
{
    struct sm_hot *hot = sm_hot(heap->mm);
    if (heap->window == NULL)
        return;
    uint32_t taken = (uint32_t)(hot->cursor - heap->window_start);
    heap->window->used_bytes += taken;
    heap->room_bytes += taken;
    if (hot->cursor != heap->window_end)
        epoch_loose_add(&heap->loose, hot->cursor, (size_t)(heap->window_end - hot->cursor));
    heap->window = NULL;
    hot->cursor = hot->limit = NULL;
}

/* ---- Holes, in order. ---- */

static struct epoch_block *next_block(struct epoch_heap *heap)
{
    struct epoch_block *block = epoch_pool_take(&heap->pool);
    if (block == NULL)
        return NULL;
    block->parsed_bytes = 0;
    return block;
}

static void use_up(struct epoch_heap *heap, struct epoch_block *block)
{
    block->parsed_bytes = EPOCH_BLOCK_BYTES;
    epoch_list_append(&heap->filled, block);
}

/* What is free there is about to be written to: nobody else has, since it was overwritten. */
static void take_into_use(const struct epoch_heap *heap, const struct epoch_block *block, struct epoch_hole hole)
{
    bool is_untouched = epoch_unpoison(&heap->pool, epoch_block_start(block) + hole.first, hole.end - hole.first);
    SM_ASSERT(is_untouched || !block->is_poisoned); /* or somebody wrote to memory that was free */
    (void)is_untouched;
}

/* The next hole of the block, whatever its size; an empty block is one hole. */
static struct epoch_hole next_hole(struct epoch_heap *heap, struct epoch_block *block)
{
    struct epoch_hole hole = {block->parsed_bytes, EPOCH_BLOCK_BYTES};
    if (block->live_granules != 0)
        hole = epoch_sweep_find(block, block->parsed_bytes);
    if (hole.first == hole.end)
        return hole;
    take_into_use(heap, block, hole);
    block->parsed_bytes = hole.end;
    return hole;
}

/* Go on through the holes until one has room. */
static bool open_hole(struct epoch_heap *heap, size_t room_bytes)
{
    for (;;) {
        if (heap->current == NULL && (heap->current = next_block(heap)) == NULL)
            return false;
        struct epoch_block *block = heap->current;
        struct epoch_hole hole = next_hole(heap, block);
        if (hole.first == hole.end) {
            use_up(heap, block);
            heap->current = NULL;
        } else if (hole.end - hole.first >= room_bytes) {
            open_window(heap, block, hole.first, hole.end, room_bytes);
            return true;
        } else {
            epoch_loose_add(&heap->loose, epoch_block_start(block) + hole.first, hole.end - hole.first);
        }
    }
}

static bool open_loose(struct epoch_heap *heap, size_t room_bytes, size_t worth_bytes)
{
    size_t hole_bytes = 0;
    char *start = epoch_loose_take(&heap->loose, room_bytes > worth_bytes ? room_bytes : worth_bytes, &hole_bytes);
    if (start == NULL)
        return false;
    struct epoch_block *block = epoch_block_of(start);
    uint32_t first = epoch_block_offset(block, start);
    open_window(heap, block, first, first + (uint32_t)hole_bytes, room_bytes);
    return true;
}

/* ---- Retired by hand: after the grace period. ---- */

/* In the part of a block that is a sequence of headers it is a loose hole now; elsewhere the search will find it. */
static void reuse(struct epoch_heap *heap, struct sm_object *object)
{
    struct epoch_block *block = epoch_block_of(object);
    size_t room_bytes = sm_block_bytes((size_t)object->payload_bytes);
    bool is_parsed = epoch_block_offset(block, object) < block->parsed_bytes;
    epoch_pool_lock_settled(&heap->pool); /* its block may be in the pool's hands */
    if (*epoch_granule_of(object) != 0)
        block->live_granules -= (uint32_t)(room_bytes / EPOCH_GRANULE_BYTES);
    block->is_touched = true;
    epoch_sweep_unmark(object);
    if (!is_parsed)
        epoch_poison(&heap->pool, (char *)object, room_bytes);
    epoch_pool_unlock(&heap->pool);
    epoch_forget_poison((char *)object, is_parsed ? room_bytes : 0);
    if (is_parsed)
        epoch_loose_add(&heap->loose, (char *)object, room_bytes);
}

static void reuse_graced(struct epoch_heap *heap)
{
    /* Pairs with the release in epoch_heap_release. */
    if (atomic_load_explicit(&heap->graced, memory_order_relaxed) == NULL)
        return;
    struct epoch_retired_chunk *chunks = atomic_exchange_explicit(&heap->graced, NULL, memory_order_acquire);
    for (const struct epoch_retired_chunk *chunk = chunks; chunk != NULL; chunk = chunk->next)
        for (size_t i = 0; i < chunk->count; i++)
            reuse(heap, chunk->objects[i]);
    epoch_retired_chunks_free(chunks);
}

/* ---- Allocation. ---- */

bool epoch_heap_refill(struct epoch_heap *heap, size_t payload_bytes)
{
    size_t room_bytes = sm_block_bytes(payload_bytes);
    if (extend_window(heap, room_bytes))
        return true;
    close_window(heap);
    if (heap->pool.debug != EPOCH_DEBUG_NEVER_REUSE)
        reuse_graced(heap);
    return open_loose(heap, room_bytes, EPOCH_LOOSE_WORTH_BYTES) || open_hole(heap, room_bytes) ||
           open_loose(heap, room_bytes, 0);
}

void *epoch_heap_alloc_alone(struct epoch_heap *heap, size_t payload_bytes)
{
    struct sm_hot *hot = sm_hot(heap->mm);
    if (!epoch_heap_refill(heap, payload_bytes))
        return NULL;
    char *room = hot->cursor;
    hot->cursor += sm_block_bytes(payload_bytes);
    hot->limit = hot->cursor;
    return room;
}

static bool overflow_has(const struct epoch_heap *heap, size_t room_bytes)
{
    return heap->overflow != NULL && room_bytes <= EPOCH_BLOCK_BYTES - heap->overflow->parsed_bytes;
}

/* An empty block for objects of middle size. What the old one has left serves small ones. */
static bool renew_overflow(struct epoch_heap *heap)
{
    struct epoch_block *block = epoch_pool_take_free(&heap->pool);
    if (block == NULL)
        return false;
    struct epoch_block *old = heap->overflow;
    if (old != NULL && old->parsed_bytes < EPOCH_BLOCK_BYTES)
        epoch_loose_add(&heap->loose, epoch_block_start(old) + old->parsed_bytes,
                        EPOCH_BLOCK_BYTES - old->parsed_bytes);
    if (old != NULL)
        use_up(heap, old);
    take_into_use(heap, block, (struct epoch_hole){0, EPOCH_BLOCK_BYTES});
    tag_pages(heap, block, 0, EPOCH_BLOCK_BYTES);
    note_recent(heap, block, 0);
    heap->overflow = block;
    return true;
}

/* No empty block is to be had: a hole, then, if there is one so large. */
static void *alloc_in_hole(struct epoch_heap *heap, size_t room_bytes)
{
    struct sm_hot *hot = sm_hot(heap->mm);
    close_window(heap);
    if (!open_loose(heap, room_bytes, 0) && !open_hole(heap, room_bytes))
        return NULL;
    char *room = hot->cursor;
    hot->cursor += room_bytes;
    return room;
}

static void *alloc_shared(struct epoch_heap *heap, size_t room_bytes)
{
    if (!overflow_has(heap, room_bytes) && !renew_overflow(heap))
        return alloc_in_hole(heap, room_bytes);
    heap->room_bytes += room_bytes;
    struct epoch_block *block = heap->overflow;
    char *room = epoch_block_start(block) + block->parsed_bytes;
    note_recent(heap, block, block->parsed_bytes);
    block->parsed_bytes += (uint32_t)room_bytes;
    block->used_bytes += (uint32_t)room_bytes;
    return room;
}

static void *alloc_large(struct epoch_heap *heap, size_t room_bytes)
{
    struct epoch_block *block = epoch_pool_take_large(&heap->pool, room_bytes);
    if (block == NULL)
        return NULL;
    block->next = heap->large;
    block->previous = NULL;
    if (block->next != NULL)
        block->next->previous = block;
    heap->large = block;
    heap->room_bytes += room_bytes;
    block->page_epochs[0] = sm_epoch_current(heap->mm);
    note_recent(heap, block, 0);
    return epoch_block_start(block);
}

void *epoch_heap_alloc(struct epoch_heap *heap, size_t payload_bytes)
{
    size_t room_bytes = sm_block_bytes(payload_bytes);
    void *room = room_bytes <= EPOCH_SHARED_MAX_BYTES ? alloc_shared(heap, room_bytes) : alloc_large(heap, room_bytes);
    if (room == NULL)
        return NULL;
    heap->bytes_since_step += room_bytes;
    return room;
}

void epoch_heap_safepoint(struct epoch_heap *heap)
{
    heap->recent_sequence++;
    heap->bytes_since_step = 0;
    if (heap->window == NULL)
        return;
    uint32_t cursor = epoch_block_offset(heap->window, sm_hot(heap->mm)->cursor);
    note_recent(heap, heap->window, cursor);
    tag_pages(heap, heap->window, cursor, epoch_block_offset(heap->window, heap->window_end));
}

uint64_t epoch_heap_room_bytes(const struct epoch_heap *heap)
{
    const char *cursor = sm_hot(heap->mm)->cursor;
    return heap->room_bytes + (heap->window == NULL ? 0 : (uint64_t)(cursor - heap->window_start));
}

uint64_t epoch_heap_epoch_of(const struct sm_object *object)
{
    const struct epoch_block *block = epoch_block_of(object);
    return block->page_epochs[epoch_block_offset(block, object) / EPOCH_PAGE_BYTES];
}

/* ---- Retiring by hand. ---- */

static void unlink_large(struct epoch_heap *heap, struct epoch_block *block)
{
    if (block->previous != NULL)
        block->previous->next = block->next;
    else
        heap->large = block->next;
    if (block->next != NULL)
        block->next->previous = block->previous;
    block->next = block->previous = NULL;
}

static void retire_large(struct epoch_heap *heap, struct epoch_block *block, struct epoch_batch *batch)
{
    unlink_large(heap, block);
    block->retire_epoch = sm_epoch_current(heap->mm);
    epoch_list_append(&batch->large, block);
    batch->room_bytes += block->large_bytes;
}

/* Without memory for the list it waits for the cycle that finds it, as all that nobody retires does. */
static void retire_shared(struct epoch_heap *heap, struct sm_object *object, struct epoch_batch *batch)
{
    struct epoch_block *block = epoch_block_of(object);
    size_t room_bytes = sm_block_bytes((size_t)object->payload_bytes);
    if (!epoch_batch_list(batch, object)) {
        heap->unlisted_objects++;
        heap->unlisted_bytes += object->payload_bytes;
        return;
    }
    block->retire_epoch = sm_epoch_current(heap->mm);
    block->used_bytes -= (uint32_t)room_bytes;
    batch->room_bytes += room_bytes;
    batch->object_count++;
    batch->payload_bytes += object->payload_bytes;
}

void epoch_heap_retire(struct epoch_heap *heap, struct sm_object *object, struct epoch_batch *batch)
{
    struct epoch_block *block = epoch_block_of(object);
    SM_ASSERT((sm_object_flags(object) & EPOCH_RETIRED) == 0);
    sm_object_set_flags(object, EPOCH_RETIRED);
    if (block->state == EPOCH_BLOCK_LARGE) {
        batch->object_count++;
        batch->payload_bytes += object->payload_bytes;
        retire_large(heap, block, batch);
    } else {
        retire_shared(heap, object, batch);
    }
}

/* ---- Cycles. ---- */

static void hold_everything(struct epoch_heap *heap, struct epoch_batch *withdrawn)
{
    close_window(heap);
    for (struct epoch_block *block = withdrawn->blocks.first; block != NULL; block = block->next)
        epoch_sweep_block(block, heap->colour);
    epoch_list_splice(&heap->filled, &withdrawn->blocks);
    epoch_pool_gather(&heap->pool, &heap->filled);
    if (heap->current != NULL)
        epoch_list_append(&heap->filled, heap->current);
    if (heap->overflow != NULL)
        epoch_list_append(&heap->filled, heap->overflow);
    heap->current = heap->overflow = NULL;
}

/* Retired by hand and on no list any more: their blocks wait in their stead. */
static void keep_waiting(const struct epoch_retired_chunk *chunk)
{
    for (; chunk != NULL; chunk = chunk->next)
        for (size_t i = 0; i < chunk->count; i++) {
            struct epoch_block *block = epoch_block_of(chunk->objects[i]);
            block->awaits_grace = block->is_touched = true;
            block->dead_bytes += (uint32_t)sm_block_bytes((size_t)chunk->objects[i]->payload_bytes);
        }
}

/* Their grace period is over: they are room like any other, but for their headers, which nobody has overwritten. */
static void forget_graced(struct epoch_heap *heap)
{
    struct epoch_retired_chunk *chunks = atomic_exchange_explicit(&heap->graced, NULL, memory_order_acquire);
    for (const struct epoch_retired_chunk *chunk = chunks; chunk != NULL; chunk = chunk->next)
        for (size_t i = 0; i < chunk->count; i++)
            epoch_block_of(chunk->objects[i])->is_touched = true;
    epoch_retired_chunks_free(chunks);
}

void epoch_heap_begin_cycle(struct epoch_heap *heap, struct epoch_batch *withdrawn)
{
    hold_everything(heap, withdrawn);
    keep_waiting(withdrawn->retired);
    /* The sweep to come finds all of these again. */
    epoch_loose_clear(&heap->loose);
    epoch_batch_forget_list(withdrawn);
    forget_graced(heap);
    for (struct epoch_block *block = heap->filled.first; block != NULL; block = block->next)
        block->live_granules = 0;
    for (struct epoch_block *block = heap->large; block != NULL; block = block->next)
        block->live_granules = 0;
}

static void retire_dead_large(struct epoch_heap *heap, struct epoch_batch *batch)
{
    struct epoch_block *next;
    for (struct epoch_block *block = heap->large; block != NULL; block = next) {
        next = block->next;
        if (block->live_granules == 0)
            retire_large(heap, block, batch);
        else
            heap->occupied_bytes += block->large_bytes;
    }
}

/* What died in a block makes all of it wait; where nothing did, its holes are as good as before. */
static void conclude_block(struct epoch_heap *heap, struct epoch_block *block, struct epoch_batch *batch)
{
    uint32_t live_bytes = block->live_granules * EPOCH_GRANULE_BYTES;
    SM_ASSERT(block->used_bytes >= live_bytes);
    uint32_t dead_bytes = block->used_bytes - live_bytes;
    block->dead_bytes += dead_bytes;
    heap->occupied_bytes += live_bytes;
    heap->hole_bytes += live_bytes == 0 ? 0 : EPOCH_BLOCK_BYTES - live_bytes;
    block->used_bytes = live_bytes;
    block->parsed_bytes = 0;
    block->is_swept = false;
    if (dead_bytes == 0 && !block->awaits_grace) {
        epoch_pool_release(&heap->pool, block);
        return;
    }
    block->awaits_grace = block->is_touched = true;
    block->retire_epoch = sm_epoch_current(heap->mm);
    batch->room_bytes += dead_bytes;
    epoch_list_append(&batch->blocks, block);
}

void epoch_heap_end_cycle(struct epoch_heap *heap, uint8_t colour, struct epoch_batch *batch)
{
    struct epoch_block_list blocks = heap->filled;
    struct epoch_block *block;
    heap->filled = (struct epoch_block_list){0};
    heap->colour = colour;
    heap->cycle_sequence = heap->recent_sequence;
    heap->occupied_bytes = heap->hole_bytes = 0;
    epoch_pool_lock(&heap->pool);
    heap->pool.colour = colour;
    epoch_pool_unlock(&heap->pool);
    while ((block = epoch_list_take(&blocks)) != NULL)
        conclude_block(heap, block, batch);
    retire_dead_large(heap, batch);
    batch->object_count += heap->unlisted_objects;
    batch->payload_bytes += heap->unlisted_bytes;
    heap->unlisted_objects = heap->unlisted_bytes = 0;
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
    /* Pairs with the acquire in reuse_graced. */
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
