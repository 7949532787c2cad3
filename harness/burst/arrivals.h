/**
 * Arrivals: when each request of a burst is due, drawn before anything runs, and the queue that they meet.
 *
 * Open loop: a request is due at its time whether or not anybody is free, so that a slow server does not thin its own
 * load out (no coordinated omission). Bursts come as a Poisson process, each with a geometrically distributed number of
 * requests that are due at the same moment; with bursts of one it is the plain Poisson process. Pure functions.
 */
#ifndef HX_ARRIVALS_H
#define HX_ARRIVALS_H

#include "sapimem/status.h"

#include <stddef.h>
#include <stdint.h>

enum { HX_WORKERS_MAX = 64 };

/** A process of arrivals. */
struct hx_arrivals {
    double rate_per_s; /**< mean requests a second, 0.001 .. 1e6 */
    double burst;      /**< mean requests of a burst, 1 .. 1e6 */
};

/** Read RATE[,burst=B]. Errors: SM_ERR_INVALID_ARGUMENT with a line that names --arrivals. */
sm_status hx_arrivals_parse(const char *text, struct hx_arrivals *arrivals, struct sm_error *error);

/**
 * Draw the times at which `count` requests are due, in nanoseconds since the run is open, in rising order.
 *
 * They follow from `arrivals` and `seed` alone, and a longer schedule begins with a shorter one.
 */
void hx_arrivals_draw(const struct hx_arrivals *arrivals, uint64_t seed, uint64_t *due_ns, size_t count);

/**
 * When each request begins in a queue in which the one due first goes to the worker that has been free longest.
 *
 * `service_ns` is how long each takes once begun; `worker_count` 1 .. HX_WORKERS_MAX, all free at 0. Writes `start_ns`.
 * It is the least delay that these workers could have: nothing between one request and the next costs time.
 * Cost: O(count x workers).
 */
void hx_arrivals_model_queue(const uint64_t *due_ns, const uint64_t *service_ns, size_t count, unsigned worker_count,
                             uint64_t *start_ns);

#endif
