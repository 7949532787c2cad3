/* What all VM workloads share: creation, faults, the checksum, destructor effects. */
#include "vm_session.h"

#include <stdio.h>
#include <stdlib.h>

sm_status vm_session_open(struct vm_session *session, const struct wl_ops *ops, const struct wl_config *config,
                          struct sm_error *error)
{
    struct vm_config vm_config = {.manager = config->manager, .prompt_destructors = config->prompt_destructors};
    sm_status status = vm_create(&vm_config, &session->vm, error);
    if (status != SM_OK)
        return status;
    vm_context_set(session->vm, session);
    session->instance.ops = ops;
    session->instance.mm = vm_manager(session->vm);
    session->instance.checksum = WL_CHECKSUM_START;
    session->instance.observed_roots = "globals";
    session->options = config->options;
    session->seed = config->seed;
    session->mutator_work_enabled = config->mutator_work;
    session->fault = config->fault;
    session->fault_period = config->fault_period;
    return SM_OK;
}

void vm_session_close(struct vm_session *session)
{
    vm_destroy(session->vm);
    session->vm = NULL;
}

struct iteration {
    struct vm_session *session;
    void (*body)(struct vm_session *session);
};

static void run_body(struct vm *vm, void *context)
{
    const struct iteration *iteration = (const struct iteration *)context;
    (void)vm;
    iteration->body(iteration->session);
}

static void run_boot(struct vm *vm, void *context)
{
    const struct iteration *iteration = (const struct iteration *)context;
    struct vm_session *session = iteration->session;
    if (sm_manager_sapi(session->instance.mm) == SM_SAPI_FPM)
        vm_request_begin(vm);
    mutator_work_boot(&session->work, vm, session->mutator_work_enabled);
    iteration->body(session);
}

/* A run-loop iteration, or, in a script, a part of the one that goes on. */
static sm_status run(struct vm_session *session, const char *site, void (*body)(struct vm *vm, void *context),
                     struct iteration *iteration)
{
    if (!session->in_script)
        return vm_iteration(session->vm, site, body, iteration);
    vm_frame_enter(session->vm, 0);
    sm_status status = vm_try(session->vm, body, iteration);
    vm_frame_leave(session->vm);
    vm_safepoint(session->vm);
    return status;
}

static sm_status boot_session(struct vm_session *session, void (*boot)(struct vm_session *session),
                              struct wl_instance **instance, struct sm_error *error)
{
    sm_status status = run(session, SM_HERE, run_boot, &(struct iteration){session, boot});
    if (status == SM_OK) {
        *instance = &session->instance;
        return SM_OK;
    }
    (void)vm_session_step_result(session, status);
    if (error != NULL)
        *error = session->instance.error;
    vm_session_destroy(&session->instance);
    return status;
}

static struct vm_session *open_session(size_t state_bytes, const struct wl_ops *ops, const struct wl_config *config,
                                       sm_status *status, struct sm_error *error)
{
    struct vm_session *session = (struct vm_session *)calloc(1, state_bytes);
    *status = session == NULL ? SM_ERR_OUT_OF_MEMORY : vm_session_open(session, ops, config, error);
    if (*status == SM_OK)
        return session;
    free(session);
    return NULL;
}

sm_status vm_session_create(size_t state_bytes, const struct wl_ops *ops, const struct wl_config *config,
                            void (*boot)(struct vm_session *session), struct wl_instance **instance,
                            struct sm_error *error)
{
    sm_status status;
    struct vm_session *session = open_session(state_bytes, ops, config, &status, error);
    return session == NULL ? status : boot_session(session, boot, instance, error);
}

sm_status vm_session_create_script(size_t state_bytes, const struct wl_ops *ops, const struct wl_config *config,
                                   void (*boot)(struct vm_session *session), struct wl_instance **instance,
                                   struct sm_error *error)
{
    sm_status status;
    struct vm_session *session = open_session(state_bytes, ops, config, &status, error);
    if (session == NULL)
        return status;
    sm_pin(sm_owner_guard(session->instance.mm), SM_HERE);
    session->in_script = true;
    return boot_session(session, boot, instance, error);
}

void vm_session_leave_script(struct vm_session *session)
{
    if (!session->in_script)
        return;
    session->in_script = false;
    sm_safepoint_boundary(session->instance.mm);
    sm_unpin(sm_owner_guard(session->instance.mm));
}

void vm_session_destroy(struct wl_instance *instance)
{
    if (instance == NULL)
        return;
    vm_session_leave_script(vm_session_of(instance));
    vm_session_close(vm_session_of(instance));
    free(instance);
}

enum wl_step vm_session_iterate(struct wl_instance *instance, const char *site,
                                void (*body)(struct vm_session *session))
{
    struct vm_session *session = vm_session_of(instance);
    sm_status status = run(session, site, run_body, &(struct iteration){session, body});
    if (status == SM_OK)
        instance->steps_done++;
    return vm_session_step_result(session, status);
}

enum wl_step vm_session_finish(struct wl_instance *instance)
{
    vm_session_fold(vm_session_of(instance), instance->steps_done);
    return WL_STEP_DONE;
}

void vm_session_fold_value(struct vm_session *session, struct sm_value value, unsigned depth)
{
    vm_session_fold(session, vm_value_hash(session->vm, value, depth));
}

bool vm_session_fault_strikes(const struct vm_session *session, enum wl_fault fault)
{
    return session->fault == fault && session->instance.steps_done + 1 == session->fault_period;
}

bool vm_session_leak_strikes(struct vm_session *session)
{
    if (session->fault != WL_FAULT_LEAK || session->fault_period == 0)
        return false;
    return ++session->dying_count % session->fault_period == 0;
}

void vm_session_leak(struct vm_session *session, struct sm_value value)
{
    struct vm *vm = session->vm;
    if (vm_global_place(vm, "leaked").slot == NULL)
        vm_global_set(vm, "leaked", vm_array_value(vm_array_new(vm, VM_ARRAY_PACKED, 0)));
    struct vm_array *leaked = vm_array_write(vm, vm_global_place(vm, "leaked"));
    vm_array_append(vm, leaked, vm_value_copy(vm, value));
}

struct wl_random vm_session_random(const struct vm_session *session, uint64_t step)
{
    return wl_random_seeded(wl_checksum_fold(session->seed, step));
}

enum wl_step vm_session_step_result(struct vm_session *session, sm_status status)
{
    struct wl_instance *instance = &session->instance;
    if (status == SM_OK)
        return WL_STEP_MORE;
    instance->error.status = status;
    snprintf(instance->error.detail, sizeof(instance->error.detail), "%s", sm_error_detail(instance->mm));
    return WL_STEP_FAILED;
}

void vm_session_destructor(struct vm *vm, struct vm_object *object)
{
    struct vm_session *session = (struct vm_session *)vm_context(vm);
    session->instance.destructor_sum += wl_mix(vm_object_get(object, 0).payload + 1);
}
