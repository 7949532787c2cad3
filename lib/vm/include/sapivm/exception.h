/**
 * Exceptions: one pending object, a root, until somebody takes it.
 *
 * There is no unwinding: C code asks whether an exception is pending and returns. A destructor begins without
 * one; what it throws stays pending for whoever triggered it, the drop where holders are counted, the safepoint
 * where a policy traces, with an exception that was pending before as its `previous`. At the end of a request nobody
 * is left to take it: it is reported and dropped, and the other destructors still run. (PHP 8.2 stops running
 * destructors there. Which ones had run by then would depend on the policy.)
 */
#ifndef SAPIVM_EXCEPTION_H
#define SAPIVM_EXCEPTION_H

#include "sapivm/object.h"

/** Told of an exception (borrowed) that reached the end of a request. It may read and must not allocate. */
typedef void vm_uncaught(struct vm *vm, struct sm_value exception);

/** A new object of class Exception (properties message, code, previous; defined on first use). Returns owned. */
struct vm_object *vm_exception_new(struct vm *vm, const char *message);

/**
 * Make `exception` (taken) pending; one that is pending already becomes the last of its chain of `previous`.
 *
 * It must be an object whose class has a property called previous; bails out otherwise.
 */
void vm_throw(struct vm *vm, struct sm_value exception);

bool vm_exception_pending(const struct vm *vm);

/** Catch: the pending exception, owned, which is pending no more; undefined when there was none. */
struct sm_value vm_exception_take(struct vm *vm);

/** Its `previous`, borrowed; null at the end of the chain, which also ends at an object that cannot be thrown. */
struct sm_value vm_exception_previous(struct sm_value exception);

/** Exceptions that reached the end of a request. */
uint64_t vm_uncaught_exceptions(const struct vm *vm);

#endif
