/** The plain programs' heap on sapimem (heap.h). */
#ifndef PLAIN_HEAP_SIDE_H
#define PLAIN_HEAP_SIDE_H

#include "heap.h"

#include "sapimem/alloc.h"

#include <assert.h>

#define HEAP_HEADER struct sm_object header;
#define HEAP_HEADER_BYTES SM_HEADER_BYTES

struct heap {
    struct heap_figures figures;
    struct sm_manager *mm;
    sm_type_id types[HEAP_KIND_COUNT];
    struct sm_object *roots[HEAP_ROOTS];
    struct sm_object *held[HEAP_HELD_MAX]; /* under construction, known to C locals alone */
    size_t held_count;
};

/** `bytes` is the size of the struct, HEAP_HEADER included; zeroed unless it is HEAP_NUMBERS. */
static inline void *heap_new(struct heap *heap, enum heap_kind kind, size_t bytes)
{
    size_t payload_bytes = bytes - SM_HEADER_BYTES;
    struct sm_object *object = kind == HEAP_NUMBERS ? sm_alloc_leaf(heap->mm, heap->types[kind], payload_bytes)
                                                    : sm_alloc(heap->mm, heap->types[kind], payload_bytes);
    if (SM_UNLIKELY(object == NULL))
        heap_refused(heap, payload_bytes);
    heap->figures.allocations++;
    heap->figures.bytes += payload_bytes;
    return object;
}

/** `slot`, inside `owner`, refers to `target`, which the caller has just made or holds. */
static inline void heap_take(struct heap *heap, void *owner, void *slot, void *target)
{
    sm_store_pointer_take(heap->mm, (struct sm_object *)owner, slot, target);
}

static inline void heap_root_take(struct heap *heap, size_t root, void *object)
{
    struct sm_object *old = heap->roots[root];
    heap->roots[root] = (struct sm_object *)object;
    if (old != NULL)
        sm_value_drop(heap->mm, sm_value_from_object(old, 0));
}

/** Keep `object` until it is stored: a collection may come before. The last `count` held objects have been stored. */
static inline void heap_hold(struct heap *heap, void *object)
{
    assert(heap->held_count < HEAP_HELD_MAX);
    heap->held[heap->held_count++] = (struct sm_object *)object;
}

static inline void heap_unhold(struct heap *heap, size_t count)
{
    heap->held_count -= count;
}

/** Everything is stored, rooted or held. */
static inline void heap_safepoint(struct heap *heap)
{
    sm_safepoint(heap->mm);
}

static inline struct heap_array *heap_array_new(struct heap *heap, size_t count)
{
    struct sm_object *block = sm_alloc(heap->mm, SM_TYPE_VALUES, count * sizeof(struct sm_value));
    if (SM_UNLIKELY(block == NULL))
        heap_refused(heap, count * sizeof(struct sm_value));
    heap->figures.allocations++;
    heap->figures.bytes += block->payload_bytes;
    return (struct heap_array *)block;
}

static inline struct sm_value *heap_array_slot(struct heap_array *array, size_t index)
{
    return (struct sm_value *)sm_payload((struct sm_object *)array) + index;
}

static inline void *heap_array_get(struct heap_array *array, size_t index)
{
    return sm_value_object(*heap_array_slot(array, index));
}

static inline void heap_array_take(struct heap *heap, struct heap_array *array, size_t index, void *target)
{
    sm_store_take(heap->mm, (struct sm_object *)array, heap_array_slot(array, index),
                  sm_value_from_object((struct sm_object *)target, 0));
}

#endif
