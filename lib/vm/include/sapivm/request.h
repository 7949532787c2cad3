/**
 * Globals and the request context: roots that outlive frames.
 *
 * The request context holds constants, classes, the interner and extension data. It contributes
 * roots, each kind under its own provider ("globals", "constants", "classes", "interner",
 * "extension-data"), and owns no memory policy. Each table is one heap array behind one root slot, so
 * enumeration is O(1) and observers may follow it. Errors: allocation failure bails out (vm.h).
 */
#ifndef SAPIVM_REQUEST_H
#define SAPIVM_REQUEST_H

#include "sapivm/value.h"

/** Begin a request: fresh tables. Under FPM everything allocated until the end goes with it. */
void vm_request_begin(struct vm *vm);

/**
 * End it: leave all frames, run destructors, drop globals and the context, let the policy free.
 *
 * A function, generator or try of the request that calls this does not go on: it bails out afterwards.
 */
void vm_request_end(struct vm *vm);

/** Globals by name; `value` taken, undefined removes; the old one is dropped. Reading is borrowed. */
void vm_global_set(struct vm *vm, const char *name, struct sm_value value);
struct sm_value vm_global_get(struct vm *vm, const char *name);
/** Where a global lives, to write an array through vm_array_write; slot NULL when unset. Valid until the next vm_global_set. */
struct vm_place vm_global_place(struct vm *vm, const char *name);

/** Constants by name; likewise. Defining twice replaces. */
void vm_constant_set(struct vm *vm, const char *name, struct sm_value value);
struct sm_value vm_constant_get(struct vm *vm, const char *name);

/** Data that an extension keeps for the request, by the extension's name; likewise. */
void vm_extension_data_set(struct vm *vm, const char *extension, struct sm_value value);
struct sm_value vm_extension_data_get(struct vm *vm, const char *extension);

/** Forget an interned string; false when unknown. Those who still refer to it keep it alive. */
bool vm_interner_remove(struct vm *vm, const char *bytes, size_t length);

#endif
