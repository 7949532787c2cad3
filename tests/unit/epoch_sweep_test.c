/**
 * Granule bytes of one block: sweeping, finding holes and objects, unmarking, against an oracle that looks at one byte
 * at a time.
 *
 * A layout is made object by object: some carry the colour of the last cycle, some that of the one before, some none.
 * EPOCH_SWEEP_SEED=N replays one layout.
 */
#include "check.h"
#include "test_scale.h"

#include "epoch/sweep.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { BLOCK = 7, NEIGHBOUR_BYTE = 0xA5, OBJECTS_MAX = EPOCH_BLOCK_GRANULES };

/** What is tested, so that a control can put something else in the place of one. */
struct sweeper {
    void (*sweep)(struct epoch_block *block, uint8_t colour);
    struct epoch_hole (*find)(const struct epoch_block *block, uint32_t from);
    uint32_t (*next_marked)(const struct epoch_block *block, uint32_t from, uint8_t colour);
    void (*unmark)(struct sm_object *object);
};

static const struct sweeper library = {epoch_sweep_block, epoch_sweep_find, epoch_sweep_next_marked,
                                       epoch_sweep_unmark};

struct extent {
    uint32_t first, count;
    uint8_t colour;
};

/** A block, and beside it what ought to be in it. */
struct bench {
    struct epoch_slab *slab;
    struct epoch_block *block;
    uint64_t random;
    size_t extent_count;
    struct extent extents[OBJECTS_MAX];
    uint8_t expected[EPOCH_BLOCK_GRANULES];
};

static uint64_t next_random(struct bench *bench, uint64_t bound)
{
    bench->random = bench->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (bench->random >> 33) % bound;
}

static int open_bench(void **state)
{
    static struct bench bench;
    char *memory = mmap(NULL, 2 * (size_t)EPOCH_SLAB_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return -1;
    bench.slab = epoch_slab_of(memory + EPOCH_SLAB_BYTES - 1);
    bench.block = epoch_slab_block(bench.slab, BLOCK);
    *state = &bench;
    return 0;
}

static uint8_t *granules_of(const struct bench *bench)
{
    return epoch_block_granules(bench->block);
}

/* ---- Layouts. ---- */

static void bench_clear(struct bench *bench)
{
    *bench->block = (struct epoch_block){.state = EPOCH_BLOCK_USED};
    memset(granules_of(bench) - EPOCH_BLOCK_GRANULES, NEIGHBOUR_BYTE, 3 * (size_t)EPOCH_BLOCK_GRANULES);
    memset(granules_of(bench), 0, EPOCH_BLOCK_GRANULES);
    memset(bench->expected, 0, sizeof(bench->expected));
    bench->extent_count = 0;
}

/* An object of `count` granules, marked as a cycle marks it, or logged by the program before a cycle came to it. */
static void put(struct bench *bench, uint32_t first, uint32_t count, uint8_t colour)
{
    assert_true(first + count <= EPOCH_BLOCK_GRANULES);
    bench->extents[bench->extent_count++] = (struct extent){first, count, colour};
    if (colour == EPOCH_COLOUR_NONE)
        return;
    static const uint8_t more[] = {0, 0, EPOCH_RECENT, EPOCH_CLAIMED};
    bench->expected[first] |= (uint8_t)(colour | EPOCH_START | more[next_random(bench, sizeof(more))]);
    bench->expected[first + count - 1] |= (uint8_t)(colour | EPOCH_END);
}

static void put_all(struct bench *bench)
{
    memcpy(granules_of(bench), bench->expected, EPOCH_BLOCK_GRANULES);
}

static uint32_t random_length(struct bench *bench)
{
    static const uint64_t bounds[] = {1, 2, 9, 40, 2048};
    return 1 + (uint32_t)next_random(bench, bounds[next_random(bench, 5)]);
}

static uint32_t random_gap(struct bench *bench)
{
    return next_random(bench, 2) == 0 ? 0 : random_length(bench) - 1;
}

static uint8_t random_colour(struct bench *bench)
{
    return (uint8_t)next_random(bench, 3);
}

/* Objects from the very first granule and up to the very last in a quarter of the layouts each. */
static void put_random(struct bench *bench)
{
    uint32_t at = next_random(bench, 4) == 0 ? 0 : random_gap(bench);
    while (at < EPOCH_BLOCK_GRANULES) {
        uint32_t left = EPOCH_BLOCK_GRANULES - at, count = random_length(bench);
        if (count > left && next_random(bench, 2) == 0)
            break;
        count = count < left ? count : left;
        put(bench, at, count, random_colour(bench));
        at += count + random_gap(bench);
    }
    put_all(bench);
}

/* ---- The oracle: one byte at a time. ---- */

static void sweep_expected(struct bench *bench, uint8_t colour)
{
    for (size_t i = 0; i < EPOCH_BLOCK_GRANULES; i++)
        if ((bench->expected[i] & EPOCH_COLOUR_MASK) != colour)
            bench->expected[i] = 0;
}

static bool bytes_agree(const struct bench *bench)
{
    const uint8_t *granules = granules_of(bench);
    for (size_t i = 0; i < EPOCH_BLOCK_GRANULES; i++)
        if (granules[i] != bench->expected[i])
            return false;
    return true;
}

static void assert_neighbours(const struct bench *bench)
{
    const uint8_t *granules = granules_of(bench);
    for (size_t i = 1; i <= EPOCH_BLOCK_GRANULES; i++) {
        assert_int_equal(granules[-(ptrdiff_t)i], NEIGHBOUR_BYTE);
        assert_int_equal(granules[EPOCH_BLOCK_GRANULES - 1 + i], NEIGHBOUR_BYTE);
    }
}

/* Which granules belong to objects of `colour`, from the list of objects and not from their bytes. */
static void find_taken(const struct bench *bench, uint8_t colour, bool *taken)
{
    memset(taken, 0, EPOCH_BLOCK_GRANULES * sizeof(*taken));
    for (size_t i = 0; i < bench->extent_count; i++)
        for (uint32_t g = 0; (bench->extents[i].colour & colour) != 0 && g < bench->extents[i].count; g++)
            taken[bench->extents[i].first + g] = true;
}

/* For each granule the first at or behind it that `taken` says `wanted` of; one more place, for the block's end. */
static void find_next(const bool *taken, bool wanted, uint32_t *next)
{
    next[EPOCH_BLOCK_GRANULES] = EPOCH_BLOCK_GRANULES;
    for (uint32_t i = EPOCH_BLOCK_GRANULES; i-- > 0;)
        next[i] = taken[i] == wanted ? i : next[i + 1];
}

/* From every offset that lies inside no object of `colour`; the first granule of one counts as outside. */
static bool holes_agree(const struct bench *bench, const struct sweeper *sweeper, uint8_t colour)
{
    bool taken[EPOCH_BLOCK_GRANULES];
    uint32_t next_free[EPOCH_BLOCK_GRANULES + 1], next_taken[EPOCH_BLOCK_GRANULES + 1];
    find_taken(bench, colour, taken);
    find_next(taken, false, next_free);
    find_next(taken, true, next_taken);
    for (uint32_t from = 0; from < EPOCH_BLOCK_GRANULES; from++) {
        if (taken[from] && (bench->expected[from] & EPOCH_START) == 0)
            continue;
        struct epoch_hole found = sweeper->find(bench->block, from * EPOCH_GRANULE_BYTES);
        if (found.first != next_free[from] * EPOCH_GRANULE_BYTES ||
            found.end != next_taken[next_free[from]] * EPOCH_GRANULE_BYTES)
            return false;
    }
    struct epoch_hole behind = sweeper->find(bench->block, EPOCH_BLOCK_BYTES);
    return behind.first == EPOCH_BLOCK_BYTES && behind.end == EPOCH_BLOCK_BYTES;
}

/* The walk an allocator makes: each hole from where the last one ended; together they are all that is free. */
static bool holes_cover(const struct bench *bench, const struct sweeper *sweeper, uint8_t colour)
{
    bool taken[EPOCH_BLOCK_GRANULES];
    find_taken(bench, colour, taken);
    struct epoch_hole hole = sweeper->find(bench->block, 0);
    for (; hole.first < hole.end; hole = sweeper->find(bench->block, hole.end)) {
        for (uint32_t g = hole.first / EPOCH_GRANULE_BYTES; g < hole.end / EPOCH_GRANULE_BYTES; g++) {
            if (g >= EPOCH_BLOCK_GRANULES || taken[g])
                return false;
            taken[g] = true;
        }
    }
    return hole.first == EPOCH_BLOCK_BYTES && memchr(taken, false, sizeof(taken)) == NULL;
}

static bool next_agrees(const struct bench *bench, const struct sweeper *sweeper)
{
    static const uint8_t colours[] = {EPOCH_COLOUR_NONE, EPOCH_COLOUR_A, EPOCH_COLOUR_B, EPOCH_COLOUR_MASK};
    for (size_t c = 0; c < sizeof(colours); c++) {
        const uint8_t colour = colours[c];
        bool starts[EPOCH_BLOCK_GRANULES];
        uint32_t next[EPOCH_BLOCK_GRANULES + 1];
        for (size_t i = 0; i < EPOCH_BLOCK_GRANULES; i++)
            starts[i] = (bench->expected[i] & EPOCH_START) != 0 && (bench->expected[i] & colour) != 0;
        find_next(starts, true, next);
        for (uint32_t from = 0; from <= EPOCH_BLOCK_GRANULES; from++)
            if (sweeper->next_marked(bench->block, from * EPOCH_GRANULE_BYTES, colour) !=
                next[from] * EPOCH_GRANULE_BYTES)
                return false;
    }
    return true;
}

/* One object after the other, in an order of its own; the rest stays. */
static bool unmark_agrees(struct bench *bench, const struct sweeper *sweeper, uint8_t colour)
{
    for (size_t i = bench->extent_count; i-- > 0;) {
        const struct extent *extent = &bench->extents[(i * 7 + 3) % bench->extent_count];
        size_t offset = (size_t)extent->first * EPOCH_GRANULE_BYTES;
        struct sm_object *object = (struct sm_object *)(void *)(epoch_block_start(bench->block) + offset);
        if (extent->colour != colour)
            continue;
        /* Any size that takes so many granules. */
        object->payload_bytes = extent->count * (uint64_t)EPOCH_GRANULE_BYTES - SM_HEADER_BYTES -
                                (extent->count > 1 ? next_random(bench, EPOCH_GRANULE_BYTES) : 0);
        sweeper->unmark(object);
        bench->expected[extent->first] = bench->expected[extent->first + extent->count - 1] = 0;
        if (!bytes_agree(bench))
            return false;
    }
    return true;
}

/* What no sweep has cleared yet is no hole, whatever its colour. */
static bool agrees_unswept(const struct bench *bench, const struct sweeper *sweeper)
{
    return next_agrees(bench, sweeper) && holes_agree(bench, sweeper, EPOCH_COLOUR_MASK) &&
           holes_cover(bench, sweeper, EPOCH_COLOUR_MASK);
}

static bool agrees(struct bench *bench, const struct sweeper *sweeper, uint8_t colour)
{
    if (!agrees_unswept(bench, sweeper))
        return false;
    sweeper->sweep(bench->block, colour);
    sweep_expected(bench, colour);
    return bench->block->swept_for == colour && bytes_agree(bench) && holes_agree(bench, sweeper, colour) &&
           holes_cover(bench, sweeper, colour) && next_agrees(bench, sweeper) && unmark_agrees(bench, sweeper, colour);
}

/* ---- Random layouts. ---- */

static void make_random(struct bench *bench, uint64_t seed)
{
    bench->random = seed;
    bench_clear(bench);
    put_random(bench);
}

static void test_random_layouts_agree_with_an_oracle_of_single_bytes(void **state)
{
    struct bench *bench = *state;
    const char *given = getenv("EPOCH_SWEEP_SEED");
    uint64_t first = given != NULL ? strtoull(given, NULL, 10) : 1;
    uint64_t last = given != NULL ? first : test_scale(120, 25, 12);
    print_message("seeds %llu to %llu\n", (unsigned long long)first, (unsigned long long)last);
    for (uint64_t seed = first; seed <= last; seed++) {
        make_random(bench, seed);
        if (!agrees(bench, &library, seed % 2 == 0 ? EPOCH_COLOUR_A : EPOCH_COLOUR_B))
            fail_msg("seed %llu", (unsigned long long)seed);
        assert_neighbours(bench);
    }
}

static void test_colours_take_turns_over_the_same_bytes(void **state)
{
    struct bench *bench = *state;
    uint8_t colour = EPOCH_COLOUR_A;
    make_random(bench, 99);
    for (int cycle = 0; cycle < 20; cycle++) {
        colour = colour == EPOCH_COLOUR_A ? EPOCH_COLOUR_B : EPOCH_COLOUR_A;
        /* Some of what survived is marked again, over its old bytes; the rest is stale now. */
        for (size_t i = 0; i < bench->extent_count; i++) {
            struct extent *extent = &bench->extents[i];
            if (bench->expected[extent->first] == 0)
                extent->colour = EPOCH_COLOUR_NONE; /* swept away */
            if (extent->colour == EPOCH_COLOUR_NONE || next_random(bench, 8) == 0)
                continue;
            extent->colour = colour;
            bench->expected[extent->first] = bench->expected[extent->first + extent->count - 1] = 0;
            bench->expected[extent->first] = (uint8_t)(colour | EPOCH_START);
            bench->expected[extent->first + extent->count - 1] |= (uint8_t)(colour | EPOCH_END);
        }
        put_all(bench);
        assert_true(agrees_unswept(bench, &library));
        library.sweep(bench->block, colour);
        sweep_expected(bench, colour);
        assert_true(bytes_agree(bench));
        assert_true(holes_agree(bench, &library, colour));
    }
}

/* ---- Layouts with a name. ---- */

static void assert_layout(struct bench *bench)
{
    put_all(bench);
    assert_true(agrees(bench, &library, EPOCH_COLOUR_A));
    assert_neighbours(bench);
}

static void test_an_empty_block_is_one_hole(void **state)
{
    struct bench *bench = *state;
    bench_clear(bench);
    library.sweep(bench->block, EPOCH_COLOUR_A);
    struct epoch_hole hole = library.find(bench->block, 0);
    assert_int_equal(hole.first, 0);
    assert_int_equal(hole.end, EPOCH_BLOCK_BYTES);
    assert_layout(bench);
}

static void test_a_block_full_of_single_granules_has_no_hole(void **state)
{
    struct bench *bench = *state;
    bench_clear(bench);
    for (uint32_t i = 0; i < EPOCH_BLOCK_GRANULES; i++)
        put(bench, i, 1, EPOCH_COLOUR_A);
    assert_layout(bench);
}

static void test_one_object_may_fill_the_block(void **state)
{
    struct bench *bench = *state;
    bench_clear(bench);
    put(bench, 0, EPOCH_BLOCK_GRANULES, EPOCH_COLOUR_A);
    assert_layout(bench);
}

static void test_a_block_of_stale_objects_is_empty_once_swept(void **state)
{
    struct bench *bench = *state;
    bench_clear(bench);
    for (uint32_t i = 0; i < EPOCH_BLOCK_GRANULES; i += 4)
        put(bench, i, 1 + i / 4 % 4, EPOCH_COLOUR_B);
    put_all(bench);
    struct epoch_hole hole = library.find(bench->block, 0);
    assert_int_equal(hole.first, EPOCH_GRANULE_BYTES);
    assert_int_equal(hole.end, 4 * EPOCH_GRANULE_BYTES);
    assert_layout(bench);
    hole = library.find(bench->block, 0);
    assert_int_equal(hole.end - hole.first, EPOCH_BLOCK_BYTES);
}

/* Every pair of positions in and across the words of eight that the search looks at. */
static void test_a_hole_is_exact_wherever_its_ends_lie_in_a_word(void **state)
{
    struct bench *bench = *state;
    const uint32_t bases[] = {0, 2000, EPOCH_BLOCK_GRANULES - 40};
    for (size_t b = 0; b < sizeof(bases) / sizeof(bases[0]); b++) {
        for (uint32_t left = 0; left < 16; left++) {
            for (uint32_t right = left + 1; right < 24; right += (uint32_t)test_scale(1, 5, 7)) {
                bench_clear(bench);
                put(bench, bases[b] + left, 1, EPOCH_COLOUR_A);
                put(bench, bases[b] + right, EPOCH_BLOCK_GRANULES - bases[b] - right, EPOCH_COLOUR_A);
                put_all(bench);
                library.sweep(bench->block, EPOCH_COLOUR_A);
                assert_true(bytes_agree(bench));
                struct epoch_hole hole = library.find(bench->block, (bases[b] + left) * EPOCH_GRANULE_BYTES);
                bool is_none = right == left + 1;
                uint32_t first = is_none ? EPOCH_BLOCK_GRANULES : bases[b] + left + 1;
                uint32_t end = is_none ? EPOCH_BLOCK_GRANULES : bases[b] + right;
                assert_int_equal(hole.first, first * EPOCH_GRANULE_BYTES);
                assert_int_equal(hole.end, end * EPOCH_GRANULE_BYTES);
            }
        }
    }
}

static void test_objects_at_both_ends_of_the_block_are_kept(void **state)
{
    struct bench *bench = *state;
    for (uint32_t count = 1; count <= 20; count++) {
        bench_clear(bench);
        put(bench, 0, count, EPOCH_COLOUR_A);
        put(bench, count, 1, EPOCH_COLOUR_B);
        put(bench, EPOCH_BLOCK_GRANULES - count - 1, 1, EPOCH_COLOUR_B);
        put(bench, EPOCH_BLOCK_GRANULES - count, count, EPOCH_COLOUR_A);
        assert_layout(bench);
    }
}

/* ---- What else the page promises. ---- */

static void test_a_block_that_is_swept_for_a_colour_is_not_swept_for_it_again(void **state)
{
    struct bench *bench = *state;
    make_random(bench, 5);
    library.sweep(bench->block, EPOCH_COLOUR_A);
    sweep_expected(bench, EPOCH_COLOUR_A);
    struct epoch_hole hole = library.find(bench->block, 0);
    granules_of(bench)[hole.first / EPOCH_GRANULE_BYTES] = EPOCH_COLOUR_B | EPOCH_START | EPOCH_END; /* a mark to be */
    library.sweep(bench->block, EPOCH_COLOUR_A);
    assert_false(bytes_agree(bench));
    granules_of(bench)[hole.first / EPOCH_GRANULE_BYTES] = 0;
    assert_true(bytes_agree(bench));
}

static void test_a_block_is_clear_only_if_no_byte_is_left(void **state)
{
    struct bench *bench = *state;
    bench_clear(bench);
    assert_true(epoch_sweep_is_clear(bench->block));
    for (size_t i = 0; i < EPOCH_BLOCK_GRANULES; i++) {
        granules_of(bench)[i] = i % 2 == 0 ? EPOCH_COLOUR_A | EPOCH_START : EPOCH_COLOUR_B | EPOCH_END;
        assert_false(epoch_sweep_is_clear(bench->block));
        granules_of(bench)[i] = 0;
    }
    assert_true(epoch_sweep_is_clear(bench->block));
}

static void test_unmarking_a_large_object_clears_its_one_byte(void **state)
{
    struct bench *bench = *state;
    bench_clear(bench);
    bench->block->state = EPOCH_BLOCK_LARGE;
    granules_of(bench)[0] = EPOCH_COLOUR_B | EPOCH_START | EPOCH_END;
    struct sm_object *object = (struct sm_object *)(void *)epoch_block_start(bench->block);
    object->payload_bytes = 3 * (uint64_t)EPOCH_BLOCK_BYTES;
    library.unmark(object);
    assert_true(bytes_agree(bench));
    assert_neighbours(bench);
}

static void test_unmarking_what_no_cycle_marked_changes_nothing(void **state)
{
    struct bench *bench = *state;
    bench_clear(bench);
    put(bench, 8, 2, EPOCH_COLOUR_A);
    put_all(bench);
    struct sm_object *object = (struct sm_object *)(void *)epoch_block_start(bench->block);
    object->payload_bytes = 9 * EPOCH_GRANULE_BYTES - SM_HEADER_BYTES;
    library.unmark(object);
    assert_true(bytes_agree(bench));
}

/* R2: so it may run before the grace period is over. A touch would be a fault. */
static void test_R2_no_object_is_touched_by_a_sweep_or_a_search(void **state)
{
    struct bench *bench = *state;
    make_random(bench, 7);
    bench->extent_count = 0; /* unmark reads headers */
    char *start = epoch_block_start(bench->block);
    assert_int_equal(mprotect(start, EPOCH_BLOCK_BYTES, PROT_NONE), 0);
    library.sweep(bench->block, EPOCH_COLOUR_A);
    for (struct epoch_hole hole = library.find(bench->block, 0); hole.first != hole.end;)
        hole = library.find(bench->block, hole.end);
    for (uint32_t offset = 0; offset < EPOCH_BLOCK_BYTES; offset += EPOCH_GRANULE_BYTES)
        offset = library.next_marked(bench->block, offset, EPOCH_COLOUR_A);
    (void)epoch_sweep_is_clear(bench->block);
    assert_int_equal(mprotect(start, EPOCH_BLOCK_BYTES, PROT_READ | PROT_WRITE), 0);
}

/* ---- Controls: each of these is noticed. ---- */

static struct epoch_hole find_too_long(const struct epoch_block *block, uint32_t from)
{
    struct epoch_hole hole = epoch_sweep_find(block, from);
    if (hole.first != hole.end && hole.end != EPOCH_BLOCK_BYTES)
        hole.end += EPOCH_GRANULE_BYTES;
    return hole;
}

static struct epoch_hole find_too_early(const struct epoch_block *block, uint32_t from)
{
    struct epoch_hole hole = epoch_sweep_find(block, from);
    if (hole.first > from)
        hole.first -= EPOCH_GRANULE_BYTES;
    return hole;
}

/* Leaves one byte of the other colour behind: the last object that carries it keeps its end. */
static void sweep_all_but_one(struct epoch_block *block, uint8_t colour)
{
    uint8_t *granules = epoch_block_granules(block);
    uint8_t other = (uint8_t)(EPOCH_COLOUR_MASK - colour);
    size_t last = EPOCH_BLOCK_GRANULES;
    while (last > 0 && (granules[last - 1] & other) == 0)
        last--;
    uint8_t stale = last == 0 ? 0 : granules[last - 1];
    epoch_sweep_block(block, colour);
    if (last > 0)
        granules[last - 1] = stale;
}

static void sweep_nothing(struct epoch_block *block, uint8_t colour)
{
    block->swept_for = colour;
}

static uint32_t next_of_any_colour(const struct epoch_block *block, uint32_t from, uint8_t colour)
{
    uint32_t first = epoch_sweep_next_marked(block, from, colour);
    uint32_t other = epoch_sweep_next_marked(block, from, (uint8_t)(EPOCH_COLOUR_MASK - colour));
    return colour != EPOCH_COLOUR_NONE && other < first ? other : first;
}

static void unmark_start_only(struct sm_object *object)
{
    *epoch_granule_of(object) = 0;
}

static void assert_noticed(struct bench *bench, const struct sweeper *broken)
{
    make_random(bench, 1);
    /* So that each fault has something to act on. */
    bench_clear(bench);
    put(bench, 3, 5, EPOCH_COLOUR_A);
    put(bench, 8, 2, EPOCH_COLOUR_B);
    put(bench, 20, 1, EPOCH_COLOUR_A);
    put(bench, 700, 60, EPOCH_COLOUR_B);
    put_all(bench);
    assert_false(agrees(bench, broken, EPOCH_COLOUR_A));
    size_t noticed = 0;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        make_random(bench, seed);
        noticed += !agrees(bench, broken, EPOCH_COLOUR_A);
    }
    assert_true(noticed > 0);
}

static void test_a_planted_fault_in_any_of_the_four_is_noticed(void **state)
{
    const struct sweeper broken[] = {
        {epoch_sweep_block, find_too_long, epoch_sweep_next_marked, epoch_sweep_unmark},
        {epoch_sweep_block, find_too_early, epoch_sweep_next_marked, epoch_sweep_unmark},
        {sweep_nothing, epoch_sweep_find, epoch_sweep_next_marked, epoch_sweep_unmark},
        {sweep_all_but_one, epoch_sweep_find, epoch_sweep_next_marked, epoch_sweep_unmark},
        {epoch_sweep_block, epoch_sweep_find, next_of_any_colour, epoch_sweep_unmark},
        {epoch_sweep_block, epoch_sweep_find, epoch_sweep_next_marked, unmark_start_only},
    };
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
        assert_noticed(*state, &broken[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_layouts_agree_with_an_oracle_of_single_bytes),
        cmocka_unit_test(test_colours_take_turns_over_the_same_bytes),
        cmocka_unit_test(test_an_empty_block_is_one_hole),
        cmocka_unit_test(test_a_block_full_of_single_granules_has_no_hole),
        cmocka_unit_test(test_one_object_may_fill_the_block),
        cmocka_unit_test(test_a_block_of_stale_objects_is_empty_once_swept),
        cmocka_unit_test(test_a_hole_is_exact_wherever_its_ends_lie_in_a_word),
        cmocka_unit_test(test_objects_at_both_ends_of_the_block_are_kept),
        cmocka_unit_test(test_a_block_that_is_swept_for_a_colour_is_not_swept_for_it_again),
        cmocka_unit_test(test_a_block_is_clear_only_if_no_byte_is_left),
        cmocka_unit_test(test_unmarking_a_large_object_clears_its_one_byte),
        cmocka_unit_test(test_unmarking_what_no_cycle_marked_changes_nothing),
        cmocka_unit_test(test_R2_no_object_is_touched_by_a_sweep_or_a_search),
        cmocka_unit_test(test_a_planted_fault_in_any_of_the_four_is_noticed),
    };
    return cmocka_run_group_tests(tests, open_bench, NULL);
}
