/**
 * The grammar: one line of text into numbers. Knows ranges, not ids that are in use.
 */
#ifndef TRACE_PARSE_H
#define TRACE_PARSE_H

#include "trace/event.h"

#include <stdbool.h>
#include <stddef.h>

/** A parsed line. Ids are the trace's own. */
struct trace_fields {
    enum trace_op op;
    enum trace_kind kind;
    bool has_owner;
    uint64_t id;    /**< ID; ID2 of `s` and `w` */
    uint64_t owner; /**< OWNER; ID of `s` and `w` */
    uint64_t slot;  /**< SLOT; NAME */
    uint64_t slot_count;
    uint64_t bytes; /**< BYTES; US */
};

enum { TRACE_REASON_BYTES = 192 };

/**
 * Parse `line` (no LF), which is neither a comment nor the magic.
 *
 * Returns false with "what was found, what was expected" in `reason`.
 */
bool trace_parse(const char *line, size_t length, struct trace_fields *fields, char reason[TRACE_REASON_BYTES]);

/** The letter of an event, as in the file. */
char trace_op_letter(enum trace_op op);

#endif
