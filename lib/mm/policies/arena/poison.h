/**
 * Marking memory that no object owns, so that a use after request end is caught.
 *
 * AddressSanitizer builds forbid the addresses. Checked builds also fill the bytes with a pattern: a reader
 * finds a type that does not exist, and a write is found when the chunk is taken into use again.
 */
#ifndef SM_ARENA_POISON_H
#define SM_ARENA_POISON_H

#include "assertion.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#if defined(__has_feature)
#define SM_ARENA_CLANG_ASAN __has_feature(address_sanitizer)
#else
#define SM_ARENA_CLANG_ASAN 0
#endif

#if defined(__SANITIZE_ADDRESS__) || SM_ARENA_CLANG_ASAN
#include <sanitizer/asan_interface.h>
#else
static inline void __asan_poison_memory_region(const volatile void *start, size_t bytes)
{
    (void)start;
    (void)bytes;
}
static inline void __asan_unpoison_memory_region(const volatile void *start, size_t bytes)
{
    (void)start;
    (void)bytes;
}
#endif

enum { SM_ARENA_POISON = 0xDB };

/** The first `used_bytes` of `room_bytes` held objects; now nothing there may be touched. */
static inline void sm_arena_poison(char *start, size_t used_bytes, size_t room_bytes)
{
    if (SM_ASSERT_LEVEL >= 2)
        memset(start, SM_ARENA_POISON, used_bytes);
    __asan_poison_memory_region(start, room_bytes);
}

/** The opposite. Returns false when somebody wrote there meanwhile. */
static inline bool sm_arena_unpoison(const char *start, size_t used_bytes, size_t room_bytes)
{
    __asan_unpoison_memory_region(start, room_bytes);
    size_t i = 0;
    while (SM_ASSERT_LEVEL >= 2 && i < used_bytes && (unsigned char)start[i] == SM_ARENA_POISON)
        i++;
    return SM_ASSERT_LEVEL < 2 || i == used_bytes;
}

#endif
