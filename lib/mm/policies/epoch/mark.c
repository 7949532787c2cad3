/* Marking with a prefetching queue before the stack. */
#include "epoch/mark.h"

#include "epoch/heap.h"

#include "manager_internal.h"

#include <string.h>
#include <sys/mman.h>

enum {
    ENTRY_BYTES = sizeof(uintptr_t),
    /** Room for root edges that wait, and for the rest of arrays being scanned. */
    SPARE_ENTRIES = 1 << 16,
    ROOTS_DRAIN_DEPTH = SPARE_ENTRIES / 2,
    /** Tag of a stack entry: an object of which only the elements from the index in the entry below on are left to scan. */
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
    size_t bytes = (size_t)object->payload_bytes - layout->first;
    return layout->element_bytes == sizeof(struct sm_value) ? bytes / sizeof(struct sm_value)
                                                            : bytes / layout->element_bytes;
}

/* From element `index` on, at most a chunk now; the rest waits below what this pushes. */
static inline void scan_array(struct epoch_marker *marker, const struct sm_layout *layout,
                              const struct sm_object *object, size_t index)
{
    size_t count = element_count(layout, object) - index;
    const char *element = (const char *)sm_payload_const(object) + layout->first + index * layout->stride;
    if (SM_UNLIKELY(count > EPOCH_MARK_CHUNK_ELEMENTS)) {
        push(marker, index + EPOCH_MARK_CHUNK_ELEMENTS);
        push(marker, (uintptr_t)object | REST_OF_ARRAY);
        count = EPOCH_MARK_CHUNK_ELEMENTS;
    }
    scan_elements(marker, layout, element, count);
}

static inline const struct sm_type *type_of(const struct epoch_marker *marker, const struct sm_object *object)
{
    SM_ASSERT(object->type < marker->types->count);
    return &marker->types->pages[object->type >> SM_TYPE_PAGE_BITS][object->type & (SM_TYPE_PAGE_ENTRIES - 1)];
}

static inline void scan(struct epoch_marker *marker, const struct sm_object *object)
{
    const struct sm_type *type = type_of(marker, object);
    const struct sm_layout *layout = &type->layout;
    if (type->trace == NULL)
        return;
    if (layout->kind == SM_LAYOUT_OPAQUE) {
        type->trace(object, &marker->edges);
        return;
    }
    for (size_t i = 0; i < layout->pointer_count; i++)
        push_pointer(marker, (const char *)sm_payload_const(object) + layout->pointers[i]);
    if (layout->kind == SM_LAYOUT_SLOTS && layout->stride != 0 && object->payload_bytes > layout->first)
        scan_array(marker, layout, object, 0);
}

/* ---- Marking. ---- */

/* The granules of its first and last byte; in a block that is shared they tell a sweep where it ends. */
static inline void set_granules(uint8_t *granule, size_t count, uint8_t colour)
{
    if (count == 1) {
        *granule = (uint8_t)(colour | EPOCH_START | EPOCH_END);
        return;
    }
    granule[0] = (uint8_t)(colour | EPOCH_START);
    granule[count - 1] = (uint8_t)(colour | EPOCH_END);
}

/* Granules that are marked and counted for it: of a large object, which may have more than a count holds, one. */
static inline size_t marked_granules(size_t room_bytes)
{
    return room_bytes > EPOCH_SHARED_MAX_BYTES ? 1 : room_bytes / EPOCH_GRANULE_BYTES;
}

static inline void mark(struct epoch_marker *marker, struct sm_object *object)
{
    uint8_t *granule = epoch_granule_of(object);
    if ((*granule & EPOCH_COLOUR_MASK) == marker->colour)
        return;
    SM_ASSERT((sm_object_flags(object) & EPOCH_RETIRED) == 0); /* R1: something reachable still refers to it */
    size_t count = marked_granules(sm_block_bytes((size_t)object->payload_bytes));
    uint8_t kept = *granule & marker->kept_bits;
    set_granules(granule, count, marker->colour);
    *granule |= kept;
    epoch_block_of(object)->live_granules += (uint32_t)count;
    marker->live_objects++;
    marker->live_bytes += object->payload_bytes;
    scan(marker, object);
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
    size_t index = marker->stack[--marker->depth];
    scan_array(marker, &type_of(marker, object)->layout, object, index);
}

void epoch_marker_drain(struct epoch_marker *marker)
{
    for (;;) {
        while (marker->queue_count < EPOCH_MARK_QUEUE && marker->depth > 0) {
            uintptr_t entry = marker->stack[--marker->depth];
            if ((entry & REST_OF_ARRAY) != 0)
                scan_rest(marker, entry);
            else
                enqueue(marker, (struct sm_object *)entry);
        }
        if (marker->queue_count == 0)
            return;
        mark(marker, dequeue(marker));
    }
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
    return epoch_is_marked(object, ((const struct epoch_marker *)context)->colour);
}

void epoch_marker_keep_finalizable(struct epoch_marker *marker)
{
    SM_ASSERT(marker->depth == 0 && marker->queue_count == 0);
    if (sm_finalizers_select(marker->mm, epoch_marker_is_live, marker) == 0)
        return;
    sm_finalizers_visit_ready(marker->mm, &marker->roots);
    epoch_marker_drain(marker);
}

/* ---- Beginning and end. ---- */

/*
 * The stack is the library's memory, not the heap's: counted against the limit it could not be had in
 * the very emergency that needs it. Only the pages that marking touches become real.
 */
bool epoch_marker_init(struct epoch_marker *marker, struct sm_manager *mm, uint8_t last_colour)
{
    *marker = (struct epoch_marker){
        .roots = {.edge = push_root, .shared = false},
        .edges = {.edge = push_edge, .shared = false},
        .mm = mm,
        .types = &mm->types,
        .colour = last_colour == EPOCH_COLOUR_A ? EPOCH_COLOUR_B : EPOCH_COLOUR_A,
        .capacity = (size_t)sm_committed_bytes(mm) / ENTRY_BYTES + SPARE_ENTRIES,
    };
    void *stack = mmap(NULL, marker->capacity * ENTRY_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stack == MAP_FAILED)
        return false;
    marker->stack = stack;
    return true;
}

void epoch_marker_finish(struct epoch_marker *marker)
{
    SM_ASSERT(marker->depth == 0 && marker->queue_count == 0);
    munmap(marker->stack, marker->capacity * ENTRY_BYTES);
    marker->stack = NULL;
}
