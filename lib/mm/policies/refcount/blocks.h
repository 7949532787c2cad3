/**
 * Where objects lie: the model of Zend's allocator, or mimalloc in its place.
 *
 * Two heaps: what is allocated inside a request goes with the request, all at once; what is allocated outside is
 * boot data and stays until the end. The manager's inline lists serve the active heap; the other one's free
 * blocks wait in `heads`. A heap is opened by its first allocation, so most managers have one. An object of the
 * boot heap that dies inside a request goes back to its own heap.
 *
 * Threads: owner.
 */
#ifndef SM_REFCOUNT_BLOCKS_H
#define SM_REFCOUNT_BLOCKS_H

#include "refcount/zend_heap.h"

#include <mimalloc.h>

struct blocks_heap {
    struct zend_heap zend;
    bool is_open;                               /**< zend or mimalloc, whichever is used, holds memory */
    struct sm_free_cell *heads[ZEND_BIN_COUNT]; /**< while another heap is active */
    mi_heap_t *mimalloc;
    uint64_t mimalloc_bytes; /**< reserved for blocks */
};

struct blocks {
    struct sm_manager *mm;
    bool uses_mimalloc;
    bool is_mixed;        /**< mimalloc, or two open heaps: a free must look closer */
    uint64_t plain_below; /**< smaller payloads go straight to the inline lists; 0: none, for a free must look closer */
    struct blocks_heap boot, request;
    struct blocks_heap *active;
};

void blocks_init(struct blocks *blocks, struct sm_manager *mm, bool uses_mimalloc);
void blocks_finish(struct blocks *blocks);

void *blocks_alloc(struct blocks *blocks, size_t payload_bytes);
bool blocks_refill(struct blocks *blocks, size_t payload_bytes);
bool blocks_resize(struct blocks *blocks, struct sm_object *object, size_t payload_bytes);
/** Large ones, and all where `is_mixed`. */
void blocks_free_elsewhere(struct blocks *blocks, struct sm_object *object);

static inline void blocks_free(struct blocks *blocks, struct sm_object *object)
{
    uint64_t payload_bytes = object->payload_bytes;
    if (SM_UNLIKELY(payload_bytes >= blocks->plain_below)) {
        blocks_free_elsewhere(blocks, object);
        return;
    }
    SM_ASSERT_CHECKED(zend_heap_has_small(&blocks->active->zend, object, zend_bin_of(payload_bytes)));
    zend_free_to_list(sm_hot(blocks->mm), object, payload_bytes);
}

void blocks_request_begin(struct blocks *blocks);
/** Every block of the request is gone. */
void blocks_request_end(struct blocks *blocks);
/** Give up what is empty, after a refusal. */
void blocks_trim(struct blocks *blocks);

/** Whether `object`, which exists, outlives requests. */
bool blocks_is_boot(struct blocks *blocks, const struct sm_object *object);
void blocks_walk(struct blocks *blocks, void (*visit)(void *context, void *block), void *context);
/** `pointer` may be anything. Cost: up to O(blocks). */
bool blocks_contain(struct blocks *blocks, const void *pointer);

#endif
