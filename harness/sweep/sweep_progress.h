/** How far a sweep is: one line on a terminal, a line a cell elsewhere. */
#ifndef HX_SWEEP_PROGRESS_H
#define HX_SWEEP_PROGRESS_H

#include "sweep_json.h"

enum { HX_DURATION_BYTES = 64, HX_SWEEP_STATUSES_MAX = 12 };

struct hx_sweep_progress {
    bool is_on;
    bool is_terminal;
    size_t cell_count; /**< of the slice */
    size_t done_count; /**< with a record, whoever made it */
    size_t failed_count;
    size_t timed_count; /**< whose time is known, and their times in sum */
    uint64_t timed_ns;
    uint64_t start_ns;
    const struct hx_cell *current; /**< NULL: between cells */
    size_t status_count;
    struct {
        char name[16];
        size_t count;
    } statuses[HX_SWEEP_STATUSES_MAX];
};

/** "41 s", "3 min 40 s" or "2 h 05 min"; `text` has HX_DURATION_BYTES. Returns `text`. */
const char *hx_format_duration(double seconds, char *text);

void hx_sweep_progress_begin(struct hx_sweep_progress *progress, size_t cell_count, bool is_on);

/** Count a record. */
void hx_sweep_progress_add(struct hx_sweep_progress *progress, const struct hx_cell_result *result);

/** Seconds that `cell_count` more cells take, from those done; negative: none is. */
double hx_sweep_progress_seconds(const struct hx_sweep_progress *progress, size_t cell_count);

/** A cell begins. */
void hx_sweep_progress_cell(struct hx_sweep_progress *progress, const struct hx_cell *cell);

/** It has ended; counts its record, and says why it failed. */
void hx_sweep_progress_end(struct hx_sweep_progress *progress, const struct hx_cell_result *result);

/** Write the line of a terminal anew; nothing elsewhere. */
void hx_sweep_progress_show(const struct hx_sweep_progress *progress);

/** Clear that line. */
void hx_sweep_progress_clear(const struct hx_sweep_progress *progress);

/** Print "38 ok, 1 oom". */
void hx_sweep_progress_print(const struct hx_sweep_progress *progress, FILE *stream);

#endif
