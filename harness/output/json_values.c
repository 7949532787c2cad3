#include "json_values.h"

#include "sampler.h"

#include <stdlib.h>
#include <string.h>

json_t *hx_json_count(uint64_t count)
{
    return json_integer(count <= INT64_MAX ? (json_int_t)count : INT64_MAX);
}

json_t *hx_json_text(const char *text)
{
    if (text == NULL)
        return json_null();
    json_t *string = json_string(text);
    if (string != NULL)
        return string;
    char *plain = strdup(text);
    if (plain == NULL)
        return json_null();
    for (char *byte = plain; *byte != '\0'; byte++)
        if ((unsigned char)*byte >= 0x80)
            *byte = '?';
    string = json_string(plain);
    free(plain);
    return string;
}

json_t *hx_json_option_value(const struct sm_option_values *values, size_t index)
{
    const struct sm_option *option = &values->table[index];
    switch (option->kind) {
    case SM_OPTION_SIZE:
    case SM_OPTION_COUNT:
        return hx_json_count(values->value[index].count);
    case SM_OPTION_REAL:
        return json_real(values->value[index].real);
    case SM_OPTION_BOOL:
        return json_boolean(values->value[index].count != 0);
    case SM_OPTION_CHOICE:
        break;
    }
    return json_string(option->choices[values->value[index].count]);
}

void hx_json_set_fields(json_t *object, const struct hx_json_field *fields, size_t field_count)
{
    for (size_t i = 0; i < field_count; i++)
        json_object_set_new(object, fields[i].name,
                            fields[i].count == HX_UNKNOWN ? json_null() : hx_json_count(fields[i].count));
}

void hx_json_key(const char *name, char *key, size_t key_bytes)
{
    snprintf(key, key_bytes, "%s", name);
    for (char *byte = key; *byte != '\0'; byte++)
        if (*byte == '-')
            *byte = '_';
}

static json_t *buckets_json(const struct hx_histogram *histogram)
{
    json_t *array = json_array();
    for (size_t i = 0; i < HX_HISTOGRAM_BUCKETS; i++) {
        if (histogram->buckets[i] == 0)
            continue;
        json_array_append_new(array, json_pack("{s:o, s:o, s:o}", "low_ns", hx_json_count(hx_histogram_bucket_low(i)),
                                               "high_ns", hx_json_count(hx_histogram_bucket_high(i)), "count",
                                               hx_json_count(histogram->buckets[i])));
    }
    return array;
}

json_t *hx_json_histogram(const struct hx_histogram *histogram)
{
    static const struct {
        const char *name;
        double fraction;
    } quantiles[] = {{"p50_ns", 0.5}, {"p90_ns", 0.9}, {"p99_ns", 0.99}, {"p999_ns", 0.999}, {"p9999_ns", 0.9999}};
    json_t *object = json_object();
    json_object_set_new(object, "count", hx_json_count(histogram->count));
    json_object_set_new(object, "total_ns", hx_json_count(histogram->total));
    for (size_t i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++)
        json_object_set_new(object, quantiles[i].name,
                            hx_json_count(hx_histogram_quantile(histogram, quantiles[i].fraction)));
    json_object_set_new(object, "max_ns", hx_json_count(histogram->maximum));
    json_object_set_new(object, "buckets", buckets_json(histogram));
    return object;
}

bool hx_json_dump(json_t *document, FILE *stream)
{
    if (document == NULL)
        return false;
    int failed = json_dumpf(document, stream, JSON_INDENT(1) | JSON_REAL_PRECISION(17));
    json_decref(document);
    if (failed != 0)
        return false;
    fputc('\n', stream);
    return fflush(stream) == 0 && !ferror(stream);
}
