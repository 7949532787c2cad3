/**
 * The replayer's own record of the heap: every object, every edge, every root, without the heap itself.
 *
 * It is what memory is compared with, the oracle of deaths, and the judge of whether a line may name an object.
 * An object is *released* when its last holder (slot, local, global, context entry) lets go: then refcount
 * frees it, a tracing policy may, and no line but `d` and `D` may name it. Cycles are never released by themselves;
 * shadow_is_reachable finds them. All tables lie in unlinked files.
 */
#ifndef TRACE_SHADOW_H
#define TRACE_SHADOW_H

#include "trace/decode.h"

struct sm_object;

/** An edge's target when its object died under it: memory may hold anything. */
#define SHADOW_STALE UINT32_MAX

enum shadow_state {
    SHADOW_FREE,
    SHADOW_LIVE,
    SHADOW_PENDING,  /**< lost its last holder; in the queue of releases */
    SHADOW_RELEASED, /**< dead by its counts; its `d` may follow */
};

/** A slot, and its place in the list of slots that refer to its target. */
struct shadow_edge {
    uint32_t target; /**< 0: empty; SHADOW_STALE */
    uint32_t owner;
    uint32_t next, previous; /**< edges with the same target; 0 ends */
};

struct shadow_object {
    struct sm_object *memory; /**< set by the replay; unused in a check */
    uint64_t bytes;           /**< payload beyond slots */
    uint32_t sequence;        /**< of the allocation, from 1 */
    uint32_t line;            /**< of the allocation; once released, of the release */
    uint32_t slot_count;      /**< the trace's; a weak object has one more edge, its weak one, behind them */
    uint32_t first_edge;
    uint32_t incoming;     /**< first edge that refers to it; 0: none */
    uint32_t holder_count; /**< strong edges and roots */
    uint32_t root_count;   /**< of which roots */
    uint32_t frame;        /**< depth of the frame whose local it is; 0: none */
    uint32_t local_next, local_previous;
    uint32_t link;       /**< queue of releases, or stack of a search */
    uint32_t stamp;      /**< the last search that met it */
    uint32_t cell_bytes; /**< payload of the weak cell it holds */
    uint8_t kind;
    uint8_t state;
    uint16_t flags;   /**< of the allocation */
    bool held_unseen; /**< something that died unseen by a machine held it: its count never reaches 0 there */
};

struct shadow {
    const struct trace_program *program;
    enum sm_sapi sapi;
    struct shadow_object *objects;
    struct shadow_edge *edges;
    uint32_t *globals, *context;
    uint32_t *frames; /**< first local of each open frame, from depth 1 */
    uint32_t depth;
    uint32_t edge_cursor;
    uint32_t sequence;  /**< allocations so far, passes before included */
    uint32_t pass_base; /**< allocations of the passes before */
    uint32_t pending_first, pending_last;
    uint32_t search;                   /**< stamp of the current search */
    uint64_t live_bytes, live_objects; /**< by the oracle: not released; payloads, weak cells included */
    uint64_t peak_live_bytes, peak_live_objects;
    struct trace_mapping tables[5];
};

/** Make an empty record for `program`, which outlives it. Errors: SM_ERR_SYSTEM. `*shadow` is safe to destroy in any case. */
sm_status shadow_create(const struct trace_program *program, enum sm_sapi sapi, struct shadow *shadow,
                        struct sm_error *error);
void shadow_destroy(struct shadow *shadow);

/** Forget all objects and roots, as before the first event; `sequence` and peaks go on. Nothing may be pending. */
void shadow_reset(struct shadow *shadow);

/**
 * Apply one event's effect on objects, edges and roots.
 *
 * The event has passed shadow_check. Objects that it releases are then pending: drain them with
 * shadow_pending and shadow_release, then call shadow_conclude.
 */
void shadow_apply(struct shadow *shadow, const struct trace_event *event);

/** The next object to release, or 0. Its edges are still there to be read. */
uint32_t shadow_pending(const struct shadow *shadow);
/** Release it: its edges go, and what they alone held becomes pending. */
void shadow_release(struct shadow *shadow, uint32_t index, uint32_t line);
/** What an event does once its releases are done: a death frees the record, an FPM request's end releases the cycles. */
void shadow_conclude(struct shadow *shadow, const struct trace_event *event);

/** Let go of every global and context entry, as at the end of a pass; what that releases is pending. */
void shadow_drop_roots(struct shadow *shadow);

/** Payload bytes of an object as the heap sees it: slots, hidden ones included, then raw bytes. */
uint64_t shadow_payload_bytes(const struct shadow_object *object);
/** Account for the weak cell that a weak object now holds. */
void shadow_set_cell_bytes(struct shadow *shadow, uint32_t object, uint32_t cell_bytes);

/**
 * Whether `object` can be reached from a root: a search from it through its holders.
 *
 * Nothing may be pending. Cost: its ancestors up to the first root; one or two for most.
 */
bool shadow_is_reachable(struct shadow *shadow, uint32_t object);

/** Stamp everything reachable; shadow_is_stamped asks then, until the next search. */
void shadow_stamp_reachable(struct shadow *shadow);

static inline bool shadow_is_stamped(const struct shadow *shadow, uint32_t object)
{
    return shadow->objects[object].stamp == shadow->search;
}

/**
 * Whether `event` may be applied: what it names is neither released nor unreachable, a death's slot holds the dying, and
 * nothing else does.
 *
 * Errors:      SM_ERR_INVALID_ARGUMENT, "PATH:LINE: ..." in `error`.
 */
sm_status shadow_check(struct shadow *shadow, const struct trace_event *event, struct sm_error *error);

/** Edges of `object`, its weak one included. */
static inline uint32_t shadow_edge_count(const struct shadow_object *object)
{
    return object->slot_count + (object->kind == TRACE_KIND_WEAK);
}

#endif
