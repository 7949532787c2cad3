/** What the doctor found, as a document. */
#ifndef HX_JSON_DOCTOR_H
#define HX_JSON_DOCTOR_H

#include "doctor.h"

#include <stdio.h>

/** {"checks": [{"check", "verdict", "detail", "advice"}], "warnings", "hiccups"}. False: the write failed. */
bool hx_json_doctor_write(const struct hx_findings *findings, const struct hx_histogram *hiccups_ns, FILE *stream);

#endif
