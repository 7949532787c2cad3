#include "sweep_json.h"

#include "json_build.h"
#include "json_values.h"

#include <string.h>

enum { SCHEMA_VERSION = 1, COMMIT_DIGITS = 12 };

/* ---- The plan ---- */

static json_t *factor_json(double factor)
{
    return factor != 0 ? json_real(factor) : json_null();
}

static json_t *cell_json(const struct hx_cell *cell)
{
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:i, s:i, s:o}", "id", cell->id, "policy",
                     hx_json_text(cell->policy), "workload", hx_json_text(cell->workload), "pacing",
                     hx_json_text(cell->pacing), "threshold", hx_json_text(cell->threshold), "heap_factor",
                     factor_json(cell->heap_factor), "minheap_factor", factor_json(cell->minheap_factor), "seed",
                     hx_json_count(cell->seed), "invocation", (int)cell->invocation, "block", (int)cell->block,
                     "arguments", hx_json_texts(cell->argument_count, cell->arguments));
}

static json_t *axis_json(const struct hx_axis *axis)
{
    return hx_json_texts(axis->count, axis->values);
}

static json_t *passed_json(const struct hx_sweep_options *options)
{
    json_t *object = json_object();
    for (int id = 0; id < HX_OPTION_COUNT; id++)
        if (options->passed[id] != NULL)
            json_object_set_new(object, hx_option((enum hx_option_id)id)->name, hx_json_text(options->passed[id]));
    return object;
}

static json_t *axes_json(const struct hx_sweep_options *options)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:i, s:s, s:o, s:o}", "policies", axis_json(&options->policies),
                     "workloads", axis_json(&options->workloads), "pacing", axis_json(&options->pacings),
                     "heap_factors", axis_json(&options->heap_factors), "minheap_factors",
                     axis_json(&options->minheap_factors), "seeds", axis_json(&options->seeds), "invocations",
                     (int)options->invocations, "order", hx_sweep_order_name(options->order), "cell_seconds",
                     factor_json(options->cell_seconds), "options", passed_json(options));
}

static json_t *plan_json(const struct hx_sweep_plan *plan, bool slice_only)
{
    json_t *cells = json_array();
    for (size_t i = 0; i < plan->count; i++)
        if (!slice_only || hx_sweep_plan_has(plan, &plan->cells[i]))
            json_array_append_new(cells, cell_json(&plan->cells[i]));
    return json_pack("{s:i, s:o, s:o, s:i, s:o}", "schema_version", SCHEMA_VERSION, "build", hx_json_build(), "axes",
                     axes_json(plan->options), "blocks", (int)plan->block_count, "cells", cells);
}

bool hx_sweep_json_write_plan(const struct hx_sweep_plan *plan, FILE *stream)
{
    return hx_json_dump(plan_json(plan, false), stream);
}

bool hx_sweep_json_write_slice(const struct hx_sweep_plan *plan, double seconds, FILE *stream)
{
    json_t *document = plan_json(plan, true);
    json_object_set_new(document, "seconds", factor_json(seconds));
    return hx_json_dump(document, stream);
}

static sm_status refuse_build(const char *path, const json_t *held, struct sm_error *error)
{
    const char *commit = json_string_value(json_object_get(json_object_get(held, "build"), "git_commit"));
    return hx_refuse(error, "%.200s: the sweep was begun by another build (commit %.*s); expected the same program",
                     path, COMMIT_DIGITS, commit != NULL ? commit : "unknown");
}

/* The cells that both have must be the same, one by one. */
static sm_status compare_cells(const char *path, const json_t *cells, const struct hx_sweep_plan *plan,
                               struct sm_error *error)
{
    size_t count = json_array_size(cells);
    for (size_t i = 0; i < count && i < plan->count; i++) {
        const json_t *held = json_array_get(cells, i);
        const char *id = json_string_value(json_object_get(held, "id"));
        json_int_t block = json_integer_value(json_object_get(held, "block"));
        if (id == NULL || strcmp(id, plan->cells[i].id) != 0 || block != (json_int_t)plan->cells[i].block)
            return hx_refuse(error,
                             "%.200s: the sweep has other axes; expected the same but for --invocations, or another "
                             "--out",
                             path);
    }
    return SM_OK;
}

sm_status hx_sweep_json_compare_plan(const char *path, const struct hx_sweep_plan *plan, size_t *held_count,
                                     struct sm_error *error)
{
    json_t *held = json_load_file(path, 0, NULL), *build = hx_json_build();
    const json_t *cells = json_object_get(held, "cells");
    sm_status status = SM_OK;
    if (!json_is_array(cells) || json_array_size(cells) == 0)
        status = hx_refuse(error, "%.200s: expected the plan of a sweep", path);
    else if (json_equal(json_object_get(held, "build"), build) == 0)
        status = refuse_build(path, held, error);
    else
        status = compare_cells(path, cells, plan, error);
    *held_count = json_array_size(cells);
    json_decref(build);
    json_decref(held);
    return status;
}

/* ---- Records ---- */

/* What a process left that wrote no document: refused, or killed. */
static json_t *end_json(const struct hx_cell_end *end)
{
    char line[64];
    snprintf(line, sizeof(line), end->signal != 0 ? "killed by signal %d" : "ended with exit code %d and no document",
             end->signal != 0 ? end->signal : end->exit_code);
    bool has_line = end->signal == 0 && *end->last_line != '\0';
    return json_pack("{s:i, s:{s:o}, s:s, s:o, s:o, s:o}", "schema_version", SCHEMA_VERSION, "context", "build",
                     hx_json_build(), "status", end->exit_code == 2 ? "refused" : "crashed", "error",
                     hx_json_text(has_line ? end->last_line : line), "exit_code",
                     end->exit_code >= 0 ? json_integer(end->exit_code) : json_null(), "signal",
                     end->signal != 0 ? json_integer(end->signal) : json_null());
}

bool hx_cell_json_write(const struct hx_cell *cell, const struct hx_cell_end *end, struct hx_cell_result *result,
                        FILE *stream)
{
    json_t *document = end->signal == 0 ? json_loadfd(end->document_fd, 0, NULL) : NULL;
    if (json_string_value(json_object_get(document, "status")) == NULL) {
        json_decref(document);
        document = end_json(end);
    }
    const char *status = json_string_value(json_object_get(document, "status"));
    *result = (struct hx_cell_result){.process_ns = end->wall_ns};
    snprintf(result->status, sizeof(result->status), "%s", status != NULL ? status : "");
    json_t *about = cell_json(cell);
    json_object_set_new(about, "process_ns", hx_json_count(end->wall_ns));
    json_object_set_new(document, "cell", about);
    return hx_json_dump(document, stream);
}

bool hx_cell_json_read(const char *path, const struct hx_cell *cell, struct hx_cell_result *result)
{
    json_t *document = json_load_file(path, 0, NULL);
    const json_t *about = json_object_get(document, "cell");
    const char *status = json_string_value(json_object_get(document, "status"));
    const char *id = json_string_value(json_object_get(about, "id"));
    bool is_whole = status != NULL && id != NULL && strcmp(id, cell->id) == 0;
    if (is_whole) {
        *result =
            (struct hx_cell_result){.process_ns = (uint64_t)json_integer_value(json_object_get(about, "process_ns"))};
        snprintf(result->status, sizeof(result->status), "%s", status);
    }
    json_decref(document);
    return is_whole;
}
