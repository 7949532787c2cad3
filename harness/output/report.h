/** Everything one run found out: what the sinks and the summary read. */
#ifndef HX_REPORT_H
#define HX_REPORT_H

#include "context.h"
#include "event_logs.h"
#include "latency.h"
#include "metrics.h"
#include "pauses.h"
#include "run_plan.h"
#include "sampler.h"
#include "stops.h"
#include "utilization.h"
#include "workload_card.h"

enum hx_run_status {
    HX_STATUS_OK,
    HX_STATUS_OOM,
    HX_STATUS_INVALID,
    HX_STATUS_TIMEOUT,
    HX_STATUS_INTERRUPTED,
};

/** Name as it appears in results ("ok", "oom", ...). */
const char *hx_run_status_name(enum hx_run_status status);

enum { HX_CHECKPOINTS_MAX = 4 };

struct hx_burst_report;

/** Large: lives on the heap, allocated and touched before the run so that it counts in the baseline. */
struct hx_report {
    const struct hx_plan *plan;
    struct hx_context context;
    enum hx_run_status status;
    char error[SM_DETAIL_BYTES]; /**< "" when status is HX_STATUS_OK */
    enum hx_repeatability repeatability;
    struct hx_metrics metrics;
    uint64_t destructor_sum; /**< of the workload, folded into the checksum */
    struct hx_pauses pauses;
    struct hx_stops stops; /**< the pauses again, in their order */
    struct hx_utilization utilization;
    struct hx_histogram service_ns; /**< time of each completed step */
    struct hx_step_log *steps;      /**< of a run of one process; owned by whoever began it; NULL: nobody keeps them */
    struct hx_metered metered;
    struct hx_histogram hiccups_ns; /**< of the platform, while the steps went on; empty: not measured */
    size_t checkpoint_count;
    struct hx_checkpoint checkpoints[HX_CHECKPOINTS_MAX];
    struct hx_cycle_log cycles;
    struct hx_guard_log guards;
    struct hx_sampler sampler;
    struct hx_notes notes;
    struct hx_notes noisy;         /**< why times are not to be trusted; none: nothing was seen */
    struct hx_card *card;          /**< NULL: nobody asked; owned by whoever asked */
    struct hx_burst_report *burst; /**< of a run over several processes; NULL: the run was one */
};

/** Release what the report holds beside itself. */
void hx_report_release(struct hx_report *report);

#endif
