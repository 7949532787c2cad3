/**
 * How many holders every reachable object has, by one trace from the roots: the counts that tracing does without.
 *
 * Only the end of a request wants to know (shutdown.c). Addresses are compared and never followed, so an entry of an
 * object that went meanwhile does no harm.
 */
#ifndef VM_HOLDERS_H
#define VM_HOLDERS_H

#include "vm_internal.h"

struct vm_holder_count {
    const struct sm_object *object; /**< NULL: free */
    uint64_t count;
};

/** Zeroed: nothing was counted. Open addressing, at most half full; `capacity` is a power of two. */
struct vm_holders {
    size_t count, capacity;
    struct vm_holder_count *entries;
};

/** Count the holders of all that the roots reach. False: no memory; nothing was counted. */
bool vm_holders_count(struct vm *vm, struct vm_holders *holders);
void vm_holders_finish(struct vm_holders *holders);

/** The count of an object, to change; NULL for one that was not reachable then. */
uint64_t *vm_holders_of(const struct vm_holders *holders, const struct sm_object *object);

#endif
