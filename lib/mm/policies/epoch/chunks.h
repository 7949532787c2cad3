/**
 * The elements of a large object in chunks, each with a state of its own (R8, R10): a write to a million elements claims
 * and logs a chunk of them, not all.
 *
 * A table has two bytes for each chunk: who has read its slots in the cycle that marks (a colour, or colour | BUSY), and
 * whether the program has logged it for the next young cycle. The first chunk stands for the plain pointers before the
 * elements as well. Objects that share a block are one chunk and need no table.
 *
 * Memory order. As of granule bytes (barrier.h); the second half of a table is the owner's alone.
 */
#ifndef SM_EPOCH_CHUNKS_H
#define SM_EPOCH_CHUNKS_H

#include "epoch/slab.h"

enum { EPOCH_CHUNK_ELEMENTS = 128 };

/** How many chunks there may be in `payload_bytes`, whatever the layout: no element is smaller than a value. */
static inline size_t epoch_chunk_count(uint64_t payload_bytes)
{
    return (size_t)payload_bytes / (EPOCH_CHUNK_ELEMENTS * sizeof(struct sm_value)) + 1;
}

/** The table of an object that is large and whose layout has elements; NULL otherwise. */
static inline uint8_t *epoch_chunks_of(const struct sm_object *object, const struct sm_layout *layout)
{
    bool is_large = sm_block_bytes((size_t)object->payload_bytes) > EPOCH_SHARED_MAX_BYTES;
    bool has_elements = layout->kind == SM_LAYOUT_SLOTS && layout->stride != 0;
    return is_large && has_elements ? epoch_block_of(object)->chunks : NULL;
}

/** The chunk that the slot at `slot` belongs to. */
static inline size_t epoch_chunk_of(const struct sm_object *object, const struct sm_layout *layout, const void *slot)
{
    size_t offset = (size_t)((const char *)slot - (const char *)sm_payload_const(object));
    return offset < layout->first ? 0 : (offset - layout->first) / layout->stride / EPOCH_CHUNK_ELEMENTS;
}

#endif
