/**
 * What a plain program wants of a heap, declared once for both sides; heap_side.h of each side defines it inline.
 *
 * A program is written once: nodes begin with HEAP_HEADER, stores and roots go through these calls, and where a
 * collector of C leaves nothing to do they are empty. Memory that is refused ends the program with one line.
 */
#ifndef PLAIN_HEAP_H
#define PLAIN_HEAP_H

#include "stops.h"

#include <stddef.h>
#include <stdint.h>

/** What an object consists of; pointers come first in it, right after HEAP_HEADER. */
enum heap_kind { HEAP_TWO_POINTERS, HEAP_FOUR_POINTERS, HEAP_NUMBERS, HEAP_KIND_COUNT };

enum { HEAP_ROOTS = 3, HEAP_HELD_MAX = 64 };

struct heap_settings {
    const char *policy, *pacing; /**< of sapimem; NULL: its default. The other side has neither */
    uint64_t limit_bytes;        /**< the heap may take so much, and is to use it; 0: as the side does by itself */
};

/** First member of either side's struct heap. */
struct heap_figures {
    uint64_t allocations, bytes; /**< asked for, without headers and rounding */
    struct stops stops;
};

/** Filled by heap_measure. */
struct heap_totals {
    uint64_t collections;
    uint64_t peak_committed_bytes;
};

struct heap;
/** References to objects, by index. */
struct heap_array;

/** Name of the side, as results show it. */
extern const char heap_side[];

/** Ends the program when it fails; main's own struct, so that its roots are on the stack. */
void heap_open(struct heap *heap, const struct heap_settings *settings);
void heap_close(struct heap *heap);
void heap_measure(struct heap *heap, struct heap_totals *totals);
/** Print the reason in one line and end the program. */
_Noreturn void heap_refused(struct heap *heap, size_t bytes);

/**
 * What an object takes under sapimem: header, rounding to 16. The size of a heap is told in these on both sides, which
 * leaves bdwgc more room, for it has no headers.
 */
static inline uint64_t heap_block_bytes(uint64_t payload_bytes)
{
    return (16 + payload_bytes + 15) & ~UINT64_C(15);
}

static inline uint64_t heap_array_block_bytes(uint64_t count)
{
    return heap_block_bytes(16 * count);
}

#endif
