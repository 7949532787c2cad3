/* Operations of an extension and of the embedder: handles, scopes, buffers, guards, cycles, requests. No vm_try surrounds them. */
#include "model.h"

static void scope_open(struct model *model, struct model_operation operation)
{
    (void)operation;
    if (model->scope_count == MODEL_SCOPES)
        return;
    sm_scope scope = sm_scope_open(model->mm);
    if (scope.depth == 0)
        model_fail(model, "a scope was refused: %s", sm_error_detail(model->mm));
    model->scopes[model->scope_count++] = (struct model_scope){scope, model->local_count};
    model_done(model);
}

/* Any open scope may be closed; those inside it close with it. */
static void scope_close(struct model *model, struct model_operation operation)
{
    if (model->scope_count == 0)
        return;
    model->scope_count = operation.a % model->scope_count;
    struct model_scope scope = model->scopes[model->scope_count];
    sm_handle newest =
        model->local_count > scope.first_local ? model->locals[model->local_count - 1].handle : SM_HANDLE_NONE;
    if (sm_scope_close(model->mm, scope.scope) != SM_OK)
        model_fail(model, "an open scope was not closed: %s", sm_error_detail(model->mm));
    while (model->local_count > scope.first_local)
        oracle_clear(&model->locals[--model->local_count].value);
    struct sm_value value;
    if (!sm_handle_is_none(newest) && sm_handle_get(model->mm, newest, &value) != SM_ERR_STALE_HANDLE)
        model_fail(model, "a handle outlasted its scope");
    model_done(model);
}

/* A source's value with a local handle on it, which is in the innermost scope of the manager. */
static sm_handle handle_source(struct model *model, uint8_t selector)
{
    struct model_place source = model_place_source(model, selector);
    if (source.kind == MODEL_PLACE_NONE)
        return SM_HANDLE_NONE;
    struct sm_value value = vm_value_deref(model_place_read(model, &source));
    value = vm_value_copy(model->vm, value.tag == VM_UNDEF ? vm_null() : value);
    sm_handle handle = sm_alloc_value(model->mm, value);
    vm_value_drop(model->vm, value);
    if (sm_handle_is_none(handle))
        model_fail(model, "a handle was refused: %s", sm_error_detail(model->mm));
    oracle_set(&model->scratch[0], oracle_copy(oracle_deref(source.oracle)));
    return handle;
}

static void handle_local(struct model *model, struct model_operation operation)
{
    if (model->scope_count == 0 || model->local_count == MODEL_LOCAL_HANDLES)
        return;
    sm_handle handle = handle_source(model, operation.b);
    if (sm_handle_is_none(handle))
        return;
    model->locals[model->local_count++] = (struct model_handle){handle, model_take_scratch(model)};
    model_done(model);
}

/* From a local handle into a local of the frame, which cannot fail. */
static void handle_read(struct model *model, struct model_operation operation)
{
    struct sm_value value;
    if (model->local_count == 0)
        return;
    const struct model_handle *handle = &model->locals[operation.b % model->local_count];
    if (sm_handle_get(model->mm, handle->handle, &value) != SM_OK)
        model_fail(model, "a local handle cannot be read: %s", sm_error_detail(model->mm));
    uint32_t local = operation.a % MODEL_LOCALS;
    struct oracle_value expected = oracle_copy(&handle->value);
    vm_local_set(model->vm, local, vm_value_copy(model->vm, value));
    oracle_set(&model->frames[model->frame_count - 1].locals[local], expected);
    model_done(model);
}

static void release(struct model *model, struct model_handle *handle)
{
    struct sm_value value;
    if (sm_handle_is_none(handle->handle))
        return;
    sm_handle old = handle->handle;
    handle->handle = SM_HANDLE_NONE;
    oracle_clear(&handle->value);
    if (sm_handle_release(model->mm, old) != SM_OK)
        model_fail(model, "a persistent handle was not released: %s", sm_error_detail(model->mm));
    if (sm_handle_get(model->mm, old, &value) != SM_ERR_STALE_HANDLE)
        model_fail(model, "a released handle still answers");
}

static void handle_persist(struct model *model, struct model_operation operation)
{
    struct model_handle *slot = &model->persistent[operation.a % MODEL_PERSISTENT];
    sm_scope scope = sm_scope_open(model->mm);
    sm_handle local = handle_source(model, operation.b);
    if (!sm_handle_is_none(local)) {
        struct oracle_value expected = model_take_scratch(model);
        sm_handle fresh = sm_handle_persist(model->mm, local);
        if (sm_handle_is_none(fresh))
            model_fail(model, "a persistent handle was refused: %s", sm_error_detail(model->mm));
        release(model, slot);
        *slot = (struct model_handle){fresh, expected};
        model_done(model);
    }
    if (sm_scope_close(model->mm, scope) != SM_OK)
        model_fail(model, "the scope of one operation was not closed: %s", sm_error_detail(model->mm));
}

static void handle_set(struct model *model, struct model_operation operation)
{
    struct model_place source = model_place_source(model, operation.b);
    struct model_handle *handle = &model->persistent[operation.a % MODEL_PERSISTENT];
    if (source.kind == MODEL_PLACE_NONE || sm_handle_is_none(handle->handle))
        return;
    struct oracle_value expected = oracle_copy(oracle_deref(source.oracle));
    struct sm_value value = vm_value_deref(model_place_read(model, &source));
    value = vm_value_copy(model->vm, value);
    if (sm_handle_set(model->mm, handle->handle, value) != SM_OK)
        model_fail(model, "a persistent handle was not set: %s", sm_error_detail(model->mm));
    vm_value_drop(model->vm, value);
    oracle_set(&handle->value, expected);
    model_done(model);
}

static void handle_release(struct model *model, struct model_operation operation)
{
    release(model, &model->persistent[operation.a % MODEL_PERSISTENT]);
    model_done(model);
}

/* ---- Buffers and bytes ---- */

static void buffer_drop(struct model *model, struct model_buffer *buffer)
{
    if (sm_handle_is_none(buffer->handle))
        return;
    if (sm_handle_release(model->mm, buffer->handle) != SM_OK)
        model_fail(model, "a buffer was not released: %s", sm_error_detail(model->mm));
    oracle_clear(&buffer->content);
    *buffer = (struct model_buffer){.handle = SM_HANDLE_NONE};
}

/* Keep the object of a local handle, which ends with the scope. */
static void buffer_keep(struct model *model, sm_scope scope, struct model_operation operation, sm_handle local,
                        bool is_bytes, struct oracle_value content)
{
    struct model_buffer *buffer = &model->buffers[operation.a % MODEL_BUFFERS];
    sm_handle handle = sm_handle_is_none(local) ? SM_HANDLE_NONE : sm_handle_persist(model->mm, local);
    if (sm_scope_close(model->mm, scope) != SM_OK)
        model_fail(model, "the scope of a buffer was not closed: %s", sm_error_detail(model->mm));
    if (sm_handle_is_none(handle)) {
        model->bailout_total++;
        oracle_clear(&content);
        return;
    }
    buffer_drop(model, buffer);
    *buffer = (struct model_buffer){handle, is_bytes, content};
    model_done(model);
}

static void buffer_create(struct model *model, struct model_operation operation)
{
    sm_scope scope = sm_scope_open(model->mm);
    sm_handle local = sm_buffer_create(model->mm, operation.number % 300u);
    buffer_keep(model, scope, operation, local, false, oracle_string("", 0));
}

static void bytes_create(struct model *model, struct model_operation operation)
{
    char pattern[2048];
    size_t byte_count = operation.number % sizeof(pattern);
    memset(pattern, operation.c, sizeof(pattern));
    sm_scope scope = sm_scope_open(model->mm);
    void *bytes = sm_alloc_bytes(model->mm, byte_count);
    sm_handle local = SM_HANDLE_NONE;
    if (bytes != NULL) {
        memcpy(bytes, pattern, byte_count);
        local = sm_bytes_handle(model->mm, bytes);
    }
    buffer_keep(model, scope, operation, local, true, oracle_string(pattern, byte_count));
}

/* The buffer that `selector` names, or the next one that can grow. */
static struct model_buffer *growable(struct model *model, uint8_t selector)
{
    for (uint32_t i = 0; i < MODEL_BUFFERS; i++) {
        struct model_buffer *buffer = &model->buffers[(selector + i) % MODEL_BUFFERS];
        if (!sm_handle_is_none(buffer->handle) && !buffer->is_bytes)
            return buffer;
    }
    return NULL;
}

static void buffer_append(struct model *model, struct model_operation operation)
{
    char bytes[700];
    struct model_buffer *buffer = growable(model, operation.a);
    size_t byte_count = operation.number % sizeof(bytes);
    if (buffer == NULL || buffer->content.number > MODEL_STRING_MAX)
        return;
    memset(bytes, operation.c, sizeof(bytes));
    if (sm_buffer_append(model->mm, buffer->handle, bytes, byte_count) != SM_OK) {
        model->bailout_total++;
        return;
    }
    oracle_string_append(&buffer->content, bytes, byte_count);
    model_done(model);
}

static void buffer_truncate(struct model *model, struct model_operation operation)
{
    struct model_buffer *buffer = growable(model, operation.a);
    if (buffer == NULL || buffer->content.number == 0)
        return;
    size_t byte_count = operation.number % (size_t)buffer->content.number;
    if (sm_buffer_truncate(model->mm, buffer->handle, byte_count) != SM_OK)
        model_fail(model, "a buffer was not truncated: %s", sm_error_detail(model->mm));
    buffer->content.number = (int64_t)byte_count;
    model_done(model);
}

/* ---- Guards and cycles ---- */

static void pin(struct model *model, struct model_operation operation)
{
    (void)operation;
    if (model->pins == 4)
        return;
    sm_pin(sm_owner_guard(model->mm), SM_HERE);
    model->pins++;
    model_done(model);
}

static void unpin(struct model *model, struct model_operation operation)
{
    (void)operation;
    if (model->pins == 0)
        return;
    sm_unpin(sm_owner_guard(model->mm));
    model->pins--;
    model_done(model);
}

static void cycles_enable(struct model *model, struct model_operation operation)
{
    model->cycles_enabled = operation.a % 2 == 0;
    if (model->cycles_enabled)
        vm_gc_enable(model->vm);
    else
        vm_gc_disable(model->vm);
    if (vm_gc_enabled(model->vm) != model->cycles_enabled)
        model_fail(model, "gc_enabled does not say what was asked for");
    model_done(model);
}

/* At a safepoint both sides agree, so what has a destructor to run must be unreachable now. */
void model_at_safepoint(struct model *model, void (*act)(struct model *model))
{
    oracle_analyse(&model->oracle, model_roots, model, false);
    model->may_collect = true;
    model->is_displaced = false;
    act(model);
    model->may_collect = false;
}

static void take_safepoint(struct model *model)
{
    vm_safepoint(model->vm);
}

static void take_collection(struct model *model)
{
    sm_status status = sm_collect(model->mm, SM_COLLECT_FULL);
    sm_status expected = (model->capabilities & SM_CAP_COLLECT) != 0 ? SM_OK : SM_ERR_UNSUPPORTED;
    if (status != expected)
        model_fail(model, "sm_collect: %s; expected %s", sm_status_name(status), sm_status_name(expected));
    vm_safepoint(model->vm);
}

/* What it says that it freed is what the status counts. */
static void take_gc_collection(struct model *model)
{
    struct vm_gc_status before = vm_gc_status(model->vm);
    uint64_t collected = vm_gc_collect_cycles(model->vm);
    struct vm_gc_status after = vm_gc_status(model->vm);
    if ((model->capabilities & SM_CAP_COLLECT) == 0 && collected != 0)
        model_fail(model, "gc_collect_cycles freed %llu where nothing collects", (unsigned long long)collected);
    if (after.runs < before.runs || before.runs < model->gc_runs || after.collected - before.collected != collected)
        model_fail(model, "gc_status does not agree with gc_collect_cycles");
    model->gc_runs = after.runs;
    vm_safepoint(model->vm);
}

void model_safepoint(struct model *model)
{
    model_at_safepoint(model, take_safepoint);
}

static void safepoint(struct model *model, struct model_operation operation)
{
    (void)operation;
    model_safepoint(model);
    model_done(model);
}

static void collect(struct model *model, struct model_operation operation)
{
    (void)operation;
    model_at_safepoint(model, take_collection);
    model_check(model, false);
    model_done(model);
}

static void gc_collect_cycles(struct model *model, struct model_operation operation)
{
    (void)operation;
    model_at_safepoint(model, take_gc_collection);
    model_check(model, false);
    model_done(model);
}

static void settle(struct model *model, struct model_operation operation)
{
    (void)operation;
    model_at_safepoint(model, model_settle);
    model_done(model);
}

static void request(struct model *model, struct model_operation operation)
{
    (void)operation;
    for (uint32_t i = 0; i < MODEL_BUFFERS; i++)
        buffer_drop(model, &model->buffers[i]);
    model_request(model);
    model_done(model);
}

const struct model_action model_extension_actions[MODEL_CODE_COUNT] = {
    [MODEL_SCOPE_OPEN] = {scope_open, true},
    [MODEL_SCOPE_CLOSE] = {scope_close, true},
    [MODEL_HANDLE_LOCAL] = {handle_local, true},
    [MODEL_HANDLE_READ] = {handle_read, true},
    [MODEL_HANDLE_PERSIST] = {handle_persist, true},
    [MODEL_HANDLE_SET] = {handle_set, true},
    [MODEL_HANDLE_RELEASE] = {handle_release, true},
    [MODEL_BUFFER_CREATE] = {buffer_create, true},
    [MODEL_BUFFER_APPEND] = {buffer_append, true},
    [MODEL_BUFFER_TRUNCATE] = {buffer_truncate, true},
    [MODEL_BYTES_CREATE] = {bytes_create, true},
    [MODEL_PIN] = {pin, true},
    [MODEL_UNPIN] = {unpin, true},
    [MODEL_CYCLES_ENABLE] = {cycles_enable, true},
    [MODEL_SAFEPOINT] = {safepoint, true},
    [MODEL_COLLECT] = {collect, true},
    [MODEL_SETTLE] = {settle, true},
    [MODEL_GC_COLLECT_CYCLES] = {gc_collect_cycles, true},
    [MODEL_REQUEST] = {request, true},
};
