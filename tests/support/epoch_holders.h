/**
 * Whatever holds an edge under the epoch policy: each way in which a store finds the piece of an object that it belongs to.
 */
#ifndef EPOCH_HOLDERS_H
#define EPOCH_HOLDERS_H

#include "epoch_stages.h"

enum holder {
    HOLDER_NODE,        /**< only its trace function knows */
    HOLDER_VALUES,      /**< an array in a block with others: one piece */
    HOLDER_CHUNK_FIRST, /**< large arrays: of many chunks, one is written to */
    HOLDER_CHUNK_MIDDLE,
    HOLDER_CHUNK_LAST,
    HOLDER_POINTER, /**< a plain pointer */
    HOLDER_KEY,     /**< that of an element, in a large table */
    HOLDER_ENTRY,   /**< the value of a weak entry */
    HOLDER_COUNT,
};

static inline bool holder_has_chunks(enum holder holder)
{
    return holder == HOLDER_KEY || (holder >= HOLDER_CHUNK_FIRST && holder <= HOLDER_CHUNK_LAST);
}

enum { KEYED_BYTES = 32, KEYED_KEY = 16, KEYED_ELEMENTS = 10 * EPOCH_CHUNK_ELEMENTS };
static sm_type_id pointer_type, keyed_type;

static inline void trace_pointer(const struct sm_object *object, struct sm_visitor *visitor)
{
    sm_visit_pointer(visitor, (const char *)sm_payload_const(object) + 8);
}

static inline void trace_keyed(const struct sm_object *object, struct sm_visitor *visitor)
{
    const char *payload = sm_payload_const(object);
    for (size_t at = 0; at + KEYED_BYTES <= object->payload_bytes; at += KEYED_BYTES) {
        sm_visit_value(visitor, (const struct sm_value *)(const void *)(payload + at));
        sm_visit_pointer(visitor, payload + at + KEYED_KEY);
    }
}

static inline void holders_open(struct graph *graph)
{
    const struct sm_type pointer = {.name = "pointer",
                                    .trace = trace_pointer,
                                    .layout = {.kind = SM_LAYOUT_SLOTS, .pointer_count = 1, .pointers = {8}}};
    const struct sm_type keyed = {
        .name = "keyed",
        .trace = trace_keyed,
        .layout = {.kind = SM_LAYOUT_SLOTS, .stride = KEYED_BYTES, .element_bytes = KEYED_BYTES, .key = KEYED_KEY}};
    assert_int_equal(sm_type_register(graph->mm, &pointer, &pointer_type), SM_OK);
    assert_int_equal(sm_type_register(graph->mm, &keyed, &keyed_type), SM_OK);
}

/** The root that entries have as their target. */
enum { ROOT_TARGET };

static inline void put_root(struct graph *graph, size_t root, struct sm_object *object)
{
    assert_non_null(object);
    graph->roots[root] = (struct node *)(void *)object;
}

static inline struct sm_object *holder_new(struct graph *graph, enum holder holder)
{
    switch (holder) {
    case HOLDER_NODE:
        return &node_new(graph, 1000)->header;
    case HOLDER_VALUES:
        return sm_alloc(graph->mm, SM_TYPE_VALUES, 4 * sizeof(struct sm_value));
    case HOLDER_POINTER:
        return sm_alloc(graph->mm, pointer_type, 16);
    case HOLDER_KEY:
        return sm_alloc(graph->mm, keyed_type, (size_t)KEYED_ELEMENTS * KEYED_BYTES);
    case HOLDER_ENTRY:
        return sm_weak_entry_make(graph->mm, &graph->roots[ROOT_TARGET]->header, (struct sm_value){0, 0});
    default:
        return sm_alloc(graph->mm, SM_TYPE_VALUES, STAGES_ELEMENTS * sizeof(struct sm_value));
    }
}

static inline struct sm_value *value_slot(struct sm_object *object, enum holder holder)
{
    static const size_t elements[] = {[HOLDER_VALUES] = 2,
                                      [HOLDER_CHUNK_FIRST] = 3,
                                      [HOLDER_CHUNK_MIDDLE] = STAGES_ELEMENTS / 2 + 5,
                                      [HOLDER_CHUNK_LAST] = STAGES_ELEMENTS - 1};
    if (holder == HOLDER_NODE)
        return ((struct node *)(void *)object)->edges;
    if (holder == HOLDER_ENTRY)
        return sm_weak_entry_value(object);
    return (struct sm_value *)sm_payload(object) + elements[holder];
}

/** NULL: it holds a value. */
static inline char *pointer_slot(struct sm_object *object, enum holder holder)
{
    if (holder == HOLDER_POINTER)
        return (char *)sm_payload(object) + 8;
    if (holder == HOLDER_KEY)
        return (char *)sm_payload(object) + (size_t)(KEYED_ELEMENTS - 1) * KEYED_BYTES + KEYED_KEY;
    return NULL;
}

/** How a holder is given something to hold, NULL for nothing. */
typedef void holder_store(struct graph *graph, struct sm_object *object, enum holder holder, struct node *target);

static inline void holder_set(struct graph *graph, struct sm_object *object, enum holder holder, struct node *target)
{
    char *pointer = pointer_slot(object, holder);
    if (pointer != NULL)
        sm_store_pointer(graph->mm, object, pointer, target);
    else
        sm_store(graph->mm, object, value_slot(object, holder), value_of(target));
}

/** For controls: the barrier does not hear of it. */
static inline void holder_set_behind(struct graph *graph, struct sm_object *object, enum holder holder,
                                     struct node *target)
{
    char *pointer = pointer_slot(object, holder);
    (void)graph;
    if (pointer != NULL)
        memcpy(pointer, &target, sizeof(struct node *));
    else
        *value_slot(object, holder) = value_of(target);
}

#endif
