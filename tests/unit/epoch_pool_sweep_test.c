/**
 * The pool of blocks while they are swept: one block at a time, in nobody's hands but the sweeper's, and the owner takes others.
 *
 * After each step the books are compared with the blocks themselves (epoch_pool_bench.h).
 */
#include "epoch_pool_bench.h"

#include <time.h>

static void release_six(struct bench *bench, struct epoch_block **blocks)
{
    for (size_t i = 0; i < 6; i++)
        blocks[i] = take_block(bench)->block;
    for (size_t i = 6; i-- > 0;)
        release_with_survivor(bench, i);
    assert_books(bench);
}

static void test_sweeping_ahead_leaves_the_same_blocks_to_take(void **state)
{
    static struct bench bench;
    struct epoch_block *expected[6];
    (void)state;
    open_pool(&bench, EPOCH_DEBUG_NONE);
    release_six(&bench, expected);
    for (size_t i = 0; i < 3; i++) {
        assert_ptr_equal(sweep_next(&bench), expected[i]);
        assert_int_equal(expected[i]->swept_for, bench.pool.colour);
        assert_books(&bench);
    }
    for (size_t i = 0; i < 6; i++)
        assert_ptr_equal(take_any(&bench)->block, expected[i]);
    assert_null(sweep_next(&bench));
    assert_books(&bench);
    close_pool(&bench);
}

/* The owner takes another block meanwhile; what came back from the sweep is taken again. */
static void test_a_block_that_is_being_swept_is_in_nobody_elses_hands(void **state)
{
    static struct bench bench;
    struct epoch_block *blocks[6];
    (void)state;
    open_pool(&bench, EPOCH_DEBUG_NONE);
    release_six(&bench, blocks);
    struct epoch_block *swept = epoch_pool_begin_sweep(&bench.pool);
    assert_ptr_equal(swept, blocks[0]);
    assert_true(bench.pool.is_sweeping);
    assert_ptr_equal(take_any(&bench)->block, blocks[1]);
    conclude_block(&bench, swept);
    epoch_pool_end_sweep(&bench.pool, swept, false);
    assert_false(bench.pool.is_sweeping);
    assert_books(&bench);
    assert_ptr_equal(take_any(&bench)->block, blocks[0]);
    close_pool(&bench);
}

/* Something died in it: it waits for its grace period elsewhere, and comes back by being released. */
static void test_a_swept_block_that_is_kept_is_not_offered_until_it_is_released(void **state)
{
    static struct bench bench;
    struct epoch_block *blocks[6];
    (void)state;
    open_pool(&bench, EPOCH_DEBUG_NONE);
    release_six(&bench, blocks);
    struct epoch_block *swept = epoch_pool_begin_sweep(&bench.pool);
    conclude_block(&bench, swept);
    epoch_pool_end_sweep(&bench.pool, swept, true);
    assert_int_equal(listed(&bench.pool), 5);
    assert_ptr_equal(take_any(&bench)->block, blocks[1]);
    epoch_pool_release(&bench.pool, swept);
    assert_books(&bench);
    assert_ptr_equal(take_any(&bench)->block, swept);
    close_pool(&bench);
}

/* What a sweep has yet to clear is not offered, only what was free before. */
static void test_a_block_that_no_sweep_has_seen_is_offered_without_its_dead(void **state)
{
    static struct bench bench;
    (void)state;
    open_pool(&bench, EPOCH_DEBUG_NONE);
    struct epoch_block *block = take_block(&bench)->block;
    release_with_survivor(&bench, 0);
    assert_ptr_equal(epoch_pool_take(&bench.pool), block);
    assert_int_not_equal(block->swept_for, bench.pool.colour);
    struct epoch_hole hole = epoch_sweep_find(block, 0);
    assert_int_equal(hole.first, SURVIVOR_GRANULES * EPOCH_GRANULE_BYTES);
    assert_int_equal(hole.end, DEAD_FIRST * EPOCH_GRANULE_BYTES);
    hole = epoch_sweep_find(block, hole.end);
    assert_int_equal(hole.first, (DEAD_FIRST + DEAD_GRANULES) * EPOCH_GRANULE_BYTES);
    assert_int_equal(hole.end, EPOCH_BLOCK_BYTES);
    (void)hold_again(&bench, block);
    assert_null(sweep_next(&bench)); /* the owner sees to it */
    assert_books(&bench);
    close_pool(&bench);
}

static void test_a_new_colour_makes_every_used_block_of_the_pool_one_to_be_swept(void **state)
{
    static struct bench bench;
    size_t swept = 0;
    (void)state;
    open_pool(&bench, EPOCH_DEBUG_NONE);
    bench.random = 3;
    for (size_t i = 0; i < 2 * USABLE_BLOCKS; i++)
        take_block(&bench);
    for (size_t i = 0; i < 40; i++)
        release_with_survivor(&bench, 2 * i);
    for (uint8_t round = 0; round < 2; round++) {
        size_t expected = listed(&bench.pool);
        change_colour(&bench);
        assert_books(&bench);
        for (swept = 0; sweep_next(&bench) != NULL; swept++)
            assert_books(&bench);
        assert_int_equal(swept, expected);
        assert_in_range(listed(&bench.pool), 1, expected - 1); /* some died, which left their blocks empty */
    }
    close_pool(&bench);
}

/* All its objects are old, and its holes are left to the next sweep. */
static void test_a_block_that_goes_back_as_it_is_is_swept_but_not_offered(void **state)
{
    static struct bench bench;
    (void)state;
    open_pool(&bench, EPOCH_DEBUG_NONE);
    struct epoch_block *block = take_block(&bench)->block;
    mark_granules(block, 0, SURVIVOR_GRANULES, bench.pool.colour);
    block->live_granules[epoch_colour_index(bench.pool.colour)] = SURVIVOR_GRANULES;
    block->used_bytes = SURVIVOR_GRANULES * EPOCH_GRANULE_BYTES;
    bench.count--;
    epoch_pool_keep(&bench.pool, block);
    assert_books(&bench);
    assert_null(sweep_next(&bench));
    assert_ptr_not_equal(take_any(&bench)->block, block);
    const uint8_t colour = epoch_other_colour(bench.pool.colour);
    memset(epoch_block_granules(block), 0, SURVIVOR_GRANULES);
    mark_granules(block, 0, SURVIVOR_GRANULES, colour);
    block->live_granules[epoch_colour_index(colour)] = SURVIVOR_GRANULES;
    epoch_pool_unsweep(&bench.pool, colour);
    assert_ptr_equal(sweep_next(&bench), block);
    assert_ptr_equal(take_any(&bench)->block, block);
    assert_books(&bench);
    close_pool(&bench);
}

static void test_a_block_that_goes_back_with_stale_marks_is_swept_in_its_turn(void **state)
{
    static struct bench bench;
    (void)state;
    open_pool(&bench, EPOCH_DEBUG_NONE);
    for (size_t i = 0; i < 2; i++)
        take_block(&bench);
    struct epoch_block *block = bench.held[1].block;
    release_with_survivor(&bench, 0);
    assert_non_null(sweep_next(&bench)); /* the search has gone past that slab */
    bench.count--;
    block->swept_for = epoch_other_colour(bench.pool.colour);
    block->used_bytes = SURVIVOR_GRANULES * EPOCH_GRANULE_BYTES;
    epoch_pool_keep(&bench.pool, block);
    assert_books(&bench);
    assert_ptr_equal(sweep_next(&bench), block);
    assert_books(&bench);
    close_pool(&bench);
}

struct settler {
    struct epoch_pool *pool;
    _Atomic bool is_in;
};

static void *lock_settled(void *context)
{
    struct settler *settler = context;
    epoch_pool_lock_settled(settler->pool);
    atomic_store(&settler->is_in, true);
    epoch_pool_unlock(settler->pool);
    return NULL;
}

/* Whoever looks at bytes that are not its own waits for the sweeper, who holds no lock. */
static void test_looking_at_bytes_waits_for_the_block_that_is_being_swept(void **state)
{
    static struct bench bench;
    struct epoch_block *blocks[6];
    struct settler settler = {.pool = &bench.pool};
    const struct timespec a_while = {.tv_nsec = 20000000};
    pthread_t thread;
    (void)state;
    open_pool(&bench, EPOCH_DEBUG_NONE);
    release_six(&bench, blocks);
    struct epoch_block *swept = epoch_pool_begin_sweep(&bench.pool);
    assert_int_equal(pthread_create(&thread, NULL, lock_settled, &settler), 0);
    nanosleep(&a_while, NULL);
    assert_false(atomic_load(&settler.is_in));
    conclude_block(&bench, swept);
    epoch_pool_end_sweep(&bench.pool, swept, false);
    pthread_join(thread, NULL);
    assert_true(atomic_load(&settler.is_in));
    close_pool(&bench);
}

static void test_a_cycle_gathers_every_used_block_of_the_pool_swept(void **state)
{
    static struct bench bench;
    (void)state;
    open_pool(&bench, EPOCH_DEBUG_NONE);
    for (size_t i = 0; i < 90; i++)
        take_block(&bench);
    for (size_t i = 0; i < 80; i++)
        release_with_survivor(&bench, 0);
    (void)sweep_next(&bench);
    gather(&bench);
    assert_int_equal(bench.count, 90);
    assert_null(sweep_next(&bench));
    assert_books(&bench);
    close_pool(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sweeping_ahead_leaves_the_same_blocks_to_take),
        cmocka_unit_test(test_a_block_that_is_being_swept_is_in_nobody_elses_hands),
        cmocka_unit_test(test_a_swept_block_that_is_kept_is_not_offered_until_it_is_released),
        cmocka_unit_test(test_a_block_that_no_sweep_has_seen_is_offered_without_its_dead),
        cmocka_unit_test(test_a_new_colour_makes_every_used_block_of_the_pool_one_to_be_swept),
        cmocka_unit_test(test_a_block_that_goes_back_as_it_is_is_swept_but_not_offered),
        cmocka_unit_test(test_a_block_that_goes_back_with_stale_marks_is_swept_in_its_turn),
        cmocka_unit_test(test_looking_at_bytes_waits_for_the_block_that_is_being_swept),
        cmocka_unit_test(test_a_cycle_gathers_every_used_block_of_the_pool_swept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
