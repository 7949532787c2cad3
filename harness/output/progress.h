/** One line on standard error that says how far the run is, at most five times a second. */
#ifndef HX_PROGRESS_H
#define HX_PROGRESS_H

#include "run_plan.h"
#include "sapimem/stats.h"

struct hx_progress {
    const struct hx_plan *plan;
    bool is_on;
    bool is_terminal;
    bool is_shown;
    uint64_t start_ns;
    uint64_t next_ns; /**< not before */
};

/** Whether to show anything follows from --progress and the terminal. */
void hx_progress_begin(struct hx_progress *progress, const struct hx_plan *plan, uint64_t now_ns);

static inline bool hx_progress_is_due(const struct hx_progress *progress, uint64_t now_ns)
{
    return progress->is_on && now_ns >= progress->next_ns;
}

void hx_progress_show(struct hx_progress *progress, const struct sm_stats *stats, uint64_t step_count, uint64_t now_ns);

/** Clear the line, if one is shown, so that another can be printed in its place. */
void hx_progress_clear(struct hx_progress *progress);

/** Clear the line and show none any more. */
void hx_progress_end(struct hx_progress *progress);

#endif
