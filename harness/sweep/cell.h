/** One cell of a sweep: what one fresh process of `harness run` gets, and the name of what comes of it. */
#ifndef HX_CELL_H
#define HX_CELL_H

#include "run_options.h"

enum { HX_CELL_ID_BYTES = 17, HX_CELL_STATUS_BYTES = 16, HX_CELL_ARGUMENTS_MAX = HX_OPTION_COUNT };

/** Texts belong to the sweep's options but for `arguments`, which the cell owns. */
struct hx_cell {
    char id[HX_CELL_ID_BYTES]; /**< 16 hexadecimal digits */
    const char *policy;
    const char *workload;
    const char *pacing;    /**< NULL: left to the policy */
    const char *threshold; /**< the size in "fixed:SIZE"; NULL: another rule, or none */
    double heap_factor;    /**< 0: none */
    double minheap_factor; /**< 0: none */
    uint64_t seed;
    unsigned invocation; /**< from 0 */
    unsigned block;
    unsigned round;                    /**< of filling in */
    char status[HX_CELL_STATUS_BYTES]; /**< of its record; "": there is none yet */
    size_t argument_count;
    char *arguments[HX_CELL_ARGUMENTS_MAX];
};

/** Append a printf-style argument; false: out of memory. */
bool hx_cell_add_argument(struct hx_cell *cell, const char *format, ...) __attribute__((format(printf, 2, 3)));

/**
 * Set the id: a hash of the arguments, the invocation and what the program was built from.
 *
 * Equal cells of equal builds have equal ids, on any machine.
 */
void hx_cell_set_id(struct hx_cell *cell);

/** Write "epoch cli-queue fixed:16M heap x2 seed 1 #0", for people; returns `text`. */
const char *hx_cell_describe(const struct hx_cell *cell, char *text, size_t text_bytes);

void hx_cell_finish(struct hx_cell *cell);

#endif
