/**
 * `--stall=THREAD:AT:DURATION`: which observer holds its guard, from when on, for how long.
 */
#ifndef HX_STALL_H
#define HX_STALL_H

#include "sapimem/status.h"

#include <stdint.h>

enum { HX_OBSERVERS_MAX = 64 };

/** `duration_ns` of a stall that lasts until the run ends. */
#define HX_STALL_FOREVER UINT64_MAX

struct hx_stall {
    unsigned observer; /**< from 0 */
    uint64_t at_bytes; /**< on the allocation clock */
    uint64_t duration_ns;
};

/**
 * Parse "observer-0:16M:100ms"; durations take us, ms and s; "forever" has no end.
 *
 * Errors: SM_ERR_INVALID_ARGUMENT with a line that names --stall and the part at fault.
 */
sm_status hx_stall_parse(const char *text, struct hx_stall *stall, struct sm_error *error);

#endif
