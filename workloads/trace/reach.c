/** Reachability over the shadow, and which events it lets pass. */
#include "trace/parse.h"
#include "trace/shadow.h"
#include "trace/source.h"

#include <assert.h>

/* ---- Searches: depth first, the stack threaded through the records. ---- */

static void search_begin(struct shadow *shadow)
{
    assert(shadow->pending_first == 0);
    if (++shadow->search != 0)
        return;
    /* The stamps have gone round: none of the old ones may look new. */
    for (uint32_t i = 0; i < shadow->program->entry_limit; i++)
        shadow->objects[i].stamp = 0;
    shadow->search = 1;
}

static void search_push(struct shadow *shadow, uint32_t *stack, uint32_t index)
{
    struct shadow_object *object = &shadow->objects[index];
    if (object->stamp == shadow->search)
        return;
    object->stamp = shadow->search;
    object->link = *stack;
    *stack = index;
}

static uint32_t search_pop(const struct shadow *shadow, uint32_t *stack)
{
    uint32_t index = *stack;
    *stack = shadow->objects[index].link;
    return index;
}

static bool is_weak(const struct shadow_object *owner, uint32_t edge_index)
{
    return edge_index - owner->first_edge >= owner->slot_count;
}

bool shadow_is_reachable(struct shadow *shadow, uint32_t object)
{
    uint32_t stack = 0;
    search_begin(shadow);
    search_push(shadow, &stack, object);
    while (stack != 0) {
        const struct shadow_object *top = &shadow->objects[search_pop(shadow, &stack)];
        if (top->root_count != 0)
            return true;
        for (uint32_t edge = top->incoming; edge != 0; edge = shadow->edges[edge].next) {
            uint32_t owner = shadow->edges[edge].owner;
            if (!is_weak(&shadow->objects[owner], edge))
                search_push(shadow, &stack, owner);
        }
    }
    return false;
}

void shadow_stamp_reachable(struct shadow *shadow)
{
    uint32_t stack = 0;
    search_begin(shadow);
    for (uint32_t i = 1; i < shadow->program->entry_limit; i++)
        if (shadow->objects[i].state == SHADOW_LIVE && shadow->objects[i].root_count != 0)
            search_push(shadow, &stack, i);
    while (stack != 0) {
        const struct shadow_object *top = &shadow->objects[search_pop(shadow, &stack)];
        for (uint32_t i = 0; i < top->slot_count; i++) {
            uint32_t target = shadow->edges[top->first_edge + i].target;
            if (target != 0 && target != SHADOW_STALE)
                search_push(shadow, &stack, target);
        }
    }
}

/* ---- What a line may name. ---- */

static sm_status refuse_unreachable(const struct shadow *shadow, const struct trace_event *event, uint32_t index,
                                    struct sm_error *error)
{
    const struct shadow_object *object = &shadow->objects[index];
    const char *kind = trace_kind_name((enum trace_kind)object->kind);
    char letter = trace_op_letter((enum trace_op)event->op);
    if (object->state == SHADOW_RELEASED)
        return trace_fail(error, SM_ERR_INVALID_ARGUMENT, shadow->program->path, event->line,
                          "'%c' names an object (%s, %llu bytes) after it became unreachable at line %u", letter, kind,
                          (unsigned long long)object->bytes, object->line);
    return trace_fail(error, SM_ERR_INVALID_ARGUMENT, shadow->program->path, event->line,
                      "'%c' names an object (%s of line %u) after it became unreachable, in a cycle", letter, kind,
                      object->line);
}

static sm_status check_named(struct shadow *shadow, const struct trace_event *event, uint32_t index,
                             struct sm_error *error)
{
    if (index == 0)
        return SM_OK;
    if (shadow->objects[index].state == SHADOW_LIVE && shadow_is_reachable(shadow, index))
        return SM_OK;
    return refuse_unreachable(shadow, event, index, error);
}

/* Slots of an object that refer to itself, the one that its death clears left out. */
static uint32_t count_self_edges(const struct shadow *shadow, const struct trace_event *event)
{
    const struct shadow_object *object = &shadow->objects[event->object];
    uint32_t count = 0;
    for (uint32_t i = 0; i < object->slot_count; i++)
        if (shadow->edges[object->first_edge + i].target == event->object)
            count += event->owner != event->object || event->slot != i;
    return count;
}

static sm_status check_death_holders(struct shadow *shadow, const struct trace_event *event, struct sm_error *error)
{
    const struct shadow_object *object = &shadow->objects[event->object];
    uint32_t roots = object->root_count - (object->frame != 0);
    uint32_t others = object->holder_count - (object->frame != 0) - (event->owner != 0);
    if (roots != 0)
        return trace_fail(error, SM_ERR_INVALID_ARGUMENT, shadow->program->path, event->line,
                          "'%c' of an object that a global or context entry still holds",
                          trace_op_letter((enum trace_op)event->op));
    /* Only a ring dies by `D`, and its members hold each other. */
    if (event->op == TRACE_CYCLIC_DEATH || others == 0 || others == count_self_edges(shadow, event))
        return SM_OK;
    return trace_fail(error, SM_ERR_INVALID_ARGUMENT, shadow->program->path, event->line,
                      "'d' of an object that %u other slots still hold", others);
}

static sm_status check_death(struct shadow *shadow, const struct trace_event *event, struct sm_error *error)
{
    if (event->owner != 0) {
        const struct shadow_object *owner = &shadow->objects[event->owner];
        /* The owner of a `D` may be as dead as the object; then nothing is written to it. */
        if (owner->state != SHADOW_LIVE)
            return refuse_unreachable(shadow, event, event->owner, error);
        if (shadow->edges[owner->first_edge + event->slot].target != event->object)
            return trace_fail(error, SM_ERR_INVALID_ARGUMENT, shadow->program->path, event->line,
                              "slot %u does not hold the dying object", event->slot);
        if (event->op == TRACE_DEATH && !shadow_is_reachable(shadow, event->owner))
            return refuse_unreachable(shadow, event, event->owner, error);
    }
    if (shadow->objects[event->object].state == SHADOW_RELEASED)
        return SM_OK;
    /* Dead by its counts is fine; kept by a dead cycle is not: its memory may be gone. */
    if (event->op == TRACE_DEATH && !shadow_is_reachable(shadow, event->object))
        return refuse_unreachable(shadow, event, event->object, error);
    return check_death_holders(shadow, event, error);
}

sm_status shadow_check(struct shadow *shadow, const struct trace_event *event, struct sm_error *error)
{
    if (event->op == TRACE_DEATH || event->op == TRACE_CYCLIC_DEATH)
        return check_death(shadow, event, error);
    if (event->op == TRACE_REQUEST_BEGIN && shadow->sapi == SM_SAPI_FPM && shadow->depth != 0)
        return trace_fail(error, SM_ERR_INVALID_ARGUMENT, shadow->program->path, event->line,
                          "a request begins inside a frame, which FPM cannot do; expected --sapi=cli");
    sm_status status = check_named(shadow, event, event->owner, error);
    /* The object of an allocation is new. */
    if (status != SM_OK || event->op == TRACE_ALLOCATE)
        return status;
    return check_named(shadow, event, event->object, error);
}
