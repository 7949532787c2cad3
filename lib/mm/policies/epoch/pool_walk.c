/* Looking at blocks, wherever they are. */
#include "epoch/pool.h"

/* The record of the slab has the place of a header; in a huge slab the object has that of all the rest. */
static void visit_block(struct epoch_slab *slab, size_t index, epoch_block_visit *visit, void *context)
{
    bool is_header =
        index == EPOCH_FIRST_BLOCK || (index > EPOCH_FIRST_BLOCK && slab->mapped_bytes == EPOCH_SLAB_BYTES);
    if (!is_header)
        return;
    struct epoch_block *block = epoch_slab_block(slab, index);
    if (block->state == EPOCH_BLOCK_USED || block->state == EPOCH_BLOCK_LARGE)
        visit(context, block);
}

void epoch_pool_visit_of(struct epoch_pool *pool, const void *address, epoch_block_visit *visit, void *context)
{
    struct epoch_slab *slab = epoch_slab_of(address);
    epoch_pool_lock_settled(pool);
    size_t i = 0;
    while (i < pool->slab_count && pool->slabs[i] != slab)
        i++;
    if (i < pool->slab_count)
        visit_block(slab, epoch_slab_offset(address) / EPOCH_BLOCK_BYTES, visit, context);
    epoch_pool_unlock(pool);
}

bool epoch_pool_visit_next(struct epoch_pool *pool, uint64_t *position, epoch_block_visit *visit, void *context)
{
    epoch_pool_lock_settled(pool);
    size_t slab_index = epoch_pool_directory_index(pool, *position / EPOCH_SLAB_BLOCKS);
    bool exists = slab_index < pool->slab_count;
    if (exists) {
        struct epoch_slab *slab = pool->slabs[slab_index];
        if (slab->number != *position / EPOCH_SLAB_BLOCKS)
            *position = slab->number * EPOCH_SLAB_BLOCKS;
        visit_block(slab, *position % EPOCH_SLAB_BLOCKS, visit, context);
        ++*position;
    }
    epoch_pool_unlock(pool);
    return exists;
}
