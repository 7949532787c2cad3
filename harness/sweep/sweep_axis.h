/** One axis of a sweep: the texts that it takes, and the order in which they become a curve. */
#ifndef HX_SWEEP_AXIS_H
#define HX_SWEEP_AXIS_H

#include "sapimem/status.h"

#include <stddef.h>

/** Values in the order given, each owned. Zeroed: none. */
struct hx_axis {
    size_t count;
    char **values;
};

/** Append a copy of `value`. Errors: SM_ERR_OUT_OF_MEMORY. */
sm_status hx_axis_add(struct hx_axis *axis, const char *value, struct sm_error *error);

/** Append the values of "A;B". Errors: SM_ERR_INVALID_ARGUMENT with a line that names `option`, when one is empty. */
sm_status hx_axis_add_list(struct hx_axis *axis, const char *option, const char *text, struct sm_error *error);

/**
 * Append thresholds, as pacing rules "fixed:SIZE": those of "A;B", or LO and its products with powers of F up to HI
 * of "LO:HI:xF", to whole KiB.
 *
 * Errors: SM_ERR_INVALID_ARGUMENT with a line that names --thresholds.
 */
sm_status hx_axis_add_thresholds(struct hx_axis *axis, const char *text, struct sm_error *error);

void hx_axis_free(struct hx_axis *axis);

/**
 * In which round each of `count` points of a curve is measured: both ends in round 0, the middle in round 1, then the
 * middle of every gap. Stopped after any round the points lie evenly.
 */
void hx_fill_in_rounds(size_t count, unsigned rounds[]);

#endif
