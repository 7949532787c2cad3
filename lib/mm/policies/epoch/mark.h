/**
 * Marking over granule bytes: from roots to everything reachable, with the program stopped or beside it.
 *
 * Edges wait on a stack and pass through a short queue on their way off it: what enters the queue is prefetched, so that
 * its header and granule byte have arrived when it leaves (Cher, Hosking and Vitek, ASPLOS 2004). Elements of big arrays
 * are scanned a chunk at a time; what is left of the array waits on the stack as one entry.
 *
 * Stopped, everything reachable that does not carry the marker's colour gets it: a full cycle takes the other colour than
 * the heap has, a young cycle the same, so that old objects are marked already. Beside the program only what carries the
 * heap's colour is marked, which is what was there at the snapshot; whatever was made since is passed over. An object is
 * claimed before its slots are read (barrier.h).
 *
 * The stack cannot overflow: each object is scanned once, so each of its slots is on the stack at most once, and there is an
 * entry for each eight committed bytes; edges from roots, which may be any number, are drained as they come.
 *
 * Memory order. One thread at a time has the marker: the owner, or the collector's thread between two handshakes
 * (collector.h). Observers read headers and slots, never granules.
 */
#ifndef SM_EPOCH_MARK_H
#define SM_EPOCH_MARK_H

#include "epoch/slab.h"

#include "sapimem/roots.h"

struct sm_manager;
struct sm_types;

enum {
    EPOCH_MARK_QUEUE = 32,
};

struct epoch_marker {
    struct sm_visitor roots; /**< first: visitors are downcast to markers; hand it to sm_roots_enumerate */
    struct sm_visitor edges; /**< for types that only their trace function describes */
    struct sm_manager *mm;
    const struct sm_types *types;
    uint8_t colour;    /**< what survivors carry */
    uint8_t unmarked;  /**< beside the program: what is to be marked carries this */
    uint8_t kept_bits; /**< what else the byte of a first granule keeps as it is marked; 0 unless set before */
    bool is_beside;    /**< the program runs, or ran, between the marker's steps */
    bool is_young;     /**< old objects are marked already, and dead ones may have been read */
    uint32_t queue_first, queue_count;
    struct sm_object *queue[EPOCH_MARK_QUEUE];
    size_t depth, capacity;
    uintptr_t *stack;
    uint64_t live_objects, live_bytes; /**< marked so far; payloads */
};

/** Make it able to mark in a heap of the size that is committed now. Returns false when the system refused; nothing changed then. */
bool epoch_marker_reserve(struct epoch_marker *marker, struct sm_manager *mm);
/** Begin to mark with `colour`; `unmarked`: see above, EPOCH_COLOUR_NONE when the program is stopped. It is reserved. */
void epoch_marker_begin(struct epoch_marker *marker, uint8_t colour, uint8_t unmarked);
/** Forget what waits. */
void epoch_marker_abandon(struct epoch_marker *marker);
/** Give back the pages of its stack, which is empty; and the stack itself. */
void epoch_marker_trim(struct epoch_marker *marker);
void epoch_marker_finish(struct epoch_marker *marker);

/** One object is reachable; what it reaches waits. `context` is the marker. */
void epoch_marker_visit(void *context, struct sm_object *object);
/** The same of one that may be younger than the last safepoint: it is told apart in later emergencies too. */
void epoch_marker_visit_recent(void *context, struct sm_object *object);
/** Whatever the slots of `object` hold is reachable: all of them, or `chunk` where it has a table of chunks. */
void epoch_marker_visit_slots(struct epoch_marker *marker, const struct sm_object *object, size_t chunk);
/** Mark everything that waits and what it reaches. */
void epoch_marker_drain(struct epoch_marker *marker);
/** The same of at most `budget` objects and chunks. Returns whether nothing waits any more; `*done` grows by what was looked at. */
bool epoch_marker_drain_some(struct epoch_marker *marker, uint64_t budget, uint64_t *done);
/**
 * R5, after the drain and before anything is retired: destructors that became due are chosen, and what they can
 * reach is marked too; a later cycle takes it, once they have run.
 */
void epoch_marker_keep_finalizable(struct epoch_marker *marker);

/** Whether `object` is not one that this marker found dead; `context` is the marker. An sm_is_live. */
bool epoch_marker_is_live(void *context, const struct sm_object *object);

static inline bool epoch_marker_is_idle(const struct epoch_marker *marker)
{
    return marker->depth == 0 && marker->queue_count == 0;
}

static inline uint8_t epoch_colour_of(const struct sm_object *object)
{
    return epoch_granule_load(object) & EPOCH_COLOUR_MASK;
}

static inline bool epoch_is_marked(const struct sm_object *object, uint8_t colour)
{
    return epoch_colour_of(object) == colour;
}

#endif
