/**
 * The cells of a sweep, in the order in which they run.
 *
 * All cells of one workload, seed and invocation are a block: they run on one machine, one after another, and only
 * they may be compared with each other directly, so policies, pacing rules and limits are all in it. Blocks run one
 * after another, all workloads and seeds of invocation 0 first: a sweep that is stopped then has every curve from
 * fewer invocations. Slices are made of whole blocks.
 *
 * Inside a block, order fill-in runs the ends of every curve over pacing or limit first, then the middles of what lies
 * between, so that a block that is stopped is already a curve; cells of one round are in the order of their ids, which
 * is as good as random and the same each time. Order random is that of the ids alone, and also shuffles the blocks of
 * an invocation; order grid is that of the command line.
 *
 * A policy that is paced by bytes gets a cell for each rule but zend; one that counts gets one for each zend rule, or a
 * single one with its own pacing when there is none; one without cycles gets a single one.
 */
#ifndef HX_SWEEP_PLAN_H
#define HX_SWEEP_PLAN_H

#include "cell.h"
#include "sweep_options.h"

struct hx_sweep_plan {
    const struct hx_sweep_options *options;
    size_t count;
    struct hx_cell *cells; /**< in the order of running; owned */
    unsigned block_count;
};

/**
 * Make all cells, and ask of each whether `harness run` would take its arguments.
 *
 * `options` outlives the plan, which hx_sweep_plan_finish releases whatever came of it.
 * Errors: SM_ERR_INVALID_ARGUMENT with the line that names the argument; SM_ERR_OUT_OF_MEMORY.
 * Cost:   a process forked for each cell of invocation 0.
 */
sm_status hx_sweep_plan_make(struct hx_sweep_plan *plan, const struct hx_sweep_options *options,
                             struct sm_error *error);

/** Whether the options' slice has the cell: blocks are dealt in turn. */
bool hx_sweep_plan_has(const struct hx_sweep_plan *plan, const struct hx_cell *cell);

void hx_sweep_plan_finish(struct hx_sweep_plan *plan);

#endif
