/** What the steps of a run cost: clocks and counts before the first and after the last, and the figures between. */
#ifndef HX_WORK_MEASURE_H
#define HX_WORK_MEASURE_H

#include "hiccups.h"
#include "observers.h"
#include "report.h"

#include <sys/resource.h>

/** As of the first step. */
struct hx_work_start {
    struct sm_stats stats;
    struct rusage usage;
    uint64_t now_ns;
    uint64_t process_cpu_ns, thread_cpu_ns, observers_cpu_ns, hiccups_cpu_ns;
    uint64_t run_delay_ns;
};

/** Threads of the run that are not the program's: their CPU time is told apart. Either may be NULL. */
struct hx_work_threads {
    const struct hx_observers *observers;
    const struct hx_hiccups *hiccups;
};

/** Right before the first step. Threads: the VM's. */
void hx_work_begin(struct hx_work_start *start, const struct sm_manager *mm, struct hx_work_threads threads);

/** Right after the last step: times first, before anything else takes some. Threads: the VM's. */
void hx_work_end_clocks(const struct hx_work_start *start, struct hx_work_threads threads, struct hx_metrics *metrics);

/**
 * Sizes, means and what follows from the times; `stats` as of the last step, which the sampler has seen.
 *
 * What only ticks and pauses tell is left unknown where `is_sampled` is false.
 */
void hx_work_measure(const struct hx_work_start *start, const struct sm_stats *stats, bool is_sampled,
                     struct hx_report *report);

#endif
