#include "sweep_run.h"

#include "minheap.h"
#include "minheap_json.h"
#include "output_file.h"
#include "sweep_folder.h"

#include <inttypes.h>
#include <string.h>

struct sweep {
    const struct hx_sweep_plan *plan;
    struct hx_sweep_progress *progress;
    struct hx_control control;
    struct hx_cell_watch watch;
    struct hx_output output;                  /* what is being written: a second signal removes it */
    char failed_minheap_id[HX_CELL_ID_BYTES]; /* the last one that could not be measured, and why */
    char failed_minheap_line[SM_DETAIL_BYTES];
};

static void look_at(const struct hx_sweep_plan *plan, struct hx_cell *cell, struct hx_sweep_progress *progress)
{
    char path[PATH_MAX];
    struct hx_cell_result result;
    if (!hx_sweep_folder_run(plan, cell, path) || !hx_cell_json_read(path, cell, &result))
        return;
    memcpy(cell->status, result.status, sizeof(cell->status));
    hx_sweep_progress_add(progress, &result);
}

void hx_sweep_look(const struct hx_sweep_plan *plan, bool is_on, struct hx_sweep_progress *progress)
{
    size_t cell_count = 0;
    for (size_t i = 0; i < plan->count; i++)
        cell_count += hx_sweep_plan_has(plan, &plan->cells[i]) ? 1 : 0;
    hx_sweep_progress_begin(progress, cell_count, is_on);
    for (size_t i = 0; i < plan->count && plan->options->out != NULL; i++)
        if (hx_sweep_plan_has(plan, &plan->cells[i]))
            look_at(plan, &plan->cells[i], progress);
}

static bool is_interrupted(const struct sweep *sweep)
{
    return hx_control_stop(&sweep->control) != HX_STOP_NONE;
}

/* ---- Minheaps ---- */

static sm_status write_minheap(struct sweep *sweep, const char *path, const struct hx_cell *probed,
                               const struct hx_minheap *minheap, struct sm_error *error)
{
    if (hx_output_open(&sweep->output, "out", path, error) != SM_OK)
        return error->status = SM_ERR_SYSTEM;
    if (hx_minheap_write(minheap, probed->argument_count, probed->arguments, sweep->output.stream))
        return hx_output_commit(&sweep->output, error);
    hx_output_discard(&sweep->output);
    snprintf(error->detail, sizeof(error->detail), "%.200s: writing failed", path);
    return error->status = SM_ERR_SYSTEM;
}

/* One that another process or an earlier sitting has measured is taken. 0: it could not be measured. */
static sm_status find_minheap(struct sweep *sweep, const struct hx_cell *probed, uint64_t *bytes,
                              struct sm_error *error)
{
    char path[PATH_MAX];
    struct hx_minheap minheap;
    *bytes = 0;
    if (strcmp(sweep->failed_minheap_id, probed->id) == 0)
        return SM_OK;
    if (!hx_sweep_folder_minheap(sweep->plan, probed->id, path)) {
        snprintf(error->detail, sizeof(error->detail), "--out: expected a shorter path");
        return error->status = SM_ERR_SYSTEM;
    }
    if (hx_minheap_read(path, probed->argument_count, probed->arguments, bytes))
        return SM_OK;
    if (hx_minheap_measure(&sweep->watch, HX_MINHEAP_TELL_TERMINAL, probed->argument_count, probed->arguments, &minheap,
                           error) == SM_OK) {
        *bytes = minheap.bytes;
        return write_minheap(sweep, path, probed, &minheap, error);
    }
    memcpy(sweep->failed_minheap_id, probed->id, sizeof(probed->id));
    snprintf(sweep->failed_minheap_line, sizeof(sweep->failed_minheap_line), "%s", error->detail);
    return SM_OK;
}

/* ---- Cells ---- */

static sm_status write_record(struct sweep *sweep, const struct hx_cell *cell, const struct hx_cell_end *end,
                              struct sm_error *error)
{
    char path[PATH_MAX];
    struct hx_cell_result result;
    if (!hx_sweep_folder_run(sweep->plan, cell, path)) {
        snprintf(error->detail, sizeof(error->detail), "--out: expected a shorter path");
        return error->status = SM_ERR_SYSTEM;
    }
    if (hx_output_open(&sweep->output, "out", path, error) != SM_OK)
        return error->status = SM_ERR_SYSTEM;
    if (!hx_cell_json_write(cell, end, &result, sweep->output.stream)) {
        hx_output_discard(&sweep->output);
        snprintf(error->detail, sizeof(error->detail), "%.200s: writing failed", path);
        return error->status = SM_ERR_SYSTEM;
    }
    if (hx_output_commit(&sweep->output, error) != SM_OK)
        return error->status;
    hx_sweep_progress_end(sweep->progress, &result);
    return SM_OK;
}

static sm_status run_process(struct sweep *sweep, struct hx_cell *cell, struct sm_error *error)
{
    struct hx_cell_end end;
    sm_status status = hx_cell_process_run(&sweep->watch, cell->argument_count, cell->arguments, &end, error);
    if (status == SM_OK && end.is_interrupted)
        hx_control_request_stop(&sweep->control, HX_STOP_INTERRUPTED);
    else if (status == SM_OK)
        status = write_record(sweep, cell, &end, error);
    hx_cell_end_finish(&end);
    return status;
}

/* A cell whose limit is not known cannot run: that is its record. */
static sm_status record_refusal(struct sweep *sweep, const struct hx_cell *cell, struct sm_error *error)
{
    struct hx_cell_end end = {.exit_code = 2, .document_fd = -1};
    snprintf(end.last_line, sizeof(end.last_line), "%s", sweep->failed_minheap_line);
    return write_record(sweep, cell, &end, error);
}

static sm_status run_limited(struct sweep *sweep, struct hx_cell *cell, struct sm_error *error)
{
    struct hx_cell probed;
    uint64_t bytes = 0;
    sm_status status = SM_OK;
    if (!hx_minheap_arguments(cell->argument_count, cell->arguments, &probed)) {
        snprintf(error->detail, sizeof(error->detail), "out of memory");
        status = error->status = SM_ERR_OUT_OF_MEMORY;
    }
    if (status == SM_OK)
        status = find_minheap(sweep, &probed, &bytes, error);
    hx_cell_finish(&probed);
    if (status != SM_OK || is_interrupted(sweep))
        return status;
    if (bytes == 0)
        return record_refusal(sweep, cell, error);
    if (hx_cell_add_argument(cell, "--minheap=%" PRIu64, bytes))
        return run_process(sweep, cell, error);
    snprintf(error->detail, sizeof(error->detail), "out of memory");
    return error->status = SM_ERR_OUT_OF_MEMORY;
}

static sm_status run_cells(struct sweep *sweep, struct sm_error *error)
{
    sm_status status = SM_OK;
    for (size_t i = 0; i < sweep->plan->count && status == SM_OK && !is_interrupted(sweep); i++) {
        struct hx_cell *cell = &sweep->plan->cells[i];
        if (!hx_sweep_plan_has(sweep->plan, cell) || *cell->status != '\0')
            continue;
        hx_sweep_progress_cell(sweep->progress, cell);
        status = cell->minheap_factor != 0 ? run_limited(sweep, cell, error) : run_process(sweep, cell, error);
    }
    return status;
}

static void show_progress(void *context)
{
    const struct sweep *sweep = (const struct sweep *)context;
    hx_sweep_progress_show(sweep->progress);
}

sm_status hx_sweep_run(const struct hx_sweep_plan *plan, struct hx_sweep_progress *progress, bool *interrupted,
                       struct sm_error *error)
{
    struct sweep sweep = {.plan = plan, .progress = progress, .control = {.stop = HX_STOP_NONE}};
    sweep.watch = (struct hx_cell_watch){.control = &sweep.control, .tick = show_progress, .context = &sweep};
    if (hx_signals_open(&sweep.control, 0, &sweep.output, 1, &sweep.watch.signals) != SM_OK) {
        snprintf(error->detail, sizeof(error->detail), "the system refused a file for signals");
        return error->status = SM_ERR_SYSTEM;
    }
    sm_status status = run_cells(&sweep, error);
    hx_sweep_progress_clear(progress);
    hx_signals_stop(sweep.watch.signals);
    *interrupted = is_interrupted(&sweep);
    return status;
}
