/* Classes: heap objects in the class table of the request. */
#include "vm_internal.h"

static struct vm_array *property_list(struct vm *vm, const char *const *property_names, size_t property_count)
{
    struct vm_array *list = vm_array_new(vm, VM_ARRAY_PACKED, property_count);
    for (size_t i = 0; i < property_count; i++) {
        struct vm_string *name = vm_intern(vm, property_names[i], strlen(property_names[i]));
        vm_array_append(vm, list, vm_value_copy(vm, vm_string_value(name)));
    }
    return list;
}

static void check_definition(struct vm *vm, const char *name, size_t property_count)
{
    if (property_count > VM_CLASS_PROPERTIES_MAX)
        vm_fail(vm, SM_ERR_INVALID_ARGUMENT, "class %s has %zu properties: expected at most %d", name, property_count,
                VM_CLASS_PROPERTIES_MAX);
    if (vm_class_find(vm, name) != NULL)
        vm_fail(vm, SM_ERR_INVALID_ARGUMENT, "class %s is defined already", name);
}

struct vm_class *vm_class_define(struct vm *vm, const char *name, const char *const *property_names,
                                 size_t property_count, vm_destructor *destructor)
{
    check_definition(vm, name, property_count);
    struct vm_array *table = vm_table_open(vm, VM_TABLE_CLASSES);
    struct vm_string *interned_name = vm_intern(vm, name, strlen(name));
    struct vm_array *list = property_list(vm, property_names, property_count);
    struct vm_class *class_entry =
        (struct vm_class *)vm_alloc(vm, vm->types.class_entry, sizeof(*class_entry) - sizeof(struct sm_object));
    /* As in PHP nobody counts who uses a class: one that is removed stays until the request ends, or a cycle finds it. */
    class_entry->header.count = SM_COUNT_MAX;
    vm_init_pointer(vm, &class_entry->name, interned_name);
    class_entry->property_names = list;
    class_entry->destructor = destructor;
    class_entry->property_count = (uint32_t)property_count;
    class_entry->id = vm->last_class_id + 1;
    vm_array_set_key(vm, table, interned_name, vm_heap_value(class_entry, VM_CLASS));
    vm->last_class_id++;
    return class_entry;
}
