/**
 * Minimum mutator utilization: the least share of any window of a given length that the program had, not the manager.
 *
 * MMU(w) as Cheng and Blelloch (2001) define it; BMU(w) is the least MMU of windows of at least w (Sachindran et al.
 * 2004), so it never falls as windows grow.
 */
#ifndef HX_UTILIZATION_H
#define HX_UTILIZATION_H

#include "stops.h"

#include <stdbool.h>

enum { HX_WINDOWS_MAX = 96, HX_WINDOW_LEAST_NS = 1000000 };

/** Zeroed: not known. Shares are 0 to 1, by window. */
struct hx_utilization {
    size_t count;
    uint64_t window_ns[HX_WINDOWS_MAX];      /**< ten a decade from 1 ms, the whole span last */
    double mmu[HX_WINDOWS_MAX];              /**< any thread's stop counts */
    double worst_thread_mmu[HX_WINDOWS_MAX]; /**< of the thread that had least; the same where there is one */
    double bmu[HX_WINDOWS_MAX], worst_thread_bmu[HX_WINDOWS_MAX];
    uint64_t resolution_ns; /**< shares may be wrong by this over their window; 0: exact */
};

/** The windows that fit into `span_ns`; nothing else is set. */
void hx_utilization_set_windows(struct hx_utilization *utilization, uint64_t span_ns);

/**
 * MMU of each of `window_count` windows, none longer than the span, for stops that are sorted and disjoint.
 *
 * Lowers `mmu[i]` where it is higher. Cost: O(stops) a window. False: no memory.
 */
bool hx_mmu_lower(const struct hx_interval *stops, size_t stop_count, struct hx_interval span,
                  const uint64_t *window_ns, size_t window_count, double *mmu);

/** All of it, for one thread. False: no memory, and nothing is known. */
bool hx_utilization_measure(struct hx_utilization *utilization, const struct hx_stops *stops, struct hx_interval span);

/** BMU from MMU, when all of that is known. */
void hx_utilization_finish(struct hx_utilization *utilization);

#endif
