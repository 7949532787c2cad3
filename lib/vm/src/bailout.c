/* Bail-outs: a fatal error leaves by longjmp to the innermost vm_try, which puts everything back (R14). */
#include "vm_internal.h"

#include "sapimem/policy.h"

#include <stdarg.h>

static void enter(struct vm *vm, struct vm_catch *here)
{
    here->outer = vm->innermost_catch;
    here->top = vm->top;
    here->frame_count = vm->frame_count;
    here->held_count = vm->held_count;
    here->guard_depth = sm_guard_depth(sm_owner_guard(vm_manager(vm)));
    here->scope = sm_scope_open(vm_manager(vm));
    here->request_serial = vm->request_serial;
    here->running_generator = vm->running_generator;
    here->status = SM_OK;
    vm->innermost_catch = here;
}

/* Handles are local to the try; a request that ended inside it closed every scope already, and one refused has depth 0. */
static void leave(struct vm *vm, struct vm_catch *here)
{
    vm->innermost_catch = here->outer;
    if (here->request_serial == vm->request_serial && here->scope.depth != 0)
        (void)sm_scope_close(vm_manager(vm), here->scope);
}

static void restore(struct vm *vm, const struct vm_catch *here)
{
    sm_guard_restore(sm_owner_guard(vm_manager(vm)), here->guard_depth);
    vm->held_count = here->held_count;
    vm_generators_abort(vm, here->running_generator);
    vm_stack_restore(vm, here->frame_count, here->top);
}

/* What is dropped on the way may run destructors, and those that fail put lines of their own on the manager. */
static void land(struct vm *vm, struct vm_catch *here)
{
    struct sm_manager *mm = vm_manager(vm);
    char line[SM_DETAIL_BYTES];
    snprintf(line, sizeof(line), "%s", sm_error_detail(mm));
    restore(vm, here);
    leave(vm, here);
    if (sm_error_status(mm) != here->status || strcmp(sm_error_detail(mm), line) != 0)
        (void)sm_policy_fail(mm, here->status, "%s", line);
}

sm_status vm_try(struct vm *vm, void (*body)(struct vm *vm, void *context), void *context)
{
    struct vm_catch here;
    enter(vm, &here);
    if (setjmp(here.environment) == 0) {
        body(vm, context);
        VM_ASSERT(vm->innermost_catch == &here);
        VM_ASSERT(vm->held_count == here.held_count);
        leave(vm, &here);
    } else {
        land(vm, &here);
    }
    return here.status;
}

_Noreturn static void die(struct vm *vm, sm_status status)
{
    fprintf(stderr, "sapivm: fatal, outside any vm_try: %s: %s\n", sm_status_name(status),
            sm_error_detail(vm_manager(vm)));
    abort();
}

void vm_bailout(struct vm *vm, sm_status status)
{
    VM_ASSERT(status != SM_OK);
    struct sm_manager *mm = vm_manager(vm);
    if (sm_error_status(mm) != status)
        (void)sm_policy_fail(mm, status, "the program bailed out with %s", sm_status_name(status));
    struct vm_catch *here = vm->innermost_catch;
    if (here == NULL)
        die(vm, status);
    here->status = status;
    longjmp(here->environment, 1);
}

void vm_fail(struct vm *vm, sm_status status, const char *format, ...)
{
    char line[SM_DETAIL_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    (void)sm_policy_fail(vm_manager(vm), status, "%s", line);
    vm_bailout(vm, status);
}

void vm_fail_allocation(struct vm *vm)
{
    sm_status status = sm_error_status(vm_manager(vm));
    vm_bailout(vm, status != SM_OK ? status : SM_ERR_OUT_OF_MEMORY);
}
