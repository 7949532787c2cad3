/**
 * A pool of blocks without a heap, what a test took from it, and the books: whether the pool's figures, the manager's and
 * the test's own agree with the blocks themselves.
 */
#ifndef EPOCH_POOL_BENCH_H
#define EPOCH_POOL_BENCH_H

#include "check.h"
#include "test_scale.h"

#include "epoch/poisoning.h"
#include "epoch/pool.h"
#include "epoch/slab_memory.h"
#include "epoch/sweep.h"

#include "manager_internal.h"

#include <stdlib.h>
#include <string.h>

#define KIB ((size_t)1024)
#define BLOCK_COST (EPOCH_BLOCK_BYTES + (size_t)EPOCH_PAGE_BYTES) /* with its granule bytes */

enum {
    HELD_MAX = 400,
    USABLE_BLOCKS = EPOCH_RUN_BLOCKS_MAX,
    SURVIVOR_GRANULES = 3,
    DEAD_FIRST = 100,
    DEAD_GRANULES = 50
};

struct held {
    struct epoch_block *block;
    size_t bytes; /* of a large object; 0: a block */
    uint64_t id;
};

/** A pool without a heap, and what was taken from it. */
struct bench {
    struct sm_manager *mm;
    struct epoch_pool pool;
    uint64_t base_bytes; /* committed before the pool's first slab */
    uint64_t random, next_id;
    size_t count;
    struct held held[HELD_MAX];
};

static inline uint64_t next_random(struct bench *bench, uint64_t bound)
{
    bench->random = bench->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (bench->random >> 33) % bound;
}

static inline void open_config(struct bench *bench, enum epoch_debug debug, struct sm_config config)
{
    struct sm_error error = {0};
    memset(bench, 0, sizeof(*bench));
    config.policy = "null";
    if (sm_manager_create(&config, &bench->mm, &error) != SM_OK)
        fail_msg("%s", error.detail);
    epoch_pool_init(&bench->pool, bench->mm, debug);
    bench->pool.colour = EPOCH_COLOUR_A;
    bench->base_bytes = sm_committed_bytes(bench->mm);
}

static inline void open_pool(struct bench *bench, enum epoch_debug debug)
{
    open_config(bench, debug, (struct sm_config){0});
}

static inline uint64_t committed(const struct bench *bench)
{
    return sm_committed_bytes(bench->mm) - bench->base_bytes;
}

static inline void close_pool(struct bench *bench)
{
    epoch_pool_finish(&bench->pool);
    assert_int_equal(committed(bench), 0);
    sm_manager_destroy(bench->mm);
}

/* ---- The books. ---- */

struct books {
    uint64_t committed_bytes, free_committed;
    size_t used, large, listed; /* listed: used, and in the pool's hands */
    bool agree;
};

static inline bool granules_are_zero(const struct epoch_block *block)
{
    const uint8_t *granules = epoch_block_granules(block);
    return granules[0] == 0 && memcmp(granules, granules + 1, EPOCH_BLOCK_GRANULES - 1) == 0;
}

static inline size_t round_to_pages(size_t bytes)
{
    return (bytes + EPOCH_PAGE_BYTES - 1) / EPOCH_PAGE_BYTES * EPOCH_PAGE_BYTES;
}

/* What one block of a shared slab holds of the system's memory, and whether slab and header say the same of it. */
static inline void count_block(struct books *books, uint8_t colour, struct epoch_slab *slab, size_t index)
{
    const struct epoch_block *block = epoch_slab_block(slab, index);
    uint64_t bit = UINT64_C(1) << index;
    bool is_free = (slab->free_blocks & bit) != 0, is_whole = (slab->committed_blocks & bit) != 0;
    bool has_granules = (slab->committed_granule_pages & bit) != 0;
    books->committed_bytes += is_whole ? EPOCH_BLOCK_BYTES : 0u;
    books->committed_bytes += has_granules ? EPOCH_PAGE_BYTES : 0u;
    books->free_committed += is_free && is_whole;
    books->agree = books->agree && is_free == (block->state == EPOCH_BLOCK_FREE);
    if (is_free && has_granules)
        books->agree = books->agree && granules_are_zero(block);
    bool is_listed = ((slab->hole_blocks | slab->full_blocks) & bit) != 0,
         is_unswept = (slab->unswept_blocks & bit) != 0;
    books->agree = books->agree && (!is_listed || block->state == EPOCH_BLOCK_USED) && (!is_unswept || is_listed) &&
                   (slab->hole_blocks & slab->full_blocks & bit) == 0 &&
                   is_unswept == (is_listed && block->swept_for != colour);
    books->listed += is_listed;
    if (block->state == EPOCH_BLOCK_USED) {
        books->used++;
        books->agree = books->agree && is_whole && has_granules;
    }
    if (block->state == EPOCH_BLOCK_LARGE) {
        books->large++;
        uint64_t last = bit << (block->large_blocks - 1);
        books->agree = books->agree && has_granules && block->large_bytes % EPOCH_PAGE_BYTES == 0;
        if ((slab->committed_blocks & last) == 0)
            books->committed_bytes += block->large_bytes - (block->large_blocks - 1) * (uint64_t)EPOCH_BLOCK_BYTES;
    }
}

static inline void count_slab(struct books *books, uint8_t colour, struct epoch_slab *slab)
{
    if (slab->mapped_bytes > EPOCH_SLAB_BYTES) {
        const struct epoch_block *block = epoch_slab_block(slab, EPOCH_FIRST_BLOCK);
        books->large += block->state == EPOCH_BLOCK_LARGE;
        books->committed_bytes += block->large_bytes + 2 * (size_t)EPOCH_PAGE_BYTES;
        books->agree = books->agree && slab->free_blocks == 0 && slab->committed_blocks == 0;
        return;
    }
    books->committed_bytes += EPOCH_HEADERS_BYTES;
    books->agree = books->agree && (slab->free_blocks & ~EPOCH_SLAB_ALL_FREE) == 0;
    for (size_t i = EPOCH_FIRST_BLOCK; i < EPOCH_SLAB_BLOCKS; i++)
        count_block(books, colour, slab, i);
}

static inline size_t held_blocks(const struct bench *bench)
{
    size_t count = 0;
    for (size_t i = 0; i < bench->count; i++)
        count += bench->held[i].bytes == 0;
    return count;
}

/* No slab before the three places to begin a search has what is searched for. */
static inline bool places_agree(const struct epoch_pool *pool, size_t index)
{
    const struct epoch_slab *slab = pool->slabs[index];
    uint64_t offered = slab->hole_blocks | (slab->free_blocks & slab->committed_blocks);
    return (index >= pool->first_with_free || slab->free_blocks == 0) &&
           (index >= pool->first_to_offer || offered == 0) &&
           (index >= pool->first_unswept || slab->unswept_blocks == 0);
}

static inline struct books count_all(const struct epoch_pool *pool)
{
    struct books books = {.agree = true};
    for (size_t i = 0; i < pool->slab_count; i++) {
        count_slab(&books, pool->colour, pool->slabs[i]);
        books.agree = books.agree && places_agree(pool, i);
    }
    return books;
}

static inline size_t listed(const struct epoch_pool *pool)
{
    return count_all(pool).listed;
}

/* The pool's figures, the manager's, and what the test holds itself. */
static inline bool books_agree(const struct bench *bench)
{
    const struct epoch_pool *pool = &bench->pool;
    struct books books = count_all(pool);
    return books.agree && books.committed_bytes == committed(bench) && books.free_committed == pool->free_count &&
           pool->least_free_count <= pool->free_count && books.used == held_blocks(bench) + books.listed &&
           books.large == bench->count - held_blocks(bench);
}

static inline void assert_books(const struct bench *bench)
{
    assert_true(books_agree(bench));
}

/* ---- Taking and releasing, each with a look at the memory. ---- */

static inline size_t extent_of(const struct held *held)
{
    return held->bytes == 0 ? EPOCH_BLOCK_BYTES : held->bytes;
}

/* Its first and last word say whose it is, so that an overlap shows. */
static inline void stamp(const struct held *held)
{
    char *start = epoch_block_start(held->block);
    memcpy(start, &held->id, sizeof(held->id));
    memcpy(start + extent_of(held) - sizeof(held->id), &held->id, sizeof(held->id));
}

static inline void assert_stamp(const struct held *held)
{
    const char *start = epoch_block_start(held->block);
    assert_memory_equal(start, &held->id, sizeof(held->id));
    assert_memory_equal(start + extent_of(held) - sizeof(held->id), &held->id, sizeof(held->id));
}

static inline struct held *hold(struct bench *bench, struct epoch_block *block, size_t bytes)
{
    assert_true(bench->count < HELD_MAX);
    struct held *held = &bench->held[bench->count++];
    *held = (struct held){block, bytes, ++bench->next_id};
    return held;
}

static inline struct held *hold_empty(struct bench *bench, struct epoch_block *block)
{
    struct held *held = hold(bench, block, 0);
    assert_int_equal(block->state, EPOCH_BLOCK_USED);
    assert_int_equal(block->swept_for, bench->pool.colour);
    assert_false(block->awaits_grace || block->is_open);
    assert_int_equal(block->live_granules[0] + block->live_granules[1] + block->black_granules, 0);
    assert_int_equal(block->used_bytes + block->dead_bytes + block->parsed_bytes, 0);
    assert_true(granules_are_zero(block));
    bool is_untouched = epoch_unpoison(&bench->pool, epoch_block_start(block), EPOCH_BLOCK_BYTES);
    assert_true(is_untouched || !block->is_poisoned);
    stamp(held);
    return held;
}

static inline struct held *take_block(struct bench *bench)
{
    struct epoch_block *block = epoch_pool_take_free(&bench->pool);
    return block == NULL ? NULL : hold_empty(bench, block);
}

static inline struct held *take_large(struct bench *bench, size_t bytes)
{
    struct epoch_block *block = epoch_pool_take_large(&bench->pool, bytes);
    if (block == NULL)
        return NULL;
    struct held *held = hold(bench, block, bytes);
    assert_int_equal(block->state, EPOCH_BLOCK_LARGE);
    assert_int_equal(block->large_bytes, round_to_pages(bytes));
    assert_int_equal(*epoch_granule_of(epoch_block_start(block)), 0);
    stamp(held);
    return held;
}

static inline void mark_granules(const struct epoch_block *block, size_t first, size_t count, uint8_t colour)
{
    epoch_block_granules(block)[first] |= (uint8_t)(colour | EPOCH_START);
    epoch_block_granules(block)[first + count - 1] |= (uint8_t)(colour | EPOCH_END);
}

static inline void drop(struct bench *bench, size_t index)
{
    struct held held = bench->held[index];
    assert_stamp(&held);
    bench->held[index] = bench->held[--bench->count];
    if (held.bytes != 0)
        epoch_pool_release_large(&bench->pool, held.block);
    else
        epoch_pool_release(&bench->pool, held.block);
}

static inline void drop_all(struct bench *bench)
{
    while (bench->count > 0)
        drop(bench, bench->count - 1);
}

/* A block in which the first few granules live on and something behind them died; no sweep has been there. */
static inline void release_with_survivor(struct bench *bench, size_t index)
{
    const uint8_t colour = bench->pool.colour, other = epoch_other_colour(colour);
    struct held held = bench->held[index];
    assert_int_equal(held.bytes, 0);
    bench->held[index] = bench->held[--bench->count];
    mark_granules(held.block, 0, SURVIVOR_GRANULES, colour);
    mark_granules(held.block, DEAD_FIRST, DEAD_GRANULES, other);
    held.block->live_granules[epoch_colour_index(colour)] = SURVIVOR_GRANULES;
    held.block->used_bytes = (SURVIVOR_GRANULES + DEAD_GRANULES) * EPOCH_GRANULE_BYTES;
    held.block->swept_for = other;
    epoch_pool_release(&bench->pool, held.block);
}

/* What the heap does to a block that it sweeps: what carries the pool's colour is what is used. */
static inline void conclude_block(const struct bench *bench, struct epoch_block *block)
{
    const uint8_t colour = bench->pool.colour;
    size_t index = epoch_colour_index(colour);
    epoch_sweep_block(block, colour);
    block->live_granules[1 - index] = 0;
    block->used_bytes = block->live_granules[index] * EPOCH_GRANULE_BYTES;
    block->is_touched = true;
}

/* Sweep the next block, as if no grace period were needed. NULL: none is left. */
static inline struct epoch_block *sweep_next(struct bench *bench)
{
    struct epoch_block *block = epoch_pool_begin_sweep(&bench->pool);
    if (block == NULL)
        return NULL;
    assert_int_not_equal(block->swept_for, bench->pool.colour);
    conclude_block(bench, block);
    epoch_pool_end_sweep(&bench->pool, block, false);
    return block;
}

static inline void sweep_all(struct bench *bench)
{
    while (sweep_next(bench) != NULL)
        ;
}

/* One bit of the random number decides whether a block's survivor gets the new colour or dies. */
static inline void mark_survivor(struct bench *bench, struct epoch_block *block, uint8_t colour)
{
    uint8_t *granules = epoch_block_granules(block);
    if (next_random(bench, 2) == 0)
        return;
    granules[0] = granules[SURVIVOR_GRANULES - 1] = 0;
    mark_granules(block, 0, SURVIVOR_GRANULES, colour);
    block->live_granules[epoch_colour_index(colour)] = SURVIVOR_GRANULES;
}

/* A cycle: some of the survivors in the pool's hands are marked with the other colour, which old objects carry from now on. */
static inline void change_colour(struct bench *bench)
{
    const uint8_t colour = epoch_other_colour(bench->pool.colour);
    sweep_all(bench);
    for (size_t i = 0; i < bench->pool.slab_count; i++) {
        struct epoch_slab *slab = bench->pool.slabs[i];
        for (uint64_t left = slab->hole_blocks | slab->full_blocks; left != 0; left &= left - 1)
            mark_survivor(bench, epoch_slab_block(slab, (size_t)__builtin_ctzll(left)), colour);
    }
    epoch_pool_unsweep(&bench->pool, colour);
}

/* Its holes are all that is not used, and nobody wrote to them. */
static inline void open_holes(const struct bench *bench, struct epoch_block *block)
{
    size_t free_bytes = 0;
    struct epoch_hole hole = epoch_sweep_find(block, 0);
    for (; hole.first != hole.end; hole = epoch_sweep_find(block, hole.end)) {
        size_t bytes = hole.end - hole.first;
        bool is_untouched = epoch_unpoison(&bench->pool, epoch_block_start(block) + hole.first, bytes);
        assert_true(is_untouched || !block->is_poisoned);
        assert_true(hole.first >= SURVIVOR_GRANULES * EPOCH_GRANULE_BYTES);
        free_bytes += bytes;
    }
    assert_int_equal(free_bytes, EPOCH_BLOCK_BYTES - block->used_bytes);
}

/* The survivor's memory is whole; then it dies too, and what no sweep has cleared goes with it. */
static inline struct held *hold_again(struct bench *bench, struct epoch_block *block)
{
    uint64_t id;
    open_holes(bench, block);
    memcpy(&id, epoch_block_start(block), sizeof(id));
    assert_true(id != 0 && id <= bench->next_id);
    block->is_touched = true; /* unpoisoned just now, and stamped */
    block->live_granules[0] = block->live_granules[1] = block->used_bytes = 0;
    block->swept_for = bench->pool.colour;
    memset(epoch_block_granules(block), 0, EPOCH_BLOCK_GRANULES);
    struct held *held = hold(bench, block, 0);
    stamp(held);
    return held;
}

static inline struct held *take_any(struct bench *bench)
{
    struct epoch_block *block = epoch_pool_take(&bench->pool);
    if (block == NULL)
        return NULL;
    return block->used_bytes != 0 ? hold_again(bench, block) : hold_empty(bench, block);
}

/* As a cycle does that stops the program, which wants all blocks swept. */
static inline void gather(struct bench *bench)
{
    sweep_all(bench);
    struct epoch_block_list list = {0};
    struct epoch_block *block;
    size_t expected = listed(&bench->pool);
    epoch_pool_gather(&bench->pool, &list);
    assert_int_equal(list.count, expected);
    assert_int_equal(listed(&bench->pool), 0);
    while ((block = epoch_list_take(&list)) != NULL)
        (void)hold_again(bench, block);
}

#endif
