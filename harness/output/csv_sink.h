/** The series as comma-separated values, one line a point, names in the first line. */
#ifndef HX_CSV_SINK_H
#define HX_CSV_SINK_H

#include "report.h"

#include <stdbool.h>
#include <stdio.h>

/** Figures nobody knows are left empty. False: the write failed. */
bool hx_csv_write(const struct hx_report *report, FILE *stream);

#endif
