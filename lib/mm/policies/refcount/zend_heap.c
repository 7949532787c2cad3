/* The heap: bins on top of pages; zend_heap.h says what and why. */
#include "refcount/zend_heap.h"

#include "refcount/zend_huge.h"

#include "sapimem/policy.h"

#include <string.h>

/* ---- Sizes. ---- */

static size_t page_bytes_of(size_t payload_bytes)
{
    return (SM_HEADER_BYTES + payload_bytes + ZEND_PAGE_BYTES - 1) & ~(size_t)(ZEND_PAGE_BYTES - 1);
}

static bool is_large(size_t payload_bytes)
{
    return payload_bytes > ZEND_SMALL_MAX &&
           page_bytes_of(payload_bytes) <= (size_t)ZEND_USABLE_PAGES * ZEND_PAGE_BYTES;
}

static bool is_huge(size_t payload_bytes)
{
    return payload_bytes > ZEND_SMALL_MAX && !is_large(payload_bytes);
}

static uint32_t page_count_of(size_t payload_bytes)
{
    return (uint32_t)(page_bytes_of(payload_bytes) / ZEND_PAGE_BYTES);
}

static struct sm_free_cell **head_of(const struct zend_heap *heap, unsigned bin)
{
    return &sm_hot(heap->mm)->heads[bin];
}

static void clear_heads(struct zend_heap *heap)
{
    for (unsigned bin = 0; bin < ZEND_BIN_COUNT; bin++)
        *head_of(heap, bin) = NULL;
}

/* ---- Beginning and end. ---- */

bool zend_heap_init(struct zend_heap *heap, struct sm_manager *mm)
{
    *heap = (struct zend_heap){.mm = mm};
    if (!zend_chunks_init(&heap->chunks, mm))
        return false;
    clear_heads(heap);
    sm_hot(mm)->size_class_of = zend_bin_of_words;
    return true;
}

void zend_heap_finish(struct zend_heap *heap)
{
    if (heap->chunks.first == NULL)
        return;
    zend_huge_free_all(heap);
    clear_heads(heap);
    sm_hot(heap->mm)->size_class_of = NULL;
    zend_chunks_finish(&heap->chunks);
}

/* Whoever still uses an object of the request that ended is to notice it in checked builds. */
static void fill_chunks(struct zend_heap *heap)
{
    struct zend_chunk *chunk = heap->chunks.first;
    do {
        memset(zend_page_address(chunk, ZEND_FIRST_PAGE), ZEND_FREE_FILL,
               (size_t)(chunk->free_tail - ZEND_FIRST_PAGE) * ZEND_PAGE_BYTES);
        chunk = chunk->next;
    } while (chunk != heap->chunks.first);
}

void zend_heap_reset(struct zend_heap *heap)
{
    zend_huge_free_all(heap);
    clear_heads(heap);
    if (SM_ASSERT_LEVEL >= 2)
        fill_chunks(heap);
    zend_chunks_reset(&heap->chunks);
}

/* ---- Allocating. ---- */

/* A refusal may be answered with what nobody uses. */
static void *take_pages(struct zend_heap *heap, uint32_t page_count)
{
    void *pages = zend_pages_take(&heap->chunks, page_count);
    if (pages == NULL && zend_heap_trim(heap) != 0)
        pages = zend_pages_take(&heap->chunks, page_count);
    return pages;
}

static void mark_run(void *run, unsigned bin)
{
    struct zend_page *pages = &zend_chunk_of(run)->pages[zend_page_of(run)];
    pages[0] = (struct zend_page){ZEND_PAGE_RUN, (uint8_t)bin, 0};
    for (uint16_t i = 1; i < zend_bins[bin].page_count; i++)
        pages[i] = (struct zend_page){ZEND_PAGE_RUN_REST, (uint8_t)bin, i};
}

bool zend_heap_refill(struct zend_heap *heap, size_t payload_bytes)
{
    unsigned bin = zend_bin_of(payload_bytes);
    const struct zend_bin *shape = &zend_bins[bin];
    char *run = take_pages(heap, shape->page_count);
    if (run == NULL)
        return false;
    mark_run(run, bin);
    /* In the order of addresses, before what the list may still hold. */
    struct sm_free_cell **link = head_of(heap, bin);
    struct sm_free_cell *rest = *link;
    for (unsigned i = 0; i < shape->block_count; i++) {
        struct sm_free_cell *cell = (struct sm_free_cell *)(run + (size_t)i * shape->block_bytes);
        zend_free_fill((struct sm_object *)cell, bin);
        *link = cell;
        link = &cell->next;
    }
    *link = rest;
    return true;
}

static void *alloc_small(struct zend_heap *heap, size_t payload_bytes)
{
    struct sm_free_cell **head = head_of(heap, zend_bin_of(payload_bytes));
    if (*head == NULL && !zend_heap_refill(heap, payload_bytes))
        return NULL;
    struct sm_free_cell *cell = *head;
    *head = cell->next;
    return cell;
}

void *zend_heap_alloc(struct zend_heap *heap, size_t payload_bytes)
{
    SM_ASSERT(payload_bytes <= SM_PAYLOAD_MAX);
    if (payload_bytes <= ZEND_SMALL_MAX)
        return alloc_small(heap, payload_bytes);
    if (is_large(payload_bytes))
        return take_pages(heap, page_count_of(payload_bytes));
    return zend_huge_alloc(heap, page_bytes_of(payload_bytes));
}

/* ---- Freeing and resizing. ---- */

/* Whether a large block of so many pages begins there. */
static bool has_large(const struct zend_heap *heap, const void *block, uint32_t page_count)
{
    const struct zend_chunk *chunk = zend_chunk_of(block);
    const struct zend_page *page = &chunk->pages[zend_page_of(block)];
    return chunk->owner == &heap->chunks && zend_chunk_offset(block) % ZEND_PAGE_BYTES == 0 &&
           page->kind == ZEND_PAGE_LARGE && page->number == page_count;
}

void zend_heap_free_pages(struct zend_heap *heap, void *block, size_t payload_bytes)
{
    if (is_huge(payload_bytes)) {
        zend_huge_free(heap, block);
        return;
    }
    uint32_t page_count = page_count_of(payload_bytes);
    SM_ASSERT(has_large(heap, block, page_count));
    if (SM_ASSERT_LEVEL >= 2)
        memset(block, ZEND_FREE_FILL, (size_t)page_count * ZEND_PAGE_BYTES);
    zend_pages_free(&heap->chunks, zend_chunk_of(block), zend_page_of(block), page_count);
}

bool zend_heap_resize(struct zend_heap *heap, void *block, size_t old_bytes, size_t new_bytes)
{
    if (old_bytes <= ZEND_SMALL_MAX)
        return new_bytes <= ZEND_SMALL_MAX && zend_bin_of(old_bytes) == zend_bin_of(new_bytes);
    if (is_huge(old_bytes))
        return is_huge(new_bytes) && zend_huge_resize(heap, block, page_bytes_of(new_bytes));
    SM_ASSERT(has_large(heap, block, page_count_of(old_bytes)));
    return is_large(new_bytes) &&
           zend_pages_resize(zend_chunk_of(block), zend_page_of(block), page_count_of(new_bytes));
}

/* ---- Giving up what is empty. ---- */

/* The first page of the run that `block` lies in. */
static struct zend_page *run_of(const void *block)
{
    struct zend_page *page = &zend_chunk_of(block)->pages[zend_page_of(block)];
    if (page->kind == ZEND_PAGE_RUN_REST)
        page -= page->number;
    SM_ASSERT(page->kind == ZEND_PAGE_RUN);
    return page;
}

/* Count the free blocks of each run of `bin`. Returns whether a run has no others. */
static bool count_free_blocks(const struct zend_heap *heap, unsigned bin)
{
    bool any_empty = false;
    for (const struct sm_free_cell *cell = *head_of(heap, bin); cell != NULL; cell = cell->next) {
        struct zend_page *run = run_of(cell);
        SM_ASSERT(run->bin == bin && run->number < zend_bins[bin].block_count);
        if (++run->number == zend_bins[bin].block_count)
            any_empty = true;
    }
    return any_empty;
}

/* Take the blocks of runs that are about to go off the list; the others keep their order. */
static void unlink_empty_runs(const struct zend_heap *heap, unsigned bin)
{
    struct sm_free_cell **link = head_of(heap, bin);
    while (*link != NULL) {
        if (run_of(*link)->number == zend_bins[bin].block_count)
            *link = (*link)->next;
        else
            link = &(*link)->next;
    }
}

/* The page after what begins at `page`. */
static uint32_t page_after(const struct zend_chunk *chunk, uint32_t page)
{
    const struct zend_page *info = &chunk->pages[page];
    if (info->kind == ZEND_PAGE_LARGE)
        return page + info->number;
    if (info->kind == ZEND_PAGE_RUN)
        return page + zend_bins[info->bin].page_count;
    return page + 1;
}

/* Free the runs that have only free blocks, and set the counts back. Returns the pages. */
static size_t clear_empty_runs(struct zend_chunk *chunk)
{
    size_t page_count = 0;
    uint32_t next;
    for (uint32_t page = ZEND_FIRST_PAGE; page < chunk->free_tail; page = next) {
        struct zend_page *info = &chunk->pages[page];
        next = page_after(chunk, page);
        if (info->kind != ZEND_PAGE_RUN)
            continue;
        if (info->number == zend_bins[info->bin].block_count) {
            zend_pages_clear(chunk, page, next - page);
            page_count += next - page;
        } else {
            info->number = 0;
        }
    }
    return page_count;
}

size_t zend_heap_trim(struct zend_heap *heap)
{
    size_t page_count = 0;
    for (unsigned bin = 0; bin < ZEND_BIN_COUNT; bin++) {
        if (count_free_blocks(heap, bin))
            unlink_empty_runs(heap, bin);
    }
    struct zend_chunk *chunk = heap->chunks.first;
    do {
        struct zend_chunk *next = chunk->next;
        page_count += clear_empty_runs(chunk);
        if (chunk != heap->chunks.first && zend_chunk_is_empty(chunk))
            zend_chunk_delete(&heap->chunks, chunk);
        chunk = next;
    } while (chunk != heap->chunks.first);
    return page_count * ZEND_PAGE_BYTES + zend_chunks_drop_cache(&heap->chunks);
}

/* ---- Looking. ---- */

static bool is_marked_free(const void *block)
{
    return ((const struct sm_object *)block)->payload_bytes == ZEND_FREE;
}

/* Checked builds have marked them all along. */
static void mark_free_blocks(struct zend_heap *heap)
{
    for (unsigned bin = 0; bin < ZEND_BIN_COUNT; bin++) {
        for (struct sm_free_cell *cell = *head_of(heap, bin); cell != NULL; cell = cell->next)
            ((struct sm_object *)cell)->payload_bytes = ZEND_FREE;
    }
}

static void walk_run(char *run, unsigned bin, void (*visit)(void *context, void *block), void *context)
{
    for (unsigned i = 0; i < zend_bins[bin].block_count; i++) {
        char *block = run + (size_t)i * zend_bins[bin].block_bytes;
        if (!is_marked_free(block))
            visit(context, block);
    }
}

static void walk_chunk(struct zend_chunk *chunk, void (*visit)(void *context, void *block), void *context)
{
    for (uint32_t page = ZEND_FIRST_PAGE; page < chunk->free_tail; page = page_after(chunk, page)) {
        const struct zend_page *info = &chunk->pages[page];
        if (info->kind == ZEND_PAGE_LARGE)
            visit(context, zend_page_address(chunk, page));
        else if (info->kind == ZEND_PAGE_RUN)
            walk_run(zend_page_address(chunk, page), info->bin, visit, context);
    }
}

void zend_heap_walk(struct zend_heap *heap, void (*visit)(void *context, void *block), void *context)
{
    mark_free_blocks(heap);
    struct zend_chunk *chunk = heap->chunks.first;
    do {
        walk_chunk(chunk, visit, context);
        chunk = chunk->next;
    } while (chunk != heap->chunks.first);
    for (const struct zend_huge *record = heap->huge; record != NULL; record = record->next)
        visit(context, record->block);
}

bool zend_heap_has_small(const struct zend_heap *heap, const void *block, unsigned bin)
{
    const struct zend_chunk *chunk = zend_chunk_of(block);
    if (zend_chunk_offset(block) < ZEND_PAGE_BYTES || chunk->owner != &heap->chunks)
        return false;
    uint32_t page = zend_page_of(block);
    if (chunk->pages[page].kind == ZEND_PAGE_RUN_REST)
        page -= chunk->pages[page].number;
    size_t offset = zend_chunk_offset(block) - (size_t)page * ZEND_PAGE_BYTES;
    return chunk->pages[page].kind == ZEND_PAGE_RUN && chunk->pages[page].bin == bin &&
           offset % zend_bins[bin].block_bytes == 0 && offset / zend_bins[bin].block_bytes < zend_bins[bin].block_count;
}

static bool is_listed_free(const struct zend_heap *heap, const void *block, unsigned bin)
{
    const struct sm_free_cell *cell = *head_of(heap, bin);
    while (cell != NULL && (const void *)cell != block)
        cell = cell->next;
    return cell != NULL;
}

static bool contains_small(const struct zend_heap *heap, const void *block, unsigned bin)
{
    if (!zend_heap_has_small(heap, block, bin) || is_marked_free(block))
        return false;
    return SM_ASSERT_LEVEL >= 2 || !is_listed_free(heap, block, bin);
}

bool zend_heap_contains(const struct zend_heap *heap, const void *pointer)
{
    if (zend_chunk_offset(pointer) == 0)
        return zend_huge_contains(heap, pointer);
    struct zend_chunk *chunk = zend_chunks_find(&heap->chunks, pointer);
    if (chunk == NULL)
        return false;
    const struct zend_page *page = &chunk->pages[zend_page_of(pointer)];
    if (page->kind == ZEND_PAGE_LARGE)
        return zend_chunk_offset(pointer) % ZEND_PAGE_BYTES == 0;
    return page->kind != ZEND_PAGE_PLAIN && contains_small(heap, pointer, page->bin);
}
