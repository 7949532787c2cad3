/** Recording deaths under a policy that counts, and freeing by the record under policy malloc. */
#include "list_policy.h"
#include "manager_fixture.h"

#include "sapimem/alloc.h"
#include "sapimem/death_schedule.h"
#include "sapimem/extension.h"

#include <string.h>
#include <unistd.h>

/* ---- The two sides. ---- */

/* A run of one program, on either side. */
struct side {
    struct sm_manager *mm;
    struct sm_object *root; /**< what the program holds; a root */
    sm_type_id fragile;     /**< with a destructor */
    uint64_t destructors;
    uint64_t made_in_destructor; /**< objects that each destructor makes and drops */
    uint64_t live[16];           /**< live objects where the program looked */
    bool answers[64];
    size_t look_count, answer_count;
};

static void enumerate(void *context, struct sm_visitor *visitor)
{
    sm_visit_pointer(visitor, &((struct side *)context)->root);
}

static void finalize(struct sm_manager *mm, struct sm_object *object, void *context)
{
    struct side *side = context;
    (void)object;
    side->destructors++;
    for (uint64_t i = 0; i < side->made_in_destructor; i++)
        sm_value_drop(mm, sm_value_from_object(leaf_new(mm, 24), 0));
}

static void side_open(struct side *side, struct sm_config *config)
{
    side->mm = manager_open(config);
    const struct sm_root_provider provider = {"test", enumerate, side};
    const struct sm_type fragile = {.name = "fragile", .finalize = finalize, .context = side};
    assert_int_equal(sm_roots_register(side->mm, &provider), SM_OK);
    assert_int_equal(sm_type_register(side->mm, &fragile, &side->fragile), SM_OK);
}

static struct sm_object *block_new(struct side *side, size_t slots)
{
    struct sm_object *object = sm_alloc(side->mm, SM_TYPE_VALUES, slots * sizeof(struct sm_value));
    assert_non_null(object);
    return object;
}

static void drop(struct side *side, struct sm_object *object)
{
    sm_value_drop(side->mm, sm_value_from_object(object, 0));
}

static void look(struct side *side)
{
    side->live[side->look_count++] = manager_stats(side->mm).live_objects;
}

static void ask(struct side *side, bool answer, bool in_destructor)
{
    side->answers[side->answer_count++] = sm_sharing_answer(side->mm, answer, in_destructor);
}

typedef void program(struct side *side);

static struct sm_death_tape record(program *run, struct side *side)
{
    struct sm_death_tape tape;
    struct sm_death_recorder *recorder = NULL;
    struct sm_error error;
    assert_int_equal(sm_death_tape_create(&tape, &error), SM_OK);
    assert_int_equal(sm_death_recorder_create(&tape, &recorder, &error), SM_OK);
    side_open(side, &(struct sm_config){.custom_policy = &list_policy_ops, .death_recorder = recorder});
    run(side);
    assert_int_equal(sm_death_recorder_finish(recorder, &error), SM_OK);
    sm_manager_destroy(side->mm);
    sm_death_recorder_destroy(recorder);
    return tape;
}

static struct sm_death_totals replay(struct sm_death_tape tape, program *run, struct side *side, const char *policy)
{
    struct sm_death_schedule *schedule = NULL;
    struct sm_error error;
    assert_int_equal(sm_death_schedule_open(&tape, &schedule, &error), SM_OK);
    side_open(side, &(struct sm_config){.policy = policy, .death_schedule = schedule});
    run(side);
    sm_manager_destroy(side->mm);
    struct sm_death_totals totals = sm_death_schedule_totals(schedule);
    sm_death_schedule_close(schedule);
    sm_death_tape_close(&tape);
    return totals;
}

/* The program on both sides; what it saw is in the two. */
static struct sm_death_totals both(program *run, struct side *recorded, struct side *replayed)
{
    return replay(record(run, recorded), run, replayed, "malloc");
}

/* ---- Deaths. ---- */

static void drops_in_turn(struct side *side)
{
    struct sm_object *kept[8];
    for (int i = 0; i < 8; i++)
        kept[i] = leaf_new(side->mm, 40);
    look(side);
    for (int i = 0; i < 8; i += 2)
        drop(side, kept[i]);
    struct sm_object *next = leaf_new(side->mm, 40);
    look(side);
    memset(sm_payload(kept[1]), 1, 40);
    for (int i = 1; i < 8; i += 2)
        drop(side, kept[i]);
    drop(side, next);
    assert_int_equal(sm_quiesce(side->mm), SM_OK);
    look(side);
}

static void test_deaths_are_freed_before_the_next_birth_and_at_quiesce(void **state)
{
    (void)state;
    struct side recorded = {0}, replayed = {0};
    struct sm_death_totals totals = both(drops_in_turn, &recorded, &replayed);
    assert_int_equal(totals.births, 9);
    assert_int_equal(totals.deaths, 9);
    assert_int_equal(totals.traced_deaths, 0);
    const uint64_t expected[] = {8, 5, 0};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(recorded.live[i], expected[i]);
        assert_int_equal(replayed.live[i], expected[i]);
    }
}

/* Without its mark nothing tells the replay that the last deaths have happened. */
static void never_quiesces(struct side *side)
{
    drop(side, leaf_new(side->mm, 40));
    look(side);
}

static void test_a_death_after_the_last_birth_waits(void **state)
{
    (void)state;
    struct side recorded = {0}, replayed = {0};
    both(never_quiesces, &recorded, &replayed);
    assert_int_equal(recorded.live[0], 0);
    assert_int_equal(replayed.live[0], 1);
}

static void frees_itself(struct side *side)
{
    struct sm_object *first = leaf_new(side->mm, 40);
    struct sm_object *second = leaf_new(side->mm, 40);
    drop(side, second);
    sm_retire(side->mm, first);
    struct sm_object *third = leaf_new(side->mm, 40);
    struct sm_object *fourth = leaf_new(side->mm, 40);
    look(side);
    drop(side, third);
    struct sm_object *fifth = leaf_new(side->mm, 40);
    memset(sm_payload(fourth), 1, 40);
    look(side);
    drop(side, fourth);
    drop(side, fifth);
    assert_int_equal(sm_quiesce(side->mm), SM_OK);
    look(side);
}

static void test_what_the_program_frees_itself_is_freed_once(void **state)
{
    (void)state;
    struct side recorded = {0}, replayed = {0};
    both(frees_itself, &recorded, &replayed);
    const uint64_t expected[] = {2, 2, 0};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(recorded.live[i], expected[i]);
        assert_int_equal(replayed.live[i], expected[i]);
    }
}

/* From 40 to 4000 bytes: the list policy and malloc need not agree on whether it moves. */
static void grows(struct side *side)
{
    struct sm_object *string = leaf_new(side->mm, 40);
    for (size_t bytes = 56; bytes <= 4000; bytes += 56) {
        struct sm_object *grown = sm_resize(side->mm, string, bytes);
        assert_non_null(grown);
        if (grown != string)
            sm_retire(side->mm, string);
        string = grown;
        drop(side, leaf_new(side->mm, 8));
    }
    look(side);
    drop(side, string);
    drop(side, leaf_new(side->mm, 8));
    assert_int_equal(sm_quiesce(side->mm), SM_OK);
    look(side);
}

static void test_a_resized_object_keeps_its_identity(void **state)
{
    (void)state;
    struct side recorded = {0}, replayed = {0};
    struct sm_death_totals totals = both(grows, &recorded, &replayed);
    assert_int_equal(totals.births, totals.deaths);
    assert_int_equal(recorded.live[0], 1);
    assert_in_range(replayed.live[0], 1, 2);
    assert_int_equal(replayed.live[1], 0);
}

/* ---- Cycles. ---- */

static void makes_a_ring(struct side *side)
{
    struct sm_object *first = block_new(side, 1), *second = block_new(side, 2), *kept = leaf_new(side->mm, 8);
    sm_store_take(side->mm, second, sm_payload(second), sm_value_from_object(first, 0));
    sm_store_take(side->mm, first, sm_payload(first), sm_value_from_object(second, 0));
    sm_store_pointer(side->mm, second, (struct sm_value *)sm_payload(second) + 1, NULL);
    side->root = kept;
    sm_death_record_trace(side->mm);
    struct sm_object *next = leaf_new(side->mm, 8);
    look(side);
    drop(side, next);
    side->root = NULL;
    drop(side, kept);
    assert_int_equal(sm_quiesce(side->mm), SM_OK);
    look(side);
}

static void test_an_exact_trace_finds_what_counts_keep(void **state)
{
    (void)state;
    struct side recorded = {0}, replayed = {0};
    struct sm_death_totals totals = both(makes_a_ring, &recorded, &replayed);
    assert_int_equal(totals.traced_deaths, 2);
    assert_int_equal(totals.deaths, 4);
    /* The list policy has no cycles: there the ring stays. */
    assert_int_equal(recorded.live[0], 4);
    assert_int_equal(replayed.live[0], 2);
    assert_int_equal(recorded.live[1], 2);
    assert_int_equal(replayed.live[1], 0);
}

static void weakly_refers_to_a_ring(struct side *side)
{
    struct sm_object *ring = block_new(side, 1);
    struct sm_object *cell = sm_weak_make(side->mm, ring);
    side->root = cell;
    sm_store_take(side->mm, ring, sm_payload(ring), sm_value_from_object(ring, 0));
    sm_death_record_trace(side->mm);
    drop(side, leaf_new(side->mm, 8));
    side->answers[0] = sm_weak_get(side->mm, cell) == NULL;
}

static void test_R5_a_weak_cell_is_empty_once_its_target_is_recorded_dead(void **state)
{
    (void)state;
    struct side recorded = {0}, replayed = {0};
    both(weakly_refers_to_a_ring, &recorded, &replayed);
    assert_true(recorded.answers[0]);
    assert_true(replayed.answers[0]);
}

/* ---- Destructors. ---- */

static void drops_a_fragile_one(struct side *side)
{
    struct sm_object *fragile = sm_alloc_leaf(side->mm, side->fragile, 16);
    struct sm_object *other = leaf_new(side->mm, 40);
    assert_int_equal(sm_finalizer_register(side->mm, fragile), SM_OK);
    sm_value_copy(side->mm, sm_value_from_object(fragile, 0));
    sm_value_drop(side->mm, sm_value_from_object(fragile, 0));
    if (sm_counts_all(side->mm))
        sm_finalizer_run_now(side->mm, fragile);
    drop(side, fragile);
    drop(side, other);
    struct sm_object *next = leaf_new(side->mm, 40);
    struct sm_object *last = leaf_new(side->mm, 40);
    look(side);
    side->answers[0] = side->destructors == 1;
    sm_safepoint(side->mm);
    look(side);
    side->answers[1] = side->destructors == 1;
    drop(side, next);
    drop(side, last);
    assert_int_equal(sm_quiesce(side->mm), SM_OK);
    look(side);
}

static void test_a_destructor_runs_at_a_safepoint_and_later_deaths_wait_for_it(void **state)
{
    (void)state;
    struct side recorded = {0}, replayed = {0};
    struct sm_death_totals totals = both(drops_a_fragile_one, &recorded, &replayed);
    assert_int_equal(totals.destructors, 1);
    assert_int_equal(totals.deaths, 4);
    assert_int_equal(recorded.live[0], 2);
    assert_int_equal(replayed.live[0], 4);
    assert_false(replayed.answers[0]);
    assert_int_equal(replayed.live[1], 2);
    assert_true(replayed.answers[1]);
    assert_int_equal(replayed.live[2], 0);
    assert_int_equal(replayed.destructors, 1);
}

static void test_births_inside_a_destructor_are_outside_the_schedule(void **state)
{
    (void)state;
    struct side recorded = {.made_in_destructor = 3}, replayed = {.made_in_destructor = 3};
    struct sm_death_totals totals = both(drops_a_fragile_one, &recorded, &replayed);
    assert_int_equal(totals.births, 4);
    assert_int_equal(totals.deaths, 4);
    /* Nobody knows when those die: they stay to the end. */
    assert_int_equal(replayed.live[2], 3);
}

/* ---- Sharing. ---- */

static void asks(struct side *side)
{
    bool truth = sm_counts_all(side->mm);
    for (int i = 0; i < 40; i++)
        ask(side, truth && (i % 7 == 3 || i >= 38), true);
}

static void asks_more(struct side *side)
{
    asks(side);
    if (!sm_counts_all(side->mm))
        ask(side, false, true);
}

static void test_answers_about_sharing_are_those_of_the_record(void **state)
{
    (void)state;
    struct side recorded = {0}, replayed = {0};
    struct sm_death_totals totals = both(asks_more, &recorded, &replayed);
    assert_int_equal(totals.questions, 40);
    for (int i = 0; i < 40; i++) {
        assert_int_equal(recorded.answers[i], i % 7 == 3 || i >= 38);
        assert_int_equal(replayed.answers[i], recorded.answers[i]);
    }
    /* Past its end the record says what is safe. */
    assert_true(replayed.answers[40]);
}

/* ---- Live bytes. ---- */

static void makes_and_drops_a_large_one(struct side *side)
{
    struct sm_object *large = leaf_new(side->mm, 1 << 20);
    struct sm_object *small = leaf_new(side->mm, 16);
    drop(side, large);
    drop(side, leaf_new(side->mm, 16));
    drop(side, small);
}

static void test_live_bytes_follow_the_allocation_count(void **state)
{
    (void)state;
    struct side recorded = {0};
    struct sm_error error;
    struct sm_death_schedule *schedule = NULL;
    struct sm_death_tape tape = record(makes_and_drops_a_large_one, &recorded);
    assert_int_equal(sm_death_schedule_open(&tape, &schedule, &error), SM_OK);
    assert_int_equal(sm_death_schedule_live_bytes(schedule, 0), 0);
    assert_int_equal(sm_death_schedule_live_bytes(schedule, 1), 1 << 20);
    assert_int_equal(sm_death_schedule_live_bytes(schedule, 2), 1 << 20);
    assert_int_equal(sm_death_schedule_live_bytes(schedule, 3), 32);
    sm_death_schedule_close(schedule);
    sm_death_tape_close(&tape);
}

/* ---- What is refused. ---- */

static void test_a_record_that_was_not_finished_is_refused(void **state)
{
    (void)state;
    struct sm_death_tape tape;
    struct sm_death_schedule *schedule = NULL;
    struct sm_error error;
    assert_int_equal(sm_death_tape_create(&tape, &error), SM_OK);
    assert_int_equal(sm_death_schedule_open(&tape, &schedule, &error), SM_ERR_INVALID_ARGUMENT);
    assert_non_null(strstr(error.detail, "not finished"));
    char junk[200];
    memset(junk, 'x', sizeof(junk));
    for (int i = 0; i < SM_DEATH_FILES; i++)
        assert_int_equal(write(tape.files[i], junk, sizeof(junk)), sizeof(junk));
    assert_int_equal(sm_death_schedule_open(&tape, &schedule, &error), SM_ERR_INVALID_ARGUMENT);
    assert_null(schedule);
    sm_death_tape_close(&tape);
}

static void test_a_policy_that_does_not_count_cannot_record(void **state)
{
    (void)state;
    struct sm_death_tape tape;
    struct sm_death_recorder *recorder = NULL;
    struct sm_manager *mm = NULL;
    struct sm_error error;
    assert_int_equal(sm_death_tape_create(&tape, &error), SM_OK);
    assert_int_equal(sm_death_recorder_create(&tape, &recorder, &error), SM_OK);
    const struct sm_config config = {.policy = "null", .death_recorder = recorder};
    assert_int_equal(sm_manager_create(&config, &mm, &error), SM_ERR_UNSUPPORTED);
    assert_non_null(strstr(error.detail, "null"));
    sm_death_recorder_destroy(recorder);
    sm_death_tape_close(&tape);
}

static void test_a_full_disk_is_an_error_of_the_record(void **state)
{
    (void)state;
    struct sm_death_tape tape;
    struct sm_death_recorder *recorder = NULL;
    struct sm_error error;
    assert_int_equal(sm_death_tape_create(&tape, &error), SM_OK);
    struct sm_death_tape closed = {{-1, -1, -1}};
    assert_int_equal(sm_death_recorder_create(&closed, &recorder, &error), SM_OK);
    assert_int_equal(sm_death_recorder_finish(recorder, &error), SM_ERR_SYSTEM);
    assert_non_null(strstr(error.detail, "could not be written"));
    sm_death_recorder_destroy(recorder);
    sm_death_tape_close(&tape);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deaths_are_freed_before_the_next_birth_and_at_quiesce),
        cmocka_unit_test(test_a_death_after_the_last_birth_waits),
        cmocka_unit_test(test_what_the_program_frees_itself_is_freed_once),
        cmocka_unit_test(test_a_resized_object_keeps_its_identity),
        cmocka_unit_test(test_an_exact_trace_finds_what_counts_keep),
        cmocka_unit_test(test_R5_a_weak_cell_is_empty_once_its_target_is_recorded_dead),
        cmocka_unit_test(test_a_destructor_runs_at_a_safepoint_and_later_deaths_wait_for_it),
        cmocka_unit_test(test_births_inside_a_destructor_are_outside_the_schedule),
        cmocka_unit_test(test_answers_about_sharing_are_those_of_the_record),
        cmocka_unit_test(test_live_bytes_follow_the_allocation_count),
        cmocka_unit_test(test_a_record_that_was_not_finished_is_refused),
        cmocka_unit_test(test_a_policy_that_does_not_count_cannot_record),
        cmocka_unit_test(test_a_full_disk_is_an_error_of_the_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
