/**
 * Marking memory that no object owns, so that a use after it was freed is caught.
 *
 * AddressSanitizer builds forbid the addresses. Checked builds also fill the bytes with a pattern: a reader
 * finds a type that does not exist, and a write is found when the memory is taken into use again.
 */
#ifndef SM_POISON_H
#define SM_POISON_H

#include "assertion.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#if defined(__has_feature)
#define SM_CLANG_ASAN __has_feature(address_sanitizer)
#else
#define SM_CLANG_ASAN 0
#endif

#if defined(__SANITIZE_ADDRESS__) || SM_CLANG_ASAN
#include <sanitizer/asan_interface.h>
enum { SM_IS_ASAN = 1 };
#else
enum { SM_IS_ASAN = 0 };
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

enum { SM_POISON_BYTE = 0xDB };

/** The first `used_bytes` of `room_bytes` held objects; now nothing there may be touched. */
static inline void sm_poison(char *start, size_t used_bytes, size_t room_bytes)
{
    if (SM_ASSERT_LEVEL >= 2)
        memset(start, SM_POISON_BYTE, used_bytes);
    __asan_poison_memory_region(start, room_bytes);
}

/** The opposite. Returns false when somebody wrote there meanwhile. */
static inline bool sm_unpoison(const char *start, size_t used_bytes, size_t room_bytes)
{
    __asan_unpoison_memory_region(start, room_bytes);
    size_t i = 0;
    while (SM_ASSERT_LEVEL >= 2 && i < used_bytes && (unsigned char)start[i] == SM_POISON_BYTE)
        i++;
    return SM_ASSERT_LEVEL < 2 || i == used_bytes;
}

#endif
