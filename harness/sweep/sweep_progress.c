#include "sweep_progress.h"

#include "quantities.h"

#include <string.h>
#include <unistd.h>

const char *hx_format_duration(double seconds, char *text)
{
    unsigned long whole = (unsigned long)(seconds + 0.5);
    if (seconds < 10)
        snprintf(text, HX_DURATION_BYTES, "%.1f s", seconds);
    else if (whole < 60)
        snprintf(text, HX_DURATION_BYTES, "%lu s", whole);
    else if (whole < 3600)
        snprintf(text, HX_DURATION_BYTES, "%lu min %02lu s", whole / 60, whole % 60);
    else
        snprintf(text, HX_DURATION_BYTES, "%lu h %02lu min", whole / 3600, whole % 3600 / 60);
    return text;
}

void hx_sweep_progress_begin(struct hx_sweep_progress *progress, size_t cell_count, bool is_on)
{
    *progress = (struct hx_sweep_progress){
        .is_on = is_on, .is_terminal = isatty(STDERR_FILENO) != 0, .cell_count = cell_count, .start_ns = hx_now_ns()};
}

static void count_status(struct hx_sweep_progress *progress, const char *name)
{
    size_t i = 0;
    while (i < progress->status_count && strcmp(progress->statuses[i].name, name) != 0)
        i++;
    if (i == HX_SWEEP_STATUSES_MAX)
        return;
    if (i == progress->status_count)
        snprintf(progress->statuses[progress->status_count++].name, sizeof(progress->statuses[i].name), "%s", name);
    progress->statuses[i].count++;
}

void hx_sweep_progress_add(struct hx_sweep_progress *progress, const struct hx_cell_result *result)
{
    progress->done_count++;
    progress->failed_count += strcmp(result->status, "ok") != 0 ? 1 : 0;
    progress->timed_count += result->process_ns != 0 ? 1 : 0;
    progress->timed_ns += result->process_ns;
    count_status(progress, result->status);
}

double hx_sweep_progress_seconds(const struct hx_sweep_progress *progress, size_t cell_count)
{
    if (progress->timed_count == 0)
        return -1;
    return (double)progress->timed_ns / 1e9 / (double)progress->timed_count * (double)cell_count;
}

static void print_left(const struct hx_sweep_progress *progress)
{
    char text[HX_DURATION_BYTES];
    double seconds = hx_sweep_progress_seconds(progress, progress->cell_count - progress->done_count);
    if (seconds >= 0)
        fprintf(stderr, "  %s left", hx_format_duration(seconds, text));
}

void hx_sweep_progress_show(const struct hx_sweep_progress *progress)
{
    char text[256], elapsed[HX_DURATION_BYTES];
    if (!progress->is_on || !progress->is_terminal)
        return;
    fprintf(stderr, "\r\033[K%zu of %zu cell%s", progress->done_count, progress->cell_count,
            hx_plural_s(progress->cell_count));
    if (progress->failed_count > 0)
        fprintf(stderr, ", %zu failed", progress->failed_count);
    fprintf(stderr, "  %s", hx_format_duration((double)(hx_now_ns() - progress->start_ns) / 1e9, elapsed));
    print_left(progress);
    if (progress->current != NULL)
        fprintf(stderr, "  %.60s", hx_cell_describe(progress->current, text, sizeof(text)));
    fflush(stderr);
}

void hx_sweep_progress_clear(const struct hx_sweep_progress *progress)
{
    if (progress->is_on && progress->is_terminal)
        fputs("\r\033[K", stderr);
}

void hx_sweep_progress_cell(struct hx_sweep_progress *progress, const struct hx_cell *cell)
{
    progress->current = cell;
    hx_sweep_progress_show(progress);
}

void hx_sweep_progress_end(struct hx_sweep_progress *progress, const struct hx_cell_result *result)
{
    char text[256], took[HX_DURATION_BYTES];
    hx_sweep_progress_add(progress, result);
    bool is_failed = strcmp(result->status, "ok") != 0;
    if (progress->is_on && (is_failed || !progress->is_terminal)) {
        hx_sweep_progress_clear(progress);
        fprintf(stderr, "%zu of %zu: %s after %s: %s", progress->done_count, progress->cell_count, result->status,
                hx_format_duration((double)result->process_ns / 1e9, took),
                hx_cell_describe(progress->current, text, sizeof(text)));
        print_left(progress);
        fputc('\n', stderr);
    }
    progress->current = NULL;
}

void hx_sweep_progress_print(const struct hx_sweep_progress *progress, FILE *stream)
{
    for (size_t i = 0; i < progress->status_count; i++)
        fprintf(stream, "%s%zu %s", i > 0 ? ", " : "", progress->statuses[i].count, progress->statuses[i].name);
}
