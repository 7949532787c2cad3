/**
 * One worker process of a burst, and what it shares with the process that started it.
 *
 * The queue is a number in shared memory: whoever is free draws the next request's number and waits until it is due. So the
 * request due first goes to the worker that has been free longest, as the kernel gives out php-fpm's listen queue, and
 * no process stands between the schedule and the workers.
 */
#ifndef HX_WORKER_H
#define HX_WORKER_H

#include "report.h"

#include <sys/types.h>

/** No request. */
#define HX_NO_REQUEST UINT64_MAX

/** What a worker writes to its pipe; the pipe's end says that the process has. */
enum { HX_WORKER_READY = 'r', HX_WORKER_SERVED = 's' };

/** Of the whole burst; a futex that waiting workers sleep on. */
enum hx_burst_phase {
    HX_BURST_BOOTING, /**< nobody takes requests yet */
    HX_BURST_OPEN,
    HX_BURST_CLOSED, /**< nobody takes requests any more */
};

enum hx_request_state { HX_REQUEST_QUEUED, HX_REQUEST_BEGUN, HX_REQUEST_DONE, HX_REQUEST_FAILED };

/** One request; times are nanoseconds since the burst was open. Written by whoever serves it, read after that one has ended. */
struct hx_request_record {
    uint64_t due_ns; /**< in a closed loop, when it was taken */
    uint64_t start_ns, end_ns;
    uint64_t checksum;
    uint32_t state;  /**< enum hx_request_state */
    uint32_t worker; /**< who served it: index of its place */
};

/** Shared by all processes of a burst. Words are accessed atomically. */
struct hx_burst_share {
    uint32_t phase;          /**< enum hx_burst_phase; release, acquire: what is above and below is ready by then */
    uint32_t stop;           /**< enum hx_stop, set before it is closed early */
    uint64_t open_ns;        /**< CLOCK_MONOTONIC */
    uint64_t next_request;   /**< the number that is drawn next */
    uint64_t cycle_requests; /**< SIGUSR1 so far */
    uint64_t request_count;
    pid_t parent;
    struct hx_request_record *requests;
};

/** One process: shared with its parent, which reads the report when the process has ended. Large. */
struct hx_worker {
    const struct hx_plan *plan;
    struct hx_burst_share *share;
    unsigned place;       /**< among the workers, 0 .. worker_count-1 */
    int pipe_fd;          /**< where it writes */
    uint64_t request;     /**< that it waits for or serves, at first one left by another; HX_NO_REQUEST: none */
    uint64_t quota;       /**< requests that it may still take; UINT64_MAX: any number */
    uint64_t clock_bytes; /**< of its manager, after its last request */
    uint64_t requests_done;
    bool is_whole;    /**< the report is complete */
    sm_status status; /**< of creation: anything but SM_OK refuses the run */
    struct sm_error error;
    struct hx_report report;
};

/** Be this worker, in a process just forked in which no manager exists. Does not return. */
_Noreturn void hx_worker_run(struct hx_worker *worker);

/** Set the phase and wake whoever waits for it. */
void hx_burst_set_phase(struct hx_burst_share *share, enum hx_burst_phase phase);

#endif
