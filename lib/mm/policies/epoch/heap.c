/* Allocation: windows, holes, the block beside them, large objects. */
#include "epoch/heap.h"

#include "epoch/poisoning.h"
#include "epoch/sweep.h"

#include "epoch/chunks.h"
#include "sapimem/policy.h"

#include <stdlib.h>

void epoch_heap_init(struct epoch_heap *heap, struct sm_manager *mm, enum epoch_debug debug)
{
    *heap = (struct epoch_heap){.mm = mm, .recent_sequence = 1, .colour = EPOCH_COLOUR_A};
    epoch_pool_init(&heap->pool, mm, debug);
    heap->pool.colour = heap->colour;
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

/* What is given out is told apart to the object, unless there is too much of it. */
static void add_range(struct epoch_heap *heap, char *first, char *end)
{
    size_t count = heap->recent_count;
    if (count > 0 && count <= EPOCH_RECENT_RANGES && end != NULL && heap->recent[count - 1].end == first) {
        heap->recent[count - 1].end = end;
        return;
    }
    if (count < EPOCH_RECENT_RANGES)
        heap->recent[count] = (struct epoch_recent){first, end};
    if (count <= EPOCH_RECENT_RANGES)
        heap->recent_count++;
}

/* The window closes: of the ranges one is its. */
static void end_range(struct epoch_heap *heap, char *cursor)
{
    for (size_t i = heap->recent_count < EPOCH_RECENT_RANGES ? heap->recent_count : EPOCH_RECENT_RANGES; i-- > 0;)
        if (heap->recent[i].end == NULL)
            heap->recent[i].end = cursor;
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
    heap->window_start = heap->window_old = start + first;
    heap->window_end = start + end;
    block->is_open = true;
    note_recent(heap, block, first);
    add_range(heap, start + first, NULL);
    set_limit(heap, start + first, room_bytes);
}

/* More of the same hole. */
static bool extend_window(struct epoch_heap *heap, size_t room_bytes)
{
    char *cursor = sm_hot(heap->mm)->cursor;
    if (heap->window == NULL || room_bytes > (size_t)(heap->window_end - cursor))
        return false;
    if (heap->makes_old)
        epoch_heap_make_window_old(heap);
    set_limit(heap, cursor, room_bytes);
    return true;
}

/* Where all is old at once a block leaves the owner's hands when it is used up: nothing in it may be remembered. */
void epoch_heap_leave_hole(struct epoch_heap *heap, char *start, size_t bytes)
{
    if (heap->makes_old)
        epoch_filler_write(start, bytes);
    else
        epoch_loose_add(&heap->loose, start, bytes);
}

/* What the window has taken is counted, and its rest is a loose hole. */
void epoch_heap_close_window(struct epoch_heap *heap)
{
    struct sm_hot *hot = sm_hot(heap->mm);
    if (heap->window == NULL)
        return;
    if (heap->makes_old)
        epoch_heap_make_window_old(heap);
    uint32_t taken = (uint32_t)(hot->cursor - heap->window_start);
    end_range(heap, hot->cursor);
    heap->window->used_bytes += taken;
    heap->room_bytes += taken;
    if (hot->cursor != heap->window_end)
        epoch_heap_leave_hole(heap, hot->cursor, (size_t)(heap->window_end - hot->cursor));
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
    if (!heap->makes_old) {
        block->parsed_bytes = EPOCH_BLOCK_BYTES;
        epoch_list_append(&heap->filled, block);
        return;
    }
    block->parsed_bytes = 0;
    block->is_open = false;
    epoch_pool_keep(&heap->pool, block);
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
    if (block->used_bytes != 0)
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
            epoch_heap_leave_hole(heap, epoch_block_start(block) + hole.first, hole.end - hole.first);
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

/* ---- Allocation. ---- */

bool epoch_heap_refill(struct epoch_heap *heap, size_t payload_bytes)
{
    size_t room_bytes = sm_block_bytes(payload_bytes);
    if (extend_window(heap, room_bytes))
        return true;
    epoch_heap_close_window(heap);
    if (heap->pool.debug != EPOCH_DEBUG_NEVER_REUSE && !heap->pool.is_region)
        epoch_heap_reuse_graced(heap);
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
        epoch_heap_leave_hole(heap, epoch_block_start(old) + old->parsed_bytes, EPOCH_BLOCK_BYTES - old->parsed_bytes);
    if (old != NULL)
        use_up(heap, old);
    block->is_open = true;
    heap->overflow_old = 0;
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
    epoch_heap_close_window(heap);
    if (!open_loose(heap, room_bytes, 0) && !open_hole(heap, room_bytes))
        return NULL;
    char *room = hot->cursor;
    hot->cursor += room_bytes;
    return room;
}

static void *alloc_shared(struct epoch_heap *heap, size_t room_bytes)
{
    if (heap->makes_old)
        epoch_heap_make_window_old(heap);
    if (!overflow_has(heap, room_bytes) && !renew_overflow(heap))
        return alloc_in_hole(heap, room_bytes);
    heap->room_bytes += room_bytes;
    struct epoch_block *block = heap->overflow;
    char *room = epoch_block_start(block) + block->parsed_bytes;
    note_recent(heap, block, block->parsed_bytes);
    add_range(heap, room, room + room_bytes);
    block->parsed_bytes += (uint32_t)room_bytes;
    block->used_bytes += (uint32_t)room_bytes;
    return room;
}

/* Without memory for its table it is one chunk, which only makes a first write to it slow. */
static void give_chunks(const struct epoch_heap *heap, struct epoch_block *block, size_t room_bytes)
{
    if (!sm_alloc_is_leaf(heap->mm))
        block->chunks = calloc(2 * epoch_chunk_count(room_bytes - SM_HEADER_BYTES), 1);
}

static void *alloc_large(struct epoch_heap *heap, size_t room_bytes)
{
    if (heap->makes_old)
        epoch_heap_make_window_old(heap);
    struct epoch_block *block = epoch_pool_take_large(&heap->pool, room_bytes);
    if (block == NULL)
        return NULL;
    give_chunks(heap, block, room_bytes);
    heap->large_bytes += block->large_bytes;
    block->is_open = true;
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
    heap->recent_count = 0;
    heap->bytes_since_step = 0;
    if (heap->window == NULL)
        return;
    add_range(heap, sm_hot(heap->mm)->cursor, NULL);
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
