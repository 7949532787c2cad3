/**
 * The edges of an object, by its type's layout, with what is done at each inlined; opaque types are traced.
 *
 * The storage of a HEAD is a part of it here, as elements are a part of their array in Zend: it is no edge, its
 * count stays 1, and only the elements in use are looked at.
 */
#ifndef SM_REFCOUNT_EDGES_H
#define SM_REFCOUNT_EDGES_H

#include "sapimem/alloc.h"
#include "sapimem/roots.h"

#include "assertion.h"
#include "type.h"

#include <string.h>

/** What a loop over edges carries along, in registers: a stack's top or the loop's owner, and a count. */
struct edge_state {
    void *at;
    uint64_t count;
};

/** What is done at an edge; returns the state for the next one. */
typedef struct edge_state edge_step(struct edge_state state, struct sm_object *child);

#define EDGES_INLINE static inline __attribute__((always_inline))

EDGES_INLINE const struct sm_type *edges_type(const struct sm_types *types, const struct sm_object *object)
{
    return &types->pages[object->type >> SM_TYPE_PAGE_BITS][object->type & (SM_TYPE_PAGE_ENTRIES - 1)];
}

EDGES_INLINE struct sm_object *edges_pointer(const void *slot)
{
    struct sm_object *target;
    memcpy(&target, slot, sizeof(struct sm_object *));
    return target;
}

EDGES_INLINE struct edge_state edges_value(const struct sm_value *slot, struct edge_state state, edge_step *step)
{
    if ((slot->tag & SM_TAG_HEAP) != 0)
        state = step(state, (struct sm_object *)(uintptr_t)slot->payload);
    return state;
}

EDGES_INLINE struct edge_state edges_slot(const char *slot, struct edge_state state, edge_step *step)
{
    struct sm_object *target = edges_pointer(slot);
    return target == NULL ? state : step(state, target);
}

/* Two loops, for most elements are values alone. */
EDGES_INLINE struct edge_state edges_elements(const struct sm_layout *layout, const char *element, size_t count,
                                              struct edge_state state, edge_step *step)
{
    if (SM_LIKELY(layout->stride == sizeof(struct sm_value))) {
        const struct sm_value *end = (const struct sm_value *)(const void *)element + count;
        for (const struct sm_value *slot = end - count; slot != end; slot++)
            state = edges_value(slot, state, step);
        return state;
    }
    size_t key = layout->key, stride = layout->stride;
    for (const char *end = element + count * stride; element != end; element += stride) {
        state = edges_value((const struct sm_value *)(const void *)element, state, step);
        if (key != 0)
            state = edges_slot(element + key, state, step);
    }
    return state;
}

/** The storage of a HEAD, or NULL. */
EDGES_INLINE struct sm_object *edges_storage(const struct sm_layout *layout, const struct sm_object *object)
{
    return edges_pointer((const char *)sm_payload_const(object) + layout->pointers[0]);
}

EDGES_INLINE struct edge_state edges_of_head(const struct sm_types *types, const struct sm_layout *head,
                                             const struct sm_object *object, struct edge_state state, edge_step *step)
{
    const struct sm_object *storage = edges_storage(head, object);
    uint64_t used;
    memcpy(&used, (const char *)sm_payload_const(object) + head->used, sizeof(used));
    if (storage == NULL || used == 0)
        return state;
    const struct sm_layout *layout = &edges_type(types, storage)->layout;
    SM_ASSERT(storage->count == 1);
    SM_ASSERT(layout->kind == SM_LAYOUT_SLOTS && layout->pointer_count == 0 && layout->first == 0);
    SM_ASSERT(used <= storage->payload_bytes / layout->element_bytes);
    return edges_elements(layout, sm_payload_const(storage), used, state, step);
}

EDGES_INLINE struct edge_state edges_of_slots(const struct sm_layout *layout, const struct sm_object *object,
                                              struct edge_state state, edge_step *step)
{
    const char *payload = sm_payload_const(object);
    if (layout->pointer_count != 0) {
        state = edges_slot(payload + layout->pointers[0], state, step);
        if (layout->pointer_count == 2)
            state = edges_slot(payload + layout->pointers[1], state, step);
    }
    if (layout->stride == 0)
        return state;
    uint64_t bytes = object->payload_bytes - layout->first;
    uint64_t count = layout->element_bytes == sizeof(struct sm_value) ? bytes / sizeof(struct sm_value)
                                                                      : bytes / layout->element_bytes;
    return edges_elements(layout, payload + layout->first, count, state, step);
}

/** Do `step` at every edge of `object`, whose type's layout this is; it is not OPAQUE. */
EDGES_INLINE struct edge_state edges_fold(const struct sm_types *types, const struct sm_layout *layout,
                                          const struct sm_object *object, struct edge_state state, edge_step *step)
{
    SM_ASSERT(layout->kind != SM_LAYOUT_OPAQUE);
    if (layout->kind == SM_LAYOUT_SLOTS)
        return edges_of_slots(layout, object, state, step);
    return edges_of_head(types, layout, object, state, step);
}

/** The same where only `trace` knows the edges. */
struct edge_state edges_trace(const struct sm_type *type, const struct sm_object *object, struct edge_state state,
                              edge_step *step);

/** Do `step` at every edge of `object`, which has this type. */
EDGES_INLINE struct edge_state edges_each(const struct sm_types *types, const struct sm_type *type,
                                          const struct sm_object *object, struct edge_state state, edge_step *step)
{
    if (SM_UNLIKELY(type->layout.kind == SM_LAYOUT_OPAQUE))
        return edges_trace(type, object, state, step);
    return edges_fold(types, &type->layout, object, state, step);
}

#endif
