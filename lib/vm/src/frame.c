/* The VM stack. A frame is a range of it; everything below `top` is a root. What keeps to the marks: stack_roots.h. */
#include "vm_internal.h"

/* Drops from the top down, each slot given up before its value is, since a drop may run a destructor. */
static void drop_above(struct vm *vm, struct sm_value *bottom)
{
    if (sm_hot(vm_manager(vm))->counted_tags == 0) {
        vm->top = bottom;
        return;
    }
    while (vm->top > bottom)
        sm_value_drop(vm_manager(vm), *--vm->top);
}

static void forget_frame(struct vm *vm)
{
    VM_ASSERT(vm->frame_count > 0);
    vm->frame_count--;
    vm->locals = vm->frame_count > 0 ? vm->frames[vm->frame_count - 1].locals : vm->stack;
}

_Noreturn static void stack_full(struct vm *vm)
{
    vm_fail(vm, SM_ERR_OUT_OF_MEMORY, "the VM stack is full: %u values in %u frames", VM_STACK_VALUES_MAX,
            vm->frame_count);
}

/* Frames without locals take no room on the stack, so their number is bounded as well. */
static void grow_frames(struct vm *vm)
{
    if (vm->frame_capacity >= VM_STACK_VALUES_MAX)
        stack_full(vm);
    uint32_t capacity = vm->frame_capacity == 0 ? 64 : vm->frame_capacity * 2;
    struct vm_frame *frames = (struct vm_frame *)realloc(vm->frames, capacity * sizeof(*frames));
    if (frames == NULL)
        vm_fail(vm, SM_ERR_OUT_OF_MEMORY, "the system refused memory for %u VM frames", capacity);
    vm->frames = frames;
    vm->frame_capacity = capacity;
}

void vm_frame_enter(struct vm *vm, uint32_t local_count)
{
    if (SM_UNLIKELY(local_count > (size_t)(vm->stack_end - vm->top)))
        stack_full(vm);
    if (SM_UNLIKELY(vm->frame_count == vm->frame_capacity))
        grow_frames(vm);
    struct vm_frame *frame = &vm->frames[vm->frame_count++];
    frame->locals = vm->top;
    frame->local_count = local_count;
    vm->locals = vm->top;
    for (uint32_t i = 0; i < local_count; i++)
        vm->locals[i] = vm_undef();
    vm->top += local_count;
}

void vm_frame_leave(struct vm *vm)
{
    VM_ASSERT(vm->frame_count > 0);
    drop_above(vm, vm->locals);
    forget_frame(vm);
    vm_stack_touch(vm, vm->locals);
}

/* Where the frame begins that is innermost when `frame_count` are left. */
static struct sm_value *begin_of(const struct vm *vm, uint32_t frame_count)
{
    uint32_t count = frame_count < vm->frame_count ? frame_count : vm->frame_count;
    return count > 0 ? vm->frames[count - 1].locals : vm->stack;
}

void vm_stack_restore(struct vm *vm, uint32_t frame_count, struct sm_value *top)
{
    VM_ASSERT(top >= vm->stack && top <= vm->stack_end);
    vm_stack_touch(vm, begin_of(vm, frame_count));
    if (top < vm->top)
        drop_above(vm, top);
    while (vm->frame_count > frame_count)
        forget_frame(vm);
}

uint32_t vm_frame_depth(const struct vm *vm)
{
    return vm->frame_count;
}

static inline struct sm_value *local_slot(const struct vm *vm, uint32_t local)
{
    VM_ASSERT(vm->frame_count > 0 && local < vm->frames[vm->frame_count - 1].local_count);
    return &vm->locals[local];
}

struct sm_value vm_local_get(const struct vm *vm, uint32_t local)
{
    return *local_slot(vm, local);
}

void vm_local_set(struct vm *vm, uint32_t local, struct sm_value value)
{
    struct sm_value *slot = local_slot(vm, local);
    struct sm_value old = *slot;
    *slot = value;
    sm_value_drop(vm_manager(vm), old);
}

struct vm_place vm_local_place(struct vm *vm, uint32_t local)
{
    return (struct vm_place){NULL, local_slot(vm, local)};
}

struct sm_value vm_local_take(struct vm *vm, uint32_t local)
{
    struct sm_value *slot = local_slot(vm, local);
    struct sm_value value = *slot;
    *slot = vm_undef();
    return value;
}

void vm_temporary_push(struct vm *vm, struct sm_value value)
{
    if (SM_UNLIKELY(vm->top == vm->stack_end))
        stack_full(vm);
    *vm->top++ = value;
}

/* The first slot that is no temporary: above the innermost frame's locals. */
static inline struct sm_value *temporaries_begin(const struct vm *vm)
{
    return vm->frame_count == 0 ? vm->stack : vm->locals + vm->frames[vm->frame_count - 1].local_count;
}

struct sm_value vm_temporary_pop(struct vm *vm)
{
    VM_ASSERT(vm->top > temporaries_begin(vm));
    return *--vm->top;
}
