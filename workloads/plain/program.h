/**
 * A plain program: a workload of the bench written once in plain C, against heap.h.
 *
 * It does what the workload of its name does, node for node, and ends with the same checksum.
 */
#ifndef PLAIN_PROGRAM_H
#define PLAIN_PROGRAM_H

#include "heap_side.h"

#include "workloads/random.h"

enum { PROGRAM_OPTIONS_MAX = 8 };

struct program_option {
    const char *key; /**< "--KEY=NUMBER"; NULL ends the table */
    uint64_t standard, minimum, maximum;
    const char *help;
};

/** One run; what it works on. */
struct run {
    struct heap heap;
    uint64_t options[PROGRAM_OPTIONS_MAX]; /**< in the order of the table */
    uint64_t seed;
    uint64_t number; /**< nodes made so far */
    uint64_t steps;  /**< of the workload: it folds how many there were */
    struct wl_random random;
    uint64_t checksum;
};

struct program {
    const char *name;
    struct program_option options[PROGRAM_OPTIONS_MAX];
    uint64_t (*live_bytes)(const uint64_t *options); /**< by construction, in blocks of sapimem */
    void (*build)(struct run *run);                  /**< before the clocks start; NULL: nothing */
    void (*work)(struct run *run);
    void (*finish)(struct run *run); /**< after the clocks have stopped: reads back what lives on */
};

/** The one of this executable. */
extern const struct program program;

static inline void fold(struct run *run, uint64_t word)
{
    run->checksum = wl_checksum_fold(run->checksum, word);
}

/** What a node with this number holds beside it. */
static inline uint32_t pattern_of(const struct run *run, uint32_t number)
{
    return (number + (uint32_t)run->seed) * UINT32_C(2654435761);
}

#endif
