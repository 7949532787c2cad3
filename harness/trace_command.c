#include "trace_command.h"

#include "output_file.h"
#include "quantities.h"
#include "run_command.h"
#include "run_options.h"
#include "signals.h"
#include "workloads/trace.h"

#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const char packed_suffix[] = ".zst";

static void print_bytes(const char *name, uint64_t bytes)
{
    char text[HX_QUANTITY_BYTES], exact[HX_QUANTITY_BYTES];
    printf("  %-20s %s   %s bytes\n", name, hx_format_bytes(bytes, text), hx_format_count(bytes, exact));
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
    print_count("roots at the end", info->end_roots);
}

/* ---- Verbs ---- */

static int check(const char *path, const char *target)
{
    struct sm_error error = {SM_OK, ""};
    (void)target;
    return wl_trace_check(path, NULL, &error) == SM_OK ? HX_EXIT_OK : hx_exit_refused(error.detail);
}

static int info(const char *path, const char *target)
{
    struct sm_error error = {SM_OK, ""};
    struct wl_trace_info facts;
    (void)target;
    if (wl_trace_check(path, &facts, &error) != SM_OK)
        return hx_exit_refused(error.detail);
    print_info(path, &facts);
    return HX_EXIT_OK;
}

/* What went wrong with the copy's own place is a failure; all else was wrong with what was asked for. */
static int report_copy(sm_status status, const struct sm_error *error)
{
    if (status == SM_OK)
        return HX_EXIT_OK;
    hx_exit_refused(error->detail);
    return status == SM_ERR_INVALID_ARGUMENT ? HX_EXIT_REFUSED : HX_EXIT_FAILED;
}

typedef sm_status copy_trace(const char *path, FILE *stream, struct sm_error *error);

/* Only a valid trace is copied, and only a whole copy gets the target's name. */
static int copy(const char *path, const char *target, copy_trace *copy_lines)
{
    struct sm_error error = {SM_OK, ""};
    struct hx_output output;
    sm_status status = wl_trace_check(path, NULL, &error);
    if (status != SM_OK)
        return hx_exit_refused(error.detail);
    /* Opening a pipe waits for its reader; a temporary file must not be left behind. */
    hx_signals_let_end(hx_output_is_in_place(target));
    status = hx_output_open_new(&output, target, &error);
    if (status == SM_OK)
        status = copy_lines(path, output.stream, &error);
    if (status == SM_OK)
        status = hx_output_commit(&output, &error);
    else
        hx_output_discard(&output);
    hx_signals_let_end(true);
    return report_copy(status, &error);
}

static int pack(const char *path, const char *target)
{
    char beside[PATH_MAX];
    struct sm_error error;
    int length = snprintf(beside, sizeof(beside), "%s%s", path, packed_suffix);
    if (target != NULL)
        return copy(path, target, wl_trace_pack);
    if ((size_t)length < sizeof(beside))
        return copy(path, beside, wl_trace_pack);
    hx_refuse(&error, "trace pack %.60s...: expected a shorter name", path);
    return hx_exit_refused(error.detail);
}

static int unpack(const char *path, const char *target)
{
    char beside[PATH_MAX];
    struct sm_error error;
    size_t length = strlen(path), suffix_length = strlen(packed_suffix);
    if (target != NULL)
        return copy(path, target, wl_trace_unpack);
    bool has_suffix = length > suffix_length && strcmp(path + length - suffix_length, packed_suffix) == 0;
    if (has_suffix && length < sizeof(beside)) {
        snprintf(beside, sizeof(beside), "%.*s", (int)(length - suffix_length), path);
        return copy(path, beside, wl_trace_unpack);
    }
    hx_refuse(&error, "trace unpack %.150s: expected a name that ends in %s, or the target's name behind it", path,
              packed_suffix);
    return hx_exit_refused(error.detail);
}

static const struct verb {
    const char *name;
    int argument_limit; /* files, at most; one at least */
    int (*run)(const char *path, const char *target);
} verbs[] = {{"info", 1, info}, {"check", 1, check}, {"pack", 2, pack}, {"unpack", 2, unpack}};

int hx_trace_command(int argument_count, char *const arguments[])
{
    struct sm_error error = {SM_OK, ""};
    const struct verb *verb = NULL;
    if (argument_count == 0)
        return hx_exit_refused("trace: expected info, check, pack or unpack, and a FILE");
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
        if (strcmp(verbs[i].name, arguments[0]) == 0)
            verb = &verbs[i];
    if (verb == NULL)
        hx_refuse(&error, "trace %.60s: expected info, check, pack or unpack", arguments[0]);
    else if (argument_count == 1)
        hx_refuse(&error, "trace %s: expected a FILE", verb->name);
    else if (argument_count - 1 > verb->argument_limit)
        hx_refuse(&error, "trace %s: expected %s, found '%.60s' behind it", verb->name,
                  verb->argument_limit == 1 ? "one FILE" : "FILE and the target's name",
                  arguments[verb->argument_limit + 1]);
    if (error.status != SM_OK)
        return hx_exit_refused(error.detail);
    return verb->run(arguments[1], argument_count > 2 ? arguments[2] : NULL);
}

void hx_trace_help(void)
{
    puts("usage: harness trace info|check FILE\n"
         "       harness trace pack|unpack FILE [TARGET]\n\n"
         "check: silent and exit 0 when the trace is valid, otherwise one line and exit 2. info: also what it holds.\n"
         "pack: compress a valid trace (zstd) into FILE.zst, or TARGET. unpack: the reverse, into FILE without its "
         ".zst,\n"
         "or TARGET; the text is byte by byte what was packed. TARGET - is standard output. A file that exists is "
         "never\n"
         "replaced, and TARGET is whole or absent.");
}
