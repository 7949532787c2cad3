/* Run-loop iterations and blocking calls: where the owner's guard begins and ends. */
#include "vm_internal.h"

#include <errno.h>
#include <time.h>

sm_status vm_iteration(struct vm *vm, const char *site, void (*body)(struct vm *vm, void *context), void *context)
{
    struct sm_manager *mm = vm_manager(vm);
    struct sm_guard *guard = sm_owner_guard(mm);
    uint32_t outer_depth = vm->frame_count;
    sm_pin(guard, site);
    vm_frame_enter(vm, 0);
    sm_status status = vm_try(vm, body, context);
    /* A body that ended the request has left this frame already. */
    if (vm->frame_count > outer_depth)
        vm_stack_restore(vm, outer_depth, vm->frames[outer_depth].locals);
    sm_safepoint_boundary(mm);
    sm_unpin(guard);
    return status;
}

void vm_block(struct vm *vm, uint64_t microseconds)
{
    struct timespec rest = {(time_t)(microseconds / 1000000), (long)(microseconds % 1000000) * 1000};
    struct sm_guard *guard = sm_owner_guard(vm_manager(vm));
    sm_offline(guard);
    while (nanosleep(&rest, &rest) != 0 && errno == EINTR)
        continue;
    sm_online(guard);
}
