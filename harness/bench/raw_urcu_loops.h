/**
 * The loops over a flavour's calls, inlined into the file that has the flavour's header.
 */
#ifndef RAW_URCU_LOOPS_H
#define RAW_URCU_LOOPS_H

#include <stdint.h>

/** `first` and `second` in turn. The barriers of the compiler stand for what a program would do between them. */
static inline __attribute__((always_inline)) void alternate(void (*first)(void), void (*second)(void), uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        first();
        __asm__ volatile("" ::: "memory");
        second();
        __asm__ volatile("" ::: "memory");
    }
}

#endif
