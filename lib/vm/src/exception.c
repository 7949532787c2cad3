/* Exceptions: the pending one, its chain, and what becomes of it when nobody takes it. */
#include "vm_internal.h"

enum { SLOT_MESSAGE, SLOT_CODE, SLOT_PREVIOUS, SLOT_COUNT };

static struct vm_class *exception_class(struct vm *vm)
{
    static const char *const names[SLOT_COUNT] = {"message", "code", "previous"};
    struct vm_class *found = vm_class_find(vm, "Exception");
    return found != NULL ? found : vm_class_define(vm, "Exception", names, SLOT_COUNT, NULL);
}

struct vm_object *vm_exception_new(struct vm *vm, const char *message)
{
    uint32_t held_count = vm->held_count;
    struct vm_object *exception = vm_object_new(vm, exception_class(vm));
    vm_hold_object(vm, exception);
    struct vm_string *text = vm_string_new(vm, message, strlen(message));
    vm_object_set(vm, exception, SLOT_MESSAGE, vm_string_value(text));
    vm_object_set(vm, exception, SLOT_CODE, vm_int(0));
    vm->held_count = held_count;
    return exception;
}

/* ---- The chain ---- */

/* Where a class keeps `previous`; its property count when it has no such property. */
static uint32_t previous_slot(const struct vm_class *class_entry)
{
    static const char name[] = "previous";
    for (uint32_t slot = 0; slot < class_entry->property_count; slot++) {
        const struct vm_string *found = vm_as_string(vm_array_get_index(class_entry->property_names, slot));
        if (found->length == sizeof(name) - 1 && memcmp(found->data, name, sizeof(name) - 1) == 0)
            return slot;
    }
    return class_entry->property_count;
}

struct sm_value vm_exception_previous(struct sm_value exception)
{
    const struct vm_object *object = vm_as_object(exception);
    return vm_object_get(object, previous_slot(object->class_entry));
}

static bool is_throwable(struct sm_value value)
{
    if (vm_tag_of(value) != VM_OBJECT)
        return false;
    const struct vm_class *class_entry = vm_as_object(value)->class_entry;
    return previous_slot(class_entry) < class_entry->property_count;
}

static bool chain_has(struct sm_value exception, const struct sm_object *object)
{
    for (; is_throwable(exception); exception = vm_exception_previous(exception)) {
        if (sm_value_object(exception) == object)
            return true;
    }
    return false;
}

/* The earlier one goes to the end of the later one's chain; never so that the chain would close. */
static void chain(struct vm *vm, struct sm_value later, struct sm_value earlier)
{
    struct sm_value last = later;
    if (chain_has(earlier, sm_value_object(later)) || chain_has(later, sm_value_object(earlier))) {
        vm_value_drop(vm, earlier);
        return;
    }
    while (is_throwable(vm_exception_previous(last)))
        last = vm_exception_previous(last);
    struct vm_object *object = vm_as_object(last);
    vm_object_set(vm, object, previous_slot(object->class_entry), earlier);
}

/* ---- Pending ---- */

static void check_throwable(struct vm *vm, struct sm_value exception)
{
    if (vm_tag_of(exception) != VM_OBJECT)
        vm_fail(vm, SM_ERR_INVALID_ARGUMENT, "only objects can be thrown");
    if (!is_throwable(exception))
        vm_fail(vm, SM_ERR_INVALID_ARGUMENT, "an object of class %s cannot be thrown: it has no property 'previous'",
                vm_as_object(exception)->class_entry->name->data);
}

/* Pending before it is chained: the later one is a root then. */
static void make_pending(struct vm *vm, struct sm_value exception, struct sm_value earlier)
{
    vm->exception = exception;
    if (earlier.tag != VM_UNDEF)
        chain(vm, exception, earlier);
}

void vm_throw(struct vm *vm, struct sm_value exception)
{
    check_throwable(vm, exception);
    make_pending(vm, exception, vm->exception);
}

bool vm_exception_pending(const struct vm *vm)
{
    return vm->exception.tag != VM_UNDEF;
}

struct sm_value vm_exception_take(struct vm *vm)
{
    struct sm_value exception = vm->exception;
    vm->exception = vm_undef();
    return exception;
}

/* ---- Around a destructor ---- */

void vm_exception_suspend(struct vm *vm, struct vm_suspended_exception *suspended)
{
    *suspended = (struct vm_suspended_exception){vm_exception_take(vm), vm->suspended_exception};
    vm->suspended_exception = suspended;
}

void vm_exception_resume(struct vm *vm, const struct vm_suspended_exception *suspended)
{
    VM_ASSERT(vm->suspended_exception == suspended);
    vm->suspended_exception = suspended->outer;
    if (vm->exception.tag == VM_UNDEF)
        vm->exception = suspended->exception;
    else if (suspended->exception.tag != VM_UNDEF)
        chain(vm, vm->exception, suspended->exception);
}

/* ---- Nobody took it ---- */

static void print_uncaught(struct sm_value exception)
{
    const struct vm_object *object = vm_as_object(exception);
    struct sm_value message = vm_object_property_count(object) == 0 ? vm_undef() : vm_object_get(object, SLOT_MESSAGE);
    fprintf(stderr, "sapivm: uncaught exception %s: %s\n", object->class_entry->name->data,
            vm_tag_of(message) == VM_STRING ? vm_as_string(message)->data : "");
}

void vm_exception_report(struct vm *vm)
{
    if (vm->exception.tag == VM_UNDEF)
        return;
    vm->uncaught_exceptions++;
    if (vm->uncaught != NULL)
        vm->uncaught(vm, vm->exception);
    else
        print_uncaught(vm->exception);
    vm_value_drop(vm, vm_exception_take(vm));
}

uint64_t vm_uncaught_exceptions(const struct vm *vm)
{
    return vm->uncaught_exceptions;
}
