#include "result_reader.h"

#include "json_values.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { SCHEMA_VERSION = 1, TEXT_BYTES = 512 };

static const struct {
    const char *name;
    const char *key; /* in the document's config, and in a sweep's cell */
} axes[HX_AXIS_COUNT] = {
    [HX_AXIS_WORKLOAD] = {"workload", "workload"},
    [HX_AXIS_POLICY] = {"policy", "policy"},
    [HX_AXIS_PACING] = {"pacing", "pacing"},
    [HX_AXIS_HEAP_FACTOR] = {"heap factor", "heap_factor"},
};

static const struct {
    const char *name;
    const char *key;
    bool is_of_build;
} surroundings[HX_SURROUNDING_COUNT] = {
    [HX_SURROUNDING_CPU] = {"CPU", "cpu_model", false},
    [HX_SURROUNDING_CPUS] = {"usable CPUs", "cpus_usable", false},
    [HX_SURROUNDING_KERNEL] = {"kernel", "kernel", false},
    [HX_SURROUNDING_HUGE_PAGES] = {"transparent huge pages", "transparent_huge_pages", false},
    [HX_SURROUNDING_COMMIT] = {"commit", "git_commit", true},
    [HX_SURROUNDING_DIRTY] = {"changes beyond the commit", "git_dirty", true},
    [HX_SURROUNDING_COMPILER] = {"compiler", "compiler", true},
    [HX_SURROUNDING_FLAGS] = {"compiler flags", "c_flags", true},
};

static const enum hx_option_id work_options[HX_WORK_COUNT] = {
    HX_OPT_SAPI,    HX_OPT_WORKLOAD,    HX_OPT_ALLOC,     HX_OPT_ITERATIONS, HX_OPT_REQUESTS,     HX_OPT_SECONDS,
    HX_OPT_SEED,    HX_OPT_WORKERS,     HX_OPT_ARRIVALS,  HX_OPT_COLD_EVERY, HX_OPT_MAX_REQUESTS, HX_OPT_MUTATOR_WORK,
    HX_OPT_SHARING, HX_OPT_DESTRUCTORS, HX_OPT_OBSERVERS, HX_OPT_STALL,      HX_OPT_INJECT,       HX_OPT_GARBAGE};

/* Figures outside of the metrics: all are times, of which less is better. */
static const struct {
    const char *object, *part; /* part: NULL, or an object within */
    const char *key;
} times[] = {
    {"pauses", NULL, "total_ns"},      {"pauses", NULL, "p50_ns"},        {"pauses", NULL, "p99_ns"},
    {"pauses", NULL, "p999_ns"},       {"pauses", NULL, "max_ns"},        {"pauses", NULL, "max_undelayed_ns"},
    {"latency", "service", "p50_ns"},  {"latency", "service", "p99_ns"},  {"latency", "service", "max_ns"},
    {"latency", "response", "p50_ns"}, {"latency", "response", "p99_ns"}, {"latency", "response", "max_ns"},
};

enum { TIME_COUNT = sizeof(times) / sizeof(times[0]) };

const char *hx_axis_name(enum hx_axis axis)
{
    return axes[axis].name;
}

enum hx_option_id hx_work_option(size_t index)
{
    return work_options[index];
}

const char *hx_surrounding_name(enum hx_surrounding surrounding)
{
    return surroundings[surrounding].name;
}

bool hx_result_is_ok(const struct hx_result *result)
{
    return strcmp(result->status, "ok") == 0;
}

const struct hx_result_metric *hx_result_metric(const struct hx_result *result, const char *name)
{
    for (size_t i = 0; i < result->metric_count; i++)
        if (strcmp(result->metrics[i].name, name) == 0)
            return &result->metrics[i];
    return NULL;
}

/* ---- One document ---- */

/* A value as text, a copy; "" of null and of what is no single value. NULL: out of memory. */
static char *value_text(const json_t *value)
{
    char text[TEXT_BYTES] = "";
    if (json_is_string(value))
        return strdup(json_string_value(value));
    if (json_is_integer(value))
        snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (json_is_real(value))
        snprintf(text, sizeof(text), "%.10g", json_real_value(value));
    else if (json_is_boolean(value))
        snprintf(text, sizeof(text), "%s", json_is_true(value) ? "yes" : "no");
    return strdup(text);
}

static json_t *configured(const json_t *document, const char *key)
{
    json_t *value = json_object_get(json_object_get(json_object_get(document, "config"), key), "value");
    /* A cell that could not run has no configuration but what the sweep asked for. */
    return value != NULL ? value : json_object_get(json_object_get(document, "cell"), key);
}

static bool read_work(const json_t *document, struct hx_result *result)
{
    const json_t *config = json_object_get(document, "config");
    bool is_read = true;
    for (size_t i = 0; i < HX_WORK_COUNT; i++) {
        char key[64];
        const struct hx_option *option = hx_option(work_options[i]);
        hx_json_key(option->name, key, sizeof(key));
        const json_t *value = json_object_get(json_object_get(config, key), "value");
        /* Null in place of a default: the option has no meaning for the run's policy. */
        if (value != NULL && !(json_is_null(value) && option->default_text != NULL))
            is_read = (result->work[i] = value_text(value)) != NULL && is_read;
    }
    return is_read;
}

static bool read_identity(const json_t *document, struct hx_result *result)
{
    bool is_read = read_work(document, result);
    for (int i = 0; i < HX_AXIS_COUNT; i++)
        is_read = (result->axis[i] = value_text(configured(document, axes[i].key))) != NULL && is_read;
    const json_t *context = json_object_get(document, "context");
    for (int i = 0; i < HX_SURROUNDING_COUNT; i++) {
        const json_t *holder = surroundings[i].is_of_build ? json_object_get(context, "build") : context;
        result->surrounding[i] = value_text(json_object_get(holder, surroundings[i].key));
        is_read = is_read && result->surrounding[i] != NULL;
    }
    result->is_noisy = json_array_size(json_object_get(context, "noisy")) > 0;
    result->seed = value_text(configured(document, "seed"));
    result->status = value_text(json_object_get(document, "status"));
    return is_read && result->seed != NULL && result->status != NULL;
}

/* Adds a figure; those without a value are left out. `unit`, `better` may be NULL. False: out of memory. */
static bool add_figure(struct hx_result *result, const char *name, const json_t *value, const char *unit,
                       const char *better, bool is_exact)
{
    if (!json_is_number(value) && !json_is_string(value))
        return true;
    struct hx_result_metric *metric = &result->metrics[result->metric_count++];
    *metric = (struct hx_result_metric){
        .name = strdup(name),
        .unit = strdup(unit != NULL ? unit : ""),
        .better = better == NULL                ? HX_BETTER_NEITHER
                  : strcmp(better, "less") == 0 ? HX_BETTER_LESS
                                                : HX_BETTER_MORE,
        .is_exact = is_exact,
        .text = value_text(value),
        .number = json_is_number(value) ? json_number_value(value) : NAN,
    };
    return metric->name != NULL && metric->unit != NULL && metric->text != NULL;
}

static bool read_time(const json_t *document, size_t index, struct hx_result *result)
{
    char name[TEXT_BYTES];
    const char *part = times[index].part;
    const json_t *holder = json_object_get(document, times[index].object);
    if (part != NULL)
        holder = json_object_get(holder, part);
    snprintf(name, sizeof(name), "%s.%s%s%s", times[index].object, part != NULL ? part : "", part != NULL ? "." : "",
             times[index].key);
    return add_figure(result, name, json_object_get(holder, times[index].key), "ns", "less", false);
}

static bool read_figures(const json_t *document, struct hx_result *result)
{
    json_t *metrics = json_object_get(document, "metrics"), *metric = NULL;
    const char *name = NULL;
    result->metrics =
        (struct hx_result_metric *)calloc(json_object_size(metrics) + TIME_COUNT, sizeof(*result->metrics));
    bool is_read = result->metrics != NULL;
    json_object_foreach(metrics, name, metric) is_read =
        is_read &&
        add_figure(result, name, json_object_get(metric, "value"), json_string_value(json_object_get(metric, "unit")),
                   json_string_value(json_object_get(metric, "better")),
                   json_is_true(json_object_get(metric, "exact")));
    for (size_t i = 0; i < TIME_COUNT; i++)
        is_read = is_read && read_time(document, i, result);
    return is_read;
}

static struct hx_result *add_run(struct hx_results *results)
{
    if (results->count == results->capacity) {
        size_t capacity = results->capacity > 0 ? 2 * results->capacity : 16;
        struct hx_result *runs = (struct hx_result *)realloc(results->runs, capacity * sizeof(*runs));
        if (runs == NULL)
            return NULL;
        results->runs = runs;
        results->capacity = capacity;
    }
    struct hx_result *added = &results->runs[results->count++];
    *added = (struct hx_result){0};
    return added;
}

static sm_status out_of_memory(const char *path, struct sm_error *error)
{
    hx_refuse(error, "%.200s: out of memory", path);
    return error->status = SM_ERR_OUT_OF_MEMORY;
}

static sm_status read_document(const char *path, const json_t *document, struct hx_results *results,
                               struct sm_error *error)
{
    const json_t *version = json_object_get(document, "schema_version");
    if (!json_is_string(json_object_get(document, "status")))
        return hx_refuse(error, "%.200s: expected a document of harness run --json, with a status", path);
    if (version != NULL && json_integer_value(version) != SCHEMA_VERSION)
        return hx_refuse(error, "%.200s: schema_version %" JSON_INTEGER_FORMAT ", expected %d", path,
                         json_integer_value(version), SCHEMA_VERSION);
    struct hx_result *result = add_run(results);
    if (result == NULL || !read_identity(document, result) || !read_figures(document, result))
        return out_of_memory(path, error);
    return SM_OK;
}

static sm_status load_file(const char *path, struct hx_results *results, struct sm_error *error)
{
    json_error_t problem;
    FILE *stream = fopen(path, "re");
    if (stream == NULL)
        return hx_refuse(error, "%.200s: %s", path, strerror(errno));
    json_t *document = json_loadf(stream, JSON_REJECT_DUPLICATES, &problem);
    fclose(stream);
    if (document == NULL)
        return hx_refuse(error, "%.200s: not JSON: line %d: %.100s", path, problem.line, problem.text);
    sm_status status = read_document(path, document, results, error);
    json_decref(document);
    return status;
}

/* ---- A folder ---- */

static int is_document(const struct dirent *entry)
{
    static const char suffix[] = ".json";
    size_t length = strlen(entry->d_name);
    return length >= sizeof(suffix) && strcmp(entry->d_name + length - (sizeof(suffix) - 1), suffix) == 0;
}

static bool exists(const char *folder, const char *name)
{
    char path[PATH_MAX];
    struct stat found;
    return snprintf(path, sizeof(path), "%s/%s", folder, name) < PATH_MAX && stat(path, &found) == 0;
}

static sm_status load_entries(const char *folder, struct dirent **entries, int count, struct hx_results *results,
                              struct sm_error *error)
{
    sm_status status = SM_OK;
    char path[PATH_MAX];
    for (int i = 0; i < count && status == SM_OK; i++) {
        if (snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name) >= PATH_MAX)
            return hx_refuse(error, "%.200s: the path is too long", folder);
        status = load_file(path, results, error);
    }
    return status;
}

static sm_status load_folder(const char *path, struct hx_results *results, struct sm_error *error)
{
    char folder[PATH_MAX];
    struct dirent **entries = NULL;
    if (snprintf(folder, sizeof(folder), "%s%s", path, exists(path, "plan.json") ? "/runs" : "") >= PATH_MAX)
        return hx_refuse(error, "%.200s: the path is too long", path);
    int count = scandir(folder, &entries, is_document, alphasort);
    if (count < 0)
        return hx_refuse(error, "%.200s: %s", folder, strerror(errno));
    sm_status status = count == 0 ? hx_refuse(error, "%.200s: no result (*.json) in it", folder)
                                  : load_entries(folder, entries, count, results, error);
    for (int i = 0; i < count; i++)
        free(entries[i]);
    free(entries);
    return status;
}

sm_status hx_results_load(const char *path, struct hx_results *results, struct sm_error *error)
{
    struct stat found;
    if (stat(path, &found) != 0)
        return hx_refuse(error, "%.200s: %s", path, strerror(errno));
    return S_ISDIR(found.st_mode) ? load_folder(path, results, error) : load_file(path, results, error);
}

static void free_result(struct hx_result *result)
{
    for (size_t i = 0; i < result->metric_count; i++) {
        free(result->metrics[i].name);
        free(result->metrics[i].unit);
        free(result->metrics[i].text);
    }
    free(result->metrics);
    for (int i = 0; i < HX_AXIS_COUNT; i++)
        free(result->axis[i]);
    for (int i = 0; i < HX_SURROUNDING_COUNT; i++)
        free(result->surrounding[i]);
    for (int i = 0; i < HX_WORK_COUNT; i++)
        free(result->work[i]);
    free(result->seed);
    free(result->status);
}

void hx_results_free(struct hx_results *results)
{
    for (size_t i = 0; i < results->count; i++)
        free_result(&results->runs[i]);
    free(results->runs);
    *results = (struct hx_results){0};
}
