/* Granule bytes of one block, eight at a time. */
#include "epoch/sweep.h"

enum { WORD_GRANULES = sizeof(uint64_t) };
#define EVERY_BYTE UINT64_C(0x0101010101010101)

typedef uint64_t granule_word __attribute__((may_alias));

/* A marker may be writing to bytes of objects that live: from one colour to the other, so what is 0 or not stays so. */
static uint64_t load_word(const uint8_t *granules)
{
    return __atomic_load_n((const granule_word *)(const void *)granules, __ATOMIC_RELAXED);
}

static void store_word(uint8_t *granules, uint64_t word)
{
    __atomic_store_n((granule_word *)(void *)granules, word, __ATOMIC_RELAXED);
}

/* 0xFF for each byte that carries `colour`; the two colours are one bit each. */
static uint64_t select_colour(uint64_t word, uint8_t colour)
{
    return ((word >> (colour >> 1)) & EVERY_BYTE) * UINT64_C(0xFF);
}

_Static_assert(EPOCH_COLOUR_A == 1 && EPOCH_COLOUR_B == 2, "a colour shifted right once is the number of its bit");

void epoch_sweep_block(struct epoch_block *block, uint8_t colour)
{
    if (block->swept_for == colour)
        return;
    uint8_t *granules = epoch_block_granules(block);
    for (size_t i = 0; i < EPOCH_BLOCK_GRANULES; i += WORD_GRANULES) {
        uint64_t word = load_word(granules + i);
        if (word == 0)
            continue;
        word &= select_colour(word, colour);
        store_word(granules + i, word);
    }
    block->swept_for = colour;
}

bool epoch_sweep_is_clear(const struct epoch_block *block)
{
    const uint8_t *granules = epoch_block_granules(block);
    size_t i = 0;
    while (i < EPOCH_BLOCK_GRANULES && load_word(granules + i) == 0)
        i += WORD_GRANULES;
    return i == EPOCH_BLOCK_GRANULES;
}

static uint8_t load_byte(const uint8_t *granule)
{
    return __atomic_load_n(granule, __ATOMIC_RELAXED);
}

/* Little-endian or not: the first byte of memory that is not 0. */
static size_t first_byte(uint64_t word)
{
    size_t bit =
        __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? (size_t)__builtin_ctzll(word) : (size_t)__builtin_clzll(word);
    return bit / 8;
}

/* Of a word's bytes those from `first` on. */
static uint64_t from_byte(size_t first)
{
    return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? UINT64_MAX << (first * 8) : UINT64_MAX >> (first * 8);
}

/* The first granule at or behind `from` whose byte is not 0, with `mask` only those of which it leaves something. */
static size_t next_set(const uint8_t *granules, size_t from, uint64_t mask)
{
    size_t start = from / WORD_GRANULES * WORD_GRANULES;
    if (start == EPOCH_BLOCK_GRANULES)
        return EPOCH_BLOCK_GRANULES;
    uint64_t word = load_word(granules + start) & mask & from_byte(from - start);
    while (word == 0) {
        start += WORD_GRANULES;
        if (start == EPOCH_BLOCK_GRANULES)
            return EPOCH_BLOCK_GRANULES;
        word = load_word(granules + start) & mask;
    }
    return start + first_byte(word);
}

/* Behind the object that begins at granule `first`. */
static size_t end_of_object(const uint8_t *granules, size_t first)
{
    SM_ASSERT((load_byte(granules + first) & EPOCH_START) != 0);
    if ((load_byte(granules + first) & EPOCH_END) != 0)
        return first + 1;
    size_t last = next_set(granules, first + 1, UINT64_MAX);
    SM_ASSERT(last < EPOCH_BLOCK_GRANULES && (load_byte(granules + last) & (EPOCH_START | EPOCH_END)) == EPOCH_END);
    return last + 1;
}

struct epoch_hole epoch_sweep_find(const struct epoch_block *block, uint32_t from)
{
    const uint8_t *granules = epoch_block_granules(block);
    size_t first = from / EPOCH_GRANULE_BYTES;
    while (first < EPOCH_BLOCK_GRANULES && load_byte(granules + first) != 0)
        first = end_of_object(granules, first);
    size_t end = first == EPOCH_BLOCK_GRANULES ? first : next_set(granules, first, UINT64_MAX);
    return (struct epoch_hole){(uint32_t)first * EPOCH_GRANULE_BYTES, (uint32_t)end * EPOCH_GRANULE_BYTES};
}

uint32_t epoch_sweep_next_marked(const struct epoch_block *block, uint32_t from, uint8_t colour)
{
    const uint8_t *granules = epoch_block_granules(block);
    size_t granule = from / EPOCH_GRANULE_BYTES;
    if (colour == EPOCH_COLOUR_NONE)
        return EPOCH_BLOCK_BYTES;
    for (;;) {
        granule = next_set(granules, granule, colour * EVERY_BYTE);
        if (granule == EPOCH_BLOCK_GRANULES || (load_byte(granules + granule) & EPOCH_START) != 0)
            return (uint32_t)granule * EPOCH_GRANULE_BYTES;
        granule++;
    }
}

void epoch_sweep_unmark(struct sm_object *object)
{
    uint8_t *granule = epoch_granule_of(object);
    if (*granule == 0)
        return;
    *granule = 0;
    if (epoch_block_of(object)->state == EPOCH_BLOCK_USED)
        granule[sm_block_bytes((size_t)object->payload_bytes) / EPOCH_GRANULE_BYTES - 1] = 0;
}
