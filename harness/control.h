/** What the run's threads tell each other: why to stop, and how far the work has come. */
#ifndef HX_CONTROL_H
#define HX_CONTROL_H

#include <stdint.h>

enum hx_stop {
    HX_STOP_NONE,
    HX_STOP_INTERRUPTED,
    HX_STOP_TIMEOUT,
    HX_STOP_FAILED, /**< another process of the run has failed */
};

/** Plain flags, nothing is published through them: relaxed order serves. */
struct hx_control {
    int stop;                /**< enum hx_stop; the first reason stays */
    uint64_t clock_bytes;    /**< allocation clock at the last tick or step */
    uint64_t cycle_requests; /**< SIGUSR1 so far */
};

static inline enum hx_stop hx_control_stop(const struct hx_control *control)
{
    return (enum hx_stop)__atomic_load_n(&control->stop, __ATOMIC_RELAXED);
}

static inline void hx_control_request_stop(struct hx_control *control, enum hx_stop reason)
{
    int expected = HX_STOP_NONE;
    __atomic_compare_exchange_n(&control->stop, &expected, (int)reason, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

static inline uint64_t hx_control_clock(const struct hx_control *control)
{
    return __atomic_load_n(&control->clock_bytes, __ATOMIC_RELAXED);
}

static inline void hx_control_set_clock(struct hx_control *control, uint64_t clock_bytes)
{
    __atomic_store_n(&control->clock_bytes, clock_bytes, __ATOMIC_RELAXED);
}

#endif
