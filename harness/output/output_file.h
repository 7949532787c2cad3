/**
 * A result file that is whole or absent: written beside its place, synced, renamed.
 *
 * The temporary file is made before the run, so that an unwritable place is found out at once.
 */
#ifndef HX_OUTPUT_FILE_H
#define HX_OUTPUT_FILE_H

#include "sapimem/status.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>

/** Zeroed: no output was asked for. */
struct hx_output {
    const char *path;    /**< as the user gave it; "-" is standard output */
    FILE *stream;        /**< NULL: not open */
    bool keeps_existing; /**< what is at `path` already stays, and makes the commit fail */
    bool has_partial;    /**< false when written in place: standard output, a device, a pipe; read by any thread */
    char partial_path[PATH_MAX];
};

/**
 * Prepare to write `path`, given to `option` on the command line.
 *
 * Errors: SM_ERR_INVALID_ARGUMENT with a line that names the option, the path and the reason.
 */
sm_status hx_output_open(struct hx_output *output, const char *option, const char *path, struct sm_error *error);

/**
 * Likewise for a path given by itself, where there must be no file yet, and where none is replaced.
 *
 * A device or a pipe is written to in place, as ever. Errors: as above; the line names the path.
 */
sm_status hx_output_open_new(struct hx_output *output, const char *path, struct sm_error *error);

/** Whether both paths lead to one place, however they are written; "-" is where standard output goes. */
bool hx_output_is_same_place(const char *path, const char *other);

/** Whether opening `path` may wait for somebody, and makes no temporary file: a device or a pipe. */
bool hx_output_is_in_place(const char *path);

static inline bool hx_output_is_open(const struct hx_output *output)
{
    return output->stream != NULL;
}

static inline bool hx_output_is_stdout(const struct hx_output *output)
{
    return output->stream == stdout;
}

/** Flush, sync and put into place. Errors: SM_ERR_SYSTEM with a line; nothing is left behind then. */
sm_status hx_output_commit(struct hx_output *output, struct sm_error *error);

/** Print why writing failed, on standard error, and discard. */
void hx_output_fail(struct hx_output *output, int reason);

/**
 * Flush standard output, for the end of every command. False when anything printed there was lost: the reason is
 * then printed on standard error, once.
 */
bool hx_output_flush_stdout(void);

/** Remove what was written. Fine when not open. */
void hx_output_discard(struct hx_output *output);

/** As discard, for the moment before _exit: touches no stream. Threads: any. */
void hx_output_abandon(const struct hx_output *output);

#endif
