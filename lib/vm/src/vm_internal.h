/**
 * The VM's state, and what its files share.
 */
#ifndef VM_INTERNAL_H
#define VM_INTERNAL_H

#include "assertion.h"
#include "sapimem/extension.h"
#include "sapivm/vm.h"
#include "stack_roots.h"

#include <setjmp.h>

/** Tables of the request context and the globals; each is one root slot and one provider. */
enum vm_table {
    VM_TABLE_GLOBALS,
    VM_TABLE_CONSTANTS,
    VM_TABLE_CLASSES,
    VM_TABLE_INTERNER,
    VM_TABLE_EXTENSION_DATA,
    VM_TABLE_COUNT,
};

struct vm_frame {
    struct sm_value *locals;
    uint32_t local_count;
};

/** Where a bail-out lands, and what it restores. */
struct vm_catch {
    jmp_buf environment;
    struct vm_catch *outer;
    struct sm_value *top;
    sm_scope scope;
    uint64_t request_serial; /**< the scope is closed only in the request that opened it */
    uint32_t frame_count;
    uint32_t held_count;
    uint32_t guard_depth;
    sm_status status;
    struct vm_generator *running_generator; /**< those resumed inside have ended */
};

/** An exception that was pending when a destructor began; it waits on the C stack, which a bail-out does not cross. */
struct vm_suspended_exception {
    struct sm_value exception;
    struct vm_suspended_exception *outer;
};

/** What the VM keeps to answer gc_status and to say how late destructors run. */
struct vm_collector {
    struct sm_hooks hooks; /**< the embedder's, behind the VM's own */
    bool is_disabled;
    uint64_t retired_objects;      /**< by all cycles */
    uint64_t last_cycle_bytes;     /**< the allocation clock at the last cycle, */
    uint64_t previous_cycle_bytes; /**< and at the one before; 0 before there was one */
    struct vm_destructor_stats destructors;
};

/** Objects that the end of the request has taken out of the globals: roots until it is over (shutdown.c). */
struct vm_doomed {
    size_t count, capacity;
    struct sm_object **objects;
};

/** Arguments that the VM's own functions hold across an allocation; nesting is at most three deep. */
enum { VM_HELD_MAX = 16 };

struct vm {
    struct vm_base base;     /* First: vm_manager relies on it. */
    struct sm_value *top;    /**< first free slot of the stack */
    struct sm_value *locals; /**< of the innermost frame */
    struct sm_value *stack;
    struct sm_value *stack_end;
    struct vm_stack_marks marks;
    struct vm_frame *frames;
    uint32_t frame_count;
    uint32_t frame_capacity;
    struct vm_types types;
    struct vm_catch *innermost_catch;
    struct sm_value held[VM_HELD_MAX];
    uint32_t held_count;
    uint64_t last_handle;
    uint32_t last_class_id;
    bool prompt_destructors; /**< vm_config */
    bool counts_objects;     /**< beside tracing, for a policy that uses known deaths */
    bool destructor_running;
    bool request_open;
    bool request_implicit; /**< opened by vm_create, for the life of a CLI process */
    uint64_t request_serial;
    uint64_t destructor_failures;            /**< destructors that bailed out */
    bool shutting_down;                      /**< the request's end runs destructors: nobody is left to catch */
    struct vm_array *tables[VM_TABLE_COUNT]; /**< made on first use, NULL outside requests */
    struct sm_value exception;               /**< pending; undefined: none */
    struct vm_suspended_exception *suspended_exception;
    vm_uncaught *uncaught;
    uint64_t uncaught_exceptions;
    struct vm_generator *running_generator; /**< the innermost; a temporary of the VM stack holds it */
    struct vm_collector collector;
    struct vm_doomed doomed;
    void *context;
};

/* ---- types.c ---- */

/** Register the VM's types and root providers. */
sm_status vm_types_register(struct vm *vm);
sm_status vm_roots_register(struct vm *vm);

/* ---- bailout.c ---- */

/** Put a line on the manager and bail out. */
_Noreturn void vm_fail(struct vm *vm, sm_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));

/** An allocation was refused: bail out with the manager's own status and line. */
_Noreturn void vm_fail_allocation(struct vm *vm);

/* ---- frame.c ---- */

/** Drop what lies above `top` and forget the frames above `frame_count`. */
void vm_stack_restore(struct vm *vm, uint32_t frame_count, struct sm_value *top);

/* ---- request.c ---- */

/** The table, made when this is its first use. */
struct vm_array *vm_table_open(struct vm *vm, enum vm_table which);

/** End the open request. */
sm_status vm_request_close(struct vm *vm);

/** Begin one, for the process when `implicit`. */
sm_status vm_request_open(struct vm *vm, bool implicit);

/* ---- object.c ---- */

/** Finalizer of the object type: runs the class's destructor, whose bail-out stays inside. */
void vm_object_finalize(struct sm_manager *mm, struct sm_object *object, void *context);

/**
 * Run `body` on an object as a destructor: without a pending exception, and so that neither its bail-out nor what it
 * left on the stack gets out.
 */
void vm_destructor_run(struct vm *vm, void (*body)(struct vm *vm, struct sm_object *object), struct sm_object *object);

/* ---- generator.c ---- */

/** Finalizer of the generator type: runs `finally` where it is due. */
void vm_generator_finalize(struct sm_manager *mm, struct sm_object *object, void *context);

/** A bail-out has left the bodies of all running generators but `outermost_kept` and those outside it. */
void vm_generators_abort(struct vm *vm, struct vm_generator *outermost_kept);

/* ---- exception.c ---- */

/** Set the pending exception aside, and bring it back: behind one that became pending meanwhile. */
void vm_exception_suspend(struct vm *vm, struct vm_suspended_exception *suspended);
void vm_exception_resume(struct vm *vm, const struct vm_suspended_exception *suspended);

/** Report the pending exception, if there is one, and drop it. */
void vm_exception_report(struct vm *vm);

/* ---- gc.c ---- */

/** Put the VM's own callbacks before the embedder's. */
void vm_collector_watch(struct vm *vm, struct sm_hooks *hooks);

/** A destructor is about to run. */
void vm_collector_count_destructor(struct vm *vm);

/* ---- shutdown.c ---- */

/** Run all destructors in PHP's order at the end of a request: the globals' first, then all others as they were made. */
void vm_shutdown_destructors(struct vm *vm);

/** Root provider: the doomed. */
void vm_doomed_enumerate(void *context, struct sm_visitor *visitor);

/* ---- string.c ---- */

/** The hash that vm_string_hash caches; never 0. */
uint64_t vm_bytes_hash(const char *bytes, size_t byte_count);

/* ---- inline ---- */

/** Whether the policy counts everything. */
static inline bool vm_counting(struct vm *vm)
{
    return sm_counts_all(vm_manager(vm));
}

/** Whether holders of `value` are counted, by the policy or beside it. */
static inline bool vm_is_counted(struct vm *vm, struct sm_value value)
{
    return (value.tag & sm_hot(vm_manager(vm))->counted_tags) != 0;
}

static inline struct sm_object *vm_alloc(struct vm *vm, sm_type_id type, size_t payload_bytes)
{
    struct sm_object *object = sm_alloc(vm_manager(vm), type, payload_bytes);
    if (SM_UNLIKELY(object == NULL))
        vm_fail_allocation(vm);
    return object;
}

/**
 * Keep an argument alive until `vm->held_count` is put back.
 *
 * An allocation may collect in an emergency, and an argument may be older than the last safepoint and
 * in nobody's hands but ours.
 */
static inline void vm_hold(struct vm *vm, struct sm_value value)
{
    VM_ASSERT(vm->held_count < VM_HELD_MAX);
    vm->held[vm->held_count++] = value;
}

static inline void vm_hold_object(struct vm *vm, void *object)
{
    if (object != NULL)
        vm_hold(vm, sm_value_from_object((struct sm_object *)object, 0));
}

/** Initialise a pointer slot of a fresh object, which nobody else sees yet; `target` is borrowed. */
static inline void vm_init_pointer(struct vm *vm, void *slot, void *target)
{
    if (vm_counting(vm))
        sm_count_add((struct sm_object *)target);
    memcpy(slot, &target, sizeof(target));
}

/** Likewise a value slot; `value` is borrowed. */
static inline void vm_init_value(struct vm *vm, struct sm_value *slot, struct sm_value value)
{
    sm_value_copy(vm_manager(vm), value);
    *slot = value;
}

/** `slot` of the stack is about to change, or to become part of the innermost frame, with all above it. */
static inline void vm_stack_touch(struct vm *vm, struct sm_value *slot)
{
    if (SM_UNLIKELY(slot < vm->marks.watermark))
        vm_stack_reach(vm, slot);
}

/** Write `value` where `place` says and count nothing: the old one moved elsewhere. */
static inline void vm_place_move(struct vm *vm, struct vm_place place, struct sm_value value)
{
    if (place.owner != NULL) {
        sm_store_move(vm_manager(vm), place.owner, place.slot, value);
        return;
    }
    vm_stack_touch(vm, place.slot);
    *place.slot = value;
}

/** Write `value` (taken) where `place` says; the old one is dropped. */
static inline void vm_place_set(struct vm *vm, struct vm_place place, struct sm_value value)
{
    if (place.owner != NULL) {
        sm_store_take(vm_manager(vm), place.owner, place.slot, value);
        return;
    }
    struct sm_value old = *place.slot;
    vm_place_move(vm, place, value);
    sm_value_drop(vm_manager(vm), old);
}

#endif
