/**
 * One measured run, phase by phase: create and boot, steps, finish, quiesce, oracle, destructors, teardown.
 *
 * Time is measured over the steps alone. All that the harness needs is allocated before the heap is made.
 */
#ifndef HX_RUNNER_H
#define HX_RUNNER_H

#include "control.h"
#include "event_sink.h"
#include "report.h"

/** Who makes the steps of a run in place of its loop: requests by number, in a process that serves them with others. */
struct hx_server {
    void *context;
    /**
     * Serve until there is nothing left (WL_STEP_DONE), `control` has been asked to stop (WL_STEP_MORE), or a request
     * failed (as wl_ops.serve returned).
     */
    enum wl_step (*serve)(void *context, struct wl_instance *instance, struct hx_control *control);
};

/**
 * One worker's part of a run: as hx_run_execute, with the requests that `server` finds; neither signals nor progress,
 * and the context left out.
 */
sm_status hx_run_serve(const struct hx_plan *plan, struct hx_report *report, const struct hx_server *server,
                       struct sm_error *error);

/**
 * Run `plan` and fill `report`, whose plan is set; events go to `events` as they come, unless that is NULL.
 *
 * `outputs` are removed if the user insists on ending at once.
 *
 * Returns: SM_OK when there is a result to write, whatever its status.
 * Errors:  SM_ERR_INVALID_ARGUMENT when the run was refused before anything ran, SM_ERR_SYSTEM; with a line.
 */
sm_status hx_run_execute(const struct hx_plan *plan, struct hx_report *report, struct hx_event_sink *events,
                         const struct hx_output *outputs, size_t output_count, struct sm_error *error);

#endif
