/* Chunks and pages; zend_chunk.h says what and why. */
#include "refcount/zend_chunk.h"

#include "sapimem/policy.h"

#include "assertion.h"

#include <string.h>

_Static_assert(sizeof(struct zend_chunk) <= ZEND_PAGE_BYTES, "the header fits its page");

enum {
    REORDER_STEPS = 2, /* chunks searched in vain before one that fits is worth moving forward */
    REORDER_PAGES = 8, /* runs shorter than this are asked for often */
    DELETE_REPEAT = 4, /* a chunk unmapped so often at one boundary is kept */
};

/* ---- The map of used pages. ---- */

/* Bits `page` .. of a word of the map. */
static uint64_t bits_from(uint32_t page)
{
    return ~UINT64_C(0) << (page % 64);
}

/* The bits of word `word` that stand for pages `page` .. `end` - 1. */
static uint64_t range_bits(uint32_t word, uint32_t page, uint32_t end)
{
    uint64_t bits = ~UINT64_C(0);
    if (word == page / 64)
        bits &= bits_from(page);
    if (word == (end - 1) / 64)
        bits &= ~UINT64_C(0) >> (63 - (end - 1) % 64);
    return bits;
}

static void mark_used(struct zend_chunk *chunk, uint32_t page, uint32_t page_count)
{
    uint32_t end = page + page_count;
    for (uint32_t word = page / 64; word <= (end - 1) / 64; word++) {
        SM_ASSERT((chunk->used_map[word] & range_bits(word, page, end)) == 0);
        chunk->used_map[word] |= range_bits(word, page, end);
    }
    chunk->free_pages -= page_count;
    if (end > chunk->free_tail)
        chunk->free_tail = end;
}

static void mark_free(struct zend_chunk *chunk, uint32_t page, uint32_t page_count)
{
    uint32_t end = page + page_count;
    for (uint32_t word = page / 64; word <= (end - 1) / 64; word++) {
        SM_ASSERT((~chunk->used_map[word] & range_bits(word, page, end)) == 0);
        chunk->used_map[word] &= ~range_bits(word, page, end);
    }
    chunk->free_pages += page_count;
    if (end == chunk->free_tail)
        chunk->free_tail = page;
}

static bool is_free(const struct zend_chunk *chunk, uint32_t page, uint32_t end)
{
    for (uint32_t word = page / 64; word <= (end - 1) / 64; word++) {
        if ((chunk->used_map[word] & range_bits(word, page, end)) != 0)
            return false;
    }
    return true;
}

/* The first page from `page` on whose bit differs from those of `skip` (all ones: free ones are sought). */
static uint32_t next_page(const struct zend_chunk *chunk, uint32_t page, uint64_t skip)
{
    uint32_t word = page / 64;
    uint64_t bits = (chunk->used_map[word] ^ skip) & bits_from(page);
    while (bits == 0) {
        if (++word * 64 >= chunk->free_tail || word == ZEND_MAP_WORDS)
            return ZEND_CHUNK_PAGES;
        bits = chunk->used_map[word] ^ skip;
    }
    return word * 64 + (uint32_t)__builtin_ctzll(bits);
}

static uint32_t next_free(const struct zend_chunk *chunk, uint32_t page)
{
    if (page >= chunk->free_tail)
        return page;
    uint32_t found = next_page(chunk, page, ~UINT64_C(0));
    /* The tail may begin with a word; everything before it was in use then. */
    return found < chunk->free_tail ? found : chunk->free_tail;
}

static uint32_t next_used(const struct zend_chunk *chunk, uint32_t page)
{
    return page >= chunk->free_tail ? ZEND_CHUNK_PAGES : next_page(chunk, page, 0);
}

/* The smallest run of free pages that holds `page_count`, and of those the first; 0 for none. */
static uint32_t best_fit(struct zend_chunk *chunk, uint32_t page_count)
{
    uint32_t best = 0;
    uint32_t best_length = ZEND_CHUNK_PAGES;
    uint32_t page = next_free(chunk, ZEND_FIRST_PAGE);
    while (page < ZEND_CHUNK_PAGES) {
        uint32_t end = next_used(chunk, page);
        uint32_t length = end - page;
        /* Frees in the middle do not lower the tail; a search that comes by does. */
        if (end == ZEND_CHUNK_PAGES)
            chunk->free_tail = page;
        if (length == page_count)
            return page;
        if (length > page_count && length < best_length) {
            best = page;
            best_length = length;
        }
        page = end == ZEND_CHUNK_PAGES ? end : next_free(chunk, end);
    }
    return best;
}

/* ---- The ring and the cache. ---- */

/* Everything of the header but the links. */
static void chunk_empty(struct zend_chunk *chunk)
{
    memset(chunk->used_map, 0, sizeof(chunk->used_map));
    memset(chunk->pages, 0, sizeof(chunk->pages));
    chunk->used_map[0] = (UINT64_C(1) << ZEND_FIRST_PAGE) - 1;
    chunk->free_pages = ZEND_USABLE_PAGES;
    chunk->free_tail = ZEND_FIRST_PAGE;
}

static void ring_insert_after(struct zend_chunk *place, struct zend_chunk *chunk)
{
    chunk->previous = place;
    chunk->next = place->next;
    chunk->next->previous = chunk;
    place->next = chunk;
}

static void ring_remove(struct zend_chunk *chunk)
{
    chunk->next->previous = chunk->previous;
    chunk->previous->next = chunk->next;
}

static void unmap(struct zend_chunks *chunks, struct zend_chunk *chunk)
{
    sm_chunk_unmap(chunks->mm, chunk, ZEND_CHUNK_BYTES);
}

static void cache_push(struct zend_chunks *chunks, struct zend_chunk *chunk)
{
    chunk->next = chunks->cache;
    chunks->cache = chunk;
    chunks->cached_count++;
}

static struct zend_chunk *cache_pop(struct zend_chunks *chunks)
{
    struct zend_chunk *chunk = chunks->cache;
    chunks->cache = chunk->next;
    chunks->cached_count--;
    return chunk;
}

/* A new chunk at the end of the ring, from the cache if it has one. NULL: refused. */
static struct zend_chunk *add_chunk(struct zend_chunks *chunks)
{
    struct zend_chunk *chunk =
        chunks->cache != NULL ? cache_pop(chunks) : sm_chunk_map(chunks->mm, ZEND_CHUNK_BYTES, ZEND_CHUNK_BYTES);
    if (chunk == NULL)
        return NULL;
    chunk_empty(chunk);
    chunk->owner = chunks;
    chunk->number = chunks->first->previous->number + 1;
    ring_insert_after(chunks->first->previous, chunk);
    chunks->count++;
    if (chunks->count > chunks->peak_count)
        chunks->peak_count = chunks->count;
    return chunk;
}

bool zend_chunks_init(struct zend_chunks *chunks, struct sm_manager *mm)
{
    struct zend_chunk *chunk = sm_chunk_map(mm, ZEND_CHUNK_BYTES, ZEND_CHUNK_BYTES);
    *chunks = (struct zend_chunks){.mm = mm};
    if (chunk == NULL)
        return false;
    chunk_empty(chunk);
    chunk->owner = chunks;
    chunk->number = 0;
    chunk->next = chunk->previous = chunk;
    chunks->first = chunk;
    chunks->count = chunks->peak_count = 1;
    chunks->mean_count = 1.0;
    return true;
}

/* Move every chunk but the first into the cache. */
static void cache_all(struct zend_chunks *chunks)
{
    while (chunks->first->next != chunks->first) {
        struct zend_chunk *chunk = chunks->first->next;
        ring_remove(chunk);
        cache_push(chunks, chunk);
        chunks->count--;
    }
}

size_t zend_chunks_drop_cache(struct zend_chunks *chunks)
{
    size_t bytes = (size_t)chunks->cached_count * ZEND_CHUNK_BYTES;
    while (chunks->cache != NULL)
        unmap(chunks, cache_pop(chunks));
    return bytes;
}

void zend_chunks_finish(struct zend_chunks *chunks)
{
    if (chunks->first == NULL)
        return;
    cache_all(chunks);
    zend_chunks_drop_cache(chunks);
    unmap(chunks, chunks->first);
    chunks->first = NULL;
}

void zend_chunks_reset(struct zend_chunks *chunks)
{
    cache_all(chunks);
    chunks->mean_count = (chunks->mean_count + (double)chunks->peak_count) / 2.0;
    while (chunks->cache != NULL && (double)chunks->cached_count + 0.9 > chunks->mean_count)
        unmap(chunks, cache_pop(chunks));
    chunk_empty(chunks->first);
    chunks->peak_count = 1;
    chunks->last_delete_boundary = 0;
    chunks->last_delete_count = 0;
}

/* Unmap `chunk`, or the last that was cached when that one is the younger. */
static void unmap_younger(struct zend_chunks *chunks, struct zend_chunk *chunk)
{
    struct zend_chunk *cached = chunks->cache;
    if (cached != NULL && chunk->number <= cached->number) {
        cache_pop(chunks);
        cache_push(chunks, chunk);
        chunk = cached;
    }
    unmap(chunks, chunk);
}

static void count_delete(struct zend_chunks *chunks)
{
    if (chunks->count == chunks->last_delete_boundary) {
        chunks->last_delete_count++;
    } else {
        chunks->last_delete_boundary = chunks->count;
        chunks->last_delete_count = 0;
    }
}

void zend_chunk_delete(struct zend_chunks *chunks, struct zend_chunk *chunk)
{
    SM_ASSERT(chunk != chunks->first && zend_chunk_is_empty(chunk));
    ring_remove(chunk);
    chunks->count--;
    bool under_mean = (double)(chunks->count + chunks->cached_count) < chunks->mean_count + 0.1;
    bool comes_and_goes = chunks->count == chunks->last_delete_boundary && chunks->last_delete_count >= DELETE_REPEAT;
    if (under_mean || comes_and_goes) {
        cache_push(chunks, chunk);
        return;
    }
    if (chunks->cache == NULL)
        count_delete(chunks);
    unmap_younger(chunks, chunk);
}

struct zend_chunk *zend_chunks_find(const struct zend_chunks *chunks, const void *pointer)
{
    struct zend_chunk *wanted = zend_chunk_of(pointer);
    struct zend_chunk *chunk = chunks->first;
    do {
        if (chunk == wanted)
            return chunk;
        chunk = chunk->next;
    } while (chunk != chunks->first);
    return NULL;
}

/* ---- Pages. ---- */

static void *take_at(struct zend_chunk *chunk, uint32_t page, uint32_t page_count)
{
    mark_used(chunk, page, page_count);
    chunk->pages[page] = (struct zend_page){.kind = ZEND_PAGE_LARGE, .number = (uint16_t)page_count};
    return zend_page_address(chunk, page);
}

void *zend_pages_take(struct zend_chunks *chunks, uint32_t page_count)
{
    struct zend_chunk *chunk = chunks->first;
    uint32_t page = 0;
    uint32_t steps = 0;
    for (;;) {
        if (chunk->free_pages >= page_count)
            page = best_fit(chunk, page_count);
        if (page != 0 || chunk->next == chunks->first)
            break;
        chunk = chunk->next;
        steps++;
    }
    if (page == 0) {
        chunk = add_chunk(chunks);
        page = ZEND_FIRST_PAGE;
    }
    if (chunk == NULL)
        return NULL;
    if (steps > REORDER_STEPS && page_count < REORDER_PAGES) {
        ring_remove(chunk);
        ring_insert_after(chunks->first, chunk);
    }
    return take_at(chunk, page, page_count);
}

void zend_pages_clear(struct zend_chunk *chunk, uint32_t page, uint32_t page_count)
{
    memset(&chunk->pages[page], 0, page_count * sizeof(chunk->pages[0]));
    mark_free(chunk, page, page_count);
}

void zend_pages_free(struct zend_chunks *chunks, struct zend_chunk *chunk, uint32_t page, uint32_t page_count)
{
    zend_pages_clear(chunk, page, page_count);
    if (chunk != chunks->first && zend_chunk_is_empty(chunk))
        zend_chunk_delete(chunks, chunk);
}

bool zend_pages_resize(struct zend_chunk *chunk, uint32_t page, uint32_t page_count)
{
    uint32_t old_end = page + chunk->pages[page].number;
    uint32_t end = page + page_count;
    if (end > old_end) {
        if (end > ZEND_CHUNK_PAGES || !is_free(chunk, old_end, end))
            return false;
        mark_used(chunk, old_end, end - old_end);
    } else if (end < old_end) {
        mark_free(chunk, end, old_end - end);
    }
    chunk->pages[page].number = (uint16_t)page_count;
    return true;
}
