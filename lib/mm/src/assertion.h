/**
 * Assertions at three prices, chosen at build time by SM_ASSERT_LEVEL.
 *
 * 0: none (bench and release builds). 1: cheap, O(1) (dev). 2: checked, whole-heap (sanitizer builds).
 * The level is recorded in every result.
 */
#ifndef SM_ASSERTION_H
#define SM_ASSERTION_H

#include <stdio.h>
#include <stdlib.h>

#ifndef SM_ASSERT_LEVEL
#define SM_ASSERT_LEVEL 1
#endif

static inline _Noreturn void sm_assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, condition);
    abort();
}

/* The condition is compiled at every level, so that it cannot rot, and evaluated only at its own. */
#define SM_ASSERT_AT(level, condition) \
    ((void)(SM_ASSERT_LEVEL < (level) || (condition) || (sm_assert_failed(#condition, __FILE__, __LINE__), 0)))
#define SM_ASSERT(condition) SM_ASSERT_AT(1, condition)
#define SM_ASSERT_CHECKED(condition) SM_ASSERT_AT(2, condition)

#endif
