/**
 * One stop-the-world marking: from roots to everything reachable, with an explicit stack.
 *
 * The stack has an entry per existing object, and each object is pushed once, when it is marked; so it
 * cannot overflow, however long a chain is. Two mark values alternate from cycle to cycle, so that no cycle
 * clears marks: survivors of the last one carry the other value, and newer objects none.
 *
 * A policy that uses this gives it the two mark bits of its own flag byte.
 *
 * Memory order. The owner's alone, but for the flags: observers may be reading them, so they are written with
 * relaxed atomics, and by the owner only. Edges are read plainly, for nobody else stores.
 */
#ifndef SM_MARKER_H
#define SM_MARKER_H

#include "assertion.h"
#include "sapimem/roots.h"

/** Values of the mark bits in an object's flags. */
enum sm_mark {
    SM_MARK_NONE = 0, /**< no cycle has seen it */
    SM_MARK_A = 0x0100,
    SM_MARK_B = 0x0200,
    SM_MARK_MASK = 0x0300,
};

struct sm_marker {
    struct sm_visitor visitor; /**< first: visitors are downcast to markers; hand it to sm_roots_enumerate */
    struct sm_manager *mm;
    uint16_t mark;       /**< what survivors carry */
    uint16_t dead_flags; /**< flags that nothing reachable may carry; asserted */
    size_t depth, capacity;
    struct sm_object **stack;
    uint64_t live_objects, live_bytes; /**< marked so far; payloads */
};

/**
 * Reserve the stack for `object_count` objects, and choose the mark: not `last_mark`, that of the cycle before.
 *
 * Returns:     false when the system refused; nothing changed then.
 */
bool sm_marker_init(struct sm_marker *marker, struct sm_manager *mm, size_t object_count, uint16_t last_mark,
                    uint16_t dead_flags);
void sm_marker_finish(struct sm_marker *marker);

/** Mark one object; what it reaches waits on the stack. */
void sm_marker_mark(struct sm_marker *marker, struct sm_object *object);
/** The same as a visit of a walk; `context` is the marker. */
void sm_marker_visit(void *context, struct sm_object *object);
/** Mark everything reachable from the objects on the stack. */
void sm_marker_drain(struct sm_marker *marker);

/**
 * R5, after the drain and before anything is freed: destructors that became due are chosen, and what they can
 * reach is marked too; a later cycle takes it, once they have run.
 */
void sm_marker_keep_finalizable(struct sm_marker *marker);

/** Whether `object` was marked; `context` is the marker. An sm_is_live. */
bool sm_marker_is_live(void *context, const struct sm_object *object);

static inline bool sm_is_marked(const struct sm_object *object, uint16_t mark)
{
    return (sm_object_flags(object) & SM_MARK_MASK) == mark;
}

#endif
