/**
 * Runs of a workload as a test wants them: one struct says how, one says what came of it.
 */
#ifndef WORKLOAD_RUN_H
#define WORKLOAD_RUN_H

#include "workloads/workload.h"

/** How to run. Zeroed but for `steps`: default options, seed 0, the SAPI's policy, no mutator work. */
struct workload_run {
    const char *options;
    struct sm_config manager;
    uint64_t seed;
    uint64_t steps;
    bool mutator_work;
    enum wl_fault fault;
    uint64_t fault_period;
};

struct workload_outcome {
    uint64_t checksum;                           /**< destructor effects folded in, as the harness does it */
    uint64_t step_alloc_count, step_alloc_bytes; /**< of all steps, creation left out */
    uint64_t leaked_objects; /**< that no root reaches and the policy still has, after the final quiesce */
    uint64_t retained_objects;
    struct sm_stats stats; /**< after the final quiesce */
};

/** Create an instance; fails the test when that fails. */
struct wl_instance *workload_create(const struct wl_ops *ops, const struct workload_run *run);

/** Step `count` times; every step must succeed. */
void workload_steps(struct wl_instance *instance, uint64_t count);

/** Create, step, finish, quiesce, destroy. */
struct workload_outcome workload_run(const struct wl_ops *ops, const struct workload_run *run);

/** The analytic live size under `options`. */
uint64_t workload_analytic_live_bytes(const struct wl_ops *ops, const char *options);

#endif
