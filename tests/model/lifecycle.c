/* A model's life: the VM is made, runs operations, ends requests, settles, goes. */
#include "model.h"

/* Above one chunk of the model of Zend's allocator, which takes 2 MiB at a time. */
#define MODEL_LIMIT_BYTES (UINT64_C(3) << 20)

/* ---- Requests ---- */

static void begin(struct vm *vm, void *context)
{
    struct model *model = (struct model *)context;
    char name[16];
    /* A CLI VM opens its first request itself. */
    if (model->operations != 0 || (model->config.modes & MODEL_FPM) != 0)
        vm_request_begin(vm);
    model_classes_define(model);
    for (uint32_t i = MODEL_GLOBALS; i < MODEL_GLOBALS + MODEL_RESURRECTED; i++) {
        model_global_name(i, name);
        vm_global_set(vm, name, vm_null());
    }
    vm_frame_enter(vm, MODEL_LOCALS);
}

/* Where memory is short there may be none for a request; then the stream is over. */
static void begin_request(struct model *model)
{
    sm_status status = vm_try(model->vm, begin, model);
    if (status == SM_OK) {
        model->frame_count = 1;
        return;
    }
    if (status != SM_ERR_OUT_OF_MEMORY)
        model_fail(model, "a request cannot begin: %s", sm_error_detail(model->mm));
    if (model->must_succeed)
        model_fail(model, "a request cannot begin, and there is memory");
    model->bailout_total++;
    model->is_over = true;
}

static void clear_roots(void *context, struct oracle_value *value)
{
    (void)context;
    oracle_clear(value);
}

/* Before the VM's: destructors that run at the end find nothing of the oracle's to change. */
static void end_oracle(struct model *model)
{
    model_roots(model, clear_roots, NULL);
    for (uint32_t i = 0; i < MODEL_FRAMES; i++)
        model->frames[i].temporary_count = 0;
    for (uint32_t i = 0; i < MODEL_PERSISTENT; i++)
        model->persistent[i].handle = SM_HANDLE_NONE;
    for (uint32_t i = 0; i < MODEL_BUFFERS; i++) {
        oracle_clear(&model->buffers[i].content);
        model->buffers[i] = (struct model_buffer){.handle = SM_HANDLE_NONE};
    }
    model->frame_count = 0;
    model->local_count = 0;
    model->scope_count = 0;
}

static void end(struct vm *vm, void *context)
{
    (void)context;
    vm_request_end(vm);
}

static void require_all_destructed(struct model *model)
{
    if (model->destructors_run != model->destructible)
        model_fail(model, "%llu destructors ran by the end of the request, of %llu objects that have one",
                   (unsigned long long)model->destructors_run, (unsigned long long)model->destructible);
}

static void require_empty_heap(struct model *model)
{
    struct heap_set heap;
    heap_set_fill(&heap, model->vm);
    if (heap.count != 0)
        model_fail(model, "%zu blocks outlasted the request", heap.count);
    heap_set_finish(&heap);
}

static void end_request(struct model *model)
{
    for (; model->pins > 0; model->pins--)
        sm_unpin(sm_owner_guard(model->mm));
    model->is_closing = true;
    end_oracle(model);
    sm_status status = vm_try(model->vm, end, NULL);
    if (status != SM_OK)
        model_fail(model, "a request cannot end: %s", sm_error_detail(model->mm));
    require_all_destructed(model);
    if ((model->capabilities & SM_CAP_BULK_FREE) != 0 && sm_manager_sapi(model->mm) == SM_SAPI_FPM)
        require_empty_heap(model);
    oracle_reset(&model->oracle);
    model->is_closing = false;
}

void model_request(struct model *model)
{
    end_request(model);
    begin_request(model);
}

/* ---- Settling ---- */

static void count_block(void *context, struct sm_object *object)
{
    (void)object;
    ++*(uint64_t *)context;
}

static uint64_t block_count(struct model *model)
{
    uint64_t count = 0;
    sm_walk(model->mm, count_block, &count);
    return count;
}

/* A destructor's leavings take cycles of their own, as do entries whose value kept another entry's target. */
void model_settle(struct model *model)
{
    enum { ROUNDS_MAX = 64 };
    uint64_t blocks = UINT64_MAX, runs = UINT64_MAX;
    for (int round = 0; round < ROUNDS_MAX; round++) {
        if (sm_quiesce(model->mm) != SM_OK)
            model_fail(model, "sm_quiesce: %s", sm_error_detail(model->mm));
        vm_safepoint(model->vm);
        uint64_t blocks_now = model->is_exact ? block_count(model) : 0;
        if (blocks_now == blocks && model->destructors_run == runs)
            break;
        blocks = blocks_now;
        runs = model->destructors_run;
    }
    model_check(model, true);
}

/* ---- The model ---- */

/* What destructors at the end of a request throw; the oracle knows nothing of it. */
static void ignore_uncaught(struct vm *vm, struct sm_value exception)
{
    (void)vm;
    (void)exception;
}

static struct vm_config vm_config_of(const struct model_config *config)
{
    struct vm_config vm_config = {.prompt_destructors = (config->modes & MODEL_PROMPT) != 0,
                                  .uncaught = ignore_uncaught};
    struct sm_config *manager = &vm_config.manager;
    manager->sapi = (config->modes & MODEL_FPM) != 0 ? SM_SAPI_FPM : SM_SAPI_CLI;
    manager->policy = config->policy;
    manager->custom_policy = config->custom_policy;
    manager->sharing_counts = (config->modes & (MODEL_SHARING_COUNTS | MODEL_PROMPT)) != 0;
    manager->collect_every_safepoint = (config->modes & MODEL_COLLECT_ALWAYS) != 0;
    manager->memory_limit_bytes = (config->modes & MODEL_LIMIT) != 0 ? MODEL_LIMIT_BYTES : 0;
    manager->fail_alloc_after = config->fail_alloc_after;
    manager->fail_alloc_count = config->fail_alloc_count;
    manager->collector_threads = config->collector_threads;
    manager->threshold_bytes = config->threshold_bytes;
    manager->collect_every_bytes = config->threshold_bytes == 0 ? 256 * 1024 : 0;
    return vm_config;
}

sm_status model_open(struct model *model, const struct model_config *config, struct sm_error *error)
{
    struct vm_config vm_config = vm_config_of(config);
    *model = (struct model){.config = *config, .oracle.first_id = 1, .cycles_enabled = true};
    sm_status status = vm_create(&vm_config, &model->vm, error);
    if (status != SM_OK)
        return status;
    model->mm = vm_manager(model->vm);
    model->capabilities = sm_policy_capabilities(model->mm);
    model->is_counting = (model->capabilities & SM_CAP_COUNTS) != 0;
    /* bdwgc takes stale words for references, so what is dead may stay. */
    model->is_exact = (model->capabilities & SM_CAP_COLLECT) != 0 && strcmp(sm_policy_name(model->mm), "boehm") != 0;
    vm_context_set(model->vm, model);
    begin_request(model);
    return SM_OK;
}

void model_close(struct model *model)
{
    if (!model->is_over) {
        model_settle(model);
        end_request(model);
    } else {
        end_oracle(model);
        model->is_closing = true;
    }
    vm_destroy(model->vm);
    for (uint32_t i = 0; i < MODEL_SCRATCH; i++)
        oracle_clear(&model->scratch[i]);
    oracle_finish(&model->oracle);
}

/* ---- Operations ---- */

static void run_body(struct vm *vm, void *context)
{
    struct model *model = (struct model *)context;
    (void)vm;
    const struct model_action *action = &model_value_actions[model->current.code];
    if (action->run == NULL)
        action = &model_object_actions[model->current.code];
    action->run(model, model->current);
}

static void run_guarded(struct model *model)
{
    model->callee = NULL;
    sm_status status = vm_try(model->vm, run_body, model);
    if (status == SM_OK)
        return;
    model_callee_aborted(model);
    if (status != SM_ERR_OUT_OF_MEMORY)
        model_fail(model, "bailed out: %s", sm_error_detail(model->mm));
    if (model->must_succeed)
        model_fail(model, "refused, and there is memory: %s", sm_error_detail(model->mm));
    model->bailout_total++;
}

static void tamper(struct model *model)
{
    const struct model_config *config = &model->config;
    if (config->tamper == NULL || model->tampered_at != 0 || model->operations < config->tamper_at)
        return;
    if (config->tamper(model->vm))
        model->tampered_at = model->operations;
}

void model_run(struct model *model, struct model_operation operation)
{
    if (model->is_over)
        return;
    model->current = operation;
    model->operations++;
    tamper(model);
    const struct model_action *bare = &model_extension_actions[operation.code];
    if (bare->run != NULL)
        bare->run(model, operation);
    else
        run_guarded(model);
    for (uint32_t i = 0; i < MODEL_SCRATCH; i++)
        oracle_clear(&model->scratch[i]);
    if (model->is_over)
        return;
    if ((model->config.modes & MODEL_COLLECT_ALWAYS) != 0)
        model_safepoint(model);
    if (model->config.check_every != 0 && model->operations % model->config.check_every == 0)
        model_check(model, false);
}
