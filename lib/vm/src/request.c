/* The request: globals and the context's tables, their beginning and their end. */
#include "hash_table.h"
#include "vm_internal.h"

#include "sapimem/policy.h"

/* ---- Tables ---- */

/* Pairs with the acquire in sm_visit_pointer: an observer that follows the root sees the table whole. */
static void root_set(struct vm *vm, enum vm_table which, struct vm_array *table)
{
    __atomic_store_n(&vm->tables[which], table, __ATOMIC_RELEASE);
}

struct vm_array *vm_table_open(struct vm *vm, enum vm_table which)
{
    if (vm->tables[which] == NULL)
        root_set(vm, which, vm_array_new(vm, VM_ARRAY_HASH, 0));
    return vm->tables[which];
}

static void forget_tables(struct vm *vm)
{
    for (int which = 0; which < VM_TABLE_COUNT; which++)
        root_set(vm, (enum vm_table)which, NULL);
}

static void drop_table(struct vm *vm, enum vm_table which)
{
    struct vm_array *table = vm->tables[which];
    root_set(vm, which, NULL);
    if (table != NULL)
        vm_value_drop(vm, vm_array_value(table));
}

/* A pure lookup allocates nothing, not even the interned name. */
static struct vm_bucket *find(const struct vm *vm, enum vm_table which, const char *bytes, size_t length)
{
    const struct vm_array *table = vm->tables[which];
    return table == NULL ? NULL : vm_hash_find_bytes(table, bytes, length, vm_bytes_hash(bytes, length));
}

static struct sm_value table_get(const struct vm *vm, enum vm_table which, const char *name)
{
    const struct vm_bucket *bucket = find(vm, which, name, strlen(name));
    return bucket == NULL ? vm_undef() : bucket->value;
}

static bool table_remove(struct vm *vm, enum vm_table which, const char *bytes, size_t length)
{
    struct vm_bucket *bucket = find(vm, which, bytes, length);
    if (bucket == NULL)
        return false;
    vm_hash_remove(vm, vm->tables[which], bucket);
    return true;
}

static void table_add(struct vm *vm, enum vm_table which, const char *name, struct sm_value value)
{
    uint32_t held_count = vm->held_count;
    vm_hold(vm, value);
    struct vm_array *table = vm_table_open(vm, which);
    struct vm_string *key = vm_intern(vm, name, strlen(name));
    vm_array_set_key(vm, table, key, value);
    vm->held_count = held_count;
}

static void table_set(struct vm *vm, enum vm_table which, const char *name, struct sm_value value)
{
    if (value.tag == VM_UNDEF) {
        (void)table_remove(vm, which, name, strlen(name));
        return;
    }
    struct vm_bucket *bucket = find(vm, which, name, strlen(name));
    if (bucket != NULL)
        sm_store_take(vm_manager(vm), vm->tables[which]->storage, &bucket->value, value);
    else
        table_add(vm, which, name, value);
}

void vm_global_set(struct vm *vm, const char *name, struct sm_value value)
{
    table_set(vm, VM_TABLE_GLOBALS, name, value);
}

struct sm_value vm_global_get(struct vm *vm, const char *name)
{
    return table_get(vm, VM_TABLE_GLOBALS, name);
}

struct vm_place vm_global_place(struct vm *vm, const char *name)
{
    struct vm_bucket *bucket = find(vm, VM_TABLE_GLOBALS, name, strlen(name));
    if (bucket == NULL)
        return (struct vm_place){NULL, NULL};
    return (struct vm_place){vm->tables[VM_TABLE_GLOBALS]->storage, &bucket->value};
}

void vm_constant_set(struct vm *vm, const char *name, struct sm_value value)
{
    table_set(vm, VM_TABLE_CONSTANTS, name, value);
}

struct sm_value vm_constant_get(struct vm *vm, const char *name)
{
    return table_get(vm, VM_TABLE_CONSTANTS, name);
}

void vm_extension_data_set(struct vm *vm, const char *extension, struct sm_value value)
{
    table_set(vm, VM_TABLE_EXTENSION_DATA, extension, value);
}

struct sm_value vm_extension_data_get(struct vm *vm, const char *extension)
{
    return table_get(vm, VM_TABLE_EXTENSION_DATA, extension);
}

struct vm_class *vm_class_find(struct vm *vm, const char *name)
{
    struct sm_value value = table_get(vm, VM_TABLE_CLASSES, name);
    return value.tag == VM_UNDEF ? NULL : (struct vm_class *)sm_value_object(value);
}

bool vm_class_remove(struct vm *vm, const char *name)
{
    return table_remove(vm, VM_TABLE_CLASSES, name, strlen(name));
}

/* ---- Interner ---- */

struct vm_string *vm_intern(struct vm *vm, const char *bytes, size_t length)
{
    const struct vm_bucket *bucket = find(vm, VM_TABLE_INTERNER, bytes, length);
    if (SM_LIKELY(bucket != NULL))
        return bucket->key;
    struct vm_string *string = vm_string_new(vm, bytes, length);
    sm_object_set_flags(&string->header, SM_OBJECT_INTERNED);
    vm_array_set_key(vm, vm_table_open(vm, VM_TABLE_INTERNER), string, vm_null());
    vm_value_drop(vm, vm_string_value(string));
    return string;
}

/* A forgotten string may have any number of owners; nobody counted those who borrowed it. */
bool vm_interner_remove(struct vm *vm, const char *bytes, size_t length)
{
    const struct vm_bucket *bucket = find(vm, VM_TABLE_INTERNER, bytes, length);
    if (bucket == NULL)
        return false;
    sm_object_set_flags(&bucket->key->header, SM_OBJECT_SHARED);
    sm_object_clear_flags(&bucket->key->header, SM_OBJECT_INTERNED);
    return table_remove(vm, VM_TABLE_INTERNER, bytes, length);
}

/* ---- Beginning and end ---- */

sm_status vm_request_open(struct vm *vm, bool implicit)
{
    VM_ASSERT(!vm->request_open);
    sm_status status = sm_request_begin(vm_manager(vm));
    if (status != SM_OK)
        return status;
    /* Whatever was made between requests has gone, or goes, with the time before this one. */
    forget_tables(vm);
    vm->exception = vm_undef();
    vm->last_handle = 0;
    vm->last_class_id = 0;
    vm->request_serial++;
    vm->request_open = true;
    vm->request_implicit = implicit;
    return SM_OK;
}

/* What the policy frees as a whole needs no taking apart: PHP's fast shutdown. */
static void drop_tables(struct vm *vm)
{
    if ((sm_policy_capabilities(vm_manager(vm)) & SM_CAP_BULK_FREE) != 0)
        return;
    for (int which = 0; which < VM_TABLE_COUNT; which++)
        drop_table(vm, (enum vm_table)which);
}

/* All tables outlast the destructors, as in PHP; those may use them. */
sm_status vm_request_close(struct vm *vm)
{
    /* A body that ends the request is never continued. */
    vm_generators_abort(vm, NULL);
    vm_stack_restore(vm, 0, vm->stack);
    vm_exception_report(vm);
    vm->shutting_down = true;
    vm_shutdown_destructors(vm);
    drop_tables(vm);
    forget_tables(vm);
    vm->request_open = false;
    vm->request_serial++;
    sm_status status = sm_request_end(vm_manager(vm));
    vm->shutting_down = false;
    /* A destructor that ran just now may have opened a table; the policy has freed it. */
    forget_tables(vm);
    return status;
}

static void refuse_in_destructor(struct vm *vm)
{
    if (vm->destructor_running)
        vm_fail(vm, SM_ERR_INVALID_ARGUMENT, "a destructor cannot begin or end the request");
}

void vm_request_begin(struct vm *vm)
{
    sm_status status = SM_OK;
    refuse_in_destructor(vm);
    if (vm->request_open && !vm->request_implicit)
        vm_fail(vm, SM_ERR_INVALID_ARGUMENT, "vm_request_begin: a request is open already");
    if (vm->request_open)
        status = vm_request_close(vm);
    if (status == SM_OK)
        status = vm_request_open(vm, false);
    if (status != SM_OK)
        vm_bailout(vm, status);
}

void vm_request_end(struct vm *vm)
{
    refuse_in_destructor(vm);
    if (!vm->request_open)
        vm_fail(vm, SM_ERR_INVALID_ARGUMENT, "vm_request_end: no request is open");
    sm_status status = vm_request_close(vm);
    if (status != SM_OK)
        vm_bailout(vm, status);
}
