/**
 * A burst as a whole: the process that starts the workers, sees them end, and puts their figures together.
 *
 * It has one thread and no manager, so that it can fork at any time (R14): a worker that fails or has served its share is
 * replaced, where --max-requests asks for it.
 */
#ifndef HX_WORKERS_H
#define HX_WORKERS_H

#include "output_file.h"
#include "report.h"

/**
 * Run the burst that `plan` describes and fill `report`, whose plan is set.
 *
 * Returns, errors and `outputs`: as hx_run_execute.
 */
sm_status hx_workers_run(const struct hx_plan *plan, struct hx_report *report, const struct hx_output *outputs,
                         size_t output_count, struct sm_error *error);

/** What `attempt` returns, made in a process of its own, that nothing of it stays in this one. */
sm_status hx_workers_try(sm_status (*attempt)(const struct hx_plan *plan, struct sm_error *error),
                         const struct hx_plan *plan, struct sm_error *error);

#endif
