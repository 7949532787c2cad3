/* Young objects become old without a cycle: their granule bytes say so, and stores to them are looked at from now on. */
#include "epoch/heap.h"

/* While a marker counts what it gives its colour to, the owner counts apart. */
static void count_granules(const struct epoch_heap *heap, struct epoch_block *block, uint32_t granules)
{
    if (heap->marking != EPOCH_COLOUR_NONE)
        block->black_granules += granules;
    else
        block->live_granules[epoch_colour_index(heap->colour)] += granules;
}

/* What is made old while a cycle marks lives on through it: it carries the colour of survivors. */
static void give_bytes(const struct epoch_heap *heap, struct sm_object *object)
{
    uint8_t colour = heap->marking != EPOCH_COLOUR_NONE ? heap->marking : heap->colour;
    size_t granules = epoch_marked_granules(object);
    count_granules(heap, epoch_block_of(object), (uint32_t)granules);
    epoch_granules_set(epoch_granule_of(object), granules, (uint8_t)(colour | EPOCH_RECENT));
}

static void make_old(struct epoch_heap *heap, struct sm_object *object)
{
    give_bytes(heap, object);
    epoch_arm(object);
    heap->old_objects++;
    heap->old_bytes += object->payload_bytes;
}

/* What was retired by hand has bytes already, or is left to a cycle. */
static void make_young_old(struct epoch_heap *heap, struct sm_object *object)
{
    if (!epoch_heap_is_old(object) && (sm_object_flags(object) & EPOCH_RETIRED) == 0)
        make_old(heap, object);
}

/* Objects and fillers in a row. */
static void make_range_old(struct epoch_heap *heap, const char *at, const char *end)
{
    while (at < end) {
        struct sm_object *object = (struct sm_object *)(uintptr_t)at;
        if (!epoch_is_filler(object))
            make_young_old(heap, object);
        at += sm_block_bytes((size_t)object->payload_bytes);
    }
}

static void make_large_old(struct epoch_heap *heap, struct epoch_block *block)
{
    make_young_old(heap, (struct sm_object *)(void *)epoch_block_start(block));
}

void epoch_heap_make_window_old(struct epoch_heap *heap)
{
    struct epoch_block *overflow = heap->overflow;
    if (heap->window != NULL) {
        make_range_old(heap, heap->window_old, sm_hot(heap->mm)->cursor);
        heap->window_old = sm_hot(heap->mm)->cursor;
    }
    if (overflow != NULL) {
        const char *start = epoch_block_start(overflow);
        make_range_old(heap, start + heap->overflow_old, start + overflow->parsed_bytes);
        heap->overflow_old = overflow->parsed_bytes;
    }
    if (heap->large != NULL)
        make_large_old(heap, heap->large); /* those before it were made old when it was made */
}

void epoch_heap_make_all_old(struct epoch_heap *heap)
{
    epoch_heap_hold_open(heap);
    for (const struct epoch_block *block = heap->filled.first; block != NULL; block = block->next) {
        const char *start = epoch_block_start(block);
        make_range_old(heap, start, start + block->parsed_bytes);
    }
    /* Newest first: from the first that has outlived a cycle on all have. One that is given up may have marked some. */
    for (struct epoch_block *block = heap->large; block != NULL && block->is_open; block = block->next)
        make_large_old(heap, block);
}

void epoch_heap_keep_room(struct epoch_heap *heap, struct sm_object *object)
{
    if (!epoch_heap_is_old(object))
        give_bytes(heap, object);
}
