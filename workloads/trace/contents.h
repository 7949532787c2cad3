/**
 * What a replay writes into objects, and how it reads them back.
 *
 * Layout of a payload: a hidden slot for the destructor's mark (objects that get one), the trace's slots, a hidden slot for
 * the weak cell (weak objects), then the raw bytes. Raw bytes hold a pattern made from the object's sequence number: all
 * of them up to 64, else the first and the last 16. The tag word of the pattern's first 16 bytes carries a bit that
 * no slot has, so that tracing a payload stops where the slots end. Sequence numbers go on from one pass to the next; a
 * checksum has them as in the first pass.
 */
#ifndef TRACE_CONTENTS_H
#define TRACE_CONTENTS_H

#include "trace/shadow.h"

#include "sapimem/object.h"
#include "sapimem/roots.h"

/** Low bits of slot tags; SM_TAG_HEAP comes on top where the slot holds an object. */
enum trace_tag {
    TRACE_TAG_EMPTY = 0,
    TRACE_TAG_EDGE = 1,
    TRACE_TAG_CELL = 2,
    TRACE_TAG_ARMED = 3, /**< payload: sequence number of an object whose destructor has not run */
    TRACE_TAG_RAN = 4,
    TRACE_TAG_RAW = 0x40, /**< where the raw bytes begin */
};

/** What a read back found wrong. */
enum trace_mismatch {
    TRACE_SAME,
    TRACE_OTHER_KIND,
    TRACE_OTHER_SIZE,
    TRACE_OTHER_EDGE,
    TRACE_OTHER_BYTES,
};

/** Words for a mismatch; never NULL. */
const char *trace_mismatch_name(enum trace_mismatch mismatch);

/** Types of a manager by kind, tracedness and destructor; registered in one run from `first`. */
struct trace_types {
    sm_type_id first;
    sm_type_id id[TRACE_KIND_COUNT][2][2];
};

/** Register them; `finalize` is called with `context`. Returns false when the manager refuses (its detail has the line). */
bool trace_types_register(struct sm_manager *mm, sm_finalizer *finalize, void *context, struct trace_types *types);

/** An object has slots of some sort, so that its payload must be zeroed before it is seen. */
static inline bool trace_is_traced(uint8_t kind, uint32_t slot_count)
{
    return slot_count != 0 || kind == TRACE_KIND_WEAK;
}

static inline sm_type_id trace_type_of(const struct trace_types *types, uint8_t kind, uint32_t slot_count,
                                       uint16_t flags)
{
    return types->id[kind][trace_is_traced(kind, slot_count)][(flags & TRACE_EVENT_FINALIZABLE) != 0];
}

/** Slot `index` of the trace's numbering. */
static inline struct sm_value *trace_slot(struct sm_object *object, uint16_t flags, uint32_t index)
{
    return (struct sm_value *)sm_payload(object) + index + ((flags & TRACE_EVENT_FINALIZABLE) != 0);
}

/** Where the raw bytes of an object begin. */
static inline unsigned char *trace_raw_bytes(struct sm_object *object, const struct shadow_object *record)
{
    return (unsigned char *)trace_slot(object, record->flags, shadow_edge_count(record));
}

static inline struct sm_value trace_edge_value(struct sm_object *target)
{
    return sm_value_from_object(target, TRACE_TAG_EDGE);
}

/** Write the pattern of `sequence` over `byte_count` raw bytes. */
void trace_pattern_write(unsigned char *raw, uint64_t byte_count, uint32_t sequence);

/**
 * Read one slot from memory.
 *
 * Returns a word for the checksum: equal for every policy when memory holds what the shadow says, another when not;
 * addresses do not enter. `*mismatch` is set then and left alone otherwise.
 */
uint64_t trace_read_slot(const struct shadow *shadow, const struct shadow_object *record, uint32_t slot,
                         enum trace_mismatch *mismatch);

/** Read a whole object, likewise: type, size, slots and pattern. */
uint64_t trace_read_object(const struct shadow *shadow, const struct trace_types *types, uint32_t object,
                           enum trace_mismatch *mismatch);

#endif
