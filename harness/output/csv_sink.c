#include "csv_sink.h"

#include <inttypes.h>

static void write_figure(FILE *stream, uint64_t figure, char end)
{
    if (figure != HX_UNKNOWN)
        fprintf(stream, "%" PRIu64, figure);
    fputc(end, stream);
}

bool hx_csv_write(const struct hx_report *report, FILE *stream)
{
    uint64_t limit_bytes = report->plan->memory_limit_bytes != 0 ? report->plan->memory_limit_bytes : HX_UNKNOWN;
    fputs("clock_bytes,t_ns,live_bytes,committed_bytes,limit_bytes,garbage_bytes,backlog_bytes,rss_bytes,rss_anon_"
          "bytes,cycles_full,cycles_young\n",
          stream);
    for (size_t i = 0; i < report->sampler.count; i++) {
        const struct hx_sample *sample = &report->sampler.points[i];
        write_figure(stream, sample->clock_bytes, ',');
        write_figure(stream, sample->t_ns, ',');
        write_figure(stream, sample->live_bytes, ',');
        write_figure(stream, sample->committed_bytes, ',');
        write_figure(stream, limit_bytes, ',');
        write_figure(stream, sample->garbage_bytes, ',');
        write_figure(stream, sample->backlog_bytes, ',');
        write_figure(stream, sample->rss_bytes, ',');
        write_figure(stream, sample->rss_anon_bytes, ',');
        write_figure(stream, sample->cycles_full, ',');
        write_figure(stream, sample->cycles_young, '\n');
    }
    return fflush(stream) == 0 && !ferror(stream);
}
