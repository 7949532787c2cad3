/**
 * Timing of the owner's stops.
 */
#ifndef SM_PAUSE_H
#define SM_PAUSE_H

#include "sapimem/stats.h"

struct sm_pauses {
    uint32_t depth;
    enum sm_pause_cause cause; /**< of the outermost */
    int schedstat_fd;          /**< -1: run delays are not known here */
    uint64_t start_ns, run_delay_start_ns;
    uint64_t aside_start_ns, aside_ns; /**< of the outermost: what is not counted in */
    uint64_t count, total_ns, max_ns;
};

void sm_pauses_init(struct sm_pauses *pauses);
void sm_pauses_finish(struct sm_pauses *pauses);

/** Time set aside so far in the pause under way. */
uint64_t sm_pause_aside_ns(const struct sm_manager *mm);

/** CLOCK_MONOTONIC in nanoseconds. */
uint64_t sm_clock_ns(void);
/** CPU time of the calling thread in nanoseconds. */
uint64_t sm_thread_cpu_ns(void);

#endif
