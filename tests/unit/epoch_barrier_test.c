/**
 * What a store does beside the write (barrier.h), state by state: who may turn a granule's byte into what (R8), what is logged for
 * the marker and what is remembered for young cycles (R10); and two threads that meet at one object.
 */
#include "epoch_stages.h"

#include "test_scale.h"

#include <stdatomic.h>

/* ---- The marker's side, byte by byte. ---- */

enum { ENDS = EPOCH_START | EPOCH_END };

static void test_R8_the_marker_claims_whatever_the_program_has_not(void **state)
{
    static const uint8_t colours[] = {EPOCH_COLOUR_A, EPOCH_COLOUR_B};
    (void)state;
    for (size_t c = 0; c < 2; c++) {
        uint8_t unmarked = colours[c], marked = colours[1 - c];
        for (int i = 0; i < 2; i++) {
            uint8_t ends = i == 0 ? EPOCH_START : ENDS;
            uint8_t byte = (uint8_t)(unmarked | ends);
            assert_true(epoch_claim_object(&byte, marked));
            assert_int_equal(byte, marked | ends | EPOCH_BUSY);
            epoch_granule_release(&byte, (uint8_t)(marked | ends));
            assert_int_equal(byte, marked | ends);

            byte = (uint8_t)(unmarked | ends | EPOCH_CLAIMED);
            assert_false(epoch_claim_object(&byte, marked));
            assert_int_equal(byte, marked | ends);

            byte = (uint8_t)(unmarked | ends | EPOCH_RECENT); /* made old without a cycle, before the snapshot */
            assert_true(epoch_claim_object(&byte, marked));
            assert_int_equal(byte, marked | ends | EPOCH_BUSY);
        }
    }
}

/* A chunk that neither has read may carry anything else: nothing, or a colour from before. */
static void test_R8_a_chunk_is_claimed_unless_it_carries_the_colour_of_this_cycle(void **state)
{
    (void)state;
    static const uint8_t colours[] = {EPOCH_COLOUR_NONE, EPOCH_COLOUR_A, EPOCH_COLOUR_B};
    for (size_t i = 1; i < 3; i++) {
        for (size_t j = 0; j < 3; j++) {
            uint8_t colour = colours[i], before = colours[j], byte = before;
            assert_int_equal(epoch_claim_chunk(&byte, colour), before != colour);
            assert_int_equal(byte, before == colour ? colour : colour | EPOCH_BUSY);
        }
    }
}

/* ---- Objects whose trace function counts how often they are read, and looks for values half written. ---- */

enum { TRACED_MAX = 4096, TRACED_SLOTS = 6 };

static _Atomic uint32_t read_counts[TRACED_MAX];
static _Atomic uint32_t torn_count, marker_reads;
static const struct sm_visitor *marker_visitor;
static sm_type_id traced_type;

struct traced {
    struct sm_object header;
    struct sm_value slots[TRACED_SLOTS];
    uint64_t number;
};

/* Numbers whose halves belong together. */
static struct sm_value number_value(uint64_t number)
{
    return (struct sm_value){number * 2654435761u, (uint32_t)number << 8 | 1};
}

static bool is_torn(struct sm_value value)
{
    return value.tag != 0 && (value.tag & SM_TAG_HEAP) == 0 && value.payload != number_value(value.tag >> 8).payload;
}

static void trace_traced(const struct sm_object *object, struct sm_visitor *visitor)
{
    const struct traced *traced = (const struct traced *)object;
    atomic_fetch_add(&read_counts[traced->number], 1);
    atomic_fetch_add(&marker_reads, visitor == marker_visitor);
    for (size_t i = 0; i < TRACED_SLOTS; i++)
        if (is_torn(traced->slots[i]))
            atomic_fetch_add(&torn_count, 1);
    sm_visit_values(visitor, traced->slots, TRACED_SLOTS);
}

static void open_traced(struct graph *graph, const char *policy)
{
    const struct sm_type type = {.name = "traced", .trace = trace_traced};
    stages_open(graph, policy);
    assert_int_equal(sm_type_register(graph->mm, &type, &traced_type), SM_OK);
    for (size_t i = 0; i < TRACED_MAX; i++)
        atomic_store(&read_counts[i], 0);
    atomic_store(&torn_count, 0);
    atomic_store(&marker_reads, 0);
    marker_visitor = &graph_epoch(graph)->marker.edges;
}

static struct traced *traced_new(struct graph *graph, uint64_t number)
{
    struct traced *traced =
        (struct traced *)sm_alloc(graph->mm, traced_type, sizeof(*traced) - sizeof(struct sm_object));
    if (traced == NULL) {
        fail();
        return NULL;
    }
    traced->number = number;
    for (size_t i = 0; i < TRACED_SLOTS; i++)
        sm_store(graph->mm, &traced->header, &traced->slots[i], number_value(number));
    sm_store(graph->mm, &traced->header, &traced->slots[TRACED_SLOTS / 2], value_of(node_new(graph, number)));
    return traced;
}

static void write_slots(struct graph *graph, struct traced *traced, uint64_t number)
{
    for (size_t i = 0; i < TRACED_SLOTS; i++)
        sm_store(graph->mm, &traced->header, &traced->slots[i], number_value(number + i));
}

static void forget_reads(void)
{
    for (size_t i = 0; i < TRACED_MAX; i++)
        atomic_store(&read_counts[i], 0);
}

/* ---- The program's side, state by state. ---- */

struct scene {
    struct graph graph;
    struct traced *traced;
    struct node *below;
    uint8_t *byte, unmarked, marked;
};

static void open_scene(struct scene *scene)
{
    open_traced(&scene->graph, stages_policies[1]);
    scene->traced = traced_new(&scene->graph, 1);
    scene->below = (struct node *)sm_value_object(scene->traced->slots[TRACED_SLOTS / 2]);
    scene->graph.roots[0] = (struct node *)(void *)scene->traced;
    graph_collect(&scene->graph);
    start_cycle(&scene->graph);
    forget_reads();
    atomic_store(&marker_reads, 0);
    const struct epoch_heap *heap = &graph_epoch(&scene->graph)->heap;
    scene->byte = epoch_granule_of(scene->traced);
    scene->unmarked = heap->colour;
    scene->marked = heap->marking;
    assert_int_equal(*scene->byte, scene->unmarked | EPOCH_START);
}

static void close_scene(struct scene *scene)
{
    finish_cycle(&scene->graph);
    graph_close(&scene->graph);
}

static uint64_t logged(const struct scene *scene)
{
    return graph_epoch(&scene->graph)->log.count;
}

static void test_R8_the_first_write_logs_the_old_slots_and_claims_the_object(void **state)
{
    struct scene scene;
    (void)state;
    open_scene(&scene);
    write_slots(&scene.graph, scene.traced, 50);
    assert_int_equal(*scene.byte, scene.unmarked | EPOCH_START | EPOCH_CLAIMED);
    assert_int_equal(logged(&scene), 1);
    assert_int_equal(graph_epoch(&scene.graph)->log.first->entries[0], (uintptr_t)scene.below);
    assert_int_equal(atomic_load(&read_counts[1]), 1); /* once, whatever else is written */
    (void)mark_some(&scene.graph, UINT64_MAX);
    assert_int_equal(*scene.byte, scene.marked | EPOCH_START); /* and the marker read nothing */
    assert_int_equal(atomic_load(&read_counts[1]), 1);
    assert_false(epoch_is_marked(&scene.below->header, scene.marked));
    mark_rest(&scene.graph);
    assert_true(epoch_is_marked(&scene.below->header, scene.marked));
    close_scene(&scene);
}

static void test_R8_what_the_marker_has_read_is_written_freely(void **state)
{
    struct scene scene;
    (void)state;
    open_scene(&scene);
    (void)mark_some(&scene.graph, 1);
    assert_int_equal(*scene.byte, scene.marked | EPOCH_START);
    write_slots(&scene.graph, scene.traced, 50);
    assert_int_equal(*scene.byte, scene.marked | EPOCH_START);
    assert_int_equal(logged(&scene), 0);
    assert_int_equal(atomic_load(&read_counts[1]), 1);
    close_scene(&scene);
}

static void test_what_was_made_since_the_snapshot_is_written_freely_and_passed_over(void **state)
{
    struct scene scene;
    (void)state;
    open_scene(&scene);
    struct traced *fresh = traced_new(&scene.graph, 2);
    write_slots(&scene.graph, fresh, 50);
    assert_int_equal(epoch_granule_load(fresh), 0);
    assert_int_equal(logged(&scene), 0);
    sm_store(scene.graph.mm, &scene.traced->header, scene.traced->slots, sm_value_from_object(&fresh->header, 1));
    mark_rest(&scene.graph);
    assert_int_equal(epoch_granule_load(fresh), 0);
    assert_int_equal(atomic_load(&read_counts[2]), 0);
    (void)sm_alloc_leaf(scene.graph.mm, SM_TYPE_BYTES,
                        40000); /* what the window has becomes old, of the colour of survivors */
    assert_true(epoch_heap_is_black(&graph_epoch(&scene.graph)->heap, epoch_granule_load(fresh)));
    write_slots(&scene.graph, fresh, 60);
    assert_int_equal(logged(&scene), 0);
    assert_int_equal(atomic_load(&read_counts[2]), 0);
    close_scene(&scene);
}

/* BUSY, by hand: another thread reads the slots, and says when it has. */
struct reading {
    uint8_t *byte, value;
    _Atomic bool is_over;
};

static void *end_reading(void *context)
{
    struct reading *reading = context;
    sleep_ms(20);
    atomic_store(&reading->is_over, true);
    epoch_granule_release(reading->byte, reading->value);
    return NULL;
}

static void expect_waiting_store(struct graph *graph, struct sm_object *owner, struct sm_value *slot, uint8_t *byte,
                                 uint8_t marked)
{
    struct reading reading = {.byte = byte, .value = marked};
    pthread_t thread;
    *byte = marked | EPOCH_BUSY;
    assert_int_equal(pthread_create(&thread, NULL, end_reading, &reading), 0);
    sm_store(graph->mm, owner, slot, (struct sm_value){0, 0});
    assert_true(atomic_load(&reading.is_over));
    pthread_join(thread, NULL);
    assert_int_equal(*byte, marked);
    assert_int_equal(graph_epoch(graph)->log.count, 0);
}

static void test_R8_the_program_waits_while_the_slots_are_being_read(void **state)
{
    struct scene scene;
    (void)state;
    open_scene(&scene);
    uint8_t marked = (uint8_t)(scene.marked | EPOCH_START);
    uint8_t before = *scene.byte;
    expect_waiting_store(&scene.graph, &scene.traced->header, scene.traced->slots, scene.byte, marked);
    *scene.byte = before; /* so that the books agree */
    close_scene(&scene);
}

static void test_R8_the_program_waits_while_the_chunk_is_being_read(void **state)
{
    struct graph graph;
    (void)state;
    open_traced(&graph, stages_policies[1]);
    struct sm_object *array = sm_alloc(graph.mm, SM_TYPE_VALUES, STAGES_ELEMENTS * sizeof(struct sm_value));
    graph.roots[0] = (struct node *)(void *)array;
    start_cycle(&graph);
    uint8_t *chunks = epoch_block_of(array)->chunks;
    struct sm_value *slots = sm_payload(array);
    expect_waiting_store(&graph, array, slots + 3 * EPOCH_CHUNK_ELEMENTS, &chunks[3],
                         graph_epoch(&graph)->heap.marking);
    chunks[3] = EPOCH_COLOUR_NONE;
    sm_store(graph.mm, array, slots + 4 * EPOCH_CHUNK_ELEMENTS, (struct sm_value){0, 0}); /* its neighbour is not */
    assert_int_equal(chunks[4], graph_epoch(&graph)->heap.marking);
    finish_cycle(&graph);
    graph_close(&graph);
}

/* The control: an object that forgets the program's claim is read again, when something else is in it already. */
static void test_R8_a_claim_that_is_lost_is_noticed(void **state)
{
    struct scene scene;
    (void)state;
    open_scene(&scene);
    write_slots(&scene.graph, scene.traced, 50);
    *scene.byte = (uint8_t)(*scene.byte & ~EPOCH_CLAIMED);
    mark_rest(&scene.graph);
    assert_int_equal(atomic_load(&read_counts[1]), 2);
    close_scene(&scene);
}

/* ---- Two threads. ---- */

struct meeting {
    struct graph *graph;
    _Atomic bool has_begun;
};

static void *mark_everything(void *context)
{
    struct meeting *meeting = context;
    atomic_store(&meeting->has_begun, true);
    while (mark_some(meeting->graph, 16))
        ;
    return NULL;
}

/* All of them written to from both ends while they are marked: each is read once, and whole. */
static void meet(struct graph *graph, struct traced **traced, size_t count)
{
    struct meeting meeting = {.graph = graph};
    pthread_t thread;
    start_cycle(graph);
    forget_reads(); /* of the young cycle before */
    atomic_store(&marker_reads, 0);
    assert_int_equal(pthread_create(&thread, NULL, mark_everything, &meeting), 0);
    while (!atomic_load(&meeting.has_begun))
        ;
    for (size_t i = 0; i < count; i++)
        write_slots(graph, traced[i % 2 == 0 ? i : count - i], 1000 + i);
    pthread_join(thread, NULL);
    mark_rest(graph);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(atomic_load(&read_counts[i]), 1);
    assert_int_equal(atomic_load(&torn_count), 0);
}

static void test_R8_two_threads_read_each_object_once_and_whole(void **state)
{
    static struct traced *traced[TRACED_MAX];
    static struct node *below[TRACED_MAX];
    const uint64_t rounds = test_scale(20, 5, 3);
    uint64_t by_marker = 0;
    (void)state;
    for (uint64_t round = 0; round < rounds; round++) {
        struct graph graph;
        open_traced(&graph, stages_policies[round % STAGES_POLICIES]);
        struct sm_object *array = sm_alloc(graph.mm, SM_TYPE_VALUES, TRACED_MAX * sizeof(struct sm_value));
        graph.roots[0] = (struct node *)(void *)array;
        for (size_t i = 0; i < TRACED_MAX; i++) {
            traced[i] = traced_new(&graph, i);
            below[i] = (struct node *)sm_value_object(traced[i]->slots[TRACED_SLOTS / 2]);
            sm_store(graph.mm, array, (struct sm_value *)sm_payload(array) + i,
                     sm_value_from_object(&traced[i]->header, 1));
        }
        meet(&graph, traced, TRACED_MAX);
        by_marker += atomic_load(&marker_reads);
        finish_cycle(&graph);
        for (size_t i = 0; i < TRACED_MAX; i++)
            assert_lives(&graph, below[i]); /* reachable at the snapshot, by edges that are gone */
        graph_close(&graph);
    }
    print_message("%llu of %llu objects were read by the marker\n", (unsigned long long)by_marker,
                  (unsigned long long)rounds * TRACED_MAX);
}

/* ---- The remembered set. ---- */

static const struct epoch_log *remembered(const struct graph *graph)
{
    return &graph_epoch(graph)->remembered;
}

static bool is_armed(const void *object)
{
    return (sm_object_flags(object) & EPOCH_ARMED) != 0;
}

static void test_R10_the_first_store_to_an_old_object_remembers_it_until_the_next_young_cycle(void **state)
{
    struct graph graph;
    (void)state;
    stages_open(&graph, stages_policies[0]);
    struct node *node = graph.roots[0] = node_new(&graph, 1);
    node_link(&graph, node, 0, node_new(&graph, 2));
    assert_false(is_armed(node));
    assert_int_equal(remembered(&graph)->count, 0); /* young */
    for (int round = 0; round < 3; round++) {
        collect_young(&graph);
        assert_true(is_armed(node));
        assert_int_equal(remembered(&graph)->count, 0);
        for (int store = 0; store < 3; store++) {
            node_link(&graph, node, (size_t)store % GRAPH_EDGES, node_new(&graph, 3));
            assert_false(is_armed(node));
            assert_int_equal(remembered(&graph)->count, 1);
        }
        assert_int_equal(remembered(&graph)->first->entries[0], (uintptr_t)node);
    }
    graph_close(&graph);
}

static void test_R10_of_a_large_array_chunks_are_remembered_once_each(void **state)
{
    struct graph graph;
    (void)state;
    stages_open(&graph, stages_policies[0]);
    struct sm_object *array = sm_alloc(graph.mm, SM_TYPE_VALUES, STAGES_ELEMENTS * sizeof(struct sm_value));
    graph.roots[0] = (struct node *)(void *)array;
    struct sm_value *slots = sm_payload(array);
    const uint8_t *listed = epoch_block_of(array)->chunks + epoch_chunk_count(array->payload_bytes);
    for (int round = 0; round < 2; round++) {
        collect_young(&graph);
        for (size_t chunk = 0; chunk < 20; chunk += 3)
            for (size_t i = 0; i < EPOCH_CHUNK_ELEMENTS; i += EPOCH_CHUNK_ELEMENTS - 1) {
                sm_store(graph.mm, array, slots + chunk * EPOCH_CHUNK_ELEMENTS + i, value_of(node_new(&graph, i)));
                assert_true(is_armed(array));
                assert_int_equal(listed[chunk], 1);
                assert_int_equal(remembered(&graph)->count, 2 * (chunk / 3 + 1)); /* pairs */
            }
        collect_young(&graph);
        for (size_t chunk = 0; chunk < 20; chunk++)
            assert_int_equal(listed[chunk], 0);
    }
    graph_close(&graph);
}

/* ---- The barrier word. ---- */

/* Whatever else is in it: nothing at all is the fast path; a bit of the first byte wants all; the armed one asks the owner. */
static void test_R10_which_stores_are_slow(void **state)
{
    struct graph graph;
    static const uint32_t every[] = {0, SM_BARRIER_POLICY, SM_BARRIER_PUBLISH, SM_BARRIER_CHECK, SM_BARRIER_EVERY};
    (void)state;
    stages_open(&graph, stages_policies[0]);
    struct node *node = graph.roots[0] = node_new(&graph, 1);
    struct sm_hot *hot = sm_hot(graph.mm);
    uint32_t before = hot->barrier;
    for (int is_old = 0; is_old < 2; is_old++) {
        for (size_t i = 0; i < sizeof(every) / sizeof(every[0]); i++) {
            hot->barrier = every[i];
            assert_int_equal(sm_store_is_slow(graph.mm, &node->header), every[i] != 0);
            hot->barrier = every[i] | SM_BARRIER_ARMED;
            assert_int_equal(sm_store_is_slow(graph.mm, &node->header), every[i] != 0 || is_old != 0);
        }
        hot->barrier = before;
        collect_young(&graph);
    }
    graph_close(&graph);
}

/* Without young cycles and outside of marking stores are stores; each of the two turns its own bit on and off. */
static void test_the_barrier_is_on_only_while_somebody_wants_it(void **state)
{
    static const uint32_t young_bits[STAGES_POLICIES] = {SM_BARRIER_ARMED, 0};
    const uint32_t ours = SM_BARRIER_POLICY | SM_BARRIER_ARMED;
    (void)state;
    for (size_t p = 0; p < STAGES_POLICIES; p++) {
        struct graph graph;
        stages_open(&graph, stages_policies[p]);
        graph.roots[0] = node_new(&graph, 1);
        const struct sm_hot *hot = sm_hot(graph.mm);
        assert_int_equal(hot->barrier & ours, young_bits[p]);
        start_cycle(&graph);
        assert_int_equal(hot->barrier & ours, young_bits[p] | SM_BARRIER_POLICY);
        go_to(&graph, EPOCH_STAGE_CLEARING);
        assert_int_equal(hot->barrier & ours, young_bits[p]);
        finish_cycle(&graph);
        assert_int_equal(hot->barrier & ours, young_bits[p]);
        graph_close(&graph);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R8_the_marker_claims_whatever_the_program_has_not),
        cmocka_unit_test(test_R8_a_chunk_is_claimed_unless_it_carries_the_colour_of_this_cycle),
        cmocka_unit_test(test_R8_the_first_write_logs_the_old_slots_and_claims_the_object),
        cmocka_unit_test(test_R8_what_the_marker_has_read_is_written_freely),
        cmocka_unit_test(test_what_was_made_since_the_snapshot_is_written_freely_and_passed_over),
        cmocka_unit_test(test_R8_the_program_waits_while_the_slots_are_being_read),
        cmocka_unit_test(test_R8_the_program_waits_while_the_chunk_is_being_read),
        cmocka_unit_test(test_R8_a_claim_that_is_lost_is_noticed),
        cmocka_unit_test(test_R8_two_threads_read_each_object_once_and_whole),
        cmocka_unit_test(test_R10_the_first_store_to_an_old_object_remembers_it_until_the_next_young_cycle),
        cmocka_unit_test(test_R10_of_a_large_array_chunks_are_remembered_once_each),
        cmocka_unit_test(test_R10_which_stores_are_slow),
        cmocka_unit_test(test_the_barrier_is_on_only_while_somebody_wants_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
