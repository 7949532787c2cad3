/* Creation and destruction of a VM. */
#include "vm_internal.h"

#include <sys/mman.h>

#define STACK_BYTES ((size_t)VM_STACK_VALUES_MAX * sizeof(struct sm_value))

static sm_status set_error(struct sm_error *error, sm_status status, const char *detail)
{
    if (error != NULL) {
        error->status = status;
        snprintf(error->detail, sizeof(error->detail), "%s", detail);
    }
    return status;
}

/* Address space only: pages come as the stack grows into them. */
static bool map_stack(struct vm *vm)
{
    void *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stack == MAP_FAILED)
        return false;
    vm->stack = (struct sm_value *)stack;
    vm->stack_end = vm->stack + VM_STACK_VALUES_MAX;
    vm->top = vm->stack;
    vm->locals = vm->stack;
    vm->marks = (struct vm_stack_marks){vm->stack, vm->stack, vm->stack};
    return true;
}

/* The VM goes after the manager, whose last destructors still run in it. */
static void destroy(struct vm *vm)
{
    vm->shutting_down = true;
    sm_manager_destroy(vm->base.mm);
    if (vm->stack != NULL)
        munmap(vm->stack, STACK_BYTES);
    free(vm->frames);
    free(vm->doomed.objects);
    free(vm);
}

static sm_status populate(struct vm *vm)
{
    sm_status status = vm_types_register(vm);
    if (status == SM_OK)
        status = vm_roots_register(vm);
    if (status == SM_OK && sm_manager_sapi(vm_manager(vm)) == SM_SAPI_CLI)
        status = vm_request_open(vm, true);
    return status;
}

sm_status vm_create(const struct vm_config *config, struct vm **created, struct sm_error *error)
{
    struct vm_config defaults = {0};
    const struct vm_config *chosen = config != NULL ? config : &defaults;
    struct vm *vm = (struct vm *)calloc(1, sizeof(*vm));
    if (vm == NULL)
        return set_error(error, SM_ERR_OUT_OF_MEMORY, "no memory for a VM");
    struct sm_config manager = chosen->manager;
    vm_collector_watch(vm, &manager.hooks);
    sm_status status = sm_manager_create(&manager, &vm->base.mm, error);
    if (status != SM_OK) {
        free(vm);
        return status;
    }
    vm->prompt_destructors = chosen->prompt_destructors && chosen->manager.sharing_counts;
    vm->counts_objects = sm_hot(vm_manager(vm))->counted_tags == (SM_TAG_COUNTED | SM_TAG_COUNTED_LEAF);
    vm->uncaught = chosen->uncaught;
    if (!map_stack(vm))
        status = set_error(error, SM_ERR_SYSTEM, "the system refused address space for the VM stack");
    else if ((status = populate(vm)) != SM_OK)
        set_error(error, status, sm_error_detail(vm->base.mm));
    if (status != SM_OK) {
        destroy(vm);
        return status;
    }
    *created = vm;
    return SM_OK;
}

void vm_destroy(struct vm *vm)
{
    if (vm == NULL)
        return;
    VM_ASSERT(vm->innermost_catch == NULL);
    if (vm->request_open)
        (void)vm_request_close(vm);
    destroy(vm);
}

void vm_context_set(struct vm *vm, void *context)
{
    vm->context = context;
}

void *vm_context(struct vm *vm)
{
    return vm->context;
}

const struct vm_types *vm_types(const struct vm *vm)
{
    return &vm->types;
}
