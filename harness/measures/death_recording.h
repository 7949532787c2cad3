/**
 * The deaths of a run, recorded beforehand: the same workload, seed and work under refcount, in a process of its own.
 *
 * Policy malloc frees by the record, and garbage outstanding is measured against it (--garbage=oracle). The run itself
 * starts after the recording has ended, with nothing of it in its memory but the files' pages.
 */
#ifndef HX_DEATH_RECORDING_H
#define HX_DEATH_RECORDING_H

#include "control.h"
#include "run_plan.h"
#include "sapimem/death_schedule.h"
#include "sapimem/stats.h"

/** Zeroed: nothing was recorded. */
struct hx_deaths {
    struct sm_death_schedule *schedule; /**< NULL: none */
    uint64_t record_ns;
    enum hx_stop stop; /**< what ended the recording before its end */
};

/**
 * Record, if the plan wants it; before any manager exists.
 *
 * Errors: the recording's own failure, with its line; SM_ERR_SYSTEM when a signal ended it or it took longer than
 * --timeout: `deaths->stop` says so. There is no schedule then.
 */
sm_status hx_deaths_record(const struct hx_plan *plan, struct hx_deaths *deaths, struct sm_error *error);

/** Payload bytes that `stats` calls live and the record calls dead; HX_UNKNOWN without a record. */
uint64_t hx_deaths_garbage(const struct hx_deaths *deaths, const struct sm_stats *stats);

/** After the manager. */
void hx_deaths_finish(struct hx_deaths *deaths);

#endif
