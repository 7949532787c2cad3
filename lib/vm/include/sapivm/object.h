/**
 * Objects, classes, references and weak references.
 *
 * An object's payload is 40 bytes plus 16 a property. Errors: allocation failure bails out (vm.h).
 */
#ifndef SAPIVM_OBJECT_H
#define SAPIVM_OBJECT_H

#include "sapivm/value.h"

/** A script-visible destructor; may allocate, store, resurrect. Runs once (R5). */
typedef void vm_destructor(struct vm *vm, struct vm_object *object);

enum { VM_CLASS_PROPERTIES_MAX = 64 };

/** A class: a heap object that the class table keeps alive. */
struct vm_class {
    struct sm_object header;
    struct vm_string *name;
    struct vm_array *property_names; /**< packed list of interned strings, in slot order */
    vm_destructor *destructor;       /**< NULL: none */
    uint32_t property_count;
    uint32_t id; /**< order of definition in this request, from 1 */
};

/** An object. `handle` is its spl_object_id, never given to another one in the same request, which is as long as anything sees it. */
struct vm_object {
    struct sm_object header;
    struct vm_class *class_entry;
    uint64_t handle;
    uint32_t flags;
    uint32_t root_index;          /**< the policy's (sm_type.root_offset) */
    struct sm_object *weak;       /**< its weak reference's cell, once there is one */
    struct sm_value properties[]; /**< property_count of them, then 8 bytes unused */
};

/** What objects, closures, generators and weak maps begin with: those have a handle, and can be keys of weak maps. */
struct vm_identity {
    struct sm_object header;
    struct vm_class *class_entry; /**< NULL but in objects */
    uint64_t handle;
    uint32_t flags;
    uint32_t root_index; /**< the policy's (sm_type.root_offset) */
};

/** Whether the value is of such a kind. */
static inline bool vm_has_identity(struct sm_value value)
{
    enum vm_tag tag = vm_tag_of(value);
    return tag == VM_OBJECT || tag == VM_CLOSURE || tag == VM_GENERATOR || tag == VM_WEAK_MAP;
}

/** spl_object_id of an object, closure, generator or weak map. */
static inline uint64_t vm_handle_of(struct sm_value value)
{
    return ((const struct vm_identity *)sm_value_object(value))->handle;
}

#define VM_OBJECT_HEADER_BYTES 40u

/** A PHP reference: one value that several slots share. Payload 32. */
struct vm_reference {
    struct sm_object header;
    struct sm_value value;
    uint64_t reserved[2];
};

/**
 * Define a class for this request.
 *
 * `property_names`: `property_count` C strings, at most VM_CLASS_PROPERTIES_MAX. Returns borrowed; the class table keeps it until request end.
 */
struct vm_class *vm_class_define(struct vm *vm, const char *name, const char *const *property_names,
                                 size_t property_count, vm_destructor *destructor);

/** The class called `name`, borrowed, or NULL. */
struct vm_class *vm_class_find(struct vm *vm, const char *name);

/** Forget a class; false when unknown. Its objects keep it alive. */
bool vm_class_remove(struct vm *vm, const char *name);

/** A new object, properties null; the class is borrowed. Returns owned. */
struct vm_object *vm_object_new(struct vm *vm, struct vm_class *class_entry);

static inline uint32_t vm_object_property_count(const struct vm_object *object)
{
    return (uint32_t)((object->header.payload_bytes - VM_OBJECT_HEADER_BYTES) / sizeof(struct sm_value));
}

/** Property by slot: read (borrowed), write (`value` taken), or its place, to write a nested array through vm_array_write. */
struct sm_value vm_object_get(const struct vm_object *object, uint32_t property);
void vm_object_set(struct vm *vm, struct vm_object *object, uint32_t property, struct sm_value value);
struct vm_place vm_object_place(struct vm_object *object, uint32_t property);

/** Wrap `value` (taken) in a new reference, returned owned; and replace what one holds by `value` (taken). */
struct vm_reference *vm_reference_new(struct vm *vm, struct sm_value value);
void vm_reference_set(struct vm *vm, struct vm_reference *reference, struct sm_value value);

/**
 * The weak reference to `object`: an object has one, which is made on first use. Returns owned.
 *
 * As WeakReference::create gives the same instance twice. PHP makes a new one after the last one died; here the object
 * keeps it, because when a weak reference dies is up to the policy, and what is allocated must not be.
 */
struct sm_value vm_weak_new(struct vm *vm, struct vm_object *object);
/** The object behind it, borrowed, or NULL once it died. */
struct vm_object *vm_weak_get(struct vm *vm, struct sm_value weak);

#endif
