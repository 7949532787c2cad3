/** A comparison as text for people and as JSON. */
#ifndef HX_COMPARE_OUTPUT_H
#define HX_COMPARE_OUTPUT_H

#include "compare.h"

#include <stdio.h>

/** What is shown: the two sets, their pairs, and what one should know first. */
struct hx_comparison_view {
    const char *first_path, *second_path;
    const struct hx_results *first, *second;
    const struct hx_comparison *comparison;
    bool shows_all; /**< of the table: figures without a difference as well */
};

/** Print tables. Returns: false when memory is short. */
bool hx_comparison_print(const struct hx_comparison_view *view, FILE *stream);

/** Write one document. Returns: false when memory is short or the stream takes nothing. */
bool hx_comparison_write_json(const struct hx_comparison_view *view, FILE *stream);

#endif
