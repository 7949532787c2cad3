#include "cli.h"

#include "build_info.h"
#include "compare_command.h"
#include "doctor.h"
#include "list.h"
#include "minheap_command.h"
#include "output_file.h"
#include "run_command.h"
#include "run_options.h"
#include "sapimem/option.h"
#include "signals.h"
#include "sweep_command.h"
#include "trace_command.h"

#include <stdbool.h>
#include <assert.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    const char *summary;
    int (*run)(int argument_count, char *const arguments[]);
    void (*help)(void);
} commands[] = {
    {"run", "one measured run (the default)", hx_run_command, hx_run_help},
    {"list", "policies, workloads and options", hx_list_command, hx_list_help},
    {"doctor", "what about this machine makes numbers untrustworthy", hx_doctor_command, hx_doctor_help},
    {"sweep", "many runs: policies, workloads, pacing rules and limits, each cell a fresh process", hx_sweep_command,
     hx_sweep_help},
    {"minheap", "the smallest memory limit with which a workload completes", hx_minheap_command, hx_minheap_help},
    {"compare", "two results, or two sets of them, beside each other", hx_compare_command, hx_compare_help},
    {"trace", "check, show, pack or unpack a trace file", hx_trace_command, hx_trace_help},
};

enum {
    COMMAND_COUNT = sizeof(commands) / sizeof(commands[0]),
};

static bool asks_for(int argument_count, char *const arguments[], const char *word, const char *letter)
{
    for (int i = 0; i < argument_count; i++)
        if (strcmp(arguments[i], word) == 0 || strcmp(arguments[i], letter) == 0)
            return true;
    return false;
}

static int print_version(void)
{
    hx_signals_let_end(true);
    printf("harness %s, commit %s%s, %s, %s, assertions %s, sanitizers %s\n", hx_build_info.version,
           hx_build_info.git_commit, hx_build_info.git_dirty ? " (changed)" : "", hx_build_info.compiler,
           hx_build_info.build_type, hx_build_info.assertions,
           *hx_build_info.sanitizers != '\0' ? hx_build_info.sanitizers : "none");
    return HX_EXIT_OK;
}

static int print_help(void)
{
    hx_signals_let_end(true);
    puts("usage: harness [COMMAND] [OPTIONS]\n\ncommands:");
    for (int i = 0; i < COMMAND_COUNT; i++)
        printf("  %-8s %s\n", commands[i].name, commands[i].summary);
    puts("\nharness COMMAND --help says more about each; harness --version says what was built.\n");
    hx_run_help();
    return HX_EXIT_OK;
}

static int refuse_command(const char *name)
{
    char known[256];
    size_t used = 0;
    for (int i = 0; i < COMMAND_COUNT; i++)
        used += (size_t)snprintf(known + used, sizeof(known) - used, "%s, ", commands[i].name);
    assert(used < sizeof(known));
    struct sm_error error;
    hx_refuse(&error, "%.80s: unknown command; expected %sor an option such as --policy=epoch", name, known);
    return hx_exit_refused(error.detail);
}

static int dispatch(int argument_count, char *const arguments[])
{
    bool names_command = argument_count > 1 && arguments[1][0] != '-';
    if (!names_command && asks_for(argument_count - 1, arguments + 1, "--help", "-h"))
        return print_help();
    if (!names_command && asks_for(argument_count - 1, arguments + 1, "--version", "-V"))
        return print_version();
    if (!names_command)
        return hx_run_command(argument_count - 1, arguments + 1);
    for (int i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(commands[i].name, arguments[1]) != 0)
            continue;
        bool asks_help = asks_for(argument_count - 2, arguments + 2, "--help", "-h");
        /* Only a run has something to leave in order. */
        hx_signals_let_end(asks_help || commands[i].run != hx_run_command);
        if (!asks_help)
            return commands[i].run(argument_count - 2, arguments + 2);
        commands[i].help();
        return HX_EXIT_OK;
    }
    return refuse_command(arguments[1]);
}

int hx_cli(int argument_count, char *const arguments[])
{
    int code = dispatch(argument_count, arguments);
    bool is_shown = hx_output_flush_stdout();
    return code == HX_EXIT_OK && !is_shown ? HX_EXIT_FAILED : code;
}
