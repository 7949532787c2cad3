/* Marking with a prefetching queue before the stack. */
#include "epoch/mark.h"

#include "epoch/barrier.h"
#include "epoch/chunks.h"
#include "epoch/heap.h"

#include "finalizer_selection.h"
#include "manager_internal.h"

#include <string.h>
#include <sys/mman.h>

enum {
    ENTRY_BYTES = sizeof(uintptr_t),
    /** Room for root edges that wait, and for the rest of arrays being scanned. */
    SPARE_ENTRIES = 1 << 20,
    ROOTS_DRAIN_DEPTH = SPARE_ENTRIES / 2,
    /** Below this much nobody asks for the pages of the stack back. */
    TRIM_BYTES = 1 << 18,
    /** Tag of a stack entry: an object of which only the elements from the chunk in the entry below on are left to scan. */
    REST_OF_ARRAY = 1,
};

/* ---- The stack. ---- */

static inline void push(struct epoch_marker *marker, uintptr_t entry)
{
    SM_ASSERT(marker->depth < marker->capacity);
    marker->stack[marker->depth++] = entry;
}

static inline void push_object(struct epoch_marker *marker, const struct sm_object *object)
{
    push(marker, (uintptr_t)object);
}

static inline void push_pointer(struct epoch_marker *marker, const char *slot)
{
    struct sm_object *target;
    memcpy(&target, slot, sizeof(struct sm_object *));
    if (target != NULL)
        push_object(marker, target);
}

static inline void push_value(struct epoch_marker *marker, const struct sm_value *slot)
{
    if ((slot->tag & SM_TAG_HEAP) != 0)
        push(marker, (uintptr_t)slot->payload);
}

/* ---- Scanning one object. ---- */

/* Two loops, for most elements are values alone. */
static inline void scan_elements(struct epoch_marker *marker, const struct sm_layout *layout, const char *element,
                                 size_t count)
{
    if (SM_LIKELY(layout->stride == sizeof(struct sm_value))) {
        const struct sm_value *end = (const struct sm_value *)(const void *)element + count;
        for (const struct sm_value *slot = end - count; slot != end; slot++)
            push_value(marker, slot);
        return;
    }
    size_t stride = layout->stride, key = layout->key;
    for (const char *end = element + count * stride; element != end; element += stride) {
        push_value(marker, (const struct sm_value *)(const void *)element);
        if (key != 0)
            push_pointer(marker, element + key);
    }
}

/* A division costs more than the rest of a small object. */
static inline size_t element_count(const struct sm_layout *layout, const struct sm_object *object)
{
    if (layout->kind != SM_LAYOUT_SLOTS || layout->stride == 0 || object->payload_bytes <= layout->first)
        return 0;
    size_t bytes = (size_t)object->payload_bytes - layout->first;
    return layout->element_bytes == sizeof(struct sm_value) ? bytes / sizeof(struct sm_value)
                                                            : bytes / layout->element_bytes;
}

static inline void scan_range(struct epoch_marker *marker, const struct sm_layout *layout,
                              const struct sm_object *object, size_t first, size_t count)
{
    const char *element = (const char *)sm_payload_const(object) + layout->first + first * layout->stride;
    scan_elements(marker, layout, element, count);
}

static inline void scan_pointers(struct epoch_marker *marker, const struct sm_layout *layout,
                                 const struct sm_object *object)
{
    for (size_t i = 0; i < layout->pointer_count; i++)
        push_pointer(marker, (const char *)sm_payload_const(object) + layout->pointers[i]);
}

static inline const struct sm_type *type_of(const struct epoch_marker *marker, const struct sm_object *object)
{
    SM_ASSERT(object->type < marker->types->count);
    return &marker->types->pages[object->type >> SM_TYPE_PAGE_BITS][object->type & (SM_TYPE_PAGE_ENTRIES - 1)];
}

/* One chunk of an array; the rest waits below what this pushes. */
static void scan_chunk(struct epoch_marker *marker, const struct sm_layout *layout, const struct sm_object *object,
                       size_t chunk)
{
    size_t first = chunk * EPOCH_CHUNK_ELEMENTS;
    size_t count = element_count(layout, object) - first;
    if (count > EPOCH_CHUNK_ELEMENTS) {
        push(marker, chunk + 1);
        push(marker, (uintptr_t)object | REST_OF_ARRAY);
        count = EPOCH_CHUNK_ELEMENTS;
    }
    uint8_t *chunks = epoch_chunks_of(object, layout);
    bool is_claimed = chunks != NULL && marker->is_beside && !epoch_claim_chunk(&chunks[chunk], marker->colour);
    if (is_claimed)
        return; /* the program has logged what was in it */
    if (chunk == 0)
        scan_pointers(marker, layout, object);
    scan_range(marker, layout, object, first, count);
    if (chunks != NULL)
        epoch_granule_release(&chunks[chunk], marker->colour);
}

static inline void scan(struct epoch_marker *marker, const struct sm_object *object, const struct sm_type *type)
{
    const struct sm_layout *layout = &type->layout;
    if (layout->kind == SM_LAYOUT_OPAQUE) {
        type->trace(object, &marker->edges);
        return;
    }
    if (SM_UNLIKELY(epoch_chunks_of(object, layout) != NULL)) {
        scan_chunk(marker, layout, object, 0);
        return;
    }
    scan_pointers(marker, layout, object);
    size_t count = element_count(layout, object);
    if (count != 0)
        scan_range(marker, layout, object, 0, count);
}

/* ---- Marking. ---- */

static inline void count_marked(struct epoch_marker *marker, const struct sm_object *object, size_t count)
{
    epoch_block_of(object)->live_granules[epoch_colour_index(marker->colour)] += (uint32_t)count;
    marker->live_objects++;
    marker->live_bytes += object->payload_bytes;
}

static void mark_stopped(struct epoch_marker *marker, struct sm_object *object)
{
    uint8_t *granule = epoch_granule_of(object);
    if ((__atomic_load_n(granule, __ATOMIC_RELAXED) & EPOCH_COLOUR_MASK) ==
        marker->colour) /* a sweep may be beside it */
        return;
    if (SM_UNLIKELY((sm_object_flags(object) & EPOCH_RETIRED) != 0)) {
        SM_ASSERT(marker->is_young); /* by something remembered that is dead; otherwise R1: it is reachable */
        return;
    }
    size_t count = epoch_marked_granules(object);
    uint8_t kept = *granule & marker->kept_bits;
    epoch_granules_set(granule, count, marker->colour | kept);
    epoch_arm(object);
    count_marked(marker, object, count);
    const struct sm_type *type = type_of(marker, object);
    if (type->trace != NULL)
        scan(marker, object, type);
}

/* R8. An object in chunks is claimed chunk by chunk; one without edges, whose slots nobody writes, not at all. */
static void mark_beside(struct epoch_marker *marker, struct sm_object *object)
{
    uint8_t *granule = epoch_granule_of(object);
    if ((__atomic_load_n(granule, __ATOMIC_RELAXED) & EPOCH_COLOUR_MASK) != marker->unmarked)
        return;
    size_t count = epoch_marked_granules(object);
    const struct sm_type *type = type_of(marker, object);
    bool is_whole = type->trace != NULL && epoch_chunks_of(object, &type->layout) == NULL;
    bool is_ours = !is_whole || epoch_claim_object(granule, marker->colour);
    if (count > 1)
        __atomic_store_n(&granule[count - 1], (uint8_t)(marker->colour | EPOCH_END), __ATOMIC_RELAXED);
    count_marked(marker, object, count);
    if (type->trace != NULL && is_ours)
        scan(marker, object, type);
    if (is_ours)
        epoch_granule_release(granule, (uint8_t)(marker->colour | EPOCH_START | (count == 1 ? EPOCH_END : 0)));
}

static inline void mark(struct epoch_marker *marker, struct sm_object *object)
{
    if (marker->is_beside)
        mark_beside(marker, object);
    else
        mark_stopped(marker, object);
}

/* ---- The queue. ---- */

static inline void enqueue(struct epoch_marker *marker, struct sm_object *object)
{
    __builtin_prefetch(epoch_granule_of(object), 1);
    __builtin_prefetch(object, 0);
    __builtin_prefetch((const char *)object + 64, 0);
    marker->queue[(marker->queue_first + marker->queue_count++) % EPOCH_MARK_QUEUE] = object;
}

static inline struct sm_object *dequeue(struct epoch_marker *marker)
{
    struct sm_object *object = marker->queue[marker->queue_first];
    marker->queue_first = (marker->queue_first + 1) % EPOCH_MARK_QUEUE;
    marker->queue_count--;
    return object;
}

/* The rest of an array is scanned as it comes off the stack: it was marked before. */
static void scan_rest(struct epoch_marker *marker, uintptr_t entry)
{
    const struct sm_object *object = (const struct sm_object *)(entry & ~(uintptr_t)REST_OF_ARRAY);
    size_t chunk = marker->stack[--marker->depth];
    scan_chunk(marker, &type_of(marker, object)->layout, object, chunk);
}

static inline void fill_queue(struct epoch_marker *marker, uint64_t *budget)
{
    while (marker->queue_count < EPOCH_MARK_QUEUE && marker->depth > 0 && *budget > 0) {
        uintptr_t entry = marker->stack[--marker->depth];
        if ((entry & REST_OF_ARRAY) == 0) {
            enqueue(marker, (struct sm_object *)entry);
        } else {
            scan_rest(marker, entry);
            --*budget;
        }
    }
}

bool epoch_marker_drain_some(struct epoch_marker *marker, uint64_t budget, uint64_t *done)
{
    uint64_t before = budget;
    for (;;) {
        fill_queue(marker, &budget);
        if (marker->queue_count == 0 || budget == 0)
            break;
        mark(marker, dequeue(marker));
        budget--;
    }
    *done += before - budget;
    return epoch_marker_is_idle(marker);
}

void epoch_marker_drain(struct epoch_marker *marker)
{
    uint64_t done = 0;
    (void)epoch_marker_drain_some(marker, UINT64_MAX, &done);
}

void epoch_marker_visit_slots(struct epoch_marker *marker, const struct sm_object *object, size_t chunk)
{
    const struct sm_type *type = type_of(marker, object);
    if (epoch_chunks_of(object, &type->layout) == NULL) {
        if (type->trace != NULL)
            scan(marker, object, type);
        return;
    }
    size_t first = chunk * EPOCH_CHUNK_ELEMENTS;
    size_t count = element_count(&type->layout, object);
    size_t left = count > first ? count - first : 0;
    if (chunk == 0)
        scan_pointers(marker, &type->layout, object);
    scan_range(marker, &type->layout, object, first, left < EPOCH_CHUNK_ELEMENTS ? left : EPOCH_CHUNK_ELEMENTS);
}

/* ---- Roots. ---- */

static struct epoch_marker *marker_of_edges(struct sm_visitor *visitor)
{
    return (struct epoch_marker *)(void *)((char *)visitor - offsetof(struct epoch_marker, edges));
}

static void push_edge(struct sm_visitor *visitor, struct sm_object *target)
{
    push_object(marker_of_edges(visitor), target);
}

static void push_root(struct sm_visitor *visitor, struct sm_object *target)
{
    epoch_marker_visit(visitor, target);
}

void epoch_marker_visit(void *context, struct sm_object *object)
{
    struct epoch_marker *marker = context;
    push_object(marker, object);
    if (marker->depth >= ROOTS_DRAIN_DEPTH)
        epoch_marker_drain(marker);
}

/* Marked at once, so that nobody marks it again and takes the bit away. */
void epoch_marker_visit_recent(void *context, struct sm_object *object)
{
    struct epoch_marker *marker = context;
    mark(marker, object);
    *epoch_granule_of(object) |= EPOCH_RECENT;
    if (marker->depth >= ROOTS_DRAIN_DEPTH)
        epoch_marker_drain(marker);
}

bool epoch_marker_is_live(void *context, const struct sm_object *object)
{
    const struct epoch_marker *marker = context;
    uint8_t colour = epoch_colour_of(object);
    return marker->is_beside ? colour != marker->unmarked : colour == marker->colour;
}

void epoch_marker_keep_finalizable(struct epoch_marker *marker)
{
    SM_ASSERT(epoch_marker_is_idle(marker));
    size_t moved = marker->is_young ? sm_finalizers_select_young(marker->mm, epoch_marker_is_live, marker)
                                    : sm_finalizers_select(marker->mm, epoch_marker_is_live, marker);
    if (moved == 0)
        return;
    sm_finalizers_visit_ready(marker->mm, &marker->roots);
    epoch_marker_drain(marker);
}

/* ---- Beginning and end. ---- */

/*
 * The stack is the library's memory, not the heap's: counted against the limit it could not be had in
 * the very emergency that needs it. Only the pages that marking touches become real.
 */
bool epoch_marker_reserve(struct epoch_marker *marker, struct sm_manager *mm)
{
    size_t needed = (size_t)sm_committed_bytes(mm) / ENTRY_BYTES + SPARE_ENTRIES;
    marker->mm = mm;
    if (marker->capacity >= needed)
        return true;
    void *stack = mmap(NULL, 2 * needed * ENTRY_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stack == MAP_FAILED)
        return false;
    epoch_marker_finish(marker);
    marker->stack = stack;
    marker->capacity = 2 * needed;
    return true;
}

void epoch_marker_begin(struct epoch_marker *marker, uint8_t colour, uint8_t unmarked)
{
    struct sm_manager *mm = marker->mm;
    size_t capacity = marker->capacity;
    uintptr_t *stack = marker->stack;
    SM_ASSERT(epoch_marker_is_idle(marker));
    *marker = (struct epoch_marker){
        .roots = {.edge = push_root, .shared = false},
        .edges = {.edge = push_edge, .shared = false},
        .mm = mm,
        .types = &mm->types,
        .colour = colour,
        .unmarked = unmarked,
        .is_beside = unmarked != EPOCH_COLOUR_NONE,
        .capacity = capacity,
        .stack = stack,
    };
}

void epoch_marker_abandon(struct epoch_marker *marker)
{
    marker->depth = 0;
    marker->queue_count = 0;
}

void epoch_marker_trim(struct epoch_marker *marker)
{
    SM_ASSERT(epoch_marker_is_idle(marker));
    if (marker->stack != NULL)
        (void)madvise((char *)marker->stack + TRIM_BYTES, marker->capacity * ENTRY_BYTES - TRIM_BYTES, MADV_DONTNEED);
}

void epoch_marker_finish(struct epoch_marker *marker)
{
    if (marker->stack != NULL)
        munmap(marker->stack, marker->capacity * ENTRY_BYTES);
    marker->stack = NULL;
    marker->capacity = 0;
}
