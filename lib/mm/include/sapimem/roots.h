/**
 * Roots and edges: how a policy learns what is reachable.
 *
 * A root provider enumerates one kind of root and is registered under its own name, so that
 * telemetry and tests can tell kinds apart. A visitor receives edges; the same trace functions serve
 * the owner's marking and, with `shared` set, observers that read while the owner writes.
 */
#ifndef SAPIMEM_ROOTS_H
#define SAPIMEM_ROOTS_H

#include "sapimem/object.h"
#include "sapimem/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Receives each edge. Embed it first in a larger struct to carry state. */
struct sm_visitor {
    void (*edge)(struct sm_visitor *visitor, struct sm_object *target); /**< `target` is never NULL */
    bool shared; /**< read slots atomically: the visitor runs on an observer thread */
};

/**
 * Read a slot that its owner may be storing to, whole (a 16-byte value cannot tear).
 *
 * Threads:     any, under a guard.
 * Orders:      acquire; pairs with the release in sm_store's published form.
 */
struct sm_value sm_load_shared(const struct sm_value *slot);

static inline void sm_visit_value(struct sm_visitor *visitor, const struct sm_value *slot)
{
    struct sm_value value = visitor->shared ? sm_load_shared(slot) : *slot;
    if (sm_value_is_heap(value))
        visitor->edge(visitor, sm_value_object(value));
}

static inline void sm_visit_values(struct sm_visitor *visitor, const struct sm_value *slots, size_t slot_count)
{
    for (size_t i = 0; i < slot_count; i++)
        sm_visit_value(visitor, &slots[i]);
}

/** Visit a slot that holds a plain object pointer. `slot` is the address of any `struct X *` whose first member is the header. */
static inline void sm_visit_pointer(struct sm_visitor *visitor, const void *slot)
{
    /* Pairs with the release in sm_store_pointer: an observer sees the object whole. */
    struct sm_object *target = __atomic_load_n((struct sm_object *const *)slot, __ATOMIC_ACQUIRE);
    if (target != NULL)
        visitor->edge(visitor, target);
}

/** One kind of root. `enumerate` visits every root of that kind and changes nothing. */
struct sm_root_provider {
    const char *name;
    void (*enumerate)(void *context, struct sm_visitor *visitor);
    void *context;
};

/**
 * A provider whose roots are a stack, which may be deeper than one pause may look at (R11).
 *
 * It keeps two marks. Below the first is what an enumeration in pieces has not come to yet, still as it was when
 * that began: before anything there changes or is popped, the provider calls sm_roots_reach. Below the second, nothing
 * has changed since the last enumeration in pieces began, or the last young one was made: the provider lowers it before
 * that is no longer true. All are called by the manager, on the owner thread; `context` is the provider's.
 */
struct sm_root_stack {
    struct sm_root_provider provider; /**< its `enumerate` visits the whole stack at any time, and moves no mark */
    /** Begin: visit the newest `budget` roots at least, and set both marks. Returns how many are below the first. */
    size_t (*enumerate_top)(void *context, struct sm_visitor *visitor, size_t budget);
    /** Go on: visit the newest `budget` roots below the first mark, and lower it. Returns how many are left. */
    size_t (*enumerate_more)(void *context, struct sm_visitor *visitor, size_t budget);
    /** Visit all roots above the second mark, and raise it. Returns how many these were. */
    size_t (*enumerate_changed)(void *context, struct sm_visitor *visitor);
    /** Both marks go to the bottom: nothing is open, and anything may have changed. */
    void (*forget)(void *context);
};

/**
 * Register a provider; the struct is copied, its name is not.
 *
 * Returns:     SM_OK.
 * Errors:      SM_ERR_INVALID_ARGUMENT for a NULL name or function, or a name already registered;
 *              SM_ERR_OUT_OF_MEMORY.
 * Threads:     owner.
 */
sm_status sm_roots_register(struct sm_manager *mm, const struct sm_root_provider *provider);

/** Likewise for a stack. */
sm_status sm_roots_register_stack(struct sm_manager *mm, const struct sm_root_stack *stack);

/** Remove the provider called `name`; SM_ERR_INVALID_ARGUMENT when there is none. Threads: owner. */
sm_status sm_roots_unregister(struct sm_manager *mm, const char *name);

/** Number of registered providers, the library's own ("handles", "finalizers") included. */
size_t sm_roots_count(const struct sm_manager *mm);

/** Provider `index` in order of registration; NULL past the end. */
const struct sm_root_provider *sm_roots_get(const struct sm_manager *mm, size_t index);

/** Visit the roots of every provider, whatever enumeration is open. Threads: owner. */
void sm_roots_enumerate(struct sm_manager *mm, struct sm_visitor *visitor);

/* ---- Enumerations for policies: in pieces, and of what changed. Threads: owner. ---- */

/**
 * Begin an enumeration in pieces: visit all roots but the deep parts of stacks.
 *
 * In the end every root has been visited with the value it has now, whatever the program does between the pieces; those
 * it comes to earlier are visited at that moment. So `visitor` is kept until sm_roots_enumerate_end, and may be called
 * in the middle of the program: it must not call back into the public API. None may be open.
 * `budget` is in roots of stacks; the innermost frames are visited whole.
 *
 * Returns:     how many roots are left.
 * Cost:        O(budget + roots that are on no stack).
 */
size_t sm_roots_enumerate_begin(struct sm_manager *mm, struct sm_visitor *visitor, size_t budget);

/** Visit `budget` more. Returns how many are left. */
size_t sm_roots_enumerate_some(struct sm_manager *mm, size_t budget);

/** Let go of the visitor. Where roots are left the enumeration is given up, as for sm_roots_forget_clean. No-op when none is open. */
void sm_roots_enumerate_end(struct sm_manager *mm);

/**
 * Visit all roots that may differ from those that the last enumeration in pieces or young enumeration has visited: those
 * on no stack, and of stacks what changed. For a cycle that knows all others to be alive. None may be open.
 *
 * Returns:     how many roots of stacks it visited.
 */
size_t sm_roots_enumerate_young(struct sm_manager *mm, struct sm_visitor *visitor);

/** Have the next young enumeration visit everything: what was visited last was not kept alive after all. None may be open. */
void sm_roots_forget_clean(struct sm_manager *mm);

/**
 * For providers: visit at least the newest `count` roots that the open enumeration has not come to in the stack whose
 * provider has this context; enumerate_more is called for it.
 */
void sm_roots_reach(struct sm_manager *mm, const void *context, size_t count);

/** Visit every edge of `object`, as its type describes. Threads: owner; any with `shared` set, under a guard. */
void sm_trace(const struct sm_manager *mm, const struct sm_object *object, struct sm_visitor *visitor);

#ifdef __cplusplus
}
#endif
#endif
