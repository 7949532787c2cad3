/** A run for people, at a glance. */
#ifndef HX_SUMMARY_H
#define HX_SUMMARY_H

#include "report.h"

#include <stdio.h>

void hx_summary_print(const struct hx_report *report, FILE *stream);

#endif
