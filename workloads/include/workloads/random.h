/**
 * Seeded random numbers: SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
 */
#ifndef WORKLOADS_RANDOM_H
#define WORKLOADS_RANDOM_H

#include "workloads/checksum.h"

struct wl_random {
    uint64_t state;
};

static inline struct wl_random wl_random_seeded(uint64_t seed)
{
    struct wl_random random = {wl_mix(seed + UINT64_C(0x632be59bd9b4e019))};
    return random;
}

static inline uint64_t wl_random_next(struct wl_random *random)
{
    random->state += UINT64_C(0x9e3779b97f4a7c15);
    return wl_mix(random->state);
}

/** Uniform in 0 .. bound-1, bound 1 .. 2^32. */
static inline uint64_t wl_random_below(struct wl_random *random, uint64_t bound)
{
    return ((wl_random_next(random) >> 32) * bound) >> 32;
}

/** True in `numerator` of `denominator` draws. */
static inline int wl_random_chance(struct wl_random *random, uint64_t numerator, uint64_t denominator)
{
    return wl_random_below(random, denominator) < numerator;
}

#endif
