/* Which blocks are free, which have holes, and what is given back. */
#include "epoch/pool.h"

#include "epoch/poisoning.h"
#include "epoch/slab_memory.h"
#include "epoch/sweep.h"

#include "sapimem/policy.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

void epoch_pool_init(struct epoch_pool *pool, struct sm_manager *mm, enum epoch_debug debug)
{
    *pool = (struct epoch_pool){.mm = mm, .debug = debug};
    pthread_mutex_init(&pool->lock, NULL);
}

/* Of large objects that are still there, whoever has them. */
static void free_chunks(struct epoch_slab *slab)
{
    bool is_huge = slab->mapped_bytes > EPOCH_SLAB_BYTES;
    size_t end = is_huge ? EPOCH_FIRST_BLOCK + 1 : EPOCH_SLAB_BLOCKS;
    for (size_t i = EPOCH_FIRST_BLOCK; i < end; i++)
        if (epoch_slab_block(slab, i)->state == EPOCH_BLOCK_LARGE)
            free(epoch_slab_block(slab, i)->chunks);
}

void epoch_pool_finish(struct epoch_pool *pool)
{
    for (size_t i = 0; i < pool->slab_count; i++) {
        free_chunks(pool->slabs[i]);
        epoch_slab_unmap(pool->mm, pool->slabs[i]);
    }
    free(pool->slabs);
    pthread_mutex_destroy(&pool->lock);
}

/* ---- The directory of slabs. Under the lock. ---- */

static bool directory_reserve(struct epoch_pool *pool)
{
    if (pool->slab_count < pool->slab_capacity)
        return true;
    size_t capacity = pool->slab_capacity == 0 ? 16 : pool->slab_capacity * 2;
    struct epoch_slab **slabs = realloc(pool->slabs, capacity * sizeof(struct epoch_slab *));
    if (slabs == NULL)
        return false;
    pool->slabs = slabs;
    pool->slab_capacity = capacity;
    return true;
}

/* Where the slab of that number is, or the next one. */
size_t epoch_pool_directory_index(const struct epoch_pool *pool, uint64_t number)
{
    size_t first = 0, end = pool->slab_count;
    while (first < end) {
        size_t middle = first + (end - first) / 2;
        if (pool->slabs[middle]->number < number)
            first = middle + 1;
        else
            end = middle;
    }
    return first;
}

static void directory_add(struct epoch_pool *pool, struct epoch_slab *slab)
{
    slab->number = pool->next_number++;
    pool->slabs[pool->slab_count++] = slab;
}

static void move_down(size_t *index, size_t removed)
{
    *index -= *index > removed;
}

/* The order stays, which is what a walk goes by that has come half way. */
static void directory_remove(struct epoch_pool *pool, struct epoch_slab *slab)
{
    size_t index = epoch_pool_directory_index(pool, slab->number);
    SM_ASSERT(pool->slabs[index] == slab);
    memmove(&pool->slabs[index], &pool->slabs[index + 1], (--pool->slab_count - index) * sizeof(struct epoch_slab *));
    move_down(&pool->first_with_free, index);
    move_down(&pool->first_to_offer, index);
    move_down(&pool->first_unswept, index);
}

static struct epoch_slab *add_slab(struct epoch_pool *pool)
{
    if (!directory_reserve(pool))
        return NULL;
    struct epoch_slab *slab = epoch_slab_map(pool->mm);
    if (slab != NULL)
        directory_add(pool, slab);
    return slab;
}

/* ---- Free blocks. Under the lock. ---- */

static void lower(size_t *first, size_t index)
{
    if (*first > index)
        *first = index;
}

/* This slab has something to offer again. */
static void note_slab(struct epoch_pool *pool, const struct epoch_slab *slab)
{
    size_t index = epoch_pool_directory_index(pool, slab->number);
    lower(&pool->first_with_free, index);
    lower(&pool->first_to_offer, index);
}

static size_t lowest(uint64_t mask)
{
    return (size_t)__builtin_ctzll(mask);
}

static uint64_t committed_free(const struct epoch_slab *slab)
{
    return slab->free_blocks & slab->committed_blocks;
}

/* Blocks that may be allocated into and cost no more memory. */
static uint64_t offered(const struct epoch_slab *slab)
{
    return slab->hole_blocks | committed_free(slab);
}

/* The lowest block by address of those that `choose` chooses in each slab. */
static struct epoch_block *find_lowest(struct epoch_pool *pool, uint64_t (*choose)(const struct epoch_slab *slab))
{
    for (; pool->first_to_offer < pool->slab_count; pool->first_to_offer++)
        if (offered(pool->slabs[pool->first_to_offer]) != 0)
            break;
    for (size_t i = pool->first_to_offer; i < pool->slab_count; i++) {
        uint64_t candidates = choose(pool->slabs[i]);
        if (candidates != 0)
            return epoch_slab_block(pool->slabs[i], lowest(candidates));
    }
    return NULL;
}

static struct epoch_block *find_free(struct epoch_pool *pool)
{
    for (; pool->first_with_free < pool->slab_count; pool->first_with_free++) {
        struct epoch_slab *slab = pool->slabs[pool->first_with_free];
        if (slab->free_blocks != 0)
            return epoch_slab_block(slab, lowest(slab->free_blocks));
    }
    struct epoch_slab *slab = add_slab(pool);
    return slab == NULL ? NULL : epoch_slab_block(slab, lowest(slab->free_blocks));
}

/* Commit the first `bytes` of free blocks in a row. What becomes committed is counted as free until it is occupied. */
static bool commit(struct epoch_pool *pool, struct epoch_block *first, size_t count, size_t bytes)
{
    struct epoch_slab *slab = epoch_slab_of(first);
    uint64_t before = slab->committed_blocks;
    if (!epoch_slab_commit(pool->mm, first, count, bytes))
        return false;
    pool->free_count += (uint64_t)__builtin_popcountll(slab->committed_blocks ^ before);
    return true;
}

/* A free block with memory, still marked free. */
static struct epoch_block *obtain(struct epoch_pool *pool)
{
    struct epoch_block *block = find_lowest(pool, committed_free);
    if (block == NULL)
        block = find_free(pool);
    return block != NULL && commit(pool, block, 1, EPOCH_BLOCK_BYTES) ? block : NULL;
}

/* It was free and is used from now on; its granule bytes are 0. */
static void occupy(struct epoch_pool *pool, struct epoch_block *block, enum epoch_block_state state)
{
    struct epoch_slab *slab = epoch_slab_of(block);
    uint64_t bit = UINT64_C(1) << epoch_block_index(block);
    SM_ASSERT(block->state == EPOCH_BLOCK_FREE && (slab->free_blocks & bit) != 0);
    slab->free_blocks &= ~bit;
    pool->free_count -= (slab->committed_blocks & bit) != 0;
    if (pool->free_count < pool->least_free_count)
        pool->least_free_count = pool->free_count;
    *block = (struct epoch_block){.state = (uint8_t)state,
                                  .swept_for = pool->colour,
                                  .is_touched = true,
                                  .is_poisoned = (slab->poisoned_blocks & bit) != 0};
    slab->poisoned_blocks &= ~bit;
}

static void vacate(struct epoch_pool *pool, struct epoch_block *block)
{
    struct epoch_slab *slab = epoch_slab_of(block);
    uint64_t bit = UINT64_C(1) << epoch_block_index(block);
    block->state = EPOCH_BLOCK_FREE;
    slab->free_blocks |= bit;
    slab->boot_blocks &= ~bit;
    slab->closed_blocks &= ~bit;
    pool->free_count += (slab->committed_blocks & bit) != 0;
    note_slab(pool, slab);
}

struct epoch_block *epoch_pool_take_free(struct epoch_pool *pool)
{
    epoch_pool_lock(pool);
    struct epoch_block *block = obtain(pool);
    if (block != NULL)
        occupy(pool, block, EPOCH_BLOCK_USED);
    epoch_pool_unlock(pool);
    return block;
}

/* ---- Blocks with holes. ---- */

static uint64_t bit_of(const struct epoch_block *block)
{
    return UINT64_C(1) << epoch_block_index(block);
}

/* Out of the pool's hands. Where a sweep has not been, only what was free before is. */
static void hand_out(struct epoch_block *block)
{
    struct epoch_slab *slab = epoch_slab_of(block);
    slab->hole_blocks &= ~bit_of(block);
    slab->unswept_blocks &= ~bit_of(block);
    block->is_touched = true;
}

struct epoch_block *epoch_pool_take(struct epoch_pool *pool)
{
    epoch_pool_lock(pool);
    struct epoch_block *block = find_lowest(pool, offered);
    if (block != NULL && block->state == EPOCH_BLOCK_USED)
        hand_out(block);
    else if ((block = obtain(pool)) != NULL)
        occupy(pool, block, EPOCH_BLOCK_USED);
    epoch_pool_unlock(pool);
    return block;
}

static void note_unswept(struct epoch_pool *pool, const struct epoch_block *block)
{
    struct epoch_slab *slab = epoch_slab_of(block);
    slab->unswept_blocks |= bit_of(block);
    lower(&pool->first_unswept, epoch_pool_directory_index(pool, slab->number));
}

void epoch_pool_unsweep(struct epoch_pool *pool, uint8_t colour)
{
    epoch_pool_lock_settled(pool);
    pool->colour = colour;
    pool->first_unswept = 0;
    for (size_t i = 0; i < pool->slab_count; i++)
        pool->slabs[i]->unswept_blocks = pool->slabs[i]->hole_blocks | pool->slabs[i]->full_blocks;
    epoch_pool_unlock(pool);
}

/* Under the lock. */
static struct epoch_block *next_unswept(struct epoch_pool *pool)
{
    for (; pool->first_unswept < pool->slab_count; pool->first_unswept++) {
        struct epoch_slab *slab = pool->slabs[pool->first_unswept];
        if (slab->unswept_blocks == 0)
            continue;
        uint64_t bit = slab->unswept_blocks & -slab->unswept_blocks;
        slab->unswept_blocks &= ~bit;
        slab->hole_blocks &= ~bit;
        slab->full_blocks &= ~bit;
        return epoch_slab_block(slab, lowest(bit));
    }
    return NULL;
}

struct epoch_block *epoch_pool_begin_sweep(struct epoch_pool *pool)
{
    epoch_pool_lock_settled(pool);
    struct epoch_block *block = next_unswept(pool);
    pool->is_sweeping = block != NULL;
    epoch_pool_unlock(pool);
    return block;
}

void epoch_pool_begin_sweep_of(struct epoch_pool *pool)
{
    epoch_pool_lock_settled(pool);
    pool->is_sweeping = true;
    epoch_pool_unlock(pool);
}

/* The block that is being swept comes back within a microsecond, if its thread runs. */
void epoch_pool_lock_settled(struct epoch_pool *pool)
{
    epoch_pool_lock(pool);
    while (pool->is_sweeping) {
        epoch_pool_unlock(pool);
        sched_yield();
        epoch_pool_lock(pool);
    }
}

/* Whoever takes the block finds the pattern, unless it was given back in between. */
static void note_poison(struct epoch_pool *pool, struct epoch_block *block)
{
    if (pool->debug != EPOCH_DEBUG_NONE)
        epoch_slab_of(block)->poisoned_blocks |= UINT64_C(1) << epoch_block_index(block);
}

static void poison_holes(const struct epoch_pool *pool, struct epoch_block *block)
{
    struct epoch_hole hole = epoch_sweep_find(block, 0);
    for (; hole.first != hole.end; hole = epoch_sweep_find(block, hole.end))
        epoch_poison(pool, epoch_block_start(block) + hole.first, hole.end - hole.first);
    block->is_poisoned = pool->debug != EPOCH_DEBUG_NONE;
}

/* No address of it is ever used again, and touching one is a fault. */
static void close_for_ever(struct epoch_pool *pool, struct epoch_block *block)
{
    epoch_slab_decommit(pool->mm, block);
    mprotect(epoch_block_start(block), EPOCH_BLOCK_BYTES, PROT_NONE);
    block->state = EPOCH_BLOCK_RESERVED;
}

static void release_empty(struct epoch_pool *pool, struct epoch_block *block)
{
    if (pool->debug == EPOCH_DEBUG_NEVER_REUSE) {
        close_for_ever(pool, block);
        return;
    }
    epoch_poison(pool, epoch_block_start(block), EPOCH_BLOCK_BYTES);
    vacate(pool, block);
    note_poison(pool, block);
}

static uint32_t worth_bytes(const struct epoch_pool *pool, const struct epoch_block *block)
{
    if (pool->is_region)
        return EPOCH_HOLES_WORTH_REGION_BYTES;
    return block->is_worn ? EPOCH_HOLES_WORTH_WORN_BYTES : EPOCH_HOLES_WORTH_BYTES;
}

static void release_holes(struct epoch_pool *pool, struct epoch_block *block)
{
    struct epoch_slab *slab = epoch_slab_of(block);
    uint64_t bit = bit_of(block);
    uint32_t free_bytes = EPOCH_BLOCK_BYTES - block->used_bytes;
    if ((pool->debug != EPOCH_DEBUG_NONE || SM_IS_ASAN) && block->is_touched)
        poison_holes(pool, block);
    block->is_touched = false;
    if (block->swept_for != pool->colour)
        note_unswept(pool, block);
    bool is_worth = free_bytes >= worth_bytes(pool, block) && pool->debug != EPOCH_DEBUG_NEVER_REUSE;
    if (!is_worth || (slab->boot_blocks & bit) != 0) {
        slab->full_blocks |= bit;
        slab->closed_blocks |= is_worth ? bit & slab->boot_blocks : 0;
        return;
    }
    slab->hole_blocks |= bit;
    note_slab(pool, slab);
}

/* Under the lock. */
static void release(struct epoch_pool *pool, struct epoch_block *block)
{
    SM_ASSERT(block->state == EPOCH_BLOCK_USED && !block->is_open);
    block->awaits_grace = false;
    block->dead_bytes = 0;
    if (block->used_bytes == 0)
        release_empty(pool, block);
    else
        release_holes(pool, block);
}

void epoch_pool_release(struct epoch_pool *pool, struct epoch_block *block)
{
    epoch_pool_lock(pool);
    release(pool, block);
    epoch_pool_unlock(pool);
}

void epoch_pool_end_sweep(struct epoch_pool *pool, struct epoch_block *block, bool is_kept)
{
    epoch_pool_lock(pool);
    pool->is_sweeping = false;
    if (!is_kept)
        release(pool, block);
    epoch_pool_unlock(pool);
}

void epoch_pool_keep(struct epoch_pool *pool, struct epoch_block *block)
{
    epoch_pool_lock(pool);
    SM_ASSERT(block->state == EPOCH_BLOCK_USED && !block->is_open);
    epoch_slab_of(block)->full_blocks |= bit_of(block);
    if (block->swept_for != pool->colour)
        note_unswept(pool, block);
    epoch_pool_unlock(pool);
}

static void gather_slab(const struct epoch_pool *pool, struct epoch_slab *slab, struct epoch_block_list *list)
{
    uint64_t held = slab->hole_blocks | slab->full_blocks;
    for (; held != 0; held &= held - 1) {
        struct epoch_block *block = epoch_slab_block(slab, lowest(held));
        SM_ASSERT(block->swept_for == pool->colour);
        epoch_list_append(list, block);
    }
    slab->hole_blocks = slab->full_blocks = 0;
}

void epoch_pool_gather(struct epoch_pool *pool, struct epoch_block_list *list)
{
    epoch_pool_lock_settled(pool);
    for (size_t i = 0; i < pool->slab_count; i++)
        gather_slab(pool, pool->slabs[i], list);
    epoch_pool_unlock(pool);
}

/* ---- Large objects. ---- */

/* The lowest of `count` free blocks in a row; EPOCH_SLAB_BLOCKS: none. */
static size_t find_run(uint64_t free_blocks, size_t count)
{
    uint64_t starts = free_blocks;
    for (size_t length = 1; length < count && starts != 0; length++)
        starts &= free_blocks >> length;
    return starts == 0 ? EPOCH_SLAB_BLOCKS : lowest(starts);
}

static struct epoch_block *find_blocks(struct epoch_pool *pool, size_t count)
{
    for (size_t i = pool->first_with_free; i < pool->slab_count; i++) {
        size_t index = find_run(pool->slabs[i]->free_blocks, count);
        if (index != EPOCH_SLAB_BLOCKS)
            return epoch_slab_block(pool->slabs[i], index);
    }
    struct epoch_slab *slab = add_slab(pool);
    return slab == NULL ? NULL : epoch_slab_block(slab, EPOCH_FIRST_BLOCK);
}

static size_t round_up(size_t bytes, size_t unit)
{
    return (bytes + unit - 1) / unit * unit;
}

/* Under the lock. */
static struct epoch_block *take_run(struct epoch_pool *pool, size_t bytes)
{
    size_t count = round_up(bytes, EPOCH_BLOCK_BYTES) / EPOCH_BLOCK_BYTES;
    struct epoch_block *first = find_blocks(pool, count);
    if (first == NULL || !commit(pool, first, count, bytes))
        return NULL;
    for (size_t i = 0; i < count; i++)
        occupy(pool, first + i, i == 0 ? EPOCH_BLOCK_LARGE : EPOCH_BLOCK_RUN);
    first->large_bytes = round_up(bytes, EPOCH_PAGE_BYTES);
    first->large_blocks = (uint32_t)count;
    return first;
}

/* Under the lock. A mapping of its own, of one object. */
static struct epoch_block *take_huge(struct epoch_pool *pool, size_t bytes)
{
    if (!directory_reserve(pool))
        return NULL;
    struct epoch_slab *slab = epoch_slab_map_huge(pool->mm, round_up(bytes, EPOCH_PAGE_BYTES));
    if (slab == NULL)
        return NULL;
    directory_add(pool, slab);
    struct epoch_block *block = epoch_slab_block(slab, EPOCH_FIRST_BLOCK);
    *block = (struct epoch_block){
        .state = EPOCH_BLOCK_LARGE, .swept_for = pool->colour, .large_bytes = round_up(bytes, EPOCH_PAGE_BYTES)};
    return block;
}

static struct epoch_block *take_large(struct epoch_pool *pool, size_t bytes)
{
    epoch_pool_lock(pool);
    struct epoch_block *block =
        bytes > (size_t)EPOCH_RUN_BLOCKS_MAX * EPOCH_BLOCK_BYTES ? take_huge(pool, bytes) : take_run(pool, bytes);
    epoch_pool_unlock(pool);
    if (block != NULL)
        epoch_forget_poison(epoch_block_start(block), block->large_bytes);
    return block;
}

struct epoch_block *epoch_pool_take_large(struct epoch_pool *pool, size_t bytes)
{
    struct epoch_block *block = take_large(pool, bytes);
    if (block != NULL)
        return block;
    /* Free blocks that do not lie in a row may be what stands in the way. */
    return epoch_pool_trim_all(pool) == 0 ? NULL : take_large(pool, bytes);
}

static void release_run(struct epoch_pool *pool, struct epoch_block *first)
{
    size_t count = first->large_blocks;
    epoch_poison(pool, epoch_block_start(first), first->large_bytes);
    epoch_slab_decommit_tail(pool->mm, first);
    epoch_sweep_unmark((struct sm_object *)(void *)epoch_block_start(first));
    for (size_t i = 0; i < count; i++) {
        if (pool->debug == EPOCH_DEBUG_NEVER_REUSE)
            close_for_ever(pool, first + i);
        else
            vacate(pool, first + i);
    }
}

/* Under the lock. Nobody can reach the slab any more. */
static void release_huge(struct epoch_pool *pool, struct epoch_slab *slab)
{
    if (pool->debug == EPOCH_DEBUG_NEVER_REUSE)
        epoch_slab_close_huge(pool->mm, slab);
    else
        directory_remove(pool, slab);
}

void epoch_pool_release_large(struct epoch_pool *pool, struct epoch_block *block)
{
    struct epoch_slab *slab = epoch_slab_of(block);
    SM_ASSERT(block->state == EPOCH_BLOCK_LARGE);
    epoch_pool_lock(pool);
    bool is_huge = slab->mapped_bytes > EPOCH_SLAB_BYTES;
    free(block->chunks);
    block->chunks = NULL;
    if (is_huge)
        release_huge(pool, slab);
    else
        release_run(pool, block);
    epoch_pool_unlock(pool);
    if (is_huge && pool->debug != EPOCH_DEBUG_NEVER_REUSE)
        epoch_slab_unmap(pool->mm, slab);
}

/* ---- Giving back. ---- */

/* A free committed block of the last slab that has one; the lowest stay in use. */
static struct epoch_block *choose_surplus(struct epoch_pool *pool)
{
    for (size_t i = pool->slab_count; i-- > 0;) {
        struct epoch_slab *slab = pool->slabs[i];
        uint64_t candidates = committed_free(slab);
        if (candidates != 0)
            return epoch_slab_block(slab, 63 - (size_t)__builtin_clzll(candidates));
    }
    return NULL;
}

static bool give_back_one(struct epoch_pool *pool)
{
    struct epoch_block *block = choose_surplus(pool);
    if (block == NULL)
        return false;
    epoch_slab_decommit(pool->mm, block);
    pool->free_count--;
    return true;
}

/* Under the lock. A slab with nothing in it and nothing committed but its headers goes as a whole. */
static void unmap_empty_slabs(struct epoch_pool *pool)
{
    for (size_t i = pool->slab_count; i-- > 0;) {
        struct epoch_slab *slab = pool->slabs[i];
        if (slab->committed_blocks != 0 || slab->free_blocks != EPOCH_SLAB_ALL_FREE)
            continue;
        directory_remove(pool, slab);
        epoch_slab_unmap(pool->mm, slab);
    }
}

size_t epoch_pool_trim(struct epoch_pool *pool)
{
    size_t given_back = 0;
    epoch_pool_lock(pool);
    while (pool->least_free_count > 0 && give_back_one(pool)) {
        pool->least_free_count--;
        given_back++;
        /* One block at a time: the owner may be waiting for one. */
        epoch_pool_unlock(pool);
        epoch_pool_lock(pool);
    }
    unmap_empty_slabs(pool);
    pool->least_free_count = pool->free_count;
    epoch_pool_unlock(pool);
    return given_back;
}

size_t epoch_pool_trim_all(struct epoch_pool *pool)
{
    epoch_pool_lock(pool);
    pool->least_free_count = pool->free_count;
    epoch_pool_unlock(pool);
    return epoch_pool_trim(pool);
}
