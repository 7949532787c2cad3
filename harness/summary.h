/** A run for people, at a glance. */
#ifndef HX_SUMMARY_H
#define HX_SUMMARY_H

#include "report.h"

#include <stdio.h>

void hx_summary_print(const struct hx_report *report, FILE *stream);

/** One line a cycle, for --trace-gc. `elapsed_ns` since the start. */
void hx_cycle_line_print(const struct sm_cycle_record *cycle, uint64_t elapsed_ns, FILE *stream);

#endif
