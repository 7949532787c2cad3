/**
 * All blocks of a heap, and those that anybody may take: free ones, runs for large objects, and blocks with holes whose
 * grace period is over.
 *
 * A block is in exactly one place: free, or used and in the pool's hands (the masks of its slab tell), or held by the
 * owner, or by a batch on its way through a grace period. Large objects are held by the owner until they are retired.
 *
 * What is handed out is the lowest block by address that has room and costs no more memory. So low blocks stay dense and
 * high ones drain, which is all the compaction that objects that never move allow; handed out in turn, every block kept
 * a few survivors (lib/DESIGN.md has the figures).
 *
 * Giving back. A free block keeps its memory as long as allocation needs it now and then: the pool remembers how many
 * committed blocks lay free all the time since the last trim, and epoch_pool_trim gives back that many. The policy
 * trims every eighth full cycle and every 64th young one, so memory is given back when it has not been needed for so many.
 *
 * Memory order. Everything here is under `lock`, which is held for a block's work at a time (a sweep of its granule
 * bytes at most, under a microsecond) and never across a wait. It is what orders whoever released a block (after its
 * grace period) before the owner's use of it. A block that is swept ahead is swept without it, in nobody's hands, or
 * the owner would meet the sweeper there each time it needs a block.
 */
#ifndef SM_EPOCH_POOL_H
#define SM_EPOCH_POOL_H

#include "epoch/slab.h"

#include <pthread.h>
#include <stdatomic.h>

struct sm_manager;

/** What happens to memory that is free: for tests and for hunting bugs. */
enum epoch_debug {
    EPOCH_DEBUG_NONE,
    EPOCH_DEBUG_POISON,      /**< it is overwritten, so that whoever still reads it finds no object */
    EPOCH_DEBUG_NEVER_REUSE, /**< and it is never allocated again; whole blocks become inaccessible */
};

/** By the blocks' last conclusions. Any thread that sweeps adds; relaxed: figures, they order nothing. */
struct epoch_occupancy {
    _Atomic uint64_t live_bytes; /**< in blocks that objects share */
    _Atomic uint64_t blocks;     /**< of these, those where something lives */
};

struct epoch_pool {
    struct sm_manager *mm;
    enum epoch_debug debug;
    pthread_mutex_t lock;
    size_t slab_count, slab_capacity;
    struct epoch_slab **slabs; /**< by slab.number; huge ones too */
    uint64_t next_number;
    size_t first_with_free;    /**< no slab before this one has a free block */
    size_t first_to_offer;     /**< nor a block with holes, or a free one that is committed, before this one */
    size_t first_unswept;      /**< nor a block that is not swept before this one */
    bool is_region;            /**< between epoch_pool_begin_region and epoch_pool_end_region */
    bool is_sweeping;          /**< a block is in the hands of whoever sweeps */
    uint8_t colour;            /**< what old objects carry */
    uint64_t free_count;       /**< free blocks that are committed */
    uint64_t least_free_count; /**< of it since the last trim */
};

/** Least free bytes for which a block is searched for holes: after a full cycle; after a young one, for which it was searched before; and of a region. */
enum {
    EPOCH_HOLES_WORTH_BYTES = 2048,
    EPOCH_HOLES_WORTH_WORN_BYTES = EPOCH_BLOCK_BYTES / 4,
    EPOCH_HOLES_WORTH_REGION_BYTES = EPOCH_BLOCK_BYTES / 2,
};

void epoch_pool_init(struct epoch_pool *pool, struct sm_manager *mm, enum epoch_debug debug);
/** Give all memory back, whatever is in it. */
void epoch_pool_finish(struct epoch_pool *pool);

/** A block with room, holes or all of it; NULL when memory is refused. What is not swept there is not offered. Threads: owner. */
struct epoch_block *epoch_pool_take(struct epoch_pool *pool);
/** An empty block; NULL when memory is refused. Threads: owner. */
struct epoch_block *epoch_pool_take_free(struct epoch_pool *pool);
/** Blocks in a row for one object of `bytes`, header included; NULL when memory is refused. Threads: owner. Cost: O(slabs). */
struct epoch_block *epoch_pool_take_large(struct epoch_pool *pool, size_t bytes);

/** A block's grace period is over: free it when nothing lives in it, or offer its holes. Threads: any. */
void epoch_pool_release(struct epoch_pool *pool, struct epoch_block *block);
/** The same for a large object, which is dead. */
void epoch_pool_release_large(struct epoch_pool *pool, struct epoch_block *block);

/** Take the lock, for whoever looks at granule bytes of blocks that are not its own: none of them is being swept. */
void epoch_pool_lock_settled(struct epoch_pool *pool);

/** Old objects carry `colour` now: all used blocks in the pool's hands are to be swept. Threads: owner. Cost: O(slabs). */
void epoch_pool_unsweep(struct epoch_pool *pool, uint8_t colour);
/** Take the next block that is to be swept out of the pool; until epoch_pool_end_sweep it is in the caller's hands. NULL: none is left. Threads: any, one at a time. */
struct epoch_block *epoch_pool_begin_sweep(struct epoch_pool *pool);
/** The same for a block that was not in the pool's hands. */
void epoch_pool_begin_sweep_of(struct epoch_pool *pool);
/** It is swept, and goes back to the pool unless `is_kept`: then it is in the caller's hands for good. */
void epoch_pool_end_sweep(struct epoch_pool *pool, struct epoch_block *block, bool is_kept);
/** A used block goes back as it is, its holes not offered: all its objects are old. Threads: owner. */
void epoch_pool_keep(struct epoch_pool *pool, struct epoch_block *block);

/** Move all used blocks in the pool's hands to `list`: a cycle begins, with the program stopped and all blocks swept. Threads: owner. Cost: O(blocks). */
void epoch_pool_gather(struct epoch_pool *pool, struct epoch_block_list *list);

/* ---- pool_region.c: a request whose blocks go together (region.c). ---- */

/** What is in use belongs to the time before the request: none of it is offered until epoch_pool_end_region. Threads: owner. Cost: O(slabs). */
void epoch_pool_begin_region(struct epoch_pool *pool);
/** Move to `blocks` every block in use that was free at the beginning, but for large objects and those in which nothing lives any more. Threads: owner. Cost: O(slabs and those blocks). */
void epoch_pool_take_region(struct epoch_pool *pool, struct epoch_block_list *blocks);
/** And offer what was in use before again. Threads: owner. Cost: O(slabs). */
void epoch_pool_end_region(struct epoch_pool *pool);

/** Whether a block was in use before the open request. The bit changes under the lock, but only when the block is freed. */
static inline bool epoch_block_is_boot(const struct epoch_block *block)
{
    return (epoch_slab_of(block)->boot_blocks >> epoch_block_index(block) & 1) != 0;
}

/** Give back what was not needed since the last trim. Returns the blocks given back. Threads: any. Cost: a system call a block. */
size_t epoch_pool_trim(struct epoch_pool *pool);
/** Give back all that is free. */
size_t epoch_pool_trim_all(struct epoch_pool *pool);

typedef void epoch_block_visit(void *context, struct epoch_block *block);
/**
 * For walks: visit the block at `*position`, from 0 on, under the lock, if it holds objects, and move to the next.
 *
 * Positions go by the numbers of slabs, so none is missed when another thread gives a slab back meanwhile.
 * Returns:     false past the last position.
 * Threads:     owner.
 */
bool epoch_pool_visit_next(struct epoch_pool *pool, uint64_t *position, epoch_block_visit *visit, void *context);

/** Visit the block that `address` lies in, under the lock, if it holds objects. The address is not followed. Threads: owner. Cost: O(slabs). */
void epoch_pool_visit_of(struct epoch_pool *pool, const void *address, epoch_block_visit *visit, void *context);

/** Where the slab of that number is in the directory, or the next one. Under the lock. */
size_t epoch_pool_directory_index(const struct epoch_pool *pool, uint64_t number);

static inline void epoch_pool_lock(struct epoch_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
}

static inline void epoch_pool_unlock(struct epoch_pool *pool)
{
    pthread_mutex_unlock(&pool->lock);
}

#endif
