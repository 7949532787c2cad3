/** The part of the run document that only a burst has. */
#ifndef HX_JSON_WORKERS_H
#define HX_JSON_WORKERS_H

#include "json_values.h"
#include "report.h"

/** Add response times to `latency`. */
void hx_json_add_responses(json_t *latency, const struct hx_burst_report *burst);

/** An entry for each worker. */
json_t *hx_json_workers(const struct hx_burst_report *burst);

#endif
