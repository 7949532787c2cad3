/** What a replay writes into objects, and how it reads them back. */
#include "trace/contents.h"

#include "trace/parse.h"

#include "workloads/checksum.h"

#include <assert.h>
#include <string.h>

enum { WHOLE_BYTES = 64, EDGE_BYTES = 16 };

/* Odd, so that a step is a bijection: one changed word always changes the digest. */
#define DIGEST_FACTOR UINT64_C(0xd1342543de82ef95)

static const char *const mismatch_names[] = {"is as it was written", "has another type", "has another size",
                                             "has a slot that holds another object",
                                             "has other bytes than were written"};

const char *trace_mismatch_name(enum trace_mismatch mismatch)
{
    return mismatch_names[mismatch];
}

/* ---- Types. ---- */

/* Visits values until the raw bytes begin; the hidden destructor slot is no edge, the weak cell is one. */
static void trace_payload(const struct sm_object *object, struct sm_visitor *visitor)
{
    const struct sm_value *slot = (const struct sm_value *)sm_payload_const(object);
    const struct sm_value *end = slot + object->payload_bytes / sizeof(*slot);
    for (; slot < end; slot++) {
        struct sm_value value = visitor->shared ? sm_load_shared(slot) : *slot;
        if ((value.tag & TRACE_TAG_RAW) != 0)
            return;
        if (sm_value_is_heap(value))
            visitor->edge(visitor, sm_value_object(value));
    }
}

bool trace_types_register(struct sm_manager *mm, sm_finalizer *finalize, void *context, struct trace_types *types)
{
    for (int i = 0; i < TRACE_KIND_COUNT * 4; i++) {
        int kind = i / 4, traced = i / 2 % 2, has_destructor = i % 2;
        const struct sm_type type = {.name = trace_kind_name((enum trace_kind)kind),
                                     .trace = traced ? trace_payload : NULL,
                                     .finalize = has_destructor ? finalize : NULL,
                                     .context = context};
        if (sm_type_register(mm, &type, &types->id[kind][traced][has_destructor]) != SM_OK)
            return false;
    }
    types->first = types->id[0][0][0];
    return true;
}

/* ---- The pattern. ---- */

static void pattern_words(uint32_t sequence, uint64_t words[], size_t word_count)
{
    uint64_t base = wl_mix(sequence);
    for (size_t i = 0; i < word_count; i++)
        words[i] = base ^ (i * UINT64_C(0x9e3779b97f4a7c15));
    if (word_count > 1)
        words[1] = (words[1] & ~(uint64_t)0xff) | TRACE_TAG_RAW;
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the tag's low byte is the first in memory");

void trace_pattern_write(unsigned char *raw, uint64_t byte_count, uint32_t sequence)
{
    uint64_t words[WHOLE_BYTES / 8];
    if (byte_count <= WHOLE_BYTES) {
        pattern_words(sequence, words, (byte_count + 7) / 8);
        memcpy(raw, words, byte_count);
        return;
    }
    pattern_words(sequence, words, 4);
    memcpy(raw, words, EDGE_BYTES);
    memcpy(raw + byte_count - EDGE_BYTES, words + 2, EDGE_BYTES);
}

static uint64_t digest_word(uint64_t digest, uint64_t word)
{
    digest = (digest ^ word) * DIGEST_FACTOR;
    return digest ^ (digest >> 32);
}

/*
 * `found` and `expected` have the same length, padded with zeros to whole words. Each pass writes its own patterns, so
 * that what an earlier one left behind is noticed; `first` is what the first pass wrote here, and what enters the
 * digest.
 */
static uint64_t digest_words(uint64_t digest, const uint64_t found[], const uint64_t expected[], const uint64_t first[],
                             size_t word_count, enum trace_mismatch *mismatch)
{
    uint64_t difference = 0;
    for (size_t i = 0; i < word_count; i++) {
        difference |= found[i] ^ expected[i];
        digest = digest_word(digest, found[i] ^ expected[i] ^ first[i]);
    }
    if (difference != 0)
        *mismatch = TRACE_OTHER_BYTES;
    return digest;
}

static uint64_t read_pattern(uint64_t digest, const unsigned char *raw, uint64_t byte_count, uint32_t sequence,
                             uint32_t first_sequence, enum trace_mismatch *mismatch)
{
    uint64_t found[WHOLE_BYTES / 8], expected[WHOLE_BYTES / 8], first[WHOLE_BYTES / 8];
    if (byte_count > WHOLE_BYTES) {
        memcpy(found, raw, EDGE_BYTES);
        memcpy(found + 2, raw + byte_count - EDGE_BYTES, EDGE_BYTES);
        pattern_words(sequence, expected, 4);
        pattern_words(first_sequence, first, 4);
        return digest_words(digest, found, expected, first, 4, mismatch);
    }
    size_t word_count = (byte_count + 7) / 8;
    if (word_count == 0)
        return digest;
    pattern_words(sequence, expected, word_count);
    pattern_words(first_sequence, first, word_count);
    found[word_count - 1] = 0;
    memcpy(found, raw, byte_count);
    if (byte_count % 8 != 0) {
        uint64_t mask = (UINT64_C(1) << (byte_count % 8 * 8)) - 1;
        expected[word_count - 1] &= mask;
        first[word_count - 1] &= mask;
    }
    return digest_words(digest, found, expected, first, word_count, mismatch);
}

/* ---- Slots and objects. ---- */

uint64_t trace_read_slot(const struct shadow *shadow, const struct shadow_object *record, uint32_t slot,
                         enum trace_mismatch *mismatch)
{
    uint32_t target = shadow->edges[record->first_edge + slot].target;
    /* What died under the edge may or may not have been reclaimed: memory says nothing there. */
    if (target == SHADOW_STALE)
        return 1;
    struct sm_value found = *trace_slot(record->memory, record->flags, slot);
    struct sm_value expected = {0, 0};
    if (target != 0)
        expected = trace_edge_value(shadow->objects[target].memory);
    if (found.payload == expected.payload && found.tag == expected.tag)
        return target == 0 ? 0 : (uint64_t)(shadow->objects[target].sequence - shadow->pass_base) << 8;
    *mismatch = TRACE_OTHER_EDGE;
    return ~(uint64_t)slot;
}

uint64_t trace_read_object(const struct shadow *shadow, const struct trace_types *types, uint32_t object,
                           enum trace_mismatch *mismatch)
{
    const struct shadow_object *record = &shadow->objects[object];
    const struct sm_object *memory = record->memory;
    uint64_t payload_bytes = shadow_payload_bytes(record);
    sm_type_id type = trace_type_of(types, record->kind, record->slot_count, record->flags);
    uint64_t digest = digest_word(record->sequence - shadow->pass_base, (uint64_t)(memory->type - types->first));
    digest = digest_word(digest, memory->payload_bytes);
    if (memory->type != type)
        *mismatch = TRACE_OTHER_KIND;
    else if (memory->payload_bytes != payload_bytes)
        *mismatch = TRACE_OTHER_SIZE;
    /* Behind another size lies another object, if anything. */
    if (memory->payload_bytes != payload_bytes)
        return digest;
    for (uint32_t i = 0; i < record->slot_count; i++)
        digest = digest_word(digest, trace_read_slot(shadow, record, i, mismatch));
    return read_pattern(digest, trace_raw_bytes(record->memory, record), record->bytes, record->sequence,
                        record->sequence - shadow->pass_base, mismatch);
}
