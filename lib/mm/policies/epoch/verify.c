/* What a cycle must not have missed, found by looking at everything: for checked builds. */
#include "epoch/epoch_internal.h"

#include "epoch/chunks.h"

#include "manager_internal.h"
#include "object_map.h"

#include <stdlib.h>

struct retrace {
    struct sm_visitor visitor; /* First: the edge function gets this address. */
    struct epoch_policy *epoch;
    bool (*is_right)(const struct retrace *retrace, const struct sm_object *target);
    const struct sm_object *from; /* whose edge it is; NULL: a root's */
    struct sm_object_map seen;
    size_t count, capacity;
    struct sm_object **stack;
    bool is_complete;
    bool failed; /* no memory to look */
};

static bool push(struct retrace *retrace, struct sm_object *object)
{
    if (retrace->count == retrace->capacity) {
        size_t capacity = retrace->capacity == 0 ? 1024 : 2 * retrace->capacity;
        struct sm_object **stack = realloc(retrace->stack, capacity * sizeof(struct sm_object *));
        if (stack == NULL)
            return false;
        retrace->stack = stack;
        retrace->capacity = capacity;
    }
    retrace->stack[retrace->count++] = object;
    return true;
}

static void see(struct sm_visitor *visitor, struct sm_object *object)
{
    struct retrace *retrace = (struct retrace *)visitor;
    if (retrace->failed)
        return;
    if (!retrace->is_right(retrace, object))
        retrace->is_complete = false;
    if (sm_object_map_find(&retrace->seen, object) == NULL)
        retrace->failed = !sm_object_map_set(&retrace->seen, object, 1) || !push(retrace, object);
}

/* Everything that is reachable, and no dead object, whose slots lead anywhere. */
static bool all_edges(struct epoch_policy *epoch,
                      bool (*is_right)(const struct retrace *retrace, const struct sm_object *target))
{
    struct retrace retrace = {.visitor = {.edge = see}, .epoch = epoch, .is_right = is_right, .is_complete = true};
    struct sm_manager *mm = epoch->base.mm;
    sm_roots_enumerate(mm, &retrace.visitor);
    while (retrace.count > 0 && !retrace.failed) {
        retrace.from = retrace.stack[--retrace.count];
        sm_trace(mm, retrace.from, &retrace.visitor);
    }
    free(retrace.stack);
    sm_object_map_finish(&retrace.seen);
    return retrace.is_complete || retrace.failed;
}

/* ---- The snapshot: everything reachable now is marked, or was made since. ---- */

static bool is_not_unmarked(const struct retrace *retrace, const struct sm_object *target)
{
    return !epoch_is_marked(target, retrace->epoch->heap.colour);
}

bool epoch_marking_is_complete(struct epoch_policy *epoch)
{
    return all_edges(epoch, is_not_unmarked);
}

/* ---- The remembered set: no armed object refers to a young one. Of arrays in chunks the flag does not tell. ---- */

static bool is_remembered(const struct retrace *retrace, const struct sm_object *target)
{
    const struct sm_object *from = retrace->from;
    if (epoch_heap_is_old(target) || from == NULL || !epoch_heap_is_old(from))
        return true;
    const struct sm_type *type = sm_type_get(retrace->epoch->base.mm, from->type);
    return (sm_object_flags(from) & EPOCH_ARMED) == 0 || epoch_chunks_of(from, &type->layout) != NULL;
}

bool epoch_remembered_is_complete(struct epoch_policy *epoch)
{
    enum { CHECKED_ONE_IN = 8 };
    return epoch->young.count % CHECKED_ONE_IN != 0 || all_edges(epoch, is_remembered);
}
