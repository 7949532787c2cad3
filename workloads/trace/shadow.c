/** The replayer's own record of the heap. */
#include "trace/shadow.h"

#include "trace/source.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* ---- Life of the record. ---- */

static void *table_create(struct shadow *shadow, size_t index, size_t element_bytes, size_t element_count)
{
    if (!trace_mapping_create(&shadow->tables[index], element_bytes * element_count))
        return NULL;
    return shadow->tables[index].base;
}

static bool tables_create(struct shadow *shadow)
{
    const struct trace_program *program = shadow->program;
    shadow->objects = table_create(shadow, 0, sizeof(struct shadow_object), program->entry_limit);
    shadow->edges = table_create(shadow, 1, sizeof(struct shadow_edge), program->edge_limit);
    shadow->globals = table_create(shadow, 2, sizeof(uint32_t), program->global_limit);
    shadow->context = table_create(shadow, 3, sizeof(uint32_t), program->context_limit);
    shadow->frames = table_create(shadow, 4, sizeof(uint32_t), (size_t)program->depth_limit + 1);
    return shadow->objects && shadow->edges && shadow->globals && shadow->context && shadow->frames;
}

sm_status shadow_create(const struct trace_program *program, enum sm_sapi sapi, struct shadow *shadow,
                        struct sm_error *error)
{
    *shadow = (struct shadow){.program = program, .sapi = sapi, .edge_cursor = 1};
    for (size_t i = 0; i < sizeof(shadow->tables) / sizeof(shadow->tables[0]); i++)
        shadow->tables[i] = TRACE_MAPPING_NONE;
    if (tables_create(shadow))
        return SM_OK;
    return trace_fail(error, SM_ERR_SYSTEM, program->path, 0,
                      "cannot keep the record of its objects in $TMPDIR or /tmp: %s", strerror(errno));
}

void shadow_destroy(struct shadow *shadow)
{
    for (size_t i = 0; i < sizeof(shadow->tables) / sizeof(shadow->tables[0]); i++)
        trace_mapping_destroy(&shadow->tables[i]);
}

void shadow_reset(struct shadow *shadow)
{
    const struct trace_program *program = shadow->program;
    assert(shadow->pending_first == 0);
    memset(shadow->objects, 0, program->entry_limit * sizeof(struct shadow_object));
    memset(shadow->globals, 0, program->global_limit * sizeof(uint32_t));
    memset(shadow->context, 0, program->context_limit * sizeof(uint32_t));
    memset(shadow->frames, 0, ((size_t)program->depth_limit + 1) * sizeof(uint32_t));
    shadow->depth = 0;
    shadow->pass_base = shadow->sequence;
    shadow->edge_cursor = 1;
    shadow->search = 0;
    shadow->live_bytes = shadow->live_objects = 0;
}

/* ---- Holders. ---- */

static void pend(struct shadow *shadow, uint32_t index)
{
    struct shadow_object *object = &shadow->objects[index];
    assert(object->state == SHADOW_LIVE);
    object->state = SHADOW_PENDING;
    object->link = 0;
    if (shadow->pending_first == 0)
        shadow->pending_first = index;
    else
        shadow->objects[shadow->pending_last].link = index;
    shadow->pending_last = index;
}

static void lose_holder(struct shadow *shadow, uint32_t index)
{
    struct shadow_object *object = &shadow->objects[index];
    assert(object->holder_count > 0);
    if (--object->holder_count == 0 && object->state == SHADOW_LIVE)
        pend(shadow, index);
}

/* A weak object's weak edge is its last, and holds nothing. */
static bool edge_is_weak(const struct shadow *shadow, uint32_t edge_index)
{
    const struct shadow_object *owner = &shadow->objects[shadow->edges[edge_index].owner];
    return owner->kind == TRACE_KIND_WEAK && edge_index == owner->first_edge + owner->slot_count;
}

static void link_edge(struct shadow *shadow, uint32_t edge_index, uint32_t target)
{
    struct shadow_edge *edge = &shadow->edges[edge_index];
    struct shadow_object *object = &shadow->objects[target];
    edge->target = target;
    edge->previous = 0;
    edge->next = object->incoming;
    if (edge->next != 0)
        shadow->edges[edge->next].previous = edge_index;
    object->incoming = edge_index;
    if (!edge_is_weak(shadow, edge_index))
        object->holder_count++;
}

/* Take the edge out of its target's list; what it held loses a holder. */
static void unlink_edge(struct shadow *shadow, uint32_t edge_index)
{
    struct shadow_edge *edge = &shadow->edges[edge_index];
    uint32_t target = edge->target;
    edge->target = 0;
    if (target == 0 || target == SHADOW_STALE)
        return;
    if (edge->next != 0)
        shadow->edges[edge->next].previous = edge->previous;
    if (edge->previous != 0)
        shadow->edges[edge->previous].next = edge->next;
    else
        shadow->objects[target].incoming = edge->next;
    if (!edge_is_weak(shadow, edge_index))
        lose_holder(shadow, target);
}

static void set_edge(struct shadow *shadow, uint32_t edge_index, uint32_t target)
{
    /* The new target is held before the old one is let go: they may be the same. */
    if (target != 0)
        shadow->objects[target].holder_count++;
    unlink_edge(shadow, edge_index);
    if (target != 0) {
        link_edge(shadow, edge_index, target);
        shadow->objects[target].holder_count--;
    }
}

static void gain_root(struct shadow *shadow, uint32_t index)
{
    shadow->objects[index].holder_count++;
    shadow->objects[index].root_count++;
}

static void lose_root(struct shadow *shadow, uint32_t index)
{
    assert(shadow->objects[index].root_count > 0);
    shadow->objects[index].root_count--;
    lose_holder(shadow, index);
}

static void set_root(struct shadow *shadow, uint32_t *table, uint32_t name, uint32_t target)
{
    uint32_t old = table[name];
    table[name] = target;
    if (target != 0)
        gain_root(shadow, target);
    if (old != 0)
        lose_root(shadow, old);
}

static void local_add(struct shadow *shadow, uint32_t index)
{
    struct shadow_object *object = &shadow->objects[index];
    uint32_t *first = &shadow->frames[shadow->depth];
    object->frame = shadow->depth;
    object->local_previous = 0;
    object->local_next = *first;
    if (*first != 0)
        shadow->objects[*first].local_previous = index;
    *first = index;
    gain_root(shadow, index);
}

static void local_drop(struct shadow *shadow, uint32_t index)
{
    struct shadow_object *object = &shadow->objects[index];
    if (object->local_next != 0)
        shadow->objects[object->local_next].local_previous = object->local_previous;
    if (object->local_previous != 0)
        shadow->objects[object->local_previous].local_next = object->local_next;
    else
        shadow->frames[object->frame] = object->local_next;
    object->frame = 0;
    lose_root(shadow, index);
}

static void frame_leave(struct shadow *shadow)
{
    while (shadow->frames[shadow->depth] != 0)
        local_drop(shadow, shadow->frames[shadow->depth]);
    shadow->depth--;
}

/* ---- The oracle. ---- */

uint64_t shadow_payload_bytes(const struct shadow_object *object)
{
    uint64_t slots = (uint64_t)shadow_edge_count(object) + ((object->flags & TRACE_EVENT_FINALIZABLE) != 0);
    return slots * 16 + object->bytes;
}

static void live_add(struct shadow *shadow, uint64_t bytes)
{
    shadow->live_bytes += bytes;
    if (shadow->peak_live_bytes < shadow->live_bytes)
        shadow->peak_live_bytes = shadow->live_bytes;
}

void shadow_set_cell_bytes(struct shadow *shadow, uint32_t object, uint32_t cell_bytes)
{
    shadow->live_bytes -= shadow->objects[object].cell_bytes;
    shadow->objects[object].cell_bytes = cell_bytes;
    live_add(shadow, cell_bytes);
}

static void count_death(struct shadow *shadow, const struct shadow_object *object)
{
    shadow->live_bytes -= shadow_payload_bytes(object) + object->cell_bytes;
    shadow->live_objects--;
}

/* ---- Events. ---- */

static void object_add(struct shadow *shadow, const struct trace_event *event)
{
    struct shadow_object *object = &shadow->objects[event->object];
    uint32_t stamp = object->stamp;
    assert(object->state == SHADOW_FREE);
    *object = (struct shadow_object){.bytes = event->bytes,
                                     .sequence = ++shadow->sequence,
                                     .line = event->line,
                                     .slot_count = event->slot_count,
                                     .first_edge = shadow->edge_cursor,
                                     .stamp = stamp,
                                     .kind = event->kind,
                                     .state = SHADOW_LIVE,
                                     .flags = event->flags};
    uint32_t edge_count = shadow_edge_count(object);
    for (uint32_t i = 0; i < edge_count; i++)
        shadow->edges[shadow->edge_cursor++] = (struct shadow_edge){.owner = event->object};
    live_add(shadow, shadow_payload_bytes(object));
    if (shadow->peak_live_objects < ++shadow->live_objects)
        shadow->peak_live_objects = shadow->live_objects;
    if (event->owner != 0)
        set_edge(shadow, shadow->objects[event->owner].first_edge + event->slot, event->object);
    else
        local_add(shadow, event->object);
}

static void object_resize(struct shadow *shadow, const struct trace_event *event)
{
    struct shadow_object *object = &shadow->objects[event->object];
    shadow->live_bytes -= object->bytes;
    object->bytes = event->bytes;
    live_add(shadow, object->bytes);
}

static void object_die(struct shadow *shadow, const struct trace_event *event)
{
    const struct shadow_object *object = &shadow->objects[event->object];
    if (event->owner != 0)
        unlink_edge(shadow, shadow->objects[event->owner].first_edge + event->slot);
    if (object->frame != 0)
        local_drop(shadow, event->object);
    /* What still holds it is itself (`d`), or a ring of objects that are as dead as it is (`D`). */
    if (object->state == SHADOW_LIVE)
        pend(shadow, event->object);
}

static void drop_table(struct shadow *shadow, uint32_t *table, uint32_t limit)
{
    for (uint32_t name = 0; name < limit; name++)
        if (table[name] != 0)
            set_root(shadow, table, name, 0);
}

static void request_end(struct shadow *shadow)
{
    drop_table(shadow, shadow->context, shadow->program->context_limit);
    if (shadow->sapi == SM_SAPI_FPM)
        drop_table(shadow, shadow->globals, shadow->program->global_limit);
    frame_leave(shadow);
}

void shadow_drop_roots(struct shadow *shadow)
{
    drop_table(shadow, shadow->context, shadow->program->context_limit);
    drop_table(shadow, shadow->globals, shadow->program->global_limit);
    while (shadow->depth != 0)
        frame_leave(shadow);
}

void shadow_apply(struct shadow *shadow, const struct trace_event *event)
{
    assert(shadow->pending_first == 0);
    switch ((enum trace_op)event->op) {
    case TRACE_ALLOCATE:
        object_add(shadow, event);
        break;
    case TRACE_RESIZE:
        object_resize(shadow, event);
        break;
    case TRACE_STORE:
    case TRACE_WEAK:
        set_edge(shadow, shadow->objects[event->owner].first_edge + event->slot, event->object);
        break;
    case TRACE_DROP_LOCAL:
        local_drop(shadow, event->object);
        break;
    case TRACE_GLOBAL:
        set_root(shadow, shadow->globals, event->slot, event->object);
        break;
    case TRACE_CONTEXT:
        set_root(shadow, shadow->context, event->slot, event->object);
        break;
    case TRACE_ENTER:
    case TRACE_REQUEST_BEGIN:
        shadow->frames[++shadow->depth] = 0;
        break;
    case TRACE_LEAVE:
        frame_leave(shadow);
        break;
    case TRACE_REQUEST_END:
        request_end(shadow);
        break;
    case TRACE_DEATH:
    case TRACE_CYCLIC_DEATH:
        object_die(shadow, event);
        break;
    default:
        break;
    }
}

/* ---- Releases. ---- */

uint32_t shadow_pending(const struct shadow *shadow)
{
    return shadow->pending_first;
}

void shadow_release(struct shadow *shadow, uint32_t index, uint32_t line)
{
    struct shadow_object *object = &shadow->objects[index];
    assert(object->state == SHADOW_PENDING && shadow->pending_first == index);
    object->state = SHADOW_RELEASED;
    object->line = line;
    count_death(shadow, object);
    uint32_t edge_count = shadow_edge_count(object);
    for (uint32_t i = 0; i < edge_count; i++)
        unlink_edge(shadow, object->first_edge + i);
    /* Only now: its edges may have queued others behind it. */
    shadow->pending_first = object->link;
}

static void release_all(struct shadow *shadow, uint32_t line)
{
    for (uint32_t i = 1; i < shadow->program->entry_limit; i++)
        if (shadow->objects[i].state == SHADOW_LIVE) {
            pend(shadow, i);
            while (shadow->pending_first != 0)
                shadow_release(shadow, shadow->pending_first, line);
        }
}

/* The record becomes free for another object; edges that still name it say so. */
static void forget(struct shadow *shadow, uint32_t index)
{
    struct shadow_object *object = &shadow->objects[index];
    assert(object->state == SHADOW_RELEASED);
    for (uint32_t edge = object->incoming; edge != 0; edge = shadow->edges[edge].next)
        shadow->edges[edge].target = SHADOW_STALE;
    object->incoming = 0;
    object->state = SHADOW_FREE;
}

void shadow_conclude(struct shadow *shadow, const struct trace_event *event)
{
    assert(shadow->pending_first == 0);
    if (event->op == TRACE_DEATH || event->op == TRACE_CYCLIC_DEATH)
        forget(shadow, event->object);
    else if (event->op == TRACE_REQUEST_END && shadow->sapi == SM_SAPI_FPM)
        release_all(shadow, event->line);
}
