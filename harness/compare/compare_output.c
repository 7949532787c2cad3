#include "compare_output.h"

#include "json_values.h"
#include "quantities.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Shown whatever became of them; the others only where they differ. */
static const char *const headline[] = {
    "wall_ns",
    "cpu_ns",
    "mean_footprint_bytes",
    "peak_committed_bytes",
    "peak_rss_bytes",
    "peak_live_bytes",
    "peak_backlog_bytes",
    "peak_garbage_bytes",
    "cycles",
    "pauses.p99_ns",
    "pauses.max_ns",
    "latency.service.p99_ns",
    "latency.response.p99_ns",
    "leaked_objects",
    "checksum",
};

enum { HEADLINE_COUNT = sizeof(headline) / sizeof(headline[0]), CELL_BYTES = 48 };

/* ---- What one should know first ---- */

/* Every value that the sets' runs have, "a, b"; returns how many. */
static int surrounding_values(const struct hx_comparison_view *view, int index, char *text, size_t text_bytes)
{
    const struct hx_results *sets[] = {view->first, view->second};
    const char *seen[4] = {0};
    int count = 0;
    for (int set = 0; set < 2; set++) {
        for (size_t i = 0; i < sets[set]->count; i++) {
            const char *value = sets[set]->runs[i].surrounding[index];
            bool is_new = *value != '\0';
            for (int k = 0; k < count; k++)
                is_new = is_new && strcmp(seen[k], value) != 0;
            if (is_new && count < (int)(sizeof(seen) / sizeof(seen[0])))
                seen[count++] = value;
        }
    }
    size_t used = 0;
    for (int k = 0; k < count && used < text_bytes; k++)
        used += (size_t)snprintf(text + used, text_bytes - used, "%s%s", k > 0 ? ", " : "", seen[k]);
    return count;
}

static size_t count_noisy(const struct hx_results *results)
{
    size_t count = 0;
    for (size_t i = 0; i < results->count; i++)
        count += results->runs[i].is_noisy;
    return count;
}

/* Calls `tell` with each line. */
static void warn(const struct hx_comparison_view *view, void (*tell)(const char *line, void *context), void *context)
{
    char line[1024], values[768];
    for (int i = 0; i < HX_SURROUNDING_COUNT; i++) {
        if (surrounding_values(view, i, values, sizeof(values)) < 2)
            continue;
        snprintf(line, sizeof(line), "%s differs: %s", hx_surrounding_name((enum hx_surrounding)i), values);
        tell(line, context);
    }
    size_t noisy = count_noisy(view->first) + count_noisy(view->second);
    if (noisy > 0) {
        snprintf(line, sizeof(line), "%zu of %zu runs disturbed, by what they say themselves", noisy,
                 view->first->count + view->second->count);
        tell(line, context);
    }
    const struct hx_comparison *comparison = view->comparison;
    if (comparison->first_unpaired + comparison->second_unpaired > 0) {
        snprintf(line, sizeof(line), "not compared, for want of a partner: %zu run%s of A, %zu of B",
                 comparison->first_unpaired, hx_plural_s(comparison->first_unpaired), comparison->second_unpaired);
        tell(line, context);
    }
}

/* ---- The table ---- */

static void print_warning(const char *line, void *context)
{
    fprintf((FILE *)context, "note: %s\n", line);
}

static const char *format_value(double value, const char *text, const char *unit, char *cell)
{
    char quantity[HX_QUANTITY_BYTES];
    if (isnan(value)) {
        snprintf(cell, CELL_BYTES, "%s", text != NULL ? text : "n/a");
        return cell;
    }
    uint64_t whole = value > 0 ? (uint64_t)llround(value) : 0;
    if (strcmp(unit, "bytes") == 0)
        hx_format_bytes(whole, quantity);
    else if (strcmp(unit, "ns") == 0)
        hx_format_ns(whole, quantity);
    else
        hx_format_count(whole, quantity);
    snprintf(cell, CELL_BYTES, "%s", quantity);
    return cell;
}

static bool is_different(const struct hx_comparison_row *row)
{
    return row->verdict == HX_VERDICT_BETTER || row->verdict == HX_VERDICT_WORSE || row->verdict == HX_VERDICT_CHANGED;
}

static bool is_headline(const char *name)
{
    for (size_t i = 0; i < HEADLINE_COUNT; i++)
        if (strcmp(headline[i], name) == 0)
            return true;
    return false;
}

static void print_row(const struct hx_comparison_row *row, FILE *stream)
{
    char first[CELL_BYTES], second[CELL_BYTES], interval[CELL_BYTES] = "", p[CELL_BYTES] = "", ratio[CELL_BYTES] = "";
    if (row->has_ratio) {
        snprintf(ratio, sizeof(ratio), "%.3f", row->ratio);
        snprintf(interval, sizeof(interval), "%.3f-%.3f", row->low, row->high);
    }
    if (!isnan(row->p))
        snprintf(p, sizeof(p), "%.4f", row->p);
    fprintf(stream, "  %-26s %16s %16s %8s %15s %7s  %s\n", row->name,
            format_value(row->first, row->first_text, row->unit, first),
            format_value(row->second, row->second_text, row->unit, second), ratio, row->is_exact ? "exact" : interval,
            p, hx_verdict_name(row->verdict));
}

/* "cli-queue, epoch, fixed:16M": the axes that both share, and of those compared both values. */
static void print_title(const struct hx_pair *pair, unsigned compared, FILE *stream)
{
    const char *separator = "";
    for (int i = 0; i < HX_AXIS_COUNT; i++) {
        const char *first = pair->first_any->axis[i], *second = pair->second_any->axis[i];
        if (*first == '\0' && *second == '\0')
            continue;
        bool is_heap_factor = i == HX_AXIS_HEAP_FACTOR;
        fprintf(stream, "%s%s%s", separator, is_heap_factor ? "heap factor " : "", *first != '\0' ? first : "none");
        if ((compared & (1u << i)) != 0)
            fprintf(stream, " -> %s", *second != '\0' ? second : "none");
        separator = ", ";
    }
    fprintf(stream, ": %zu run%s and %zu", pair->first_count, hx_plural_s(pair->first_count), pair->second_count);
    if (pair->first_failed + pair->second_failed > 0)
        fprintf(stream, "; failed: %zu and %zu", pair->first_failed, pair->second_failed);
    fputc('\n', stream);
}

static bool is_first_with_value(const struct hx_result *const *runs, size_t index, size_t option)
{
    const char *value = runs[index]->work[option];
    for (size_t i = 0; i < index; i++)
        if (value != NULL && runs[i]->work[option] != NULL && strcmp(runs[i]->work[option], value) == 0)
            return false;
    return value != NULL;
}

/* " 1, 2": each value of the option once. */
static void print_values(const struct hx_result *const *runs, size_t count, size_t option, FILE *stream)
{
    const char *separator = " ";
    for (size_t i = 0; i < count; i++) {
        if (!is_first_with_value(runs, i, option))
            continue;
        fprintf(stream, "%s%s", separator, *runs[i]->work[option] != '\0' ? runs[i]->work[option] : "none");
        separator = ", ";
    }
}

static void print_different_work(const struct hx_pair *pair, FILE *stream)
{
    const char *separator = "  different work:";
    if (pair->different_work == 0)
        return;
    for (size_t i = 0; i < HX_WORK_COUNT; i++) {
        if ((pair->different_work & (UINT32_C(1) << i)) == 0)
            continue;
        fprintf(stream, "%s --%s", separator, hx_option(hx_work_option(i))->name);
        print_values(pair->first, pair->first_count, i, stream);
        fputs(" ->", stream);
        print_values(pair->second, pair->second_count, i, stream);
        separator = ";";
    }
    fputs("\n  times and sizes are not comparable: no difference is called better or worse\n", stream);
}

static void print_rows(const struct hx_comparison_row *rows, size_t count, bool shows_all, FILE *stream)
{
    size_t exact = 0, agreeing = 0, hidden = 0;
    fprintf(stream, "  %-26s %16s %16s %8s %15s %7s  %s\n", "", "A", "B", "B/A", "95 % interval", "p", "verdict");
    for (size_t i = 0; i < count; i++) {
        exact += rows[i].is_exact;
        agreeing += rows[i].is_exact && rows[i].verdict == HX_VERDICT_SAME;
        if (shows_all || is_headline(rows[i].name) || is_different(&rows[i]))
            print_row(&rows[i], stream);
        else
            hidden++;
    }
    fprintf(stream, "  %zu of %zu exact figure%s the same", agreeing, exact, hx_plural_s(exact));
    if (hidden > 0)
        fprintf(stream, "; %zu more without a difference that can be told, see --all", hidden);
    fputs("\n\n", stream);
}

bool hx_comparison_print(const struct hx_comparison_view *view, FILE *stream)
{
    const struct hx_comparison *comparison = view->comparison;
    fprintf(stream, "A: %s\nB: %s\n", view->first_path, view->second_path);
    warn(view, print_warning, stream);
    fputc('\n', stream);
    for (size_t i = 0; i < comparison->pair_count; i++) {
        struct hx_comparison_row *rows = NULL;
        size_t count = 0;
        if (hx_pair_compare(&comparison->pairs[i], &rows, &count) != SM_OK) {
            free(rows);
            return false;
        }
        print_title(&comparison->pairs[i], comparison->compared, stream);
        print_different_work(&comparison->pairs[i], stream);
        if (rows != NULL)
            print_rows(rows, count, view->shows_all, stream);
        else
            fputs("  no run to compare\n\n", stream);
        free(rows);
    }
    return true;
}

/* ---- JSON ---- */

static void append_line(const char *line, void *context)
{
    json_array_append_new((json_t *)context, hx_json_text(line));
}

static json_t *json_number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

/* Of an exact figure its own text, which no double shortens; otherwise the median. */
static json_t *json_value(double value, const char *text, bool is_exact)
{
    if (!is_exact)
        return json_number(value);
    return isnan(value) || text == NULL ? hx_json_text(text) : json_integer((json_int_t)strtoll(text, NULL, 10));
}

static json_t *json_row(const struct hx_comparison_row *row)
{
    json_t *object = json_object();
    json_object_set_new(object, "name", hx_json_text(row->name));
    json_object_set_new(object, "unit", hx_json_text(row->unit));
    json_object_set_new(object, "exact", json_boolean(row->is_exact));
    json_object_set_new(object, "a", json_value(row->first, row->first_text, row->is_exact));
    json_object_set_new(object, "b", json_value(row->second, row->second_text, row->is_exact));
    json_object_set_new(object, "ratio", row->has_ratio ? json_number(row->ratio) : json_null());
    json_object_set_new(object, "low", row->has_ratio ? json_number(row->low) : json_null());
    json_object_set_new(object, "high", row->has_ratio ? json_number(row->high) : json_null());
    json_object_set_new(object, "p", json_number(row->p));
    json_object_set_new(object, "verdict", json_string(hx_verdict_name(row->verdict)));
    return object;
}

static json_t *json_side(const struct hx_result *any, size_t count, size_t failed)
{
    static const char *const keys[HX_AXIS_COUNT] = {"workload", "policy", "pacing", "heap_factor"};
    json_t *object = json_object();
    for (int i = 0; i < HX_AXIS_COUNT; i++)
        json_object_set_new(object, keys[i], *any->axis[i] != '\0' ? hx_json_text(any->axis[i]) : json_null());
    json_object_set_new(object, "runs", hx_json_count(count));
    json_object_set_new(object, "failed", hx_json_count(failed));
    return object;
}

static json_t *json_work_values(const struct hx_result *const *runs, size_t count, size_t option)
{
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++)
        if (is_first_with_value(runs, i, option))
            json_array_append_new(array,
                                  *runs[i]->work[option] != '\0' ? hx_json_text(runs[i]->work[option]) : json_null());
    return array;
}

/* Empty: both sides did the same work. */
static json_t *json_different_work(const struct hx_pair *pair)
{
    json_t *array = json_array();
    for (size_t i = 0; i < HX_WORK_COUNT; i++) {
        if ((pair->different_work & (UINT32_C(1) << i)) == 0)
            continue;
        json_t *object = json_object();
        json_object_set_new(object, "option", json_string(hx_option(hx_work_option(i))->name));
        json_object_set_new(object, "a", json_work_values(pair->first, pair->first_count, i));
        json_object_set_new(object, "b", json_work_values(pair->second, pair->second_count, i));
        json_array_append_new(array, object);
    }
    return array;
}

/* NULL: out of memory. */
static json_t *json_pair(const struct hx_pair *pair)
{
    struct hx_comparison_row *rows = NULL;
    size_t count = 0;
    json_t *object = NULL;
    if (hx_pair_compare(pair, &rows, &count) == SM_OK) {
        object = json_object();
        json_t *metrics = json_array();
        for (size_t i = 0; i < count; i++)
            json_array_append_new(metrics, json_row(&rows[i]));
        json_object_set_new(object, "a", json_side(pair->first_any, pair->first_count, pair->first_failed));
        json_object_set_new(object, "b", json_side(pair->second_any, pair->second_count, pair->second_failed));
        json_object_set_new(object, "different_work", json_different_work(pair));
        json_object_set_new(object, "metrics", metrics);
    }
    free(rows);
    return object;
}

bool hx_comparison_write_json(const struct hx_comparison_view *view, FILE *stream)
{
    const struct hx_comparison *comparison = view->comparison;
    json_t *document = json_object(), *compared = json_array(), *notes = json_array(), *pairs = json_array();
    for (int i = 0; i < HX_AXIS_COUNT; i++)
        if ((comparison->compared & (1u << i)) != 0)
            json_array_append_new(compared, json_string(hx_axis_name((enum hx_axis)i)));
    warn(view, append_line, notes);
    bool is_whole = true;
    for (size_t i = 0; i < comparison->pair_count; i++)
        is_whole = json_array_append_new(pairs, json_pair(&comparison->pairs[i])) == 0 && is_whole;
    json_object_set_new(document, "a", hx_json_text(view->first_path));
    json_object_set_new(document, "b", hx_json_text(view->second_path));
    json_object_set_new(document, "compared", compared);
    json_object_set_new(document, "notes", notes);
    json_object_set_new(document, "pairs", pairs);
    return hx_json_dump(document, stream) && is_whole;
}
