/**
 * A workload that runs on a host VM: the part of its state and life that all of them share.
 */
#ifndef VM_SESSION_H
#define VM_SESSION_H

#include "mutator_work.h"
#include "workloads/random.h"
#include "workloads/workload.h"

/** First member of a VM workload's state. */
struct vm_session {
    struct wl_instance instance; /* First: the workload interface relies on it. */
    struct vm *vm;
    struct mutator_work work;
    const struct sm_option_values *options; /**< of the workload's table */
    uint64_t seed;
    bool mutator_work_enabled;
    enum wl_fault fault;
    uint64_t fault_period;
    uint64_t dying_count; /**< objects that a leak fault has looked at */
    bool in_script;       /**< between vm_session_create_script and vm_session_leave_script */
};

/** Create the VM and fill the session in. Errors: as vm_create; nothing is left behind then. */
sm_status vm_session_open(struct vm_session *session, const struct wl_ops *ops, const struct wl_config *config,
                          struct sm_error *error);

/** Destroy the VM. */
void vm_session_close(struct vm_session *session);

/**
 * Create an instance, of `state_bytes` that begin with a session and are otherwise zero: the VM, under FPM a request that
 * holds all of the program, the world of the mutator work, and what `boot` makes.
 *
 * Errors:      as vm_session_open, and what `boot` bailed out with; nothing is left behind then.
 */
sm_status vm_session_create(size_t state_bytes, const struct wl_ops *ops, const struct wl_config *config,
                            void (*boot)(struct vm_session *session), struct wl_instance **instance,
                            struct sm_error *error);

/** Destroy it. NULL is fine. */
void vm_session_destroy(struct wl_instance *instance);

/** A step that is one run-loop iteration of `body`; of a script, a part of the one that goes on, with a safepoint at its end. */
enum wl_step vm_session_iterate(struct wl_instance *instance, const char *site,
                                void (*body)(struct vm_session *session));

static inline struct vm_session *vm_session_of(struct wl_instance *instance)
{
    return (struct vm_session *)instance;
}

/**
 * For a program that never leaves its first run-loop iteration: as vm_session_create, but the guard that the iteration begins
 * with is pinned before `boot` and held until vm_session_leave_script, and nothing between is a boundary.
 */
sm_status vm_session_create_script(size_t state_bytes, const struct wl_ops *ops, const struct wl_config *config,
                                   void (*boot)(struct vm_session *session), struct wl_instance **instance,
                                   struct sm_error *error);

/** Its end: a boundary, and the guard's release. vm_session_destroy does it where it is still to be done. */
void vm_session_leave_script(struct vm_session *session);

/** The end of a run of which nothing lives on that could be read back. */
enum wl_step vm_session_finish(struct wl_instance *instance);

/** Fold a word into the instance's checksum. */
static inline void vm_session_fold(struct vm_session *session, uint64_t word)
{
    session->instance.checksum = wl_checksum_fold(session->instance.checksum, word);
}

/** Fold the content of a value, read back from memory. */
void vm_session_fold_value(struct vm_session *session, struct sm_value value, unsigned depth);

/**
 * A variable of the innermost frame takes `value` over, and a safepoint: PHP's collector runs inside the decrement that this is,
 * ours at the safepoint after it.
 */
static inline void vm_session_assign(struct vm_session *session, uint32_t local, struct sm_value value)
{
    vm_local_set(session->vm, local, value);
    vm_safepoint(session->vm);
}

/** Whether `fault` strikes in the step now running. */
bool vm_session_fault_strikes(const struct vm_session *session, enum wl_fault fault);

/** Under a leak fault: whether the object now dying is the one in `fault_period` to be kept. */
bool vm_session_leak_strikes(struct vm_session *session);

/** Keep `value` (borrowed) reachable for ever from a global. */
void vm_session_leak(struct vm_session *session, struct sm_value value);

/** The random stream of step `step`. */
struct wl_random vm_session_random(const struct vm_session *session, uint64_t step);

/** What a step returns: a failed status goes to the instance with the manager's line. */
enum wl_step vm_session_step_result(struct vm_session *session, sm_status status);

/**
 * Destructor of the workloads' destructible classes: adds the number in property 0 to the destructor sum, mixed.
 *
 * Commutative, so that neither order nor moment shows; it does not allocate.
 */
void vm_session_destructor(struct vm *vm, struct vm_object *object);

#endif
