/**
 * The host VM: one owner thread, one manager, one stack, one request context.
 *
 * Failure is PHP's: a fatal error bails out. Functions of this library that allocate never return
 * failure; when memory is refused they longjmp to the innermost vm_try, which restores frames,
 * scopes and guard depth (R14) and returns the status. Threads: owner, throughout.
 */
#ifndef SAPIVM_VM_H
#define SAPIVM_VM_H

#include "sapimem/epoch.h"
#include "sapimem/manager.h"
#include "sapivm/array.h"
#include "sapivm/closure.h"
#include "sapivm/exception.h"
#include "sapivm/frame.h"
#include "sapivm/gc.h"
#include "sapivm/generator.h"
#include "sapivm/object.h"
#include "sapivm/request.h"
#include "sapivm/string.h"
#include "sapivm/value.h"
#include "sapivm/weak_map.h"

/** How to create a VM. Zeroed: a CLI VM with the default policy. */
struct vm_config {
    struct sm_config manager; /**< its `sharing_counts` chooses the sharing scheme of arrays beside tracing */
    bool
        prompt_destructors; /**< beside tracing, with `sharing_counts`: count objects with a destructor too, to run it at the last drop, unless a holder of it died by tracing */
    vm_uncaught *uncaught;  /**< told of exceptions that nobody caught; NULL: a line on stderr */
};

/**
 * Create a VM and its manager in `*created`; the policy follows from the SAPI mode.
 *
 * Errors:      as sm_manager_create.
 */
sm_status vm_create(const struct vm_config *config, struct vm **created, struct sm_error *error);

/** End an open request, destroy the manager, free the VM. NULL is fine. */
void vm_destroy(struct vm *vm);

/** The VM's first member, so that the inline paths reach it in one load. */
struct vm_base {
    struct sm_manager *mm;
};

static inline struct sm_manager *vm_manager(struct vm *vm)
{
    return ((struct vm_base *)vm)->mm;
}

/** Hang the embedder's own state on the VM, for destructors to find. */
void vm_context_set(struct vm *vm, void *context);
void *vm_context(struct vm *vm);

/**
 * Run `body`; a bail-out inside it returns here.
 *
 * Returns:     SM_OK, or the status of the bail-out (VmError::OutOfMemory is SM_ERR_OUT_OF_MEMORY), with
 *              its line in sm_error_detail.
 */
sm_status vm_try(struct vm *vm, void (*body)(struct vm *vm, void *context), void *context);

/** Leave the innermost vm_try with `status`. Outside one: prints the line and aborts, for there is no one to tell. */
_Noreturn void vm_bailout(struct vm *vm, sm_status status);

/** Destructors that bailed out: their status went nowhere. */
uint64_t vm_destructor_failures(const struct vm *vm);

/**
 * One run-loop iteration: a guard, `body` under vm_try in a frame of its own, a safepoint, the guard's end.
 *
 * `site` names it in stall reports: SM_HERE.
 */
sm_status vm_iteration(struct vm *vm, const char *site, void (*body)(struct vm *vm, void *context), void *context);

/** Call at loop back-edges and calls: only rooted values survive it. May collect, run destructors, bail out. */
static inline void vm_safepoint(struct vm *vm)
{
    sm_safepoint(vm_manager(vm));
}

/** A blocking call of `microseconds`, offline (R4). */
void vm_block(struct vm *vm, uint64_t microseconds);

/** Ids of the VM's object types, for tests and verifiers. */
struct vm_types {
    sm_type_id string, array, packed, hash, object, reference, class_entry, closure, generator, generator_frame,
        weak_map;
};
const struct vm_types *vm_types(const struct vm *vm);

#endif
