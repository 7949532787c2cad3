/**
 * One block's granule bytes: turning those of the dead to 0, and finding what is free between the living.
 *
 * Nothing here touches an object, so it needs no grace period; what is found may be written to only after one (R2).
 * Cost: a block has 4,096 granule bytes, looked at eight at a time.
 */
#ifndef SM_EPOCH_SWEEP_H
#define SM_EPOCH_SWEEP_H

#include "epoch/slab.h"

/** Clear the bytes of whatever does not carry `colour`, if that was not done. */
void epoch_sweep_block(struct epoch_block *block, uint8_t colour);

/** Whether all bytes are 0, as in a block that is empty. */
bool epoch_sweep_is_clear(const struct epoch_block *block);

/** A stretch without objects, as offsets into its block. Empty (first == end): none. */
struct epoch_hole {
    uint32_t first, end;
};

/**
 * The first hole of a block at or behind offset `from`, which lies inside no object. What a sweep has yet to clear is no hole.
 *
 * Returns:     an empty hole at the block's end when there is none.
 */
struct epoch_hole epoch_sweep_find(const struct epoch_block *block, uint32_t from);

/** Offset of the first object at or behind `from` that carries `colour`, or one of two when that is EPOCH_COLOUR_MASK; EPOCH_BLOCK_BYTES: none. The block need not be swept. */
uint32_t epoch_sweep_next_marked(const struct epoch_block *block, uint32_t from, uint8_t colour);

/** Clear the two bytes of one object. */
void epoch_sweep_unmark(struct sm_object *object);

#endif
