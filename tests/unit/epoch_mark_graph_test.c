/**
 * What a cycle of the epoch policy marks, further: what due destructors reach, what is young in an emergency, random graphs;
 * and the controls of the bench (epoch_mark_bench.h).
 */
#include "epoch_mark_bench.h"

/* ---- R5. ---- */

/* Large, so that it is scanned in chunks. */
enum { ARRAY_ELEMENTS = 17 * EPOCH_CHUNK_ELEMENTS };

static void test_R5_what_a_due_destructor_can_reach_is_marked_too(void **state)
{
    struct bench bench;
    (void)state;
    open_bench(&bench);
    struct sm_object *due = make(&bench, bench.two_pointers, 32, true);
    struct sm_object *array = make_values(&bench, ARRAY_ELEMENTS, true);
    assert_int_equal(sm_finalizer_register(bench.mm, due), SM_OK);
    set_pointer(&bench, due, 8, array);
    for (size_t i = 0; i < ARRAY_ELEMENTS; i++)
        set_element(&bench, array, i, make_leaf(&bench, 8, true));
    make_garbage(&bench);
    collect(&bench);
    assert_true(survivors_agree(&bench));
    forget_dead(&bench);
    sm_safepoint(bench.mm);
    assert_int_equal(bench.destroyed, 1);
    expect_none_without_roots(&bench);
    close_bench(&bench);
}

/* ---- R7. ---- */

static void emergency(struct bench *bench)
{
    assert_int_equal(sm_cycle_run(bench->mm, SM_COLLECT_FULL, SM_TRIGGER_EMERGENCY), SM_OK);
}

/*
 * Three emergencies between two safepoints: in the second the object is rooted, and so many roots are that marking
 * reaches it from there before anybody looks for what is young.
 */
static void test_R7_what_is_young_stays_so_though_an_emergency_reached_it_from_roots(void **state)
{
    struct bench bench;
    (void)state;
    open_bench(&bench);
    root(&bench, NULL); /* the young object's place; the first to be visited */
    for (size_t i = 0; i < 100000; i++)
        root(&bench, make_leaf(&bench, 0, true));
    sm_attention_request(bench.mm);
    sm_safepoint(bench.mm);
    const struct sm_object *young = make_leaf(&bench, 500, true), *unheld = bench.roots[1];
    emergency(&bench);
    assert_true(sm_is_valid(bench.mm, young));
    bench.roots[0] = bench.items[bench.count - 1].object;
    emergency(&bench);
    assert_true(sm_is_valid(bench.mm, young));
    bench.roots[0] = bench.roots[1] = NULL;
    emergency(&bench);
    assert_true(sm_is_valid(bench.mm, young));
    assert_false(sm_is_valid(bench.mm, unheld)); /* older than the safepoint */
    sm_attention_request(bench.mm);
    sm_safepoint(bench.mm);
    emergency(&bench);
    assert_false(sm_is_valid(bench.mm, young));
    close_bench(&bench);
}

/* ---- Random graphs. ---- */

static uint64_t next_random(uint64_t *random, uint64_t bound)
{
    *random = *random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (*random >> 33) % bound;
}

enum { RANDOM_OBJECTS = 3000, RANDOM_EDGES = 2 };

/* Mark by hand what can be reached from the first `root_count`. */
static void mark_plainly(struct item *items, const size_t (*edges)[RANDOM_EDGES], size_t root_count)
{
    static size_t stack[RANDOM_OBJECTS];
    size_t depth = 0;
    for (size_t i = 0; i < root_count; i++) {
        items[i].lives = true;
        stack[depth++] = i;
    }
    while (depth > 0) {
        size_t at = stack[--depth];
        for (size_t e = 0; e < RANDOM_EDGES; e++) {
            struct item *target = &items[edges[at][e]];
            if (target->lives)
                continue;
            target->lives = true;
            stack[depth++] = edges[at][e];
        }
    }
}

static void random_graph(struct bench *bench, uint64_t seed)
{
    static size_t edges[RANDOM_OBJECTS][RANDOM_EDGES];
    const size_t payloads[] = {32, 48, 2000, 16 * KIB, 40 * KIB};
    uint64_t random = seed;
    const size_t root_count = (size_t)next_random(&random, 30);
    for (size_t i = 0; i < RANDOM_OBJECTS; i++) {
        size_t kind = (size_t)next_random(&random, 100);
        make(bench, bench->two_pointers, payloads[kind < 96 ? kind % 3 : kind % 2 + 3], false);
    }
    for (size_t i = 0; i < RANDOM_OBJECTS; i++) {
        for (size_t e = 0; e < RANDOM_EDGES; e++) {
            /* Mostly near by, so that not everything hangs together. */
            edges[i][e] = next_random(&random, 40) == 0 ? (size_t)next_random(&random, RANDOM_OBJECTS)
                                                        : i - (size_t)next_random(&random, i < 8 ? i + 1 : 8);
            set_pointer(bench, bench->items[i].object, e == 0 ? 8 : 24, bench->items[edges[i][e]].object);
        }
    }
    for (size_t i = 0; i < root_count; i++)
        root(bench, bench->items[i].object);
    mark_plainly(bench->items, (const size_t(*)[RANDOM_EDGES])edges, root_count);
}

static void test_random_graphs_are_marked_as_by_hand(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= test_scale(60, 30, 12); seed++) {
        struct bench bench;
        print_message("seed %llu\n", (unsigned long long)seed);
        open_bench(&bench);
        random_graph(&bench, seed);
        expect_survivors(&bench);
        expect_none_without_roots(&bench);
        close_bench(&bench);
    }
}

/* ---- Controls: each of these is noticed. ---- */

/* One object of `type` that refers to two. */
static void collect_three(struct bench *bench, sm_type_id type)
{
    struct sm_object *owner = root(bench, make(bench, type, 32, true));
    set_pointer(bench, owner, 8, make_leaf(bench, 40, true));
    set_pointer(bench, owner, 24, make_leaf(bench, 40, true));
    make_garbage(bench);
    collect(bench);
}

/* A layout that leaves an edge out is a marker that skips an object. */
static void test_an_object_that_the_marker_skips_is_noticed(void **state)
{
    struct bench bench;
    (void)state;
    open_bench(&bench);
    collect_three(&bench, bench.lying);
    assert_false(survivors_agree(&bench));
    close_bench(&bench);
}

static void test_an_object_that_is_kept_without_reason_is_noticed(void **state)
{
    struct bench bench;
    (void)state;
    open_bench(&bench);
    collect_three(&bench, bench.two_pointers);
    assert_true(survivors_agree(&bench));
    bench.items[1].lives = false;
    assert_false(survivors_agree(&bench));
    close_bench(&bench);
}

static void test_a_wrong_count_or_a_wrong_byte_is_noticed(void **state)
{
    struct bench bench;
    (void)state;
    open_bench(&bench);
    collect_three(&bench, bench.two_pointers);
    struct sm_object *object = bench.items[0].object;
    uint8_t *granules = epoch_granule_of(object);
    uint32_t *count = &epoch_block_of(object)->live_granules[epoch_colour_index(heap_of(&bench)->colour)];
    ++*count;
    assert_false(survivors_agree(&bench));
    --*count;
    epoch_block_of(object)->black_granules++;
    assert_false(survivors_agree(&bench));
    epoch_block_of(object)->black_granules--;
    uint8_t last = granules[granules_of(object) - 1];
    granules[granules_of(object) - 1] = (uint8_t)(last ^ EPOCH_COLOUR_MASK); /* the other colour */
    assert_false(survivors_agree(&bench));
    granules[granules_of(object) - 1] = last;
    granules[1] = (uint8_t)(heap_of(&bench)->colour | EPOCH_END);
    assert_false(survivors_agree(&bench));
    granules[1] = 0;
    assert_true(survivors_agree(&bench));
    close_bench(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R5_what_a_due_destructor_can_reach_is_marked_too),
        cmocka_unit_test(test_R7_what_is_young_stays_so_though_an_emergency_reached_it_from_roots),
        cmocka_unit_test(test_random_graphs_are_marked_as_by_hand),
        cmocka_unit_test(test_an_object_that_the_marker_skips_is_noticed),
        cmocka_unit_test(test_an_object_that_is_kept_without_reason_is_noticed),
        cmocka_unit_test(test_a_wrong_count_or_a_wrong_byte_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
