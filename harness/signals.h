/**
 * Signals, taken by a thread of their own, so that no handler and no global is needed.
 *
 * SIGINT, SIGTERM and SIGHUP ask for a clean stop; another one, a second or more later, ends the program at
 * once, with partial outputs removed. SIGUSR1 asks for a cycle. The thread also keeps the run's timeout.
 */
#ifndef HX_SIGNALS_H
#define HX_SIGNALS_H

#include "control.h"
#include "output_file.h"
#include "sapimem/status.h"

#include <stdbool.h>

struct hx_signals;
struct sm_manager;

/**
 * For the first line of main: block the signals, so that none that comes early ends the program, and ignore
 * SIGPIPE, so that a reader that went away is an error of the write.
 */
void hx_signals_hold(void);

/** Whether SIGINT, SIGTERM and SIGHUP end the program by themselves, as they should where nothing needs undoing. */
void hx_signals_let_end(bool may_end);

/**
 * Block the signals in this thread (and so in all it starts) and start the thread that takes them.
 *
 * `timeout_ns` 0: none. The `output_count` outputs outlive it. When `control` says interrupted already, the first
 * signal counts as taken.
 * Errors: SM_ERR_SYSTEM.
 */
sm_status hx_signals_start(struct hx_control *control, uint64_t timeout_ns, const struct hx_output *outputs,
                           size_t output_count, struct hx_signals **started);

/**
 * As hx_signals_start, without a thread: for a process that forks. It polls hx_signals_fd, calls hx_signals_take when that is
 * readable, and lets hx_signals_check_deadline say how long to wait.
 */
sm_status hx_signals_open(struct hx_control *control, uint64_t timeout_ns, const struct hx_output *outputs,
                          size_t output_count, struct hx_signals **opened);

/** What is readable when a signal waits. */
int hx_signals_fd(const struct hx_signals *signals);

/** Take one signal that waits. */
void hx_signals_take(struct hx_signals *signals);

/** Milliseconds for poll until the deadline, -1 without one; asks for the stop when it has passed. */
int hx_signals_check_deadline(struct hx_signals *signals);

/** Whom SIGUSR1 is for; NULL before the manager is destroyed. */
void hx_signals_attach(struct hx_signals *signals, struct sm_manager *mm);

/** The timeout no longer counts. */
void hx_signals_work_done(struct hx_signals *signals);

/** Stop the thread, where there is one, and restore the signals. NULL is fine. */
void hx_signals_stop(struct hx_signals *signals);

#endif
