/**
 * A plain list of what ought to be in a heap of the epoch policy, and what a cycle must keep of it.
 *
 * After a cycle at a safepoint exactly what the roots reach is left; after an emergency at least that, what is younger
 * than the last safepoint and what both reach. The list keeps its own edges; an object's place in it is in its header's
 * count, which nobody reads.
 */
#ifndef EPOCH_HEAP_LIST_H
#define EPOCH_HEAP_LIST_H

#include "epoch_variants.h"
#include "test_scale.h"

#include <stdlib.h>
#include <string.h>

#define KIB ((size_t)1024)
#define MIB (KIB * KIB)

enum {
    ENTRIES_MAX = 2500,
    EDGES_MAX = 3,
    ROOTS = 48,
    NONE = UINT32_MAX,
    HUGE_MAX = 3, /* of about 5 MiB alive at a time */
    DEAD_SLOTS = 1 << 16,
    DEAD_LAST = 32,
    CHECK_EVERY = 250,
};

#define LIVE_BYTES_MAX (24 * MIB)

enum kind { KIND_LEAF, KIND_VALUES, KIND_NODE, KIND_OPAQUE, KIND_WEAK };

struct entry {
    struct sm_object *object; /* NULL: a free place */
    size_t payload_bytes;
    uint64_t birth_epoch;
    enum kind kind;
    unsigned char pattern;
    bool is_recent, is_reached, is_seen;
    uint32_t edges[EDGES_MAX]; /* places; of a weak cell the target, which is no edge */
};

struct model {
    struct sm_manager *mm;
    sm_type_id node_type, opaque_type;
    uint64_t seed, random, steps;
    bool is_limited, never_reuses, is_request_open, is_pinned;
    const char *fault;                     /* the first that was found */
    uint64_t cycles, emergencies;          /* seen by the list */
    uint64_t cycle_count, emergency_count; /* told by the hook */
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
enum { NODE_HEAD_BYTES = 32, OPAQUE_HEAD_BYTES = 8 };
static const uint16_t node_pointers[2] = {0, 16};

static inline void trace_node(const struct sm_object *object, struct sm_visitor *visitor)
{
    const char *payload = sm_payload_const(object);
    sm_visit_pointer(visitor, payload + node_pointers[0]);
    sm_visit_pointer(visitor, payload + node_pointers[1]);
}

/* One edge, as its complement. */
static inline void trace_opaque(const struct sm_object *object, struct sm_visitor *visitor)
{
    uint64_t hidden = *(const uint64_t *)sm_payload_const(object);
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
        return 2;
    case KIND_OPAQUE:
        return 1;
    case KIND_LEAF:
    case KIND_WEAK:
        return 0;
    }
    return 0;
}

/* The first slot, the middle one and the last. */
static inline struct sm_value *slot_of(const struct entry *entry, size_t edge)
{
    size_t slots = slots_of(entry);
    return (struct sm_value *)sm_payload(entry->object) + (slots < EDGES_MAX ? edge : edge * (slots - 1) / 2);
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
    if (entry->kind == KIND_VALUES) {
        if (object != NULL)
            value = sm_value_from_object(object, 1);
        sm_store(model->mm, entry->object, slot_of(entry, edge), value);
    } else if (entry->kind == KIND_NODE) {
        sm_store_pointer(model->mm, entry->object, (char *)sm_payload(entry->object) + node_pointers[edge], object);
    } else {
        *(uint64_t *)sm_payload(entry->object) = object == NULL ? 0 : ~(uint64_t)(uintptr_t)object;
    }
}

static inline const struct sm_object *edge_in_memory(const struct entry *entry, size_t edge)
{
    const char *payload = sm_payload_const(entry->object);
    const struct sm_object *target = NULL;
    if (entry->kind == KIND_VALUES) {
        struct sm_value value = *slot_of(entry, edge);
        return sm_value_is_heap(value) ? sm_value_object(value) : NULL;
    }
    if (entry->kind == KIND_NODE) {
        memcpy(&target, payload + node_pointers[edge], sizeof(struct sm_object *));
        return target;
    }
    uint64_t hidden = *(const uint64_t *)(const void *)payload;
    return hidden == 0 ? NULL : (const struct sm_object *)(uintptr_t)~hidden;
}

/* What no edge is in: bytes of the object's own pattern. */
static inline size_t pattern_offset(const struct entry *entry)
{
    static const size_t heads[] = {[KIND_LEAF] = 0, [KIND_NODE] = NODE_HEAD_BYTES, [KIND_OPAQUE] = OPAQUE_HEAD_BYTES};
    return entry->kind == KIND_VALUES || entry->kind == KIND_WEAK ? entry->payload_bytes : heads[entry->kind];
}

/* Numbers in the values beside the first and the last, where no edge is. */
static inline size_t number_slots(const struct entry *entry, struct sm_value **slots)
{
    size_t count = slots_of(entry);
    if (entry->kind != KIND_VALUES || count < 8)
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
                            .is_recent = true,
                            .edges = {NONE, NONE, NONE}};
    object->count = place;
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

/* ---- What a cycle must keep. ---- */

static inline void reach(struct model *model, uint32_t *stack, size_t *depth, uint32_t place)
{
    if (place == NONE || model->entries[place].is_reached)
        return;
    expect(model, is_live_place(model, place), "the test's own list is broken");
    model->entries[place].is_reached = true;
    stack[(*depth)++] = place;
}

static inline void find_reachable(struct model *model, bool with_recent)
{
    static uint32_t stack[ENTRIES_MAX];
    size_t depth = 0;
    for (uint32_t place = 0; place < ENTRIES_MAX; place++)
        model->entries[place].is_reached = model->entries[place].is_seen = false;
    for (size_t i = 0; i < ROOTS; i++)
        reach(model, stack, &depth, model->roots[i]);
    for (uint32_t place = 0; place < ENTRIES_MAX; place++)
        if (with_recent && is_live_place(model, place) && model->entries[place].is_recent)
            reach(model, stack, &depth, place);
    while (depth > 0) {
        const struct entry *entry = &model->entries[stack[--depth]];
        for (size_t e = 0; e < edges_of(entry); e++)
            reach(model, stack, &depth, entry->edges[e]);
    }
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

static inline void clear_weak(struct model *model, uint32_t dead)
{
    for (uint32_t place = 0; place < ENTRIES_MAX; place++)
        if (is_live_place(model, place) && model->entries[place].kind == KIND_WEAK &&
            model->entries[place].edges[0] == dead)
            model->entries[place].edges[0] = NONE;
}

static inline void clear_dangling_weak(struct model *model)
{
    for (uint32_t place = 0; place < ENTRIES_MAX; place++) {
        struct entry *entry = &model->entries[place];
        if (entry->object != NULL && entry->kind == KIND_WEAK && entry->edges[0] != NONE &&
            !is_live_place(model, entry->edges[0]))
            entry->edges[0] = NONE;
    }
}

/* A cycle ran: learn from the walk what it kept, and judge that. */
static inline void follow_cycle(struct model *model, bool is_exact)
{
    find_reachable(model, !is_exact);
    sm_walk(model->mm, see, model);
    for (uint32_t place = 0; place < ENTRIES_MAX; place++) {
        const struct entry *entry = &model->entries[place];
        if (entry->object == NULL)
            continue;
        expect(model, !entry->is_reached || entry->is_seen, "a cycle took what it had to keep");
        expect(model, !is_exact || entry->is_reached || !entry->is_seen, "a cycle kept what nothing reaches");
        if (!entry->is_seen)
            drop_entry(model, place);
    }
    clear_dangling_weak(model);
    expect_closed(model);
}

static inline void follow_cycles(struct model *model)
{
    if (model->cycles == model->cycle_count)
        return;
    bool is_exact = model->emergencies == model->emergency_count;
    model->cycles = model->cycle_count;
    model->emergencies = model->emergency_count;
    follow_cycle(model, is_exact);
}

static inline void note_cycle(void *context, const struct sm_cycle_record *record)
{
    struct model *model = context;
    model->cycle_count++;
    model->emergency_count += record->trigger == SM_TRIGGER_EMERGENCY;
}

/* Nothing is in locals any more. */
static inline void forget_recent(struct model *model)
{
    for (uint32_t place = 0; place < ENTRIES_MAX; place++)
        model->entries[place].is_recent = false;
}

#endif
