/** The memory limit of a run, as bytes or as a multiple of what its workload needs. */
#ifndef HX_HEAP_LIMIT_H
#define HX_HEAP_LIMIT_H

#include "sapimem/status.h"

#include <stdint.h>

struct hx_plan;

/**
 * Resolve --memory-limit, --heap-factor, --minheap-factor and --minheap.
 *
 * `plan->wants_minheap` says that the minheap is not known: whoever runs the plan measures it (minheap.h) and sets it.
 * Errors: SM_ERR_INVALID_ARGUMENT with a line that names the argument.
 */
sm_status hx_limit_resolve(struct hx_plan *plan, struct sm_error *error);

/** Set the minheap that --minheap-factor multiplies, and with it the memory limit. */
void hx_limit_set_minheap(struct hx_plan *plan, uint64_t minheap_bytes);

#endif
