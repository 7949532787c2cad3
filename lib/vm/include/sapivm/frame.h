/**
 * The VM stack: frames with locals and temporaries, all roots (provider "frames").
 *
 * One contiguous stack of values; a frame is its locals, zeroed to undefined, and the temporaries
 * pushed above them. Leaving drops both. Only the owner thread sees the stack.
 */
#ifndef SAPIVM_FRAME_H
#define SAPIVM_FRAME_H

#include "sapivm/value.h"

/** Deepest stack in values; entering beyond it bails out with SM_ERR_OUT_OF_MEMORY. */
#define VM_STACK_VALUES_MAX (UINT32_C(1) << 24)

/** Enter a frame with `local_count` locals, and leave the innermost one. */
void vm_frame_enter(struct vm *vm, uint32_t local_count);
void vm_frame_leave(struct vm *vm);

/** Number of frames entered. */
uint32_t vm_frame_depth(const struct vm *vm);

/** Locals of the innermost frame: read (borrowed), write (`value` taken, the old one dropped), or place. */
struct sm_value vm_local_get(const struct vm *vm, uint32_t local);
void vm_local_set(struct vm *vm, uint32_t local, struct sm_value value);
struct vm_place vm_local_place(struct vm *vm, uint32_t local);

/** Take the value out of a local, leaving it undefined. Returns owned. */
struct sm_value vm_local_take(struct vm *vm, uint32_t local);

/** Push a temporary (`value` taken) and pop the newest one (returns owned). */
void vm_temporary_push(struct vm *vm, struct sm_value value);
struct sm_value vm_temporary_pop(struct vm *vm);

#endif
