/*
 * Workload "stack": a recursion so deep that the stack itself is much of what a collector has to look at.
 *
 * A step enters frame after frame, makes garbage at the deepest point, and some more in each frame on the way back. The
 * object in a frame refers to the caller's.
 */
#include "block_bytes.h"
#include "vm_session.h"

#include <assert.h>

enum { FRAMES_PER_SAMPLE = 64 };

enum stack_option { OPTION_DEPTH, OPTION_LOCALS, OPTION_GARBAGE, OPTION_COUNT };

static const struct sm_option option_table[OPTION_COUNT] = {
    [OPTION_DEPTH] = {"depth", SM_OPTION_COUNT, "frames", "100000", 2, 1e6, NULL, "frames entered in a step"},
    [OPTION_LOCALS] = {"locals", SM_OPTION_COUNT, "values", "8", 2, 1000, NULL,
                       "of each frame: an object, the rest numbers"},
    [OPTION_GARBAGE] = {"garbage", SM_OPTION_COUNT, "objects", "100000", 1, 1e9, NULL,
                        "objects made, and dropped, at the deepest point; as many again on the way back"},
};

/* An object's number, and the object of the caller's frame. */
enum { FRAME_NUMBER, FRAME_CALLER, FRAME_PROPERTIES };
enum { CONTEXT, TEMPORARY };

struct stack {
    struct vm_session session; /* First: the workload interface relies on it. */
    uint64_t depth, garbage_count;
    uint32_t local_count;
    struct vm_class *context_class;
    uint64_t object_number;
};

extern const struct wl_ops wl_stack;

static struct stack *stack_of(struct vm_session *session)
{
    assert(session->instance.ops == &wl_stack);
    return (struct stack *)session;
}

static struct vm_object *context_of(const struct stack *stack)
{
    return vm_as_object(vm_local_get(stack->session.vm, CONTEXT));
}

/* In local `local` of the innermost frame. */
static struct vm_object *make_object(struct stack *stack, uint32_t local)
{
    struct vm *vm = stack->session.vm;
    struct vm_object *object = vm_object_new(vm, stack->context_class);
    vm_local_set(vm, local, vm_object_value(object));
    vm_object_set(vm, object, FRAME_NUMBER, vm_int((int64_t)++stack->object_number));
    mutator_work_charge(&stack->session.work, 1);
    return object;
}

/* The caller's object is in no variable of the frame entered, but in its own, which is a root as well. */
static void enter(struct stack *stack)
{
    struct vm *vm = stack->session.vm;
    struct sm_value caller = vm_frame_depth(vm) > 1 ? vm_value_copy(vm, vm_local_get(vm, CONTEXT)) : vm_null();
    vm_frame_enter(vm, stack->local_count);
    struct vm_object *context = make_object(stack, CONTEXT);
    vm_object_set(vm, context, FRAME_CALLER, caller);
    for (uint32_t i = TEMPORARY; i < stack->local_count; i++)
        vm_local_set(vm, i, vm_int((int64_t)i));
    vm_safepoint(vm);
}

static void make_garbage(struct stack *stack, uint64_t count)
{
    struct vm *vm = stack->session.vm;
    for (uint64_t i = 0; i < count; i++) {
        (void)make_object(stack, TEMPORARY);
        vm_safepoint(vm);
    }
    vm_local_set(vm, TEMPORARY, vm_int(TEMPORARY));
}

/* ---- Reading back, faults ---- */

static void fold_number(struct stack *stack, struct sm_value object)
{
    if (vm_tag_of(object) == VM_OBJECT)
        vm_session_fold_value(&stack->session, vm_object_get(vm_as_object(object), FRAME_NUMBER), 1);
    else
        vm_session_fold(&stack->session, 0);
}

/* The innermost frame: its object, the caller's through it, and the last of its numbers. */
static void fold_frame(struct stack *stack)
{
    struct vm *vm = stack->session.vm;
    fold_number(stack, vm_local_get(vm, CONTEXT));
    fold_number(stack, vm_object_get(context_of(stack), FRAME_CALLER));
    vm_session_fold_value(&stack->session, vm_local_get(vm, stack->local_count - 1), 1);
}

static void inject_faults(struct stack *stack)
{
    struct vm *vm = stack->session.vm;
    struct vm_object *context = context_of(stack);
    if (vm_session_fault_strikes(&stack->session, WL_FAULT_FLIP_BYTE))
        vm_object_set(vm, context, FRAME_NUMBER, vm_int(vm_as_int(vm_object_get(context, FRAME_NUMBER)) ^ 1));
    if (vm_session_fault_strikes(&stack->session, WL_FAULT_FLIP_EDGE))
        vm_object_set(vm, context, FRAME_CALLER, vm_null());
}

static void leave(struct stack *stack, uint64_t frame)
{
    struct vm *vm = stack->session.vm;
    if (frame % FRAMES_PER_SAMPLE == 0 || frame == stack->depth)
        fold_frame(stack);
    if (vm_session_leak_strikes(&stack->session))
        vm_session_leak(&stack->session, vm_local_get(vm, CONTEXT));
    make_garbage(stack,
                 stack->garbage_count * frame / stack->depth - stack->garbage_count * (frame - 1) / stack->depth);
    vm_frame_leave(vm);
}

static void recurse(struct vm_session *session)
{
    struct stack *stack = stack_of(session);
    for (uint64_t frame = 1; frame <= stack->depth; frame++)
        enter(stack);
    make_garbage(stack, stack->garbage_count);
    inject_faults(stack);
    for (uint64_t frame = stack->depth; frame > 0; frame--)
        leave(stack, frame);
    vm_session_fold(session, session->work.accumulator);
}

/* ---- The workload ---- */

static void boot(struct vm_session *session)
{
    static const char *const names[FRAME_PROPERTIES] = {"number", "caller"};
    struct stack *stack = stack_of(session);
    stack->depth = session->options->value[OPTION_DEPTH].count;
    stack->local_count = (uint32_t)session->options->value[OPTION_LOCALS].count;
    stack->garbage_count = session->options->value[OPTION_GARBAGE].count;
    stack->object_number = session->seed & UINT32_MAX;
    stack->context_class = vm_class_define(session->vm, "Context", names, FRAME_PROPERTIES, NULL);
}

static sm_status create(const struct wl_config *config, struct wl_instance **instance, struct sm_error *error)
{
    return vm_session_create(sizeof(struct stack), &wl_stack, config, boot, instance, error);
}

static enum wl_step step(struct wl_instance *instance)
{
    return vm_session_iterate(instance, SM_HERE, recurse);
}

/* At the deepest point. The stack itself is not of the heap. */
static uint64_t analytic_live_bytes(const struct sm_option_values *values)
{
    return values->value[OPTION_DEPTH].count * block_bytes_object(FRAME_PROPERTIES) + mutator_work_block_bytes();
}

const struct wl_ops wl_stack = {
    .name = "stack",
    .summary = "a recursion of 100,000 frames, with garbage at the deepest point and on the way back",
    .sapi = SM_SAPI_CLI,
    .step_unit = "iteration",
    .options = option_table,
    .option_count = OPTION_COUNT,
    .default_steps = 60,
    .create = create,
    .step = step,
    .finish = vm_session_finish,
    .destroy = vm_session_destroy,
    .analytic_live_bytes = analytic_live_bytes,
};
