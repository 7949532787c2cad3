/**
 * One fresh process of `harness run`: started, watched, and what it left.
 *
 * The document comes over standard output into memory, so that a process which is killed leaves no file behind.
 */
#ifndef HX_CELL_PROCESS_H
#define HX_CELL_PROCESS_H

#include "control.h"
#include "sapimem/status.h"
#include "signals.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Who takes signals meanwhile, and what is done about every second. */
struct hx_cell_watch {
    struct hx_control *control;
    struct hx_signals *signals;  /**< opened without a thread (hx_signals_open) */
    void (*tick)(void *context); /**< NULL: nothing */
    void *context;
};

/** How a process ended. */
struct hx_cell_end {
    int exit_code;       /**< -1: a signal ended it */
    int signal;          /**< 0: none */
    bool is_interrupted; /**< someone asked for the end: what it left is no result */
    uint64_t wall_ns;    /**< from start to end of the process */
    int document_fd;     /**< what it wrote on standard output, at its beginning; -1: nothing was started */
    char last_line[512]; /**< of standard error, without "harness: "; "" when there was none */
};

/**
 * Run `harness run` with `arguments` and --json=- in a process of its own, and wait for it.
 *
 * An interrupt is passed on as SIGTERM; a process that then takes longer than 10 seconds is killed. It does not outlive
 * this one. Release with hx_cell_end_finish.
 * Errors: SM_ERR_SYSTEM with a line: the process could not be started.
 */
sm_status hx_cell_process_run(const struct hx_cell_watch *watch, size_t argument_count, char *const arguments[],
                              struct hx_cell_end *end, struct sm_error *error);

void hx_cell_end_finish(struct hx_cell_end *end);

#endif
