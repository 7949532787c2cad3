/**
 * Generators: a suspended frame on the heap that a function of the embedder's continues step by step.
 *
 * A generator is an object of its own kind, with a handle. Its payload is 288 bytes, after Zend's
 * zend_generator, whose size class is 320 (measured with PHP 8.2). Its frame is a second object of 80 bytes, Zend's
 * call frame, and 16 a local. While the generator runs it is held by the VM stack, so that a cycle finds its frame;
 * suspended, the frame lives as long as the generator does.
 * Errors: allocation failure bails out (vm.h). A generator whose body bailed out has ended; its `finally` does not run.
 */
#ifndef SAPIVM_GENERATOR_H
#define SAPIVM_GENERATOR_H

#include "sapivm/object.h"

struct vm_generator;

/** What a step of the body ended with: vm_generator_yield or vm_generator_return. */
enum vm_generator_step { VM_GENERATOR_YIELDED, VM_GENERATOR_RETURNED };

/**
 * Continue at `vm_generator_state`, 0 at first; what was sent is `vm_generator_sent`.
 *
 * A body that finds an exception pending after a call ends with vm_generator_return.
 */
typedef enum vm_generator_step vm_generator_body(struct vm *vm, struct vm_generator *generator);

/**
 * The `finally` blocks that enclose the yield at which the generator is suspended.
 *
 * Called once, when a generator that was begun and has not ended dies: at its last drop where holders are counted,
 * otherwise at the safepoint after the cycle that found it. It may resurrect the generator, which has ended all the same.
 */
typedef void vm_generator_finally(struct vm *vm, struct vm_generator *generator);

/** What a generator is made of; a const table of the embedder's, which outlives every generator. */
struct vm_generator_function {
    const char *name;
    vm_generator_body *body;
    vm_generator_finally *finally; /**< NULL: none */
    uint32_t local_count;
};

/** The suspended frame. */
struct vm_generator_frame {
    struct sm_object header;
    uint64_t reserved[10];
    struct sm_value locals[];
};

struct vm_generator {
    struct vm_identity identity;
    uint64_t unused;
    struct sm_value current; /**< what was yielded last */
    struct sm_value sent;
    struct sm_value returned;
    const struct vm_generator_function *function;
    struct vm_generator_frame *frame; /**< NULL once it has ended */
    struct vm_generator
        *outer_running; /**< the one that resumed this one, while it runs; no edge, for it is on the VM stack */
    int64_t key;        /**< of the current value */
    uint32_t state;
    uint32_t phase; /**< generator.c */
    uint64_t reserved[21];
};

/** A new generator; its first `argument_count` locals are `arguments` (taken). The body has not begun. Returns owned. */
struct vm_generator *vm_generator_new(struct vm *vm, const struct vm_generator_function *function,
                                      const struct sm_value *arguments, uint32_t argument_count);

/** Run to the first yield if it has not begun. False once it has ended. */
bool vm_generator_valid(struct vm *vm, struct vm_generator *generator);
/** The value yielded last (borrowed from the generator, whose holder keeps it), and its key, counted from 0; undefined and -1 once it has ended. Both begin it. */
struct sm_value vm_generator_current(struct vm *vm, struct vm_generator *generator);
int64_t vm_generator_key(struct vm *vm, struct vm_generator *generator);
/** Continue to the next yield, or begin. It and vm_generator_send bail out inside the generator's own body. */
void vm_generator_next(struct vm *vm, struct vm_generator *generator);
/** Continue with `value` (taken) as what the yield gives. Returns the current value, borrowed. */
struct sm_value vm_generator_send(struct vm *vm, struct vm_generator *generator, struct sm_value value);
/** What it returned, borrowed; undefined before. */
struct sm_value vm_generator_returned(const struct vm_generator *generator);

/** For bodies. Locals: read (borrowed), write (`value` taken), place. */
struct sm_value vm_generator_local_get(const struct vm_generator *generator, uint32_t local);
void vm_generator_local_set(struct vm *vm, struct vm_generator *generator, uint32_t local, struct sm_value value);
struct vm_place vm_generator_local_place(struct vm_generator *generator, uint32_t local);
/** For bodies: suspend with `value` (taken), to go on in `next_state`; or end with `value` (taken). */
enum vm_generator_step vm_generator_yield(struct vm *vm, struct vm_generator *generator, struct sm_value value,
                                          uint32_t next_state);
enum vm_generator_step vm_generator_return(struct vm *vm, struct vm_generator *generator, struct sm_value value);

static inline uint32_t vm_generator_state(const struct vm_generator *generator)
{
    return generator->state;
}

/** What vm_generator_send brought, borrowed; null after vm_generator_next. */
static inline struct sm_value vm_generator_sent(const struct vm_generator *generator)
{
    return generator->sent;
}

static inline struct sm_value vm_generator_value(struct vm_generator *generator)
{
    return vm_heap_value(generator, VM_GENERATOR);
}

static inline struct vm_generator *vm_as_generator(struct sm_value value)
{
    return (struct vm_generator *)sm_value_object(value);
}

#endif
