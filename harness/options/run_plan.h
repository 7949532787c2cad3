/**
 * What a run will do: options resolved against policies, workloads and each other.
 *
 * Everything that can be refused before anything runs is refused here, with a line that names the argument.
 */
#ifndef HX_RUN_PLAN_H
#define HX_RUN_PLAN_H

#include "burst.h"
#include "notes.h"
#include "run_options.h"
#include "stall.h"
#include "workloads/workload.h"

struct sm_policy_ops;

enum { HX_SPEC_BYTES = 512, HX_PATH_BYTES = 4096 };

struct hx_plan {
    struct hx_run_options options; /**< with what was derived filled in: the echo in results */
    const struct sm_policy_ops *policy;
    uint32_t capabilities; /**< of the policy with its options */
    struct sm_option_values policy_options;
    char policy_text[HX_SPEC_BYTES]; /**< "NAME:key=value,...", shorthands merged in */
    char policy_name[HX_SPEC_BYTES];
    const struct wl_ops *workload;
    struct sm_option_values workload_options;
    char workload_name[HX_PATH_BYTES + 8]; /**< "trace:FILE" for a trace */
    char trace_file[HX_PATH_BYTES];        /**< what trace_path points to */
    const char *trace_path;                /**< NULL: no trace */
    const char *step_unit;                 /**< "iteration" or "request": the workload's, or what the trace recorded */
    char pacing_text[64];
    enum sm_sapi sapi;
    uint64_t threshold_bytes;    /**< 0: not paced by a fixed threshold */
    uint64_t memory_limit_bytes; /**< 0: none */
    bool wants_minheap;          /**< --minheap-factor is given, and the minheap not known yet */
    uint64_t alloc_bytes;        /**< work ends at this clock; 0: otherwise */
    uint64_t steps;              /**< work ends after so many; 0: otherwise */
    uint64_t work_ns;            /**< work ends after so long; 0: otherwise */
    uint64_t timeout_ns;         /**< 0: none */
    uint64_t tick_bytes;
    struct hx_burst burst;
    unsigned observer_count;
    bool has_stall;
    struct hx_stall stall;
    enum wl_fault fault;
    uint64_t fault_period;
    uint64_t fail_alloc_after; /**< 0: never */
    bool records_deaths;       /**< the same work runs under refcount first (death_recording.h) */
    bool runs_inline;          /**< nothing runs beside the VM thread */
    struct hx_notes told;      /**< remarks for standard error before the run */
    struct hx_notes notes;     /**< remarks for the result only */
};

/**
 * Resolve `plan->options`, which the command line filled, into the rest of `plan`.
 *
 * `plan` must not move afterwards. Errors: SM_ERR_INVALID_ARGUMENT with a line that names the argument.
 */
sm_status hx_plan_resolve(struct hx_plan *plan, struct sm_error *error);

/**
 * Of `count` options that say the same thing one at most is given: `*first` names it, NULL when there is none.
 *
 * Errors: SM_ERR_INVALID_ARGUMENT with a line that names two.
 */
sm_status hx_plan_refuse_two(const struct hx_plan *plan, const enum hx_option_id ids[], size_t count,
                             const char **first, struct sm_error *error);

/** Whether the policy has cycles that a threshold can ask for. */
bool hx_plan_has_cycles(const struct hx_plan *plan);

/** Whether more than the totals is measured. */
static inline bool hx_plan_measures_all(const struct hx_plan *plan)
{
    return plan->options.value[HX_OPT_MEASURES].count == HX_MEASURES_ALL;
}

/** The workload's configuration, hooks left to the caller. */
struct wl_config hx_plan_workload_config(const struct hx_plan *plan);

#endif
