/**
 * Assertions of the VM, at the level that sapimem was built with (SM_ASSERT_LEVEL).
 */
#ifndef VM_ASSERTION_H
#define VM_ASSERTION_H

#include <stdio.h>
#include <stdlib.h>

#ifndef SM_ASSERT_LEVEL
#define SM_ASSERT_LEVEL 1
#endif

static inline _Noreturn void vm_assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, condition);
    abort();
}

/* The condition is compiled at every level, so that it cannot rot. */
#define VM_ASSERT(condition) \
    ((void)(SM_ASSERT_LEVEL < 1 || (condition) || (vm_assert_failed(#condition, __FILE__, __LINE__), 0)))

#endif
