/**
 * A recording as a trace: the text that `harness trace check` accepts.
 *
 * What refers to what is not known at an allocator, so references are made up: a block hangs in a slot of a holder, an
 * array of 64 slots, from its allocation to its free; holders hang in globals, or in request context. Blocks that only
 * the cycle collector freed form rings of up to 16, each of one section and one run of the collector, and leave
 * their holders at the end of that section: from there only a collector finds them. Such a block spends 16 of its
 * bytes on the slot that closes the ring, so that sizes stay what they were.
 */
#ifndef RECORDER_TRACE_TEXT_H
#define RECORDER_TRACE_TEXT_H

#include "recording.h"

#include <stdio.h>

/** Of the trace as a replay counts it: the recording's, and holders. */
struct trace_text_totals {
    uint64_t objects, bytes, peak_live_bytes;
    uint64_t holders, holder_bytes, rings;
};

/**
 * Write `recording`, which has ended, to `stream`; `title` is a line that says what it is of, and `is_unclean` that the
 * program ended in a fatal error.
 *
 * Returns 0, or the errno of what failed: memory for the writer's tables, or `stream`. The recording may be written
 * once.
 */
int trace_text_write(struct recording *recording, const char *title, bool is_unclean, FILE *stream,
                     struct trace_text_totals *totals);

#endif
