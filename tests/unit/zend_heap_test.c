/** The model of Zend's allocator: its table, its lists, its pages and its chunks. */
#include "zend_heap_fixture.h"

#include "manager_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- The table. ---- */

static void bins_are_zends(void **state)
{
    (void)state;
    /* Size, elements and pages as PHP 8.2 publishes them. */
    static const struct {
        size_t bytes, elements, pages;
    } published[ZEND_BIN_COUNT] = {
        {8, 512, 1},   {16, 256, 1}, {24, 170, 1},  {32, 128, 1}, {40, 102, 1}, {48, 85, 1},
        {56, 73, 1},   {64, 64, 1},  {80, 51, 1},   {96, 42, 1},  {112, 36, 1}, {128, 32, 1},
        {160, 25, 1},  {192, 21, 1}, {224, 18, 1},  {256, 16, 1}, {320, 64, 5}, {384, 32, 3},
        {448, 9, 1},   {512, 8, 1},  {640, 32, 5},  {768, 16, 3}, {896, 9, 2},  {1024, 8, 2},
        {1280, 16, 5}, {1536, 8, 3}, {1792, 16, 7}, {2048, 8, 4}, {2560, 8, 5}, {3072, 4, 3},
    };
    for (size_t i = 0; i < ZEND_BIN_COUNT; i++) {
        const struct zend_bin *bin = &zend_bins[i];
        size_t zend_run_bytes = published[i].pages * ZEND_PAGE_BYTES;
        size_t run_bytes = (size_t)bin->page_count * ZEND_PAGE_BYTES;
        assert_int_equal(bin->payload_bytes, published[i].bytes);
        assert_int_equal(zend_run_bytes / bin->payload_bytes, published[i].elements);
        assert_int_equal(bin->block_bytes, sm_block_bytes(bin->payload_bytes));
        assert_int_equal(bin->block_count, run_bytes / bin->block_bytes);
        /* Zend's pages, but where the header would cost a run that Zend fills a whole block of it. */
        size_t left_bytes = zend_run_bytes - zend_run_bytes / bin->block_bytes * bin->block_bytes;
        if (left_bytes * 20 <= zend_run_bytes)
            assert_int_equal(bin->page_count, published[i].pages);
        left_bytes = run_bytes - bin->block_count * bin->block_bytes;
        assert_in_range(left_bytes * 100, 0, run_bytes * 6);
    }
}

static void every_size_has_the_smallest_bin_that_holds_it(void **state)
{
    (void)state;
    for (size_t size = 0; size <= ZEND_SMALL_MAX; size++) {
        unsigned bin = 0;
        while (zend_bins[bin].payload_bytes < size)
            bin++;
        assert_int_equal(zend_bin_of(size), bin);
    }
}

/* ---- Lists. ---- */

static void a_new_run_is_handed_out_by_address(void **state)
{
    (void)state;
    struct heap_fixture fixture;
    heap_open(&fixture);
    for (unsigned bin = 0; bin < ZEND_BIN_COUNT; bin++) {
        const struct zend_bin *shape = &zend_bins[bin];
        char *first = (char *)block_new(&fixture, shape->payload_bytes);
        assert_int_equal(zend_chunk_offset(first) % ZEND_PAGE_BYTES, 0);
        for (size_t i = 1; i < shape->block_count; i++)
            assert_ptr_equal(block_new(&fixture, shape->payload_bytes), first + i * shape->block_bytes);
        assert_null(sm_hot(fixture.mm)->heads[bin]);
    }
    heap_close(&fixture);
}

static void the_last_freed_is_the_next_allocated(void **state)
{
    (void)state;
    struct heap_fixture fixture;
    heap_open(&fixture);
    for (unsigned bin = 0; bin < ZEND_BIN_COUNT; bin++) {
        size_t payload_bytes = zend_bins[bin].payload_bytes;
        struct sm_object *a = block_new(&fixture, payload_bytes);
        struct sm_object *b = block_new(&fixture, payload_bytes);
        struct sm_object *c = block_new(&fixture, payload_bytes);
        block_free(&fixture, b);
        block_free(&fixture, a);
        block_free(&fixture, c);
        assert_ptr_equal(block_new(&fixture, payload_bytes), c);
        assert_ptr_equal(block_new(&fixture, payload_bytes), a);
        assert_ptr_equal(block_new(&fixture, payload_bytes), b);
    }
    heap_close(&fixture);
}

static void a_refill_keeps_what_the_list_held(void **state)
{
    (void)state;
    struct heap_fixture fixture;
    heap_open(&fixture);
    struct sm_object *kept = block_new(&fixture, 3072);
    struct sm_object *freed = block_new(&fixture, 3072);
    block_free(&fixture, freed);
    assert_true(zend_heap_refill(&fixture.heap, 3072));
    /* The new run, the freed one, the rest of the old run: no page more is asked for. */
    uint32_t free_pages = fixture.heap.chunks.first->free_pages;
    bool seen = false;
    for (int i = 0; i < 2 * zend_bins[zend_bin_of(3072)].block_count - 1; i++)
        seen |= block_new(&fixture, 3072) == freed;
    assert_true(seen);
    assert_int_equal(fixture.heap.chunks.first->free_pages, free_pages);
    block_free(&fixture, kept);
    heap_close(&fixture);
}

/* ---- Pages. ---- */

static void large_blocks_are_whole_pages(void **state)
{
    (void)state;
    struct heap_fixture fixture;
    heap_open(&fixture);
    const struct zend_chunk *first = fixture.heap.chunks.first;
    const size_t sizes[][2] = {{3073, 1}, {4080, 1}, {4081, 2}, {8176, 2}, {8177, 3}, {large_payload(100), 100}};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        uint32_t before = first->free_pages;
        struct sm_object *block = block_new(&fixture, sizes[i][0]);
        assert_int_equal(zend_chunk_offset(block) % ZEND_PAGE_BYTES, 0);
        assert_int_equal(before - first->free_pages, sizes[i][1]);
        block_free(&fixture, block);
        assert_int_equal(first->free_pages, before);
    }
    heap_close(&fixture);
}

static void the_largest_large_block_fills_a_chunk_and_the_next_size_is_huge(void **state)
{
    (void)state;
    struct heap_fixture fixture;
    heap_open(&fixture);
    struct sm_object *large = block_new(&fixture, LARGE_MAX);
    assert_int_equal(zend_chunk_offset(large), ZEND_PAGE_BYTES);
    assert_true(fixture.heap.huge_bytes == 0);
    struct sm_object *huge = block_new(&fixture, LARGE_MAX + 1);
    assert_int_equal(zend_chunk_offset(huge), 0);
    assert_int_equal(fixture.heap.huge_bytes, ZEND_CHUNK_BYTES);
    heap_assert_committed(&fixture);
    block_free(&fixture, huge);
    assert_int_equal(fixture.heap.huge_bytes, 0);
    block_free(&fixture, large);
    heap_close(&fixture);
}

static void the_tightest_hole_is_taken_and_of_equals_the_first(void **state)
{
    (void)state;
    struct heap_fixture fixture;
    heap_open(&fixture);
    /* Holes of 5, 3, 70, 4 and 3 pages, one page in use between them, and the tail. */
    const size_t holes[] = {5, 3, 70, 4, 3};
    struct sm_object *hole[5];
    for (size_t i = 0; i < 5; i++) {
        hole[i] = block_new(&fixture, large_payload(holes[i]));
        block_new(&fixture, large_payload(1));
    }
    struct sm_object *last = block_new(&fixture, large_payload(1));
    for (size_t i = 0; i < 5; i++)
        block_free(&fixture, hole[i]);
    assert_ptr_equal(block_new(&fixture, large_payload(4)), hole[3]);
    assert_ptr_equal(block_new(&fixture, large_payload(2)), hole[1]);
    assert_ptr_equal(block_new(&fixture, large_payload(3)), hole[4]);
    assert_ptr_equal(block_new(&fixture, large_payload(1)), (char *)hole[1] + 2 * ZEND_PAGE_BYTES);
    assert_ptr_equal(block_new(&fixture, large_payload(5)), hole[0]);
    assert_ptr_equal(block_new(&fixture, large_payload(69)), hole[2]);
    assert_ptr_equal(block_new(&fixture, large_payload(2)), (char *)last + ZEND_PAGE_BYTES);
    heap_close(&fixture);
}

static void a_chunk_searched_after_others_in_vain_moves_to_the_front(void **state)
{
    (void)state;
    struct heap_fixture fixture;
    heap_open(&fixture);
    struct zend_chunks *chunks = &fixture.heap.chunks;
    block_new(&fixture, LARGE_MAX);
    block_new(&fixture, LARGE_MAX);
    /* After two steps in vain the third chunk stays where it is. */
    struct zend_chunk *third = zend_chunk_of(block_new(&fixture, large_payload(7)));
    assert_ptr_equal(zend_chunk_of(block_new(&fixture, large_payload(7))), third);
    assert_ptr_equal(chunks->first->previous, third);
    block_new(&fixture, large_payload(third->free_pages));
    /* After three steps the fourth chunk stays for 8 pages, and moves for fewer. */
    struct zend_chunk *fourth = zend_chunk_of(block_new(&fixture, large_payload(8)));
    assert_ptr_equal(zend_chunk_of(block_new(&fixture, large_payload(8))), fourth);
    assert_ptr_equal(chunks->first->previous, fourth);
    assert_ptr_equal(zend_chunk_of(block_new(&fixture, large_payload(7))), fourth);
    assert_ptr_equal(chunks->first->next, fourth);
    assert_ptr_equal(chunks->first->previous, third);
    heap_close(&fixture);
}

/* ---- Resizing. ---- */

static void small_blocks_resize_within_their_bin(void **state)
{
    (void)state;
    struct heap_fixture fixture;
    heap_open(&fixture);
    struct sm_object *block = block_new(&fixture, 70);
    assert_true(block_resize(&fixture, block, 80));
    assert_true(block_resize(&fixture, block, 65));
    assert_false(block_resize(&fixture, block, 64));
    assert_false(block_resize(&fixture, block, 81));
    assert_false(block_resize(&fixture, block, 5000));
    assert_false(block_resize(&fixture, block, 3 * MIB));
    block_free(&fixture, block);
    heap_close(&fixture);
}

static void large_blocks_resize_where_pages_are_free(void **state)
{
    (void)state;
    struct heap_fixture fixture;
    heap_open(&fixture);
    const struct zend_chunk *first = fixture.heap.chunks.first;
    struct sm_object *block = block_new(&fixture, large_payload(10));
    struct sm_object *wall = block_new(&fixture, large_payload(1));
    assert_true(block_resize(&fixture, block, large_payload(10) - 100));
    assert_false(block_resize(&fixture, block, large_payload(11)));
    assert_true(block_resize(&fixture, block, large_payload(4)));
    assert_int_equal(first->free_pages, ZEND_USABLE_PAGES - 5);
    assert_false(block_resize(&fixture, block, 3072));
    assert_false(block_resize(&fixture, block, LARGE_MAX + 1));
    assert_true(block_resize(&fixture, block, large_payload(7)));
    /* What was given up is used by the next, and is in the way then. */
    struct sm_object *three = block_new(&fixture, large_payload(3));
    assert_ptr_equal(three, (char *)block + 7 * ZEND_PAGE_BYTES);
    assert_false(block_resize(&fixture, block, large_payload(8)));
    block_free(&fixture, wall);
    block_free(&fixture, three);
    assert_true(block_resize(&fixture, block, LARGE_MAX));
    assert_int_equal(first->free_pages, 0);
    assert_false(block_resize(&fixture, block, large_payload(ZEND_CHUNK_PAGES)));
    block_free(&fixture, block);
    assert_int_equal(first->free_pages, ZEND_USABLE_PAGES);
    heap_close(&fixture);
}

static void a_huge_block_shrinks_and_grows_within_its_addresses(void **state)
{
    (void)state;
    struct heap_fixture fixture;
    heap_open(&fixture);
    struct sm_object *block = block_new(&fixture, 8 * MIB);
    size_t before = fixture.heap.huge_bytes;
    assert_int_equal(before, 8 * MIB + ZEND_PAGE_BYTES);
    memset(sm_payload(block), 0x11, 8 * MIB);
    assert_true(block_resize(&fixture, block, 4 * MIB));
    assert_int_equal(fixture.heap.huge_bytes, 4 * MIB + ZEND_PAGE_BYTES);
    heap_assert_committed(&fixture);
    assert_true(block_resize(&fixture, block, 4 * MIB + 100));
    assert_int_equal(fixture.heap.huge_bytes, 4 * MIB + ZEND_PAGE_BYTES);
    assert_false(block_resize(&fixture, block, MIB));
    /* The addresses behind it were its own a moment ago. */
    assert_true(block_resize(&fixture, block, 6 * MIB));
    heap_assert_committed(&fixture);
    const unsigned char *bytes = sm_payload(block);
    assert_int_equal(bytes[4 * MIB - 1], 0x11);
    memset(sm_payload(block), 0x22, 6 * MIB);
    block_free(&fixture, block);
    heap_close(&fixture);
}

static void a_huge_block_does_not_grow_past_the_limit(void **state)
{
    (void)state;
    struct heap_fixture fixture;
    heap_open_config(&fixture, &(struct sm_config){.memory_limit_bytes = 8 * MIB});
    struct sm_object *block = block_new(&fixture, 5 * MIB);
    assert_true(block_resize(&fixture, block, 3 * MIB));
    assert_false(block_resize(&fixture, block, 7 * MIB));
    assert_int_equal(block->payload_bytes, 3 * MIB);
    heap_assert_committed(&fixture);
    memset(sm_payload(block), 0x33, 3 * MIB);
    assert_true(block_resize(&fixture, block, 4 * MIB));
    block_free(&fixture, block);
    heap_close(&fixture);
}

/* ---- Chunks. ---- */

static void use_chunks(struct heap_fixture *fixture, size_t chunk_count)
{
    for (size_t i = 0; i < chunk_count; i++)
        block_new(fixture, LARGE_MAX);
}

static void a_reset_keeps_what_the_mean_of_the_peaks_says(void **state)
{
    (void)state;
    struct heap_fixture fixture;
    heap_open(&fixture);
    struct zend_chunks *chunks = &fixture.heap.chunks;
    /* The mean is (mean + peak) / 2; kept are the most that are 0.9 under it, beside the first. */
    static const struct {
        size_t peak;
        double mean;
        uint32_t cached;
    } requests[] = {{9, 5.0, 4},   {1, 3.0, 2},    {4, 3.5, 2},    {1, 2.25, 1},
                    {1, 1.625, 0}, {1, 1.3125, 0}, {3, 2.15625, 1}};
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        block_new(&fixture, 100);
        block_new(&fixture, 3 * MIB);
        use_chunks(&fixture, requests[i].peak - 1);
        assert_int_equal(chunks->count, requests[i].peak);
        zend_heap_reset(&fixture.heap);
        assert_true(chunks->mean_count == requests[i].mean);
        assert_int_equal(chunks->cached_count, requests[i].cached);
        assert_int_equal(chunks->count, 1);
        assert_int_equal(fixture.heap.huge_bytes, 0);
        assert_true(zend_chunk_is_empty(chunks->first));
        heap_assert_committed(&fixture);
    }
    heap_close(&fixture);
}

static void a_chunk_under_the_mean_is_cached_and_taken_again(void **state)
{
    (void)state;
    struct heap_fixture fixture;
    heap_open(&fixture);
    use_chunks(&fixture, 1);
    struct sm_object *second = block_new(&fixture, LARGE_MAX);
    block_free(&fixture, second);
    assert_int_equal(fixture.heap.chunks.cached_count, 1);
    heap_assert_committed(&fixture);
    assert_ptr_equal(block_new(&fixture, LARGE_MAX), second);
    assert_int_equal(fixture.heap.chunks.cached_count, 0);
    heap_close(&fixture);
}

static void a_chunk_that_came_and_went_five_times_is_kept(void **state)
{
    (void)state;
    struct heap_fixture fixture;
    heap_open(&fixture);
    use_chunks(&fixture, 2);
    /* Two in use are over the mean of one, so that the third is unmapped, until that has been so four times more. */
    for (int i = 0; i < 5; i++) {
        block_free(&fixture, block_new(&fixture, LARGE_MAX));
        assert_int_equal(fixture.heap.chunks.cached_count, 0);
    }
    block_free(&fixture, block_new(&fixture, LARGE_MAX));
    assert_int_equal(fixture.heap.chunks.cached_count, 1);
    heap_assert_committed(&fixture);
    heap_close(&fixture);
}

static void of_two_empty_chunks_the_older_is_kept(void **state)
{
    (void)state;
    struct heap_fixture fixture;
    heap_open(&fixture);
    struct sm_object *block[4];
    for (int i = 0; i < 4; i++)
        block[i] = block_new(&fixture, LARGE_MAX);
    block_free(&fixture, block[1]);
    struct zend_chunks *chunks = &fixture.heap.chunks;
    /* Three in use: over the mean; with an empty cache the chunk itself goes. */
    assert_int_equal(chunks->cached_count, 0);
    block_free(&fixture, block[2]);
    assert_int_equal(chunks->cached_count, 0);
    block_free(&fixture, block[3]);
    assert_int_equal(chunks->cached_count, 1);
    use_chunks(&fixture, 2);
    struct sm_object *younger = block_new(&fixture, LARGE_MAX);
    struct sm_object *youngest = block_new(&fixture, LARGE_MAX);
    assert_int_equal(chunks->count, 5);
    /* As a mean that has fallen meanwhile would leave it: one cached, and that one the youngest. */
    chunks->mean_count = 6.0;
    block_free(&fixture, youngest);
    assert_int_equal(chunks->cached_count, 1);
    chunks->mean_count = 1.0;
    block_free(&fixture, younger);
    assert_int_equal(chunks->cached_count, 1);
    assert_ptr_equal(chunks->cache, zend_chunk_of(younger));
    heap_assert_committed(&fixture);
    heap_close(&fixture);
}

/* ---- Trimming and refusals. ---- */

static void a_trim_gives_up_empty_runs_and_nothing_else(void **state)
{
    (void)state;
    struct heap_fixture fixture;
    heap_open(&fixture);
    struct zend_chunk *first = fixture.heap.chunks.first;
    enum { RUN = 31, BLOCKS = 3 * RUN }; /* bin 640: runs of 31 blocks in 5 pages */
    struct sm_object *blocks[BLOCKS];
    for (int i = 0; i < BLOCKS; i++)
        blocks[i] = block_new(&fixture, 640);
    /* The first and the third run become empty, of the second only one block does. */
    block_free(&fixture, blocks[RUN]);
    for (int i = 0; i < BLOCKS; i++) {
        if (i < RUN || i >= 2 * RUN)
            block_free(&fixture, blocks[i]);
    }
    uint32_t before = first->free_pages;
    assert_int_equal(zend_heap_trim(&fixture.heap), 10 * ZEND_PAGE_BYTES);
    assert_int_equal(first->free_pages, before + 10);
    assert_int_equal(zend_heap_trim(&fixture.heap), 0);
    for (int i = RUN + 1; i < 2 * RUN; i++)
        assert_true(zend_heap_contains(&fixture.heap, blocks[i]));
    assert_ptr_equal(block_new(&fixture, 640), blocks[RUN]);
    assert_null(sm_hot(fixture.mm)->heads[zend_bin_of(640)]);
    heap_close(&fixture);
}

static void a_trim_gives_back_chunks(void **state)
{
    (void)state;
    struct heap_fixture fixture;
    heap_open(&fixture);
    enum { BLOCKS = 4000 };
    struct sm_object **blocks = calloc(BLOCKS, sizeof(struct sm_object *));
    assert_non_null(blocks);
    for (int i = 0; i < BLOCKS; i++)
        blocks[i] = block_new(&fixture, 2000);
    uint32_t peak = fixture.heap.chunks.count;
    assert_true(peak > 3);
    for (int i = 0; i < BLOCKS; i++)
        block_free(&fixture, blocks[i]);
    assert_int_equal(fixture.heap.chunks.count, peak);
    assert_true(zend_heap_trim(&fixture.heap) >= (size_t)(peak - 1) * ZEND_CHUNK_BYTES);
    assert_int_equal(fixture.heap.chunks.count, 1);
    assert_int_equal(fixture.heap.chunks.cached_count, 0);
    heap_assert_committed(&fixture);
    free(blocks);
    heap_close(&fixture);
}

static void a_refusal_is_answered_by_a_trim_first(void **state)
{
    (void)state;
    struct heap_fixture fixture;
    heap_open_config(&fixture, &(struct sm_config){.memory_limit_bytes = 4 * MIB});
    enum { BLOCKS = 1400 };
    struct sm_object *blocks[BLOCKS];
    size_t count = 0;
    while (count < BLOCKS && (blocks[count] = try_block(&fixture, 3000)) != NULL)
        count++;
    assert_in_range(count, 1000, BLOCKS - 1);
    assert_null(try_block(&fixture, 2 * MIB));
    assert_null(try_block(&fixture, 5000));
    /* Another bin, a large block and a huge one each get what this one gave up. */
    for (size_t i = 0; i < count; i++)
        block_free(&fixture, blocks[i]);
    struct sm_object *large = block_new(&fixture, LARGE_MAX);
    block_free(&fixture, block_new(&fixture, 100));
    block_free(&fixture, large);
    struct sm_object *huge = block_new(&fixture, 2 * MIB - 100);
    heap_assert_committed(&fixture);
    block_free(&fixture, huge);
    heap_close(&fixture);
}

static void no_heap_without_its_first_chunk(void **state)
{
    (void)state;
    struct zend_heap heap;
    struct sm_manager *mm = manager_open_for(SM_SAPI_CLI, "null", MIB);
    assert_false(zend_heap_init(&heap, mm));
    assert_int_equal(sm_committed_bytes(mm), 0);
    zend_heap_finish(&heap);
    sm_manager_destroy(mm);
}

/* ---- Looking. ---- */

struct count_visits {
    size_t count;
    const void *expected;
};

static void count_visit(void *context, void *block)
{
    struct count_visits *visits = context;
    visits->count++;
    assert_ptr_equal(block, visits->expected);
}

static void only_starts_of_allocated_blocks_are_contained(void **state)
{
    (void)state;
    struct heap_fixture fixture;
    heap_open(&fixture);
    const size_t sizes[] = {0, 8, 700, 3072, 5000, LARGE_MAX, 3 * MIB};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct sm_object *block = block_new(&fixture, sizes[i]);
        assert_true(zend_heap_contains(&fixture.heap, block));
        assert_false(zend_heap_contains(&fixture.heap, block + 1));
        assert_false(zend_heap_contains(&fixture.heap, (char *)block + 8));
        /* The record of a huge block is no object. */
        struct count_visits visits = {.expected = block};
        zend_heap_walk(&fixture.heap, count_visit, &visits);
        assert_int_equal(visits.count, 1);
        block_free(&fixture, block);
        assert_false(zend_heap_contains(&fixture.heap, block));
    }
    assert_false(zend_heap_contains(&fixture.heap, fixture.heap.chunks.first));
    assert_false(zend_heap_contains(&fixture.heap, (char *)fixture.heap.chunks.first + 64));
    assert_false(zend_heap_contains(&fixture.heap, &fixture));
    assert_false(zend_heap_contains(&fixture.heap, NULL));
    heap_close(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bins_are_zends),
        cmocka_unit_test(every_size_has_the_smallest_bin_that_holds_it),
        cmocka_unit_test(a_new_run_is_handed_out_by_address),
        cmocka_unit_test(the_last_freed_is_the_next_allocated),
        cmocka_unit_test(a_refill_keeps_what_the_list_held),
        cmocka_unit_test(large_blocks_are_whole_pages),
        cmocka_unit_test(the_largest_large_block_fills_a_chunk_and_the_next_size_is_huge),
        cmocka_unit_test(the_tightest_hole_is_taken_and_of_equals_the_first),
        cmocka_unit_test(a_chunk_searched_after_others_in_vain_moves_to_the_front),
        cmocka_unit_test(small_blocks_resize_within_their_bin),
        cmocka_unit_test(large_blocks_resize_where_pages_are_free),
        cmocka_unit_test(a_huge_block_shrinks_and_grows_within_its_addresses),
        cmocka_unit_test(a_huge_block_does_not_grow_past_the_limit),
        cmocka_unit_test(a_reset_keeps_what_the_mean_of_the_peaks_says),
        cmocka_unit_test(a_chunk_under_the_mean_is_cached_and_taken_again),
        cmocka_unit_test(a_chunk_that_came_and_went_five_times_is_kept),
        cmocka_unit_test(of_two_empty_chunks_the_older_is_kept),
        cmocka_unit_test(a_trim_gives_up_empty_runs_and_nothing_else),
        cmocka_unit_test(a_trim_gives_back_chunks),
        cmocka_unit_test(a_refusal_is_answered_by_a_trim_first),
        cmocka_unit_test(no_heap_without_its_first_chunk),
        cmocka_unit_test(only_starts_of_allocated_blocks_are_contained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
