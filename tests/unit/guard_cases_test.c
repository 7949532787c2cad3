/**
 * The cases of crossbeam-epoch's collector tests (crossbeam-epoch/src/collector.rs) that no other file has, put to
 * our guards and batches: what is buffered, what drains it, what holds it back, and that each object is given back
 * exactly once. In every flavour and with either back-end of reclamation.
 */
#include "epoch_variants.h"
#include "test_scale.h"

#include "sapimem/extension.h"

enum { FLUSHES = 4, BUFFERED = 10, EPOCHS = 1000, ELEMENTS = 1000, LARGE_SLOTS = 1 << 18 };

/* ---- Buffering and flushing. ---- */

static void flush_the_open_batch(struct graph *graph)
{
    const struct epoch_policy *epoch = graph_epoch(graph);
    struct sm_guard *guard = sm_owner_guard(graph->mm);
    for (uint64_t round = 1; round <= FLUSHES; round++) {
        sm_pin(guard, SM_HERE);
        graph_retire_one(graph);
        assert_int_equal(epoch->open.object_count, 1);
        assert_int_equal(sm_quiesce(graph->mm), SM_OK);
        assert_int_equal(epoch->open.object_count, 0);
        assert_int_equal(graph_stats(graph).reclaimed_objects, round);
        assert_int_equal(sm_guard_depth(guard), 1);
        sm_unpin(guard);
    }
}

/* flush_local_bag */
static void test_R2_a_drain_flushes_the_open_batch_though_the_owner_is_pinned(void **state)
{
    (void)state;
    in_every_variant(flush_the_open_batch);
}

static void buffer_under_a_guard(struct graph *graph)
{
    const struct epoch_policy *epoch = graph_epoch(graph);
    uint64_t sealed_before = graph_sealed_batches(graph);
    sm_pin(sm_owner_guard(graph->mm), SM_HERE);
    for (int i = 0; i < BUFFERED; i++)
        graph_retire_one(graph);
    assert_int_equal(graph_reclaimed_after_a_while(graph), 0);
    assert_int_equal(epoch->open.object_count, BUFFERED);
    assert_int_equal(graph_stats(graph).backlog_bytes, epoch->open.room_bytes);
    assert_int_equal(graph_sealed_batches(graph), sealed_before);
    sm_unpin(sm_owner_guard(graph->mm));
    assert_int_equal(epoch->open.object_count, 0);
    assert_int_equal(graph_sealed_batches(graph), sealed_before + 1); /* one grace period serves them all */
    assert_true(graph_reclaims(graph, BUFFERED));
    assert_int_equal(graph_stats(graph).reclaimed_objects, BUFFERED);
}

/* garbage_buffering, buffering */
static void test_R2_retired_objects_are_buffered_into_one_batch_while_the_owner_is_pinned(void **state)
{
    (void)state;
    in_every_variant(buffer_under_a_guard);
}

static void overfill_under_a_guard(struct graph *graph)
{
    uint64_t sealed_before = graph_sealed_batches(graph);
    sm_pin(sm_owner_guard(graph->mm), SM_HERE);
    uint64_t count = 0;
    for (; graph_stats(graph).backlog_bytes < 3 * EPOCH_OPEN_BATCH_BYTES; count++)
        graph_retire_one(graph);
    assert_true(graph_sealed_batches(graph) >= sealed_before + 2);
    assert_true(graph_epoch(graph)->open.room_bytes < EPOCH_OPEN_BATCH_BYTES);
    assert_int_equal(graph_stats(graph).reclaimed_objects, 0);
    sm_unpin(sm_owner_guard(graph->mm));
    assert_true(graph_reclaims(graph, count));
    assert_int_equal(graph_stats(graph).reclaimed_objects, count);
}

static void test_R6_a_full_batch_is_sealed_before_the_guard_ends_and_still_waits_for_it(void **state)
{
    (void)state;
    in_every_variant(overfill_under_a_guard);
}

/* ---- Holding back. ---- */

static void hold_back_while_the_epoch_moves(struct graph *graph)
{
    struct sm_manager *mm = graph->mm;
    struct reader reader;
    struct sm_guard_report before, after;
    sm_status status = SM_ERR_GUARD_HELD;
    reader_start(&reader, mm);
    reader_do(&reader, READER_PIN);
    assert_int_equal(sm_guard_reports(mm, &before, 1), 1);
    for (int i = 0; i < EPOCHS; i++) {
        sm_pin(sm_owner_guard(mm), SM_HERE);
        graph_retire_one(graph);
        sm_unpin(sm_owner_guard(mm));
    }
    assert_true(sm_epoch_current(mm) >= before.pinned_epoch + EPOCHS);
    assert_int_equal(graph_reclaimed_in_vain(graph, &status), 0);
    assert_int_equal(status, SM_ERR_GUARD_HELD);
    assert_int_equal(sm_guard_reports(mm, &after, 1), 1);
    assert_int_equal(after.pinned_epoch, before.pinned_epoch);
    assert_int_equal(after.backlog_bytes, graph_stats(graph).backlog_bytes);
    reader_do(&reader, READER_UNPIN);
    assert_true(graph_reclaims(graph, EPOCHS));
    assert_int_equal(graph_stats(graph).backlog_bytes, 0);
    reader_stop(&reader);
}

/* pin_holds_advance. There the pin holds the epoch back; here epochs are tags, and what it holds back is reclamation. */
static void test_R2_a_pin_holds_reclamation_back_however_far_the_epoch_moves(void **state)
{
    (void)state;
    in_every_variant(hold_back_while_the_epoch_moves);
}

static void leave_and_come_back(struct graph *graph)
{
    struct reader first, second;
    reader_start(&first, graph->mm);
    reader_start(&second, graph->mm);
    reader_do(&first, READER_PIN);
    graph_retire_one(graph);
    reader_do(&first, READER_UNPIN);
    reader_stop(&first);
    assert_true(graph_reclaims(graph, 1));
    reader_do(&second, READER_PIN);
    graph_retire_one(graph);
    reader_start(&first, graph->mm); /* a later guard: it neither ends nor prolongs the wait for the second one */
    reader_do(&first, READER_PIN);
    reader_do(&first, READER_UNPIN);
    reader_stop(&first);
    sm_status status = SM_ERR_GUARD_HELD;
    assert_int_equal(graph_reclaimed_in_vain(graph, &status), 1);
    assert_int_equal(status, SM_ERR_GUARD_HELD);
    reader_do(&second, READER_UNPIN);
    reader_stop(&second);
    assert_true(graph_reclaims(graph, 2));
}

static void test_R2_an_observer_that_left_holds_nothing_back_and_ends_no_other_guard(void **state)
{
    (void)state;
    in_every_variant(leave_and_come_back);
}

/* The guard under which something was borrowed lasts longer than the handle, the object's only root. */
static void outlive_the_handle(struct graph *graph)
{
    struct sm_manager *mm = graph->mm;
    struct reader reader;
    reader_start(&reader, mm);
    sm_scope scope = sm_scope_open(mm);
    struct node *node = node_new(graph, 77);
    sm_handle local = sm_alloc_value(mm, sm_value_from_object(&node->header, 1));
    sm_handle handle = sm_handle_persist(mm, local);
    assert_int_equal(sm_scope_close(mm, scope), SM_OK);
    graph_collect(graph);
    assert_true(graph_is_valid(graph, node));
    reader_do(&reader, READER_PIN);
    assert_int_equal(sm_handle_release(mm, handle), SM_OK);
    graph_collect(graph);
    assert_false(graph_is_valid(graph, node));
    assert_int_equal(graph_reclaimed_after_a_while(graph), 0);
    assert_true(node_is_intact(node)); /* looked at in the observer's stead */
    reader_do(&reader, READER_UNPIN);
    assert_true(graph_reclaims(graph, 1));
    reader_stop(&reader);
}

/* A guard that outlives its handle. What outlives a registration instead is refused: guard_misuse_test.c. */
static void test_R2_a_guard_outlives_the_handle_of_what_was_borrowed_under_it(void **state)
{
    (void)state;
    in_every_variant(outlive_the_handle);
}

/* ---- Given back exactly once. ---- */

/* Each has a size of its own, so that one given back twice in place of another would show in the bytes. */
static uint64_t drop_of_every_size(struct graph *graph, uint64_t count)
{
    uint64_t payload_bytes = 0;
    for (uint64_t i = 0; i < count; i++) {
        struct node *node = node_try(graph, graph->node_type, i, i);
        assert_non_null(node);
        payload_bytes += node->header.payload_bytes;
        if (i % 2 == 0)
            sm_retire(graph->mm, &node->header);
    }
    graph_collect(graph);
    return payload_bytes;
}

static void count_everything(struct graph *graph)
{
    const uint64_t count = test_scale(5000, 4500, 4200); /* more than the reclaimer gives back in one slice */
    uint64_t committed_bytes[2];
    for (uint64_t round = 0; round < 2; round++) {
        uint64_t bytes_before = graph_stats(graph).reclaimed_bytes;
        uint64_t payload_bytes = drop_of_every_size(graph, count);
        assert_true(graph_reclaims(graph, (round + 1) * count));
        assert_int_equal(sm_quiesce(graph->mm), SM_OK);
        struct sm_stats stats = graph_stats(graph);
        assert_int_equal(stats.reclaimed_objects, (round + 1) * count);
        assert_int_equal(stats.retired_objects, (round + 1) * count);
        assert_int_equal(stats.reclaimed_bytes - bytes_before, payload_bytes);
        assert_int_equal(stats.live_objects, 0);
        assert_int_equal(stats.backlog_bytes, 0);
        committed_bytes[round] = stats.committed_bytes;
    }
    assert_int_equal(committed_bytes[0], committed_bytes[1]);
}

/* count_drops, count_destroy, incremental */
static void test_R2_each_retired_object_is_given_back_exactly_once(void **state)
{
    (void)state;
    in_every_variant(count_everything);
}

struct element {
    struct sm_object header;
    uint64_t id;
};

static void element_destructor(struct sm_manager *mm, struct sm_object *object, void *context)
{
    (void)mm;
    uint32_t *destroyed = context;
    destroyed[((struct element *)object)->id]++;
}

/* An array in roots[0] whose elements have destructors. */
static void array_of_elements(struct graph *graph, uint32_t *destroyed)
{
    const struct sm_type type = {.name = "element", .finalize = element_destructor, .context = destroyed};
    sm_type_id id;
    assert_int_equal(sm_type_register(graph->mm, &type, &id), SM_OK);
    struct sm_object *array = sm_alloc(graph->mm, SM_TYPE_VALUES, ELEMENTS * sizeof(struct sm_value));
    assert_non_null(array);
    graph->roots[0] = (struct node *)array;
    for (uint64_t i = 0; i < ELEMENTS; i++) {
        struct sm_object *object = sm_alloc(graph->mm, id, sizeof(uint64_t));
        assert_non_null(object);
        ((struct element *)object)->id = i;
        assert_int_equal(sm_finalizer_register(graph->mm, object), SM_OK);
        struct sm_value *slots = sm_payload(array);
        sm_store(graph->mm, array, &slots[i], sm_value_from_object(object, 1));
    }
}

static void drop_an_array(struct graph *graph)
{
    uint32_t destroyed[ELEMENTS] = {0};
    array_of_elements(graph, destroyed);
    graph_collect(graph);
    for (size_t i = 0; i < ELEMENTS; i++)
        assert_int_equal(destroyed[i], 0);
    graph->roots[0] = NULL;
    for (int round = 0; round < 2; round++) {
        assert_int_equal(sm_quiesce(graph->mm), SM_OK);
        for (size_t i = 0; i < ELEMENTS; i++)
            assert_int_equal(destroyed[i], 1);
        assert_int_equal(graph_stats(graph).destructors_run, ELEMENTS);
        assert_int_equal(graph_stats(graph).reclaimed_objects, ELEMENTS + 1);
    }
}

/* drop_array, destroy_array */
static void test_R5_an_array_and_each_of_its_elements_end_exactly_once(void **state)
{
    (void)state;
    in_every_variant(drop_an_array);
}

static uint64_t slot_pattern(size_t slot)
{
    return (uint64_t)slot * UINT64_C(0x9E3779B97F4A7C15);
}

static bool array_is_intact(const struct sm_object *array, size_t slot_count)
{
    const struct sm_value *slots = sm_payload_const(array);
    for (size_t i = 0; i < slot_count; i++) {
        if (slots[i].payload != slot_pattern(i) || slots[i].tag != 1)
            return false;
    }
    return true;
}

/* To what there was, or less; the thread does so where nobody waits for it. */
static bool graph_gives_back_to(struct graph *graph, uint64_t committed_bytes)
{
    enum { GIVE_BACK_MS = 20000 };
    for (int ms = 0; ms < GIVE_BACK_MS && graph_stats(graph).committed_bytes > committed_bytes; ms++)
        sleep_ms(1);
    return graph_stats(graph).committed_bytes <= committed_bytes;
}

static void hold_a_large_array(struct graph *graph)
{
    const size_t slot_count = (size_t)test_scale(LARGE_SLOTS, LARGE_SLOTS / 2, LARGE_SLOTS / 4);
    struct reader reader;
    reader_start(&reader, graph->mm);
    graph_retire_one(graph); /* what the table of objects keeps, it keeps from here on */
    assert_true(graph_reclaims(graph, 1));
    assert_int_equal(sm_quiesce(graph->mm), SM_OK);
    uint64_t committed_bytes = graph_stats(graph).committed_bytes;
    struct sm_object *array = sm_alloc(graph->mm, SM_TYPE_VALUES, slot_count * sizeof(struct sm_value));
    assert_non_null(array);
    struct sm_value *slots = sm_payload(array);
    for (size_t i = 0; i < slot_count; i++)
        sm_store(graph->mm, array, &slots[i], (struct sm_value){slot_pattern(i), 1});
    reader_do(&reader, READER_PIN);
    sm_retire(graph->mm, array);
    assert_int_equal(graph_reclaimed_after_a_while(graph), 1);
    assert_true(graph_stats(graph).backlog_bytes >= slot_count * sizeof(struct sm_value));
    assert_true(array_is_intact(array, slot_count)); /* looked at in the observer's stead */
    reader_do(&reader, READER_UNPIN);
    assert_true(graph_reclaims(graph, 2));
    assert_int_equal(sm_quiesce(graph->mm), SM_OK);
    /* Blocks go back to the system when so many cycles have not needed them. */
    for (unsigned i = 0; i < 2 * EPOCH_TRIM_CYCLES; i++) {
        graph_collect(graph);
        assert_int_equal(sm_quiesce(graph->mm), SM_OK);
    }
    assert_true(graph_gives_back_to(graph, committed_bytes));
    reader_stop(&reader);
}

static void test_R2_a_large_array_stays_whole_until_the_guard_ends_and_then_its_memory_is_back(void **state)
{
    (void)state;
    in_every_variant(hold_a_large_array);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R2_a_drain_flushes_the_open_batch_though_the_owner_is_pinned),
        cmocka_unit_test(test_R2_retired_objects_are_buffered_into_one_batch_while_the_owner_is_pinned),
        cmocka_unit_test(test_R6_a_full_batch_is_sealed_before_the_guard_ends_and_still_waits_for_it),
        cmocka_unit_test(test_R2_a_pin_holds_reclamation_back_however_far_the_epoch_moves),
        cmocka_unit_test(test_R2_an_observer_that_left_holds_nothing_back_and_ends_no_other_guard),
        cmocka_unit_test(test_R2_a_guard_outlives_the_handle_of_what_was_borrowed_under_it),
        cmocka_unit_test(test_R2_each_retired_object_is_given_back_exactly_once),
        cmocka_unit_test(test_R5_an_array_and_each_of_its_elements_end_exactly_once),
        cmocka_unit_test(test_R2_a_large_array_stays_whole_until_the_guard_ends_and_then_its_memory_is_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
