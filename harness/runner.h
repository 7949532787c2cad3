/**
 * One measured run, phase by phase: create and boot, steps, finish, quiesce, oracle, destructors, teardown.
 *
 * Time is measured over the steps alone. All that the harness needs is allocated before the heap is made.
 */
#ifndef HX_RUNNER_H
#define HX_RUNNER_H

#include "event_sink.h"
#include "report.h"

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
