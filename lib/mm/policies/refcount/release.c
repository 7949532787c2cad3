/*
 * Counts that reach zero: destructors, weak cells, edges, blocks.
 *
 * A dying object's children lose their counts together, when its edges are dropped, and those that reach zero
 * wait, doomed, ahead of everything that waited before: so the order is depth-first, a child's subtree before its
 * next sibling, as in PHP. The list of the doomed needs no memory: the link is in the header, its lower half in
 * the count, which is 0, and its upper half in bits of the payload size that no size reaches. Type, flags and
 * payload stay as they are, for the destructor and the trace at the object's turn.
 *
 * Two things differ from PHP, which drops child by child: a child shared with the subtree of an earlier sibling
 * dies inside that subtree, not at its own later place; and a weak reference to a doomed object does not answer
 * inside destructors that run before the object's own.
 */
#include "refcount/refcount_internal.h"

enum {
    CASCADE_MAX = 100, /* objects; one more and the cascade is a pause */
    LINK_SHIFT = 44    /* bit of the payload size from which on the link's upper half lies */
};

#define PAYLOAD_MASK ((UINT64_C(1) << LINK_SHIFT) - 1)

_Static_assert(SM_PAYLOAD_MAX <= PAYLOAD_MASK, "a link fits beside any payload size");
_Static_assert(SM_ALIGNMENT == 16, "a link is an address without its four low bits");

/* ---- The doomed. ---- */

static void set_link(struct sm_object *object, const struct sm_object *next)
{
    uint64_t link = (uint64_t)(uintptr_t)next >> 4;
    SM_ASSERT(link >> 32 < UINT64_C(1) << (64 - LINK_SHIFT));
    object->count = (uint32_t)link;
    object->payload_bytes = (object->payload_bytes & PAYLOAD_MASK) | (link >> 32) << LINK_SHIFT;
}

/* The next one; the header is as it was. */
static struct sm_object *take_link(struct sm_object *object)
{
    uint64_t link = object->payload_bytes >> LINK_SHIFT << 32 | object->count;
    object->payload_bytes &= PAYLOAD_MASK;
    object->count = 0;
    return (struct sm_object *)(uintptr_t)(link << 4);
}

static void doom(struct cascade *cascade, struct sm_object *object)
{
    SM_ASSERT((object->flags & REFCOUNT_DOOMED) == 0);
    sm_object_set_flags(object, REFCOUNT_DOOMED);
    set_link(object, NULL);
    if (cascade->batch_head == NULL)
        cascade->batch_head = object;
    else
        set_link(cascade->batch_tail, object);
    cascade->batch_tail = object;
}

/* What one object doomed comes before what waited already. */
static void queue_batch(struct cascade *cascade)
{
    if (cascade->batch_head == NULL)
        return;
    set_link(cascade->batch_tail, cascade->first);
    cascade->first = cascade->batch_head;
    cascade->batch_head = NULL;
}

static struct sm_object *next_doomed(struct cascade *cascade)
{
    struct sm_object *object = cascade->first;
    cascade->first = take_link(object);
    sm_object_clear_flags(object, REFCOUNT_DOOMED);
    return object;
}

/* ---- Blocks. ---- */

/* Neither in a table nor with edges: its block is all there is. */
static bool is_bare(const struct sm_object *object)
{
    const uint16_t more = SM_OBJECT_FINALIZABLE | SM_OBJECT_CANDIDATE | SM_OBJECT_ACYCLIC | REFCOUNT_WEAK;
    return (object->flags & more) == SM_OBJECT_ACYCLIC && object->type != SM_TYPE_WEAK_CELL;
}

static void free_block(struct refcount_policy *refcount, struct sm_object *object)
{
    refcount_count_dead(refcount, object);
    blocks_free(&refcount->blocks, object);
}

static void cascade_free(struct cascade *cascade, struct sm_object *object)
{
    if (cascade->freed_count++ == CASCADE_MAX) {
        sm_pause_begin(cascade->refcount->base.mm, SM_PAUSE_CASCADE);
        cascade->is_paused = true;
    }
    free_block(cascade->refcount, object);
}

/* ---- Edges. ---- */

static void drop_edge(struct sm_visitor *visitor, struct sm_object *child)
{
    struct cascade *cascade = (struct cascade *)visitor;
    SM_ASSERT(child->count != 0);
    if (child->count == SM_COUNT_MAX)
        return;
    if (--child->count != 0) {
        if ((child->flags & (SM_OBJECT_ACYCLIC | SM_OBJECT_CANDIDATE | REFCOUNT_GARBAGE)) == 0)
            refcount_candidate(cascade->refcount, child);
    } else if (is_bare(child)) {
        cascade_free(cascade, child);
    } else if ((child->flags & REFCOUNT_GARBAGE) == 0) {
        doom(cascade, child);
    }
}

/* The object dies: its cells do not answer any more, and entries give up what they kept for it. */
static void clear_weak(struct cascade *cascade, struct sm_object *object)
{
    struct sm_weak_cell *cell = sm_weak_index_take(&cascade->refcount->weak, object);
    sm_object_clear_flags(object, REFCOUNT_WEAK);
    while (cell != NULL) {
        struct sm_weak_cell *next = cell->next;
        struct sm_value *value = sm_weak_value_of(cell);
        cell->next = NULL;
        if (value != NULL) {
            struct sm_value old = *value;
            *value = (struct sm_value){0, 0};
            sm_visit_value(&cascade->visitor, &old);
        }
        cell = next;
    }
}

static void forget_cell(struct refcount_policy *refcount, struct sm_object *object)
{
    struct sm_weak_cell *cell = (struct sm_weak_cell *)object;
    struct sm_object *target = cell->target;
    if (target == NULL)
        return;
    if (!sm_weak_index_remove(&refcount->weak, cell))
        sm_object_clear_flags(target, REFCOUNT_WEAK);
    cell->target = NULL;
}

void refcount_unlink(struct refcount_policy *refcount, struct sm_object *object)
{
    if ((object->flags & SM_OBJECT_CANDIDATE) != 0)
        root_buffer_remove(&refcount->roots, object);
    if (sm_is_weak_cell(object))
        forget_cell(refcount, object);
}

void cascade_empty(struct cascade *cascade, struct sm_object *object)
{
    refcount_unlink(cascade->refcount, object);
    if ((object->flags & REFCOUNT_WEAK) != 0)
        clear_weak(cascade, object);
    if ((object->flags & SM_OBJECT_ACYCLIC) == 0) {
        const struct sm_type *type = refcount_type_of(cascade->refcount, object);
        if (type->trace != NULL)
            type->trace(object, &cascade->visitor);
    }
    queue_batch(cascade);
}

/* ---- Deaths. ---- */

/* Returns whether the object is dead all the same. */
static bool run_destructor(struct refcount_policy *refcount, struct sm_object *object)
{
    SM_ASSERT(object->count == 0);
    object->count = 1;
    sm_finalizer_run_now(refcount->base.mm, object);
    if (object->count != SM_COUNT_MAX && --object->count == 0)
        return true;
    refcount_candidate(refcount, object);
    return false;
}

static void release(struct cascade *cascade, struct sm_object *object)
{
    if (refcount_has_destructor_due(object) && !run_destructor(cascade->refcount, object))
        return;
    cascade_empty(cascade, object);
    cascade_free(cascade, object);
}

struct cascade cascade_begin(struct refcount_policy *refcount)
{
    return (struct cascade){.visitor = {.edge = drop_edge}, .refcount = refcount};
}

void cascade_finish(struct cascade *cascade)
{
    while (cascade->first != NULL)
        release(cascade, next_doomed(cascade));
    if (cascade->is_paused)
        sm_pause_end(cascade->refcount->base.mm);
}

void refcount_die(struct refcount_policy *refcount, struct sm_object *object)
{
    SM_ASSERT(object->count == 0);
    if (SM_LIKELY(is_bare(object))) {
        free_block(refcount, object);
        return;
    }
    struct cascade cascade = cascade_begin(refcount);
    release(&cascade, object);
    cascade_finish(&cascade);
}

void refcount_drop(struct refcount_policy *refcount, struct sm_object *object)
{
    if (object->count == SM_COUNT_MAX)
        return;
    if (--object->count == 0)
        refcount_die(refcount, object);
    else
        refcount_candidate(refcount, object);
}
