/**
 * The pool of blocks: taking and releasing, blocks with holes, runs for large objects, mappings of huge ones, walks.
 *
 * After each step the books are compared with the blocks themselves (epoch_pool_bench.h).
 */
#include "epoch_pool_bench.h"

/* ---- Blocks. ---- */

static void test_blocks_are_apart_from_each_other_and_committed_as_they_are_taken(void **state)
{
    static struct bench bench;
    (void)state;
    open_pool(&bench, EPOCH_DEBUG_NONE);
    for (size_t i = 1; i <= 2 * USABLE_BLOCKS + 1; i++) {
        assert_non_null(take_block(&bench));
        assert_int_equal(bench.pool.slab_count, (i + USABLE_BLOCKS - 1) / USABLE_BLOCKS);
        assert_int_equal(committed(&bench), i * BLOCK_COST + bench.pool.slab_count * EPOCH_HEADERS_BYTES);
        assert_books(&bench);
    }
    for (size_t i = 0; i < bench.count; i++)
        assert_stamp(&bench.held[i]);
    drop_all(&bench);
    assert_books(&bench);
    close_pool(&bench);
}

static void test_a_released_block_is_taken_before_memory_is_asked_for(void **state)
{
    static struct bench bench;
    (void)state;
    open_pool(&bench, EPOCH_DEBUG_NONE);
    for (size_t i = 0; i < 100; i++)
        take_block(&bench);
    uint64_t before = committed(&bench);
    struct epoch_block *first = bench.held[3].block, *second = bench.held[70].block;
    drop(&bench, 70);
    drop(&bench, 3);
    assert_ptr_equal(take_block(&bench)->block, first); /* the lowest: the last slabs empty themselves */
    assert_ptr_equal(take_block(&bench)->block, second);
    assert_int_equal(committed(&bench), before);
    assert_books(&bench);
    close_pool(&bench);
}

static void test_a_pool_is_given_back_whole_whatever_is_in_it(void **state)
{
    static struct bench bench;
    (void)state;
    for (int debug = EPOCH_DEBUG_NONE; debug <= EPOCH_DEBUG_NEVER_REUSE; debug++) {
        open_pool(&bench, (enum epoch_debug)debug);
        for (size_t i = 0; i < 10; i++)
            take_block(&bench);
        take_large(&bench, 40 * KIB);
        take_large(&bench, 100 * KIB);
        take_large(&bench, 5000 * KIB);
        release_with_survivor(&bench, 5);
        drop(&bench, 2);
        close_pool(&bench);
    }
}

/* ---- Blocks with holes. ---- */

static void test_a_block_with_survivors_is_offered_for_its_holes(void **state)
{
    static struct bench bench;
    (void)state;
    open_pool(&bench, EPOCH_DEBUG_NONE);
    struct epoch_block *block = take_block(&bench)->block;
    release_with_survivor(&bench, 0);
    assert_books(&bench);
    assert_ptr_equal(take_any(&bench)->block, block);
    assert_ptr_not_equal(take_any(&bench)->block, block);
    assert_books(&bench);
    close_pool(&bench);
}

static void test_the_lowest_block_with_room_is_handed_out_be_it_empty_or_not(void **state)
{
    static struct bench bench;
    struct epoch_block *expected[20];
    (void)state;
    open_pool(&bench, EPOCH_DEBUG_NONE);
    for (size_t i = 0; i < 100; i++)
        take_block(&bench);
    for (size_t i = 0; i < 20; i++)
        expected[i] = bench.held[i * 4].block;
    for (size_t i = 20; i-- > 0;) {
        if (i % 3 == 0)
            drop(&bench, i * 4);
        else
            release_with_survivor(&bench, i * 4);
        assert_books(&bench);
    }
    (void)sweep_next(&bench);
    for (size_t i = 0; i < 20; i++)
        assert_ptr_equal(take_any(&bench)->block, expected[i]);
    assert_books(&bench);
    close_pool(&bench);
}

static void test_a_block_with_too_little_room_is_not_offered_but_gathered(void **state)
{
    static struct bench bench;
    (void)state;
    open_pool(&bench, EPOCH_DEBUG_NONE);
    for (size_t is_worth = 0; is_worth < 2; is_worth++) {
        struct epoch_block *block = take_block(&bench)->block;
        size_t room_bytes = is_worth != 0 ? EPOCH_HOLES_WORTH_BYTES : EPOCH_HOLES_WORTH_BYTES - EPOCH_GRANULE_BYTES;
        block->used_bytes = (uint32_t)(EPOCH_BLOCK_BYTES - room_bytes);
        mark_granules(block, 0, block->used_bytes / EPOCH_GRANULE_BYTES, bench.pool.colour);
        bench.count--;
        epoch_pool_release(&bench.pool, block);
        assert_books(&bench);
        struct epoch_block *taken = epoch_pool_take(&bench.pool);
        assert_int_equal(taken == block, is_worth);
        hold(&bench, taken, 0);
    }
    struct epoch_block_list list = {0};
    epoch_pool_gather(&bench.pool, &list);
    assert_int_equal(list.count, 1);
    close_pool(&bench);
}

/* ---- Large objects. ---- */

static size_t large_cost(size_t bytes)
{
    return round_to_pages(bytes) + EPOCH_PAGE_BYTES;
}

static void test_a_large_object_commits_its_pages_and_no_more(void **state)
{
    static const size_t sizes[] = {32 * KIB + 16,  64 * KIB - 16, 64 * KIB,       64 * KIB + 16,
                                   200 * KIB + 16, 640 * KIB,     3840 * KIB - 1, 3840 * KIB};
    static struct bench bench;
    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        open_pool(&bench, EPOCH_DEBUG_NONE);
        assert_non_null(take_large(&bench, sizes[i]));
        assert_int_equal(bench.pool.slab_count, 1);
        assert_int_equal(committed(&bench), EPOCH_HEADERS_BYTES + large_cost(sizes[i]));
        assert_books(&bench);
        drop(&bench, 0);
        assert_books(&bench);
        close_pool(&bench);
    }
}

static void test_all_of_a_large_object_is_given_back_in_the_end(void **state)
{
    static const size_t sizes[] = {33 * KIB, 64 * KIB, 65 * KIB, 128 * KIB, 1000 * KIB, 3840 * KIB, 3841 * KIB};
    static struct bench bench;
    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        open_pool(&bench, EPOCH_DEBUG_NONE);
        for (size_t n = 0; n < 3; n++)
            take_large(&bench, sizes[i]);
        drop_all(&bench);
        (void)epoch_pool_trim_all(&bench.pool);
        assert_books(&bench);
        if (committed(&bench) != 0 || bench.pool.slab_count != 0)
            fail_msg("%zu bytes: %llu committed bytes and %zu slabs remain", sizes[i],
                     (unsigned long long)committed(&bench), bench.pool.slab_count);
        close_pool(&bench);
    }
}

static void test_a_run_takes_the_place_of_blocks_that_were_freed(void **state)
{
    static struct bench bench;
    (void)state;
    open_pool(&bench, EPOCH_DEBUG_NONE);
    for (size_t i = 0; i < USABLE_BLOCKS; i++)
        take_block(&bench);
    struct epoch_block *first = bench.held[20].block;
    for (size_t i = 30; i-- > 20;)
        drop(&bench, i);
    uint64_t before = committed(&bench);
    assert_ptr_equal(take_large(&bench, 10 * (size_t)EPOCH_BLOCK_BYTES - 5 * KIB)->block, first);
    assert_int_equal(committed(&bench), before);
    assert_int_equal(bench.pool.free_count, 0);
    assert_books(&bench);
    drop(&bench, bench.count - 1);
    for (size_t i = 0; i < 10; i++)
        take_block(&bench);
    assert_int_equal(committed(&bench), before);
    assert_int_equal(bench.pool.slab_count, 1);
    assert_books(&bench);
    close_pool(&bench);
}

static void test_blocks_apart_from_each_other_make_no_run(void **state)
{
    static struct bench bench;
    (void)state;
    open_pool(&bench, EPOCH_DEBUG_NONE);
    for (size_t i = 0; i < USABLE_BLOCKS; i++)
        take_block(&bench);
    struct epoch_slab *slab = epoch_slab_of(bench.held[0].block);
    for (size_t i = USABLE_BLOCKS; i-- > 0;)
        if (epoch_block_index(bench.held[i].block) % 2 == 0)
            drop(&bench, i);
    assert_ptr_not_equal(epoch_slab_of(take_large(&bench, 100 * KIB)->block), slab);
    assert_ptr_equal(epoch_slab_of(take_large(&bench, 60 * KIB)->block), slab);
    assert_int_equal(bench.pool.slab_count, 2);
    assert_books(&bench);
    for (size_t i = bench.count; i-- > 0;)
        if (bench.held[i].bytes == 0)
            drop(&bench, i);
    assert_ptr_equal(epoch_slab_of(take_large(&bench, 1000 * KIB)->block), slab);
    assert_books(&bench);
    close_pool(&bench);
}

/* Sizes of one to sixty blocks until the slab's map is full of gaps; what is found lies in free blocks only (occupy asserts it). */
static void test_runs_of_all_sizes_fit_between_each_other(void **state)
{
    static struct bench bench;
    (void)state;
    open_pool(&bench, EPOCH_DEBUG_NONE);
    bench.random = 17;
    for (size_t i = 0; i < test_scale(3000, 600, 300); i++) {
        size_t blocks = 1 + next_random(&bench, next_random(&bench, 10) == 0 ? USABLE_BLOCKS : 6);
        if (bench.count < 60 && next_random(&bench, 5) < 3)
            take_large(&bench, blocks * EPOCH_BLOCK_BYTES - next_random(&bench, 30 * KIB));
        else if (bench.count > 0)
            drop(&bench, next_random(&bench, bench.count));
        assert_books(&bench);
    }
    drop_all(&bench);
    (void)epoch_pool_trim_all(&bench.pool);
    assert_int_equal(committed(&bench), 0);
    close_pool(&bench);
}

static void test_a_limit_that_only_scattered_blocks_reach_leaves_room_for_a_run(void **state)
{
    static struct bench bench;
    (void)state;
    open_config(&bench, EPOCH_DEBUG_NONE, (struct sm_config){.memory_limit_bytes = 2048 * KIB});
    while (take_block(&bench) != NULL)
        assert_books(&bench);
    size_t taken = bench.count;
    for (size_t i = taken; i-- > 0;)
        if (epoch_block_index(bench.held[i].block) % 2 == 0)
            drop(&bench, i);
    assert_true(bench.pool.free_count >= taken / 2);
    assert_non_null(take_large(&bench, 5 * (size_t)EPOCH_BLOCK_BYTES));
    assert_books(&bench);
    assert_int_equal(bench.pool.free_count, 0);
    close_pool(&bench);
}

static void test_a_huge_object_has_a_mapping_of_its_own(void **state)
{
    static struct bench bench;
    (void)state;
    open_pool(&bench, EPOCH_DEBUG_NONE);
    take_block(&bench);
    uint64_t before = committed(&bench);
    for (size_t i = 1; i <= 3; i++) {
        struct held *held = take_large(&bench, USABLE_BLOCKS * (size_t)EPOCH_BLOCK_BYTES + i);
        assert_int_equal(epoch_block_index(held->block), EPOCH_FIRST_BLOCK);
        assert_int_equal(bench.pool.slab_count, 1 + i);
        assert_books(&bench);
    }
    take_large(&bench, 9000 * KIB);
    assert_books(&bench);
    drop(&bench, 2); /* from the middle of the directory */
    assert_books(&bench);
    drop(&bench, 1);
    drop(&bench, 2);
    drop(&bench, 1);
    assert_books(&bench);
    assert_int_equal(bench.pool.slab_count, 1);
    assert_int_equal(committed(&bench), before);
    close_pool(&bench);
}

/* ---- Looking. ---- */

struct seen {
    size_t count;
    const struct epoch_block *blocks[HELD_MAX];
};

static void see(void *context, struct epoch_block *block)
{
    struct seen *seen = context;
    assert_true(seen->count < HELD_MAX);
    seen->blocks[seen->count++] = block;
}

/* NULL: none. */
static const struct epoch_block *find(struct bench *bench, const void *address)
{
    static struct seen seen;
    seen.count = 0;
    epoch_pool_visit_of(&bench->pool, address, see, &seen);
    return seen.count == 0 ? NULL : seen.blocks[0];
}

static void test_an_address_leads_to_the_block_that_holds_objects_there_and_no_other_does(void **state)
{
    static struct bench bench;
    static char elsewhere[64];
    (void)state;
    open_pool(&bench, EPOCH_DEBUG_NONE);
    struct epoch_block *block = take_block(&bench)->block, *run = take_large(&bench, 200 * KIB)->block;
    struct epoch_block *huge = take_large(&bench, 9000 * KIB)->block, *freed = take_block(&bench)->block;
    drop(&bench, 3);
    assert_ptr_equal(find(&bench, epoch_block_start(block)), block);
    assert_ptr_equal(find(&bench, epoch_block_start(block) + EPOCH_BLOCK_BYTES - 16), block);
    assert_ptr_equal(find(&bench, epoch_block_start(run)), run);
    assert_null(find(&bench, epoch_block_start(run) + EPOCH_BLOCK_BYTES));
    assert_ptr_equal(find(&bench, epoch_block_start(huge)), huge);
    assert_null(find(&bench, epoch_block_start(huge) + 2 * (size_t)EPOCH_BLOCK_BYTES));
    assert_null(find(&bench, epoch_block_start(huge) + 8000 * KIB));
    assert_null(find(&bench, epoch_block_start(freed)));
    assert_null(find(&bench, block));
    assert_null(find(&bench, epoch_block_granules(block)));
    assert_null(find(&bench, elsewhere));
    assert_null(find(&bench, NULL));
    close_pool(&bench);
}

static size_t times_seen(const struct seen *seen, const struct epoch_block *block)
{
    size_t times = 0;
    for (size_t i = 0; i < seen->count; i++)
        times += seen->blocks[i] == block;
    return times;
}

/* `between`, which may be NULL, happens once, on the way: it is what another thread may do between two blocks. */
static void walk(struct bench *bench, struct seen *seen, void (*between)(struct bench *bench))
{
    seen->count = 0;
    for (uint64_t position = 0; epoch_pool_visit_next(&bench->pool, &position, see, seen);) {
        if (between == NULL || seen->count < USABLE_BLOCKS + 5)
            continue;
        between(bench);
        between = NULL;
    }
    assert_null(between);
}

static void test_a_walk_visits_each_block_in_use_once(void **state)
{
    static struct bench bench;
    static struct seen seen;
    (void)state;
    open_pool(&bench, EPOCH_DEBUG_NONE);
    for (size_t i = 0; i < 70; i++)
        take_block(&bench);
    take_large(&bench, 300 * KIB);
    take_large(&bench, 5000 * KIB);
    take_large(&bench, 50 * KIB);
    for (size_t i = 0; i < 30; i++)
        drop(&bench, i);
    walk(&bench, &seen, NULL);
    assert_int_equal(seen.count, bench.count);
    for (size_t i = 0; i < bench.count; i++)
        assert_int_equal(times_seen(&seen, bench.held[i].block), 1);
    close_pool(&bench);
}

static void give_back_the_second_slab(struct bench *bench)
{
    assert_int_equal(epoch_pool_trim_all(&bench->pool), USABLE_BLOCKS);
}

/* A release after a grace period, and an idle thread, trim while the owner looks at its objects. */
static void test_a_walk_misses_nothing_when_a_slab_behind_it_is_given_back(void **state)
{
    static struct bench bench;
    static struct seen seen;
    (void)state;
    for (int is_huge = 0; is_huge < 2; is_huge++) {
        open_pool(&bench, EPOCH_DEBUG_NONE);
        for (size_t i = 0; i < 4 * USABLE_BLOCKS; i++)
            take_block(&bench);
        if (is_huge != 0)
            take_large(&bench, 5000 * KIB);
        for (size_t i = 2 * USABLE_BLOCKS; i-- > USABLE_BLOCKS;)
            drop(&bench, i);
        walk(&bench, &seen, give_back_the_second_slab);
        for (size_t i = 0; i < bench.count; i++)
            assert_int_equal(times_seen(&seen, bench.held[i].block), 1);
        assert_books(&bench);
        close_pool(&bench);
    }
}

/* ---- Controls: the books notice each of these. ---- */

static void test_a_planted_fault_in_the_books_is_noticed(void **state)
{
    static struct bench bench;
    (void)state;
    open_pool(&bench, EPOCH_DEBUG_NONE);
    for (size_t i = 0; i < 5; i++)
        take_block(&bench);
    drop(&bench, 0);
    struct epoch_slab *slab = bench.pool.slabs[0];
    struct epoch_block *used = bench.held[0].block, *empty = epoch_slab_block(slab, EPOCH_FIRST_BLOCK);
    uint64_t used_bit = UINT64_C(1) << epoch_block_index(used);
    assert_int_equal(empty->state, EPOCH_BLOCK_FREE);
    assert_true(books_agree(&bench));

    assert_true(sm_reserve(bench.mm, EPOCH_PAGE_BYTES)); /* a page is counted that nobody has */
    assert_false(books_agree(&bench));
    sm_unreserve(bench.mm, EPOCH_PAGE_BYTES);

    slab->free_blocks |= used_bit; /* a block is free though its grace period is not over */
    assert_false(books_agree(&bench));
    slab->free_blocks &= ~used_bit;

    epoch_block_granules(empty)[77] = EPOCH_COLOUR_B | EPOCH_END; /* a stale mark in a free block */
    assert_false(books_agree(&bench));
    epoch_block_granules(empty)[77] = 0;

    bench.pool.free_count++;
    assert_false(books_agree(&bench));
    bench.pool.free_count--;

    bench.pool.first_with_free++;
    assert_false(books_agree(&bench));
    bench.pool.first_with_free--;

    slab->unswept_blocks |= used_bit; /* a block is to be swept that is not in the pool's hands */
    assert_false(books_agree(&bench));
    slab->unswept_blocks &= ~used_bit;

    bench.count--; /* a block that nobody holds */
    assert_false(books_agree(&bench));
    bench.count++;
    assert_true(books_agree(&bench));
    close_pool(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_are_apart_from_each_other_and_committed_as_they_are_taken),
        cmocka_unit_test(test_a_released_block_is_taken_before_memory_is_asked_for),
        cmocka_unit_test(test_a_pool_is_given_back_whole_whatever_is_in_it),
        cmocka_unit_test(test_a_block_with_survivors_is_offered_for_its_holes),
        cmocka_unit_test(test_the_lowest_block_with_room_is_handed_out_be_it_empty_or_not),
        cmocka_unit_test(test_a_block_with_too_little_room_is_not_offered_but_gathered),
        cmocka_unit_test(test_a_large_object_commits_its_pages_and_no_more),
        cmocka_unit_test(test_all_of_a_large_object_is_given_back_in_the_end),
        cmocka_unit_test(test_a_run_takes_the_place_of_blocks_that_were_freed),
        cmocka_unit_test(test_blocks_apart_from_each_other_make_no_run),
        cmocka_unit_test(test_runs_of_all_sizes_fit_between_each_other),
        cmocka_unit_test(test_a_limit_that_only_scattered_blocks_reach_leaves_room_for_a_run),
        cmocka_unit_test(test_a_huge_object_has_a_mapping_of_its_own),
        cmocka_unit_test(test_an_address_leads_to_the_block_that_holds_objects_there_and_no_other_does),
        cmocka_unit_test(test_a_walk_visits_each_block_in_use_once),
        cmocka_unit_test(test_a_walk_misses_nothing_when_a_slab_behind_it_is_given_back),
        cmocka_unit_test(test_a_planted_fault_in_the_books_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
