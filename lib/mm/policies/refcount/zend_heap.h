/**
 * A model of Zend's allocator, below the policy that counts references.
 *
 * Small blocks (payloads up to 3072 bytes) come from 30 bins. A bin has a list of free blocks, last freed first,
 * which is a head of sm_hot.heads, so that the inline path of alloc.h pops it; when it is empty a whole run of
 * pages is cut up. Large blocks are runs of pages of a 2 MiB chunk, huge ones are mappings of their own, aligned
 * as chunks are. At request end everything goes at once. zend_chunk.h has the chunks and the rule that keeps them.
 *
 * What differs from Zend, and why:
 * - Every object has our 16-byte header and lies at a multiple of 16, as under all policies. A bin is therefore
 *   chosen by payload and serves the payloads it serves in Zend, but its blocks are a header larger, rounded up
 *   to 16. Runs have Zend's numbers of pages, but for ten bins whose blocks fill Zend's run so nearly that the
 *   headers would cost a whole block of it (one in four of bin 3072): those have as many pages as lose least.
 *   Large and huge blocks are header plus payload in whole pages: a payload of a multiple of the page size takes
 *   a page more than in Zend, and the largest 16 payloads of Zend's large blocks are huge here.
 * - The payload size selects the list a block is freed to, as in Zend's sized frees. A small block is therefore
 *   resized in place only within its bin; Zend also keeps one that shrinks to exactly the next smaller bin.
 * - When memory is refused, empty runs are given up as in zend_mm_gc; here the cache of chunks goes too, and the
 *   search starts again, so that nothing is refused while free memory of any form is held.
 *
 * A free block has FREE in its header's payload size in checked builds always, elsewhere only during a walk.
 * Threads: owner.
 * Source: PHP 8.2, Zend/zend_alloc.c.
 */
#ifndef SM_ZEND_HEAP_H
#define SM_ZEND_HEAP_H

#include "refcount/zend_bins.h"
#include "refcount/zend_chunk.h"

#include "sapimem/alloc.h"

#include "assertion.h"

/** Payload size that no object has. */
#define ZEND_FREE UINT64_MAX

enum { ZEND_FREE_FILL = 0xDF }; /* what checked builds fill free payloads with */

/** A huge block's record. It lies in a small block, as in Zend, with ZEND_FREE in its header: no object. */
struct zend_huge {
    struct sm_object header;
    struct zend_huge *next;
    void *block;
    size_t mapped_bytes;
};

struct zend_heap {
    struct sm_manager *mm;
    struct zend_chunks chunks;
    struct zend_huge *huge; /**< last made first */
    size_t huge_bytes;      /**< mapped for them */
};

/** Map the first chunk and serve the manager's inline lists from now on. False: refused; nothing is held then. */
bool zend_heap_init(struct zend_heap *heap, struct sm_manager *mm);
/** Give back everything; a heap whose init failed may be finished too. */
void zend_heap_finish(struct zend_heap *heap);

/** Put one run of blocks for `payload_bytes`, at most ZEND_SMALL_MAX, on its list. False: memory is refused. */
bool zend_heap_refill(struct zend_heap *heap, size_t payload_bytes);
/** One block of any size; NULL: memory is refused. */
void *zend_heap_alloc(struct zend_heap *heap, size_t payload_bytes);

/** Make the payload room of `block` fit `new_bytes` where it is. False: it cannot be, and nothing changed. */
bool zend_heap_resize(struct zend_heap *heap, void *block, size_t old_bytes, size_t new_bytes);

/** Request end: every block is gone at once. The first chunk stays, and of the others what the mean of the peaks says. */
void zend_heap_reset(struct zend_heap *heap);
/** Give up runs and chunks without an allocated block, and the cache. Returns the bytes of both; 0: there was nothing. Cost: O(free blocks). */
size_t zend_heap_trim(struct zend_heap *heap);

/** Visit every allocated block; `visit` neither allocates nor frees. Cost: O(blocks). */
void zend_heap_walk(struct zend_heap *heap, void (*visit)(void *context, void *block), void *context);
/** Whether an allocated block begins at `pointer`, which may be anything. Cost: O(chunks); O(free blocks) outside checked builds. */
bool zend_heap_contains(const struct zend_heap *heap, const void *pointer);

/** Whether `block` begins a small block of `bin`, free or not: a look at the page map. */
bool zend_heap_has_small(const struct zend_heap *heap, const void *block, unsigned bin);

/** Large and huge blocks. */
void zend_heap_free_pages(struct zend_heap *heap, void *block, size_t payload_bytes);

/** Make a free small block recognisable. Only checked builds pay for it. */
static inline void zend_free_fill(struct sm_object *block, unsigned bin)
{
    if (SM_ASSERT_LEVEL < 2)
        return;
    block->payload_bytes = ZEND_FREE;
    memset(block + 1, ZEND_FREE_FILL, (size_t)zend_bins[bin].block_bytes - sizeof(*block));
}

/** Put a small block on its list: it will be the next one allocated from its bin. */
static inline void zend_free_to_list(struct sm_hot *hot, void *block, size_t payload_bytes)
{
    unsigned bin = zend_bin_of(payload_bytes);
    struct sm_free_cell *cell = (struct sm_free_cell *)block;
    SM_ASSERT_CHECKED(((struct sm_object *)block)->payload_bytes != ZEND_FREE);
    zend_free_fill((struct sm_object *)block, bin);
    cell->next = hot->heads[bin];
    hot->heads[bin] = cell;
}

/** Free a block of at most ZEND_SMALL_MAX bytes. */
static inline void zend_heap_free_small(struct zend_heap *heap, void *block, size_t payload_bytes)
{
    SM_ASSERT_CHECKED(zend_heap_has_small(heap, block, zend_bin_of(payload_bytes)));
    zend_free_to_list(sm_hot(heap->mm), block, payload_bytes);
}

/** Free a block that was allocated, or last resized, for `payload_bytes`. */
static inline void zend_heap_free(struct zend_heap *heap, void *block, size_t payload_bytes)
{
    if (SM_LIKELY(payload_bytes <= ZEND_SMALL_MAX))
        zend_heap_free_small(heap, block, payload_bytes);
    else
        zend_heap_free_pages(heap, block, payload_bytes);
}

#endif
