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
 * Register a provider; the struct is copied, its name is not.
 *
 * Returns:     SM_OK.
 * Errors:      SM_ERR_INVALID_ARGUMENT for a NULL name or function, or a name already registered;
 *              SM_ERR_OUT_OF_MEMORY.
 * Threads:     owner.
 */
sm_status sm_roots_register(struct sm_manager *mm, const struct sm_root_provider *provider);

/** Remove the provider called `name`; SM_ERR_INVALID_ARGUMENT when there is none. Threads: owner. */
sm_status sm_roots_unregister(struct sm_manager *mm, const char *name);

/** Number of registered providers, the library's own ("handles", "finalizers") included. */
size_t sm_roots_count(const struct sm_manager *mm);

/** Provider `index` in order of registration; NULL past the end. */
const struct sm_root_provider *sm_roots_get(const struct sm_manager *mm, size_t index);

/** Visit the roots of every provider. Threads: owner. */
void sm_roots_enumerate(struct sm_manager *mm, struct sm_visitor *visitor);

/** Visit every edge of `object`, as its type describes. Threads: owner; any with `shared` set, under a guard. */
void sm_trace(const struct sm_manager *mm, const struct sm_object *object, struct sm_visitor *visitor);

#ifdef __cplusplus
}
#endif
#endif
