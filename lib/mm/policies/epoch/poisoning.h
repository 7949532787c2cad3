/**
 * Memory whose grace period is over and that holds no object: overwritten and checked, as the option `debug` says, and
 * forbidden to touch where AddressSanitizer watches.
 */
#ifndef SM_EPOCH_POISONING_H
#define SM_EPOCH_POISONING_H

#include "epoch/pool.h"

#include "poison.h"

/** Nobody may touch these bytes from now on. */
static inline void epoch_poison(const struct epoch_pool *pool, char *start, size_t bytes)
{
    /* Parts of it may have been free before. */
    __asan_unpoison_memory_region(start, bytes);
    if (pool->debug != EPOCH_DEBUG_NONE)
        memset(start, SM_POISON_BYTE, bytes);
    __asan_poison_memory_region(start, bytes);
}

/** They are about to be used again. Returns false when somebody wrote there meanwhile. */
static inline bool epoch_unpoison(const struct epoch_pool *pool, const char *start, size_t bytes)
{
    __asan_unpoison_memory_region(start, bytes);
    size_t i = pool->debug == EPOCH_DEBUG_NONE ? bytes : 0;
    while (i < bytes && (unsigned char)start[i] == SM_POISON_BYTE)
        i++;
    return i == bytes;
}

/** They go back to the system, or to other uses: allowed again, whatever is in them. */
static inline void epoch_forget_poison(const char *start, size_t bytes)
{
    __asan_unpoison_memory_region(start, bytes);
}

#endif
