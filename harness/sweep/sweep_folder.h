/**
 * The folder of a sweep: DIR/plan.json, DIR/runs/ID.json for each cell, DIR/minheaps/ID.json for each minheap measured.
 *
 * Every file is whole or absent, so several processes may fill one folder, each its own slice.
 */
#ifndef HX_SWEEP_FOLDER_H
#define HX_SWEEP_FOLDER_H

#include "sweep_plan.h"

#include <limits.h>

/**
 * Make the folder, or, with --resume, go on in one that a sweep with this plan has begun; remove what cells of this
 * slice left half written.
 *
 * Errors: SM_ERR_INVALID_ARGUMENT with a line: it cannot be written, holds a sweep and --resume was not given, or
 * another plan. SM_ERR_SYSTEM: plan.json could not be written.
 */
sm_status hx_sweep_folder_open(const struct hx_sweep_plan *plan, struct sm_error *error);

/** Path of a cell's record, or of the minheap with this id. False: the path is too long. */
bool hx_sweep_folder_run(const struct hx_sweep_plan *plan, const struct hx_cell *cell, char path[PATH_MAX]);
bool hx_sweep_folder_minheap(const struct hx_sweep_plan *plan, const char *id, char path[PATH_MAX]);

#endif
