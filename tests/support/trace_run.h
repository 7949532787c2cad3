/**
 * Replays of traces from beginning to end, as the harness makes them, and what came of them.
 */
#ifndef TRACE_RUN_H
#define TRACE_RUN_H

#include "workloads/trace.h"
#include "workloads/workload.h"

enum { TRACE_POLICY_COUNT = 6, TRACE_INLINE_EPOCH = 3 };

/** Policies of all sorts; from TRACE_INLINE_EPOCH on they find garbage by themselves. */
extern const char *const trace_policies[TRACE_POLICY_COUNT];

struct trace_outcome {
    enum wl_step step, finish;
    uint64_t checksum, destructor_sum;
    uint64_t alloc_bytes, alloc_count, steps_done;
    uint64_t garbage_bytes, live_objects; /**< after the final drain */
    struct wl_trace_destructors destructors;
    char detail[SM_DETAIL_BYTES];
};

/** The trace at `path` in the mode it was recorded in, once. */
struct wl_config trace_config(const char *path, const char *policy);

/** What the harness does around a workload: run, finish, drain, fold the destructors in. */
void trace_drive(struct wl_instance *instance, struct trace_outcome *outcome);

/** Create, drive, destroy; fails the test when it cannot be created. */
struct trace_outcome trace_run(const struct wl_config *config);
struct trace_outcome trace_run_policy(const char *path, const char *policy);

/** The run came to its end, and every destructor ran once. */
void trace_assert_clean(const struct trace_outcome *outcome, const char *path, const char *policy);
void trace_assert_same(const struct trace_outcome *one, const struct trace_outcome *other);

#endif
