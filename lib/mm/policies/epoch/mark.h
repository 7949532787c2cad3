/**
 * One stop-the-world marking over granule bytes: from roots to everything reachable.
 *
 * Edges wait on a stack and pass through a short queue on their way off it: what enters the queue is prefetched, so that
 * its header and granule byte have arrived when it leaves (Cher, Hosking and Vitek, ASPLOS 2004). Elements of big arrays
 * are scanned a chunk at a time; what is left of the array waits on the stack as one entry.
 *
 * The stack cannot overflow: each object is scanned once, so each of its slots is on the stack at most once, and there is an
 * entry for each eight committed bytes; edges from roots, which may be any number, are drained as they come.
 *
 * Memory order. The owner's alone. Observers read headers and slots, never granules.
 */
#ifndef SM_EPOCH_MARK_H
#define SM_EPOCH_MARK_H

#include "epoch/slab.h"

#include "sapimem/roots.h"

struct sm_manager;
struct sm_types;

enum {
    EPOCH_MARK_QUEUE = 32,
    EPOCH_MARK_CHUNK_ELEMENTS = 512,
};

struct epoch_marker {
    struct sm_visitor roots; /**< first: visitors are downcast to markers; hand it to sm_roots_enumerate */
    struct sm_visitor edges; /**< for types that only their trace function describes */
    struct sm_manager *mm;
    const struct sm_types *types;
    uint8_t colour;    /**< what survivors carry */
    uint8_t kept_bits; /**< what else the byte of a first granule keeps as it is marked; 0 unless set before */
    uint32_t queue_first, queue_count;
    struct sm_object *queue[EPOCH_MARK_QUEUE];
    size_t depth, capacity;
    uintptr_t *stack;
    uint64_t live_objects, live_bytes; /**< marked so far; payloads */
};

/**
 * Reserve the stack, and choose the colour: not `last_colour`, that of the cycle before.
 *
 * Returns:     false when the system refused; nothing changed then.
 */
bool epoch_marker_init(struct epoch_marker *marker, struct sm_manager *mm, uint8_t last_colour);
void epoch_marker_finish(struct epoch_marker *marker);

/** One object is reachable; what it reaches waits. `context` is the marker. */
void epoch_marker_visit(void *context, struct sm_object *object);
/** The same of one that may be younger than the last safepoint: it is told apart in later emergencies too. */
void epoch_marker_visit_recent(void *context, struct sm_object *object);
/** Mark everything that waits and what it reaches. */
void epoch_marker_drain(struct epoch_marker *marker);
/**
 * R5, after the drain and before anything is retired: destructors that became due are chosen, and what they can
 * reach is marked too; a later cycle takes it, once they have run.
 */
void epoch_marker_keep_finalizable(struct epoch_marker *marker);

/** Whether `object` was marked; `context` is the marker. An sm_is_live. */
bool epoch_marker_is_live(void *context, const struct sm_object *object);

static inline bool epoch_is_marked(const struct sm_object *object, uint8_t colour)
{
    return (*epoch_granule_of(object) & EPOCH_COLOUR_MASK) == colour;
}

#endif
