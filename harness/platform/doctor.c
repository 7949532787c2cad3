#include "doctor.h"

#include "hiccups.h"
#include "json_doctor.h"
#include "run_command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char usage[] =
    "usage: harness doctor [--json]\n\n"
    "One line a check, in a second or so: ok, or a warning and what to do about it. --json: the same as "
    "a document.\n"
    "Exit: 0 whatever was found, 2 for anything else on the command line.";

const char *hx_soundness_name(enum hx_soundness verdict)
{
    static const char *const names[] = {
        [HX_SOUNDNESS_OK] = "ok", [HX_SOUNDNESS_WARNING] = "warning", [HX_SOUNDNESS_UNKNOWN] = "unknown"};
    return names[verdict];
}

/* A second in which this process only sleeps. */
static void watch(struct hx_watched *watched)
{
    const struct timespec second = {1, 0};
    struct hx_hiccups *hiccups = hx_hiccups_start(HX_HICCUPS_THREAD, &watched->hiccups_ns);
    hx_machine_time_read(&watched->begin);
    hx_hiccups_record(hiccups, true);
    nanosleep(&second, NULL);
    hx_machine_time_read(&watched->end);
    hx_hiccups_stop(hiccups);
}

static void print_findings(const struct hx_findings *findings)
{
    size_t warning_count = 0;
    for (size_t i = 0; i < findings->count; i++) {
        const struct hx_finding *finding = &findings->list[i];
        warning_count += finding->verdict == HX_SOUNDNESS_WARNING;
        printf("%-8s %-12s %s", hx_soundness_name(finding->verdict), finding->check, finding->detail);
        if (finding->advice != NULL)
            printf("; %s", finding->advice);
        putchar('\n');
    }
    printf("%zu of %zu checks warn\n", warning_count, findings->count);
}

/* On the heap, for they are large. */
struct examination {
    struct hx_context context;
    struct hx_watched watched;
    struct hx_findings findings;
};

int hx_doctor_command(int argument_count, char *const arguments[])
{
    bool as_json = false;
    for (int i = 0; i < argument_count; i++) {
        if (strcmp(arguments[i], "--json") != 0) {
            char line[160];
            snprintf(line, sizeof(line), "doctor %.80s: expected --json or nothing", arguments[i]);
            return hx_exit_refused(line);
        }
        as_json = true;
    }
    struct examination *examination = (struct examination *)calloc(1, sizeof(*examination));
    if (examination == NULL)
        return hx_exit_refused("out of memory");
    bool is_written = true;
    hx_context_gather(&examination->context);
    watch(&examination->watched);
    hx_doctor_examine(&examination->context, &examination->watched, &examination->findings);
    if (as_json)
        is_written = hx_json_doctor_write(&examination->findings, &examination->watched.hiccups_ns, stdout);
    else
        print_findings(&examination->findings);
    free(examination);
    return is_written ? HX_EXIT_OK : HX_EXIT_FAILED;
}

void hx_doctor_help(void)
{
    puts(usage);
}
