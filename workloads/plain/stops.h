/**
 * Stops of the program and the clocks they are measured with, the same on both sides.
 */
#ifndef PLAIN_STOPS_H
#define PLAIN_STOPS_H

#include <stdint.h>

/** All stops since the struct was zeroed; undelayed: without the time in which the system ran something else. */
struct stops {
    uint64_t count, total_ns, max_ns, max_undelayed_ns;
};

static inline void stops_add(struct stops *stops, uint64_t duration_ns, uint64_t run_delay_ns)
{
    uint64_t undelayed_ns = duration_ns > run_delay_ns ? duration_ns - run_delay_ns : 0;
    stops->count++;
    stops->total_ns += duration_ns;
    stops->max_ns = duration_ns > stops->max_ns ? duration_ns : stops->max_ns;
    stops->max_undelayed_ns = undelayed_ns > stops->max_undelayed_ns ? undelayed_ns : stops->max_undelayed_ns;
}

uint64_t clock_wall_ns(void);
/** Of all threads of the process. */
uint64_t clock_cpu_ns(void);
/** Time that the calling thread was ready to run and did not; 0 where the system does not tell. */
uint64_t clock_run_delay_ns(void);

#endif
