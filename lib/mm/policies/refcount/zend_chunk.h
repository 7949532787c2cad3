/**
 * Chunks of 2 MiB and the pages in them, as Zend's allocator keeps them.
 *
 * A chunk lies at a multiple of its size, and its first page is its header, so that the header of any block
 * is found by masking the block's address. Pages are handed out in runs: the smallest free run that is large
 * enough, and of those the first, in the first chunk that has one. An empty chunk is kept for later while the
 * chunks in use and in the cache together stay under a running mean of past requests' peaks, or when the same
 * chunk has come and gone four times in a row. What the cache keeps stays committed.
 *
 * Source: PHP 8.2, Zend/zend_alloc.c (zend_mm_alloc_pages, zend_mm_free_pages, zend_mm_delete_chunk,
 * zend_mm_shutdown).
 */
#ifndef SM_ZEND_CHUNK_H
#define SM_ZEND_CHUNK_H

#include "sapimem/manager.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    ZEND_CHUNK_BYTES = 2 * 1024 * 1024,
    ZEND_PAGE_BYTES = 4096,
    ZEND_CHUNK_PAGES = ZEND_CHUNK_BYTES / ZEND_PAGE_BYTES,
    ZEND_FIRST_PAGE = 1, /**< page 0 is the header */
    ZEND_USABLE_PAGES = ZEND_CHUNK_PAGES - ZEND_FIRST_PAGE,
    ZEND_MAP_WORDS = ZEND_CHUNK_PAGES / 64,
};

/** What begins at a page. */
enum zend_page_kind {
    ZEND_PAGE_PLAIN,    /**< free, the header, or inside a large block */
    ZEND_PAGE_LARGE,    /**< first page of a large block; `number`: its pages */
    ZEND_PAGE_RUN,      /**< first page of a run of bin `bin`; `number`: free blocks, counted only during a trim */
    ZEND_PAGE_RUN_REST, /**< a later page of such a run; `number`: pages back to the first */
};

struct zend_page {
    uint8_t kind; /**< enum zend_page_kind */
    uint8_t bin;
    uint16_t number;
};

/** Header of a chunk. No page at or past `free_tail` is in use; it may be larger than it need be. */
struct zend_chunk {
    const struct zend_chunks *owner;
    struct zend_chunk *next, *previous; /**< the ring of chunks in use; in the cache only `next` counts */
    uint32_t free_pages;
    uint32_t free_tail;
    uint32_t number;                   /**< younger chunks have larger ones */
    uint64_t used_map[ZEND_MAP_WORDS]; /**< one bit a page */
    struct zend_page pages[ZEND_CHUNK_PAGES];
};

/** All chunks of one heap. */
struct zend_chunks {
    struct sm_manager *mm;
    struct zend_chunk *first; /**< of the ring; it stays until the end */
    struct zend_chunk *cache;
    uint32_t count; /**< in the ring */
    uint32_t peak_count;
    uint32_t cached_count;
    uint32_t last_delete_boundary; /**< chunks left when a chunk was last unmapped */
    uint32_t last_delete_count;    /**< how often in a row that was the number left */
    double mean_count;
};

static inline struct zend_chunk *zend_chunk_of(const void *block)
{
    return (struct zend_chunk *)((uintptr_t)block & ~(uintptr_t)(ZEND_CHUNK_BYTES - 1));
}

/** Bytes into its chunk; 0 says a huge block, for a chunk begins with its header. */
static inline size_t zend_chunk_offset(const void *block)
{
    return (uintptr_t)block & (ZEND_CHUNK_BYTES - 1);
}

static inline uint32_t zend_page_of(const void *block)
{
    return (uint32_t)(zend_chunk_offset(block) / ZEND_PAGE_BYTES);
}

static inline void *zend_page_address(struct zend_chunk *chunk, uint32_t page)
{
    return (char *)chunk + (size_t)page * ZEND_PAGE_BYTES;
}

static inline bool zend_chunk_is_empty(const struct zend_chunk *chunk)
{
    return chunk->free_pages == ZEND_USABLE_PAGES;
}

/** Map the first chunk. False: refused; nothing is held then. */
bool zend_chunks_init(struct zend_chunks *chunks, struct sm_manager *mm);
/** Unmap everything. */
void zend_chunks_finish(struct zend_chunks *chunks);
/** A request is over: empty the first chunk, and keep of the others what the mean says. */
void zend_chunks_reset(struct zend_chunks *chunks);
/** Unmap the cache; returns the bytes. */
size_t zend_chunks_drop_cache(struct zend_chunks *chunks);

/** The chunk that `pointer`, which may be anything, points into; NULL for none. Cost: O(chunks). */
struct zend_chunk *zend_chunks_find(const struct zend_chunks *chunks, const void *pointer);

/** A run of `page_count` pages, marked as one large block; NULL when memory is refused. */
void *zend_pages_take(struct zend_chunks *chunks, uint32_t page_count);
/** Free pages and whatever began in them; the chunk stays, even when it is empty then. */
void zend_pages_clear(struct zend_chunk *chunk, uint32_t page, uint32_t page_count);
/** As zend_pages_clear, and a chunk that is empty then goes to the cache or to the system. */
void zend_pages_free(struct zend_chunks *chunks, struct zend_chunk *chunk, uint32_t page, uint32_t page_count);
/** Take an empty chunk other than the first out of the ring. */
void zend_chunk_delete(struct zend_chunks *chunks, struct zend_chunk *chunk);
/** Shorten or lengthen the large block at `page` where it is. False: pages behind it are in use. */
bool zend_pages_resize(struct zend_chunk *chunk, uint32_t page, uint32_t page_count);

#endif
