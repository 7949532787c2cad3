#include "report.h"

#include <stdlib.h>

const char *hx_run_status_name(enum hx_run_status status)
{
    static const char *const names[] = {
        [HX_STATUS_OK] = "ok",
        [HX_STATUS_OOM] = "oom",
        [HX_STATUS_INVALID] = "invalid",
        [HX_STATUS_TIMEOUT] = "timeout",
        [HX_STATUS_INTERRUPTED] = "interrupted",
    };
    return names[status];
}

void hx_report_release(struct hx_report *report)
{
    free(report->burst);
    report->burst = NULL;
}
