/*
 * Counts that reach zero: destructors, weak cells, edges, blocks.
 *
 * A dying object's children lose their counts together, when its edges are dropped. A child that is nothing but a
 * block is freed there and then; others that reach zero wait, doomed, ahead of everything that waited before: so the
 * order is depth-first, a child's subtree before its next sibling, as in PHP. The list of the doomed needs no memory:
 * the link is in the header, its lower half in the count, which is 0, and its upper half in bits of the payload size
 * that no size reaches. Type, flags and payload stay as they are, for the destructor and the edges at the object's
 * turn.
 *
 * A possible root that dies leaves its slot of the root buffer to others when PHP's does: an array before its elements
 * go, an object after everything below it has gone, for which it waits once more behind its children.
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

/* An object with none of these but ACYCLIC is in no table and has no edges: its block is all there is. */
#define BEYOND_BLOCK (SM_OBJECT_FINALIZABLE | SM_OBJECT_CANDIDATE | SM_OBJECT_ACYCLIC | REFCOUNT_WEAK | REFCOUNT_CELL)

/* ---- The doomed. ---- */

/* The bits for the link's upper half are clear. */
static inline void set_link(struct sm_object *object, const struct sm_object *next)
{
    uint64_t link = (uint64_t)(uintptr_t)next >> 4;
    SM_ASSERT(object->payload_bytes <= PAYLOAD_MASK);
    SM_ASSERT(link >> 32 < UINT64_C(1) << (64 - LINK_SHIFT));
    object->count = (uint32_t)link;
    object->payload_bytes |= link >> 32 << LINK_SHIFT;
}

/* The next one; the header is as it was. */
static inline struct sm_object *take_link(struct sm_object *object)
{
    uint64_t link = object->payload_bytes >> LINK_SHIFT << 32 | object->count;
    object->payload_bytes &= PAYLOAD_MASK;
    object->count = 0;
    return (struct sm_object *)(uintptr_t)(link << 4);
}

static inline void doom(struct cascade *cascade, struct sm_object *object)
{
    sm_object_set_flags(object, REFCOUNT_DOOMED);
    if (cascade->batch_head == NULL)
        cascade->batch_head = object;
    else
        set_link(cascade->batch_tail, object);
    cascade->batch_tail = object;
}

/* What one object doomed comes before what waited already. */
static inline void queue_batch(struct cascade *cascade)
{
    if (cascade->batch_head == NULL)
        return;
    set_link(cascade->batch_tail, cascade->first);
    cascade->first = cascade->batch_head;
    cascade->batch_head = NULL;
}

/* ---- Blocks. ---- */

static __attribute__((noinline)) void begin_pause(struct cascade *cascade)
{
    sm_pause_begin(cascade->refcount->base.mm, SM_PAUSE_CASCADE);
    cascade->is_paused = true;
}

static inline void cascade_free(struct cascade *cascade, struct sm_object *object)
{
    if (SM_UNLIKELY(cascade->freed_count++ == CASCADE_MAX))
        begin_pause(cascade);
    refcount_free_block(cascade->refcount, object);
}

/* ---- Edges. ---- */

static __attribute__((noinline)) void lose_holder(struct cascade *cascade, struct sm_object *child)
{
    SM_ASSERT(child->count != 0);
    if (child->count == SM_COUNT_MAX)
        return;
    child->count--;
    if ((child->flags & (SM_OBJECT_ACYCLIC | SM_OBJECT_CANDIDATE | REFCOUNT_GARBAGE)) == 0)
        refcount_candidate(cascade->refcount, child);
}

static inline struct edge_state drop_edge(struct edge_state state, struct sm_object *child)
{
    struct cascade *cascade = state.at;
    if (child->count != 1) {
        lose_holder(cascade, child);
        return state;
    }
    child->count = 0;
    if ((child->flags & BEYOND_BLOCK) == SM_OBJECT_ACYCLIC)
        cascade_free(cascade, child);
    else if ((child->flags & REFCOUNT_GARBAGE) == 0)
        doom(cascade, child);
    return state;
}

/* The storage of a HEAD goes with its elements. */
static inline void drop_edges(struct cascade *cascade, const struct sm_type *type, struct sm_object *object)
{
    const struct sm_types *types = &cascade->refcount->base.mm->types;
    (void)edges_each(types, type, object, (struct edge_state){.at = cascade}, drop_edge);
    struct sm_object *storage = type->layout.kind == SM_LAYOUT_HEAD ? edges_storage(&type->layout, object) : NULL;
    if (storage == NULL)
        return;
    memset((char *)sm_payload(object) + type->layout.pointers[0], 0, sizeof(struct sm_object *));
    SM_ASSERT((storage->flags & BEYOND_BLOCK) == 0);
    cascade_free(cascade, storage);
}

/* ---- Tables. ---- */

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
            if (sm_value_is_heap(old))
                (void)drop_edge((struct edge_state){.at = cascade}, sm_value_object(old));
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
    if ((object->flags & REFCOUNT_CELL) != 0)
        forget_cell(refcount, object);
}

void cascade_empty(struct cascade *cascade, struct sm_object *object)
{
    if ((object->flags & REFCOUNT_CELL) != 0)
        forget_cell(cascade->refcount, object);
    if ((object->flags & REFCOUNT_WEAK) != 0)
        clear_weak(cascade, object);
    drop_edges(cascade, refcount_type_of(cascade->refcount, object), object);
    queue_batch(cascade);
}

/* ---- Deaths. ---- */

/* Returns whether the object is dead all the same. */
static bool run_destructor(struct refcount_policy *refcount, struct sm_object *object)
{
    SM_ASSERT(object->count == 0);
    sm_object_clear_flags(object, REFCOUNT_DOOMED);
    object->count = 1;
    sm_finalizer_run_now(refcount->base.mm, object);
    if (object->count != SM_COUNT_MAX && --object->count == 0)
        return true;
    refcount_candidate(refcount, object);
    return false;
}

/* What few objects have. Returns whether the object goes on dying. */
static __attribute__((noinline)) bool release_ties(struct cascade *cascade, struct sm_object *object)
{
    struct refcount_policy *refcount = cascade->refcount;
    if (refcount_has_destructor_due(object) && !run_destructor(refcount, object))
        return false;
    if ((object->flags & REFCOUNT_CELL) != 0)
        forget_cell(refcount, object);
    if ((object->flags & REFCOUNT_WEAK) != 0)
        clear_weak(cascade, object);
    return true;
}

/* Its slot is not free before what it doomed is gone. */
static void wait_for_subtree(struct cascade *cascade, struct sm_object *object)
{
    sm_object_set_flags(object, REFCOUNT_EMPTIED);
    doom(cascade, object);
    queue_batch(cascade);
}

static __attribute__((noinline)) void conclude(struct cascade *cascade, struct sm_object *object)
{
    refcount_unlink(cascade->refcount, object);
    cascade_free(cascade, object);
}

static inline void release(struct cascade *cascade, struct sm_object *object)
{
    const uint16_t ties = SM_OBJECT_FINALIZABLE | REFCOUNT_WEAK | REFCOUNT_CELL;
    struct refcount_policy *refcount = cascade->refcount;
    if (SM_UNLIKELY((object->flags & ties) != 0) && !release_ties(cascade, object))
        return;
    const struct sm_type *type = refcount_type_of(refcount, object);
    if ((object->flags & SM_OBJECT_CANDIDATE) != 0 && type->layout.kind == SM_LAYOUT_HEAD)
        root_buffer_remove(&refcount->roots, object);
    drop_edges(cascade, type, object);
    if ((object->flags & SM_OBJECT_CANDIDATE) != 0) {
        if (cascade->batch_head != NULL) {
            wait_for_subtree(cascade, object);
            return;
        }
        root_buffer_remove(&refcount->roots, object);
    }
    cascade_free(cascade, object);
    queue_batch(cascade);
}

void cascade_begin(struct cascade *cascade, struct refcount_policy *refcount)
{
    cascade->refcount = refcount;
    cascade->first = cascade->batch_head = cascade->batch_tail = NULL;
    cascade->freed_count = 0;
    cascade->is_paused = false;
}

static void release_next(struct cascade *cascade)
{
    struct sm_object *object = cascade->first;
    cascade->first = take_link(object);
    if (SM_UNLIKELY((object->flags & REFCOUNT_EMPTIED) != 0))
        conclude(cascade, object);
    else
        release(cascade, object);
}

void cascade_finish(struct cascade *cascade)
{
    while (cascade->first != NULL)
        release_next(cascade);
    if (cascade->is_paused)
        sm_pause_end(cascade->refcount->base.mm);
}

static __attribute__((noinline)) void die_with_edges(struct refcount_policy *refcount, struct sm_object *object)
{
    struct cascade cascade;
    cascade_begin(&cascade, refcount);
    release(&cascade, object);
    cascade_finish(&cascade);
}

static __attribute__((noinline)) void free_recorded_or_large(struct refcount_policy *refcount, struct sm_object *object)
{
    refcount_free_block(refcount, object);
}

/* Calls come last and are seldom, so that the ordinary death of a leaf saves no register. */
void refcount_value_dead(struct sm_policy *policy, struct sm_object *object)
{
    struct refcount_policy *refcount = refcount_of(policy);
    SM_ASSERT(object->count == 0);
    bool is_plain = policy->mm->recorder == NULL && object->payload_bytes < refcount->blocks.plain_below;
    if ((object->flags & BEYOND_BLOCK) == SM_OBJECT_ACYCLIC && SM_LIKELY(is_plain))
        refcount_free_block(refcount, object);
    else if ((object->flags & BEYOND_BLOCK) == SM_OBJECT_ACYCLIC)
        free_recorded_or_large(refcount, object);
    else
        die_with_edges(refcount, object);
}

void refcount_drop(struct refcount_policy *refcount, struct sm_object *object)
{
    if (object->count == SM_COUNT_MAX)
        return;
    if (--object->count == 0)
        refcount_value_dead(&refcount->base, object);
    else
        refcount_candidate(refcount, object);
}
