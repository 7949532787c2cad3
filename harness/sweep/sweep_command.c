#include "sweep_command.h"

#include "build_info.h"
#include "quantities.h"
#include "run_command.h"
#include "signals.h"
#include "sweep_folder.h"
#include "sweep_run.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- --plan ---- */

/* Seconds for the cells left: what finished ones took, or what was asked for; 0: not known. */
static double estimate(const struct hx_sweep_plan *plan, const struct hx_sweep_progress *progress)
{
    size_t left_count = progress->cell_count - progress->done_count;
    double seconds = hx_sweep_progress_seconds(progress, left_count);
    return seconds >= 0 ? seconds : plan->options->cell_seconds * (double)left_count;
}

static void print_cell(const struct hx_cell *cell)
{
    char limit[32] = "-";
    if (cell->heap_factor != 0)
        snprintf(limit, sizeof(limit), "heap x%g", cell->heap_factor);
    if (cell->minheap_factor != 0)
        snprintf(limit, sizeof(limit), "minheap x%g", cell->minheap_factor);
    printf("%5u  %s  %-24s %-28s %-16s %-12s %4" PRIu64 " %4u  %s\n", cell->block, cell->id, cell->policy,
           cell->workload, cell->pacing != NULL ? cell->pacing : "-", limit, cell->seed, cell->invocation,
           *cell->status != '\0' ? cell->status : "to run");
}

static void print_plan(const struct hx_sweep_plan *plan, const struct hx_sweep_progress *progress)
{
    char left[HX_DURATION_BYTES];
    double seconds = estimate(plan, progress);
    printf("%5s  %-16s  %-24s %-28s %-16s %-12s %4s %4s  %s\n", "block", "cell", "policy", "workload", "pacing",
           "limit", "seed", "#", "state");
    for (size_t i = 0; i < plan->count; i++)
        if (hx_sweep_plan_has(plan, &plan->cells[i]))
            print_cell(&plan->cells[i]);
    printf("%zu cell%s, %zu done; %u block%s in all slices; ", progress->cell_count, hx_plural_s(progress->cell_count),
           progress->done_count, plan->block_count, hx_plural_s(plan->block_count));
    if (seconds > 0 || progress->done_count == progress->cell_count)
        printf("%s for the rest\n", hx_format_duration(seconds, left));
    else
        puts("how long they take is not known: a finished cell or --cell-seconds would tell");
}

static int show_plan(const struct hx_sweep_plan *plan)
{
    struct hx_sweep_progress progress;
    hx_sweep_look(plan, false, &progress);
    if (!plan->options->as_json) {
        print_plan(plan, &progress);
        return HX_EXIT_OK;
    }
    return hx_sweep_json_write_slice(plan, estimate(plan, &progress), stdout) ? HX_EXIT_OK : HX_EXIT_FAILED;
}

/* ---- Running ---- */

static int report(const struct hx_sweep_plan *plan, const struct hx_sweep_progress *progress, bool is_interrupted)
{
    const char *out = plan->options->out;
    if (is_interrupted) {
        fprintf(stderr, "harness: interrupted: %zu of %zu cell%s kept in %s; the same command with --resume goes on\n",
                progress->done_count, progress->cell_count, hx_plural_s(progress->cell_count), out);
        return HX_EXIT_INTERRUPTED;
    }
    printf("sweep    %zu cell%s in %s: ", progress->done_count, hx_plural_s(progress->done_count), out);
    hx_sweep_progress_print(progress, stdout);
    putchar('\n');
    return HX_EXIT_OK;
}

/* Ids go by commits. */
static void tell_dirty(void)
{
    if (hx_build_info.git_dirty)
        fputs("harness: this build has changes that its commit does not name; cells of others like it look the same\n",
              stderr);
}

static int run(const struct hx_sweep_plan *plan)
{
    struct sm_error error = {SM_OK, ""};
    struct hx_sweep_progress progress;
    bool is_interrupted = false;
    sm_status status = hx_sweep_folder_open(plan, &error);
    if (status == SM_OK) {
        tell_dirty();
        hx_sweep_look(plan, !plan->options->is_quiet, &progress);
        status = hx_sweep_run(plan, &progress, &is_interrupted, &error);
    }
    if (status == SM_OK)
        return report(plan, &progress, is_interrupted);
    hx_exit_refused(error.detail);
    return status == SM_ERR_INVALID_ARGUMENT ? HX_EXIT_REFUSED : HX_EXIT_FAILED;
}

int hx_sweep_command(int argument_count, char *const arguments[])
{
    struct sm_error error = {SM_OK, ""};
    struct hx_sweep_options options;
    struct hx_sweep_plan plan = {0};
    int code = HX_EXIT_REFUSED;
    sm_status status = hx_sweep_options_parse(&options, argument_count, arguments, &error);
    if (status == SM_OK)
        status = hx_sweep_plan_make(&plan, &options, &error);
    if (status != SM_OK) {
        hx_exit_refused(error.detail);
    } else if (options.is_plan_only) {
        code = show_plan(&plan);
    } else {
        hx_signals_let_end(false);
        code = run(&plan);
    }
    hx_sweep_plan_finish(&plan);
    hx_sweep_options_finish(&options);
    return code;
}

void hx_sweep_help(void)
{
    puts("usage: harness sweep --policies='A;B' --workloads='A;B' --out=DIR [--OPTION=VALUE]...\n\n"
         "Runs every combination, each in a fresh process, and keeps one document a cell: DIR/runs/ID.json. Lists are\n"
         "separated by ; or given by repeating the option. Options of harness run go to every cell.\n");
    hx_sweep_options_print();
    puts("\nAll cells of a workload, seed and invocation are a block: they run one after another, the ends of each "
         "curve\n"
         "first, then the middles. A cell that fails is a record too. Ctrl-C leaves whole cells; --resume goes on.\n"
         "Exit: 0 every cell has a record (the last line counts those that failed), 1 a record could not be written,\n"
         "2 refused before anything ran, 130 interrupted.");
}
