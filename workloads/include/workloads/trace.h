/**
 * Trace files: what one holds and whether it is valid, without replaying it.
 *
 * wl_trace (workload.h) replays one; it makes the same check first, so an invalid trace is refused
 * before anything ran.
 */
#ifndef WORKLOADS_TRACE_H
#define WORKLOADS_TRACE_H

#include "sapimem/manager.h"
#include "sapimem/status.h"

#include <stdio.h>

enum { WL_TRACE_OPS = 18 };

/** What a trace holds. Bytes are those that a replay puts on the allocation clock, weak cells left out. */
struct wl_trace_info {
    enum sm_sapi sapi;
    uint64_t events, events_by_op[WL_TRACE_OPS]; /**< by index into wl_trace_op_letters */
    uint64_t objects, bytes;                     /**< allocated; bytes are payloads, and growth on resize */
    uint64_t slots;                              /**< of all objects together */
    uint64_t iterations, requests;
    uint64_t deaths, cyclic_deaths, resizes, destructors;
    uint64_t peak_live_objects, peak_live_bytes; /**< by the oracle: deaths as recorded, or when nothing refers to it */
    uint64_t end_live_objects, end_live_bytes;
    uint64_t end_roots; /**< globals and context entries that still hold something: not the end of a program */
};

/** The letters of the events, in the order of wl_trace_info.events_by_op; a string of WL_TRACE_OPS. */
const char *wl_trace_op_letters(void);

/** The mode a trace was recorded in: FPM when '[' is its first bracket. CLI for a file that cannot be read: creating the workload says why. */
enum sm_sapi wl_trace_sapi(const char *path);

/**
 * Check the whole trace: syntax, ids, slots, brackets, and that no line names an object after it became unreachable.
 *
 * `info` may be NULL; it is filled only when the trace is valid.
 * Errors:      SM_ERR_INVALID_ARGUMENT with "PATH:LINE: what was found, what was expected"; SM_ERR_SYSTEM when
 *              the decoded form cannot be kept in $TMPDIR or /tmp.
 * Cost:        as decoding; about 0.5 us a line.
 */
sm_status wl_trace_check(const char *path, struct wl_trace_info *info, struct sm_error *error);

/**
 * Write the trace at `path`, which is plain text, to `stream` compressed by zstd, with a checksum; or, for unpack, the
 * reverse.
 *
 * Packed and unpacked again, a trace is what it was, byte by byte. Only its lines are looked at: wl_trace_check says
 * whether they make a trace.
 * Errors:      SM_ERR_INVALID_ARGUMENT when the file cannot be read, is damaged or truncated, or is compressed already
 *              (not compressed, for unpack); SM_ERR_SYSTEM when `stream` takes no more; SM_ERR_OUT_OF_MEMORY. What was
 *              written until then is of no use.
 * Cost:        unpack, and pack on recorded traces, about 20 ms for each megabyte of text.
 */
sm_status wl_trace_pack(const char *path, FILE *stream, struct sm_error *error);
sm_status wl_trace_unpack(const char *path, FILE *stream, struct sm_error *error);

/** Destructors of a running replay (of wl_trace): registered, run, and run a second time (always 0). */
struct wl_instance;
struct wl_trace_destructors {
    uint64_t registered, run, run_again;
    uint64_t expected_sum; /**< wl_instance.destructor_sum once all have run, each exactly once */
};
void wl_trace_destructors(const struct wl_instance *instance, struct wl_trace_destructors *destructors);

/** Of a running replay: how often all of the trace has been replayed, each time with the same contents read back. */
uint64_t wl_trace_passes(const struct wl_instance *instance);

/** Of a running replay under a policy that counts: lines `d` whose object was still held by its own cycle, as under `D`. */
uint64_t wl_trace_self_kept_deaths(const struct wl_instance *instance);

#endif
