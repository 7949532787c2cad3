/** `harness run`: one measured run, its results written. */
#ifndef HX_RUN_COMMAND_H
#define HX_RUN_COMMAND_H

#include "sapimem/status.h"

/** Exit codes of the program. */
enum hx_exit {
    HX_EXIT_OK = 0,
    HX_EXIT_FAILED = 1,
    HX_EXIT_REFUSED = 2,
    HX_EXIT_INTERRUPTED = 130,
};

/** Print "harness: LINE" on standard error; returns HX_EXIT_REFUSED. */
int hx_exit_refused(const char *line);

/**
 * Whether hx_run_command would take these arguments: nothing is run, opened or left changed.
 *
 * Errors: SM_ERR_INVALID_ARGUMENT with the line that the run would be refused with.
 * Cost:   a process forked, which makes the manager.
 */
sm_status hx_run_check(int argument_count, char *const arguments[], struct sm_error *error);

/** Run with the arguments after the command's name. Returns the exit code. */
int hx_run_command(int argument_count, char *const arguments[]);

/** Print what `harness run` understands, from the descriptor table. */
void hx_run_help(void);

#endif
