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

/** A run with seed 7 and mutator work; everything else by default. */
struct workload_run workload_run_of(enum sm_sapi sapi, const char *policy, const char *options, uint64_t steps);

/** The workload of that name; fails the test when there is none. */
const struct wl_ops *workload_find(const char *name);

/** The checksum of a whole run. */
uint64_t workload_checksum(const struct wl_ops *ops, struct workload_run run);

/**
 * Either kind of flip must change the checksum of the run, which is `expected` without one, when it is planted at step
 * `period_within`, and must not when it is planted at step 100, which the run must not reach.
 */
void workload_assert_flips_show(const struct wl_ops *ops, struct workload_run run, uint64_t period_within,
                                uint64_t expected);

/**
 * Under every policy that this build has, and in both SAPIs, the run's checksum must be `expected`; its own policy is not
 * used. Under the thread sanitizer: under those that have threads (thread_coverage.h).
 */
void workload_assert_policies_agree(const struct wl_ops *ops, struct workload_run run, uint64_t expected);

/** With an emergency cycle at every allocation it must stay so: finds what is old, held by a C local alone and used across one. */
void workload_assert_emergencies_change_nothing(const struct wl_ops *ops, struct workload_run run, uint64_t expected);

/** A leak fault of one in three must keep more than `least_objects` reachable, and nothing must be left over with it or without. */
void workload_assert_leak_is_retained(const struct wl_ops *ops, struct workload_run run, uint64_t least_objects);

/** Another seed, `other_options`, and one step less must each change the checksum, and the same run must not. */
void workload_assert_inputs_matter(const struct wl_ops *ops, struct workload_run run, const char *other_options);

/** With a cycle at every safepoint, the run's checksum must stay `expected`, and nothing may be left over. */
void workload_assert_cycles_change_nothing(const struct wl_ops *ops, struct workload_run run, uint64_t expected);

/** Creation as `run` says must be refused, and make nothing; returns why. */
struct sm_error workload_refusal(const struct wl_ops *ops, const struct workload_run *run);

/** `result`, of the last step, must be a failure for want of memory, with its reason; destroys the instance. */
void workload_assert_out_of_memory(struct wl_instance *instance, enum wl_step result);

/** Opcodes of the mutator-work kernel an allocation, over the steps of a VM workload; creation left out of the allocations. */
double workload_opcodes_per_alloc(const struct wl_ops *ops, const struct workload_run *run);

/** The analytic live size under `options`. */
uint64_t workload_analytic_live_bytes(const struct wl_ops *ops, const char *options);
/** It must be within five per cent of `found_bytes`, block bytes. */
void workload_assert_analytic_size(const struct wl_ops *ops, const char *options, uint64_t found_bytes);

#endif
