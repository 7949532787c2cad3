/**
 * The model of Zend's allocator under random operations, and with each of its requests for memory refused in turn.
 *
 * The oracle is a list of the blocks that ought to exist, each filled with a byte of its own. The seed is printed;
 * ZEND_HEAP_SEED=N replays one.
 */
#include "zend_heap_fixture.h"

#include "manager_internal.h"

#include "test_scale.h"

#include <stdlib.h>
#include <string.h>

enum { ORACLE_MAX = 6000 };

struct entry {
    struct sm_object *block;
    unsigned char mark;
    bool shown;
};

struct oracle {
    struct heap_fixture fixture;
    uint64_t random;
    size_t count;
    uint64_t live_bytes;
    struct entry entries[ORACLE_MAX];
};

static uint64_t next_random(struct oracle *oracle)
{
    oracle->random = oracle->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return oracle->random >> 33;
}

static size_t random_size(struct oracle *oracle)
{
    uint64_t kind = next_random(oracle) % 1000;
    if (kind < 700)
        return (size_t)(next_random(oracle) % 400);
    if (kind < 930)
        return (size_t)(next_random(oracle) % (ZEND_SMALL_MAX + 1));
    if (kind < 990)
        return (size_t)(next_random(oracle) % 60000);
    return (size_t)(next_random(oracle) % (kind < 997 ? LARGE_MAX : 5 * MIB));
}

static void entry_fill(struct oracle *oracle, struct entry *entry)
{
    entry->mark = (unsigned char)next_random(oracle);
    memset(sm_payload(entry->block), entry->mark, (size_t)entry->block->payload_bytes);
}

static void entry_check(const struct entry *entry, size_t payload_bytes)
{
    const unsigned char *bytes = sm_payload_const(entry->block);
    if (payload_bytes != 0)
        assert_true(bytes[0] == entry->mark && memcmp(bytes, bytes + 1, payload_bytes - 1) == 0);
}

static void step_alloc(struct oracle *oracle)
{
    struct entry *entry = &oracle->entries[oracle->count];
    entry->block = try_block(&oracle->fixture, random_size(oracle));
    if (entry->block == NULL)
        return;
    oracle->count++;
    oracle->live_bytes += entry->block->payload_bytes;
    entry_fill(oracle, entry);
}

static void step_free(struct oracle *oracle)
{
    struct entry *entry = &oracle->entries[next_random(oracle) % oracle->count];
    entry_check(entry, (size_t)entry->block->payload_bytes);
    oracle->live_bytes -= entry->block->payload_bytes;
    block_free(&oracle->fixture, entry->block);
    *entry = oracle->entries[--oracle->count];
}

static void step_resize(struct oracle *oracle)
{
    struct entry *entry = &oracle->entries[next_random(oracle) % oracle->count];
    size_t old_bytes = (size_t)entry->block->payload_bytes;
    size_t new_bytes = next_random(oracle) % 3 == 0 ? random_size(oracle)
                                                    : old_bytes / 2 + (size_t)(next_random(oracle) % (old_bytes + 40));
    bool resized = block_resize(&oracle->fixture, entry->block, new_bytes);
    entry_check(entry, resized && new_bytes < old_bytes ? new_bytes : old_bytes);
    if (!resized)
        return;
    oracle->live_bytes += new_bytes - old_bytes;
    entry_fill(oracle, entry);
}

static void step_reset(struct oracle *oracle)
{
    zend_heap_reset(&oracle->fixture.heap);
    const struct zend_chunks *chunks = &oracle->fixture.heap.chunks;
    assert_int_equal(chunks->count, 1);
    assert_true(chunks->cached_count <= chunks->mean_count);
    oracle->count = 0;
    oracle->live_bytes = 0;
}

static void random_step(struct oracle *oracle)
{
    uint64_t what = next_random(oracle) % 4000;
    bool full = oracle->count == ORACLE_MAX || oracle->live_bytes > 40 * MIB;
    if (what == 0)
        step_reset(oracle);
    else if (what < 6)
        zend_heap_trim(&oracle->fixture.heap);
    else if (oracle->count == 0 || (!full && what < 2200))
        step_alloc(oracle);
    else if (full || what < 3400)
        step_free(oracle);
    else
        step_resize(oracle);
}

static int by_address(const void *left, const void *right)
{
    uintptr_t a = (uintptr_t)((const struct entry *)left)->block;
    uintptr_t b = (uintptr_t)((const struct entry *)right)->block;
    return (a > b) - (a < b);
}

static void see_block(void *context, void *block)
{
    struct oracle *oracle = context;
    struct entry wanted = {.block = block};
    struct entry *entry = bsearch(&wanted, oracle->entries, oracle->count, sizeof(wanted), by_address);
    assert_non_null(entry);
    assert_false(entry->shown);
    entry->shown = true;
}

static void assert_walk_and_contents(struct oracle *oracle)
{
    qsort(oracle->entries, oracle->count, sizeof(oracle->entries[0]), by_address);
    zend_heap_walk(&oracle->fixture.heap, see_block, oracle);
    for (size_t i = 0; i < oracle->count; i++) {
        struct entry *entry = &oracle->entries[i];
        assert_true(entry->shown);
        entry->shown = false;
        entry_check(entry, (size_t)entry->block->payload_bytes);
        const char *end = (const char *)entry->block + sm_block_bytes((size_t)entry->block->payload_bytes);
        assert_true(i + 1 == oracle->count || end <= (const char *)oracle->entries[i + 1].block);
        assert_true(i % 16 != 0 || zend_heap_contains(&oracle->fixture.heap, entry->block));
    }
}

/* ---- The books of the heap agree with each other. ---- */

struct books {
    size_t run_blocks, free_blocks, large_pages;
};

static bool page_is_used(const struct zend_chunk *chunk, uint32_t page)
{
    return (chunk->used_map[page / 64] >> (page % 64) & 1) != 0;
}

/* Pages of what begins at `page`; 0: nothing does, the page is free. */
static uint32_t extent_of(const struct zend_chunk *chunk, uint32_t page, struct books *books)
{
    const struct zend_page *info = &chunk->pages[page];
    if (info->kind == ZEND_PAGE_LARGE) {
        books->large_pages += info->number;
        return info->number;
    }
    if (info->kind != ZEND_PAGE_RUN)
        return 0;
    const struct zend_bin *bin = &zend_bins[info->bin];
    assert_int_equal(info->number, 0);
    books->run_blocks += bin->block_count;
    for (uint32_t i = 1; i < bin->page_count; i++) {
        assert_int_equal(info[i].kind, ZEND_PAGE_RUN_REST);
        assert_int_equal(info[i].number, i);
    }
    return bin->page_count;
}

static void assert_chunk(const struct zend_chunk *chunk, struct books *books)
{
    uint32_t free_pages = 0;
    assert_true(page_is_used(chunk, 0));
    for (uint32_t page = ZEND_FIRST_PAGE; page < ZEND_CHUNK_PAGES;) {
        uint32_t extent = extent_of(chunk, page, books);
        if (extent == 0) {
            assert_int_equal(chunk->pages[page].kind, ZEND_PAGE_PLAIN);
            assert_false(page_is_used(chunk, page));
            free_pages++;
            page++;
            continue;
        }
        for (uint32_t end = page + extent; page < end; page++) {
            assert_true(page < chunk->free_tail);
            assert_true(page_is_used(chunk, page));
        }
    }
    assert_int_equal(free_pages, chunk->free_pages);
}

static void assert_books(const struct oracle *oracle)
{
    const struct zend_heap *heap = &oracle->fixture.heap;
    struct books books = {0};
    const struct zend_chunk *chunk = heap->chunks.first;
    uint32_t chunk_count = 0;
    do {
        assert_ptr_equal(chunk->owner, &heap->chunks);
        assert_ptr_equal(chunk->next->previous, chunk);
        assert_chunk(chunk, &books);
        assert_true(chunk_count == 0 || !zend_chunk_is_empty(chunk));
        chunk_count++;
        chunk = chunk->next;
    } while (chunk != heap->chunks.first);
    assert_int_equal(chunk_count, heap->chunks.count);
    for (unsigned bin = 0; bin < ZEND_BIN_COUNT; bin++) {
        for (const struct sm_free_cell *cell = sm_hot(heap->mm)->heads[bin]; cell != NULL; cell = cell->next) {
            assert_true(zend_heap_has_small(heap, cell, bin));
            books.free_blocks++;
        }
    }
    size_t small = 0;
    size_t huge_bytes = 0;
    for (const struct zend_huge *record = heap->huge; record != NULL; record = record->next) {
        small++;
        huge_bytes += record->mapped_bytes;
    }
    for (size_t i = 0; i < oracle->count; i++) {
        size_t payload_bytes = (size_t)oracle->entries[i].block->payload_bytes;
        if (payload_bytes <= ZEND_SMALL_MAX)
            small++;
        else if (payload_bytes <= LARGE_MAX)
            books.large_pages -= (SM_HEADER_BYTES + payload_bytes + ZEND_PAGE_BYTES - 1) / ZEND_PAGE_BYTES;
    }
    assert_int_equal(books.run_blocks, books.free_blocks + small);
    assert_int_equal(books.large_pages, 0);
    assert_int_equal(huge_bytes, heap->huge_bytes);
}

static void model_run(struct oracle *oracle, uint64_t seed, uint64_t steps, const struct sm_config *config)
{
    print_message("seed %llu, %llu steps\n", (unsigned long long)seed, (unsigned long long)steps);
    *oracle = (struct oracle){.random = seed};
    heap_open_config(&oracle->fixture, config);
    for (uint64_t i = 0; i < steps; i++) {
        random_step(oracle);
        heap_assert_committed(&oracle->fixture);
        if (i % 2000 == 1999) {
            assert_walk_and_contents(oracle);
            assert_books(oracle);
        }
    }
    assert_walk_and_contents(oracle);
    heap_close(&oracle->fixture);
}

static void random_operations_agree_with_an_oracle(void **state)
{
    static struct oracle oracle;
    const char *given = getenv("ZEND_HEAP_SEED");
    uint64_t first = given != NULL ? strtoull(given, NULL, 10) : 1;
    uint64_t last = given != NULL ? first : test_scale(8, 4, 2);
    (void)state;
    for (uint64_t seed = first; seed <= last; seed++) {
        const struct sm_config limited = {.memory_limit_bytes = (8 + seed * 4) * MIB};
        model_run(&oracle, seed, 30000, &(struct sm_config){0});
        model_run(&oracle, seed, 30000, &limited);
    }
}

/* ---- Faults. ---- */

/* Enough for several chunks, a cache, an extension and a trim. Returns how many allocations were refused. */
static size_t fault_script(struct oracle *oracle)
{
    static const size_t sizes[] = {40, LARGE_MAX, 3 * MIB, 2000, LARGE_MAX, 300000, 5 * MIB, 64, LARGE_MAX, 3 * MIB};
    size_t refused = 0;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct entry *entry = &oracle->entries[oracle->count];
        entry->block = try_block(&oracle->fixture, sizes[i]);
        if (entry->block == NULL) {
            refused++;
            continue;
        }
        oracle->count++;
        entry_fill(oracle, entry);
        heap_assert_committed(&oracle->fixture);
    }
    assert_walk_and_contents(oracle);
    assert_books(oracle);
    for (size_t i = 0; i < oracle->count; i++)
        block_resize(&oracle->fixture, oracle->entries[i].block,
                     (size_t)oracle->entries[i].block->payload_bytes * 5 / 4);
    assert_books(oracle);
    while (oracle->count > 0)
        block_free(&oracle->fixture, oracle->entries[--oracle->count].block);
    assert_books(oracle);
    return refused;
}

static void every_single_refusal_leaves_the_heap_whole(void **state)
{
    (void)state;
    static struct oracle oracle;
    bool any_refused = false;
    for (uint64_t fail_after = 2;; fail_after++) {
        oracle = (struct oracle){.random = fail_after};
        heap_open_config(&oracle.fixture, &(struct sm_config){.fail_alloc_after = fail_after});
        any_refused |= fault_script(&oracle) != 0;
        bool done = oracle.fixture.mm->reserve.request_count < fail_after;
        /* The fault is over: everything is granted again. */
        if (!done)
            assert_int_equal(fault_script(&oracle), 0);
        heap_close(&oracle.fixture);
        if (done)
            break;
        assert_in_range(fail_after, 2, 200);
    }
    assert_true(any_refused);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_operations_agree_with_an_oracle),
        cmocka_unit_test(every_single_refusal_leaves_the_heap_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
