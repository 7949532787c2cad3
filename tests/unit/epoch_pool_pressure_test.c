/**
 * The pool of blocks under pressure: what is given back and when, refusals, random steps, free memory that is poisoned or
 * never used again.
 *
 * After each step the books are compared with the blocks themselves (epoch_pool_bench.h). EPOCH_POOL_SEED=N replays one
 * run of random steps.
 */
#include "epoch_pool_bench.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- Giving back. ---- */

static void test_a_block_that_one_whole_cycle_did_not_need_is_given_back(void **state)
{
    static struct bench bench;
    (void)state;
    open_pool(&bench, EPOCH_DEBUG_NONE);
    for (size_t i = 0; i < 12; i++)
        take_block(&bench);
    while (bench.count > 2)
        drop(&bench, bench.count - 1);
    assert_int_equal(epoch_pool_trim(&bench.pool), 0); /* all were needed since the last trim */
    assert_int_equal(bench.pool.free_count, 10);
    for (size_t i = 0; i < 4; i++)
        take_block(&bench);
    while (bench.count > 2)
        drop(&bench, bench.count - 1);
    uint64_t before = committed(&bench);
    assert_int_equal(epoch_pool_trim(&bench.pool), 6); /* four are needed now and then */
    assert_int_equal(committed(&bench), before - 6 * BLOCK_COST);
    assert_books(&bench);
    assert_int_equal(epoch_pool_trim(&bench.pool), 4);
    assert_int_equal(epoch_pool_trim(&bench.pool), 0);
    assert_books(&bench);
    close_pool(&bench);
}

static void test_what_is_given_back_is_taken_again_as_fresh_memory(void **state)
{
    static struct bench bench;
    (void)state;
    for (int debug = EPOCH_DEBUG_NONE; debug <= EPOCH_DEBUG_POISON; debug++) {
        open_pool(&bench, (enum epoch_debug)debug);
        for (size_t i = 0; i < 8; i++)
            take_block(&bench);
        while (bench.count > 1)
            drop(&bench, bench.count - 1);
        assert_int_equal(epoch_pool_trim_all(&bench.pool), 7);
        for (size_t i = 0; i < 7; i++) {
            struct epoch_block *block = epoch_pool_take_free(&bench.pool);
            assert_false(block->is_poisoned);
            (void)epoch_unpoison(&bench.pool, epoch_block_start(block), EPOCH_BLOCK_BYTES);
            const char *start = epoch_block_start(block);
            assert_true(start[0] == 0 && memcmp(start, start + 1, EPOCH_BLOCK_BYTES - 1) == 0);
            stamp(hold(&bench, block, 0));
        }
        assert_books(&bench);
        close_pool(&bench);
    }
}

static void test_a_slab_with_nothing_in_it_is_unmapped(void **state)
{
    static struct bench bench;
    (void)state;
    open_pool(&bench, EPOCH_DEBUG_NONE);
    for (size_t i = 0; i < 4 * USABLE_BLOCKS; i++)
        take_block(&bench);
    assert_int_equal(bench.pool.slab_count, 4);
    for (size_t i = 3 * USABLE_BLOCKS; i-- > USABLE_BLOCKS;) /* two slabs from the middle */
        drop(&bench, i);
    assert_int_equal(epoch_pool_trim_all(&bench.pool), 2 * USABLE_BLOCKS);
    assert_int_equal(bench.pool.slab_count, 2);
    assert_int_equal(committed(&bench), 2 * (EPOCH_HEADERS_BYTES + USABLE_BLOCKS * BLOCK_COST));
    assert_books(&bench);
    assert_non_null(take_block(&bench));
    assert_int_equal(bench.pool.slab_count, 3);
    assert_books(&bench);
    drop_all(&bench);
    (void)epoch_pool_trim_all(&bench.pool);
    assert_int_equal(bench.pool.slab_count, 0);
    assert_int_equal(committed(&bench), 0);
    close_pool(&bench);
}

/* A slab whose first block was refused holds nothing, and must not stay for ever. */
static void test_a_slab_of_which_no_block_was_granted_is_given_back_by_the_next_trim(void **state)
{
    static struct bench bench;
    (void)state;
    open_config(&bench, EPOCH_DEBUG_NONE, (struct sm_config){.fail_alloc_after = 2});
    assert_null(epoch_pool_take_free(&bench.pool));
    assert_books(&bench);
    (void)epoch_pool_trim_all(&bench.pool);
    assert_int_equal(committed(&bench), 0);
    close_pool(&bench);
}

/* ---- Random steps. ---- */

static size_t random_large(struct bench *bench)
{
    uint64_t kind = next_random(bench, 20);
    if (kind == 0)
        return 3840 * KIB + next_random(bench, 2000 * KIB);
    return 32 * KIB + 16 + next_random(bench, kind < 4 ? 3800 * KIB : 300 * KIB);
}

static void release_some(struct bench *bench)
{
    size_t index = next_random(bench, bench->count);
    if (bench->held[index].bytes == 0 && next_random(bench, 2) == 0) {
        assert_stamp(&bench->held[index]);
        release_with_survivor(bench, index);
    } else {
        drop(bench, index);
    }
}

static void random_step(struct bench *bench)
{
    uint64_t what = next_random(bench, 200);
    bool is_full = bench->count >= 150 || bench->count + listed(&bench->pool) >= HELD_MAX;
    if (what == 0)
        (void)epoch_pool_trim_all(&bench->pool);
    else if (what < 6)
        (void)epoch_pool_trim(&bench->pool);
    else if (what < 8 && !is_full)
        gather(bench);
    else if (what < 10)
        change_colour(bench);
    else if (what < 20)
        (void)sweep_next(bench);
    else if (what < 35 && !is_full)
        (void)take_any(bench);
    else if (what < 90 && !is_full)
        (void)take_block(bench);
    else if (what < 120 && !is_full)
        (void)take_large(bench, random_large(bench));
    else if (bench->count > 0)
        release_some(bench);
}

static void random_run(struct bench *bench, enum epoch_debug debug, uint64_t limit_bytes, uint64_t seed)
{
    const uint64_t steps = debug == EPOCH_DEBUG_NONE ? test_scale(8000, 3000, 2000) : test_scale(4000, 1500, 800);
    open_config(bench, debug, (struct sm_config){.memory_limit_bytes = limit_bytes});
    bench->random = seed;
    for (uint64_t i = 0; i < steps; i++) {
        random_step(bench);
        if (!books_agree(bench))
            fail_msg("seed %llu, step %llu: the books do not agree", (unsigned long long)seed, (unsigned long long)i);
    }
    gather(bench);
    drop_all(bench);
    (void)epoch_pool_trim_all(&bench->pool);
    assert_books(bench);
    if (debug != EPOCH_DEBUG_NEVER_REUSE)
        assert_int_equal(committed(bench), 0);
    close_pool(bench);
}

static void test_the_books_agree_with_the_blocks_after_every_random_step(void **state)
{
    static struct bench bench;
    const char *given = getenv("EPOCH_POOL_SEED");
    uint64_t first = given != NULL ? strtoull(given, NULL, 10) : 1;
    uint64_t last = given != NULL ? first : test_scale(5, 3, 2);
    (void)state;
    print_message("seeds %llu to %llu\n", (unsigned long long)first, (unsigned long long)last);
    for (uint64_t seed = first; seed <= last; seed++) {
        for (int debug = EPOCH_DEBUG_NONE; debug <= EPOCH_DEBUG_NEVER_REUSE; debug++) {
            random_run(&bench, (enum epoch_debug)debug, 0, seed);
            random_run(&bench, (enum epoch_debug)debug, 4096 * KIB, seed);
        }
    }
}

/* ---- Refusals. ---- */

/* Slabs, blocks, runs over blocks with and without memory, a huge object. Returns how many requests were refused. */
static size_t fault_script(struct bench *bench)
{
    static const size_t sizes[] = {0, 0, 40 * KIB, 0, 300 * KIB, 5000 * KIB, 3840 * KIB, 0, 65 * KIB, 3000 * KIB};
    size_t refused = 0;
    for (size_t round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            const struct held *held = sizes[i] == 0 ? take_block(bench) : take_large(bench, sizes[i]);
            refused += held == NULL;
            assert_books(bench);
        }
        while (bench->count > 4)
            drop(bench, round == 0 ? 0 : bench->count - 1);
        assert_books(bench);
    }
    drop_all(bench);
    return refused;
}

static void test_every_single_refusal_leaves_the_pool_usable(void **state)
{
    static struct bench bench;
    bool is_any_refused = false;
    (void)state;
    for (uint64_t fail_after = 1;; fail_after++) {
        open_config(&bench, EPOCH_DEBUG_NONE, (struct sm_config){.fail_alloc_after = fail_after});
        is_any_refused |= fault_script(&bench) != 0;
        bool is_done = bench.mm->reserve.request_count < fail_after;
        if (!is_done)
            assert_int_equal(fault_script(&bench), 0); /* the fault is over */
        (void)epoch_pool_trim_all(&bench.pool);
        assert_int_equal(committed(&bench), 0);
        close_pool(&bench);
        if (is_done)
            break;
        assert_in_range(fail_after, 1, 200);
    }
    assert_true(is_any_refused);
}

static void test_a_refusal_that_lasts_leaves_what_is_held(void **state)
{
    static struct bench bench;
    (void)state;
    for (uint64_t fail_after = 1; fail_after < 12; fail_after++) {
        open_config(&bench, EPOCH_DEBUG_NONE,
                    (struct sm_config){.fail_alloc_after = fail_after, .fail_alloc_count = UINT64_MAX});
        while (take_block(&bench) != NULL)
            ;
        assert_null(take_large(&bench, 100 * KIB));
        assert_null(take_large(&bench, 5000 * KIB));
        assert_books(&bench);
        if (bench.count > 0) {
            drop(&bench, 0);
            assert_non_null(take_block(&bench)); /* needs nobody's leave */
        }
        assert_books(&bench);
        close_pool(&bench);
    }
}

/* ---- Debugging. ---- */

static void test_poison_a_free_block_is_overwritten_and_a_write_to_it_is_seen(void **state)
{
    static struct bench bench;
    (void)state;
    open_pool(&bench, EPOCH_DEBUG_POISON);
    for (int is_written = 0; is_written < 2; is_written++) {
        char *start = epoch_block_start(take_block(&bench)->block);
        drop(&bench, 0);
        if (is_written != 0) { /* the control: somebody who should not */
            epoch_forget_poison(start + 1000, 1);
            start[1000] = 1;
        }
        struct epoch_block *block = epoch_pool_take_free(&bench.pool);
        assert_ptr_equal(epoch_block_start(block), start);
        assert_true(block->is_poisoned);
        assert_int_equal(epoch_unpoison(&bench.pool, start, EPOCH_BLOCK_BYTES), is_written == 0);
        stamp(hold(&bench, block, 0));
        drop(&bench, 0);
    }
    close_pool(&bench);
}

static void test_poison_holes_are_overwritten_and_survivors_are_not(void **state)
{
    static struct bench bench;
    (void)state;
    open_pool(&bench, EPOCH_DEBUG_POISON);
    char *start = epoch_block_start(take_block(&bench)->block);
    const size_t survivor_bytes = SURVIVOR_GRANULES * (size_t)EPOCH_GRANULE_BYTES;
    char survivor[SURVIVOR_GRANULES * EPOCH_GRANULE_BYTES];
    memset(start + sizeof(uint64_t), 0x11, EPOCH_BLOCK_BYTES - sizeof(uint64_t));
    memcpy(survivor, start, survivor_bytes);
    release_with_survivor(&bench, 0);
    assert_non_null(sweep_next(&bench));
    struct epoch_block *block = epoch_pool_take(&bench.pool);
    assert_int_equal(block->used_bytes, survivor_bytes);
    assert_true(block->is_poisoned);
    assert_memory_equal(start, survivor, survivor_bytes);
    assert_true(epoch_unpoison(&bench.pool, start + survivor_bytes, EPOCH_BLOCK_BYTES - survivor_bytes));
    hold(&bench, block, 0);
    close_pool(&bench);
}

static void test_poison_a_block_that_was_part_of_a_run_is_not_taken_for_poisoned(void **state)
{
    static struct bench bench;
    (void)state;
    open_pool(&bench, EPOCH_DEBUG_POISON);
    for (size_t i = 0; i < 8; i++)
        take_block(&bench);
    drop_all(&bench);
    take_large(&bench, 300 * KIB); /* the last block's rest still has the pattern, the others may not */
    drop_all(&bench);
    for (size_t i = 0; i < 8; i++)
        take_block(&bench); /* which checks the pattern where it is promised */
    assert_books(&bench);
    close_pool(&bench);
}

/* Whether the system can read there; no sanitizer is asked. */
static bool is_accessible(const void *address)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    long written = syscall(SYS_write, ends[1], address, (size_t)1);
    assert_true(written == 1 || errno == EFAULT);
    close(ends[0]);
    close(ends[1]);
    return written == 1;
}

static void test_never_reuse_no_block_comes_back_and_none_can_be_touched(void **state)
{
    static struct bench bench;
    static const void *gone[200];
    size_t gone_count = 0;
    (void)state;
    open_pool(&bench, EPOCH_DEBUG_NEVER_REUSE);
    for (size_t round = 0; round < 40; round++) {
        struct held *held = round % 4 == 3 ? take_large(&bench, 150 * KIB) : take_block(&bench);
        const char *start = epoch_block_start(held->block);
        assert_true(is_accessible(start));
        for (size_t at = 0; at < extent_of(held); at += EPOCH_BLOCK_BYTES) {
            for (size_t i = 0; i < gone_count; i++)
                assert_ptr_not_equal(start + at, gone[i]);
            gone[gone_count++] = start + at;
        }
        drop(&bench, 0);
        assert_books(&bench);
        for (size_t i = 0; i < gone_count; i++)
            assert_false(is_accessible(gone[i]));
    }
    assert_int_equal(bench.pool.free_count, 0);
    close_pool(&bench);
}

static void test_never_reuse_no_huge_mapping_comes_back(void **state)
{
    static struct bench bench;
    const char *gone[4];
    (void)state;
    open_pool(&bench, EPOCH_DEBUG_NEVER_REUSE);
    for (size_t round = 0; round < 4; round++) {
        const char *start = epoch_block_start(take_large(&bench, 5000 * KIB)->block);
        for (size_t i = 0; i < round; i++)
            assert_ptr_not_equal(start, gone[i]);
        gone[round] = start;
        drop(&bench, 0);
        assert_false(is_accessible(start));
        assert_false(is_accessible(start + 4900 * KIB));
        assert_books(&bench);
    }
    close_pool(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_block_that_one_whole_cycle_did_not_need_is_given_back),
        cmocka_unit_test(test_what_is_given_back_is_taken_again_as_fresh_memory),
        cmocka_unit_test(test_a_slab_with_nothing_in_it_is_unmapped),
        cmocka_unit_test(test_a_slab_of_which_no_block_was_granted_is_given_back_by_the_next_trim),
        cmocka_unit_test(test_the_books_agree_with_the_blocks_after_every_random_step),
        cmocka_unit_test(test_every_single_refusal_leaves_the_pool_usable),
        cmocka_unit_test(test_a_refusal_that_lasts_leaves_what_is_held),
        cmocka_unit_test(test_poison_a_free_block_is_overwritten_and_a_write_to_it_is_seen),
        cmocka_unit_test(test_poison_holes_are_overwritten_and_survivors_are_not),
        cmocka_unit_test(test_poison_a_block_that_was_part_of_a_run_is_not_taken_for_poisoned),
        cmocka_unit_test(test_never_reuse_no_block_comes_back_and_none_can_be_touched),
        cmocka_unit_test(test_never_reuse_no_huge_mapping_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
