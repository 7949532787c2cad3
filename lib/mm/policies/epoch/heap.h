/**
 * The heap: a non-moving mark-region allocator. Objects are bumped into the holes that the last cycle left in blocks of
 * 64 KiB, or into empty blocks; larger ones have blocks of their own (slab.h has the layout, pool.h who holds a block).
 *
 * The window (sm_hot.cursor to .limit) lies in one hole. When it is used up the allocator goes on to the next hole of its
 * block, then to the next block with holes, then to an empty block; holes too small for the request and what is left of
 * windows are loose holes, tried first (loose.h). Objects above SM_INLINE_PAYLOAD_MAX are bumped in a block beside it.
 * That is the idea of Immix (Blackburn and McKinley, PLDI 2008), with holes to the granule instead of lines, as in
 * Whippet's nofl space (Wingo, 2024).
 *
 * Birth epochs are kept by page and cost an allocation nothing: a page's tag is set when the window is moved there, or
 * at a safepoint op, and never lowered while something lives there. So the tag is never after an object's birth.
 *
 * Memory order. The owner's alone, but for the pool (its lock) and `graced` (release by whoever ran the grace period,
 * acquire by the owner).
 */
#ifndef SM_EPOCH_HEAP_H
#define SM_EPOCH_HEAP_H

#include "epoch/batch.h"
#include "epoch/loose.h"
#include "epoch/pool.h"

#include "sapimem/alloc.h"

#include <stdatomic.h>

/** Bit of the header flags that is the policy's alone; weak referents have another (weak_list.h). */
enum { EPOCH_RETIRED = 0x0400 };

enum {
    /** Room of the largest object that shares a block with others. */
    EPOCH_SHARED_MAX_BYTES = 32 * 1024,
    /**
     * So much of a hole is given to the window at a time. The inline safepoint does not tell the policy of itself, so
     * this bounds what an emergency must take for younger than the last safepoint; and it brings repins (R4).
     */
    EPOCH_WINDOW_STEP_BYTES = 32 * 1024,
    /** A loose hole below this is used only when there is nothing else. */
    EPOCH_LOOSE_WORTH_BYTES = 256,
};

struct epoch_heap {
    struct sm_manager *mm;
    struct epoch_pool pool;
    uint8_t colour;             /**< of the last cycle's survivors; EPOCH_COLOUR_NONE before the first */
    struct epoch_block *window; /**< the block that the window lies in; NULL: there is none */
    char *window_start,
        *window_end; /**< of the hole, from where the window was opened; sm_hot.limit may lie before its end */
    struct epoch_block *current;    /**< whose holes are being used up, in order; NULL: none */
    struct epoch_block *overflow;   /**< for objects above the inline sizes; bumped at its parsed_bytes; NULL: none */
    struct epoch_block_list filled; /**< used up */
    struct epoch_block *large;      /**< all that is neither retired nor dead */
    struct epoch_loose loose;
    uint64_t recent_sequence; /**< counts safepoint ops */
    uint64_t
        cycle_sequence; /**< of it, at the end of the last cycle: if it is the same now, marked objects may be recent */
    uint64_t
        bytes_since_step;    /**< given to windows and large objects since the last safepoint op, or request for one */
    uint64_t room_bytes;     /**< of all objects ever allocated, without the open window's */
    uint64_t occupied_bytes; /**< of blocks and large objects, by what lived at the end of the last cycle */
    uint64_t hole_bytes;     /**< free then in the blocks where something lived */
    uint64_t unlisted_objects, unlisted_bytes;  /**< retired by hand, left to the next cycle */
    struct epoch_retired_chunk *_Atomic graced; /**< retired by hand, and their grace period is over */
};

void epoch_heap_init(struct epoch_heap *heap, struct sm_manager *mm, enum epoch_debug debug);
/** Give all memory back, without a grace period: nobody reads any more. */
void epoch_heap_finish(struct epoch_heap *heap);

/** Move the window to room for `payload_bytes`, at most SM_INLINE_PAYLOAD_MAX. False: memory is refused. */
bool epoch_heap_refill(struct epoch_heap *heap, size_t payload_bytes);
/** Room for one small object, with nothing left for the inline path; NULL when memory is refused. */
void *epoch_heap_alloc_alone(struct epoch_heap *heap, size_t payload_bytes);
/** Room for one object beside the window; NULL when memory is refused. */
void *epoch_heap_alloc(struct epoch_heap *heap, size_t payload_bytes);

/** What has been allocated is no longer recent. */
void epoch_heap_safepoint(struct epoch_heap *heap);

/** Whether the last cycle was an emergency of this very stretch between safepoint ops, or may have been: EPOCH_RECENT holds. */
static inline bool epoch_heap_tells_recent(const struct epoch_heap *heap)
{
    return heap->cycle_sequence == heap->recent_sequence;
}

/** An epoch not after the one in which `object` was allocated, by the page it begins in. */
uint64_t epoch_heap_epoch_of(const struct sm_object *object);

/** Take one object out, into `batch`. It must not be reachable. */
void epoch_heap_retire(struct epoch_heap *heap, struct sm_object *object, struct epoch_batch *batch);

/**
 * A cycle begins: everything is held by the owner again, `withdrawn` included, which the batch of the cycle that ends
 * takes up again. All blocks count as empty until something in them is marked.
 */
void epoch_heap_begin_cycle(struct epoch_heap *heap, struct epoch_batch *withdrawn);
/** And ends: what does not carry `colour` is in `batch`; blocks in which nothing died are offered again at once. */
void epoch_heap_end_cycle(struct epoch_heap *heap, uint8_t colour, struct epoch_batch *batch);

/** Give to the owner what has waited long enough. Threads: any, after the grace period. */
void epoch_heap_release(struct epoch_heap *heap, struct epoch_batch *batch);

/** Block bytes of all objects ever allocated. */
uint64_t epoch_heap_room_bytes(const struct epoch_heap *heap);

/* ---- heap_walk.c ---- */

typedef void epoch_object_visit(void *context, struct sm_object *object);
/** Every object, in no order. `visit` may allocate, but no cycle may come of it. */
void epoch_heap_walk(struct epoch_heap *heap, epoch_object_visit *visit, void *context);
/** Every object that may be younger than the last safepoint op. `visit` allocates nothing. */
void epoch_heap_walk_recent(struct epoch_heap *heap, epoch_object_visit *visit, void *context);
/** Whether an object begins exactly there. Cost: O(slabs and the objects of one block); the address is followed only when it lies in a block. */
bool epoch_heap_has(struct epoch_heap *heap, const struct sm_object *object);

/* ---- heap_check.c ---- */

/** The invariants of slab.h, pool.h and this page, and the manager's live figures against the objects there are. Cost: O(heap). */
bool epoch_heap_is_consistent(struct epoch_heap *heap);

#endif
