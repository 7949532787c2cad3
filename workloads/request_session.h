/**
 * A workload whose steps are requests, as under FPM: what all of them share beyond vm_session.h.
 */
#ifndef REQUEST_SESSION_H
#define REQUEST_SESSION_H

#include "text.h"
#include "vm_session.h"

/** First member of such a workload's state. */
struct request_session {
    struct vm_session session; /* First: the workload interface relies on it. */
    void (*body)(struct vm_session *session);
    struct wl_random random;   /**< of the request under way */
    uint64_t number;           /**< its number, from 1 */
    bool is_cold;              /**< it compiles the program first */
    uint64_t file_count;       /**< of the program */
    struct text_buffer source; /**< the file being compiled, as it is on the disk */
};

/**
 * Create an instance, of `state_bytes` that begin with a request_session and are otherwise zero; a request makes all the
 * rest. `body` is a request, from its first frame to its last; it boots the mutator work itself.
 *
 * Errors:      SM_ERR_INVALID_ARGUMENT for a leak fault, since nothing outlives a request; SM_ERR_OUT_OF_MEMORY; as
 *              vm_session_open. Nothing is left behind then.
 */
sm_status request_session_create(size_t state_bytes, const struct wl_ops *ops, const struct wl_config *config,
                                 void (*body)(struct vm_session *session), struct wl_instance **instance,
                                 struct sm_error *error);

/** `destroy` of its table. NULL is fine. */
void request_session_destroy(struct wl_instance *instance);

/**
 * `step` of its table: the request of the step's number, from 1: begin, the body in one run-loop iteration, end.
 *
 * Under a CLI policy requests just begin and end.
 */
enum wl_step request_session_step(struct wl_instance *instance);

/**
 * `serve` of its table. What one request hands on to the next, the checksum and the kernel's registers, starts anew, so
 * that what a request does follows from its number alone; they have the numbers that steps have.
 */
enum wl_step request_session_serve(struct wl_instance *instance, const struct wl_request *request);

/** Whether a fault of this kind is planted in the request under way, wherever that is served. */
static inline bool request_fault_strikes(const struct request_session *request, enum wl_fault fault)
{
    return request->session.fault == fault && request->session.fault_period == request->number;
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
