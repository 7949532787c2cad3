/* Objects, references, weak references. Classes are in class.c. */
#include "vm_internal.h"

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
    if (class_entry->destructor != NULL && vm->prompt_destructors)
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

static void run_destructor(struct vm *vm, void *context)
{
    struct vm_object *object = (struct vm_object *)context;
    object->class_entry->destructor(vm, object);
}

/* A destructor runs in the middle of a safepoint: neither its bail-out nor what it left on the stack may get out. */
void vm_object_finalize(struct sm_manager *mm, struct sm_object *object, void *context)
{
    struct vm *vm = (struct vm *)context;
    VM_ASSERT(vm_manager(vm) == mm);
    (void)mm;
    uint32_t frame_count = vm->frame_count;
    struct sm_value *top = vm->top;
    bool outer_running = vm->destructor_running;
    vm->destructor_running = true;
    if (vm_try(vm, run_destructor, object) != SM_OK)
        vm->destructor_failures++;
    vm_stack_restore(vm, frame_count, top);
    vm->destructor_running = outer_running;
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

struct sm_value vm_weak_new(struct vm *vm, struct vm_object *object)
{
    uint32_t held_count = vm->held_count;
    vm_hold_object(vm, object);
    struct sm_object *cell = sm_weak_make(vm_manager(vm), &object->header);
    vm->held_count = held_count;
    if (cell == NULL)
        vm_fail_allocation(vm);
    return sm_value_from_object(cell, VM_WEAK);
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
