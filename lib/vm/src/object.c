/* Objects, references, weak references. Classes are in class.c. */
#include "vm_internal.h"

_Static_assert(offsetof(struct vm_object, handle) == offsetof(struct vm_identity, handle) &&
                   offsetof(struct vm_object, root_index) == offsetof(struct vm_identity, root_index),
               "an object begins as everything with a handle does");

struct vm_object *vm_object_new(struct vm *vm, struct vm_class *class_entry)
{
    uint32_t held_count = vm->held_count;
    vm_hold_object(vm, class_entry);
    size_t payload_bytes = VM_OBJECT_HEADER_BYTES + class_entry->property_count * sizeof(struct sm_value);
    struct vm_object *object = (struct vm_object *)vm_alloc(vm, vm->types.object, payload_bytes);
    vm_init_pointer(vm, &object->class_entry, class_entry);
    object->handle = ++vm->last_handle;
    for (uint32_t i = 0; i < class_entry->property_count; i++)
        object->properties[i] = vm_null();
    /* One with a destructor would run it when its count reaches 0. */
    if (class_entry->destructor == NULL ? vm->counts_objects : vm->prompt_destructors)
        sm_object_set_flags(&object->header, SM_OBJECT_COUNTED);
    if (class_entry->destructor != NULL && sm_finalizer_register(vm_manager(vm), &object->header) != SM_OK)
        vm_fail_allocation(vm);
    vm->held_count = held_count;
    return object;
}

struct sm_value vm_object_get(const struct vm_object *object, uint32_t property)
{
    VM_ASSERT(property < vm_object_property_count(object));
    return object->properties[property];
}

void vm_object_set(struct vm *vm, struct vm_object *object, uint32_t property, struct sm_value value)
{
    VM_ASSERT(property < vm_object_property_count(object));
    sm_store_take(vm_manager(vm), &object->header, &object->properties[property], value);
}

struct vm_place vm_object_place(struct vm_object *object, uint32_t property)
{
    VM_ASSERT(property < vm_object_property_count(object));
    return (struct vm_place){&object->header, &object->properties[property]};
}

/* ---- Destructors ---- */

struct destructor_call {
    void (*body)(struct vm *vm, struct sm_object *object);
    struct sm_object *object;
};

static void run_call(struct vm *vm, void *context)
{
    const struct destructor_call *call = (const struct destructor_call *)context;
    /* The frame that it interrupts may be half gone: temporaries need one of its own, which ends with the stack's rest. */
    vm_frame_enter(vm, 0);
    call->body(vm, call->object);
}

/* A destructor runs in the middle of a drop or a safepoint. */
void vm_destructor_run(struct vm *vm, void (*body)(struct vm *vm, struct sm_object *object), struct sm_object *object)
{
    struct destructor_call call = {body, object};
    struct vm_suspended_exception suspended;
    uint32_t frame_count = vm->frame_count;
    struct sm_value *top = vm->top;
    bool outer_running = vm->destructor_running;
    vm->destructor_running = true;
    vm_collector_count_destructor(vm);
    vm_exception_suspend(vm, &suspended);
    if (vm_try(vm, run_call, &call) != SM_OK)
        vm->destructor_failures++;
    vm_stack_restore(vm, frame_count, top);
    vm_exception_resume(vm, &suspended);
    vm->destructor_running = outer_running;
    if (vm->shutting_down)
        vm_exception_report(vm);
}

static void run_destructor(struct vm *vm, struct sm_object *object)
{
    struct vm_object *instance = (struct vm_object *)object;
    instance->class_entry->destructor(vm, instance);
}

void vm_object_finalize(struct sm_manager *mm, struct sm_object *object, void *context)
{
    struct vm *vm = (struct vm *)context;
    VM_ASSERT(vm_manager(vm) == mm);
    (void)mm;
    vm_destructor_run(vm, run_destructor, object);
}

/* ---- References ---- */

struct vm_reference *vm_reference_new(struct vm *vm, struct sm_value value)
{
    uint32_t held_count = vm->held_count;
    vm_hold(vm, value);
    struct vm_reference *reference =
        (struct vm_reference *)vm_alloc(vm, vm->types.reference, sizeof(*reference) - sizeof(struct sm_object));
    vm->held_count = held_count;
    reference->value = value;
    return reference;
}

void vm_reference_set(struct vm *vm, struct vm_reference *reference, struct sm_value value)
{
    sm_store_take(vm_manager(vm), &reference->header, &reference->value, value);
}

/* ---- Weak references ---- */

static struct sm_object *weak_cell_new(struct vm *vm, struct vm_object *object)
{
    uint32_t held_count = vm->held_count;
    vm_hold_object(vm, object);
    struct sm_object *cell = sm_weak_make(vm_manager(vm), &object->header);
    vm->held_count = held_count;
    if (cell == NULL)
        vm_fail_allocation(vm);
    return cell;
}

struct sm_value vm_weak_new(struct vm *vm, struct vm_object *object)
{
    if (object->weak == NULL)
        sm_store_pointer_take(vm_manager(vm), &object->header, &object->weak, weak_cell_new(vm, object));
    return vm_value_copy(vm, sm_value_from_object(object->weak, VM_WEAK));
}

struct vm_object *vm_weak_get(struct vm *vm, struct sm_value weak)
{
    VM_ASSERT(weak.tag == VM_WEAK);
    return (struct vm_object *)sm_weak_get(vm_manager(vm), sm_value_object(weak));
}

uint64_t vm_destructor_failures(const struct vm *vm)
{
    return vm->destructor_failures;
}
