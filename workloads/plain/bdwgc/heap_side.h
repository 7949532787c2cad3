/** The plain programs' heap on bdwgc (heap.h): roots and what is under construction it finds by itself. */
#ifndef PLAIN_HEAP_SIDE_H
#define PLAIN_HEAP_SIDE_H

#include "heap.h"

#include <gc/gc.h>
#include <string.h>

#define HEAP_HEADER
#define HEAP_HEADER_BYTES 0

struct heap {
    struct heap_figures figures;
    void *roots[HEAP_ROOTS];
    uint64_t stop_start_ns, stop_start_delay_ns;
    uint64_t peak_committed_bytes;
};

static inline void *heap_new(struct heap *heap, enum heap_kind kind, size_t bytes)
{
    void *object = kind == HEAP_NUMBERS ? GC_MALLOC_ATOMIC(bytes) : GC_MALLOC(bytes);
    if (__builtin_expect(object == NULL, 0))
        heap_refused(heap, bytes);
    heap->figures.allocations++;
    heap->figures.bytes += bytes;
    return object;
}

static inline void heap_take(struct heap *heap, void *owner, void *slot, void *target)
{
    (void)heap;
    (void)owner;
    memcpy(slot, &target, sizeof(target));
}

static inline void heap_root_take(struct heap *heap, size_t root, void *object)
{
    heap->roots[root] = object;
}

static inline void heap_hold(struct heap *heap, void *object)
{
    (void)heap;
    (void)object;
}

static inline void heap_unhold(struct heap *heap, size_t count)
{
    (void)heap;
    (void)count;
}

static inline void heap_safepoint(struct heap *heap)
{
    (void)heap;
}

/** The bytes are those of sapimem's slots in the figures, so that both sides count the same program. */
static inline struct heap_array *heap_array_new(struct heap *heap, size_t count)
{
    void **array = (void **)GC_MALLOC(count * sizeof(void *));
    if (__builtin_expect(array == NULL, 0))
        heap_refused(heap, count * sizeof(void *));
    heap->figures.allocations++;
    heap->figures.bytes += 16 * count;
    return (struct heap_array *)array;
}

static inline void *heap_array_get(struct heap_array *array, size_t index)
{
    return ((void **)array)[index];
}

static inline void heap_array_take(struct heap *heap, struct heap_array *array, size_t index, void *target)
{
    (void)heap;
    ((void **)array)[index] = target;
}

#endif
