/** Pieces that the JSON sinks share. Only they see jansson. */
#ifndef HX_JSON_VALUES_H
#define HX_JSON_VALUES_H

#include "histogram.h"
#include "sapimem/option.h"

#include <jansson.h>
#include <stdio.h>

struct hx_json_field {
    const char *name;
    uint64_t count; /**< HX_UNKNOWN becomes null */
};

/** A number; those above 2^63-1, which JSON readers lose, are cut to that. */
json_t *hx_json_count(uint64_t count);

/** A string; bytes that are not UTF-8, as file names may hold, become "?". NULL becomes null. */
json_t *hx_json_text(const char *text);

/** The value of option `index`, by its kind. */
json_t *hx_json_option_value(const struct sm_option_values *values, size_t index);

void hx_json_set_fields(json_t *object, const struct hx_json_field *fields, size_t field_count);

/** An option's name as a key: dashes become underscores. */
void hx_json_key(const char *name, char *key, size_t key_bytes);

/** Count, total, quantiles and the buckets that are not empty. */
json_t *hx_json_histogram(const struct hx_histogram *histogram);

/** Write the document, indented, with a newline, and release it. False: out of memory, or the write failed. */
bool hx_json_dump(json_t *document, FILE *stream);

#endif
