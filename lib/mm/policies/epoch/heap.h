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

#include "epoch/barrier.h"
#include "epoch/batch.h"
#include "epoch/loose.h"
#include "epoch/pool.h"

#include "sapimem/alloc.h"

#include <stdatomic.h>

/** Bit of the header flags that is the policy's alone; weak referents have another (weak_list.h). */
enum { EPOCH_RETIRED = 0x0400 };

enum {
    /**
     * So much of a hole is given to the window at a time. The inline safepoint does not tell the policy of itself, so
     * this bounds what an emergency must take for younger than the last safepoint; and it brings repins (R4).
     */
    EPOCH_WINDOW_STEP_BYTES = 32 * 1024,
    /** A loose hole below this is used only when there is nothing else. */
    EPOCH_LOOSE_WORTH_BYTES = 256,
};

enum { EPOCH_RECENT_RANGES = 64 };

/** Objects in a row, all of them made since the last safepoint op. */
struct epoch_recent {
    char *first;
    char *end; /**< NULL: up to the open window's cursor */
};

struct epoch_heap {
    struct sm_manager *mm;
    struct epoch_pool pool;
    uint8_t colour;             /**< of old objects; while a cycle marks beside the program, of those at the snapshot */
    uint8_t marking;            /**< the colour that cycle gives; EPOCH_COLOUR_NONE when there is none */
    bool makes_old;             /**< there are no young cycles: what the window leaves behind is old at once */
    struct epoch_block *window; /**< the block that the window lies in; NULL: there is none */
    char *window_start,
        *window_end;       /**< of the hole, from where the window was opened; sm_hot.limit may lie before its end */
    char *window_old;      /**< what lies before it in the window is old */
    uint32_t overflow_old; /**< likewise in the overflow block */
    struct epoch_block *current;    /**< whose holes are being used up, in order; NULL: none */
    struct epoch_block *overflow;   /**< for objects above the inline sizes; bumped at its parsed_bytes; NULL: none */
    struct epoch_block_list filled; /**< used up */
    struct epoch_block *large;      /**< all that is neither retired nor dead */
    struct epoch_loose loose;
    uint64_t recent_sequence; /**< counts safepoint ops */
    size_t
        recent_count; /**< ranges in use; above EPOCH_RECENT_RANGES: too many, or an emergency has been: blocks are asked */
    struct epoch_recent recent[EPOCH_RECENT_RANGES];
    uint64_t
        cycle_sequence; /**< of it, at the end of the last cycle: if it is the same now, marked objects may be recent */
    uint64_t
        bytes_since_step; /**< given to windows and large objects since the last safepoint op, or request for one */
    uint64_t room_bytes;  /**< of all objects ever allocated, without the open window's */
    uint64_t old_objects, old_bytes;   /**< that live: marked and not retired; payloads */
    uint64_t large_bytes;              /**< pages of large objects that are neither retired nor dead */
    struct epoch_block *large_unswept; /**< large objects from here on were not looked at since the colour changed */
    struct epoch_occupancy occupancy;
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

/** Free and used, over all blocks, as of each one's last conclusion. Relaxed: figures, they order nothing. */
void epoch_heap_occupancy(const struct epoch_heap *heap, uint64_t *occupied_bytes, uint64_t *hole_bytes);

/** What has been allocated is no longer recent. */
void epoch_heap_safepoint(struct epoch_heap *heap);

/** Whether the last cycle was an emergency of this very stretch between safepoint ops, or may have been: EPOCH_RECENT holds. */
static inline bool epoch_heap_tells_recent(const struct epoch_heap *heap)
{
    return heap->cycle_sequence == heap->recent_sequence;
}

/** An epoch not after the one in which `object` was allocated, by the page it begins in. */
uint64_t epoch_heap_epoch_of(const struct sm_object *object);

/** What the window has taken is counted; there is none any more. */
void epoch_heap_close_window(struct epoch_heap *heap);
/** A stretch of a block that the owner goes on from: remembered as a loose hole, unless all is old at once. */
void epoch_heap_leave_hole(struct epoch_heap *heap, char *start, size_t bytes);

/* ---- heap_retire.c ---- */

/** Take one object out, into `batch`. It must not be reachable, but for a marker that goes by an older snapshot. */
void epoch_heap_retire(struct epoch_heap *heap, struct sm_object *object, struct epoch_batch *batch);
/** The same where it is left to the next cycle that looks at it, or to the end of the request. */
void epoch_heap_retire_unlisted(struct epoch_heap *heap, struct sm_object *object);
/** A large object that is dead leaves the list of those that live. */
void epoch_heap_retire_large(struct epoch_heap *heap, struct epoch_block *block, struct epoch_batch *batch);
/** The room of what was retired by hand, and has waited long enough, is free. */
void epoch_heap_reuse_graced(struct epoch_heap *heap);

/** Whether it is old: marked, and not made since the last cycle. */
static inline bool epoch_heap_is_old(const struct sm_object *object)
{
    return epoch_granule_load(object) != 0;
}

/** Whether the last full cycle found it dead, and no sweep has been there yet. No cycle is marking. */
static inline bool epoch_heap_is_dead(const struct epoch_heap *heap, const struct sm_object *object)
{
    uint8_t byte = epoch_granule_load(object);
    return byte != 0 && (byte & EPOCH_COLOUR_MASK) != heap->colour;
}

/** Whether an object of that first byte was made old since the snapshot: no marker ever comes to it. */
static inline bool epoch_heap_is_black(const struct epoch_heap *heap, uint8_t byte)
{
    return heap->marking != EPOCH_COLOUR_NONE && (byte & EPOCH_RECENT) != 0 &&
           (byte & EPOCH_COLOUR_MASK) == heap->marking;
}

/* ---- tenure.c ---- */

/** Without a cycle, what the window and the overflow block hold becomes old. At a safepoint, or before more is allocated. */
void epoch_heap_make_window_old(struct epoch_heap *heap);
/** The same for all young objects there are. Cost: O(objects in blocks used since the last cycle). At a safepoint. */
void epoch_heap_make_all_old(struct epoch_heap *heap);
/** One young object that is to be retired by hand keeps its room until its grace period is over, whatever a cycle does meanwhile. */
void epoch_heap_keep_room(struct epoch_heap *heap, struct sm_object *object);

/* ---- heap_cycle.c ---- */

/** The owner has what it allocates in, and nothing in use: a young cycle, or a snapshot. */
void epoch_heap_hold_open(struct epoch_heap *heap);
/** After a young cycle: what is not old is in `batch`. */
void epoch_heap_conclude_open(struct epoch_heap *heap, struct epoch_batch *batch);
/**
 * A full cycle begins with the program stopped: everything is held by the owner, `withdrawn` included, which the batch of the cycle that ends
 * takes up again. The counts of `colour` are 0.
 */
void epoch_heap_begin_cycle(struct epoch_heap *heap, struct epoch_block_list *withdrawn);
/** And ends: what does not carry `colour` is in `batch`; blocks in which nothing died are offered again at once. */
void epoch_heap_end_cycle(struct epoch_heap *heap, uint8_t colour, struct epoch_batch *batch);
/**
 * A cycle that has marked beside the program ends: `colour` is that of old objects now, and every block in the pool's
 * hands is to be swept, as are those that wait for a grace period while something lives in them.
 */
void epoch_heap_change_colour(struct epoch_heap *heap, uint8_t colour);
/** Look at up to `budget` large objects: dead ones are in `batch`. Returns whether all have been looked at. Threads: owner. */
bool epoch_heap_sweep_large(struct epoch_heap *heap, size_t budget, struct epoch_batch *batch);
/** One block of `unconcluded`, or of the pool's: what died there is in `batch`. False: none is left. Threads: one at a time, any. */
bool epoch_heap_sweep_one(struct epoch_heap *heap, struct epoch_block_list *unconcluded, struct epoch_batch *batch);
/** A cycle takes what was retired by hand and left to it: it is counted in `batch`. */
void epoch_heap_take_unlisted(struct epoch_heap *heap, struct epoch_batch *batch);
/** Take objects retired by hand off the batch's list: they lie where they are until a full cycle finds them. Returns their room. */
uint64_t epoch_heap_forget_listed(struct epoch_heap *heap, struct epoch_batch *batch);

/** A request ends: all that was allocated since epoch_pool_begin_region is in `batch`, whatever lives there. Cost: O(slabs, blocks of it, its large objects). */
void epoch_heap_drop_region(struct epoch_heap *heap, struct epoch_batch *batch);

/** Give to the owner what has waited long enough. Threads: any, after the grace period. */
void epoch_heap_release(struct epoch_heap *heap, struct epoch_batch *batch);

/** Block bytes of all objects ever allocated. */
uint64_t epoch_heap_room_bytes(const struct epoch_heap *heap);

/* ---- heap_walk.c ---- */

typedef void epoch_object_visit(void *context, struct sm_object *object);
/** Every object, in no order. `visit` may allocate, but no cycle may come of it. */
void epoch_heap_walk(struct epoch_heap *heap, epoch_object_visit *visit, void *context);
/** Those in blocks that were in use when the open request began (epoch_pool_begin_region). */
void epoch_heap_walk_boot(struct epoch_heap *heap, epoch_object_visit *visit, void *context);
/** Every object that may be younger than the last safepoint op. `visit` allocates nothing. */
void epoch_heap_walk_recent(struct epoch_heap *heap, epoch_object_visit *visit, void *context);
/** Whether an object begins exactly there. Cost: O(slabs and the objects of one block); the address is followed only when it lies in a block. */
bool epoch_heap_has(struct epoch_heap *heap, const struct sm_object *object);

/* ---- heap_check.c ---- */

/** The invariants of slab.h, pool.h and this page, and the manager's live figures against the objects there are. Cost: O(heap). */
bool epoch_heap_is_consistent(struct epoch_heap *heap);

#endif
