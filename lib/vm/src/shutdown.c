/*
 * The end of a request runs destructors in PHP's order: first those of objects that a global alone holds, the
 * newest global first and again until none is left; then all others in the order of their making.
 *
 * Where everything is counted, a count of 1 says that a global is alone. A tracing policy counts the holders of all
 * reachable objects once, if a global holds an object whose destructor has not run. Taking a global away then
 * takes one holder off what its object held, and so on, as dropping it would: a destructor that changes the
 * graph meanwhile makes the order differ from PHP's, and nothing else. Objects with destructors behind plain
 * ones wait for their turn by age where no global holds one directly.
 */
#include "hash_table.h"
#include "holders.h"
#include "vm_internal.h"

#include "sapimem/policy.h"

static bool is_pending(const struct sm_object *object)
{
    return (sm_object_flags(object) & (SM_OBJECT_FINALIZABLE | SM_OBJECT_FINALIZED)) == SM_OBJECT_FINALIZABLE;
}

/* The global at a position, if it holds an object; a destructor may have shrunk or removed the table. */
static struct vm_bucket *object_global(const struct vm *vm, uint64_t position)
{
    const struct vm_array *globals = vm->tables[VM_TABLE_GLOBALS];
    if (globals == NULL || position >= globals->used)
        return NULL;
    struct vm_bucket *bucket = &vm_hash_table_of(globals->storage).buckets[position];
    return vm_has_identity(bucket->value) ? bucket : NULL;
}

static uint64_t globals_end(const struct vm *vm)
{
    const struct vm_array *globals = vm->tables[VM_TABLE_GLOBALS];
    return globals == NULL ? 0 : globals->used;
}

static uint64_t globals_count(const struct vm *vm)
{
    const struct vm_array *globals = vm->tables[VM_TABLE_GLOBALS];
    return globals == NULL ? 0 : globals->count;
}

/* ---- By the counts of the policy ---- */

/* As PHP goes on while their number changes: a destructor may put as many in their places. */
static bool drop_sole_globals(struct vm *vm)
{
    uint64_t count = globals_count(vm);
    for (uint64_t i = globals_end(vm); i-- > 0;) {
        struct vm_bucket *bucket = object_global(vm, i);
        if (bucket == NULL || sm_value_object(bucket->value)->count != 1)
            continue;
        vm_hash_remove(vm, vm->tables[VM_TABLE_GLOBALS], bucket);
    }
    return globals_count(vm) != count;
}

/* ---- By one trace ---- */

/* Objects that lost their last holder. The doomed are roots until the end, and are worked off from the newest. */
struct demolition {
    struct sm_visitor visitor; /* First: the edge function gets this address. */
    struct vm *vm;
    struct vm_holders holders;
    struct vm_doomed open; /**< whose destructors and edges are still to come */
    bool failed;           /**< no memory: the rest goes by age */
};

void vm_doomed_enumerate(void *context, struct sm_visitor *visitor)
{
    const struct vm_doomed *doomed = (const struct vm_doomed *)context;
    for (size_t i = 0; i < doomed->count; i++)
        visitor->edge(visitor, doomed->objects[i]);
}

static bool push(struct vm_doomed *doomed, struct sm_object *object)
{
    if (doomed->count == doomed->capacity) {
        size_t capacity = doomed->capacity == 0 ? 64 : doomed->capacity * 2;
        struct sm_object **objects =
            (struct sm_object **)realloc(doomed->objects, capacity * sizeof(struct sm_object *));
        if (objects == NULL)
            return false;
        doomed->objects = objects;
        doomed->capacity = capacity;
    }
    doomed->objects[doomed->count++] = object;
    return true;
}

static void doom(struct demolition *demolition, struct sm_object *object)
{
    if (!push(&demolition->vm->doomed, object) || !push(&demolition->open, object))
        demolition->failed = true;
}

static void lose_holder(struct sm_visitor *visitor, struct sm_object *target)
{
    struct demolition *demolition = (struct demolition *)visitor;
    uint64_t *count = vm_holders_of(&demolition->holders, target);
    if (count != NULL && *count > 0 && --*count == 0)
        doom(demolition, target);
}

/* What one object held comes in the order of its edges, before whatever was open. */
static void open_edges(struct demolition *demolition, struct sm_object *object)
{
    size_t first = demolition->open.count;
    sm_trace(vm_manager(demolition->vm), object, &demolition->visitor);
    for (size_t low = first, high = demolition->open.count; low + 1 < high; low++, high--) {
        struct sm_object *swapped = demolition->open.objects[low];
        demolition->open.objects[low] = demolition->open.objects[high - 1];
        demolition->open.objects[high - 1] = swapped;
    }
}

static void demolish(struct demolition *demolition)
{
    while (demolition->open.count > 0 && !demolition->failed) {
        struct sm_object *next = demolition->open.objects[--demolition->open.count];
        if (is_pending(next))
            sm_finalizer_run_now(vm_manager(demolition->vm), next);
        open_edges(demolition, next);
    }
}

static bool demolish_sole_globals(struct demolition *demolition)
{
    struct vm *vm = demolition->vm;
    bool removed = false;
    for (uint64_t i = globals_end(vm); i-- > 0 && !demolition->failed;) {
        struct vm_bucket *bucket = object_global(vm, i);
        if (bucket == NULL)
            continue;
        struct sm_object *object = sm_value_object(bucket->value);
        uint64_t *count = vm_holders_of(&demolition->holders, object);
        if (count == NULL || *count != 1)
            continue;
        *count = 0;
        doom(demolition, object);
        vm_hash_remove(vm, vm->tables[VM_TABLE_GLOBALS], bucket);
        demolish(demolition);
        removed = true;
    }
    return removed;
}

static bool any_global_is_pending(const struct vm *vm)
{
    for (uint64_t i = globals_end(vm); i-- > 0;) {
        const struct vm_bucket *bucket = object_global(vm, i);
        if (bucket != NULL && is_pending(sm_value_object(bucket->value)))
            return true;
    }
    return false;
}

static void demolish_globals(struct vm *vm)
{
    struct demolition demolition = {.visitor = {.edge = lose_holder}, .vm = vm};
    if (any_global_is_pending(vm) && vm_holders_count(vm, &demolition.holders)) {
        while (demolish_sole_globals(&demolition))
            continue;
        vm_holders_finish(&demolition.holders);
    }
    free(demolition.open.objects);
}

void vm_shutdown_destructors(struct vm *vm)
{
    if (!vm_counting(vm))
        demolish_globals(vm);
    else
        while (drop_sole_globals(vm))
            continue;
    sm_finalizers_run_all(vm_manager(vm));
    vm->doomed.count = 0;
}
