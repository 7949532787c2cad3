#include "event_logs.h"

#include <assert.h>
#include <string.h>

void hx_cycle_log_add(struct hx_cycle_log *log, const struct sm_cycle_record *record)
{
    if (log->stride == 0)
        log->stride = 1;
    if ((record->index - 1) % log->stride != 0)
        return;
    if (log->count == HX_CYCLES_MAX) {
        for (size_t i = 0; i < HX_CYCLES_MAX / 2; i++)
            log->records[i] = log->records[2 * i];
        log->count = HX_CYCLES_MAX / 2;
        log->stride *= 2;
        if ((record->index - 1) % log->stride != 0)
            return;
    }
    assert(log->count < HX_CYCLES_MAX);
    log->records[log->count++] = *record;
}

static int is_same_pin(const struct sm_guard_report *left, const struct sm_guard_report *right)
{
    return left->pinned_epoch == right->pinned_epoch && strcmp(left->thread, right->thread) == 0 &&
           strcmp(left->site, right->site) == 0;
}

void hx_guard_log_add(struct hx_guard_log *log, const struct sm_guard_report *report)
{
    size_t i = 0;
    while (i < log->count && !is_same_pin(&log->entries[i].report, report))
        i++;
    if (i == HX_GUARDS_MAX)
        return;
    if (i == log->count) {
        log->count++;
        log->entries[i].report_count = 0;
    }
    log->entries[i].report = *report;
    log->entries[i].report_count++;
}
