/* Finding objects: by headers where a block is a sequence of them, by granules elsewhere. */
#include "epoch/heap.h"

#include "epoch/sweep.h"

/** What one look at a block collects, before anything is done with it: the lock is held meanwhile. */
struct block_contents {
    struct epoch_heap *heap;
    bool is_only_recent, is_only_boot;
    size_t count;
    struct sm_object *objects[EPOCH_BLOCK_GRANULES];
};

/* Where the open window is in this block the sequence of headers goes on behind it. */
static const char *skip_window(const struct epoch_heap *heap, const char *at)
{
    return heap->window != NULL && at == sm_hot(heap->mm)->cursor ? heap->window_end : at;
}

/* What old objects that live carry. Of two colours while a cycle marks; afterwards what a sweep has yet to clear is dead. */
static uint8_t living_colours(const struct epoch_heap *heap)
{
    return heap->marking == EPOCH_COLOUR_NONE ? heap->colour : EPOCH_COLOUR_MASK;
}

static void collect(struct block_contents *contents, struct sm_object *object)
{
    uint8_t byte = epoch_granule_load(object);
    bool is_dead = byte != 0 && (byte & living_colours(contents->heap)) == 0;
    if (!is_dead && !epoch_is_filler(object) && (sm_object_flags(object) & EPOCH_RETIRED) == 0)
        contents->objects[contents->count++] = object;
}

/*
 * Young, or made old without a cycle, or the last cycle was an emergency that told them apart, and no safepoint op has been
 * since.
 */
static bool is_recent(const struct epoch_heap *heap, const struct sm_object *object)
{
    uint8_t byte = epoch_granule_load(object);
    bool is_told = heap->makes_old || epoch_heap_tells_recent(heap);
    return byte == 0 || (is_told && (byte & EPOCH_RECENT) != 0);
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
    uint8_t colour = living_colours(contents->heap);
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
    if (contents->is_only_boot && !epoch_block_is_boot(block))
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
    contents->is_only_boot = false;
    contents->count = 0;
}

static void walk(struct block_contents *contents, epoch_object_visit *visit, void *context)
{
    struct epoch_pool *pool = &contents->heap->pool;
    for (uint64_t position = 0; epoch_pool_visit_next(pool, &position, collect_block, contents);) {
        for (size_t i = 0; i < contents->count; i++)
            visit(context, contents->objects[i]);
        contents->count = 0;
    }
}

void epoch_heap_walk(struct epoch_heap *heap, epoch_object_visit *visit, void *context)
{
    struct block_contents contents;
    contents_init(&contents, heap, false);
    walk(&contents, visit, context);
}

void epoch_heap_walk_boot(struct epoch_heap *heap, epoch_object_visit *visit, void *context)
{
    struct block_contents contents;
    contents_init(&contents, heap, false);
    contents.is_only_boot = true;
    walk(&contents, visit, context);
}

/* In a row, as they were made. */
static void visit_range(struct epoch_heap *heap, struct epoch_recent range, epoch_object_visit *visit, void *context)
{
    const char *end = range.end != NULL ? range.end : sm_hot(heap->mm)->cursor;
    for (const char *at = range.first; at < end;) {
        struct sm_object *object = (struct sm_object *)(uintptr_t)at;
        at += sm_block_bytes((size_t)object->payload_bytes);
        if (!epoch_is_filler(object) && (sm_object_flags(object) & EPOCH_RETIRED) == 0)
            visit(context, object);
    }
}

/* Newest first. One that was retired by hand is in the list no more, and its memory may be gone. */
static void visit_recent_large(struct epoch_heap *heap, epoch_object_visit *visit, void *context)
{
    const struct epoch_block *block = heap->large;
    for (; block != NULL && block->recent_sequence == heap->recent_sequence; block = block->next) {
        struct sm_object *object = (struct sm_object *)(void *)epoch_block_start(block);
        if ((sm_object_flags(object) & EPOCH_RETIRED) == 0)
            visit(context, object);
    }
}

/* By ranges that is exact. By blocks it is not: it may take what died in an earlier stretch for recent too. */
void epoch_heap_walk_recent(struct epoch_heap *heap, epoch_object_visit *visit, void *context)
{
    if (heap->recent_count > EPOCH_RECENT_RANGES) {
        struct block_contents contents;
        contents_init(&contents, heap, true);
        walk(&contents, visit, context);
        return;
    }
    for (size_t i = 0; i < heap->recent_count; i++)
        visit_range(heap, heap->recent[i], visit, context);
    visit_recent_large(heap, visit, context);
}

struct search {
    const struct sm_object *object;
    bool is_there;
    struct block_contents contents;
};

/* Behind the sequence of headers granules tell where objects are, so the address's own is enough there. */
static void search_block(void *context, struct epoch_block *block)
{
    struct search *search = context;
    bool is_parsed = epoch_block_offset(block, search->object) < block->parsed_bytes;
    struct block_contents *contents = &search->contents;
    if (block->state == EPOCH_BLOCK_LARGE || is_parsed)
        collect_block(contents, block);
    else if ((epoch_granule_load(search->object) & EPOCH_START) != 0)
        collect(contents, (struct sm_object *)(uintptr_t)search->object);
    for (size_t i = 0; i < contents->count && !search->is_there; i++)
        search->is_there = contents->objects[i] == search->object;
}

bool epoch_heap_has(struct epoch_heap *heap, const struct sm_object *object)
{
    struct search search;
    search.object = object;
    search.is_there = false;
    contents_init(&search.contents, heap, false);
    if ((uintptr_t)object % EPOCH_GRANULE_BYTES != 0)
        return false;
    epoch_pool_visit_of(&heap->pool, object, search_block, &search);
    return search.is_there;
}
