#include "run_command.h"

#include "control.h"
#include "csv_sink.h"
#include "event_sink.h"
#include "heap_limit.h"
#include "json_sink.h"
#include "minheap_command.h"
#include "output_file.h"
#include "quantities.h"
#include "report.h"
#include "runner.h"
#include "sapimem/manager.h"
#include "signals.h"
#include "spec_names.h"
#include "summary.h"
#include "workers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OUTPUT_JSON, OUTPUT_CSV, OUTPUT_EVENTS, OUTPUT_CARD, OUTPUT_COUNT };

static const enum hx_option_id output_options[OUTPUT_COUNT] = {HX_OPT_JSON, HX_OPT_CSV, HX_OPT_EVENTS, HX_OPT_CARD};

/* One run's large parts, on the heap. */
struct session {
    struct hx_plan plan;
    struct hx_output outputs[OUTPUT_COUNT];
    struct hx_report report;
    struct hx_event_sink events;
    struct hx_step_log steps;
    bool is_interrupted; /* before there was anything to report */
};

int hx_exit_refused(const char *line)
{
    fprintf(stderr, "harness: %s\n", line);
    return HX_EXIT_REFUSED;
}

/* Zeroed memory that is resident, so that later writes to it do not show up as the run's. */
static struct session *session_create(void)
{
    struct session *session = (struct session *)calloc(1, sizeof(*session));
    if (session == NULL)
        return NULL;
    long page_bytes = sysconf(_SC_PAGESIZE);
    for (volatile char *byte = (volatile char *)session; byte < (volatile char *)(session + 1); byte += page_bytes)
        *byte = 0;
    session->report.plan = &session->plan;
    session->report.steps = &session->steps;
    return session;
}

static void session_destroy(struct session *session)
{
    for (int i = 0; i < OUTPUT_COUNT; i++)
        hx_output_discard(&session->outputs[i]);
    hx_card_destroy(session->report.card);
    hx_report_release(&session->report);
    free(session);
}

/* Opening a pipe waits for its reader; nothing is there to undo yet, so a signal may end the wait and the program. */
static sm_status open_output(struct hx_output *output, const struct hx_option *option, const char *path,
                             struct sm_error *error)
{
    bool is_in_place = hx_output_is_in_place(path);
    if (is_in_place)
        hx_signals_let_end(true);
    sm_status status = hx_output_open(output, option->name, path, error);
    if (is_in_place)
        hx_signals_let_end(false);
    return status;
}

/* NULL: not asked for. */
static const char *output_path(const struct session *session, int index)
{
    const struct hx_run_options *options = &session->plan.options;
    enum hx_option_id id = output_options[index];
    return options->given[id] ? options->value[id].text : NULL;
}

static sm_status refuse_same_places(const struct session *session, struct sm_error *error)
{
    for (int later = 1; later < OUTPUT_COUNT; later++)
        for (int earlier = 0; earlier < later; earlier++) {
            const char *path = output_path(session, later);
            const char *other = output_path(session, earlier);
            if (path != NULL && other != NULL && hx_output_is_same_place(path, other))
                return hx_refuse(error, "--%s=%s: expected another place than --%s",
                                 hx_option(output_options[later])->name, path,
                                 hx_option(output_options[earlier])->name);
        }
    return SM_OK;
}

/* Places written directly come first: after them there are temporary files, which a signal must not leave behind. */
static sm_status open_outputs(struct session *session, struct sm_error *error)
{
    sm_status status = refuse_same_places(session, error);
    for (int i = 0; i < 2 * OUTPUT_COUNT && status == SM_OK; i++) {
        int index = i % OUTPUT_COUNT;
        const char *path = output_path(session, index);
        if (path != NULL && hx_output_is_in_place(path) == (i < OUTPUT_COUNT))
            status = open_output(&session->outputs[index], hx_option(output_options[index]), path, error);
    }
    if (hx_output_is_open(&session->outputs[OUTPUT_EVENTS]))
        hx_event_sink_open(&session->events, &session->outputs[OUTPUT_EVENTS]);
    if (status == SM_OK && hx_output_is_open(&session->outputs[OUTPUT_CARD]))
        status = hx_card_create(session->plan.options.value[HX_OPT_CARD_WARMUP].count, &session->report.card, error);
    return status;
}

/* What only the manager can refuse is found out by making one, before there is anything to undo. */
static sm_status try_manager(const struct hx_plan *plan, struct sm_error *error)
{
    struct wl_config config = hx_plan_workload_config(plan);
    struct sm_manager *mm = NULL;
    config.manager.fail_alloc_after = 0;
    sm_status status = sm_manager_create(&config.manager, &mm, error);
    sm_manager_destroy(mm);
    if (status != SM_OK && plan->options.given[HX_OPT_PACING] && strncmp(error->detail, "pacing", 6) == 0)
        return hx_refuse_spec("pacing", plan->options.value[HX_OPT_PACING].text, error);
    /* A limit that leaves no room to begin is a result of the run, not a refusal. */
    return status == SM_ERR_OUT_OF_MEMORY ? SM_OK : status;
}

static sm_status resolve(struct hx_plan *plan, int argument_count, char *const arguments[], struct sm_error *error)
{
    hx_run_options_init(&plan->options);
    sm_status status = hx_run_options_parse(&plan->options, argument_count, arguments, error);
    return status == SM_OK ? hx_plan_resolve(plan, error) : status;
}

sm_status hx_run_check(int argument_count, char *const arguments[], struct sm_error *error)
{
    /* Stands for the one that the run would measure. */
    const uint64_t some_minheap_bytes = 64u << 20;
    struct hx_plan *plan = (struct hx_plan *)calloc(1, sizeof(*plan));
    if (plan == NULL) {
        snprintf(error->detail, sizeof(error->detail), "out of memory");
        return error->status = SM_ERR_OUT_OF_MEMORY;
    }
    sm_status status = resolve(plan, argument_count, arguments, error);
    if (status == SM_OK && plan->wants_minheap)
        hx_limit_set_minheap(plan, some_minheap_bytes);
    if (status == SM_OK)
        status = hx_workers_try(try_manager, plan, error);
    free(plan);
    return status;
}

static sm_status measure_minheap(struct session *session, int argument_count, char *const arguments[],
                                 struct sm_error *error)
{
    struct hx_minheap minheap;
    if (!session->plan.wants_minheap)
        return SM_OK;
    if (hx_minheap_of_run((size_t)argument_count, arguments, &minheap, &session->is_interrupted, error) != SM_OK)
        return error->status;
    hx_limit_set_minheap(&session->plan, minheap.bytes);
    hx_note(&session->plan.notes, "the minheap was measured under marksweep, with %zu run%s before this one",
            minheap.probe_count, hx_plural_s(minheap.probe_count));
    return SM_OK;
}

static sm_status prepare(struct session *session, int argument_count, char *const arguments[], struct sm_error *error)
{
    sm_status status = resolve(&session->plan, argument_count, arguments, error);
    if (status == SM_OK)
        status = measure_minheap(session, argument_count, arguments, error);
    if (status == SM_OK)
        status = session->plan.burst.is_on ? hx_workers_try(try_manager, &session->plan, error)
                                           : try_manager(&session->plan, error);
    if (status == SM_OK)
        status = open_outputs(session, error);
    return status;
}

static bool commit_output(struct hx_output *output)
{
    struct sm_error error = {SM_OK, ""};
    if (hx_output_commit(output, &error) == SM_OK)
        return true;
    fprintf(stderr, "harness: %s\n", error.detail);
    return false;
}

static bool write_output(struct session *session, int index, bool (*write)(const struct hx_report *, FILE *))
{
    struct hx_output *output = &session->outputs[index];
    if (!hx_output_is_open(output))
        return true;
    errno = 0;
    if (!write(&session->report, output->stream)) {
        hx_output_fail(output, errno);
        return false;
    }
    return commit_output(output);
}

/* They are written already, as they came. */
static bool finish_events(struct session *session)
{
    struct hx_output *output = &session->outputs[OUTPUT_EVENTS];
    if (!hx_output_is_open(output))
        return true;
    if (session->events.write_errno == 0)
        return commit_output(output);
    hx_output_fail(output, session->events.write_errno);
    return false;
}

static bool write_results(struct session *session)
{
    bool takes_stdout = false;
    for (int i = 0; i < OUTPUT_COUNT; i++)
        takes_stdout = takes_stdout || hx_output_is_stdout(&session->outputs[i]);
    bool is_written = write_output(session, OUTPUT_JSON, hx_json_write);
    is_written = write_output(session, OUTPUT_CSV, hx_csv_write) && is_written;
    is_written = finish_events(session) && is_written;
    /* A card of part of the work would look like one of all of it. */
    if (session->report.status == HX_STATUS_OK)
        is_written = write_output(session, OUTPUT_CARD, hx_card_write) && is_written;
    if (!takes_stdout && session->plan.options.value[HX_OPT_QUIET].count == 0)
        hx_summary_print(&session->report, stdout);
    return hx_output_flush_stdout() && is_written;
}

/* The run's own watch of the signals has ended; without another, a place that takes nothing could not be left. */
static bool write_results_watched(struct session *session)
{
    struct hx_control control = {.stop = HX_STOP_NONE};
    struct hx_signals *signals = NULL;
    if (session->report.status == HX_STATUS_INTERRUPTED)
        hx_control_request_stop(&control, HX_STOP_INTERRUPTED);
    /* Refused a thread, the results are written all the same: the signals stay blocked then. */
    if (hx_signals_start(&control, 0, session->outputs, OUTPUT_COUNT, &signals) != SM_OK)
        signals = NULL;
    bool is_written = write_results(session);
    hx_signals_stop(signals);
    return is_written;
}

static int exit_code(const struct hx_report *report)
{
    if (report->status == HX_STATUS_OK)
        return HX_EXIT_OK;
    fprintf(stderr, "harness: %s: %s\n", hx_run_status_name(report->status), report->error);
    return report->status == HX_STATUS_INTERRUPTED ? HX_EXIT_INTERRUPTED : HX_EXIT_FAILED;
}

static struct hx_event_sink *asked_events(struct session *session)
{
    return session->events.output != NULL ? &session->events : NULL;
}

static sm_status execute(struct session *session, struct sm_error *error)
{
    if (session->plan.burst.is_on)
        return hx_workers_run(&session->plan, &session->report, session->outputs, OUTPUT_COUNT, error);
    return hx_run_execute(&session->plan, &session->report, asked_events(session), session->outputs, OUTPUT_COUNT,
                          error);
}

int hx_run_command(int argument_count, char *const arguments[])
{
    struct sm_error error = {SM_OK, ""};
    struct session *session = session_create();
    if (session == NULL)
        return hx_exit_refused("out of memory");
    int code = HX_EXIT_REFUSED;
    if (prepare(session, argument_count, arguments, &error) != SM_OK || execute(session, &error) != SM_OK) {
        hx_exit_refused(error.detail);
        code = session->is_interrupted ? HX_EXIT_INTERRUPTED : HX_EXIT_REFUSED;
    } else {
        bool is_written = write_results_watched(session);
        code = exit_code(&session->report);
        if (!is_written && code == HX_EXIT_OK)
            code = HX_EXIT_FAILED;
    }
    session_destroy(session);
    return code;
}

static void print_option(const struct hx_option *option)
{
    char usage[96];
    snprintf(usage, sizeof(usage), "--%s%s%s", option->name, *option->placeholder != '\0' ? "=" : "",
             option->placeholder);
    const char *value = option->default_text != NULL ? option->default_text : option->default_note;
    printf("  %-40s %s", usage, option->help);
    if (value != NULL && option->kind != HX_KIND_FLAG)
        printf(" [%s]", value);
    putchar('\n');
}

void hx_run_help(void)
{
    puts("usage: harness [run] [--OPTION=VALUE | --OPTION VALUE]...\n\n"
         "One measured run: a summary on standard output, or a JSON document with --json.\n"
         "SIZE: 65536, 64K, 16M, 1G (powers of 1024); N: 1000, 10k, 5m (powers of 1000); [default].\n");
    for (int id = 0; id < HX_OPTION_COUNT; id++)
        print_option(hx_option((enum hx_option_id)id));
    puts("\nSignals: SIGINT, SIGTERM and SIGHUP end the run cleanly, another one a second or more later ends it at "
         "once\n"
         "with nothing written; SIGUSR1 asks for a cycle.\n"
         "Exit: 0 done, 1 the run failed (the result says how), 2 refused before anything ran, 130 interrupted.");
}
