/**
 * What the processes of a burst found out, added up: first over the processes that held one place among the workers, one
 * after another, then over the places, which worked side by side.
 */
#ifndef HX_WORKER_TOTALS_H
#define HX_WORKER_TOTALS_H

#include "worker.h"

struct hx_stamped_sample;
struct hx_placed_stop;

/** Zeroed: nothing yet. */
struct hx_worker_totals {
    struct hx_stamped_sample *samples; /**< of all processes so far */
    size_t sample_count, sample_room;
    struct hx_placed_stop *stops; /**< likewise */
    size_t stop_count, stop_room;
    uint64_t moved_ns; /**< of stops, the most that one was */
    uint64_t process_count;
    bool lost_samples, lost_stops; /**< there was no memory for some */
};

/** Add what `worker`, whose process has ended, found out: to its place's entry, and to the pauses and cycles of `report`. */
void hx_worker_totals_add(struct hx_worker_totals *totals, struct hx_report *report, const struct hx_worker *worker);

/**
 * When all have ended: metrics over all places and the series over all processes, into `report`, whose sampler says when
 * the run began; from the records the steps, the checksum, and the latencies. Releases what `totals` holds.
 */
void hx_worker_totals_finish(struct hx_worker_totals *totals, struct hx_report *report,
                             const struct hx_burst_share *share);

#endif
