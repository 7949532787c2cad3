#include "trace_command.h"

#include "quantities.h"
#include "run_command.h"
#include "run_options.h"
#include "workloads/trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void print_bytes(const char *name, uint64_t bytes)
{
    char text[HX_QUANTITY_BYTES];
    printf("  %-20s %s\n", name, hx_format_bytes(bytes, text));
}

static void print_count(const char *name, uint64_t count)
{
    char text[HX_QUANTITY_BYTES];
    printf("  %-20s %s\n", name, hx_format_count(count, text));
}

static void print_events(const struct wl_trace_info *info)
{
    const char *letters = wl_trace_op_letters();
    printf("  %-20s", "events by letter");
    for (size_t i = 0; i < WL_TRACE_OPS; i++)
        if (info->events_by_op[i] != 0)
            printf(" %c %" PRIu64, letters[i], info->events_by_op[i]);
    putchar('\n');
}

static void print_info(const char *path, const struct wl_trace_info *info)
{
    printf("%s: a valid trace of %s\n", path, info->sapi == SM_SAPI_FPM ? "fpm" : "cli");
    print_count("events", info->events);
    print_events(info);
    print_count("objects", info->objects);
    print_bytes("allocated", info->bytes);
    print_count("slots", info->slots);
    print_count("iterations", info->iterations);
    print_count("requests", info->requests);
    print_count("deaths", info->deaths);
    print_count("deaths in cycles", info->cyclic_deaths);
    print_count("resizes", info->resizes);
    print_count("destructors", info->destructors);
    print_count("peak live objects", info->peak_live_objects);
    print_bytes("peak live", info->peak_live_bytes);
    print_count("live at the end", info->end_live_objects);
    print_bytes("live at the end", info->end_live_bytes);
}

int hx_trace_command(int argument_count, char *const arguments[])
{
    struct sm_error error = {SM_OK, ""};
    if (argument_count != 2)
        return hx_exit_refused("trace: expected info FILE or check FILE");
    const char *verb = arguments[0], *path = arguments[1];
    if (strcmp(verb, "info") != 0 && strcmp(verb, "check") != 0) {
        hx_refuse(&error, "trace %.60s: expected info or check", verb);
        return hx_exit_refused(error.detail);
    }
    struct wl_trace_info info;
    if (wl_trace_check(path, &info, &error) != SM_OK)
        return hx_exit_refused(error.detail);
    if (strcmp(verb, "info") == 0)
        print_info(path, &info);
    return HX_EXIT_OK;
}

void hx_trace_help(void)
{
    puts("usage: harness trace info|check FILE\n\n"
         "check: silent and exit 0 when the trace is valid, otherwise one line and exit 2. info: also what it holds.");
}
