/**
 * Why a run's times are not to be trusted: too few CPUs for its threads, waits for a CPU, other processes, a hypervisor.
 *
 * The load average before the start is no reason: it lags by a minute, so each run of a series would be blamed for the one
 * before it. What other processes took while the run went on is measured instead.
 */
#ifndef HX_NOISE_H
#define HX_NOISE_H

#include "report.h"

/** CPU time of the whole machine since its boot, in ticks of all CPUs. */
struct hx_machine_time {
    bool is_known;
    uint64_t now_ns;
    uint64_t busy_ticks, steal_ticks;
    uint64_t own_cpu_ns; /**< of this process and its children that have ended */
};

void hx_machine_time_read(struct hx_machine_time *time);

/** CPUs that others than this process kept busy between two readings, and that the hypervisor took; 0 where unknown. */
double hx_machine_others(const struct hx_machine_time *from, const struct hx_machine_time *to);
double hx_machine_stolen(const struct hx_machine_time *from, const struct hx_machine_time *to);

/** CPUs that this process may use. */
unsigned hx_usable_cpus(void);

/** Threads of the run that can be busy at the same time. */
unsigned hx_plan_busy_threads(const struct hx_plan *plan);

/** When the run has ended: its reasons, into `report->noisy`. */
void hx_noise_judge(const struct hx_machine_time *start, struct hx_report *report);

#endif
