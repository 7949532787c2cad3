/**
 * The VM stack as roots, in pieces and by what changed (sapimem/roots.h).
 *
 * Two marks lie in the stack. Below `unvisited` is what an open enumeration has not come to, as it was at its beginning;
 * below `clean` nothing has changed since the last one began. Only the higher of them, `watermark`, is looked at by the
 * fast paths.
 *
 * Invariant. `watermark` is at most where the innermost frame begins, so its locals and temporaries are written, pushed
 * and popped without a look. It must hold again before anything below that frame changes or becomes part of the innermost
 * one: when a frame is left (vm_frame_leave), a bail-out unwinds (vm_stack_restore), a result is handed to the caller's
 * temporary (closure.c), or a place in an outer frame is written (vm_place_move). Those call vm_stack_touch first.
 * Entering a frame raises only where the innermost begins, so it is free.
 */
#ifndef VM_STACK_ROOTS_H
#define VM_STACK_ROOTS_H

#include "sapimem/roots.h"
#include "sapivm/value.h"

struct vm;

struct vm_stack_marks {
    struct sm_value *watermark; /**< the higher of the two */
    struct sm_value *unvisited; /**< the bottom of the stack: no enumeration has anything left */
    struct sm_value *clean;
};

/** The provider "frames". */
struct sm_root_stack vm_stack_roots(struct vm *vm);

/** Slow part of vm_stack_touch: bring the watermark down to `slot` at least. */
void vm_stack_reach(struct vm *vm, struct sm_value *slot);

#endif
