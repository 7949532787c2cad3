/**
 * The static check: every event against the shadow alone, before a replay.
 */
#ifndef TRACE_CHECK_H
#define TRACE_CHECK_H

#include "trace/shadow.h"

#include "workloads/trace.h"

/**
 * Run the whole program through `shadow`, which is fresh, and reset it afterwards.
 *
 * `info` may be NULL. Errors: those of shadow_check; the shadow may only be destroyed then.
 */
sm_status trace_check_program(struct shadow *shadow, struct wl_trace_info *info, struct sm_error *error);

#endif
