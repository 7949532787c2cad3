#include "progress.h"

#include "quantities.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

enum { INTERVAL_NS = 200000000 };

void hx_progress_begin(struct hx_progress *progress, const struct hx_plan *plan, uint64_t now_ns)
{
    uint64_t choice = plan->options.value[HX_OPT_PROGRESS].count;
    progress->plan = plan;
    progress->is_terminal = isatty(STDERR_FILENO) != 0;
    progress->is_on = choice == HX_PROGRESS_ALWAYS || (choice == HX_PROGRESS_AUTO && progress->is_terminal);
    progress->is_shown = false;
    progress->start_ns = now_ns;
    progress->next_ns = now_ns + INTERVAL_NS;
}

/* Share of the work that is done, 0 .. 1; negative when the end is not known. */
static double share_done(const struct hx_plan *plan, const struct sm_stats *stats, uint64_t step_count,
                         uint64_t elapsed_ns)
{
    if (plan->alloc_bytes != 0)
        return (double)stats->alloc_bytes / (double)plan->alloc_bytes;
    if (plan->steps != 0)
        return (double)step_count / (double)plan->steps;
    if (plan->work_ns != 0)
        return (double)elapsed_ns / (double)plan->work_ns;
    return -1;
}

void hx_progress_show(struct hx_progress *progress, const struct sm_stats *stats, uint64_t step_count, uint64_t now_ns)
{
    uint64_t elapsed_ns = now_ns - progress->start_ns;
    double share = share_done(progress->plan, stats, step_count, elapsed_ns);
    char done[16] = "";
    if (share >= 0)
        snprintf(done, sizeof(done), "%3.0f %%  ", 100 * (share < 1 ? share : 1));
    char allocated[HX_QUANTITY_BYTES], live[HX_QUANTITY_BYTES], committed[HX_QUANTITY_BYTES],
        elapsed[HX_QUANTITY_BYTES];
    fprintf(stderr, "%s%s%s  %s allocated  %" PRIu64 " %s%s  live %s  committed %s  %" PRIu64 " cycle%s%s",
            progress->is_terminal ? "\r\033[K" : "", done, hx_format_ns(elapsed_ns, elapsed),
            hx_format_bytes(stats->alloc_bytes, allocated), step_count, progress->plan->step_unit,
            hx_plural_s(step_count), hx_format_bytes(stats->live_bytes, live),
            hx_format_bytes(stats->committed_bytes, committed), stats->cycles, hx_plural_s(stats->cycles),
            progress->is_terminal ? "" : "\n");
    fflush(stderr);
    progress->is_shown = true;
    progress->next_ns = now_ns + INTERVAL_NS;
}

void hx_progress_clear(struct hx_progress *progress)
{
    if (progress->is_shown && progress->is_terminal)
        fputs("\r\033[K", stderr);
    progress->is_shown = false;
}

void hx_progress_end(struct hx_progress *progress)
{
    hx_progress_clear(progress);
    progress->is_on = false;
}
