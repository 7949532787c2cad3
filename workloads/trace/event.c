/** The words of the format that readers and writers share. */
#include "trace/event.h"

static const char *const kind_names[TRACE_KIND_COUNT] = {"bytes",   "string", "array", "object",
                                                         "closure", "frame",  "weak"};

const char *trace_kind_name(enum trace_kind kind)
{
    return kind_names[kind];
}
