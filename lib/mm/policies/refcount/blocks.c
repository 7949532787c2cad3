#include "refcount/blocks.h"

#include "sapimem/policy.h"

/* ---- Which heap. ---- */

static struct sm_free_cell **heads_of(const struct blocks *blocks)
{
    return sm_hot(blocks->mm)->heads;
}

static void update_mixed(struct blocks *blocks)
{
    blocks->is_mixed = blocks->uses_mimalloc || (blocks->boot.is_open && blocks->request.is_open);
    blocks->plain_below = blocks->is_mixed ? 0 : ZEND_SMALL_MAX + 1;
}

void blocks_init(struct blocks *blocks, struct sm_manager *mm, bool uses_mimalloc)
{
    *blocks = (struct blocks){.mm = mm, .uses_mimalloc = uses_mimalloc};
    blocks->active = &blocks->boot;
    update_mixed(blocks);
}

/* Let the inline lists be those of `heap`. */
static void activate(struct blocks *blocks, struct blocks_heap *heap)
{
    struct sm_free_cell **heads = heads_of(blocks);
    if (heap == blocks->active || blocks->uses_mimalloc) {
        blocks->active = heap;
        return;
    }
    for (unsigned bin = 0; bin < ZEND_BIN_COUNT; bin++) {
        blocks->active->heads[bin] = heads[bin];
        heads[bin] = heap->is_open ? heap->heads[bin] : NULL;
    }
    sm_hot(blocks->mm)->size_class_of = heap->is_open ? zend_bin_of_words : NULL;
    blocks->active = heap;
}

static bool open_active(struct blocks *blocks)
{
    struct blocks_heap *heap = blocks->active;
    if (heap->is_open)
        return true;
    if (blocks->uses_mimalloc) {
        heap->mimalloc = mi_heap_new();
        heap->is_open = heap->mimalloc != NULL;
    } else {
        heap->is_open = zend_heap_init(&heap->zend, blocks->mm);
    }
    update_mixed(blocks);
    return heap->is_open;
}

/* ---- mimalloc. ---- */

/* Its good sizes are what it takes for a request, so they can be asked leave for before. */
static size_t mimalloc_bytes_of(size_t payload_bytes)
{
    return mi_good_size(sm_block_bytes(payload_bytes));
}

static void *mimalloc_alloc(struct blocks *blocks, size_t payload_bytes)
{
    size_t block_bytes = mimalloc_bytes_of(payload_bytes);
    struct blocks_heap *heap = blocks->active;
    if (!sm_reserve(blocks->mm, block_bytes))
        return NULL;
    void *block = mi_heap_malloc(heap->mimalloc, block_bytes);
    if (block == NULL)
        sm_unreserve(blocks->mm, block_bytes);
    else
        heap->mimalloc_bytes += block_bytes;
    return block;
}

static struct blocks_heap *mimalloc_heap_of(struct blocks *blocks, const void *block)
{
    if (!blocks->request.is_open)
        return &blocks->boot;
    if (!blocks->boot.is_open)
        return &blocks->request;
    return mi_heap_contains_block(blocks->boot.mimalloc, block) ? &blocks->boot : &blocks->request;
}

static void mimalloc_free(struct blocks *blocks, struct sm_object *object)
{
    size_t block_bytes = mimalloc_bytes_of(object->payload_bytes);
    mimalloc_heap_of(blocks, object)->mimalloc_bytes -= block_bytes;
    sm_unreserve(blocks->mm, block_bytes);
    mi_free(object);
}

static void mimalloc_drop(struct blocks *blocks, struct blocks_heap *heap)
{
    if (!heap->is_open)
        return;
    mi_heap_destroy(heap->mimalloc);
    sm_unreserve(blocks->mm, heap->mimalloc_bytes);
    *heap = (struct blocks_heap){0};
}

/* ---- Allocating and freeing. ---- */

void *blocks_alloc(struct blocks *blocks, size_t payload_bytes)
{
    if (!open_active(blocks))
        return NULL;
    if (blocks->uses_mimalloc)
        return mimalloc_alloc(blocks, payload_bytes);
    return zend_heap_alloc(&blocks->active->zend, payload_bytes);
}

bool blocks_refill(struct blocks *blocks, size_t payload_bytes)
{
    return !blocks->uses_mimalloc && open_active(blocks) && zend_heap_refill(&blocks->active->zend, payload_bytes);
}

static bool is_in_zend_heap(const struct blocks_heap *heap, const void *block)
{
    if (zend_chunk_offset(block) != 0)
        return zend_chunk_of(block)->owner == &heap->zend.chunks;
    return heap->is_open && zend_heap_contains(&heap->zend, block);
}

bool blocks_is_boot(struct blocks *blocks, const struct sm_object *object)
{
    if (blocks->uses_mimalloc)
        return mimalloc_heap_of(blocks, object) == &blocks->boot;
    return is_in_zend_heap(&blocks->boot, object);
}

/* A boot object that dies in a request: its heap's lists are put aside. */
static void free_elsewhere(struct blocks *blocks, struct blocks_heap *heap, struct sm_object *object)
{
    struct blocks_heap *active = blocks->active;
    activate(blocks, heap);
    zend_heap_free(&heap->zend, object, object->payload_bytes);
    activate(blocks, active);
}

void blocks_free_elsewhere(struct blocks *blocks, struct sm_object *object)
{
    if (blocks->uses_mimalloc)
        mimalloc_free(blocks, object);
    else if (!blocks->is_mixed || SM_LIKELY(is_in_zend_heap(blocks->active, object)))
        zend_heap_free(&blocks->active->zend, object, object->payload_bytes);
    else
        free_elsewhere(blocks, &blocks->boot, object);
}

bool blocks_resize(struct blocks *blocks, struct sm_object *object, size_t payload_bytes)
{
    uint64_t old_bytes = object->payload_bytes;
    if (blocks->uses_mimalloc)
        return mimalloc_bytes_of(payload_bytes) == mimalloc_bytes_of(old_bytes);
    struct blocks_heap *heap =
        !blocks->is_mixed || is_in_zend_heap(blocks->active, object) ? blocks->active : &blocks->boot;
    return zend_heap_resize(&heap->zend, object, old_bytes, payload_bytes);
}

/* ---- Requests and the end. ---- */

void blocks_request_begin(struct blocks *blocks)
{
    activate(blocks, &blocks->request);
}

void blocks_request_end(struct blocks *blocks)
{
    SM_ASSERT(blocks->active == &blocks->request);
    if (blocks->uses_mimalloc)
        mimalloc_drop(blocks, &blocks->request);
    else if (blocks->request.is_open)
        zend_heap_reset(&blocks->request.zend);
    activate(blocks, &blocks->boot);
}

void blocks_finish(struct blocks *blocks)
{
    struct blocks_heap *heaps[] = {&blocks->request, &blocks->boot};
    for (size_t i = 0; i < 2; i++) {
        if (blocks->uses_mimalloc)
            mimalloc_drop(blocks, heaps[i]);
        else if (heaps[i]->is_open)
            zend_heap_finish(&heaps[i]->zend);
    }
}

void blocks_trim(struct blocks *blocks)
{
    if (!blocks->active->is_open)
        return;
    if (blocks->uses_mimalloc)
        mi_heap_collect(blocks->active->mimalloc, true);
    else
        (void)zend_heap_trim(&blocks->active->zend);
}

/* ---- Looking. ---- */

struct block_visit {
    void (*visit)(void *context, void *block);
    void *context;
};

static bool visit_mimalloc(const mi_heap_t *heap, const mi_heap_area_t *area, void *block, size_t block_bytes,
                           void *argument)
{
    const struct block_visit *visit = argument;
    (void)heap;
    (void)area;
    (void)block_bytes;
    if (block != NULL)
        visit->visit(visit->context, block);
    return true;
}

void blocks_walk(struct blocks *blocks, void (*visit)(void *context, void *block), void *context)
{
    struct blocks_heap *active = blocks->active;
    struct blocks_heap *heaps[] = {&blocks->boot, &blocks->request};
    struct block_visit mimalloc_visit = {visit, context};
    for (size_t i = 0; i < 2; i++) {
        if (!heaps[i]->is_open)
            continue;
        activate(blocks, heaps[i]);
        if (blocks->uses_mimalloc)
            (void)mi_heap_visit_blocks(heaps[i]->mimalloc, true, visit_mimalloc, &mimalloc_visit);
        else
            zend_heap_walk(&heaps[i]->zend, visit, context);
    }
    activate(blocks, active);
}

struct block_search {
    const void *wanted;
    bool is_found;
};

static void compare_block(void *context, void *block)
{
    struct block_search *search = context;
    search->is_found |= block == search->wanted;
}

bool blocks_contain(struct blocks *blocks, const void *pointer)
{
    struct block_search search = {pointer, false};
    if (blocks->uses_mimalloc) {
        blocks_walk(blocks, compare_block, &search);
        return search.is_found;
    }
    struct blocks_heap *active = blocks->active;
    struct blocks_heap *heaps[] = {&blocks->boot, &blocks->request};
    for (size_t i = 0; i < 2; i++) {
        if (!heaps[i]->is_open)
            continue;
        activate(blocks, heaps[i]);
        search.is_found |= zend_heap_contains(&heaps[i]->zend, pointer);
    }
    activate(blocks, active);
    return search.is_found;
}
