/* Finding objects: by headers where a block is a sequence of them, by granules elsewhere. */
#include "epoch/heap.h"

#include "epoch/sweep.h"

#include <limits.h>

/** What one look at a block collects, before anything is done with it: the lock is held meanwhile. */
struct block_contents {
    struct epoch_heap *heap;
    bool is_only_recent;
    size_t count;
    struct sm_object *objects[EPOCH_BLOCK_GRANULES];
};

/* Where the open window is in this block the sequence of headers goes on behind it. */
static const char *skip_window(const struct epoch_heap *heap, const char *at)
{
    return heap->window != NULL && at == sm_hot(heap->mm)->cursor ? heap->window_end : at;
}

static void collect(struct block_contents *contents, struct sm_object *object)
{
    if (!epoch_is_filler(object) && (sm_object_flags(object) & EPOCH_RETIRED) == 0)
        contents->objects[contents->count++] = object;
}

/* Not marked: born since the last cycle. Marked, and no safepoint op since: the cycle was an emergency, and told them apart. */
static bool is_recent(const struct epoch_heap *heap, const struct sm_object *object)
{
    uint8_t granule = *epoch_granule_of(object);
    bool is_marked = (granule & EPOCH_COLOUR_MASK) == heap->colour && granule != 0;
    return !is_marked || (epoch_heap_tells_recent(heap) && (granule & EPOCH_RECENT) != 0);
}

static void collect_if_wanted(struct block_contents *contents, struct sm_object *object)
{
    if (!contents->is_only_recent || is_recent(contents->heap, object))
        collect(contents, object);
}

/* From the block's start: since `from` was noted an object there may have been retired, and another lie across it. */
static void collect_parsed(struct block_contents *contents, const struct epoch_block *block, uint32_t from)
{
    const char *start = epoch_block_start(block);
    const char *end = start + block->parsed_bytes;
    for (const char *at = skip_window(contents->heap, start); at < end; at = skip_window(contents->heap, at)) {
        struct sm_object *object = (struct sm_object *)(uintptr_t)at;
        if (at >= start + from)
            collect_if_wanted(contents, object);
        at += sm_block_bytes((size_t)object->payload_bytes);
    }
}

static void collect_marked(struct block_contents *contents, const struct epoch_block *block, uint32_t from)
{
    uint8_t colour = contents->heap->colour;
    uint32_t offset = epoch_sweep_next_marked(block, from > block->parsed_bytes ? from : block->parsed_bytes, colour);
    while (offset < EPOCH_BLOCK_BYTES) {
        collect_if_wanted(contents, (struct sm_object *)(void *)(epoch_block_start(block) + offset));
        offset = epoch_sweep_next_marked(block, offset + EPOCH_GRANULE_BYTES, colour);
    }
}

/* A large object that is on its way out is not the heap's any more, though its block may not be free yet. */
static void collect_block(void *context, struct epoch_block *block)
{
    struct block_contents *contents = context;
    if (contents->is_only_recent && block->recent_sequence != contents->heap->recent_sequence)
        return;
    if (block->state == EPOCH_BLOCK_LARGE) {
        bool is_held = block->previous != NULL || contents->heap->large == block;
        if (is_held)
            collect(contents, (struct sm_object *)(void *)epoch_block_start(block));
        return;
    }
    uint32_t from = contents->is_only_recent ? block->recent_from : 0;
    collect_parsed(contents, block, from);
    collect_marked(contents, block, from);
}

/* The objects themselves need no value. */
static void contents_init(struct block_contents *contents, struct epoch_heap *heap, bool is_only_recent)
{
    contents->heap = heap;
    contents->is_only_recent = is_only_recent;
    contents->count = 0;
}

static void walk(struct epoch_heap *heap, bool is_only_recent, epoch_object_visit *visit, void *context)
{
    struct block_contents contents;
    contents_init(&contents, heap, is_only_recent);
    for (uint64_t position = 0; epoch_pool_visit_next(&heap->pool, &position, collect_block, &contents);) {
        for (size_t i = 0; i < contents.count; i++)
            visit(context, contents.objects[i]);
        contents.count = 0;
    }
}

void epoch_heap_walk(struct epoch_heap *heap, epoch_object_visit *visit, void *context)
{
    walk(heap, false, visit, context);
}

void epoch_heap_walk_recent(struct epoch_heap *heap, epoch_object_visit *visit, void *context)
{
    walk(heap, true, visit, context);
}

bool epoch_heap_has(struct epoch_heap *heap, const struct sm_object *object)
{
    struct block_contents contents;
    contents_init(&contents, heap, false);
    if ((uintptr_t)object % EPOCH_GRANULE_BYTES != 0)
        return false;
    epoch_pool_visit_of(&heap->pool, object, collect_block, &contents);
    for (size_t i = 0; i < contents.count; i++)
        if (contents.objects[i] == object)
            return true;
    return false;
}
