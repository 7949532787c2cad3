#include "event_sink.h"

#include <errno.h>
#include <inttypes.h>

void hx_event_sink_open(struct hx_event_sink *sink, struct hx_output *output)
{
    sink->output = output;
    /* Standard output outlives the sink. */
    if (!hx_output_is_stdout(output))
        setvbuf(output->stream, sink->buffer, _IOFBF, sizeof(sink->buffer));
}

void hx_event_sink_add(struct hx_event_sink *sink, const struct sm_event *event)
{
    if (sink->write_errno != 0)
        return;
    int written = fprintf(sink->output->stream,
                          "{\"t_ns\":%" PRIu64 ",\"clock_bytes\":%" PRIu64
                          ",\"kind\":\"%s\",\"cycle\":\"%s\",\"duration_ns\":%" PRIu64 ",\"amount\":%" PRIu64 "}\n",
                          event->time_ns - sink->start_ns, event->clock_bytes, sm_event_kind_name(event->kind),
                          sm_cycle_kind_name(event->cycle_kind), event->duration_ns, event->amount);
    if (written < 0)
        sink->write_errno = errno != 0 ? errno : EIO;
}
