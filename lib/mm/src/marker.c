/* Marking: from roots to everything reachable, with an explicit stack. */
#include "marker.h"

#include "sapimem/policy.h"

#include <sys/mman.h>

enum { ENTRY_BYTES = sizeof(struct sm_object *) };

/* Flags are written by the owner only; relaxed, because observers may be reading their low byte. */
static void set_mark(struct sm_object *object, uint16_t mark)
{
    uint16_t others = (uint16_t)(sm_object_flags(object) & (uint16_t)~SM_MARK_MASK);
    __atomic_store_n(&object->flags, (uint16_t)(others | mark), __ATOMIC_RELAXED);
}

/* Each object is pushed when it is marked, so at most once. */
void sm_marker_mark(struct sm_marker *marker, struct sm_object *object)
{
    if (sm_is_marked(object, marker->mark))
        return;
    SM_ASSERT((sm_object_flags(object) & marker->dead_flags) == 0); /* R1: something reachable still refers to it */
    SM_ASSERT(marker->depth < marker->capacity);
    set_mark(object, marker->mark);
    marker->live_objects++;
    marker->live_bytes += object->payload_bytes;
    marker->stack[marker->depth++] = object;
}

void sm_marker_visit(void *context, struct sm_object *object)
{
    sm_marker_mark(context, object);
}

static void mark_edge(struct sm_visitor *visitor, struct sm_object *target)
{
    sm_marker_mark((struct sm_marker *)visitor, target);
}

void sm_marker_drain(struct sm_marker *marker)
{
    while (marker->depth > 0)
        sm_trace(marker->mm, marker->stack[--marker->depth], &marker->visitor);
}

bool sm_marker_is_live(void *context, const struct sm_object *object)
{
    const struct sm_marker *marker = context;
    return sm_is_marked(object, marker->mark);
}

void sm_marker_keep_finalizable(struct sm_marker *marker)
{
    SM_ASSERT(marker->depth == 0);
    if (sm_finalizers_select(marker->mm, sm_marker_is_live, marker) == 0)
        return;
    sm_finalizers_visit_ready(marker->mm, &marker->visitor);
    sm_marker_drain(marker);
}

/*
 * The stack is the library's memory, not the heap's: counted against the limit it could not be had in
 * the very emergency that needs it. Only the pages that marking touches become real.
 */
static bool map_stack(struct sm_marker *marker)
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

bool sm_marker_init(struct sm_marker *marker, struct sm_manager *mm, size_t object_count, uint16_t last_mark,
                    uint16_t dead_flags)
{
    SM_ASSERT((last_mark & (uint16_t)~SM_MARK_MASK) == 0 && (dead_flags & SM_MARK_MASK) == 0);
    *marker = (struct sm_marker){
        .visitor = {.edge = mark_edge, .shared = false},
        .mm = mm,
        .mark = last_mark == SM_MARK_A ? SM_MARK_B : SM_MARK_A,
        .dead_flags = dead_flags,
        .capacity = object_count,
    };
    return map_stack(marker);
}

void sm_marker_finish(struct sm_marker *marker)
{
    SM_ASSERT(marker->depth == 0);
    if (marker->stack != NULL)
        munmap(marker->stack, marker->capacity * ENTRY_BYTES);
    marker->stack = NULL;
}
