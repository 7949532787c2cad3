/**
 * The size classes of Zend's allocator for small blocks, with room for our header.
 *
 * Source: PHP 8.2, Zend/zend_alloc_sizes.h (ZEND_MM_BINS_INFO).
 */
#ifndef SM_ZEND_BINS_H
#define SM_ZEND_BINS_H

#include "sapimem/alloc.h"

enum {
    ZEND_BIN_COUNT = 30,
    ZEND_SMALL_MAX = SM_INLINE_PAYLOAD_MAX,   /**< largest payload of a bin */
    ZEND_SIZE_WORDS = ZEND_SMALL_MAX / 8 + 1, /**< payload sizes in words, rounded up: 0 .. 384 */
};

/** One bin: its blocks are cut from runs of whole pages. */
struct zend_bin {
    uint16_t payload_bytes; /**< Zend's bin size: the largest payload served */
    uint16_t block_bytes;   /**< distance of two blocks: the header, the payload, rounded up to 16 */
    uint16_t block_count;   /**< blocks in a run; the rest of the run is lost, as in Zend */
    uint16_t
        page_count; /**< pages of a run: Zend's, or as many as lose least where the headers would cost a run of Zend's a block */
};

extern const struct zend_bin zend_bins[ZEND_BIN_COUNT];

/** Bin of a payload of (index - 1) * 8 + 1 .. index * 8 bytes, and of none at 0; what sm_hot.size_class_of points at. */
extern const uint8_t zend_bin_of_words[ZEND_SIZE_WORDS];

static inline unsigned zend_bin_of(size_t payload_bytes)
{
    return zend_bin_of_words[(payload_bytes + 7) / 8];
}

#endif
