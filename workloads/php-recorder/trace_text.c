#include "trace_text.h"

#include <errno.h>
#include <inttypes.h>

enum { HOLDER_SLOTS = 64, SLOT_BYTES = 16, RING_BLOCKS_MAX = 16, FIRST_BYTES = 64 << 10 };

struct ring {
    uint32_t first, count;
    uint32_t death_event; /* index of the first death in it */
    uint32_t collection;
    uint32_t next; /* of the same section */
    bool is_unhooked, is_released;
};

struct writer {
    struct recording *recording;
    FILE *stream;
    int failure;
    uint32_t section, next_id;
    struct trace_mapping holders; /* uint32_t: their ids, in the order of their names */
    uint32_t holder_count;
    struct trace_mapping
        free_places; /* uint32_t: numbers of empty slots, over all holders; the last emptied is taken first */
    uint32_t free_count;
    struct trace_mapping rings; /* struct ring, from 1 */
    uint32_t ring_count;
    struct trace_mapping sections; /* uint32_t: the last ring of each section; 0: none */
    uint64_t live_bytes;
    struct trace_text_totals totals;
};

static bool make_room(struct writer *writer, struct trace_mapping *mapping, size_t bytes)
{
    if (bytes <= mapping->bytes || trace_mapping_grow(mapping, mapping->bytes * 2))
        return true;
    writer->failure = errno;
    return false;
}

static struct ring *ring_at(const struct writer *writer, uint32_t number)
{
    return (struct ring *)writer->rings.base + number;
}

static uint32_t *words_of(const struct trace_mapping *mapping)
{
    return mapping->base;
}

static struct recorded_block *block_at(const struct writer *writer, uint32_t number)
{
    return recording_block(writer->recording, number);
}

/* ---- Rings: planned before anything is written, since a block's slots are told at its birth. ---- */

static struct ring *open_ring(struct writer *writer, const struct recorded_block *block, uint32_t death_event)
{
    uint32_t *last = &words_of(&writer->sections)[block->section];
    struct ring *ring = *last != 0 ? ring_at(writer, *last) : NULL;
    if (ring != NULL && ring->collection == block->collection && ring->count < RING_BLOCKS_MAX)
        return ring;
    if (!make_room(writer, &writer->rings, ((size_t)writer->ring_count + 2) * sizeof(struct ring)))
        return NULL;
    ring = ring_at(writer, ++writer->ring_count);
    *ring = (struct ring){.death_event = death_event, .collection = block->collection, .next = *last};
    *last = writer->ring_count;
    return ring;
}

static void plan_ring(struct writer *writer, uint32_t number, uint32_t death_event)
{
    struct recorded_block *block = block_at(writer, number);
    /* Too small for the slot; it dies by `D` in its holder's. */
    if (block->minimum_bytes < SLOT_BYTES)
        return;
    struct ring *ring = open_ring(writer, block, death_event);
    /* What a destructor resized when the ring had begun to die was no garbage yet. */
    if (ring == NULL || ring->death_event < block->last_event)
        return;
    block->ring = (uint32_t)(ring - (struct ring *)writer->rings.base);
    block->ring_next = ring->first;
    ring->first = number;
    ring->count++;
}

static void plan_rings(struct writer *writer)
{
    for (uint32_t i = 0; i < writer->recording->event_count && writer->failure == 0; i++) {
        const struct recorded_event *event = recording_event(writer->recording, i);
        if (event->op == RECORDED_CYCLIC_FREE)
            plan_ring(writer, event->block, i);
    }
}

/* ---- Holders. ---- */

static void count_live(struct writer *writer, uint64_t from_bytes, uint64_t to_bytes)
{
    struct trace_text_totals *totals = &writer->totals;
    if (to_bytes > from_bytes)
        totals->bytes += to_bytes - from_bytes;
    writer->live_bytes += to_bytes - from_bytes;
    if (totals->peak_live_bytes < writer->live_bytes)
        totals->peak_live_bytes = writer->live_bytes;
}

static char root_letter(const struct writer *writer)
{
    return writer->recording->has_requests ? 'c' : 'g';
}

static uint32_t holder_of(const struct writer *writer, uint32_t place)
{
    return words_of(&writer->holders)[place / HOLDER_SLOTS];
}

static void give_place(struct writer *writer, uint32_t place)
{
    if (make_room(writer, &writer->free_places, ((size_t)writer->free_count + 1) * sizeof(uint32_t)))
        words_of(&writer->free_places)[writer->free_count++] = place;
}

/* One more than there are names for stays a local of the outermost frame. */
static void make_holder(struct writer *writer)
{
    uint32_t name = writer->holder_count, id = writer->next_id++;
    if (!make_room(writer, &writer->holders, ((size_t)name + 1) * sizeof(uint32_t)))
        return;
    words_of(&writer->holders)[writer->holder_count++] = id;
    fprintf(writer->stream, "n %u array 0 %d\n", id, HOLDER_SLOTS);
    if (name < TRACE_NAME_LIMIT)
        fprintf(writer->stream, "%c %u %u\nl %u\n", root_letter(writer), name, id, id);
    writer->totals.objects++;
    writer->totals.holders++;
    writer->totals.holder_bytes += HOLDER_SLOTS * SLOT_BYTES;
    count_live(writer, 0, HOLDER_SLOTS * SLOT_BYTES);
    for (uint32_t slot = HOLDER_SLOTS; slot > 0; slot--)
        give_place(writer, name * HOLDER_SLOTS + slot - 1);
}

static uint32_t take_place(struct writer *writer)
{
    if (writer->free_count == 0)
        make_holder(writer);
    return writer->failure == 0 ? words_of(&writer->free_places)[--writer->free_count] : 0;
}

/* ---- Events. ---- */

static uint64_t payload_bytes(const struct recorded_block *block, uint64_t bytes)
{
    return block->ring != 0 ? bytes - SLOT_BYTES : bytes;
}

static void write_allocation(struct writer *writer, uint32_t number, uint64_t bytes)
{
    struct recorded_block *block = block_at(writer, number);
    block->place = take_place(writer);
    if (writer->failure != 0)
        return;
    fprintf(writer->stream, "n %u %s %" PRIu64 " %d %u %u\n", number, trace_kind_name((enum trace_kind)block->kind),
            payload_bytes(block, bytes), block->ring != 0, holder_of(writer, block->place),
            block->place % HOLDER_SLOTS);
    block->bytes = bytes;
    writer->totals.objects++;
    count_live(writer, 0, bytes);
}

static void write_resize(struct writer *writer, uint32_t number, uint64_t bytes)
{
    struct recorded_block *block = block_at(writer, number);
    fprintf(writer->stream, "a %u %" PRIu64 "\n", number, payload_bytes(block, bytes));
    count_live(writer, block->bytes, bytes);
    block->bytes = bytes;
}

static void write_death(struct writer *writer, char letter, uint32_t number)
{
    const struct recorded_block *block = block_at(writer, number);
    fprintf(writer->stream, "%c %u %u %u\n", letter, number, holder_of(writer, block->place),
            block->place % HOLDER_SLOTS);
    give_place(writer, block->place);
    count_live(writer, block->bytes, 0);
}

/* The members hold each other, then nothing else holds them. */
static void unhook(struct writer *writer, struct ring *ring)
{
    if (ring->is_unhooked)
        return;
    ring->is_unhooked = true;
    for (uint32_t member = ring->first; member != 0; member = block_at(writer, member)->ring_next) {
        uint32_t next = block_at(writer, member)->ring_next;
        fprintf(writer->stream, "s %u 0 %u\n", member, next != 0 ? next : ring->first);
    }
    for (uint32_t member = ring->first; member != 0; member = block_at(writer, member)->ring_next) {
        uint32_t place = block_at(writer, member)->place;
        fprintf(writer->stream, "s %u %u 0\n", holder_of(writer, place), place % HOLDER_SLOTS);
        give_place(writer, place);
    }
}

/* The first death opens the ring, and with it all of them are gone. */
static void release(struct writer *writer, struct ring *ring)
{
    if (ring->is_released)
        return;
    ring->is_released = true;
    for (uint32_t member = ring->first; member != 0; member = block_at(writer, member)->ring_next)
        count_live(writer, block_at(writer, member)->bytes, 0);
}

static void write_cyclic_death(struct writer *writer, uint32_t number)
{
    uint32_t ring = block_at(writer, number)->ring;
    if (ring == 0) {
        write_death(writer, 'D', number);
        return;
    }
    unhook(writer, ring_at(writer, ring));
    fprintf(writer->stream, "D %u\n", number);
    release(writer, ring_at(writer, ring));
}

static void end_section(struct writer *writer)
{
    for (uint32_t ring = words_of(&writer->sections)[writer->section]; ring != 0; ring = ring_at(writer, ring)->next)
        unhook(writer, ring_at(writer, ring));
}

static void write_begin(struct writer *writer)
{
    writer->section++;
    writer->holder_count = writer->free_count = 0;
    writer->live_bytes = 0;
    fputs(writer->recording->has_requests ? "[\n" : "(\n", writer->stream);
}

/* A program that has ended holds nothing, so that its trace can be replayed in a loop. */
static void write_end(struct writer *writer)
{
    end_section(writer);
    for (uint32_t name = 0; name < writer->holder_count; name++)
        fprintf(writer->stream, "v %u\n", words_of(&writer->holders)[name]);
    for (uint32_t name = 0; name < writer->holder_count && name < TRACE_NAME_LIMIT; name++)
        fprintf(writer->stream, "%c %u 0\n", root_letter(writer), name);
    fputs(writer->recording->has_requests ? "]\n" : ")\n", writer->stream);
}

static void write_iteration(struct writer *writer)
{
    end_section(writer);
    writer->section++;
    fputs("i\n", writer->stream);
}

static void write_event(struct writer *writer, const struct recorded_event *event)
{
    switch ((enum recorded_op)event->op) {
    case RECORDED_ALLOCATION:
        write_allocation(writer, event->block, event->bytes);
        break;
    case RECORDED_RESIZE:
        write_resize(writer, event->block, event->bytes);
        break;
    case RECORDED_FREE:
        write_death(writer, 'd', event->block);
        break;
    case RECORDED_CYCLIC_FREE:
        write_cyclic_death(writer, event->block);
        break;
    case RECORDED_ITERATION:
        write_iteration(writer);
        break;
    case RECORDED_BEGIN:
        write_begin(writer);
        break;
    case RECORDED_END:
        write_end(writer);
        break;
    }
}

/* ---- The whole. ---- */

static void write_head(const struct writer *writer, const char *title, bool is_unclean)
{
    const struct recording_totals *totals = &writer->recording->totals;
    fprintf(writer->stream, "# sapitrace 1\n# %s\n", title);
    fprintf(writer->stream,
            "# recorded: allocations=%" PRIu64 " bytes=%" PRIu64 " peak_live_bytes=%" PRIu64 " frees=%" PRIu64
            " cyclic_frees=%" PRIu64 " resizes=%" PRIu64 " collections=%" PRIu64 " iterations=%" PRIu64
            " requests=%" PRIu64 " unclean=%d\n",
            totals->allocations, totals->bytes, totals->peak_live_bytes, totals->frees, totals->cyclic_frees,
            totals->resizes, totals->collections, totals->iterations, totals->requests, is_unclean);
}

static void write_foot(const struct writer *writer)
{
    const struct trace_text_totals *totals = &writer->totals;
    fprintf(writer->stream,
            "# with holders: objects=%" PRIu64 " bytes=%" PRIu64 " peak_live_bytes=%" PRIu64 " holders=%" PRIu64
            " holder_bytes=%" PRIu64 " rings=%" PRIu64 "\n",
            totals->objects, totals->bytes, totals->peak_live_bytes, totals->holders, totals->holder_bytes,
            totals->rings);
}

static void create_tables(struct writer *writer)
{
    size_t section_bytes = ((size_t)writer->recording->section + 1) * sizeof(uint32_t);
    if (!trace_mapping_create(&writer->holders, FIRST_BYTES) ||
        !trace_mapping_create(&writer->free_places, FIRST_BYTES) ||
        !trace_mapping_create(&writer->rings, FIRST_BYTES) || !trace_mapping_create(&writer->sections, section_bytes))
        writer->failure = errno;
}

static void destroy_tables(struct writer *writer)
{
    trace_mapping_destroy(&writer->holders);
    trace_mapping_destroy(&writer->free_places);
    trace_mapping_destroy(&writer->rings);
    trace_mapping_destroy(&writer->sections);
}

int trace_text_write(struct recording *recording, const char *title, bool is_unclean, FILE *stream,
                     struct trace_text_totals *totals)
{
    struct writer writer = {.recording = recording,
                            .stream = stream,
                            .failure = recording->failure,
                            .next_id = recording->block_count + 1,
                            .holders = TRACE_MAPPING_NONE,
                            .free_places = TRACE_MAPPING_NONE,
                            .rings = TRACE_MAPPING_NONE,
                            .sections = TRACE_MAPPING_NONE};
    if (writer.failure == 0)
        create_tables(&writer);
    plan_rings(&writer);
    write_head(&writer, title, is_unclean);
    for (uint32_t i = 0; i < recording->event_count && writer.failure == 0 && !ferror(stream); i++)
        write_event(&writer, recording_event(recording, i));
    writer.totals.rings = writer.ring_count;
    write_foot(&writer);
    if (writer.failure == 0 && (fflush(stream) != 0 || ferror(stream)))
        writer.failure = errno != 0 ? errno : EIO;
    destroy_tables(&writer);
    *totals = writer.totals;
    return writer.failure;
}
