/** The run document, schema version 1 (results/schema.json). */
#ifndef HX_JSON_SINK_H
#define HX_JSON_SINK_H

#include "report.h"

#include <stdbool.h>
#include <stdio.h>

enum { HX_SCHEMA_VERSION = 1 };

/** Write the report as one JSON document and a newline. False: out of memory or a failed write. */
bool hx_json_write(const struct hx_report *report, FILE *stream);

#endif
