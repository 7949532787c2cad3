/**
 * The ids of a trace while it is decoded: which are in use, for which object.
 */
#ifndef TRACE_NAMES_H
#define TRACE_NAMES_H

#include "trace/mapping.h"

#include <stdint.h>

enum trace_name_state {
    TRACE_NAME_EMPTY, /**< an unused place of the table */
    TRACE_NAME_LIVE,
    TRACE_NAME_DEAD, /**< kept, so that an error can say where it died */
};

struct trace_name {
    uint32_t id;
    uint32_t entry; /**< dense number of the object */
    uint32_t line;  /**< of its allocation, or of its death */
    uint32_t slot_count;
    uint32_t frame; /**< serial number of the frame whose local it is; 0: none */
    uint32_t event; /**< index of its allocation */
    uint8_t state;  /**< enum trace_name_state */
    uint8_t kind;
    uint16_t unused;
};

/** A hash table from id to name, open addressing. */
struct trace_names {
    struct trace_mapping places;
    uint32_t place_count; /**< a power of two */
    uint32_t used;
};

/** Make an empty table. Returns false with errno set. */
bool trace_names_create(struct trace_names *names);
void trace_names_destroy(struct trace_names *names);

/** The name of `id`, or NULL when no object ever had it. Valid until trace_names_add. */
struct trace_name *trace_names_find(const struct trace_names *names, uint32_t id);

/** The place of `id`, made when it is new; NULL with errno set when the table cannot grow. */
struct trace_name *trace_names_add(struct trace_names *names, uint32_t id);

#endif
