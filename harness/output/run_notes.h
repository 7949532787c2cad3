/** What one should know before believing the figures of a run. */
#ifndef HX_RUN_NOTES_H
#define HX_RUN_NOTES_H

#include "death_recording.h"
#include "report.h"
#include "workloads/workload.h"

/** Of the replay of a trace; nothing of other workloads. Before the instance is destroyed. */
void hx_note_trace(struct hx_notes *notes, const struct hx_plan *plan, const struct wl_instance *instance);

/** Of the whole run, when it has ended. */
void hx_note_run(struct hx_report *report, const struct hx_deaths *deaths);

#endif
