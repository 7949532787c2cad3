/**
 * Objects with destructors: the registered ones, and the queue of those that are due (R5).
 *
 * Where counts say that an object is dead its destructor runs at once (sm_finalizer_run_now), possibly inside
 * another one; `index` then knows every registered object's position, and those taken out leave NULL.
 *
 * Invariants. An object is in `registered` or in `ready`, never in both, and in each at most once.
 * `ready` always has room for everything registered, so selecting during a cycle cannot fail. The ready
 * objects and those whose destructors run are roots (provider "finalizers"); registered ones are not.
 * `registered` is in order of registration, so "since" is a position: what moves down takes the positions along.
 * Selections: finalizer_selection.h.
 */
#ifndef SM_FINALIZER_H
#define SM_FINALIZER_H

#include "sapimem/manager.h"
#include "object_map.h"
#include "sapimem/roots.h"

struct sm_policy;

/** One destructor that runs now; they nest on the C stack. */
struct sm_running_finalizer {
    struct sm_object *object;
    struct sm_running_finalizer *outer;
    bool is_prompt;      /**< its object's last drop started it, not a cycle */
    size_t autoreleased; /**< what the code that it interrupts may hold: the first so many of sm_autorelease */
};

/** A selection in pieces. Slots kept .. next - 1 are NULL: what stood there has moved down, or to the queue. */
struct sm_finalizer_scan {
    bool is_open;
    size_t kept, next;
    size_t end; /**< from here on: registered since it began, so not asked about */
};

struct sm_finalizers {
    size_t count, capacity;        /**< slots of `registered` in use, NULL ones included */
    size_t gap_count;              /**< of them NULL */
    size_t young_from;             /**< from here on: registered since the last selection ended */
    struct sm_finalizer_scan scan; /**< zeroed: none is open */
    struct sm_object **registered; /**< in order of registration */
    bool is_indexed;               /**< counts may end an object: keep `index` */
    bool is_indexed_late;          /**< only to the end of the request, which has begun */
    bool is_running_all;           /**< in order of registration: gaps stay */
    struct sm_object_map index;
    size_t ready_first, ready_end, ready_capacity;
    struct sm_object **ready;
    struct sm_running_finalizer *running; /**< the innermost; NULL: none runs */
    uint64_t run_count;
    void (*hand_out)(struct sm_policy *policy, struct sm_object *object); /**< NULL: the policy need not know */
};

void sm_finalizers_finish(struct sm_finalizers *finalizers);
/** Root provider "finalizers"; `context` is the manager. */
void sm_finalizers_enumerate(void *context, struct sm_visitor *visitor);
/** Close the gaps that objects taken out one by one have left. */
void sm_finalizers_compact(struct sm_finalizers *finalizers);
/** Run the destructors that are due, as one pause; not from inside one. Returns how many ran. Threads: owner, at a safepoint. */
size_t sm_finalizers_run_ready(struct sm_manager *mm);

static inline size_t sm_finalizers_ready_count(const struct sm_finalizers *finalizers)
{
    return finalizers->ready_end - finalizers->ready_first;
}

#endif
