/*
 * The fault sweep over a program of the extension API, for each policy: from the first, second, ... request for memory
 * on all fail, until the program's half; then memory is used up, which must surface; from there on nothing may fail.
 */
#include "check.h"
#include "manager_fixture.h"
#include "manager_internal.h"

#include "sapimem/extension.h"
#include "sapimem/policy.h"

#include <stdio.h>
#include <string.h>

enum {
    STEPS = 400,
    KEPT = 24,
    TABLE = 16,
    BYTES_MAX = 6000,
    BUFFER_MAX = 20000,
    SQUEEZE_BYTES = 4000,
    SQUEEZE_MAX = 20000
};

/* An object of bytes that are all the same. */
struct filled {
    sm_handle handle;         /* of those that handles keep */
    struct sm_object *object; /* of those in the table */
    size_t byte_count;
    unsigned char byte;
};

struct program {
    struct sm_manager *mm;
    struct filled kept[KEPT], table[TABLE];
    sm_handle buffer;
    size_t buffer_bytes;
    bool must_succeed;
    uint64_t refused;
};

static size_t size_of(uint64_t step)
{
    return 16 + step * 2654435761u % BYTES_MAX;
}

/* Whether the call that `succeeded` or not may have ended so; a refusal says why. */
static bool went(struct program *program, bool succeeded)
{
    if (succeeded)
        return true;
    assert_int_equal(sm_error_status(program->mm), SM_ERR_OUT_OF_MEMORY);
    assert_true(sm_error_detail(program->mm)[0] != '\0');
    assert_false(program->must_succeed);
    program->refused++;
    return false;
}

static void enumerate_table(void *context, struct sm_visitor *visitor)
{
    struct program *program = context;
    for (size_t i = 0; i < TABLE; i++)
        if (program->table[i].object != NULL)
            visitor->edge(visitor, program->table[i].object);
}

/* ---- Steps ---- */

/* New bytes, filled, with a local handle; none: refused. */
static sm_handle bytes_new(struct program *program, size_t byte_count, unsigned char byte)
{
    void *bytes = sm_alloc_bytes(program->mm, byte_count);
    (void)went(program, bytes != NULL);
    if (bytes == NULL)
        return SM_HANDLE_NONE;
    memset(bytes, byte, byte_count);
    sm_handle handle = sm_bytes_handle(program->mm, bytes);
    (void)went(program, !sm_handle_is_none(handle));
    return handle;
}

static void keep_bytes(struct program *program, uint64_t step)
{
    struct filled fresh = {.byte_count = size_of(step), .byte = (unsigned char)step};
    struct filled *slot = &program->kept[step * 7 % KEPT];
    sm_scope scope = sm_scope_open(program->mm);
    sm_handle local = bytes_new(program, fresh.byte_count, fresh.byte);
    if (!sm_handle_is_none(local))
        fresh.handle = sm_handle_persist(program->mm, local);
    assert_int_equal(sm_scope_close(program->mm, scope), SM_OK);
    if (sm_handle_is_none(local) || !went(program, !sm_handle_is_none(fresh.handle)))
        return;
    if (!sm_handle_is_none(slot->handle))
        assert_int_equal(sm_handle_release(program->mm, slot->handle), SM_OK);
    *slot = fresh;
}

static void release_kept(struct program *program, uint64_t step)
{
    struct filled *slot = &program->kept[step * 5 % KEPT];
    if (!sm_handle_is_none(slot->handle))
        assert_int_equal(sm_handle_release(program->mm, slot->handle), SM_OK);
    *slot = (struct filled){0};
}

static void hold_in_table(struct program *program, uint64_t step)
{
    struct filled *slot = &program->table[step * 3 % TABLE];
    struct filled fresh = {.byte_count = size_of(step), .byte = (unsigned char)(step + 1)};
    void *bytes = sm_alloc_bytes(program->mm, fresh.byte_count);
    if (!went(program, bytes != NULL))
        return;
    memset(bytes, fresh.byte, fresh.byte_count);
    fresh.object = sm_object_of_payload(bytes);
    sm_root_hold(program->mm, sm_value_from_object(fresh.object, 0));
    struct sm_object *old = slot->object;
    *slot = fresh;
    if (old != NULL)
        sm_root_release(program->mm, sm_value_from_object(old, 0));
}

/* At a safepoint just before, so that the table alone holds what is resized. */
static void resize_in_table(struct program *program, uint64_t step)
{
    struct filled *slot = &program->table[step % TABLE];
    sm_safepoint(program->mm);
    if (slot->object == NULL)
        return;
    size_t byte_count = size_of(step + 1);
    struct sm_object *resized = sm_resize(program->mm, slot->object, byte_count);
    if (!went(program, resized != NULL))
        return;
    struct sm_object *old = slot->object;
    slot->object = resized;
    if (resized != old)
        sm_retire(program->mm, old);
    memset(sm_payload(resized), slot->byte, byte_count);
    slot->byte_count = byte_count;
}

static void append(struct program *program, uint64_t step)
{
    char bytes[700];
    size_t byte_count = size_of(step) % sizeof(bytes);
    memset(bytes, 'b', sizeof(bytes));
    if (sm_handle_is_none(program->buffer)) {
        sm_scope scope = sm_scope_open(program->mm);
        sm_handle local = sm_buffer_create(program->mm, 64);
        if (went(program, !sm_handle_is_none(local)))
            program->buffer = sm_handle_persist(program->mm, local);
        assert_int_equal(sm_scope_close(program->mm, scope), SM_OK);
    }
    if (sm_handle_is_none(program->buffer))
        return;
    sm_status status = sm_buffer_append(program->mm, program->buffer, bytes, byte_count);
    if (went(program, status == SM_OK))
        program->buffer_bytes += byte_count;
    if (program->buffer_bytes > BUFFER_MAX) {
        assert_int_equal(sm_handle_release(program->mm, program->buffer), SM_OK);
        program->buffer = SM_HANDLE_NONE;
        program->buffer_bytes = 0;
    }
}

/* Scopes inside one another; the outer one closes both. */
static void nest(struct program *program, uint64_t step)
{
    struct sm_value value;
    sm_scope outer = sm_scope_open(program->mm);
    sm_handle first = bytes_new(program, size_of(step), 1);
    (void)sm_scope_open(program->mm);
    sm_handle second = bytes_new(program, size_of(step + 3), 2);
    sm_safepoint(program->mm);
    if (!sm_handle_is_none(first))
        assert_int_equal(sm_handle_get(program->mm, first, &value), SM_OK);
    assert_int_equal(sm_scope_close(program->mm, outer), SM_OK);
    if (!sm_handle_is_none(second))
        assert_int_equal(sm_handle_get(program->mm, second, &value), SM_ERR_STALE_HANDLE);
}

static void take_step(struct program *program, uint64_t step)
{
    static void (*const steps[])(struct program *, uint64_t) = {
        keep_bytes, append, hold_in_table, resize_in_table, nest, release_kept, hold_in_table, append};
    steps[step % (sizeof(steps) / sizeof(steps[0]))](program, step);
    sm_safepoint(program->mm);
}

/* ---- What must hold at any time ---- */

static void require_filled(const unsigned char *bytes, size_t byte_count, unsigned char byte)
{
    for (size_t i = 0; i < byte_count; i++)
        assert_int_equal(bytes[i], byte);
}

static void require_content(struct program *program)
{
    void *bytes = NULL;
    size_t byte_count = 0;
    for (size_t i = 0; i < KEPT; i++) {
        const struct filled *filled = &program->kept[i];
        if (sm_handle_is_none(filled->handle))
            continue;
        assert_int_equal(sm_bytes_get(program->mm, filled->handle, &bytes, &byte_count), SM_OK);
        assert_int_equal(byte_count, filled->byte_count);
        require_filled(bytes, byte_count, filled->byte);
    }
    for (size_t i = 0; i < TABLE; i++)
        if (program->table[i].object != NULL)
            require_filled(sm_payload(program->table[i].object), program->table[i].byte_count, program->table[i].byte);
    if (sm_handle_is_none(program->buffer))
        return;
    assert_int_equal(sm_buffer_view(program->mm, program->buffer, &bytes, &byte_count), SM_OK);
    assert_int_equal(byte_count, program->buffer_bytes);
    require_filled(bytes, byte_count, 'b');
}

/* Use up what is left; the refusal must come, and what it took is given back. */
static void squeeze(struct program *program)
{
    struct sm_reserve_state *reserve = &program->mm->reserve;
    uint64_t refused = program->refused;
    if (reserve->fail_after > reserve->request_count)
        reserve->fail_after = reserve->request_count + 1;
    sm_scope scope = sm_scope_open(program->mm);
    for (int i = 0; i < SQUEEZE_MAX && program->refused == refused; i++)
        (void)bytes_new(program, SQUEEZE_BYTES, 3);
    assert_int_equal(program->refused, refused + 1);
    assert_int_equal(sm_scope_close(program->mm, scope), SM_OK);
    reserve->fail_after = 0;
    require_content(program);
    sm_safepoint(program->mm);
}

/* ---- Runs ---- */

/* False: the manager itself was refused, which must say why. */
static bool open_program(struct program *program, const struct sm_policy_ops *ops, uint64_t fail_alloc_after)
{
    struct sm_config config = {
        .sapi = SM_SAPI_FPM, .policy = ops->name, .fail_alloc_after = fail_alloc_after, .fail_alloc_count = UINT64_MAX};
    struct sm_error error = {0};
    *program = (struct program){0};
    sm_status status = sm_manager_create(&config, &program->mm, &error);
    if (status != SM_OK) {
        assert_int_equal(status, SM_ERR_OUT_OF_MEMORY);
        assert_true(error.detail[0] != '\0');
        return false;
    }
    const struct sm_root_provider provider = {"table", enumerate_table, program};
    assert_int_equal(sm_roots_register(program->mm, &provider), SM_OK);
    assert_int_equal(sm_request_begin(program->mm), SM_OK);
    return true;
}

static void close_program(struct program *program)
{
    for (size_t i = 0; i < TABLE; i++) {
        struct sm_object *object = program->table[i].object;
        program->table[i].object = NULL;
        if (object != NULL)
            sm_root_release(program->mm, sm_value_from_object(object, 0));
    }
    assert_int_equal(sm_request_end(program->mm), SM_OK);
    /* Asserts that no committed byte is left. */
    sm_manager_destroy(program->mm);
}

/* Requests made without any failing; otherwise those refused. */
static uint64_t run(struct program *program, uint64_t fail_alloc_after)
{
    for (uint64_t step = 0; step < STEPS; step++) {
        if (step == STEPS / 2 && fail_alloc_after != 0) {
            squeeze(program);
            program->must_succeed = true;
        }
        take_step(program, step);
        if (step % 16 == 0)
            require_content(program);
    }
    require_content(program);
    return fail_alloc_after == 0 ? program->mm->reserve.request_count : program->refused;
}

static void test_refusals_surface_and_end(void **state)
{
    const struct sm_policy_ops *ops = *state;
    struct program program;
    uint64_t managers = 0, surfaced = 0;
    assert_true(open_program(&program, ops, 0));
    uint64_t last = run(&program, 0);
    assert_int_equal(program.refused, 0);
    close_program(&program);
    for (uint64_t fault = 1; fault <= last; fault += 1 + fault / 64) {
        if (!open_program(&program, ops, fault)) {
            managers++;
            continue;
        }
        surfaced += run(&program, fault);
        close_program(&program);
    }
    print_message("%s: %llu requests, %llu managers refused, %llu calls\n", ops->name, (unsigned long long)last,
                  (unsigned long long)managers, (unsigned long long)surfaced);
    assert_int_not_equal(surfaced, 0);
}

int main(void)
{
    enum { POLICIES_MAX = 32 };
    struct CMUnitTest tests[POLICIES_MAX];
    const struct sm_policy_ops *ops;
    size_t count = 0;
    for (size_t i = 0; (ops = sm_policy_table(i)) != NULL && count < POLICIES_MAX; i++)
        if (ops->unavailable == NULL)
            tests[count++] =
                (struct CMUnitTest){ops->name, test_refusals_surface_and_end, NULL, NULL, (void *)(uintptr_t)ops};
    return _cmocka_run_group_tests("extension sweep", tests, count, NULL, NULL);
}
