/**
 * Minheap: the smallest memory limit with which a workload completes, found by fresh processes.
 *
 * `harness minheap` measures it for any policy. The minheap of a workload that --minheap-factor multiplies is the one
 * under marksweep, which holds nothing back, whatever the policy of the run: so a factor is the same limit for all.
 */
#ifndef HX_MINHEAP_H
#define HX_MINHEAP_H

#include "cell.h"
#include "cell_process.h"

enum { HX_PROBES_MAX = 96, HX_STATUS_BYTES = 16 };

/** One limit tried. */
struct hx_minheap_probe {
    uint64_t limit_bytes;
    uint64_t wall_ns;
    bool fits;
    char status[HX_STATUS_BYTES]; /**< of the run */
};

struct hx_minheap {
    uint64_t bytes;           /**< the least limit that fitted */
    uint64_t precision_bytes; /**< at most so much below it one did not fit; 0: it is the least limit there is */
    size_t probe_count;
    struct hx_minheap_probe probes[HX_PROBES_MAX]; /**< in the order tried */
};

/** Where each probe is told on standard error: in one line of a terminal, or elsewhere in a line of its own too. */
enum hx_minheap_telling { HX_MINHEAP_TELL_NONE, HX_MINHEAP_TELL_TERMINAL, HX_MINHEAP_TELL_ALL };

/** Try a limit: set `fits`, `status` and `wall_ns` of the probe. Errors: any, which end the search. */
typedef sm_status hx_minheap_try(void *context, struct hx_minheap_probe *probe, struct sm_error *error);

/**
 * Search with `attempt`: from 16 MiB by doubling or halving, then by bisection, to 1 % or 64 KiB.
 *
 * Errors: those of `attempt`; SM_ERR_OUT_OF_MEMORY when nothing up to `ceiling_bytes` fits.
 */
sm_status hx_minheap_search(hx_minheap_try *attempt, void *context, uint64_t ceiling_bytes, struct hx_minheap *minheap,
                            struct sm_error *error);

/**
 * Search with processes of `harness run` that get `arguments`, which name no limit.
 *
 * A probe that takes more than ten times as long as the first that completed, and than 10 seconds, does not fit either:
 * close to the minheap a policy may collect without end. Until one has completed, patience is 10 seconds and doubles. --timeout
 * among the arguments takes the place of all that. What ran out of time before one completed is tried again.
 * Errors: SM_ERR_INVALID_ARGUMENT when run refuses the arguments, with its line; SM_ERR_SYSTEM when a probe fails
 * otherwise, or when `watch` was interrupted, whose control says so.
 */
sm_status hx_minheap_measure(const struct hx_cell_watch *watch, enum hx_minheap_telling telling, size_t argument_count,
                             char *const arguments[], struct hx_minheap *minheap, struct sm_error *error);

/**
 * Make of the arguments of a run those that measure its workload's minheap: what says which work it does, and the
 * settings of the measurement. `cell` gets them and their id; release it with hx_cell_finish.
 *
 * False: out of memory.
 */
bool hx_minheap_arguments(size_t argument_count, char *const arguments[], struct hx_cell *cell);

#endif
