/**
 * A plain list of what ought to be in a heap of the epoch policy, and what a cycle must keep of it.
 *
 * After a full cycle at a safepoint that stopped the program exactly what the roots reach is left, and objects whose destructor
 * became due with what those reach (R5). A young cycle, and one
 * beside the program, leave at least that; an emergency also what is younger than the last safepoint and what that
 * reaches. The list keeps its own edges; an object's place in it is in its header's count, which nobody reads.
 *
 * The steps do what a program can do: they link what they have from a root, from a weak cell, or from an allocation since
 * the last safepoint, and never what nothing leads to any more (R1).
 */
#ifndef EPOCH_HEAP_LIST_H
#define EPOCH_HEAP_LIST_H

#include "epoch_variants.h"
#include "test_scale.h"

#include "sapimem/extension.h"

#include <stdlib.h>
#include <string.h>

#define KIB ((size_t)1024)
#define MIB (KIB * KIB)

enum {
    ENTRIES_MAX = 2500,
    EDGES_MAX = 5,
    HANDLES = 8,
    ROOTS = 48,
    NONE = UINT32_MAX,
    HUGE_MAX = 3, /* of about 5 MiB alive at a time */
    DEAD_SLOTS = 1 << 16,
    DEAD_LAST = 32,
    CHECK_EVERY = 250,
    LOCALS_MAX = 64,
};

#define LIVE_BYTES_MAX (24 * MIB)

/* What step_alloc makes comes first. */
enum kind { KIND_LEAF, KIND_VALUES, KIND_NODE, KIND_OPAQUE, KIND_MORTAL, KIND_WEAK, KIND_ENTRY };

struct entry {
    struct sm_object *object; /* NULL: a free place */
    size_t payload_bytes;
    uint64_t birth_epoch;
    enum kind kind;
    unsigned char pattern;
    bool is_recent, is_reached, is_seen;
    bool has_destructor, was_destroyed; /* the latter: since the list last looked */
    uint32_t edges[EDGES_MAX];          /* places */
    uint32_t target;                    /* of a weak cell or entry; that is no edge */
};

struct model {
    struct sm_manager *mm;
    sm_type_id node_type, opaque_type, mortal_type;
    uint64_t seed, random, steps;
    bool is_limited, never_reuses, is_request_open, is_pinned, is_closing;
    const char *fault; /* the first that was found */
    /* Told by the hook since the list last looked. */
    uint64_t cycle_count, emergency_count, exact_count;
    uint64_t young_count, beside_count; /* in all */
    /* What was made or handed out since the last safepoint: a ring. */
    uint32_t locals[LOCALS_MAX];
    size_t local_count;
    uint32_t handle_places[HANDLES]; /* of persistent handles: roots too */
    sm_handle handles[HANDLES];
    uint64_t destroyed_count, emergency_total;
    uint32_t roots[ROOTS];
    struct sm_object *root_objects[ROOTS];
    bool hides_a_root; /* for the control */
    size_t count, huge_count;
    uint64_t live_bytes;
    struct entry entries[ENTRIES_MAX];
    struct sm_object *fresh;    /* allocated, and not in the list yet */
    uintptr_t dead[DEAD_SLOTS]; /* a hash set of addresses where something died */
    uintptr_t dead_last[DEAD_LAST];
    size_t dead_count;
    uint32_t sorted[ENTRIES_MAX];
};

static inline uint64_t next_random(struct model *model, uint64_t bound)
{
    model->random = model->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (model->random >> 33) % bound;
}

static inline void expect(struct model *model, bool holds, const char *what)
{
    if (!holds && model->fault == NULL)
        model->fault = what;
}

/* ---- Objects of each kind. ---- */

/* Two plain pointers, then bytes. */
enum { NODE_HEAD_BYTES = 32, OPAQUE_HEAD_BYTES = sizeof(struct sm_value) };
static const uint16_t node_pointers[2] = {0, 16};

static inline void trace_node(const struct sm_object *object, struct sm_visitor *visitor)
{
    const char *payload = sm_payload_const(object);
    sm_visit_pointer(visitor, payload + node_pointers[0]);
    sm_visit_pointer(visitor, payload + node_pointers[1]);
}

/* One edge, as its complement, in a value that is a number to everybody else. */
static inline void trace_opaque(const struct sm_object *object, struct sm_visitor *visitor)
{
    uint64_t hidden = ((const struct sm_value *)sm_payload_const(object))->payload;
    if (hidden != 0)
        visitor->edge(visitor, (struct sm_object *)(uintptr_t)~hidden);
}

static inline size_t slots_of(const struct entry *entry)
{
    return entry->payload_bytes / sizeof(struct sm_value);
}

static inline size_t edges_of(const struct entry *entry)
{
    size_t slots = slots_of(entry);
    switch (entry->kind) {
    case KIND_VALUES:
        return slots < EDGES_MAX ? slots : EDGES_MAX;
    case KIND_NODE:
    case KIND_MORTAL:
        return 2;
    case KIND_OPAQUE:
        return 1;
    case KIND_ENTRY:
        return entry->target != NONE; /* once that is dead it has no value */
    case KIND_LEAF:
    case KIND_WEAK:
        return 0;
    }
    return 0;
}

/* From the first slot to the last, spread evenly; of an entry its value. */
static inline struct sm_value *slot_of(const struct entry *entry, size_t edge)
{
    size_t slots = slots_of(entry);
    if (entry->kind == KIND_ENTRY)
        return sm_weak_entry_value(entry->object);
    return (struct sm_value *)sm_payload(entry->object) +
           (slots < EDGES_MAX ? edge : edge * (slots - 1) / (EDGES_MAX - 1));
}

static inline struct sm_object *object_at(const struct model *model, uint32_t place)
{
    return place == NONE ? NULL : model->entries[place].object;
}

static inline void set_edge(struct model *model, struct entry *entry, size_t edge, uint32_t target)
{
    struct sm_object *object = object_at(model, target);
    struct sm_value value = {0, 0};
    entry->edges[edge] = target;
    if (entry->kind == KIND_VALUES || entry->kind == KIND_ENTRY) {
        if (object != NULL)
            value = sm_value_from_object(object, 1);
        sm_store(model->mm, entry->object, slot_of(entry, edge), value);
    } else if (entry->kind == KIND_NODE || entry->kind == KIND_MORTAL) {
        sm_store_pointer(model->mm, entry->object, (char *)sm_payload(entry->object) + node_pointers[edge], object);
    } else {
        value = (struct sm_value){object == NULL ? 0 : ~(uint64_t)(uintptr_t)object, 1};
        sm_store(model->mm, entry->object, (struct sm_value *)sm_payload(entry->object), value);
    }
}

static inline const struct sm_object *edge_in_memory(const struct entry *entry, size_t edge)
{
    const char *payload = sm_payload_const(entry->object);
    const struct sm_object *target = NULL;
    if (entry->kind == KIND_VALUES || entry->kind == KIND_ENTRY) {
        struct sm_value value = *slot_of(entry, edge);
        return sm_value_is_heap(value) ? sm_value_object(value) : NULL;
    }
    if (entry->kind == KIND_NODE || entry->kind == KIND_MORTAL) {
        memcpy(&target, payload + node_pointers[edge], sizeof(struct sm_object *));
        return target;
    }
    uint64_t hidden = *(const uint64_t *)(const void *)payload;
    return hidden == 0 ? NULL : (const struct sm_object *)(uintptr_t)~hidden;
}

/* What no edge is in: bytes of the object's own pattern. */
static inline size_t pattern_offset(const struct entry *entry)
{
    static const size_t heads[] = {[KIND_LEAF] = 0,
                                   [KIND_VALUES] = SIZE_MAX,
                                   [KIND_NODE] = NODE_HEAD_BYTES,
                                   [KIND_OPAQUE] = OPAQUE_HEAD_BYTES,
                                   [KIND_MORTAL] = NODE_HEAD_BYTES,
                                   [KIND_WEAK] = SIZE_MAX,
                                   [KIND_ENTRY] = SIZE_MAX};
    return heads[entry->kind] == SIZE_MAX ? entry->payload_bytes : heads[entry->kind];
}

/* Numbers in the values beside the first and the last, where no edge is. */
static inline size_t number_slots(const struct entry *entry, struct sm_value **slots)
{
    size_t count = slots_of(entry);
    if (entry->kind != KIND_VALUES || count < (size_t)3 * EDGES_MAX)
        return 0;
    slots[0] = slot_of(entry, 0) + 1;
    slots[1] = slot_of(entry, EDGES_MAX - 1) - 1;
    return 2;
}

static inline void fill(const struct entry *entry)
{
    struct sm_value *slots[2];
    size_t offset = pattern_offset(entry);
    memset((char *)sm_payload(entry->object) + offset, entry->pattern, entry->payload_bytes - offset);
    for (size_t i = number_slots(entry, slots); i-- > 0;)
        *slots[i] = (struct sm_value){entry->pattern, 1};
}

static inline bool is_intact(const struct model *model, const struct entry *entry)
{
    struct sm_value *slots[2];
    size_t offset = pattern_offset(entry), bytes = entry->payload_bytes - offset;
    const unsigned char *start = (const unsigned char *)sm_payload_const(entry->object) + offset;
    if (entry->object->payload_bytes != entry->payload_bytes)
        return false;
    if (bytes != 0 && (start[0] != entry->pattern || memcmp(start, start + 1, bytes - 1) != 0))
        return false;
    for (size_t i = number_slots(entry, slots); i-- > 0;)
        if (slots[i]->payload != entry->pattern || slots[i]->tag != 1)
            return false;
    for (size_t e = 0; e < edges_of(entry); e++)
        if (edge_in_memory(entry, e) != object_at(model, entry->edges[e]))
            return false;
    return true;
}

/* ---- The list. ---- */

static inline bool is_live_place(const struct model *model, uint32_t place)
{
    return model->entries[place].object != NULL;
}

static inline uint32_t free_place(struct model *model)
{
    uint32_t place = (uint32_t)next_random(model, ENTRIES_MAX);
    while (is_live_place(model, place))
        place = (place + 1) % ENTRIES_MAX;
    return place;
}

/* NONE: the list is empty. */
static inline uint32_t random_place(struct model *model)
{
    uint32_t place = (uint32_t)next_random(model, ENTRIES_MAX);
    for (size_t i = 0; i < ENTRIES_MAX && !is_live_place(model, place); i++)
        place = (place + 1) % ENTRIES_MAX;
    return model->count == 0 ? NONE : place;
}

static inline size_t dead_slot(const struct model *model, uintptr_t address)
{
    size_t slot = address / 16 * 2654435761u % DEAD_SLOTS;
    while (model->dead[slot] != 0 && model->dead[slot] != address)
        slot = (slot + 1) % DEAD_SLOTS;
    return slot;
}

static inline void note_dead(struct model *model, uintptr_t address)
{
    model->dead_last[model->dead_count++ % DEAD_LAST] = address;
    if (model->dead_count < DEAD_SLOTS / 2)
        model->dead[dead_slot(model, address)] = address;
}

static inline void drop_entry(struct model *model, uint32_t place)
{
    struct entry *entry = &model->entries[place];
    note_dead(model, (uintptr_t)entry->object);
    model->count--;
    model->live_bytes -= entry->payload_bytes;
    model->huge_count -= entry->payload_bytes > 4 * MIB;
    entry->object = NULL;
}

static inline void note_local(struct model *model, uint32_t place)
{
    model->entries[place].is_recent = true;
    model->locals[model->local_count++ % LOCALS_MAX] = place;
}

static inline uint32_t enter(struct model *model, struct sm_object *object, enum kind kind)
{
    uint32_t place = free_place(model);
    struct entry *entry = &model->entries[place];
    expect(model, !model->never_reuses || model->dead[dead_slot(model, (uintptr_t)object)] == 0,
           "never-reuse: an address came back");
    *entry = (struct entry){.object = object,
                            .payload_bytes = (size_t)object->payload_bytes,
                            .birth_epoch = sm_epoch_current(model->mm),
                            .kind = kind,
                            .pattern = (unsigned char)(1 + next_random(model, 250)),
                            .edges = {NONE, NONE, NONE, NONE, NONE},
                            .target = NONE};
    object->count = place;
    note_local(model, place);
    model->count++;
    model->live_bytes += entry->payload_bytes;
    model->huge_count += entry->payload_bytes > 4 * MIB;
    return place;
}

static inline void set_root(struct model *model, size_t root, uint32_t place)
{
    model->roots[root] = place;
    model->root_objects[root] = object_at(model, place);
}

/* ---- What the program has. ---- */

/* Some way down from a root or handle; NONE: there is nothing at that one. */
static inline uint32_t rooted_place(struct model *model)
{
    size_t root = next_random(model, ROOTS + HANDLES);
    uint32_t at = root < ROOTS ? model->roots[root] : model->handle_places[root - ROOTS];
    for (uint64_t left = next_random(model, 12); at != NONE && left > 0; left--) {
        const struct entry *entry = &model->entries[at];
        size_t edges = edges_of(entry);
        uint32_t next = edges == 0 ? NONE : entry->edges[next_random(model, edges)];
        if (next == NONE)
            break;
        at = next;
    }
    return at;
}

static inline uint32_t local_place(struct model *model)
{
    size_t count = model->local_count < LOCALS_MAX ? model->local_count : LOCALS_MAX;
    uint32_t place = count == 0 ? NONE : model->locals[next_random(model, count)];
    return place != NONE && is_live_place(model, place) && model->entries[place].is_recent ? place : NONE;
}

/* NONE: chance found nothing. */
static inline uint32_t held_place(struct model *model)
{
    uint32_t place = NONE;
    for (size_t attempt = 0; attempt < 8 && place == NONE; attempt++)
        place = next_random(model, 4) == 0 ? local_place(model) : rooted_place(model);
    return place;
}

/* ---- What a cycle must keep. ---- */

static inline void reach(struct model *model, uint32_t *stack, size_t *depth, uint32_t place)
{
    if (place == NONE || model->entries[place].is_reached)
        return;
    expect(model, is_live_place(model, place), "the test's own list is broken");
    model->entries[place].is_reached = true;
    stack[(*depth)++] = place;
}

/* An entry keeps its value to the end of the cycle that finds its target dead, and not longer: one may keep it, none must. */
static inline bool leads_on(const struct model *model, const struct entry *entry, bool is_lenient)
{
    return entry->kind != KIND_ENTRY || is_lenient || (entry->target != NONE && model->entries[entry->target].is_seen);
}

static inline void reach_below(struct model *model, uint32_t *stack, size_t depth, bool is_lenient)
{
    while (depth > 0) {
        const struct entry *entry = &model->entries[stack[--depth]];
        for (size_t e = 0; leads_on(model, entry, is_lenient) && e < edges_of(entry); e++)
            reach(model, stack, &depth, entry->edges[e]);
    }
}

static inline void find_reachable(struct model *model, bool with_recent, bool is_lenient)
{
    static uint32_t stack[ENTRIES_MAX];
    size_t depth = 0;
    for (uint32_t place = 0; place < ENTRIES_MAX; place++)
        model->entries[place].is_reached = false;
    for (size_t i = 0; i < ROOTS; i++)
        reach(model, stack, &depth, model->roots[i]);
    for (size_t i = 0; i < HANDLES; i++)
        reach(model, stack, &depth, model->handle_places[i]);
    for (uint32_t place = 0; place < ENTRIES_MAX; place++)
        if (with_recent && is_live_place(model, place) && model->entries[place].is_recent)
            reach(model, stack, &depth, place);
    reach_below(model, stack, depth, is_lenient);
}

/* R5: objects whose destructor ran after the cycle, or has not run, and all that they reach, are there still. */
static inline void find_due(struct model *model, bool with_registered, bool is_lenient)
{
    static uint32_t stack[ENTRIES_MAX];
    size_t depth = 0;
    for (uint32_t place = 0; place < ENTRIES_MAX; place++) {
        const struct entry *entry = &model->entries[place];
        bool is_due = entry->was_destroyed || (with_registered && entry->has_destructor);
        if (is_due && is_live_place(model, place))
            reach(model, stack, &depth, place);
    }
    reach_below(model, stack, depth, is_lenient);
}

/* What only a destructor that was due before the cycle leads to is due later. */
static inline void expect_destructors_run(struct model *model)
{
    find_due(model, false, true);
    for (uint32_t place = 0; place < ENTRIES_MAX; place++)
        expect(model,
               !is_live_place(model, place) || model->entries[place].is_reached ||
                   !model->entries[place].has_destructor,
               "a destructor that was due did not run");
}

static inline void see(void *context, struct sm_object *object)
{
    struct model *model = context;
    if (object == model->fresh)
        return;
    struct entry *entry = object->count < ENTRIES_MAX ? &model->entries[object->count] : NULL;
    bool is_known = entry != NULL && entry->object == object;
    expect(model, is_known, "the walk shows an object that nobody knows");
    expect(model, !is_known || !entry->is_seen, "the walk shows an object twice");
    if (is_known)
        entry->is_seen = true;
}

/* What is kept must not lead to what is not, and a weak cell is cleared with its target. */
static inline void expect_closed(struct model *model)
{
    for (uint32_t place = 0; place < ENTRIES_MAX; place++) {
        struct entry *entry = &model->entries[place];
        if (entry->object == NULL)
            continue;
        for (size_t e = 0; e < edges_of(entry); e++)
            expect(model, entry->edges[e] == NONE || is_live_place(model, entry->edges[e]),
                   "a survivor refers to what was collected");
    }
}

static inline void clear_target(struct entry *entry)
{
    entry->target = entry->edges[0] = NONE;
}

static inline bool is_weak(const struct entry *entry)
{
    return entry->object != NULL && (entry->kind == KIND_WEAK || entry->kind == KIND_ENTRY);
}

static inline void clear_weak(struct model *model, uint32_t dead)
{
    for (uint32_t place = 0; place < ENTRIES_MAX; place++)
        if (is_weak(&model->entries[place]) && model->entries[place].target == dead)
            clear_target(&model->entries[place]);
}

static inline void clear_dangling_weak(struct model *model)
{
    for (uint32_t place = 0; place < ENTRIES_MAX; place++) {
        struct entry *entry = &model->entries[place];
        if (is_weak(entry) && entry->target != NONE && !is_live_place(model, entry->target))
            clear_target(entry);
    }
}

static inline void walk(struct model *model)
{
    for (uint32_t place = 0; place < ENTRIES_MAX; place++)
        model->entries[place].is_seen = false;
    sm_walk(model->mm, see, model);
}

/* Nothing is left but what is reachable and what is due. */
static inline void expect_exact(struct model *model, bool is_settled)
{
    find_reachable(model, false, true);
    expect_destructors_run(model);
    if (!is_settled)
        find_due(model, true, true);
    for (uint32_t place = 0; place < ENTRIES_MAX; place++)
        expect(model,
               !is_live_place(model, place) || model->entries[place].is_reached || !model->entries[place].is_seen,
               "a cycle kept what nothing reaches");
}

/* Cycles ran: learn from the walk what they kept, and judge that. `is_settled`: until no destructor was due any more. */
static inline void follow_cycle(struct model *model, bool is_exact, bool is_emergency, bool is_settled)
{
    walk(model);
    if (is_exact)
        expect_exact(model, is_settled);
    find_reachable(model, is_emergency, false);
    if (!is_settled)
        find_due(model, true, false);
    for (uint32_t place = 0; place < ENTRIES_MAX; place++) {
        const struct entry *entry = &model->entries[place];
        if (entry->object == NULL)
            continue;
        expect(model, !entry->is_reached || entry->is_seen, "a cycle took what it had to keep");
        if (!entry->is_seen)
            drop_entry(model, place);
    }
    clear_dangling_weak(model);
    expect_closed(model);
}

static inline void follow(struct model *model, bool is_settled)
{
    bool is_emergency = model->emergency_count != 0, is_exact = model->exact_count != 0 && !is_emergency;
    if (model->cycle_count != 0)
        follow_cycle(model, is_exact, is_emergency, is_settled);
    model->cycle_count = model->emergency_count = model->exact_count = 0;
    for (uint32_t place = 0; place < ENTRIES_MAX; place++)
        model->entries[place].was_destroyed = false;
}

static inline void follow_cycles(struct model *model)
{
    follow(model, false);
}

static inline void note_cycle(void *context, const struct sm_cycle_record *record)
{
    struct model *model = context;
    bool is_emergency = record->trigger == SM_TRIGGER_EMERGENCY;
    bool is_young = record->kind == SM_CYCLE_YOUNG;
    model->cycle_count++;
    model->emergency_count += is_emergency;
    model->emergency_total += is_emergency;
    model->exact_count += !is_emergency && !is_young && !record->is_concurrent;
    model->young_count += is_young;
    model->beside_count += record->is_concurrent;
}

/* Nothing is in locals any more. */
static inline void forget_recent(struct model *model)
{
    for (uint32_t place = 0; place < ENTRIES_MAX; place++)
        model->entries[place].is_recent = false;
    model->local_count = 0;
}

#endif
