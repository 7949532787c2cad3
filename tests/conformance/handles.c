/** G20 to G29: handles, scopes, buffers and roots of extensions. */
#include "conformance.h"

#include <string.h>

static void churn(struct fixture *fixture)
{
    for (uint64_t i = 0; i < 2000; i++)
        node_drop(fixture, node_new(fixture, i));
    if (fixture->capabilities & SM_CAP_COLLECT)
        assert_int_equal(sm_collect(fixture->mm, SM_COLLECT_FULL), SM_OK);
}

static struct sm_value node_value(struct node *node)
{
    return sm_value_from_object(&node->header, 1);
}

/* The handle holds the node, and nobody else does. */
static sm_handle node_handle(struct fixture *fixture, struct node *node)
{
    sm_handle handle = sm_alloc_value(fixture->mm, node_value(node));
    node_drop(fixture, node);
    return handle;
}

static void local_handle_lives_until_its_scope_closes(struct fixture *fixture)
{
    sm_scope scope = sm_scope_open(fixture->mm);
    sm_handle handle = node_handle(fixture, node_new(fixture, 11));
    assert_false(sm_handle_is_none(handle));
    churn(fixture);
    struct sm_value value;
    assert_int_equal(sm_handle_get(fixture->mm, handle, &value), SM_OK);
    assert_int_equal(((struct node *)sm_value_object(value))->id, 11);
    assert_int_equal(sm_scope_close(fixture->mm, scope), SM_OK);
    value.payload = 99;
    assert_int_equal(sm_handle_get(fixture->mm, handle, &value), SM_ERR_STALE_HANDLE);
    assert_int_equal(value.payload, 99);
    assert_int_equal(sm_scope_close(fixture->mm, scope), SM_ERR_INVALID_ARGUMENT);
    sm_scope next = sm_scope_open(fixture->mm); /* as deep, and from the same local */
    assert_int_equal(sm_scope_close(fixture->mm, scope), SM_ERR_INVALID_ARGUMENT);
    assert_int_equal(sm_scope_close(fixture->mm, next), SM_OK);
}

static void repinning_does_not_touch_scopes(struct fixture *fixture)
{
    struct sm_guard *guard = sm_owner_guard(fixture->mm);
    sm_pin(guard, SM_HERE);
    sm_scope scope = sm_scope_open(fixture->mm);
    sm_handle handle = node_handle(fixture, node_new(fixture, 12));
    sm_repin(guard, SM_HERE);
    churn(fixture);
    struct sm_value value;
    assert_int_equal(sm_handle_get(fixture->mm, handle, &value), SM_OK);
    assert_int_equal(((struct node *)sm_value_object(value))->id, 12);
    sm_scope_close(fixture->mm, scope);
    sm_unpin(guard);
}

static void persistent_handle_lives_until_released(struct fixture *fixture)
{
    sm_scope scope = sm_scope_open(fixture->mm);
    sm_handle local = node_handle(fixture, node_new(fixture, 13));
    sm_handle handle = sm_handle_persist(fixture->mm, local);
    sm_scope_close(fixture->mm, scope);
    churn(fixture);
    struct sm_value value;
    assert_int_equal(sm_handle_get(fixture->mm, handle, &value), SM_OK);
    assert_int_equal(((struct node *)sm_value_object(value))->id, 13);
    assert_int_equal(sm_handle_release(fixture->mm, handle), SM_OK);
    assert_int_equal(sm_handle_release(fixture->mm, handle), SM_ERR_STALE_HANDLE);
    assert_int_equal(sm_handle_get(fixture->mm, handle, &value), SM_ERR_STALE_HANDLE);
}

static void request_end_makes_every_handle_stale(struct fixture *fixture)
{
    fixture_reopen(fixture, &(struct sm_config){.sapi = SM_SAPI_FPM});
    assert_int_equal(sm_request_begin(fixture->mm), SM_OK);
    sm_handle local = node_handle(fixture, node_new(fixture, 14));
    sm_handle persistent = sm_handle_persist(fixture->mm, local);
    assert_int_equal(sm_request_end(fixture->mm), SM_OK);
    struct sm_value value;
    assert_int_equal(sm_handle_get(fixture->mm, local, &value), SM_ERR_STALE_HANDLE);
    assert_int_equal(sm_handle_get(fixture->mm, persistent, &value), SM_ERR_STALE_HANDLE);
    assert_int_equal(sm_handle_release(fixture->mm, persistent), SM_ERR_STALE_HANDLE);
    assert_int_equal(sm_request_end(fixture->mm), SM_ERR_INVALID_ARGUMENT);
}

static void foreign_handles_are_refused(struct fixture *fixture)
{
    struct fixture other = {.ops = fixture->ops, .variant = fixture->variant};
    fixture_open(&other, &(struct sm_config){0});
    sm_handle handle = node_handle(&other, node_new(&other, 15));
    struct sm_value value;
    assert_int_equal(sm_handle_get(fixture->mm, handle, &value), SM_ERR_FOREIGN_HANDLE);
    assert_true(strlen(sm_error_detail(fixture->mm)) > 0);
    assert_int_equal(sm_handle_get(other.mm, handle, &value), SM_OK);
    fixture_close(&other);
}

static void buffers_keep_their_bytes_and_their_handle(struct fixture *fixture)
{
    sm_handle buffer = sm_handle_persist(fixture->mm, sm_buffer_create(fixture->mm, 10));
    assert_false(sm_handle_is_none(buffer));
    for (unsigned i = 0; i < 5000; i++) {
        unsigned char piece[3] = {(unsigned char)i, (unsigned char)(i >> 8), 7};
        assert_int_equal(sm_buffer_append(fixture->mm, buffer, piece, sizeof(piece)), SM_OK);
        if (i % 1000 == 0)
            churn(fixture);
    }
    void *bytes;
    size_t byte_count;
    assert_int_equal(sm_buffer_view(fixture->mm, buffer, &bytes, &byte_count), SM_OK);
    assert_int_equal(byte_count, 15000);
    const unsigned char *cursor = bytes;
    for (unsigned i = 0; i < 5000; i++)
        assert_true(cursor[3 * i] == (unsigned char)i && cursor[3 * i + 1] == (unsigned char)(i >> 8) &&
                    cursor[3 * i + 2] == 7);
    assert_int_equal(sm_buffer_truncate(fixture->mm, buffer, 4), SM_OK);
    assert_int_equal(sm_buffer_truncate(fixture->mm, buffer, 1 << 30), SM_ERR_INVALID_ARGUMENT);
    assert_int_equal(sm_buffer_view(fixture->mm, buffer, &bytes, &byte_count), SM_OK);
    assert_int_equal(byte_count, 4);
}

static void buffer_address_is_stable_until_it_grows(struct fixture *fixture)
{
    sm_handle buffer = sm_handle_persist(fixture->mm, sm_buffer_create(fixture->mm, 4096));
    void *first, *later;
    size_t byte_count;
    assert_int_equal(sm_buffer_append(fixture->mm, buffer, "abc", 3), SM_OK);
    assert_int_equal(sm_buffer_view(fixture->mm, buffer, &first, &byte_count), SM_OK);
    churn(fixture);
    assert_int_equal(sm_buffer_append(fixture->mm, buffer, "def", 3), SM_OK);
    assert_int_equal(sm_buffer_view(fixture->mm, buffer, &later, &byte_count), SM_OK);
    assert_ptr_equal(first, later);
    assert_memory_equal(later, "abcdef", 6);
}

static void raw_bytes_live_through_a_handle(struct fixture *fixture)
{
    char *bytes = sm_alloc_bytes(fixture->mm, 100);
    assert_non_null(bytes);
    memset(bytes, 'x', 100);
    sm_handle handle = sm_handle_persist(fixture->mm, sm_bytes_handle(fixture->mm, bytes));
    churn(fixture);
    void *again;
    size_t size;
    assert_int_equal(sm_bytes_get(fixture->mm, handle, &again, &size), SM_OK);
    assert_ptr_equal(again, bytes);
    assert_int_equal(size, 100);
    for (size_t i = 0; i < size; i++)
        assert_int_equal(bytes[i], 'x');
}

static void enumerate_one(void *context, struct sm_visitor *visitor)
{
    sm_visit_pointer(visitor, context);
}

static void extension_roots_keep_alive_and_let_go(struct fixture *fixture)
{
    struct node *kept = node_new(fixture, 16);
    const struct sm_root_provider provider = {"extension", enumerate_one, &kept};
    assert_int_equal(sm_roots_register(fixture->mm, &provider), SM_OK);
    assert_int_equal(sm_roots_register(fixture->mm, &provider), SM_ERR_INVALID_ARGUMENT);
    churn(fixture);
    assert_true(sm_is_valid(fixture->mm, &kept->header));
    assert_int_equal(kept->id, 16);
    assert_int_equal(sm_roots_unregister(fixture->mm, "extension"), SM_OK);
    assert_int_equal(sm_roots_unregister(fixture->mm, "extension"), SM_ERR_INVALID_ARGUMENT);
    node_drop(fixture, kept);
    churn(fixture);
    if (fixture->capabilities & SM_CAP_COLLECT)
        assert_false(sm_is_valid(fixture->mm, &kept->header));
}

const struct conformance_test handle_tests[] = {
    {"G20_local_handle_lives_until_its_scope_closes", local_handle_lives_until_its_scope_closes, 0},
    {"G21_repinning_does_not_touch_scopes", repinning_does_not_touch_scopes, 0},
    {"G22_persistent_handle_lives_until_released", persistent_handle_lives_until_released, 0},
    {"G23_request_end_makes_every_handle_stale", request_end_makes_every_handle_stale, 0},
    {"G24_foreign_handles_are_refused", foreign_handles_are_refused, 0},
    {"G25_buffers_keep_their_bytes_and_their_handle", buffers_keep_their_bytes_and_their_handle, 0},
    {"G26_buffer_address_is_stable_until_it_grows", buffer_address_is_stable_until_it_grows, 0},
    {"G27_raw_bytes_live_through_a_handle", raw_bytes_live_through_a_handle, 0},
    {"G28_extension_roots_keep_alive_and_let_go", extension_roots_keep_alive_and_let_go, 0},
    {NULL, NULL, 0},
};
