/**
 * Decoding: a trace file into binary events, checked as far as a single pass over the text can.
 */
#ifndef TRACE_DECODE_H
#define TRACE_DECODE_H

#include "trace/event.h"
#include "trace/mapping.h"

#include "sapimem/manager.h"
#include "sapimem/status.h"

/** A decoded trace: its events, and the sizes of the tables that a replay needs. */
struct trace_program {
    const char *path; /**< for messages; kept, not copied */
    struct trace_mapping events;
    uint32_t event_count;
    uint32_t entry_limit;  /**< every object and owner is below it */
    uint32_t edge_limit;   /**< slots of all allocations together, hidden ones included, plus one */
    uint32_t depth_limit;  /**< frames open at a time, at most */
    uint32_t global_limit; /**< every global's name is below it */
    uint32_t context_limit;
    uint32_t nested_request; /**< line of a request that begins inside a frame; 0: none does */
    enum sm_sapi sapi;       /**< FPM when the first structural event opens a request */
    uint64_t op_count[TRACE_OP_COUNT];
};

static inline const struct trace_event *trace_program_event(const struct trace_program *program, uint32_t index)
{
    return (const struct trace_event *)program->events.base + index;
}

/**
 * Decode the file at `path`.
 *
 * Refuses: a bad magic, an unknown event or kind, a number out of its range, an id in use twice, dead or unknown,
 * a slot out of range, unbalanced brackets, a truncated file, anything after an event on its line.
 * Errors:      SM_ERR_INVALID_ARGUMENT with "PATH:LINE: found, expected"; SM_ERR_SYSTEM when the decoded
 *              form cannot be kept; `*program` is safe to destroy in any case.
 */
sm_status trace_decode(const char *path, struct trace_program *program, struct sm_error *error);
void trace_program_destroy(struct trace_program *program);

#endif
