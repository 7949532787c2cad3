/**
 * What a cycle of the epoch policy marks: every layout, arrays by the chunk, any number of roots, graphs of every shape;
 * and that blocks count exactly what lives in them (epoch_mark_bench.h).
 */
#include "epoch_mark_bench.h"

/* ---- Layouts. ---- */

static void pointers_and_null_pointers(struct bench *bench)
{
    for (size_t mask = 0; mask < 4; mask++) {
        struct sm_object *owner = root(bench, make(bench, bench->two_pointers, 32, true));
        make_garbage(bench);
        if ((mask & 1) != 0)
            set_pointer(bench, owner, 8, make_leaf(bench, mask, true));
        if ((mask & 2) != 0)
            set_pointer(bench, owner, 24, make_leaf(bench, 100 * mask, true));
    }
}

static void test_plain_pointers_are_followed_and_null_ones_are_not(void **state)
{
    (void)state;
    with_bench(pointers_and_null_pointers);
}

static void values_and_keys(struct bench *bench)
{
    for (size_t count = 0; count < 6; count++) {
        struct sm_object *owner = root(bench, make(bench, bench->keyed, keyed_payload(count), true));
        make_garbage(bench);
        set_pointer(bench, owner, 0, make_leaf(bench, 1, true));
        set_pointer(bench, owner, 8, make_leaf(bench, 2, true));
        for (size_t i = 0; i < count; i++) {
            if (i % 3 != 1)
                set_value(bench, owner, KEYED_FIRST + i * KEYED_STRIDE, make_leaf(bench, i, true));
            if (i % 3 != 2)
                set_pointer(bench, owner, KEYED_FIRST + i * KEYED_STRIDE + KEYED_KEY, make_leaf(bench, 40, true));
        }
    }
}

static void test_elements_with_keys_are_followed(void **state)
{
    (void)state;
    with_bench(values_and_keys);
}

/* What follows the elements is their hash part: numbers, whatever they look like. */
static void numbers_behind_the_elements(struct bench *bench)
{
    const size_t count = 7;
    struct sm_object *owner = root(bench, make(bench, bench->keyed, keyed_payload(count), true));
    const struct sm_object *dead = make_leaf(bench, 64, false);
    uint64_t *numbers = (uint64_t *)(void *)((char *)sm_payload(owner) + KEYED_FIRST + count * KEYED_STRIDE);
    for (size_t i = 0; i < count; i++)
        numbers[i] = (uintptr_t)dead;
}

static void test_what_follows_the_elements_is_no_edge(void **state)
{
    (void)state;
    with_bench(numbers_behind_the_elements);
}

static void heads(struct bench *bench)
{
    struct sm_object *empty = root(bench, make(bench, bench->head, 16, true));
    (void)empty;
    for (size_t used = 0; used < 5; used++) {
        struct sm_object *owner = root(bench, make(bench, bench->head, 16, true));
        struct sm_object *storage = make_values(bench, 8, true);
        make_garbage(bench);
        set_pointer(bench, owner, 0, storage);
        ((uint64_t *)sm_payload(owner))[1] = used;
        for (size_t i = 0; i < used; i++)
            set_element(bench, storage, i, make_leaf(bench, 24, true));
    }
}

static void test_a_head_leads_to_its_storage_and_what_that_holds(void **state)
{
    (void)state;
    with_bench(heads);
}

static void opaque_chain(struct bench *bench)
{
    struct sm_object *last = root(bench, make(bench, bench->opaque, 16, true));
    for (size_t i = 0; i < 300; i++) {
        struct sm_object *next = make(bench, i % 3 == 0 ? bench->opaque : SM_TYPE_VALUES, 16, true);
        make_garbage(bench);
        if (last->type == bench->opaque)
            set_hidden(bench, last, next);
        else
            set_element(bench, last, 0, next);
        last = next;
    }
}

static void test_what_only_a_trace_function_knows_is_followed(void **state)
{
    (void)state;
    with_bench(opaque_chain);
}

static void leaves_full_of_addresses(struct bench *bench)
{
    const struct sm_object *dead = make_leaf(bench, 8, false);
    struct sm_object *leaf = root(bench, make_leaf(bench, 4096, true));
    struct sm_object *values = root(bench, make_values(bench, 100, true));
    for (size_t i = 0; i < 512; i++)
        ((uint64_t *)sm_payload(leaf))[i] = (uintptr_t)dead;
    for (size_t i = 0; i < 100; i++) /* a value that is no object's, by its tag */
        ((struct sm_value *)sm_payload(values))[i] = (struct sm_value){(uintptr_t)dead, 1};
}

static void test_numbers_that_look_like_addresses_keep_nothing(void **state)
{
    (void)state;
    with_bench(leaves_full_of_addresses);
}

/* ---- Arrays, by the chunk. ---- */

/* So many values share a block with other objects; an array of one more is large, and has chunks. */
enum { SHARED_ELEMENTS = (EPOCH_SHARED_MAX_BYTES - SM_HEADER_BYTES) / sizeof(struct sm_value) };

static const size_t array_sizes[] = {0,
                                     1,
                                     EPOCH_MARK_QUEUE,
                                     EPOCH_CHUNK_ELEMENTS - 1,
                                     EPOCH_CHUNK_ELEMENTS,
                                     EPOCH_CHUNK_ELEMENTS + 1,
                                     2 * EPOCH_CHUNK_ELEMENTS - 1,
                                     2 * EPOCH_CHUNK_ELEMENTS,
                                     2 * EPOCH_CHUNK_ELEMENTS + 1,
                                     7 * EPOCH_CHUNK_ELEMENTS,
                                     SHARED_ELEMENTS,
                                     SHARED_ELEMENTS + 1,
                                     SHARED_ELEMENTS + 2,
                                     20 * EPOCH_CHUNK_ELEMENTS,
                                     20 * EPOCH_CHUNK_ELEMENTS + 3};

enum { ARRAY_SIZES = sizeof(array_sizes) / sizeof(array_sizes[0]) };

static void arrays_of_values(struct bench *bench)
{
    for (size_t a = 0; a < ARRAY_SIZES; a++) {
        struct sm_object *array = root(bench, make_values(bench, array_sizes[a], true));
        for (size_t i = 0; i < array_sizes[a]; i++)
            set_element(bench, array, i, make_leaf(bench, i % 50, true));
        make_garbage(bench);
    }
}

static void test_every_element_is_reached_however_many_chunks_there_are(void **state)
{
    (void)state;
    with_bench(arrays_of_values);
}

static void arrays_of_keys(struct bench *bench)
{
    for (size_t a = 0; a < ARRAY_SIZES; a++) {
        struct sm_object *array = root(bench, make(bench, bench->keyed, keyed_payload(array_sizes[a]), true));
        for (size_t i = 0; i < array_sizes[a]; i++) {
            set_value(bench, array, KEYED_FIRST + i * KEYED_STRIDE, make_leaf(bench, 3, true));
            set_pointer(bench, array, KEYED_FIRST + i * KEYED_STRIDE + KEYED_KEY, make_leaf(bench, 30, true));
        }
    }
}

static void test_every_key_is_reached_however_many_chunks_there_are(void **state)
{
    (void)state;
    with_bench(arrays_of_keys);
}

/* Only one element is set, at the first, the last and the second-last place of each chunk in turn. */
static void sparse_arrays(struct bench *bench)
{
    const size_t chunks = SHARED_ELEMENTS / EPOCH_CHUNK_ELEMENTS + 2, count = chunks * EPOCH_CHUNK_ELEMENTS + 2;
    for (size_t chunk = 0; chunk <= chunks; chunk++) {
        for (size_t place = 0; place < 3; place++) {
            size_t index = chunk * EPOCH_CHUNK_ELEMENTS + EPOCH_CHUNK_ELEMENTS - place;
            struct sm_object *array = root(bench, make_values(bench, count, true));
            if (index < count)
                set_element(bench, array, index, make_leaf(bench, 0, true));
            make_garbage(bench);
        }
    }
}

static void test_one_element_of_any_chunk_is_reached(void **state)
{
    (void)state;
    with_bench(sparse_arrays);
}

/* The rest of each array waits on the stack while the arrays in it are scanned, six deep. */
static struct sm_object *nested(struct bench *bench, size_t depth)
{
    size_t count = SHARED_ELEMENTS + EPOCH_CHUNK_ELEMENTS * 2 + depth;
    struct sm_object *array = make_values(bench, count, true);
    if (depth == 0)
        return array;
    for (size_t i = 0; i < 3; i++)
        set_element(bench, array, i * (count - 1) / 2, nested(bench, depth - 1));
    return array;
}

static void nested_arrays(struct bench *bench)
{
    root(bench, nested(bench, (size_t)test_scale(6, 4, 4)));
}

static void test_big_arrays_in_big_arrays_are_all_scanned(void **state)
{
    (void)state;
    with_bench(nested_arrays);
}

/* ---- Roots. ---- */

static void a_million_roots(struct bench *bench)
{
    for (size_t i = 0; i < test_scale(1000000, 200000, 200000); i++) {
        root(bench, make_leaf(bench, 0, true)); /* one granule */
        if (i % 16 == 0)
            make_leaf(bench, 0, false);
    }
}

static void test_a_million_roots_are_all_marked(void **state)
{
    (void)state;
    with_bench(a_million_roots);
}

/* The stack has an entry for each eight committed bytes, and some to spare: here that is far fewer than there are roots. */
static void the_same_roots_over_and_over(struct bench *bench)
{
    for (size_t i = 0; i < 1000; i++) {
        struct sm_object *pair = root(bench, make_values(bench, 2, true));
        set_element(bench, pair, 0, make_leaf(bench, 8, true));
        set_element(bench, pair, 1, pair);
    }
    bench->root_repeats = 4000;
    collect(bench);
    assert_true(epoch_of_base(bench->mm->policy)->marker.capacity < bench->root_count * bench->root_repeats);
}

static void test_more_root_edges_than_the_stack_has_entries_are_drained_as_they_come(void **state)
{
    (void)state;
    with_bench(the_same_roots_over_and_over);
}

/* ---- Shapes. ---- */

static void long_chain(struct bench *bench)
{
    struct sm_object *last = root(bench, make(bench, bench->two_pointers, 32, true));
    for (size_t i = 0; i < test_scale(300000, 60000, 60000); i++) {
        struct sm_object *next = make(bench, bench->two_pointers, 32, true);
        set_pointer(bench, last, i % 2 == 0 ? 8 : 24, next);
        last = next;
        if (i % 32 == 0)
            make_garbage(bench);
    }
}

static void test_a_long_chain_is_followed_to_its_end(void **state)
{
    (void)state;
    with_bench(long_chain);
}

static void wide_fan(struct bench *bench)
{
    const size_t count = (size_t)test_scale(200000, 50000, 50000);
    struct sm_object *fan = root(bench, make_values(bench, count, true)); /* huge, but under sanitizers */
    for (size_t i = 0; i < count; i++)
        set_element(bench, fan, i, make_leaf(bench, i % 20, true));
}

static void test_a_wide_fan_is_followed_to_its_last_element(void **state)
{
    (void)state;
    with_bench(wide_fan);
}

/* Everybody refers to everybody, to itself too; and a second such clique that nobody refers to. */
static void cliques(struct bench *bench)
{
    enum { SIZE = 120 };
    for (int lives = 0; lives < 2; lives++) {
        struct sm_object *members[SIZE];
        for (size_t i = 0; i < SIZE; i++)
            members[i] = make_values(bench, SIZE, lives != 0);
        for (size_t i = 0; i < SIZE; i++)
            for (size_t n = 0; n < SIZE; n++)
                set_element(bench, members[i], n, members[n]);
        if (lives != 0)
            root(bench, members[SIZE / 2]);
        else
            set_element(bench, members[0], 0, root(bench, make_leaf(bench, 5, true))); /* from the dead to the living */
    }
}

static void test_shared_and_cyclic_graphs_are_marked_once_and_dead_cycles_not_at_all(void **state)
{
    (void)state;
    with_bench(cliques);
}

static void sizes(struct bench *bench)
{
    static const size_t payloads[] = {0,
                                      1,
                                      16,
                                      17,
                                      3072,
                                      3073,
                                      16 * KIB,
                                      32 * KIB - 16,
                                      32 * KIB - 15,
                                      33 * KIB,
                                      64 * KIB - 16,
                                      64 * KIB,
                                      200 * KIB,
                                      3840 * KIB - 16,
                                      3840 * KIB - 15,
                                      5000 * KIB};
    for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
        root(bench, make_leaf(bench, payloads[i], true));
        make_leaf(bench, payloads[i], false);
        size_t count = payloads[i] / sizeof(struct sm_value);
        struct sm_object *array = root(bench, make_values(bench, count, true));
        if (count < 2)
            continue;
        set_element(bench, array, count - 1, make_leaf(bench, 0, true));
        struct sm_object *below = make_values(bench, count, true);
        set_element(bench, array, 0, below);
        set_element(bench, below, count - 1, make_leaf(bench, payloads[i], true));
    }
}

static void test_objects_of_one_granule_and_large_and_huge_ones_are_marked_and_scanned(void **state)
{
    (void)state;
    with_bench(sizes);
}

/* Packed without a gap, so that granule bytes touch. */
static void packed_blocks(struct bench *bench)
{
    for (size_t i = 0; i < 30000; i++) {
        bool lives = i / 4096 % 2 == 0 || i % 3 == 0; /* whole blocks, and some of others */
        struct sm_object *object = make_leaf(bench, i % 7 == 0 ? 16 : 0, lives);
        if (lives)
            root(bench, object);
    }
}

static void test_blocks_count_exactly_what_lives_in_them(void **state)
{
    (void)state;
    with_bench(packed_blocks);
}

/* A count of granules in 32 bits would be 0 here, and the object dead. Its pages are never touched. */
static void test_a_live_object_of_64_gib_does_not_count_as_dead(void **state)
{
    struct bench bench;
    (void)state;
    if (IS_SANITIZED)
        skip();
    open_bench(&bench);
    struct sm_object *giant = sm_alloc_leaf(bench.mm, SM_TYPE_BYTES, ((size_t)64 << 30) - SM_HEADER_BYTES);
    if (giant == NULL) {
        close_bench(&bench);
        skip();
    }
    root(&bench, enter(&bench, giant, true));
    collect(&bench);
    assert_true(walk_agrees(&bench) && record_agrees(&bench));
    assert_true(sm_is_valid(bench.mm, giant));
    close_bench(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_pointers_are_followed_and_null_ones_are_not),
        cmocka_unit_test(test_elements_with_keys_are_followed),
        cmocka_unit_test(test_what_follows_the_elements_is_no_edge),
        cmocka_unit_test(test_a_head_leads_to_its_storage_and_what_that_holds),
        cmocka_unit_test(test_what_only_a_trace_function_knows_is_followed),
        cmocka_unit_test(test_numbers_that_look_like_addresses_keep_nothing),
        cmocka_unit_test(test_every_element_is_reached_however_many_chunks_there_are),
        cmocka_unit_test(test_every_key_is_reached_however_many_chunks_there_are),
        cmocka_unit_test(test_one_element_of_any_chunk_is_reached),
        cmocka_unit_test(test_big_arrays_in_big_arrays_are_all_scanned),
        cmocka_unit_test(test_a_million_roots_are_all_marked),
        cmocka_unit_test(test_more_root_edges_than_the_stack_has_entries_are_drained_as_they_come),
        cmocka_unit_test(test_a_long_chain_is_followed_to_its_end),
        cmocka_unit_test(test_a_wide_fan_is_followed_to_its_last_element),
        cmocka_unit_test(test_shared_and_cyclic_graphs_are_marked_once_and_dead_cycles_not_at_all),
        cmocka_unit_test(test_objects_of_one_granule_and_large_and_huge_ones_are_marked_and_scanned),
        cmocka_unit_test(test_blocks_count_exactly_what_lives_in_them),
        cmocka_unit_test(test_a_live_object_of_64_gib_does_not_count_as_dead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
