/* The program's side of the barriers. */
#include "epoch/epoch_internal.h"

#include "epoch/chunks.h"

#include "store.h"

#include "manager_internal.h"

#include <sched.h>
#include <unistd.h>

/* ---- The snapshot. ---- */

/* Without memory for the log the marker is taken over and told at once. */
static void tell_marker(struct epoch_policy *epoch, struct sm_object *object)
{
    if (getpid() != epoch->creator)
        return; /* R14: nobody marks in a child */
    epoch_collector_stop(&epoch->collector);
    epoch_marker_visit(&epoch->marker, object);
    epoch_collector_resume(&epoch->collector);
}

void epoch_log_reachable(struct epoch_policy *epoch, struct sm_object *object)
{
    if (!epoch_log_add(&epoch->log, (uintptr_t)object)) {
        tell_marker(epoch, object);
        return;
    }
    if (epoch->log.count < EPOCH_LOG_CHUNK_ENTRIES)
        return;
    if (getpid() == epoch->creator)
        epoch_collector_hand(&epoch->collector, &epoch->log);
    else
        epoch_log_clear(&epoch->log); /* R14: nobody marks in a child, and the lock may be held for ever */
}

struct slot_logger {
    struct sm_visitor visitor; /* First: the edge function gets this address. */
    struct epoch_policy *epoch;
};

static void log_edge(struct sm_visitor *visitor, struct sm_object *target)
{
    epoch_log_reachable(((struct slot_logger *)visitor)->epoch, target);
}

void epoch_shade(struct epoch_policy *epoch, struct sm_object *object)
{
    bool is_marking = epoch->heap.marking != EPOCH_COLOUR_NONE;
    if (is_marking && epoch_is_marked(object, epoch->heap.colour))
        epoch_log_reachable(epoch, object);
}

/* Whoever reads the slots is done within a microsecond or so, if its thread runs. False: it never will, in a child (R14). */
static bool wait_for_marker(const struct epoch_policy *epoch, unsigned *tries)
{
    if (++*tries < 64)
        return true;
    sched_yield();
    return getpid() == epoch->creator;
}

/* True: the caller is to log the slots before anybody writes there. */
static bool claim_object_for_program(const struct epoch_policy *epoch, uint8_t *byte)
{
    const struct epoch_heap *heap = &epoch->heap;
    for (unsigned tries = 0;;) {
        /* Pairs with the release in epoch_granule_release: what the marker has read it has read. */
        uint8_t seen = __atomic_load_n(byte, __ATOMIC_ACQUIRE);
        bool is_unmarked = (seen & EPOCH_COLOUR_MASK) == heap->colour;
        bool is_busy = (seen & EPOCH_BUSY) != 0;
        if (is_busy && wait_for_marker(epoch, &tries))
            continue;
        if (is_busy || !is_unmarked || (seen & EPOCH_CLAIMED) != 0)
            return false;
        if (__atomic_compare_exchange_n(byte, &seen, (uint8_t)(seen | EPOCH_CLAIMED), false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_RELAXED))
            return true;
    }
}

/* The same of a chunk; whoever claims it makes it one that was read. */
static bool claim_chunk_for_program(const struct epoch_policy *epoch, uint8_t *byte)
{
    uint8_t marking = epoch->heap.marking;
    for (unsigned tries = 0;;) {
        uint8_t seen = __atomic_load_n(byte, __ATOMIC_ACQUIRE); /* as above */
        bool is_busy = (seen & EPOCH_BUSY) != 0;
        if (is_busy && wait_for_marker(epoch, &tries))
            continue;
        if (is_busy || seen == marking)
            return false;
        if (__atomic_compare_exchange_n(byte, &seen, marking, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
            return true;
    }
}

static void visit_chunk(const struct sm_object *object, const struct sm_layout *layout, size_t chunk,
                        struct sm_visitor *visitor)
{
    const char *payload = sm_payload_const(object);
    size_t count = ((size_t)object->payload_bytes - layout->first) / layout->element_bytes;
    size_t end = (chunk + 1) * EPOCH_CHUNK_ELEMENTS;
    for (size_t i = 0; chunk == 0 && i < layout->pointer_count; i++)
        sm_visit_pointer(visitor, payload + layout->pointers[i]);
    for (size_t i = chunk * EPOCH_CHUNK_ELEMENTS; i < count && i < end; i++) {
        const char *element = payload + layout->first + i * layout->stride;
        sm_visit_value(visitor, (const struct sm_value *)(const void *)element);
        if (layout->key != 0)
            sm_visit_pointer(visitor, element + layout->key);
    }
}

static void save_snapshot(struct epoch_policy *epoch, const struct sm_object *owner, const struct sm_type *type,
                          const void *slot)
{
    struct slot_logger logger = {.visitor = {.edge = log_edge}, .epoch = epoch};
    uint8_t *chunks = epoch_chunks_of(owner, &type->layout);
    uint8_t byte = epoch_granule_load(owner);
    if (byte == 0 || epoch_heap_is_black(&epoch->heap, byte))
        return; /* made since the snapshot */
    if (chunks == NULL) {
        if (claim_object_for_program(epoch, epoch_granule_of(owner)))
            type->trace(owner, &logger.visitor);
        return;
    }
    size_t chunk = epoch_chunk_of(owner, &type->layout, slot);
    if (claim_chunk_for_program(epoch, &chunks[chunk]))
        visit_chunk(owner, &type->layout, chunk, &logger.visitor);
}

/* ---- The remembered set. ---- */

/* Without memory for the list the next young cycle is none, and the next store asks again. Returns whether it is listed. */
static bool note(struct epoch_policy *epoch, bool is_listed)
{
    if (!is_listed)
        epoch->young.is_blind = true;
    /* Marking is no reason to hurry: there is no young cycle before it has ended. */
    if (epoch->remembered.count >= EPOCH_REMEMBERED_MAX && epoch->heap.marking == EPOCH_COLOUR_NONE)
        sm_attention_request(epoch->base.mm);
    return is_listed;
}

static void remember_object(struct epoch_policy *epoch, struct sm_object *object)
{
    if (note(epoch, epoch_log_add(&epoch->remembered, (uintptr_t)object)))
        sm_object_clear_flags(object, EPOCH_ARMED);
}

/* The object stays armed, for its other chunks; this one is on the list once. */
static void remember_chunk(struct epoch_policy *epoch, const struct sm_object *owner, uint8_t *chunks, size_t chunk)
{
    uint8_t *is_listed = &chunks[epoch_chunk_count(owner->payload_bytes) + chunk];
    if (*is_listed == 0)
        *is_listed = note(epoch, epoch_log_add_pair(&epoch->remembered, (uintptr_t)owner, chunk));
}

void epoch_remember_again(struct epoch_policy *epoch, struct sm_object *object, size_t chunk)
{
    const struct sm_type *type = sm_type_get(epoch->base.mm, object->type);
    uint8_t *chunks = epoch_chunks_of(object, &type->layout);
    if (chunks != NULL)
        chunks[epoch_chunk_count(object->payload_bytes) + chunk] =
            note(epoch, epoch_log_add_pair(&epoch->remembered, (uintptr_t)object, chunk));
    else if (!note(epoch, epoch_log_add(&epoch->remembered, (uintptr_t)object)))
        epoch_arm(object);
}

void epoch_remember_whole(struct epoch_policy *epoch, struct sm_object *object)
{
    const struct sm_type *type = sm_type_get(epoch->base.mm, object->type);
    uint8_t *chunks = epoch_chunks_of(object, &type->layout);
    if (type->trace == NULL)
        return;
    if (chunks == NULL) {
        remember_object(epoch, object);
        return;
    }
    size_t count =
        epoch_chunk_of(object, &type->layout, (const char *)sm_payload_const(object) + object->payload_bytes);
    for (size_t chunk = 0; chunk <= count && chunk < epoch_chunk_count(object->payload_bytes); chunk++)
        remember_chunk(epoch, object, chunks, chunk);
}

static void remember_store(struct epoch_policy *epoch, struct sm_object *owner, const struct sm_type *type,
                           const void *slot)
{
    uint8_t *chunks = epoch_chunks_of(owner, &type->layout);
    if (chunks != NULL)
        remember_chunk(epoch, owner, chunks, epoch_chunk_of(owner, &type->layout, slot));
    else
        remember_object(epoch, owner);
}

void epoch_store_slow(struct sm_policy *policy, struct sm_object *owner, void *slot, bool is_pointer,
                      struct sm_value value)
{
    struct epoch_policy *epoch = epoch_of_base(policy);
    const struct sm_type *type = sm_type_get(policy->mm, owner->type);
    if (epoch->heap.marking != EPOCH_COLOUR_NONE)
        save_snapshot(epoch, owner, type, slot);
    if (epoch->young.is_on && (sm_object_flags(owner) & EPOCH_ARMED) != 0)
        remember_store(epoch, owner, type, slot);
    sm_write_slot(policy->mm, slot, is_pointer, value);
}
