/**
 * What the thread sanitizer has to be told of an allocator it cannot see into: that giving memory back
 * happens before getting it again. Nothing in other builds, and never more than C17 7.22.3 promises.
 */
#ifndef SM_ALLOCATOR_ORDER_H
#define SM_ALLOCATOR_ORDER_H

#include <stdint.h>

#ifndef __has_feature
#define __has_feature(feature) 0
#endif

#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)

#include <sanitizer/tsan_interface.h>

/** Whether blocks that go back to the allocator all at once have to be told of one by one. */
enum { SM_ALLOCATOR_ORDER_IS_TOLD = 1 };

/* A block may come back at another address of the same segment; mimalloc 2 aligns segments to 32 MiB. */
static inline void *sm_allocator_segment(void *block)
{
    return (void *)((uintptr_t)block & ~((UINT64_C(32) << 20) - 1));
}

static inline void sm_allocator_releases(void *block)
{
    __tsan_release(sm_allocator_segment(block));
}

static inline void sm_allocator_acquired(void *block)
{
    __tsan_acquire(sm_allocator_segment(block));
}

#else

enum { SM_ALLOCATOR_ORDER_IS_TOLD = 0 };

static inline void sm_allocator_releases(void *block)
{
    (void)block;
}

static inline void sm_allocator_acquired(void *block)
{
    (void)block;
}

#endif
#endif
