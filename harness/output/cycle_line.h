/** One line a cycle, for --trace-gc; harness/README.md explains its figures. */
#ifndef HX_CYCLE_LINE_H
#define HX_CYCLE_LINE_H

#include "sapimem/stats.h"

#include <stdio.h>

/** `elapsed_ns` since the start. */
void hx_cycle_line_print(const struct sm_cycle_record *cycle, uint64_t elapsed_ns, FILE *stream);

#endif
