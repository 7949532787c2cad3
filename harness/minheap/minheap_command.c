#include "minheap_command.h"

#include "minheap_json.h"
#include "output_file.h"
#include "quantities.h"
#include "run_command.h"
#include "run_options.h"
#include "sweep_axis.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is in the way of a search, or says nothing in it. */
static const enum hx_option_id refused[] = {HX_OPT_MEMORY_LIMIT, HX_OPT_HEAP_FACTOR, HX_OPT_MINHEAP_FACTOR,
                                            HX_OPT_MINHEAP,      HX_OPT_SECONDS,     HX_OPT_CSV,
                                            HX_OPT_EVENTS,       HX_OPT_CARD,        HX_OPT_CARD_WARMUP};

/* Measures while this process takes the signals. */
static sm_status measure_watched(enum hx_minheap_telling telling, size_t argument_count, char *const arguments[],
                                 struct hx_minheap *minheap, bool *is_interrupted, struct sm_error *error)
{
    struct hx_control control = {.stop = HX_STOP_NONE};
    struct hx_cell_watch watch = {.control = &control};
    if (hx_signals_open(&control, 0, NULL, 0, &watch.signals) != SM_OK) {
        snprintf(error->detail, sizeof(error->detail), "the system refused a file for signals");
        return error->status = SM_ERR_SYSTEM;
    }
    sm_status status = hx_minheap_measure(&watch, telling, argument_count, arguments, minheap, error);
    hx_signals_stop(watch.signals);
    *is_interrupted = hx_control_stop(&control) == HX_STOP_INTERRUPTED;
    return status;
}

sm_status hx_minheap_of_run(size_t argument_count, char *const arguments[], struct hx_minheap *minheap,
                            bool *is_interrupted, struct sm_error *error)
{
    struct hx_cell cell;
    sm_status status = SM_ERR_OUT_OF_MEMORY;
    if (hx_minheap_arguments(argument_count, arguments, &cell))
        status = measure_watched(HX_MINHEAP_TELL_TERMINAL, cell.argument_count, cell.arguments, minheap, is_interrupted,
                                 error);
    else
        snprintf(error->detail, sizeof(error->detail), "out of memory");
    hx_cell_finish(&cell);
    return status;
}

/* ---- The command ---- */

static sm_status check(const struct hx_run_options *options, struct sm_error *error)
{
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        if (options->given[refused[i]])
            return hx_refuse(error, "--%s: not for a minheap, which tries memory limits with fixed work",
                             hx_option(refused[i])->name);
    return SM_OK;
}

/* Deterministic settings unless others were chosen, then what the command line says: the last of a name wins. */
static bool fill_arguments(const struct hx_run_options *options, int argument_count, char *const arguments[],
                           struct hx_axis *all)
{
    struct sm_error error;
    bool names_reclaim = options->given[HX_OPT_POLICY] && strstr(options->value[HX_OPT_POLICY].text, "reclaim=");
    bool is_added = (names_reclaim || hx_axis_add(all, "--reclaim=inline", &error) == SM_OK) &&
                    hx_axis_add(all, "--collector-threads=0", &error) == SM_OK &&
                    hx_axis_add(all, "--mutator-work=none", &error) == SM_OK;
    for (int i = 0; i < argument_count && is_added; i++)
        is_added = hx_axis_add(all, arguments[i], &error) == SM_OK;
    return is_added;
}

static void print_summary(const struct hx_minheap *minheap)
{
    char bytes[HX_QUANTITY_BYTES], exact[HX_QUANTITY_BYTES], precision[HX_QUANTITY_BYTES], wall[HX_QUANTITY_BYTES];
    uint64_t wall_ns = 0;
    for (size_t i = 0; i < minheap->probe_count; i++)
        wall_ns += minheap->probes[i].wall_ns;
    printf("minheap  %s   %s bytes\n", hx_format_bytes(minheap->bytes, bytes), hx_format_count(minheap->bytes, exact));
    if (minheap->precision_bytes != 0)
        printf("  %s less was too little; ", hx_format_bytes(minheap->precision_bytes, precision));
    else
        printf("  the least limit there is; ");
    printf("%zu run%s in %s\n", minheap->probe_count, hx_plural_s(minheap->probe_count), hx_format_ns(wall_ns, wall));
}

static int report(const struct hx_minheap *minheap, const struct hx_axis *arguments, struct hx_output *output)
{
    struct sm_error error = {SM_OK, ""};
    bool is_document = hx_output_is_open(output);
    if (!is_document || !hx_output_is_stdout(output))
        print_summary(minheap);
    if (!is_document)
        return HX_EXIT_OK;
    if (!hx_minheap_write(minheap, arguments->count, arguments->values, output->stream)) {
        hx_output_fail(output, 0);
        return HX_EXIT_FAILED;
    }
    if (hx_output_commit(output, &error) == SM_OK)
        return HX_EXIT_OK;
    hx_exit_refused(error.detail);
    return HX_EXIT_FAILED;
}

static enum hx_minheap_telling telling_of(const struct hx_run_options *options)
{
    bool is_untold =
        options->value[HX_OPT_QUIET].count != 0 || options->value[HX_OPT_PROGRESS].count == HX_PROGRESS_NEVER;
    return is_untold ? HX_MINHEAP_TELL_NONE : HX_MINHEAP_TELL_ALL;
}

static int measure(enum hx_minheap_telling telling, const struct hx_axis *arguments, struct hx_output *output)
{
    struct sm_error error = {SM_OK, ""};
    struct hx_minheap minheap;
    bool is_interrupted = false;
    sm_status status = measure_watched(telling, arguments->count, arguments->values, &minheap, &is_interrupted, &error);
    if (status == SM_OK)
        return report(&minheap, arguments, output);
    hx_exit_refused(error.detail);
    if (is_interrupted)
        return HX_EXIT_INTERRUPTED;
    return status == SM_ERR_INVALID_ARGUMENT ? HX_EXIT_REFUSED : HX_EXIT_FAILED;
}

int hx_minheap_command(int argument_count, char *const arguments[])
{
    struct sm_error error = {SM_OK, ""};
    struct hx_run_options options;
    struct hx_axis all = {0};
    struct hx_output output = {0};
    hx_run_options_init(&options);
    sm_status status = hx_run_options_parse(&options, argument_count, arguments, &error);
    if (status == SM_OK)
        status = check(&options, &error);
    if (status == SM_OK && !fill_arguments(&options, argument_count, arguments, &all))
        status = hx_refuse(&error, "out of memory");
    if (status == SM_OK)
        status = hx_run_check((int)all.count, all.values, &error);
    hx_signals_let_end(false);
    if (status == SM_OK && options.given[HX_OPT_JSON])
        status = hx_output_open(&output, "json", options.value[HX_OPT_JSON].text, &error);
    int code = status == SM_OK ? measure(telling_of(&options), &all, &output) : hx_exit_refused(error.detail);
    hx_output_discard(&output);
    hx_axis_free(&all);
    return code;
}

void hx_minheap_help(void)
{
    puts("usage: harness minheap [--OPTION=VALUE]...\n\n"
         "Finds the smallest --memory-limit with which a run completes, to 1 % or 64 KiB: a fresh process for each\n"
         "limit. Takes the options of harness run; --reclaim=inline, --collector-threads=0 and --mutator-work=none\n"
         "unless told otherwise, so that the answer is the same each time.\n\n"
         "  --json=FILE|-     write the answer and each limit tried; - is standard output, without the summary\n"
         "  --timeout=S       a run that takes longer does not fit [ten times the first that completed, 10 at least]\n"
         "  --quiet           no line for each limit tried\n\n"
         "Exit: 0 found, 1 no limit fits or a run failed otherwise, 2 refused, 130 interrupted.");
}
