/**
 * When memory of the epoch policy's heap is used again: beside a sweep, after a grace period and not before (R2), and where
 * no list had room for what was retired by hand.
 */
#include "epoch_heap_steps.h"

/* ---- The collector's thread marks and sweeps while the owner uses the same blocks. ---- */

enum { SWEPT_OBJECTS = 30000, SWEPT_KEPT = 3 };

/* Of each three objects one survives; of these every second is retired by hand, and its room used, as soon as may be. */
static void retire_survivors(struct model *model, const uint32_t *kept, size_t kept_count)
{
    for (size_t i = 0; i < kept_count; i++) {
        if (i % 2 == 0)
            continue;
        struct sm_value *slot = (struct sm_value *)sm_payload(model->root_objects[0]) + kept[i];
        struct sm_object *object = sm_value_object(*slot);
        sm_store(model->mm, model->root_objects[0], slot, (struct sm_value){0, 0});
        sm_retire(model->mm, object);
        (void)sm_alloc_leaf(model->mm, SM_TYPE_BYTES, 3000);
        if (i % 64 == 1)
            sm_safepoint(model->mm);
    }
}

static void make_survivors(struct model *model, uint32_t *kept)
{
    model->root_objects[0] = sm_alloc(model->mm, SM_TYPE_VALUES, SWEPT_OBJECTS * sizeof(struct sm_value));
    for (uint32_t i = 0; i < SWEPT_OBJECTS; i++) {
        struct sm_object *object = sm_alloc_leaf(model->mm, SM_TYPE_BYTES, 40);
        struct sm_value *slot = (struct sm_value *)sm_payload(model->root_objects[0]) + i;
        if (i % SWEPT_KEPT == 0)
            sm_store(model->mm, model->root_objects[0], slot, sm_value_from_object(object, 1));
        kept[i / SWEPT_KEPT] = i / SWEPT_KEPT * SWEPT_KEPT;
    }
}

static enum epoch_stage stage_of(const struct model *model)
{
    return epoch_of_base(model->mm->policy)->beside.stage;
}

static void pass_safepoint(struct model *model)
{
    sm_attention_request(model->mm);
    sm_safepoint(model->mm);
}

/* What they hold is swept from a cycle that has come to `stage` on. */
static void churn_from(struct model *model, enum epoch_stage stage)
{
    static uint32_t kept[SWEPT_OBJECTS];
    struct epoch_policy *epoch = epoch_of_base(model->mm->policy);
    make_survivors(model, kept);
    assert_int_equal(sm_cycle_run(model->mm, SM_COLLECT_FULL, SM_TRIGGER_THRESHOLD), SM_OK);
    while (stage_of(model) != EPOCH_STAGE_NONE && stage_of(model) < stage)
        pass_safepoint(model);
    retire_survivors(model, kept, SWEPT_OBJECTS / SWEPT_KEPT);
    while (stage_of(model) != EPOCH_STAGE_NONE)
        pass_safepoint(model);
    epoch_beside_sweep_leftovers(epoch); /* so that granules and counts of all blocks are compared */
    assert_true(epoch_heap_is_consistent(&epoch->heap));
}

static void churn(const char *policy, enum sm_collector_threads threads)
{
    static struct model model;
    open_model(&model, &(struct sm_config){.policy = policy, .pacing = "fixed:1G", .collector_threads = threads}, 1);
    for (size_t round = 0; round < test_scale(4, 3, 2); round++)
        for (int stage = EPOCH_STAGE_MARKING; stage <= EPOCH_STAGE_SWEEPING; stage++)
            churn_from(&model, (enum epoch_stage)stage);
    assert_true(model.beside_count != 0);
    close_model(&model);
}

static void test_survivors_are_retired_and_reused_while_their_blocks_are_marked_and_swept(void **state)
{
    (void)state;
    churn("epoch:reclaim=thread,debug=none", SM_COLLECTOR_THREADS_ONE);
    churn("epoch:reclaim=thread,debug=poison", SM_COLLECTOR_THREADS_ONE);
    churn("epoch:reclaim=thread,young=never,debug=none", SM_COLLECTOR_THREADS_ONE);
    churn("epoch:reclaim=inline,young=always,debug=poison", SM_COLLECTOR_THREADS_NONE);
}

/* ---- R2, and its control: memory that is reused before its grace period. ---- */

enum { CONDEMNED = 2000, CONDEMNED_BYTES = 100 };

/* Whether anything is allocated where something died that a reader may still look at. Large ones too. */
static bool reuses_under_a_guard(struct graph *graph, struct reader *reader)
{
    static uintptr_t gone[CONDEMNED];
    bool is_reused = false;
    for (size_t i = 0; i < CONDEMNED; i++)
        gone[i] = (uintptr_t)node_try(graph, graph->node_type, i, i % 100 == 0 ? 50 * KIB : CONDEMNED_BYTES);
    reader_do(reader, READER_PIN);
    for (size_t i = 0; i < CONDEMNED; i += 3)
        sm_retire(graph->mm, (struct sm_object *)gone[i]);
    (void)sm_collect(graph->mm, SM_COLLECT_FULL);
    sleep_ms(20);
    for (size_t i = 0; i < CONDEMNED; i++) {
        uintptr_t fresh = (uintptr_t)node_try(graph, graph->node_type, i, i % 100 == 0 ? 50 * KIB : CONDEMNED_BYTES);
        for (size_t n = 0; n < CONDEMNED; n++)
            is_reused = is_reused || fresh == gone[n];
    }
    reader_do(reader, READER_UNPIN);
    return is_reused;
}

static void expect_no_reuse(struct graph *graph, struct reader *reader)
{
    assert_false(reuses_under_a_guard(graph, reader));
    assert_true(epoch_heap_is_consistent(&graph_epoch(graph)->heap));
}

static void test_R2_nothing_is_allocated_where_something_died_under_a_guard_that_lasts(void **state)
{
    (void)state;
    with_reader_in_every_flavor(expect_no_reuse);
}

static void synchronize_without_waiting(void)
{
}

static void expect_reuse_without_grace(struct graph *graph, struct reader *reader)
{
    struct epoch_reclaimer *reclaimer = graph_epoch(graph)->reclaimer;
    const struct epoch_flavor *whole = reclaimer->flavor;
    struct epoch_flavor broken = *whole;
    broken.synchronize = synchronize_without_waiting;
    pthread_mutex_lock(&reclaimer->lock);
    reclaimer->flavor = &broken; /* the thread reads it after it has taken the lock for its first batch */
    pthread_mutex_unlock(&reclaimer->lock);
    assert_true(reuses_under_a_guard(graph, reader));
    assert_int_equal(sm_quiesce(graph->mm), SM_OK);
    pthread_mutex_lock(&reclaimer->lock);
    reclaimer->flavor = whole;
    pthread_mutex_unlock(&reclaimer->lock);
}

static void test_a_flavour_that_skips_the_grace_period_is_noticed(void **state)
{
    (void)state;
    with_reader_in_every_flavor(expect_reuse_without_grace);
}

/* ---- Retired by hand, without memory for a place in the list. ---- */

/* What retiring does then, for malloc does not fail on demand: the next cycle finds the object, and counts it once. */
static void test_an_object_whose_retirement_no_list_had_room_for_is_reclaimed_once(void **state)
{
    struct graph graph;
    (void)state;
    graph_open_policy(&graph, "epoch:reclaim=inline");
    struct epoch_heap *heap = &graph_epoch(&graph)->heap;
    struct node *node = node_new(&graph, 1);
    sm_count_dead(graph.mm, 1, node->header.payload_bytes);
    sm_object_set_flags(&node->header, EPOCH_RETIRED);
    heap->unlisted_objects++;
    heap->unlisted_bytes += node->header.payload_bytes;
    for (int i = 0; i < 3; i++) {
        node_new(&graph, 2);
        assert_int_equal(sm_quiesce(graph.mm), SM_OK);
        struct sm_stats stats = graph_stats(&graph);
        assert_int_equal(stats.reclaimed_objects, stats.retired_objects);
        assert_int_equal(stats.reclaimed_bytes, stats.retired_bytes);
    }
    graph_close(&graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_survivors_are_retired_and_reused_while_their_blocks_are_marked_and_swept),
        cmocka_unit_test(test_R2_nothing_is_allocated_where_something_died_under_a_guard_that_lasts),
        cmocka_unit_test(test_a_flavour_that_skips_the_grace_period_is_noticed),
        cmocka_unit_test(test_an_object_whose_retirement_no_list_had_room_for_is_reclaimed_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
