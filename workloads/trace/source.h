/**
 * Lines of a trace file, plain or zstd, and the errors that name them.
 */
#ifndef TRACE_SOURCE_H
#define TRACE_SOURCE_H

#include "sapimem/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct trace_source;

enum trace_line_result {
    TRACE_LINE,
    TRACE_END,
    TRACE_ERROR, /**< the error has been filled */
};

enum { TRACE_LINE_MAX = 4095 };

/** Open `path`; the first bytes, not the name, tell whether it is compressed. `path` is kept, not copied. */
sm_status trace_source_open(const char *path, struct trace_source **source, struct sm_error *error);
void trace_source_close(struct trace_source *source);

bool trace_source_is_compressed(const struct trace_source *source);

/** The next line without its LF, valid until the next call. It may hold any bytes. */
enum trace_line_result trace_source_next(struct trace_source *source, const char **line, size_t *length,
                                         struct sm_error *error);

/** Number of the line that trace_source_next returned last, from 1. */
uint32_t trace_source_line(const struct trace_source *source);

/** Put "PATH:LINE: text" on `error` (may be NULL); line 0 leaves the number out. Returns `status`. */
sm_status trace_fail(struct sm_error *error, sm_status status, const char *path, uint32_t line, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/** Up to 24 bytes of `text`, with what does not print shown as '?', into `quoted`. Returns `quoted`. */
const char *trace_quote(const char *text, size_t length, char quoted[32]);

#endif
