#include "stack_roots.h"

#include "vm_internal.h"

/* Unwinding a deep stack lowers `clean` in steps of so many slots, not at each return. */
enum { CLEAN_STEP = 256 };

static size_t depth_of(const struct vm *vm, const struct sm_value *slot)
{
    return (size_t)(slot - vm->stack);
}

/* `count` slots further down, or the bottom. */
static struct sm_value *below(const struct vm *vm, struct sm_value *slot, size_t count)
{
    return count < depth_of(vm, slot) ? slot - count : vm->stack;
}

static void set_marks(struct vm *vm, struct sm_value *unvisited, struct sm_value *clean)
{
    vm->marks = (struct vm_stack_marks){unvisited > clean ? unvisited : clean, unvisited, clean};
}

static void visit(struct sm_visitor *visitor, const struct sm_value *bottom, const struct sm_value *end)
{
    sm_visit_values(visitor, bottom, (size_t)(end - bottom));
}

static void enumerate(void *context, struct sm_visitor *visitor)
{
    const struct vm *vm = (const struct vm *)context;
    visit(visitor, vm->stack, vm->top);
}

static size_t enumerate_top(void *context, struct sm_visitor *visitor, size_t budget)
{
    struct vm *vm = (struct vm *)context;
    struct sm_value *bottom = below(vm, vm->top, budget);
    if (bottom > vm->locals)
        bottom = vm->locals;
    visit(visitor, bottom, vm->top);
    set_marks(vm, bottom, vm->locals);
    return depth_of(vm, bottom);
}

static size_t enumerate_more(void *context, struct sm_visitor *visitor, size_t budget)
{
    struct vm *vm = (struct vm *)context;
    struct sm_value *end = vm->marks.unvisited;
    struct sm_value *bottom = below(vm, end, budget);
    visit(visitor, bottom, end);
    set_marks(vm, bottom, vm->marks.clean);
    return depth_of(vm, bottom);
}

static size_t enumerate_changed(void *context, struct sm_visitor *visitor)
{
    struct vm *vm = (struct vm *)context;
    struct sm_value *bottom = vm->marks.clean;
    visit(visitor, bottom, vm->top);
    set_marks(vm, vm->marks.unvisited, vm->locals);
    return (size_t)(vm->top - bottom);
}

static void forget(void *context)
{
    struct vm *vm = (struct vm *)context;
    set_marks(vm, vm->stack, vm->stack);
}

void vm_stack_reach(struct vm *vm, struct sm_value *slot)
{
    VM_ASSERT(slot >= vm->stack && slot < vm->stack_end);
    if (slot < vm->marks.unvisited)
        sm_roots_reach(vm_manager(vm), vm, (size_t)(vm->marks.unvisited - slot));
    if (slot < vm->marks.clean)
        set_marks(vm, vm->marks.unvisited, below(vm, slot, CLEAN_STEP));
    VM_ASSERT(slot >= vm->marks.watermark);
}

struct sm_root_stack vm_stack_roots(struct vm *vm)
{
    return (struct sm_root_stack){
        .provider = {"frames", enumerate, vm},
        .enumerate_top = enumerate_top,
        .enumerate_more = enumerate_more,
        .enumerate_changed = enumerate_changed,
        .forget = forget,
    };
}
