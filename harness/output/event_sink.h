/**
 * Events as they come, one line of JSON each, for --events.
 *
 * A line is written where the event happens, so the stop that it tells of has the writing in it.
 */
#ifndef HX_EVENT_SINK_H
#define HX_EVENT_SINK_H

#include "output_file.h"
#include "sapimem/stats.h"

/** Zeroed: open on nothing. */
struct hx_event_sink {
    struct hx_output *output; /**< NULL: nobody asked */
    uint64_t start_ns;        /**< what the lines' times count from */
    int write_errno;          /**< of the first write that failed; 0: none */
    char buffer[1 << 18];     /**< of the stream: a system call for every few thousand events */
};

/** Write to `output`, which is open and stays so until the sink is done with. */
void hx_event_sink_open(struct hx_event_sink *sink, struct hx_output *output);

/** One event. Nothing once a write has failed. */
void hx_event_sink_add(struct hx_event_sink *sink, const struct sm_event *event);

#endif
