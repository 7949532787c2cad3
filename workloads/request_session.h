/**
 * A workload whose steps are requests, as under FPM: what all of them share beyond vm_session.h.
 */
#ifndef REQUEST_SESSION_H
#define REQUEST_SESSION_H

#include "text.h"
#include "vm_session.h"

/**
 * Create an instance, of `state_bytes` that begin with a session and are otherwise zero; a request makes all the rest.
 *
 * Errors:      SM_ERR_INVALID_ARGUMENT for a leak fault, since nothing outlives a request; SM_ERR_OUT_OF_MEMORY; as
 *              vm_session_open. Nothing is left behind then.
 */
sm_status request_session_create(size_t state_bytes, const struct wl_ops *ops, const struct wl_config *config,
                                 struct wl_instance **instance, struct sm_error *error);

/**
 * A step that is one request: begin, `body` in one run-loop iteration, end.
 *
 * `body` boots the mutator work itself. Under a CLI policy requests just begin and end.
 */
enum wl_step request_session_step(struct wl_instance *instance, const char *site,
                                  void (*body)(struct vm_session *session));

/**
 * Begin a request to be served: what one request hands on to the next, the checksum and the kernel's registers, starts
 * anew, so that what it does follows from its number alone. Returns the number, from 1, as steps have.
 */
uint64_t request_session_serve(struct wl_instance *instance, const struct wl_request *request);

/** Whether a fault of this kind is planted in request `number`, wherever that is served. */
static inline bool request_fault_strikes(const struct vm_session *session, enum wl_fault fault, uint64_t number)
{
    return session->fault == fault && session->fault_period == number;
}

/**
 * Define a class of `property_count` properties called p0, p1, ...: size is what matters. Returns borrowed.
 *
 * Errors:      bails out.
 */
struct vm_class *request_class_define(struct vm *vm, const char *name, uint32_t property_count,
                                      vm_destructor *destructor);

/** An array held by a global, borrowed. */
static inline struct vm_array *request_global(struct vm *vm, const char *name)
{
    return vm_as_array(vm_global_get(vm, name));
}

/** A new array, hung on a global. Returns borrowed. Errors: bails out. */
struct vm_array *request_global_new(struct vm *vm, const char *name, enum vm_array_kind kind);

#endif
