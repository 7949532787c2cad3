/** Logs of bounded size: cycles, thinned evenly when there are too many, and guards that held memory back. */
#ifndef HX_EVENT_LOGS_H
#define HX_EVENT_LOGS_H

#include "sapimem/stats.h"

enum { HX_CYCLES_MAX = 4096, HX_GUARDS_MAX = 32 };

/** Zeroed: empty. Holds cycle 1, 1 + stride, 1 + 2 stride ...; the stride doubles whenever the log is full. */
struct hx_cycle_log {
    uint64_t stride; /**< 0 counts as 1 */
    size_t count;
    struct sm_cycle_record records[HX_CYCLES_MAX];
};

void hx_cycle_log_add(struct hx_cycle_log *log, const struct sm_cycle_record *record);

/** A guard that was reported, at its latest report. */
struct hx_guard_entry {
    struct sm_guard_report report;
    uint64_t report_count;
};

/** Zeroed: empty. One entry a guard and pin; the newest pins are dropped when it is full. */
struct hx_guard_log {
    size_t count;
    struct hx_guard_entry entries[HX_GUARDS_MAX];
};

void hx_guard_log_add(struct hx_guard_log *log, const struct sm_guard_report *report);

#endif
