/* Marking: from roots to everything reachable, with an explicit stack. */
#include "epoch/epoch_internal.h"

#include <sys/mman.h>

enum { ENTRY_BYTES = sizeof(struct sm_object *) };

bool epoch_is_marked(const struct sm_object *object, uint16_t mark)
{
    return (sm_object_flags(object) & EPOCH_MARK_MASK) == mark;
}

/* Flags are written by the owner only; relaxed, because observers may be reading their low byte. */
static void set_mark(struct sm_object *object, uint16_t mark)
{
    uint16_t others = (uint16_t)(sm_object_flags(object) & (uint16_t)~EPOCH_MARK_MASK);
    __atomic_store_n(&object->flags, (uint16_t)(others | mark), __ATOMIC_RELAXED);
}

/* Each object is pushed when it is marked, so at most once. */
void epoch_mark_object(struct epoch_marker *marker, struct sm_object *object)
{
    if (epoch_is_marked(object, marker->mark))
        return;
    SM_ASSERT((sm_object_flags(object) & EPOCH_RETIRED) == 0); /* R1: something reachable still refers to it */
    SM_ASSERT(marker->depth < marker->capacity);
    set_mark(object, marker->mark);
    marker->live_objects++;
    marker->live_bytes += object->payload_bytes;
    marker->stack[marker->depth++] = object;
}

static void mark_edge(struct sm_visitor *visitor, struct sm_object *target)
{
    epoch_mark_object((struct epoch_marker *)visitor, target);
}

void epoch_mark_drain(struct epoch_marker *marker)
{
    while (marker->depth > 0)
        sm_trace(marker->mm, marker->stack[--marker->depth], &marker->visitor);
}

/*
 * The stack is the library's memory, not the heap's: counted against the limit it could not be had in
 * the very emergency that needs it. Only the pages that marking touches become real.
 */
static bool map_stack(struct epoch_marker *marker)
{
    if (marker->capacity == 0)
        return true;
    void *stack = mmap(NULL, marker->capacity * ENTRY_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stack == MAP_FAILED)
        return false;
    marker->stack = stack;
    return true;
}

bool epoch_marker_init(struct epoch_marker *marker, const struct epoch_policy *epoch)
{
    *marker = (struct epoch_marker){
        .visitor = {.edge = mark_edge, .shared = false},
        .mm = epoch->base.mm,
        .capacity = (size_t)epoch->heap.live_objects,
        .mark = epoch->mark == EPOCH_MARK_A ? EPOCH_MARK_B : EPOCH_MARK_A,
    };
    return map_stack(marker);
}

void epoch_marker_finish(struct epoch_marker *marker)
{
    SM_ASSERT(marker->depth == 0);
    if (marker->stack != NULL)
        munmap(marker->stack, marker->capacity * ENTRY_BYTES);
    marker->stack = NULL;
}
