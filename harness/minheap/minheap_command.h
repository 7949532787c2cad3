/** `harness minheap`: the smallest memory limit with which a workload completes. */
#ifndef HX_MINHEAP_COMMAND_H
#define HX_MINHEAP_COMMAND_H

#include "minheap.h"

/** Measure with the arguments after the command's name. Returns the exit code. */
int hx_minheap_command(int argument_count, char *const arguments[]);

void hx_minheap_help(void);

/**
 * Measure the minheap that --minheap-factor multiplies, for a run with these arguments; takes the signals meanwhile.
 *
 * Errors: as hx_minheap_measure; `is_interrupted` says whether a signal asked for the end.
 */
sm_status hx_minheap_of_run(size_t argument_count, char *const arguments[], struct hx_minheap *minheap,
                            bool *is_interrupted, struct sm_error *error);

#endif
