/**
 * The system's memory behind slabs: mapping, committing block by block, giving back.
 *
 * Every byte that may be resident is reserved with the manager first (sm_reserve), so that committed bytes, the limit
 * and fault injection cover it. Under the pool's lock, but for epoch_slab_unmap of a slab nobody can reach any more.
 */
#ifndef SM_EPOCH_SLAB_MEMORY_H
#define SM_EPOCH_SLAB_MEMORY_H

#include "epoch/slab.h"

struct sm_manager;

/** Free blocks of a slab in which there is no object. */
#define EPOCH_SLAB_ALL_FREE (~(uint64_t)((1u << EPOCH_FIRST_BLOCK) - 1))

/** A slab of free blocks, none committed; NULL: refused. */
struct epoch_slab *epoch_slab_map(struct sm_manager *mm);
/** A slab of one object of `bytes`, whole pages, committed; NULL: refused. */
struct epoch_slab *epoch_slab_map_huge(struct sm_manager *mm, size_t bytes);
/** Give back the memory of a huge object, but keep its addresses: touching one is a fault. */
void epoch_slab_close_huge(struct sm_manager *mm, struct epoch_slab *slab);
/** Give it back, with whatever is committed in it. */
void epoch_slab_unmap(struct sm_manager *mm, struct epoch_slab *slab);

/**
 * Commit the first `bytes` of `count` free blocks in a row, and the first one's granule bytes. A last block of which
 * less is needed is not committed whole: its pages are counted, but not the block.
 *
 * Returns:     false when refused; nothing changed then.
 */
bool epoch_slab_commit(struct sm_manager *mm, struct epoch_block *first, size_t count, size_t bytes);
/** Give back one committed block, which is free, and its granule bytes. */
void epoch_slab_decommit(struct sm_manager *mm, struct epoch_block *block);
/** Give back what a large object has of its last block, if that is not committed whole. */
void epoch_slab_decommit_tail(struct sm_manager *mm, struct epoch_block *first);

#endif
