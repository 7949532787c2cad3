#include "finalizer_selection.h"

#include "manager_internal.h"

/* Move what is queued to the front of its array. */
static void compact_ready(struct sm_finalizers *finalizers)
{
    size_t count = sm_finalizers_ready_count(finalizers);
    for (size_t i = 0; i < count; i++)
        finalizers->ready[i] = finalizers->ready[finalizers->ready_first + i];
    finalizers->ready_first = 0;
    finalizers->ready_end = count;
}

static void enqueue(struct sm_finalizers *finalizers, struct sm_object *object)
{
    if (finalizers->ready_end == finalizers->ready_capacity)
        compact_ready(finalizers);
    SM_ASSERT(finalizers->ready_end < finalizers->ready_capacity);
    sm_object_set_flags(object, SM_OBJECT_FINALIZED);
    finalizers->ready[finalizers->ready_end++] = object;
}

/* The object there, if there is one, stays and moves down to `kept`, or goes to the queue. Returns whether it stays. */
static bool settle(struct sm_finalizers *finalizers, size_t from, size_t kept, sm_is_live *is_live, void *context)
{
    struct sm_object *object = finalizers->registered[from];
    finalizers->registered[from] = NULL;
    if (object == NULL)
        return false;
    if (is_live == NULL || is_live(context, object)) {
        finalizers->registered[kept] = object;
        /* It is there, so this needs no memory. */
        if (finalizers->is_indexed && kept != from)
            (void)sm_object_map_set(&finalizers->index, object, kept);
        return true;
    }
    if (finalizers->is_indexed)
        (void)sm_object_map_take(&finalizers->index, object);
    enqueue(finalizers, object);
    return false;
}

/* What begins at `from` will begin at `kept`. Done upwards and before each move, it meets no position twice. */
static void follow(struct sm_finalizers *finalizers, size_t from, size_t kept)
{
    struct sm_finalizer_scan *scan = &finalizers->scan;
    if (finalizers->young_from == from)
        finalizers->young_from = kept;
    if (scan->end == from)
        scan->end = kept;
    if (scan->next == from)
        scan->next = scan->kept = kept;
}

/* Close the gaps from `first` on and move what `is_live` (NULL: nothing) refuses. Returns how many moved. */
static size_t pass(struct sm_finalizers *finalizers, size_t first, sm_is_live *is_live, void *context)
{
    size_t kept = first, ready_count = sm_finalizers_ready_count(finalizers);
    for (size_t i = first; i < finalizers->count; i++) {
        follow(finalizers, i, kept);
        kept += settle(finalizers, i, kept, is_live, context);
    }
    follow(finalizers, finalizers->count, kept);
    size_t moved = sm_finalizers_ready_count(finalizers) - ready_count;
    finalizers->gap_count -= finalizers->count - kept - moved;
    finalizers->count = kept;
    return moved;
}

void sm_finalizers_compact(struct sm_finalizers *finalizers)
{
    (void)pass(finalizers, 0, NULL, NULL);
}

size_t sm_finalizers_select(struct sm_manager *mm, sm_is_live *is_live, void *context)
{
    struct sm_finalizers *finalizers = &mm->finalizers;
    size_t moved = pass(finalizers, 0, is_live, context);
    finalizers->young_from = finalizers->count;
    finalizers->scan.next = finalizers->scan.kept = 0;
    return moved;
}

size_t sm_finalizers_select_young(struct sm_manager *mm, sm_is_live *is_live, void *context)
{
    struct sm_finalizers *finalizers = &mm->finalizers;
    size_t moved = pass(finalizers, finalizers->young_from, is_live, context);
    finalizers->young_from = finalizers->count;
    return moved;
}

/* ---- In pieces. ---- */

void sm_finalizers_select_begin(struct sm_manager *mm)
{
    struct sm_finalizers *finalizers = &mm->finalizers;
    finalizers->scan = (struct sm_finalizer_scan){.is_open = true, .end = finalizers->count};
}

/* Only gaps are left above what was kept. What is young is still to be asked about by a young selection. */
static void scan_end(struct sm_finalizers *finalizers)
{
    struct sm_finalizer_scan *scan = &finalizers->scan;
    finalizers->gap_count -= finalizers->count - scan->kept;
    finalizers->count = scan->kept;
    *scan = (struct sm_finalizer_scan){0};
}

/* Those registered since it began are not asked about, and still move down. */
static void scan_next(struct sm_finalizers *finalizers, sm_is_live *is_live, void *context)
{
    struct sm_finalizer_scan *scan = &finalizers->scan;
    size_t from = scan->next, kept = scan->kept, ready_count = sm_finalizers_ready_count(finalizers);
    follow(finalizers, from, kept);
    scan->kept += settle(finalizers, from, kept, from < scan->end ? is_live : NULL, context);
    scan->next = from + 1;
    finalizers->gap_count += sm_finalizers_ready_count(finalizers) - ready_count;
}

bool sm_finalizers_select_some(struct sm_manager *mm, sm_is_live *is_live, void *context, size_t budget, size_t *moved)
{
    struct sm_finalizers *finalizers = &mm->finalizers;
    struct sm_finalizer_scan *scan = &finalizers->scan;
    size_t ready_count = sm_finalizers_ready_count(finalizers);
    for (; scan->is_open && budget > 0 && scan->next < finalizers->count; budget--)
        scan_next(finalizers, is_live, context);
    if (scan->is_open && scan->next == finalizers->count) {
        follow(finalizers, finalizers->count, scan->kept);
        scan_end(finalizers);
    }
    *moved = sm_finalizers_ready_count(finalizers) - ready_count;
    return !scan->is_open;
}

/* ---- What became ready. ---- */

void sm_finalizers_visit_ready(struct sm_manager *mm, struct sm_visitor *visitor)
{
    const struct sm_finalizers *finalizers = &mm->finalizers;
    for (const struct sm_running_finalizer *run = finalizers->running; run != NULL; run = run->outer)
        visitor->edge(visitor, run->object);
    sm_finalizers_visit_newest(mm, visitor, sm_finalizers_ready_count(finalizers));
}

void sm_finalizers_visit_newest(struct sm_manager *mm, struct sm_visitor *visitor, size_t count)
{
    const struct sm_finalizers *finalizers = &mm->finalizers;
    size_t ready_count = sm_finalizers_ready_count(finalizers);
    for (size_t i = finalizers->ready_end - (count < ready_count ? count : ready_count); i < finalizers->ready_end; i++)
        visitor->edge(visitor, finalizers->ready[i]);
}

void sm_finalizers_watch(struct sm_manager *mm, void (*hand_out)(struct sm_policy *policy, struct sm_object *object))
{
    mm->finalizers.hand_out = hand_out;
}
