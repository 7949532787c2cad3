/** The stops of a burst's workers, and what follows from when all requests began and ended. */
#ifndef HX_WORKER_STOPS_H
#define HX_WORKER_STOPS_H

#include "worker_totals.h"

/** Add those of a process that held `place`. */
void hx_worker_stops_add(struct hx_worker_totals *totals, unsigned place, const struct hx_stops *stops);

/** Mutator utilization of all workers from the burst's opening on for `wall_ns`; the metered latency of a closed loop. */
void hx_worker_stops_finish(struct hx_worker_totals *totals, struct hx_report *report,
                            const struct hx_burst_share *share, uint64_t wall_ns);

#endif
