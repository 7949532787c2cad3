/** The cells of a sweep run one after another, each in a fresh process. */
#ifndef HX_SWEEP_RUN_H
#define HX_SWEEP_RUN_H

#include "sweep_progress.h"

/** Count the cells of the slice, and those that have a record in the folder, where there is one; set its status. */
void hx_sweep_look(const struct hx_sweep_plan *plan, bool is_on, struct hx_sweep_progress *progress);

/**
 * Run every cell of the slice that hx_sweep_look found no record of; minheaps are measured when a cell wants one, once
 * for each.
 *
 * A cell that fails is a record and stops nothing. Takes the signals meanwhile: an interrupt ends the cell that runs,
 * which is left out, and sets `*is_interrupted`.
 * Errors: SM_ERR_SYSTEM with a line: a process could not be started, or a record not written.
 */
sm_status hx_sweep_run(const struct hx_sweep_plan *plan, struct hx_sweep_progress *progress, bool *is_interrupted,
                       struct sm_error *error);

#endif
