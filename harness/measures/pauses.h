/** Every stop of the VM thread, as the manager timed it, folded into one histogram and totals by cause. */
#ifndef HX_PAUSES_H
#define HX_PAUSES_H

#include "histogram.h"
#include "sapimem/stats.h"

#include <stdbool.h>

struct hx_pause_total {
    uint64_t count;
    uint64_t total_ns;
    uint64_t max_ns;
    uint64_t delay_ns; /**< of the total, what the scheduler kept the thread waiting */
};

/** Zeroed: none yet. */
struct hx_pauses {
    struct hx_histogram all;
    uint64_t max_undelayed_ns; /**< longest one less its own involuntary run delay */
    struct hx_pause_total by_cause[SM_PAUSE_CAUSE_COUNT];
};

void hx_pauses_add(struct hx_pauses *pauses, const struct sm_pause_record *record);

/**
 * What the program stood still for the sake of memory, in wall time and in CPU time of the VM thread.
 *
 * Destructors are the program's own work. A wait for a grace period sleeps, so it takes no CPU time; nor does an assist
 * where `has_collector`: there it waits for the collector's thread, whose CPU time is counted as that thread's.
 */
uint64_t hx_pauses_reclamation_wall_ns(const struct hx_pauses *pauses);
uint64_t hx_pauses_reclamation_cpu_ns(const struct hx_pauses *pauses, bool has_collector);

/** Add what `from` holds. */
void hx_pauses_merge(struct hx_pauses *pauses, const struct hx_pauses *from);

#endif
