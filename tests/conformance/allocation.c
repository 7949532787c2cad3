/** G01 to G09: what an allocation is, what it counts, and what happens when memory is refused. */
#include "conformance.h"

#include <stdlib.h>
#include <string.h>

static const size_t sizes[] = {0,   1,   8,    15,   16,   17,   56,    160,    255,    256,
                               257, 320, 3071, 3072, 3073, 4096, 65536, 200000, 3000000};
enum { SIZE_COUNT = sizeof(sizes) / sizeof(sizes[0]) };

static void fill(struct sm_object *object, unsigned char pattern)
{
    memset(sm_payload(object), pattern, (size_t)object->payload_bytes);
}

static void assert_filled(const struct sm_object *object, size_t byte_count, unsigned char pattern)
{
    const unsigned char *bytes = sm_payload_const(object);
    for (size_t i = 0; i < byte_count; i++)
        assert_int_equal(bytes[i], pattern);
}

static void objects_are_aligned_and_zeroed(struct fixture *fixture)
{
    for (int round = 0; round < 3; round++)
        for (size_t i = 0; i < SIZE_COUNT; i++) {
            struct sm_object *object = sm_alloc(fixture->mm, SM_TYPE_VALUES, sizes[i]);
            assert_non_null(object);
            assert_int_equal((uintptr_t)object % SM_ALIGNMENT, 0);
            assert_int_equal(object->payload_bytes, sizes[i]);
            assert_int_equal(object->type, SM_TYPE_VALUES);
            assert_filled(object, sizes[i], 0);
        }
}

static void payloads_do_not_overlap(struct fixture *fixture)
{
    struct sm_object *objects[SIZE_COUNT];
    for (size_t i = 0; i < SIZE_COUNT; i++) {
        objects[i] = sm_alloc_leaf(fixture->mm, SM_TYPE_BYTES, sizes[i]);
        assert_non_null(objects[i]);
        fill(objects[i], (unsigned char)(i + 1));
    }
    for (size_t i = 0; i < SIZE_COUNT; i++) {
        assert_int_equal(objects[i]->payload_bytes, sizes[i]);
        assert_filled(objects[i], sizes[i], (unsigned char)(i + 1));
    }
}

static void clock_counts_payloads_and_growth(struct fixture *fixture)
{
    struct sm_stats before, after;
    sm_stats_get(fixture->mm, &before);
    struct sm_object *object = sm_alloc(fixture->mm, SM_TYPE_VALUES, 100);
    sm_alloc_leaf(fixture->mm, SM_TYPE_BYTES, 5000);
    object = sm_resize(fixture->mm, object, 180);
    assert_non_null(object);
    object = sm_resize(fixture->mm, object, 20);
    assert_non_null(object);
    sm_stats_get(fixture->mm, &after);
    assert_int_equal(after.alloc_bytes - before.alloc_bytes, 100 + 5000 + 80);
    assert_int_equal(after.alloc_count - before.alloc_count, 2);
    assert_int_equal(after.resize_count - before.resize_count, 2);
}

static void resize_keeps_content(struct fixture *fixture)
{
    struct sm_object *object = sm_alloc(fixture->mm, SM_TYPE_VALUES, 48);
    for (size_t bytes = 48; bytes < 100000; bytes = bytes * 3 / 2) {
        fill(object, 0x5a);
        struct sm_object *grown = sm_resize(fixture->mm, object, bytes + 40);
        assert_non_null(grown);
        assert_int_equal(grown->type, SM_TYPE_VALUES);
        assert_int_equal(grown->payload_bytes, bytes + 40);
        assert_filled(grown, (size_t)(bytes < 48 ? 48 : bytes), 0x5a);
        const unsigned char *tail = (const unsigned char *)sm_payload_const(grown) + bytes;
        for (size_t i = 0; i < 40; i++)
            assert_int_equal(tail[i], 0);
        object = sm_resize(fixture->mm, grown, bytes * 3 / 2);
        assert_non_null(object);
    }
}

static void absurd_sizes_are_refused(struct fixture *fixture)
{
    assert_null(sm_alloc(fixture->mm, SM_TYPE_VALUES, SM_PAYLOAD_MAX + 1));
    assert_int_equal(sm_error_status(fixture->mm), SM_ERR_INVALID_ARGUMENT);
    assert_null(sm_alloc_leaf(fixture->mm, SM_TYPE_BYTES, SIZE_MAX));
    assert_int_equal(sm_error_status(fixture->mm), SM_ERR_INVALID_ARGUMENT);
    assert_non_null(sm_alloc(fixture->mm, SM_TYPE_VALUES, 64));
}

static void limit_is_an_error_and_the_heap_stays_usable(struct fixture *fixture)
{
    fixture_reopen(fixture, &(struct sm_config){.memory_limit_bytes = 8 << 20, .sapi = SM_SAPI_FPM});
    assert_int_equal(sm_request_begin(fixture->mm), SM_OK);
    struct node *chain = NULL;
    for (uint64_t id = 0;; id++) {
        struct node *node = (struct node *)sm_alloc(fixture->mm, fixture->node_type, 4096);
        if (node == NULL)
            break;
        node->id = id;
        node_link_take(fixture, node, 0, chain);
        chain = fixture->roots[0] = node;
        assert_true(id < 10000);
    }
    assert_int_equal(sm_error_status(fixture->mm), SM_ERR_OUT_OF_MEMORY);
    assert_non_null(strstr(sm_error_detail(fixture->mm), "limit"));
    struct sm_stats stats;
    sm_stats_get(fixture->mm, &stats);
    assert_true(stats.committed_bytes <= (8 << 20));
    uint64_t expected = chain == NULL ? 0 : chain->id;
    for (struct node *node = chain; node != NULL; node = node_edge(node, 0))
        assert_int_equal(node->id, expected--);
    node_root(fixture, 0, NULL);
    assert_int_equal(sm_request_end(fixture->mm), SM_OK);
    sm_safepoint(fixture->mm); /* until here the chain counts as held by C locals */
    if (fixture->capabilities & (SM_CAP_COLLECT | SM_CAP_BULK_FREE)) {
        assert_int_equal(sm_request_begin(fixture->mm), SM_OK);
        for (int i = 0; i < 500; i++) {
            struct node *node = (struct node *)sm_alloc(fixture->mm, fixture->node_type, 4096);
            assert_non_null(node);
            node_drop(fixture, node);
        }
        assert_int_equal(sm_request_end(fixture->mm), SM_OK);
    }
}

/** A small mixed program; false when an allocation was refused. */
static bool small_program(struct fixture *fixture)
{
    for (unsigned i = 0; i < 600; i++) {
        struct node *node =
            (struct node *)sm_alloc(fixture->mm, fixture->node_type, i % 7 == 0 ? 9000 : NODE_PAYLOAD_BYTES);
        if (node == NULL)
            return false;
        node->id = i;
        node_link(fixture, node, 0, fixture->roots[i % 8]);
        node_link(fixture, node, 1, fixture->roots[(i + 3) % 8]);
        node_root(fixture, i % 8, node);
        if (i % 50 == 0)
            node_root(fixture, i % 8, NULL);
        if (i % 20 == 0 && sm_alloc_bytes(fixture->mm, 70000) == NULL)
            return false;
        sm_safepoint(fixture->mm);
    }
    return true;
}

static void every_refused_allocation_is_survived(struct fixture *fixture)
{
    bool clean = false;
    for (uint64_t nth = 1; !clean; nth = nth < 40 ? nth + 1 : nth * 3 / 2) {
        fixture_reopen(fixture, &(struct sm_config){.fail_alloc_after = nth, .threshold_bytes = 64 << 10});
        clean = small_program(fixture);
        if (!clean) {
            assert_int_equal(sm_error_status(fixture->mm), SM_ERR_OUT_OF_MEMORY);
            assert_true(small_program(fixture)); /* the fault fires once: the heap is usable after it */
        }
        for (size_t i = 0; i < ROOTS_MAX; i++)
            assert_true(fixture->roots[i] == NULL || fixture->roots[i]->id < 600);
        struct sm_stats stats;
        sm_stats_get(fixture->mm, &stats);
        if (stats.alloc_count >= 600 && nth > 2000)
            clean = true;
    }
}

static void statistics_agree_with_each_other(struct fixture *fixture)
{
    assert_true(small_program(fixture));
    struct sm_stats stats;
    sm_stats_get(fixture->mm, &stats);
    assert_true(stats.committed_bytes >= stats.live_bytes);
    assert_true(stats.peak_committed_bytes >= stats.committed_bytes);
    assert_true(stats.peak_live_bytes >= stats.live_bytes);
    assert_true(stats.peak_backlog_bytes >= stats.backlog_bytes);
    assert_true(stats.live_bytes + stats.retired_bytes <= stats.alloc_bytes);
    assert_true(stats.policy_bytes >= stats.alloc_count * SM_HEADER_BYTES);
    assert_true(stats.reclaimed_objects <= stats.retired_objects);
    if ((fixture->capabilities & (SM_CAP_COLLECT | SM_CAP_FREE)) == 0)
        assert_int_equal(stats.live_objects, stats.alloc_count);
}

static void barriers_and_counting_are_as_declared(struct fixture *fixture)
{
    const struct sm_hot *hot = sm_hot(fixture->mm);
    if ((hot->barrier & SM_BARRIER_POLICY) != 0)
        assert_true(fixture->capabilities & SM_CAP_BARRIER);
    assert_int_equal(hot->barrier & SM_BARRIER_PUBLISH, 0); /* nobody observes yet */
    assert_int_equal(hot->counted_tags, (fixture->capabilities & SM_CAP_COUNTS) != 0 ? SM_TAG_HEAP : 0);
    node_drop(fixture, node_new(fixture, 1)); /* the first allocation may open the heap */
    assert_int_equal(hot->size_class_of != NULL, fixture->ops->form == SM_FORM_LISTS);
}

const struct conformance_test allocation_tests[] = {
    {"G01_objects_are_aligned_and_zeroed", objects_are_aligned_and_zeroed, 0},
    {"G02_payloads_do_not_overlap", payloads_do_not_overlap, 0},
    {"G03_clock_counts_payloads_and_growth", clock_counts_payloads_and_growth, 0},
    {"G04_resize_keeps_content", resize_keeps_content, 0},
    {"G05_absurd_sizes_are_refused", absurd_sizes_are_refused, 0},
    {"G06_limit_is_an_error_and_the_heap_stays_usable", limit_is_an_error_and_the_heap_stays_usable, 0},
    {"G07_every_refused_allocation_is_survived", every_refused_allocation_is_survived, 0},
    {"G08_statistics_agree_with_each_other", statistics_agree_with_each_other, 0},
    {"G09_barriers_and_counting_are_as_declared", barriers_and_counting_are_as_declared, 0},
    {NULL, NULL, 0},
};
