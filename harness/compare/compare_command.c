#include "compare_command.h"

#include "compare_output.h"
#include "run_command.h"
#include "run_options.h"

#include <stdio.h>
#include <string.h>

struct request {
    const char *paths[2];
    int path_count;
    bool as_json, shows_all;
};

static sm_status parse(int argument_count, char *const arguments[], struct request *request, struct sm_error *error)
{
    for (int i = 0; i < argument_count; i++) {
        if (strcmp(arguments[i], "--json") == 0)
            request->as_json = true;
        else if (strcmp(arguments[i], "--all") == 0)
            request->shows_all = true;
        else if (arguments[i][0] == '-' || request->path_count == 2)
            return hx_refuse(error, "compare %.100s: expected two results, files or folders, and --json or --all",
                             arguments[i]);
        else
            request->paths[request->path_count++] = arguments[i];
    }
    if (request->path_count < 2)
        return hx_refuse(error, "compare: expected two results, files or folders");
    return SM_OK;
}

static sm_status compare(const struct request *request, struct hx_results sets[2], struct sm_error *error)
{
    struct hx_comparison comparison = {0};
    sm_status status = hx_results_load(request->paths[0], &sets[0], error);
    if (status == SM_OK)
        status = hx_results_load(request->paths[1], &sets[1], error);
    if (status == SM_OK)
        status = hx_compare(&sets[0], &sets[1], &comparison, error);
    if (status == SM_OK) {
        struct hx_comparison_view view = {.first_path = request->paths[0],
                                          .second_path = request->paths[1],
                                          .first = &sets[0],
                                          .second = &sets[1],
                                          .comparison = &comparison,
                                          .shows_all = request->shows_all};
        bool is_shown = request->as_json ? hx_comparison_write_json(&view, stdout) : hx_comparison_print(&view, stdout);
        /* What standard output did not take is told when it is flushed. */
        status = is_shown || ferror(stdout) != 0 ? SM_OK : SM_ERR_OUT_OF_MEMORY;
    }
    hx_comparison_free(&comparison);
    return status;
}

int hx_compare_command(int argument_count, char *const arguments[])
{
    struct request request = {0};
    struct hx_results sets[2] = {0};
    struct sm_error error = {SM_OK, ""};
    sm_status status = parse(argument_count, arguments, &request, &error);
    if (status == SM_OK)
        status = compare(&request, sets, &error);
    hx_results_free(&sets[0]);
    hx_results_free(&sets[1]);
    if (status == SM_OK)
        return HX_EXIT_OK;
    return hx_exit_refused(error.detail[0] != '\0' ? error.detail : "compare: out of memory");
}

void hx_compare_help(void)
{
    puts(
        "usage: harness compare A B [--json] [--all]\n\n"
        "Two sets of results beside each other. A, B: a document of harness run --json, a folder of them, or a sweep's "
        "folder.\n"
        "Runs of one workload, policy, pacing rule and heap factor are repetitions. Where each set has one value of "
        "one "
        "of these\n"
        "and the two differ, for example two policies, that is what is compared.\n\n"
        "Exact figures are compared between runs of one seed: any difference is shown. Of the others medians are, with "
        "their\n"
        "ratio, the interval that holds it in 95 of 100 experiments (bootstrap, seeded) and Mann-Whitney's p; better, "
        "worse or\n"
        "changed when p is below 0.05 and the interval does not hold 1. Of figures without a difference, one in twenty "
        "or fewer\n"
        "will seem to have one. Where the sides did different work (another --alloc, --seed, --mutator-work ...), a "
        "line says so\n"
        "and no difference is called better or worse.\n\n"
        "  --json   one document in place of the tables\n"
        "  --all    figures without a difference too\n\n"
        "Exit: 0 compared, whatever came out; 2 bad input.");
}
