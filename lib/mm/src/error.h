/**
 * Filling a `struct sm_error`: a status and the one line that explains it.
 */
#ifndef SM_ERROR_H
#define SM_ERROR_H

#include "sapimem/status.h"

/** Set `error` (may be NULL) and return `status`. Threads: whoever owns `error`. */
sm_status sm_error_set(struct sm_error *error, sm_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** Replace control characters in `detail`: what a user wrote may be quoted in it, whatever it holds. Threads: any. */
void sm_keep_one_line(char *detail);

#endif
