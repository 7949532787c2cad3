/**
 * A burst: a run whose requests are served by worker processes, as php-fpm serves them.
 *
 * Any of --workers above 1, --arrivals, --cold-every and --max-requests makes a run one. Requests have numbers, and what
 * request i does follows from the seed and i alone, so the work is the same whoever serves it.
 */
#ifndef HX_BURST_H
#define HX_BURST_H

#include "arrivals.h"
#include "histogram.h"
#include "metrics.h"
#include "pauses.h"
#include "run_options.h"

struct hx_plan;
struct sm_error;

enum {
    HX_BURST_DEFAULT_REQUESTS = 200, /**< about the work of a default run of fpm-page */
    HX_BURST_MAX_REQUESTS = 4000000, /**< each has a record in shared memory */
};

/** The options of a burst, resolved. */
struct hx_burst {
    bool is_on;
    unsigned worker_count;
    bool has_arrivals; /**< else a worker takes the next request as soon as it is free: a closed loop */
    struct hx_arrivals arrivals;
    uint64_t cold_every;   /**< every so many requests one compiles first; 0: none */
    uint64_t max_requests; /**< a worker process ends after so many, and another one takes over; 0: never */
};

/** Resolve the burst's options, after policy, SAPI and workload are, and before how long. Errors: as hx_plan_resolve. */
sm_status hx_burst_resolve(struct hx_plan *plan, struct sm_error *error);

/** Refuse what a burst cannot do. After all else is resolved. Errors: as hx_plan_resolve. */
sm_status hx_burst_check(struct hx_plan *plan, struct sm_error *error);

/** Whether request `index`, from 0, is a cold one: the last of every `cold_every`. */
static inline bool hx_burst_is_cold(const struct hx_burst *burst, uint64_t index)
{
    return burst->cold_every != 0 && index % burst->cold_every == burst->cold_every - 1;
}

/** What came of one place among the workers: of its process, and of those that took over from it, one after another. */
struct hx_worker_entry {
    uint64_t process_count;
    uint64_t requests, cold_requests, failed_requests;
    struct hx_metrics metrics; /**< counts and times added up, sizes as large as any of its processes had them */
    struct hx_pauses pauses;
};

/** What a burst adds to the report. Large. */
struct hx_burst_report {
    unsigned worker_count;
    bool has_arrivals;
    struct hx_histogram response_ns;     /**< from when a request was due to its end; of completed ones */
    struct hx_histogram modelled_ns;     /**< the same in the model of the queue, with the service times measured */
    struct hx_histogram cold_service_ns; /**< from a cold request's begin to its end */
    struct hx_worker_entry workers[HX_WORKERS_MAX];
};

#endif
