/* Requests: creation, one step, and what a request defines. */
#include "request_session.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

static sm_status create_failed(const struct wl_ops *ops, struct sm_error *error, sm_status status, const char *detail)
{
    if (error != NULL) {
        error->status = status;
        snprintf(error->detail, sizeof(error->detail), "%s: %s", ops->name, detail);
    }
    return status;
}

sm_status request_session_create(size_t state_bytes, const struct wl_ops *ops, const struct wl_config *config,
                                 void (*body)(struct vm_session *session), struct wl_instance **instance,
                                 struct sm_error *error)
{
    if (config->fault == WL_FAULT_LEAK)
        return create_failed(ops, error, SM_ERR_INVALID_ARGUMENT, "nothing outlives a request, so it cannot leak");
    struct request_session *request = (struct request_session *)calloc(1, state_bytes);
    if (request == NULL)
        return create_failed(ops, error, SM_ERR_OUT_OF_MEMORY, "no memory for the workload");
    sm_status status = vm_session_open(&request->session, ops, config, error);
    if (status != SM_OK) {
        free(request);
        return status;
    }
    request->body = body;
    *instance = &request->session.instance;
    return SM_OK;
}

static struct request_session *request_of(struct wl_instance *instance)
{
    return (struct request_session *)instance;
}

void request_session_destroy(struct wl_instance *instance)
{
    if (instance != NULL)
        text_buffer_free(&request_of(instance)->source);
    vm_session_destroy(instance);
}

/* ---- One request ---- */

static void begin_request(struct vm *vm, void *context)
{
    (void)context;
    vm_request_begin(vm);
}

static void end_request(struct vm *vm, void *context)
{
    (void)context;
    vm_request_end(vm);
}

static void run_request(struct vm *vm, void *context)
{
    struct request_session *request = (struct request_session *)context;
    (void)vm;
    request->body(&request->session);
}

static enum wl_step serve_numbered(struct request_session *request, uint64_t number, bool is_cold)
{
    struct vm_session *session = &request->session;
    request->number = number;
    request->is_cold = is_cold;
    request->random = vm_session_random(session, number);
    sm_status status = vm_try(session->vm, begin_request, NULL);
    if (status == SM_OK)
        status = vm_iteration(session->vm, SM_HERE, run_request, request);
    if (status == SM_OK)
        status = vm_try(session->vm, end_request, NULL);
    if (status == SM_OK)
        session->instance.steps_done++;
    return vm_session_step_result(session, status);
}

enum wl_step request_session_step(struct wl_instance *instance)
{
    return serve_numbered(request_of(instance), instance->steps_done + 1, false);
}

enum wl_step request_session_serve(struct wl_instance *instance, const struct wl_request *request)
{
    vm_session_of(instance)->work = (struct mutator_work){0};
    instance->checksum = WL_CHECKSUM_START;
    return serve_numbered(request_of(instance), request->index + 1, request->is_cold);
}

/* ---- What it defines ---- */

struct vm_class *request_class_define(struct vm *vm, const char *name, uint32_t property_count,
                                      vm_destructor *destructor)
{
    char texts[VM_CLASS_PROPERTIES_MAX][8];
    const char *names[VM_CLASS_PROPERTIES_MAX];
    assert(property_count <= VM_CLASS_PROPERTIES_MAX);
    for (uint32_t i = 0; i < property_count; i++) {
        snprintf(texts[i], sizeof(texts[i]), "p%u", i % VM_CLASS_PROPERTIES_MAX);
        names[i] = texts[i];
    }
    return vm_class_define(vm, name, names, property_count, destructor);
}

struct vm_array *request_global_new(struct vm *vm, const char *name, enum vm_array_kind kind)
{
    struct vm_array *array = vm_array_new(vm, kind, 0);
    vm_global_set(vm, name, vm_array_value(array));
    return array;
}
