/**
 * Closures: a function of the embedder's with bound variables and, perhaps, a bound `$this`.
 *
 * A closure is an object of its own kind, with a handle. Its payload is 384 bytes, what PHP 8.2 takes for a
 * zend_closure (measured); bound variables are the elements of a hash array, 56 bytes and 320 more for up to eight of
 * them, as Zend keeps them in a table of static variables. A variable bound by value is a copy; one
 * bound by reference is a VM_REFERENCE value that the closure shares with the place it came from.
 * Errors: allocation failure bails out (vm.h).
 */
#ifndef SAPIVM_CLOSURE_H
#define SAPIVM_CLOSURE_H

#include "sapivm/object.h"

struct vm_closure;

/**
 * The code of a closure, called in a frame of its own. Returns owned.
 *
 * Locals are the arguments, then the bound variables, then `local_count` of the body's own. A variable bound by
 * value is a fresh copy in every call; what is written through a reference stays.
 */
typedef struct sm_value vm_closure_body(struct vm *vm, struct vm_closure *closure);

/** What a closure is made of; a const table of the embedder's, which outlives every closure. */
struct vm_function {
    const char *name;
    vm_closure_body *body;
    uint32_t argument_count;
    uint32_t capture_count; /**< bound variables */
    uint32_t local_count;
};

struct vm_closure {
    struct vm_identity identity;
    uint64_t unused;
    struct sm_value bound_this; /**< undefined: none */
    const struct vm_function *function;
    struct vm_array *captures; /**< NULL: the function has none */
    uint64_t reserved[39];     /**< the rest of the 384 bytes: a function's description, which is `function` here */
};

/** A new closure. `captures`: `capture_count` values, taken; `bound_this` taken, undefined for none. Returns owned. */
struct vm_closure *vm_closure_new(struct vm *vm, const struct vm_function *function, const struct sm_value *captures,
                                  struct sm_value bound_this);

/** The same function and bound variables with another `$this` (taken), as Closure::bind. Returns owned. */
struct vm_closure *vm_closure_bind(struct vm *vm, struct vm_closure *closure, struct sm_value bound_this);

/** Call it: `arguments` are `argument_count` values, taken. The closure lives through the call. Returns owned. */
struct sm_value vm_closure_call(struct vm *vm, struct vm_closure *closure, const struct sm_value *arguments);

/** A bound variable as it is kept, borrowed: a VM_REFERENCE when it was bound by reference. */
struct sm_value vm_closure_capture(const struct vm_closure *closure, uint32_t capture);

/** Inside the body: the place of a bound variable among the locals, through its reference if it has one. */
struct vm_place vm_closure_variable(struct vm *vm, const struct vm_closure *closure, uint32_t capture);

static inline struct sm_value vm_closure_value(struct vm_closure *closure)
{
    return vm_heap_value(closure, VM_CLOSURE);
}

static inline struct vm_closure *vm_as_closure(struct sm_value value)
{
    return (struct vm_closure *)sm_value_object(value);
}

#endif
