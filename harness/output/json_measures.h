/** The measures that are more than a number: utilization, checkpoints, reasons; as JSON. */
#ifndef HX_JSON_MEASURES_H
#define HX_JSON_MEASURES_H

#include "json_values.h"
#include "report.h"

/** Metered latencies, where they were measured. */
void hx_json_add_metered(json_t *latency, const struct hx_metered *metered);

/** null where nothing was measured. */
json_t *hx_json_utilization(const struct hx_utilization *utilization);
json_t *hx_json_hiccups(const struct hx_histogram *hiccups);

json_t *hx_json_checkpoints(const struct hx_report *report);

json_t *hx_json_lines(const struct hx_notes *notes);

#endif
