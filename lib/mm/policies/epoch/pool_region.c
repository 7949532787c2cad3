/* Blocks of one request: which they are is known from those that were in use before it. */
#include "epoch/pool.h"

#include "epoch/slab_memory.h"

void epoch_pool_begin_region(struct epoch_pool *pool)
{
    epoch_pool_lock_settled(pool);
    pool->is_region = true;
    for (size_t i = 0; i < pool->slab_count; i++) {
        struct epoch_slab *slab = pool->slabs[i];
        SM_ASSERT(slab->boot_blocks == 0 && slab->closed_blocks == 0);
        slab->boot_blocks = EPOCH_SLAB_ALL_FREE & ~slab->free_blocks;
        slab->closed_blocks = slab->hole_blocks;
        slab->full_blocks |= slab->hole_blocks;
        slab->hole_blocks = 0;
    }
    epoch_pool_unlock(pool);
}

/* What no longer holds anything is in a batch already, on its way through a grace period. */
static bool is_of_region(const struct epoch_block *block)
{
    return block->state == EPOCH_BLOCK_USED && !(block->awaits_grace && block->used_bytes == 0);
}

static void take_from_slab(struct epoch_slab *slab, struct epoch_block_list *blocks)
{
    uint64_t candidates = EPOCH_SLAB_ALL_FREE & ~slab->free_blocks & ~slab->boot_blocks;
    for (; candidates != 0; candidates &= candidates - 1) {
        struct epoch_block *block = epoch_slab_block(slab, (size_t)__builtin_ctzll(candidates));
        uint64_t bit = candidates & -candidates;
        if (!is_of_region(block))
            continue;
        slab->hole_blocks &= ~bit;
        slab->full_blocks &= ~bit;
        slab->unswept_blocks &= ~bit;
        epoch_list_append(blocks, block);
    }
}

void epoch_pool_take_region(struct epoch_pool *pool, struct epoch_block_list *blocks)
{
    epoch_pool_lock_settled(pool);
    for (size_t i = 0; i < pool->slab_count; i++)
        if (pool->slabs[i]->mapped_bytes == EPOCH_SLAB_BYTES)
            take_from_slab(pool->slabs[i], blocks);
    epoch_pool_unlock(pool);
}

void epoch_pool_end_region(struct epoch_pool *pool)
{
    epoch_pool_lock_settled(pool);
    pool->is_region = false;
    for (size_t i = 0; i < pool->slab_count; i++) {
        struct epoch_slab *slab = pool->slabs[i];
        uint64_t offered = slab->closed_blocks & slab->full_blocks;
        slab->full_blocks &= ~offered;
        slab->hole_blocks |= offered;
        slab->boot_blocks = slab->closed_blocks = 0;
        if (offered != 0 && pool->first_to_offer > i)
            pool->first_to_offer = i;
    }
    epoch_pool_unlock(pool);
}
