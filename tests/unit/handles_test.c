/** Handles and scopes: what they keep alive, when they end, and that misuse is an exact error. */
#include "list_policy.h"
#include "manager_fixture.h"

#include "../../lib/mm/src/manager_internal.h"

#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct sm_value number(uint64_t n)
{
    return (struct sm_value){n, 4};
}

static uint64_t payload_of(struct sm_manager *mm, sm_handle handle)
{
    struct sm_value value = {0, 0};
    assert_int_equal(sm_handle_get(mm, handle, &value), SM_OK);
    return value.payload;
}

static void assert_stale(struct sm_manager *mm, sm_handle handle)
{
    struct sm_value value = number(77);
    assert_int_equal(sm_handle_get(mm, handle, &value), SM_ERR_STALE_HANDLE);
    assert_int_equal(value.payload, 77);
    assert_int_equal(sm_error_status(mm), SM_ERR_STALE_HANDLE);
    assert_int_equal(sm_handle_set(mm, handle, number(1)), SM_ERR_STALE_HANDLE);
    assert_int_equal(sm_handle_release(mm, handle), SM_ERR_STALE_HANDLE);
    assert_true(sm_handle_is_none(sm_handle_persist(mm, handle)));
}

struct seen {
    struct sm_visitor visitor;
    size_t count;
    struct sm_object *last;
};

static void see(struct sm_visitor *visitor, struct sm_object *target)
{
    struct seen *seen = (struct seen *)visitor;
    seen->count++;
    seen->last = target;
}

static struct seen roots_of(struct sm_manager *mm)
{
    struct seen seen = {{see, false}, 0, NULL};
    sm_handles_enumerate(&mm->handles, &seen.visitor);
    return seen;
}

static void a_handle_gives_its_value_back(void **state)
{
    sm_handle handle = sm_alloc_value(*state, number(5));
    struct sm_value value;
    assert_int_equal(sm_handle_get(*state, handle, &value), SM_OK);
    assert_int_equal(value.payload, 5);
    assert_int_equal(value.tag, 4);
    assert_int_equal(sm_handle_set(*state, handle, number(6)), SM_OK);
    assert_int_equal(payload_of(*state, handle), 6);
}

static void none_is_stale_and_says_so(void **state)
{
    assert_stale(*state, SM_HANDLE_NONE);
    struct sm_value value;
    sm_handle_get(*state, SM_HANDLE_NONE, &value);
    assert_non_null(strstr(sm_error_detail(*state), "SM_HANDLE_NONE"));
}

static void closing_a_scope_ends_its_handles_and_no_others(void **state)
{
    sm_handle outside = sm_alloc_value(*state, number(1));
    sm_scope scope = sm_scope_open(*state);
    sm_handle inside = sm_alloc_value(*state, number(2));
    assert_int_equal(sm_scope_close(*state, scope), SM_OK);
    assert_stale(*state, inside);
    assert_int_equal(payload_of(*state, outside), 1);
}

static void a_reused_slot_does_not_revive_old_handles(void **state)
{
    sm_scope scope = sm_scope_open(*state);
    sm_handle old = sm_alloc_value(*state, number(1));
    sm_scope_close(*state, scope);
    scope = sm_scope_open(*state);
    sm_handle young = sm_alloc_value(*state, number(2));
    assert_int_equal(young.index, old.index);
    assert_stale(*state, old);
    assert_int_equal(payload_of(*state, young), 2);
    assert_int_equal(sm_scope_close(*state, scope), SM_OK);
}

static void closing_an_outer_scope_closes_inner_ones(void **state)
{
    sm_scope outer = sm_scope_open(*state);
    sm_handle a = sm_alloc_value(*state, number(1));
    sm_scope inner = sm_scope_open(*state);
    sm_handle b = sm_alloc_value(*state, number(2));
    assert_int_equal(sm_scope_close(*state, outer), SM_OK);
    assert_stale(*state, a);
    assert_stale(*state, b);
    assert_int_equal(sm_scope_close(*state, inner), SM_ERR_INVALID_ARGUMENT);
}

static void a_scope_that_is_not_open_is_refused(void **state)
{
    assert_int_equal(sm_scope_close(*state, (sm_scope){0, 0}), SM_ERR_INVALID_ARGUMENT);
    assert_int_equal(sm_scope_close(*state, (sm_scope){1, 0}), SM_ERR_INVALID_ARGUMENT);
    sm_scope scope = sm_scope_open(*state);
    assert_int_equal(sm_scope_close(*state, (sm_scope){scope.depth, scope.serial + 1}), SM_ERR_INVALID_ARGUMENT);
    assert_int_equal(sm_scope_close(*state, scope), SM_OK);
    assert_int_equal(sm_scope_close(*state, scope), SM_ERR_INVALID_ARGUMENT);
    assert_non_null(strstr(sm_error_detail(*state), "is not open"));
}

static void a_persistent_handle_outlives_the_scope(void **state)
{
    sm_scope scope = sm_scope_open(*state);
    sm_handle kept = sm_handle_persist(*state, sm_alloc_value(*state, number(3)));
    sm_scope_close(*state, scope);
    assert_int_equal(payload_of(*state, kept), 3);
    assert_int_equal(sm_handle_release(*state, kept), SM_OK);
    assert_stale(*state, kept);
}

static void persisting_a_persistent_handle_makes_an_independent_one(void **state)
{
    sm_handle first = sm_handle_persist(*state, sm_alloc_value(*state, number(3)));
    sm_handle second = sm_handle_persist(*state, first);
    assert_int_equal(sm_handle_release(*state, first), SM_OK);
    assert_int_equal(payload_of(*state, second), 3);
}

static void released_slots_are_reused_with_a_new_generation(void **state)
{
    sm_handle local = sm_alloc_value(*state, number(3));
    sm_handle first = sm_handle_persist(*state, local);
    sm_handle_release(*state, first);
    sm_handle second = sm_handle_persist(*state, local);
    assert_int_equal(second.index, first.index);
    assert_int_not_equal(second.generation, first.generation);
    assert_stale(*state, first);
    assert_int_equal(((struct sm_manager *)*state)->handles.persistent.count, 1);
}

static void a_slot_whose_generations_are_spent_is_never_used_again(void **state)
{
    struct sm_manager *mm = *state;
    sm_handle local = sm_alloc_value(mm, number(3));
    sm_handle_release(mm, sm_handle_persist(mm, local));
    mm->handles.persistent.slots[0].generation = UINT32_MAX;
    sm_handle last = sm_handle_persist(mm, local);
    assert_int_equal(last.generation, UINT32_MAX);
    assert_int_equal(sm_handle_release(mm, last), SM_OK);
    sm_handle next = sm_handle_persist(mm, local);
    assert_int_not_equal(next.index, last.index);
    assert_stale(mm, last);
}

static void a_local_slot_skips_generation_zero(void **state)
{
    struct sm_manager *mm = *state;
    sm_scope scope = sm_scope_open(mm);
    sm_alloc_value(mm, number(1));
    mm->handles.locals.slots[0].generation = UINT32_MAX;
    sm_scope_close(mm, scope);
    sm_handle handle = sm_alloc_value(mm, number(2));
    assert_int_equal(handle.generation, 1);
    assert_int_equal(payload_of(mm, handle), 2);
}

static void releasing_a_local_handle_is_an_argument_error(void **state)
{
    sm_handle local = sm_alloc_value(*state, number(3));
    assert_int_equal(sm_handle_release(*state, local), SM_ERR_INVALID_ARGUMENT);
    assert_int_equal(payload_of(*state, local), 3);
}

static void a_handle_of_another_manager_is_foreign(void **state)
{
    struct sm_manager *other = manager_open_for(SM_SAPI_CLI, "null", 0);
    sm_handle mine = sm_alloc_value(*state, number(1));
    sm_handle theirs = sm_alloc_value(other, number(2));
    struct sm_value value = number(77);
    assert_int_equal(sm_handle_get(*state, theirs, &value), SM_ERR_FOREIGN_HANDLE);
    assert_int_equal(sm_handle_set(other, mine, value), SM_ERR_FOREIGN_HANDLE);
    assert_int_equal(sm_handle_release(*state, theirs), SM_ERR_FOREIGN_HANDLE);
    assert_true(sm_handle_is_none(sm_handle_persist(*state, theirs)));
    assert_int_equal(sm_error_status(*state), SM_ERR_FOREIGN_HANDLE);
    assert_non_null(strstr(sm_error_detail(*state), "another manager"));
    assert_int_equal(value.payload, 77);
    assert_int_equal(payload_of(other, theirs), 2);
    sm_manager_destroy(other);
}

static void made_up_handles_are_stale(void **state)
{
    struct sm_manager *mm = *state;
    sm_handle real = sm_alloc_value(mm, number(1));
    sm_handle_persist(mm, real);
    assert_stale(mm, (sm_handle){mm, 5000000, 1});
    assert_stale(mm, (sm_handle){mm, real.index, real.generation + 1});
    assert_stale(mm, (sm_handle){mm, real.index, 0});
    assert_stale(mm, (sm_handle){mm, UINT32_MAX, 1});
    assert_stale(mm, (sm_handle){mm, SM_HANDLE_PERSISTENT | 1, 1});
}

static void request_end_makes_every_handle_stale(void **state)
{
    struct sm_manager *mm = *state;
    assert_int_equal(sm_request_begin(mm), SM_OK);
    sm_scope scope = sm_scope_open(mm);
    sm_handle local = sm_alloc_value(mm, number(1));
    sm_handle kept = sm_handle_persist(mm, local);
    assert_int_equal(sm_request_end(mm), SM_OK);
    assert_stale(mm, local);
    assert_stale(mm, kept);
    assert_int_equal(sm_scope_close(mm, scope), SM_ERR_INVALID_ARGUMENT);
    assert_int_equal(payload_of(mm, sm_alloc_value(mm, number(9))), 9);
}

static void tables_grow_and_keep_what_they_hold(void **state)
{
    enum { COUNT = 5000 };
    static sm_handle local[COUNT];
    static sm_handle kept[COUNT];
    static sm_scope scopes[COUNT];
    for (uint32_t i = 0; i < COUNT; i++) {
        scopes[i] = sm_scope_open(*state);
        local[i] = sm_alloc_value(*state, number(i));
        kept[i] = sm_handle_persist(*state, local[i]);
    }
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_int_equal(payload_of(*state, local[i]), i);
        assert_int_equal(payload_of(*state, kept[i]), i);
    }
    for (uint32_t i = COUNT; i > COUNT / 2; i--)
        assert_int_equal(sm_scope_close(*state, scopes[i - 1]), SM_OK);
    assert_int_equal(sm_scope_close(*state, scopes[0]), SM_OK);
    assert_stale(*state, local[0]);
    assert_int_equal(payload_of(*state, kept[COUNT - 1]), COUNT - 1);
}

static void *refuse(void *memory, size_t bytes)
{
    (void)memory;
    (void)bytes;
    return NULL;
}

static void failure_to_grow_changes_nothing(void **state)
{
    struct sm_manager *mm = *state;
    sm_handle held[64];
    uint32_t count = 0;
    mm->handles.reallocate = refuse;
    assert_true(sm_handle_is_none(sm_alloc_value(mm, number(1))));
    assert_int_equal(sm_error_status(mm), SM_ERR_OUT_OF_MEMORY);
    assert_int_equal(sm_scope_open(mm).depth, 0);
    mm->handles.reallocate = realloc;
    held[count++] = sm_alloc_value(mm, number(0));
    mm->handles.reallocate = refuse;
    assert_true(sm_handle_is_none(sm_handle_persist(mm, held[0])));
    while (count < 64 && !sm_handle_is_none(held[count] = sm_alloc_value(mm, number(count))))
        count++;
    assert_in_range(count, 1, 63);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(payload_of(mm, held[i]), i);
    mm->handles.reallocate = realloc;
    assert_int_equal(payload_of(mm, sm_alloc_value(mm, number(9))), 9);
}

static void a_full_table_refuses_instead_of_overflowing(void **state)
{
    struct sm_manager *mm = *state;
    struct sm_handle_table before = mm->handles.locals;
    mm->handles.locals.count = mm->handles.locals.capacity = SM_HANDLES_MAX;
    assert_true(sm_handle_is_none(sm_alloc_value(mm, number(1))));
    assert_int_equal(sm_error_status(mm), SM_ERR_OUT_OF_MEMORY);
    mm->handles.locals = before;
}

static void held_objects_are_roots_until_let_go(void **state)
{
    struct sm_manager *mm = *state;
    struct sm_object *object = sm_alloc(mm, SM_TYPE_VALUES, 32);
    sm_scope scope = sm_scope_open(mm);
    sm_alloc_value(mm, number(1));
    sm_handle local = sm_alloc_value(mm, sm_value_from_object(object, 0));
    assert_int_equal(roots_of(mm).count, 1);
    assert_ptr_equal(roots_of(mm).last, object);
    sm_handle kept = sm_handle_persist(mm, local);
    assert_int_equal(roots_of(mm).count, 2);
    sm_scope_close(mm, scope);
    assert_int_equal(roots_of(mm).count, 1);
    sm_handle_release(mm, kept);
    assert_int_equal(roots_of(mm).count, 0);
}

struct other_thread {
    struct sm_manager *mm;
    sm_handle handle;
    sm_status get, set, release, close;
    bool made_handle, made_bytes, made_buffer;
};

static void *use_from_other_thread(void *context)
{
    struct other_thread *other = context;
    struct sm_value value = number(1);
    other->get = sm_handle_get(other->mm, other->handle, &value);
    other->set = sm_handle_set(other->mm, other->handle, value);
    other->release = sm_handle_release(other->mm, other->handle);
    other->close = sm_scope_close(other->mm, (sm_scope){1, 0});
    other->made_handle = !sm_handle_is_none(sm_alloc_value(other->mm, value));
    other->made_bytes = sm_alloc_bytes(other->mm, 10) != NULL;
    other->made_buffer = !sm_handle_is_none(sm_buffer_create(other->mm, 10));
    return NULL;
}

static void another_thread_is_refused_everywhere(void **state)
{
    struct other_thread other = {.mm = *state, .handle = sm_alloc_value(*state, number(1))};
    sm_scope_open(*state);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, use_from_other_thread, &other), 0);
    pthread_join(thread, NULL);
    assert_int_equal(other.get, SM_ERR_WRONG_THREAD);
    assert_int_equal(other.set, SM_ERR_WRONG_THREAD);
    assert_int_equal(other.release, SM_ERR_WRONG_THREAD);
    assert_int_equal(other.close, SM_ERR_WRONG_THREAD);
    assert_false(other.made_handle || other.made_bytes || other.made_buffer);
    assert_int_equal(payload_of(*state, other.handle), 1);
}

/** R14. The child reports through its exit status and leaves without destroying what is the parent's. */
static void a_forked_child_is_refused(void **state)
{
    sm_handle handle = sm_alloc_value(*state, number(1));
    pid_t child = fork();
    if (child == 0) {
        struct sm_value value;
        bool refused = sm_handle_get(*state, handle, &value) == SM_ERR_FORKED && sm_alloc_bytes(*state, 10) == NULL;
        _exit(refused ? 0 : 1);
    }
    assert_true(child > 0);
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(payload_of(*state, handle), 1);
}

static void bytes_are_aligned_and_found_again(void **state)
{
    unsigned char *bytes = sm_alloc_bytes(*state, 100);
    assert_non_null(bytes);
    assert_int_equal((uintptr_t)bytes % 16, 0);
    memset(bytes, 0xA5, 100);
    sm_handle handle = sm_bytes_handle(*state, bytes);
    void *found = NULL;
    size_t size = 0;
    assert_int_equal(sm_bytes_get(*state, handle, &found, &size), SM_OK);
    assert_ptr_equal(found, bytes);
    assert_int_equal(size, 100);
}

static void empty_and_impossible_byte_blocks(void **state)
{
    assert_non_null(sm_alloc_bytes(*state, 0));
    assert_null(sm_alloc_bytes(*state, SIZE_MAX));
    assert_int_equal(sm_error_status(*state), SM_ERR_INVALID_ARGUMENT);
    assert_null(sm_alloc_bytes(*state, SM_PAYLOAD_MAX + 1));
}

static void addresses_that_are_not_bytes_are_refused(void **state)
{
    char *bytes = sm_alloc_bytes(*state, 100);
    assert_true(sm_handle_is_none(sm_bytes_handle(*state, NULL)));
    assert_true(sm_handle_is_none(sm_bytes_handle(*state, bytes + 1)));
    assert_true(sm_handle_is_none(sm_bytes_handle(*state, sm_payload(sm_alloc(*state, SM_TYPE_VALUES, 32)))));
    assert_int_equal(sm_error_status(*state), SM_ERR_INVALID_ARGUMENT);
}

static void values_that_are_not_bytes_are_refused(void **state)
{
    void *bytes = state;
    size_t size = 77;
    sm_handle handle = sm_alloc_value(*state, number(1));
    assert_int_equal(sm_bytes_get(*state, handle, &bytes, &size), SM_ERR_INVALID_ARGUMENT);
    sm_handle_set(*state, handle, sm_value_from_object(sm_alloc(*state, SM_TYPE_VALUES, 32), 0));
    assert_int_equal(sm_bytes_get(*state, handle, &bytes, &size), SM_ERR_INVALID_ARGUMENT);
    assert_ptr_equal(bytes, state);
    assert_int_equal(size, 77);
}

/** Under a counting policy each handle holds exactly one count, and gives it back once. */
static void counts_are_taken_and_dropped_in_pairs(void **state)
{
    (void)state;
    struct sm_manager *mm = list_policy_manager(&list_policy_ops, NULL);
    struct sm_object *object = sm_alloc(mm, SM_TYPE_VALUES, 32);
    struct sm_object *second = sm_alloc(mm, SM_TYPE_VALUES, 32);
    struct sm_value value = sm_value_from_object(object, 0), other = sm_value_from_object(second, 0);
    sm_scope scope = sm_scope_open(mm);
    sm_handle local = sm_alloc_value(mm, value);
    assert_int_equal(object->count, 2);
    sm_handle kept = sm_handle_persist(mm, local);
    assert_int_equal(object->count, 3);
    sm_handle_set(mm, local, other);
    assert_int_equal(object->count, 2);
    assert_int_equal(second->count, 2);
    sm_scope_close(mm, scope);
    assert_int_equal(second->count, 1);
    sm_handle_release(mm, kept);
    assert_int_equal(object->count, 1);
    sm_handle_persist(mm, sm_alloc_value(mm, other));
    assert_int_equal(second->count, 3);
    sm_handles_invalidate(&mm->handles);
    assert_int_equal(second->count, 1);
    assert_int_equal(list_policy_of(mm)->calls.value_dead, 0);
    sm_manager_destroy(mm);
}

static void random_operations_agree_with_a_plain_table(void **state)
{
    enum { LIVE_MAX = 200, STEPS = 20000 };
    struct sm_manager *mm = *state;
    sm_handle kept[LIVE_MAX] = {{0}};
    uint64_t expected[LIVE_MAX] = {0};
    uint64_t random = 12345;
    for (uint64_t step = 1; step <= STEPS; step++) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
        size_t i = (size_t)(random >> 33) % LIVE_MAX;
        if (sm_handle_is_none(kept[i])) {
            sm_scope scope = sm_scope_open(mm);
            kept[i] = sm_handle_persist(mm, sm_alloc_value(mm, number(step)));
            assert_int_equal(sm_scope_close(mm, scope), SM_OK);
            expected[i] = step;
        } else if ((random >> 20 & 1) != 0) {
            assert_int_equal(payload_of(mm, kept[i]), expected[i]);
            assert_int_equal(sm_handle_release(mm, kept[i]), SM_OK);
            assert_stale(mm, kept[i]);
            kept[i] = SM_HANDLE_NONE;
        } else {
            assert_int_equal(sm_handle_set(mm, kept[i], number(step)), SM_OK);
            expected[i] = step;
        }
    }
    assert_in_range(mm->handles.persistent.count, 1, LIVE_MAX);
    assert_int_equal(mm->handles.locals.count, 0);
}

int main(void)
{
    struct sm_config config = {.policy = "null"};
    const struct CMUnitTest tests[] = {
        MANAGER_TEST(a_handle_gives_its_value_back, &config),
        MANAGER_TEST(none_is_stale_and_says_so, &config),
        MANAGER_TEST(closing_a_scope_ends_its_handles_and_no_others, &config),
        MANAGER_TEST(a_reused_slot_does_not_revive_old_handles, &config),
        MANAGER_TEST(closing_an_outer_scope_closes_inner_ones, &config),
        MANAGER_TEST(a_scope_that_is_not_open_is_refused, &config),
        MANAGER_TEST(a_persistent_handle_outlives_the_scope, &config),
        MANAGER_TEST(persisting_a_persistent_handle_makes_an_independent_one, &config),
        MANAGER_TEST(released_slots_are_reused_with_a_new_generation, &config),
        MANAGER_TEST(a_slot_whose_generations_are_spent_is_never_used_again, &config),
        MANAGER_TEST(a_local_slot_skips_generation_zero, &config),
        MANAGER_TEST(releasing_a_local_handle_is_an_argument_error, &config),
        MANAGER_TEST(a_handle_of_another_manager_is_foreign, &config),
        MANAGER_TEST(made_up_handles_are_stale, &config),
        MANAGER_TEST(request_end_makes_every_handle_stale, &config),
        MANAGER_TEST(tables_grow_and_keep_what_they_hold, &config),
        MANAGER_TEST(failure_to_grow_changes_nothing, &config),
        MANAGER_TEST(a_full_table_refuses_instead_of_overflowing, &config),
        MANAGER_TEST(held_objects_are_roots_until_let_go, &config),
        MANAGER_TEST(another_thread_is_refused_everywhere, &config),
        MANAGER_TEST(a_forked_child_is_refused, &config),
        MANAGER_TEST(bytes_are_aligned_and_found_again, &config),
        MANAGER_TEST(empty_and_impossible_byte_blocks, &config),
        MANAGER_TEST(addresses_that_are_not_bytes_are_refused, &config),
        MANAGER_TEST(values_that_are_not_bytes_are_refused, &config),
        MANAGER_TEST(counts_are_taken_and_dropped_in_pairs, &config),
        MANAGER_TEST(random_operations_agree_with_a_plain_table, &config),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
