/** The files of a sweep's folder: plan.json, and one document a cell in runs/. */
#ifndef HX_SWEEP_JSON_H
#define HX_SWEEP_JSON_H

#include "cell_process.h"
#include "sweep_plan.h"

#include <stdio.h>

/** What a record says of a cell that has run. */
struct hx_cell_result {
    char status[HX_CELL_STATUS_BYTES]; /**< of the run; "crashed" or "refused" where no run left a document */
    uint64_t process_ns;
};

/** Write plan.json: build, axes and all cells. False: it could not be written. */
bool hx_sweep_json_write_plan(const struct hx_sweep_plan *plan, FILE *stream);

/** As hx_sweep_json_write_plan with the cells of the slice only, and how long they take: 0, not known. */
bool hx_sweep_json_write_slice(const struct hx_sweep_plan *plan, double seconds, FILE *stream);

/**
 * Whether the plan at `path` begins like this one, or this one like it: the same build and axes, more or fewer
 * invocations. `*held_count` is how many cells it has.
 *
 * Errors: SM_ERR_INVALID_ARGUMENT with a line that says what differs, or that it is no plan.
 */
sm_status hx_sweep_json_compare_plan(const char *path, const struct hx_sweep_plan *plan, size_t *held_count,
                                     struct sm_error *error);

/**
 * Write the record of a cell: the document that its process left with "cell" added, or, where there is none, one that
 * says how the process ended. `result` says what was written. False: it could not be written.
 */
bool hx_cell_json_write(const struct hx_cell *cell, const struct hx_cell_end *end, struct hx_cell_result *result,
                        FILE *stream);

/** Whether the file at `path` is a whole record of the cell. */
bool hx_cell_json_read(const char *path, const struct hx_cell *cell, struct hx_cell_result *result);

#endif
