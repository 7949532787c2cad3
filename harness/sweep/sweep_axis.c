#include "sweep_axis.h"

#include "quantities.h"
#include "run_options.h"
#include "sapimem/manager.h"
#include "sapimem/option.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A curve of more points than this is a slip of the keyboard. */
enum { THRESHOLDS_MAX = 256, ROUNDING_BYTES = 1024 };

static sm_status out_of_memory(struct sm_error *error)
{
    snprintf(error->detail, sizeof(error->detail), "out of memory");
    return error->status = SM_ERR_OUT_OF_MEMORY;
}

/* Takes over `value`; NULL: there was no memory for it. */
static sm_status append(struct hx_axis *axis, char *value, struct sm_error *error)
{
    char **values = value != NULL ? realloc(axis->values, (axis->count + 1) * sizeof(*values)) : NULL;
    if (values == NULL) {
        free(value);
        return out_of_memory(error);
    }
    axis->values = values;
    axis->values[axis->count++] = value;
    return SM_OK;
}

sm_status hx_axis_add(struct hx_axis *axis, const char *value, struct sm_error *error)
{
    return append(axis, strdup(value), error);
}

sm_status hx_axis_add_list(struct hx_axis *axis, const char *option, const char *text, struct sm_error *error)
{
    for (const char *start = text;; start++) {
        size_t length = strcspn(start, ";");
        if (length == 0)
            return hx_refuse(error, "--%s=%.200s: expected values separated by ;, none of them empty", option, text);
        if (append(axis, strndup(start, length), error) != SM_OK)
            return error->status;
        start += length;
        if (*start == '\0')
            return SM_OK;
    }
}

static sm_status add_threshold(struct hx_axis *axis, const char *text, uint64_t bytes, struct sm_error *error)
{
    char size[HX_QUANTITY_BYTES], rule[HX_QUANTITY_BYTES + 8];
    if (bytes < SM_THRESHOLD_MINIMUM_BYTES)
        return hx_refuse(error, "--thresholds=%.200s: expected at least %llu bytes", text,
                         (unsigned long long)SM_THRESHOLD_MINIMUM_BYTES);
    snprintf(rule, sizeof(rule), "fixed:%s", hx_format_size(bytes, size));
    return hx_axis_add(axis, rule, error);
}

/* "LO:HI:xF"; false when it is none. */
static bool parse_range(const char *text, uint64_t *low, uint64_t *high, double *factor)
{
    char low_text[32], high_text[32], factor_text[32], rest;
    if (sscanf(text, "%31[^:]:%31[^:]:x%31[0-9.]%c", low_text, high_text, factor_text, &rest) != 3)
        return false;
    return sm_size_parse(low_text, low) == SM_OK && sm_size_parse(high_text, high) == SM_OK &&
           sm_real_parse(factor_text, factor) == SM_OK && *low <= *high && *factor > 1;
}

static sm_status add_range(struct hx_axis *axis, const char *text, struct sm_error *error)
{
    uint64_t low, high;
    double factor;
    if (!parse_range(text, &low, &high, &factor))
        return hx_refuse(error,
                         "--thresholds=%.200s: expected LO:HI:xF with LO at most HI and F above 1, such as 256K:64M:x2",
                         text);
    /* Room for what rounding leaves above HI: 1M times a root of 2 twice is 2M. */
    double ceiling = (double)high * (1 + 1e-5), value = (double)low;
    for (size_t i = 0; value <= ceiling; i++, value *= factor) {
        if (i == THRESHOLDS_MAX)
            return hx_refuse(error, "--thresholds=%.200s: expected at most %d of them", text, THRESHOLDS_MAX);
        uint64_t bytes = i == 0 ? low : (uint64_t)(round(value / ROUNDING_BYTES) * ROUNDING_BYTES);
        if (add_threshold(axis, text, bytes < high ? bytes : high, error) != SM_OK)
            return error->status;
    }
    return SM_OK;
}

sm_status hx_axis_add_thresholds(struct hx_axis *axis, const char *text, struct sm_error *error)
{
    struct hx_axis sizes = {0};
    if (strchr(text, ':') != NULL)
        return add_range(axis, text, error);
    sm_status status = hx_axis_add_list(&sizes, "thresholds", text, error);
    for (size_t i = 0; i < sizes.count && status == SM_OK; i++) {
        uint64_t bytes = 0;
        if (sm_size_parse(sizes.values[i], &bytes) == SM_OK)
            status = add_threshold(axis, sizes.values[i], bytes, error);
        else
            status =
                hx_refuse(error, "--thresholds=%.200s: expected a size such as 16M, in a list 1M;4M;16M, or LO:HI:xF",
                          sizes.values[i]);
    }
    hx_axis_free(&sizes);
    return status;
}

void hx_axis_free(struct hx_axis *axis)
{
    for (size_t i = 0; i < axis->count; i++)
        free(axis->values[i]);
    free(axis->values);
    *axis = (struct hx_axis){0};
}

/* Gaps are halved until none has a point inside; depth is at most the bits of `count`. */
static void halve(size_t low, size_t high, unsigned round_number, unsigned rounds[])
{
    if (high - low < 2)
        return;
    size_t middle = low + (high - low) / 2;
    rounds[middle] = round_number;
    halve(low, middle, round_number + 1, rounds);
    halve(middle, high, round_number + 1, rounds);
}

void hx_fill_in_rounds(size_t count, unsigned rounds[])
{
    if (count == 0)
        return;
    rounds[0] = rounds[count - 1] = 0;
    halve(0, count - 1, 1, rounds);
}
