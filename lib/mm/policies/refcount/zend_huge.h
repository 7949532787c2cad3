/**
 * Huge blocks of the model of Zend's allocator: one mapping each, aligned as chunks are.
 */
#ifndef SM_ZEND_HUGE_H
#define SM_ZEND_HUGE_H

#include "refcount/zend_heap.h"

/** NULL: refused. `mapped_bytes` is a multiple of the page size. */
void *zend_huge_alloc(struct zend_heap *heap, size_t mapped_bytes);
void zend_huge_free(struct zend_heap *heap, void *block);
/** Give back the tail of the mapping, or extend it if the addresses behind it are free and memory is granted. */
bool zend_huge_resize(struct zend_heap *heap, void *block, size_t mapped_bytes);
/** Whether a huge block begins at `pointer`. Cost: O(huge blocks), as every look-up here and in Zend. */
bool zend_huge_contains(const struct zend_heap *heap, const void *pointer);
/** Unmap all; the records are left to whoever resets the small blocks. */
void zend_huge_free_all(struct zend_heap *heap);

#endif
