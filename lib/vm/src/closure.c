/* Closures. Bound variables are the buckets of a hash array, which is never written after it was filled. */
#include "hash_table.h"
#include "sharing.h"
#include "vm_internal.h"

_Static_assert(sizeof(struct vm_closure) - sizeof(struct sm_object) == 384,
               "a closure takes what PHP takes for a zend_closure");

static struct vm_bucket *buckets_of(const struct vm_closure *closure)
{
    return (struct vm_bucket *)sm_payload(closure->captures->storage);
}

struct sm_value vm_closure_capture(const struct vm_closure *closure, uint32_t capture)
{
    VM_ASSERT(capture < closure->function->capture_count);
    return buckets_of(closure)[capture].value;
}

/* A closure without bound variables; it keeps nothing yet. */
static struct vm_closure *closure_of(struct vm *vm, const struct vm_function *function, struct sm_value bound_this)
{
    uint32_t held_count = vm->held_count;
    vm_hold(vm, bound_this);
    struct vm_closure *closure =
        (struct vm_closure *)vm_alloc(vm, vm->types.closure, sizeof(*closure) - sizeof(struct sm_object));
    vm->held_count = held_count;
    closure->identity.handle = ++vm->last_handle;
    closure->function = function;
    closure->bound_this = bound_this;
    return closure;
}

/* An empty table with room for all of them, so that filling it allocates nothing. */
static struct vm_array *open_captures(struct vm *vm, struct vm_closure *closure)
{
    vm_temporary_push(vm, vm_closure_value(closure));
    struct vm_array *captures = vm_array_new(vm, VM_ARRAY_HASH, closure->function->capture_count);
    (void)vm_temporary_pop(vm);
    closure->captures = captures;
    return captures;
}

struct vm_closure *vm_closure_new(struct vm *vm, const struct vm_function *function, const struct sm_value *captures,
                                  struct sm_value bound_this)
{
    struct sm_value *top = vm->top;
    /* Any number of captures, and the room to hold arguments is small: the VM stack keeps them meanwhile. */
    for (uint32_t i = 0; i < function->capture_count; i++)
        vm_temporary_push(vm, captures[i]);
    struct vm_closure *closure = closure_of(vm, function, bound_this);
    if (function->capture_count == 0)
        return closure;
    struct vm_array *table = open_captures(vm, closure);
    for (uint32_t i = 0; i < function->capture_count; i++)
        vm_hash_insert(vm, table, i, NULL, top[i]);
    vm->top = top;
    return closure;
}

struct vm_closure *vm_closure_bind(struct vm *vm, struct vm_closure *closure, struct sm_value bound_this)
{
    vm_temporary_push(vm, vm_value_copy(vm, vm_closure_value(closure)));
    struct vm_closure *bound = closure_of(vm, closure->function, bound_this);
    if (closure->captures != NULL) {
        struct vm_array *table = open_captures(vm, bound);
        for (uint32_t i = 0; i < closure->function->capture_count; i++)
            vm_hash_insert(vm, table, i, NULL, vm_value_copy(vm, vm_closure_capture(closure, i)));
    }
    vm_value_drop(vm, vm_temporary_pop(vm));
    return bound;
}

/* ---- Calls ---- */

/* Nothing here can fail once the frame is entered, so every argument has found its local. */
static void fill_frame(struct vm *vm, const struct vm_closure *closure, const struct sm_value *arguments)
{
    const struct vm_function *function = closure->function;
    for (uint32_t i = 0; i < function->argument_count; i++)
        vm->locals[i] = arguments[i];
    for (uint32_t i = 0; i < function->capture_count; i++)
        vm->locals[function->argument_count + i] = vm_value_copy(vm, vm_closure_capture(closure, i));
}

/* Leaving drops locals, which may run destructors: the result is a temporary of the caller's meanwhile. */
static struct sm_value leave_with(struct vm *vm, struct sm_value result)
{
    struct sm_value *caller = &vm->locals[-1];
    struct sm_value closure = *caller;
    vm_stack_touch(vm, caller);
    *caller = result;
    vm_frame_leave(vm);
    vm_value_drop(vm, closure);
    return vm_temporary_pop(vm);
}

struct sm_value vm_closure_call(struct vm *vm, struct vm_closure *closure, const struct sm_value *arguments)
{
    const struct vm_function *function = closure->function;
    vm_temporary_push(vm, vm_value_copy(vm, vm_closure_value(closure)));
    vm_frame_enter(vm, function->argument_count + function->capture_count + function->local_count);
    fill_frame(vm, closure, arguments);
    uint32_t depth = vm->frame_count;
    struct sm_value result = function->body(vm, closure);
    VM_ASSERT(vm->frame_count == depth);
    (void)depth;
    return leave_with(vm, result);
}

struct vm_place vm_closure_variable(struct vm *vm, const struct vm_closure *closure, uint32_t capture)
{
    VM_ASSERT(capture < closure->function->capture_count);
    struct vm_place place = vm_local_place(vm, closure->function->argument_count + capture);
    if (vm_tag_of(*place.slot) != VM_REFERENCE)
        return place;
    struct vm_reference *reference = vm_as_reference(*place.slot);
    return (struct vm_place){&reference->header, &reference->value};
}
