/**
 * Which sanitizer a test is built with, and how large the test is there.
 *
 * A sanitizer makes each step of a test dearer: address a few times, thread up to fifty times. What is repeated only
 * for good measure is repeated less often there; what is checked, and each number of rounds that a check needs, stays.
 */
#ifndef TEST_SCALE_H
#define TEST_SCALE_H

#include <stdint.h>

#ifndef __has_feature
#define __has_feature(feature) 0
#endif
enum {
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
    IS_ADDRESS_SANITIZED = 1,
#else
    IS_ADDRESS_SANITIZED = 0,
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
    IS_THREAD_SANITIZED = 1,
#else
    IS_THREAD_SANITIZED = 0,
#endif
    IS_SANITIZED = IS_ADDRESS_SANITIZED || IS_THREAD_SANITIZED
};

/** `full` in a plain build, or what the sanitizer of this build is given. */
static inline uint64_t test_scale(uint64_t full, uint64_t under_address, uint64_t under_thread)
{
    if (IS_THREAD_SANITIZED)
        return under_thread;
    return IS_ADDRESS_SANITIZED ? under_address : full;
}

#endif
