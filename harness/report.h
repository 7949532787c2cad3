/** Everything one run found out: what the sinks and the summary read. */
#ifndef HX_REPORT_H
#define HX_REPORT_H

#include "context.h"
#include "event_logs.h"
#include "metrics.h"
#include "pauses.h"
#include "run_plan.h"
#include "sampler.h"
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
    struct hx_histogram service_ns; /**< time of each completed step */
    struct hx_cycle_log cycles;
    struct hx_guard_log guards;
    struct hx_sampler sampler;
    struct hx_notes notes;
    struct hx_card *card;          /**< NULL: nobody asked; owned by whoever asked */
    struct hx_burst_report *burst; /**< of a run over several processes; NULL: the run was one */
};

/** Release what the report holds beside itself. */
void hx_report_release(struct hx_report *report);

#endif
