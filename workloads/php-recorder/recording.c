#include "recording.h"

#include <errno.h>
#include <string.h>

/* Ids of a trace end at 2^31 - 1, and holders need some as well. */
enum { FIRST_BYTES = 1 << 20, BLOCK_LIMIT = INT32_MAX - (1 << 26) };

void recording_create(struct recording *recording, bool has_requests)
{
    *recording = (struct recording){.events = TRACE_MAPPING_NONE,
                                    .blocks = TRACE_MAPPING_NONE,
                                    .addresses = {TRACE_MAPPING_NONE, 0, 0},
                                    .has_requests = has_requests};
    if (!trace_mapping_create(&recording->events, FIRST_BYTES) ||
        !trace_mapping_create(&recording->blocks, FIRST_BYTES) || !address_table_create(&recording->addresses))
        recording->failure = errno;
}

void recording_destroy(struct recording *recording)
{
    trace_mapping_destroy(&recording->events);
    trace_mapping_destroy(&recording->blocks);
    address_table_destroy(&recording->addresses);
}

/* ---- Events. ---- */

static bool make_room(struct recording *recording, struct trace_mapping *mapping, size_t bytes)
{
    if (bytes <= mapping->bytes || trace_mapping_grow(mapping, mapping->bytes * 2))
        return true;
    recording->failure = errno;
    return false;
}

static bool add_event(struct recording *recording, enum recorded_op op, uint32_t block, uint64_t bytes)
{
    if (recording->failure != 0)
        return false;
    if (recording->event_count == UINT32_MAX || recording->block_count == BLOCK_LIMIT) {
        recording->failure = EOVERFLOW;
        return false;
    }
    if (!make_room(recording, &recording->events, ((size_t)recording->event_count + 1) * sizeof(struct recorded_event)))
        return false;
    ((struct recorded_event *)recording->events.base)[recording->event_count++] =
        (struct recorded_event){.bytes = bytes, .block = block, .op = (uint32_t)op};
    return true;
}

void recording_begin(struct recording *recording)
{
    recording->section++;
    recording->totals.requests += recording->has_requests;
    add_event(recording, RECORDED_BEGIN, 0, 0);
}

void recording_end(struct recording *recording)
{
    recording->totals.live_bytes = 0;
    if (add_event(recording, RECORDED_END, 0, 0))
        address_table_clear(&recording->addresses);
}

void recording_iteration(struct recording *recording)
{
    recording->section++;
    recording->totals.iterations++;
    add_event(recording, RECORDED_ITERATION, 0, 0);
}

void recording_collection(struct recording *recording)
{
    recording->totals.collections++;
}

/* ---- Blocks. ---- */

static void count_growth(struct recording_totals *totals, uint64_t from_bytes, uint64_t to_bytes)
{
    if (to_bytes > from_bytes)
        totals->bytes += to_bytes - from_bytes;
    totals->live_bytes += to_bytes - from_bytes;
    if (totals->peak_live_bytes < totals->live_bytes)
        totals->peak_live_bytes = totals->live_bytes;
}

void recording_allocate(struct recording *recording, const void *address, uint64_t bytes)
{
    uint32_t number = recording->block_count + 1;
    if (!add_event(recording, RECORDED_ALLOCATION, number, bytes) ||
        !make_room(recording, &recording->blocks, (size_t)number * sizeof(struct recorded_block)))
        return;
    if (!address_table_add(&recording->addresses, address, number)) {
        recording->failure = errno;
        return;
    }
    recording->block_count = number;
    *recording_block(recording, number) = (struct recorded_block){.bytes = bytes,
                                                                  .minimum_bytes = bytes,
                                                                  .last_event = recording->event_count - 1,
                                                                  .section = recording->section};
    recording->totals.allocations++;
    count_growth(&recording->totals, 0, bytes);
}

uint32_t recording_find(const struct recording *recording, const void *address)
{
    return recording->failure == 0 ? address_table_find(&recording->addresses, address) : 0;
}

void recording_resize(struct recording *recording, uint32_t number, const void *address, const void *moved,
                      uint64_t bytes)
{
    if (!add_event(recording, RECORDED_RESIZE, number, bytes))
        return;
    if (moved != address) {
        address_table_remove(&recording->addresses, address);
        if (!address_table_add(&recording->addresses, moved, number))
            recording->failure = errno;
    }
    struct recorded_block *block = recording_block(recording, number);
    recording->totals.resizes++;
    count_growth(&recording->totals, block->bytes, bytes);
    block->bytes = bytes;
    block->last_event = recording->event_count - 1;
    block->section = recording->section;
    if (block->minimum_bytes > bytes)
        block->minimum_bytes = bytes;
}

void recording_free(struct recording *recording, uint32_t number, const void *address, enum trace_kind kind,
                    bool by_collector)
{
    if (!add_event(recording, by_collector ? RECORDED_CYCLIC_FREE : RECORDED_FREE, number, 0))
        return;
    struct recorded_block *block = recording_block(recording, number);
    address_table_remove(&recording->addresses, address);
    block->kind = (uint8_t)kind;
    recording->totals.live_bytes -= block->bytes;
    recording->totals.frees++;
    if (!by_collector)
        return;
    recording->totals.cyclic_frees++;
    block->collection = (uint32_t)recording->totals.collections;
}

/* ---- Kinds. ---- */

struct naming {
    struct recording *recording;
    recording_kind_of *kind_of;
};

static void name_block(void *context, const void *address, uint32_t number)
{
    struct naming *naming = context;
    struct recorded_block *block = recording_block(naming->recording, number);
    block->kind = (uint8_t)naming->kind_of(address, block->bytes);
}

void recording_name_living(struct recording *recording, recording_kind_of *kind_of)
{
    struct naming naming = {recording, kind_of};
    if (recording->failure == 0)
        address_table_visit(&recording->addresses, name_block, &naming);
}
