/** The command line of `harness sweep`: one table of its own options; those of `harness run` pass through it. */
#ifndef HX_SWEEP_OPTIONS_H
#define HX_SWEEP_OPTIONS_H

#include "run_options.h"
#include "sweep_axis.h"

/** In which order the cells of a block run; see sweep_plan.h. */
enum hx_sweep_order { HX_ORDER_FILL_IN, HX_ORDER_RANDOM, HX_ORDER_GRID };

/** The largest numbers taken. */
enum { HX_INVOCATIONS_MAX = 1000, HX_SLICES_MAX = 1000000 };

struct hx_sweep_options {
    struct hx_axis policies;
    struct hx_axis workloads;
    struct hx_axis pacings; /**< rules, thresholds among them as "fixed:SIZE" */
    struct hx_axis heap_factors;
    struct hx_axis minheap_factors;
    struct hx_axis seeds;
    unsigned invocations;
    enum hx_sweep_order order;
    unsigned slice_index; /**< from 0 */
    unsigned slice_count;
    double cell_seconds; /**< 0: not given */
    const char *out;     /**< NULL: not given */
    bool resumes;
    bool is_plan_only;
    bool as_json;
    bool is_quiet;
    const char *passed[HX_OPTION_COUNT]; /**< values of run options for every cell; NULL: not given */
};

/** The word of an order. */
const char *hx_sweep_order_name(enum hx_sweep_order order);

/**
 * Read the arguments after the command's name. Release with hx_sweep_options_finish, whatever came of it.
 *
 * Errors: SM_ERR_INVALID_ARGUMENT with a line that names the argument and what was expected.
 */
sm_status hx_sweep_options_parse(struct hx_sweep_options *options, int argument_count, char *const arguments[],
                                 struct sm_error *error);

void hx_sweep_options_finish(struct hx_sweep_options *options);

/** Print the lines of --help, from the table. */
void hx_sweep_options_print(void);

#endif
