/**
 * The clocks of the micro-benchmarks that time themselves. Threads: any.
 */
#ifndef STOPWATCH_H
#define STOPWATCH_H

#include <time.h>

static inline double stopwatch_seconds(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/** CPU time of all threads: what a reclaimer does beside the owner is in it, and what other processes do is not. */
static inline double stopwatch_cpu_seconds(void)
{
    return stopwatch_seconds(CLOCK_PROCESS_CPUTIME_ID);
}

/** Time on the wall, which costs a tenth of the CPU clock to read: for stretches of microseconds. */
static inline double stopwatch_wall_seconds(void)
{
    return stopwatch_seconds(CLOCK_MONOTONIC);
}

#endif
