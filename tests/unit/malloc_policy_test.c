/** Policy malloc: blocks, limits, weak cells; and a VM program that runs by the deaths and answers of a recorded run. */
#include "manager_fixture.h"

#include "sapimem/alloc.h"
#include "sapimem/death_schedule.h"
#include "sapimem/policy.h"
#include "sapivm/vm.h"

#include <string.h>

static const char *const policies[] = {"malloc", "malloc:allocator=mimalloc"};

enum { POLICY_COUNT = 2 };

/* ---- Blocks. ---- */

static void test_capabilities_are_those_of_freeing_by_hand(void **state)
{
    (void)state;
    const struct sm_policy_ops *ops = sm_policy_find("malloc");
    assert_non_null(ops);
    assert_int_equal(ops->capabilities, SM_CAP_RESIZE | SM_CAP_FREE | SM_CAP_WEAK);
    assert_int_equal(ops->form, SM_FORM_NONE);
}

static void free_gives_memory_back(const char *policy)
{
    enum { COUNT = 5000 };
    static struct sm_object *objects[COUNT];
    struct sm_manager *mm = manager_open_for(SM_SAPI_CLI, policy, 0);
    for (int i = 0; i < COUNT; i++)
        objects[i] = leaf_new(mm, (size_t)(i % 700));
    uint64_t full_bytes = manager_committed_bytes(mm);
    assert_true(full_bytes >= manager_stats(mm).live_bytes);
    for (int i = 0; i < COUNT; i += 2)
        assert_int_equal(sm_free(mm, objects[i]), SM_OK);
    assert_int_equal(manager_stats(mm).live_objects, COUNT / 2);
    for (int i = 0; i < COUNT; i++)
        if (i < 4 || i >= COUNT - 4)
            assert_int_equal(sm_is_valid(mm, objects[i]), i % 2 != 0);
    for (int i = 1; i < COUNT; i += 2)
        sm_retire(mm, objects[i]);
    assert_int_equal(manager_stats(mm).live_objects, 0);
    assert_int_equal(manager_stats(mm).reclaimed_objects, COUNT);
    assert_true(manager_committed_bytes(mm) < full_bytes / 4);
    sm_manager_destroy(mm);
}

static void test_free_gives_memory_back_under_either_allocator(void **state)
{
    (void)state;
    for (int i = 0; i < POLICY_COUNT; i++)
        free_gives_memory_back(policies[i]);
}

static void count_objects(void *context, struct sm_object *object)
{
    assert_true(object->payload_bytes <= 4096);
    ++*(int *)context;
}

static void test_a_walk_meets_every_object_once_moved_ones_too(void **state)
{
    (void)state;
    struct sm_manager *mm = manager_open_for(SM_SAPI_CLI, "malloc", 0);
    struct sm_object *object = leaf_new(mm, 16), *kept = leaf_new(mm, 16);
    memset(sm_payload(object), 7, 16);
    struct sm_object *grown = sm_resize(mm, object, 4096);
    assert_non_null(grown);
    assert_ptr_not_equal(grown, object);
    assert_int_equal(((char *)sm_payload(grown))[15], 7);
    int count = 0;
    sm_walk(mm, count_objects, &count);
    assert_int_equal(count, 3);
    sm_retire(mm, object);
    count = 0;
    sm_walk(mm, count_objects, &count);
    assert_int_equal(count, 2);
    assert_true(sm_is_valid(mm, grown) && sm_is_valid(mm, kept) && !sm_is_valid(mm, object));
    /* Less than half of its block: it moves, and the block goes. */
    struct sm_object *shrunk = sm_resize(mm, grown, 64);
    assert_ptr_not_equal(shrunk, grown);
    assert_ptr_equal(sm_resize(mm, shrunk, 63), shrunk);
    sm_retire(mm, grown);
    sm_manager_destroy(mm);
}

static void test_the_limit_holds_and_leaves_the_heap_usable(void **state)
{
    (void)state;
    struct sm_manager *mm = manager_open_for(SM_SAPI_CLI, "malloc", 2 << 20);
    struct sm_object *last = NULL;
    for (struct sm_object *object = leaf_new(mm, 1000); object != NULL; object = sm_alloc_leaf(mm, SM_TYPE_BYTES, 1000))
        last = object;
    assert_int_equal(sm_error_status(mm), SM_ERR_OUT_OF_MEMORY);
    assert_true(manager_committed_bytes(mm) <= 2 << 20);
    assert_true(manager_stats(mm).live_bytes > 1 << 20);
    assert_int_equal(sm_free(mm, last), SM_OK);
    assert_non_null(sm_alloc_leaf(mm, SM_TYPE_BYTES, 1000));
    sm_manager_destroy(mm);
}

/* ---- Weak cells. ---- */

static void test_R9_cells_are_cleared_with_their_target_and_forgotten_with_themselves(void **state)
{
    (void)state;
    struct sm_manager *mm = manager_open_for(SM_SAPI_CLI, "malloc", 0);
    struct sm_object *target = leaf_new(mm, 32), *value = leaf_new(mm, 8);
    struct sm_object *cells[3];
    for (int i = 0; i < 3; i++)
        cells[i] = sm_weak_make(mm, target);
    struct sm_object *entry = sm_weak_entry_make(mm, target, sm_value_from_object(value, 0));
    assert_ptr_equal(sm_weak_get(mm, cells[1]), target);
    assert_int_equal(sm_free(mm, cells[1]), SM_OK);
    assert_int_equal(sm_free(mm, target), SM_OK);
    assert_null(sm_weak_get(mm, cells[0]));
    assert_null(sm_weak_get(mm, cells[2]));
    assert_null(sm_weak_get(mm, entry));
    assert_int_equal(sm_weak_entry_value(entry)->tag, 0);
    assert_true(sm_is_valid(mm, value));
    /* Cells whose target has gone, and a target whose cells have. */
    struct sm_object *other = leaf_new(mm, 32);
    struct sm_object *lone = sm_weak_make(mm, other);
    assert_int_equal(sm_free(mm, cells[0]), SM_OK);
    assert_int_equal(sm_free(mm, lone), SM_OK);
    assert_int_equal(sm_free(mm, other), SM_OK);
    sm_manager_destroy(mm);
}

/* ---- Strings that move as they grow. ---- */

struct string_search {
    const struct sm_object *string;
    uint64_t objects, met;
};

static void search_object(void *context, struct sm_object *object)
{
    struct string_search *search = context;
    search->objects++;
    search->met += object == search->string;
}

/* Without a record nobody knows that what a string was is dead: it stays, and the policy knows of both. */
static void append_and_look(struct vm *vm, void *context)
{
    struct sm_manager *mm = vm_manager(vm);
    char bytes[512];
    memset(bytes, 'x', sizeof(bytes));
    vm_frame_enter(vm, 1);
    for (size_t length = 0; length < 5000; length += 300) {
        vm_local_set(vm, 0, vm_string_value(vm_string_new(vm, NULL, length)));
        const struct vm_string *old = vm_as_string(vm_local_get(vm, 0));
        vm_string_append(vm, vm_local_place(vm, 0), bytes, 1 + length % sizeof(bytes));
        struct string_search search = {.string = sm_value_object(vm_local_get(vm, 0))};
        *(int *)context += sm_value_object(vm_local_get(vm, 0)) != &old->header;
        sm_walk(mm, search_object, &search);
        assert_int_equal(search.met, 1);
        assert_int_equal(search.objects, manager_stats(mm).live_objects);
        assert_true(sm_is_valid(mm, search.string));
    }
    vm_frame_leave(vm);
}

static void test_a_string_that_moves_as_it_grows_is_not_lost(void **state)
{
    (void)state;
    for (int i = 0; i < POLICY_COUNT; i++) {
        struct vm_config config = {.manager = {.policy = policies[i]}};
        struct vm *vm = NULL;
        int moves = 0;
        assert_int_equal(vm_create(&config, &vm, NULL), SM_OK);
        assert_int_equal(vm_try(vm, append_and_look, &moves), SM_OK);
        assert_true(moves > 5);
        /* Asserts that no committed byte is left; the address sanitizer's run looks for lost blocks besides. */
        vm_destroy(vm);
    }
}

/* ---- A VM program by a record. ---- */

struct outcome {
    uint64_t hash;
    uint64_t copies, live_objects, destructors, alloc_bytes, alloc_count;
};

static void note_destructor(struct vm *vm, struct vm_object *object)
{
    (void)object;
    ++*(uint64_t *)vm_context(vm);
}

static struct vm_string *text(struct vm *vm, const char *bytes)
{
    return vm_string_new(vm, bytes, strlen(bytes));
}

/* Arrays that are shared and unshared again, appended strings, a lone reference in a copied array. */
static void share_and_write(struct vm *vm, int round)
{
    vm_frame_enter(vm, 4);
    vm_local_set(vm, 0, vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 0)));
    for (int i = 0; i < 20; i++)
        vm_array_append(vm, vm_array_write(vm, vm_local_place(vm, 0)), vm_int(i * round));
    vm_array_append(vm, vm_array_write(vm, vm_local_place(vm, 0)),
                    vm_heap_value(vm_reference_new(vm, vm_int(round)), VM_REFERENCE));
    vm_local_set(vm, 1, vm_value_copy(vm, vm_local_get(vm, 0)));
    vm_array_set_index(vm, vm_array_write(vm, vm_local_place(vm, 1)), 3, vm_int(-round));
    vm_array_set_index(vm, vm_array_write(vm, vm_local_place(vm, 0)), 4, vm_int(-round));
    vm_local_set(vm, 2, vm_string_value(text(vm, "appended")));
    vm_local_set(vm, 3, vm_value_copy(vm, vm_local_get(vm, 2)));
    for (int i = 0; i < 30; i++)
        vm_string_append(vm, vm_local_place(vm, 2 + (uint32_t)(i % 2)), "0123456789", 10);
    for (uint32_t i = 0; i < 4; i++)
        vm_array_append(vm, vm_array_write(vm, vm_global_place(vm, "kept")), vm_value_copy(vm, vm_local_get(vm, i)));
    vm_frame_leave(vm);
}

static void drop_fragile(struct vm *vm, struct vm_class *class_entry)
{
    vm_frame_enter(vm, 1);
    vm_local_set(vm, 0, vm_object_value(vm_object_new(vm, class_entry)));
    struct vm_object *object = vm_as_object(vm_local_get(vm, 0));
    vm_object_set(vm, object, 0, vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 4)));
    vm_frame_leave(vm);
    vm_safepoint(vm);
}

static void body(struct vm *vm, void *context)
{
    static const char *const names[] = {"list"};
    struct outcome *outcome = context;
    vm_global_set(vm, "kept", vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 0)));
    struct vm_class *class_entry = vm_class_define(vm, "fragile", names, 1, note_destructor);
    for (int round = 1; round <= 12; round++) {
        share_and_write(vm, round);
        drop_fragile(vm, class_entry);
        if (round == 6)
            vm_global_set(vm, "kept", vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 0)));
        vm_safepoint(vm);
        sm_death_record_trace(vm_manager(vm));
    }
    outcome->hash = vm_value_hash(vm, vm_global_get(vm, "kept"), 8);
}

static struct outcome run(struct vm_config *config)
{
    struct outcome outcome = {0};
    struct sm_error error = {0};
    struct sm_stats stats;
    struct vm *vm = NULL;
    if (vm_create(config, &vm, &error) != SM_OK)
        fail_msg("%s", error.detail);
    vm_context_set(vm, &outcome.destructors);
    assert_int_equal(vm_try(vm, body, &outcome), SM_OK);
    assert_int_equal(sm_quiesce(vm_manager(vm)), SM_OK);
    sm_stats_get(vm_manager(vm), &stats);
    outcome.copies = stats.copy_count;
    outcome.live_objects = stats.live_objects;
    outcome.alloc_bytes = stats.alloc_bytes;
    outcome.alloc_count = stats.alloc_count;
    if (config->manager.death_recorder != NULL)
        assert_int_equal(sm_death_recorder_finish(config->manager.death_recorder, &error), SM_OK);
    vm_destroy(vm);
    return outcome;
}

static struct outcome run_recorded(const struct sm_death_tape *tape)
{
    struct sm_death_recorder *recorder = NULL;
    struct sm_error error;
    assert_int_equal(sm_death_recorder_create(tape, &recorder, &error), SM_OK);
    struct vm_config config = {.manager = {.policy = "refcount", .death_recorder = recorder}};
    struct outcome outcome = run(&config);
    sm_death_recorder_destroy(recorder);
    return outcome;
}

static struct outcome run_replayed(const struct sm_death_tape *tape, const char *policy)
{
    struct sm_death_schedule *schedule = NULL;
    struct sm_error error;
    assert_int_equal(sm_death_schedule_open(tape, &schedule, &error), SM_OK);
    /* Counts beside tracing mean nothing here: the answers are the record's. */
    struct vm_config config = {.manager = {.policy = policy, .death_schedule = schedule, .sharing_counts = true}};
    struct outcome outcome = run(&config);
    sm_death_schedule_close(schedule);
    return outcome;
}

static void test_a_vm_program_runs_by_its_record(void **state)
{
    (void)state;
    struct sm_death_tape tape;
    struct sm_error error;
    assert_int_equal(sm_death_tape_create(&tape, &error), SM_OK);
    struct outcome recorded = run_recorded(&tape);
    assert_int_equal(recorded.destructors, 12);
    assert_true(recorded.copies > 12);
    for (int i = 0; i < POLICY_COUNT; i++) {
        struct outcome replayed = run_replayed(&tape, policies[i]);
        assert_int_equal(replayed.hash, recorded.hash);
        assert_int_equal(replayed.live_objects, recorded.live_objects);
        assert_int_equal(replayed.destructors, 12);
        assert_int_equal(replayed.alloc_bytes, recorded.alloc_bytes);
        assert_int_equal(replayed.alloc_count, recorded.alloc_count);
    }
    sm_death_tape_close(&tape);
}

static void test_without_a_record_the_program_computes_the_same_and_frees_little(void **state)
{
    (void)state;
    struct vm_config counted = {.manager = {.policy = "refcount"}}, by_hand = {.manager = {.policy = "malloc"}};
    struct outcome expected = run(&counted), outcome = run(&by_hand);
    assert_int_equal(outcome.hash, expected.hash);
    assert_int_equal(outcome.alloc_bytes, expected.alloc_bytes);
    assert_true(outcome.live_objects > expected.live_objects);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_capabilities_are_those_of_freeing_by_hand),
        cmocka_unit_test(test_free_gives_memory_back_under_either_allocator),
        cmocka_unit_test(test_a_walk_meets_every_object_once_moved_ones_too),
        cmocka_unit_test(test_the_limit_holds_and_leaves_the_heap_usable),
        cmocka_unit_test(test_R9_cells_are_cleared_with_their_target_and_forgotten_with_themselves),
        cmocka_unit_test(test_a_string_that_moves_as_it_grows_is_not_lost),
        cmocka_unit_test(test_a_vm_program_runs_by_its_record),
        cmocka_unit_test(test_without_a_record_the_program_computes_the_same_and_frees_little),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
