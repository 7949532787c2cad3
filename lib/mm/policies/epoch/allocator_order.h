/**
 * What the thread sanitizer has to be told of an allocator it cannot see into: that giving memory back
 * happens before getting it again. Nothing in other builds, and never more than C17 7.22.3 promises.
 */
#ifndef SM_EPOCH_ALLOCATOR_ORDER_H
#define SM_EPOCH_ALLOCATOR_ORDER_H

#include <stdint.h>

#ifndef __has_feature
#define __has_feature(feature) 0
#endif

#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)

#include <sanitizer/tsan_interface.h>

/* A block may come back at another address of the same segment; mimalloc 2 aligns segments to 32 MiB. */
static inline void *epoch_allocator_segment(void *block)
{
    return (void *)((uintptr_t)block & ~((UINT64_C(32) << 20) - 1));
}

static inline void epoch_allocator_releases(void *block)
{
    __tsan_release(epoch_allocator_segment(block));
}

static inline void epoch_allocator_acquired(void *block)
{
    __tsan_acquire(epoch_allocator_segment(block));
}

#else

static inline void epoch_allocator_releases(void *block)
{
    (void)block;
}

static inline void epoch_allocator_acquired(void *block)
{
    (void)block;
}

#endif
#endif
