/* Mapping slabs, committing blocks. */
#include "epoch/slab_memory.h"

#include "epoch/poisoning.h"

#include "sapimem/policy.h"

#include <sys/mman.h>

enum { GRANULE_PAGE_BYTES = EPOCH_PAGE_BYTES };

_Static_assert((int)GRANULE_PAGE_BYTES == (int)EPOCH_BLOCK_GRANULES,
               "the granule bytes of a block are a page of their own");

static uint64_t bit_of(const struct epoch_block *block)
{
    return UINT64_C(1) << epoch_block_index(block);
}

/* Address space, aligned; nothing is counted. Small pages: a huge one would commit 32 blocks for the sake of one. */
static void *map_aligned(size_t bytes)
{
    char *start = mmap(NULL, bytes + EPOCH_SLAB_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start == MAP_FAILED)
        return NULL;
    size_t head_bytes = (EPOCH_SLAB_BYTES - epoch_slab_offset(start)) % EPOCH_SLAB_BYTES;
    if (head_bytes != 0)
        munmap(start, head_bytes);
    munmap(start + head_bytes + bytes, EPOCH_SLAB_BYTES - head_bytes);
    (void)madvise(start + head_bytes, bytes, MADV_NOHUGEPAGE);
    return start + head_bytes;
}

static struct epoch_slab *map_slab(struct sm_manager *mm, size_t mapped_bytes, size_t committed_bytes)
{
    if (!sm_reserve(mm, committed_bytes))
        return NULL;
    struct epoch_slab *slab = map_aligned(mapped_bytes);
    if (slab == NULL) {
        sm_unreserve(mm, committed_bytes);
        return NULL;
    }
    slab->mapped_bytes = mapped_bytes;
    return slab;
}

struct epoch_slab *epoch_slab_map(struct sm_manager *mm)
{
    struct epoch_slab *slab = map_slab(mm, EPOCH_SLAB_BYTES, EPOCH_HEADERS_BYTES);
    if (slab == NULL)
        return NULL;
    slab->free_blocks = EPOCH_SLAB_ALL_FREE;
    for (size_t i = EPOCH_FIRST_BLOCK; i < EPOCH_SLAB_BLOCKS; i++)
        epoch_slab_block(slab, i)->state = EPOCH_BLOCK_FREE;
    return slab;
}

/* Of its headers two are touched: a page. */
static size_t huge_overhead_bytes(void)
{
    return EPOCH_PAGE_BYTES + GRANULE_PAGE_BYTES;
}

struct epoch_slab *epoch_slab_map_huge(struct sm_manager *mm, size_t bytes)
{
    return map_slab(mm, EPOCH_FIRST_BLOCK * EPOCH_BLOCK_BYTES + bytes, huge_overhead_bytes() + bytes);
}

static size_t committed_bytes_of(struct epoch_slab *slab)
{
    if (slab->mapped_bytes > EPOCH_SLAB_BYTES)
        return huge_overhead_bytes() + epoch_slab_block(slab, EPOCH_FIRST_BLOCK)->large_bytes;
    return EPOCH_HEADERS_BYTES + (size_t)__builtin_popcountll(slab->committed_blocks) * EPOCH_BLOCK_BYTES +
           (size_t)__builtin_popcountll(slab->committed_granule_pages) * GRANULE_PAGE_BYTES;
}

/* Pages of large objects' last blocks that are not committed whole. */
static size_t tail_bytes_of(const struct epoch_block *first)
{
    const struct epoch_block *last = first + first->large_blocks - 1;
    if ((epoch_slab_of(first)->committed_blocks & bit_of(last)) != 0)
        return 0;
    return first->large_bytes - (size_t)(first->large_blocks - 1) * EPOCH_BLOCK_BYTES;
}

static size_t tails_bytes(struct epoch_slab *slab)
{
    size_t bytes = 0;
    if (slab->mapped_bytes > EPOCH_SLAB_BYTES)
        return 0;
    for (size_t i = EPOCH_FIRST_BLOCK; i < EPOCH_SLAB_BLOCKS; i++)
        if (epoch_slab_block(slab, i)->state == EPOCH_BLOCK_LARGE)
            bytes += tail_bytes_of(epoch_slab_block(slab, i));
    return bytes;
}

void epoch_slab_unmap(struct sm_manager *mm, struct epoch_slab *slab)
{
    size_t committed_bytes = committed_bytes_of(slab) + tails_bytes(slab);
    size_t mapped_bytes = slab->mapped_bytes;
    epoch_forget_poison((char *)slab, mapped_bytes);
    munmap(slab, mapped_bytes);
    sm_unreserve(mm, committed_bytes);
}

/* Blocks of the row that are needed whole and not committed yet. */
static uint64_t whole_and_missing(const struct epoch_block *first, size_t whole_count)
{
    uint64_t row = whole_count == 0 ? 0 : (UINT64_MAX >> (64 - whole_count)) << epoch_block_index(first);
    return row & ~epoch_slab_of(first)->committed_blocks;
}

bool epoch_slab_commit(struct sm_manager *mm, struct epoch_block *first, size_t count, size_t bytes)
{
    struct epoch_slab *slab = epoch_slab_of(first);
    size_t whole_count = bytes / EPOCH_BLOCK_BYTES;
    size_t tail_bytes = (bytes % EPOCH_BLOCK_BYTES + EPOCH_PAGE_BYTES - 1) / EPOCH_PAGE_BYTES * EPOCH_PAGE_BYTES;
    uint64_t missing = whole_and_missing(first, whole_count);
    uint64_t granule_bit = bit_of(first);
    if (tail_bytes != 0 && (slab->committed_blocks & bit_of(first + count - 1)) != 0)
        tail_bytes = 0;
    size_t needed_bytes = (size_t)__builtin_popcountll(missing) * EPOCH_BLOCK_BYTES + tail_bytes;
    if ((slab->committed_granule_pages & granule_bit) == 0)
        needed_bytes += GRANULE_PAGE_BYTES;
    if (needed_bytes != 0 && !sm_reserve(mm, needed_bytes))
        return false;
    slab->committed_blocks |= missing;
    slab->committed_granule_pages |= granule_bit;
    return true;
}

static void discard(struct sm_manager *mm, void *start, size_t bytes)
{
    int failed = madvise(start, bytes, MADV_DONTNEED);
    SM_ASSERT(failed == 0);
    (void)failed;
    sm_unreserve(mm, bytes);
}

void epoch_slab_decommit(struct sm_manager *mm, struct epoch_block *block)
{
    struct epoch_slab *slab = epoch_slab_of(block);
    uint64_t bit = bit_of(block);
    if ((slab->committed_blocks & bit) != 0)
        discard(mm, epoch_block_start(block), EPOCH_BLOCK_BYTES);
    if ((slab->committed_granule_pages & bit) != 0)
        discard(mm, epoch_block_granules(block), GRANULE_PAGE_BYTES);
    slab->committed_blocks &= ~bit;
    slab->committed_granule_pages &= ~bit;
    slab->poisoned_blocks &= ~bit;
}

void epoch_slab_decommit_tail(struct sm_manager *mm, struct epoch_block *first)
{
    size_t bytes = tail_bytes_of(first);
    struct epoch_block *last = first + first->large_blocks - 1;
    if (bytes == 0)
        return;
    discard(mm, epoch_block_start(last), bytes);
    /* Without its block a page of granule bytes is no use: this one was the object's own where the run is one block. */
    epoch_slab_decommit(mm, last);
}

void epoch_slab_close_huge(struct sm_manager *mm, struct epoch_slab *slab)
{
    struct epoch_block *block = epoch_slab_block(slab, EPOCH_FIRST_BLOCK);
    discard(mm, epoch_block_start(block), block->large_bytes);
    mprotect(epoch_block_start(block), block->large_bytes, PROT_NONE);
    block->state = EPOCH_BLOCK_RESERVED;
    block->large_bytes = 0;
}
