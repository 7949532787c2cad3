/**
 * Memory on its way through one grace period: blocks in which something died, large objects, objects retired by hand.
 *
 * A value: batches are spliced, and sealing one needs no memory, so retiring cannot fail. Objects that died in a cycle
 * are not listed: they lie in the blocks, unmarked, and their number and size follow from what was marked.
 */
#ifndef SM_EPOCH_BATCH_H
#define SM_EPOCH_BATCH_H

#include "epoch/slab.h"

enum { EPOCH_RETIRED_CHUNK_OBJECTS = 509 };

/** Objects retired by hand, in blocks that others live in. */
struct epoch_retired_chunk {
    struct epoch_retired_chunk *next;
    uint64_t sequence; /**< of the heap's safepoint ops, when the newest was retired */
    size_t count;
    struct sm_object *objects[EPOCH_RETIRED_CHUNK_OBJECTS];
};

/** Zeroed: empty. */
struct epoch_batch {
    struct epoch_block_list blocks;
    struct epoch_block_list large;
    struct epoch_retired_chunk *retired; /**< newest chunk first */
    uint64_t object_count, payload_bytes;
    uint64_t room_bytes;      /**< block bytes: what the backlog counts */
    uint64_t uncounted_bytes; /**< of these, not in the backlog yet */
    uint64_t retire_epoch;    /**< that began when the newest part was sealed */
    uint64_t sealed_ns;       /**< when its oldest part was sealed; 0: not yet */
    bool trims_pool;          /**< what has not been needed goes back to the system once this is released */
};

static inline bool epoch_batch_is_empty(const struct epoch_batch *batch)
{
    return batch->object_count == 0 && batch->blocks.count == 0 && batch->large.count == 0 && batch->room_bytes == 0;
}

/** Append `tail` to `batch`; empties it. */
void epoch_batch_splice(struct epoch_batch *batch, struct epoch_batch *tail);

/**
 * A cycle begins: move to `taken` what it has to look at, the blocks in which something lives and what was retired by hand.
 *
 * The rest goes on waiting, and with it what was counted, so that cycles may come faster than grace periods end.
 */
void epoch_batch_take_living(struct epoch_batch *batch, struct epoch_batch *taken);

/** Append the blocks to `blocks`; the batch that takes them up again has their room, which stays in the backlog meanwhile. */
void epoch_batch_take_blocks(struct epoch_batch *batch, struct epoch_block_list *blocks);

/** Note an object retired by hand in the stretch of that number. False: no memory for its place in the list. */
bool epoch_batch_list(struct epoch_batch *batch, struct sm_object *object, uint64_t sequence);

/** Free the list of objects retired by hand; they and what is counted stay as they are. */
void epoch_batch_forget_list(struct epoch_batch *batch);
/** Room of all that is listed from `chunk` on. */
uint64_t epoch_retired_chunks_room_bytes(const struct epoch_retired_chunk *chunk);
void epoch_retired_chunks_free(struct epoch_retired_chunk *chunk);

#endif
