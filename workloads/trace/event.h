/**
 * The binary form of a trace: fixed-size events over dense object numbers.
 *
 * Decoding resolves the trace's ids, so that nothing after it looks an id up again: an `object` or
 * `owner` is an index into tables of `entry_limit` records, from 1, and is reused once its object died.
 */
#ifndef TRACE_EVENT_H
#define TRACE_EVENT_H

#include <stdint.h>

/** The events of the format, in the order in which wl_trace_info counts them ("TRACE_OP_LETTERS"). */
enum trace_op {
    TRACE_ALLOCATE,
    TRACE_RESIZE,
    TRACE_STORE,
    TRACE_WEAK,
    TRACE_DROP_LOCAL,
    TRACE_GLOBAL,
    TRACE_CONTEXT,
    TRACE_ENTER,
    TRACE_LEAVE,
    TRACE_DEATH,
    TRACE_CYCLIC_DEATH,
    TRACE_DESTRUCTOR,
    TRACE_ITERATION,
    TRACE_BLOCK,
    TRACE_REQUEST_BEGIN,
    TRACE_REQUEST_END,
    TRACE_COLLECT,
    TRACE_VERIFY,
    TRACE_OP_COUNT,
};

enum trace_kind {
    TRACE_KIND_BYTES,
    TRACE_KIND_STRING,
    TRACE_KIND_ARRAY,
    TRACE_KIND_OBJECT,
    TRACE_KIND_CLOSURE,
    TRACE_KIND_FRAME,
    TRACE_KIND_WEAK,
    TRACE_KIND_COUNT,
};

/** The word for a kind, as in the file. */
const char *trace_kind_name(enum trace_kind kind);

enum {
    TRACE_EVENT_FINALIZABLE = 1u << 0, /**< on an allocation: a later `t` names this object */
    TRACE_NAME_LIMIT = 65536,          /**< names of globals and context entries are below it */
};

/** One event. Fields that an event does not have are 0. */
struct trace_event {
    uint8_t op;
    uint8_t kind;
    uint16_t flags;
    uint32_t line;
    uint32_t object;     /**< ID; ID2 of a store, 0 to clear; the target of `w`; ID of `g` and `c` */
    uint32_t owner;      /**< OWNER, or ID of `s` and `w`; 0: none given */
    uint32_t slot;       /**< SLOT; NAME of `g` and `c` */
    uint32_t slot_count; /**< SLOTS */
    uint64_t bytes;      /**< BYTES; US of `b` */
};

_Static_assert(sizeof(struct trace_event) == 32, "a decoded event takes 32 bytes");

#endif
