/**
 * The allocators that policies are measured against, each in a file of its own with its library's header.
 *
 * Such files (raw_*.c) are the one place outside the policies where the headers of liburcu, mimalloc and bdwgc appear.
 */
#ifndef RAW_ALLOCATOR_H
#define RAW_ALLOCATOR_H

#include "allocation_loops.h"

/** Blocks of bdwgc and of policies with cycles are dead until so many bytes have been asked for. */
#define CYCLE_PERIOD_BYTES SM_THRESHOLD_DEFAULT_BYTES

struct raw_allocator {
    const char *name; /**< NULL: not in this build */
    /** Make the state, for batches and requests of at most `block_bytes`; on failure NULL, and the reason in `*reason`. */
    void *(*open)(size_t block_bytes, const char **reason);
    void (*close)(void *source);
    /** Allocate the batch, or the request, and make its memory usable again. False: out of memory. */
    bool (*batch)(void *source, const struct allocation_batch *batch);
    bool (*request)(void *source, const struct request_program *program, uint64_t *sum);
    bool has_cycles; /**< memory is usable again only every CYCLE_PERIOD_BYTES */
};

/** The peers of this build; NULL past the end. */
const struct raw_allocator *raw_allocator_at(size_t index);

/**
 * Let malloc keep what is freed: glibc's own thresholds give a batch back to the system as soon as all of it is free, and
 * move with what was freed before, so that a result would depend on the order of the benchmarks.
 */
void raw_malloc_fix_thresholds(void);

/** Whether the process's malloc is mimalloc's, as the order of linking can make it. Then raw:malloc is not measured. */
bool raw_mimalloc_serves_malloc(void);

/** Fill a mimalloc heap and destroy it. Returns the seconds of the destruction alone, negative when memory ran out. */
double raw_mimalloc_reset_seconds(const struct allocation_batch *batch);

extern const struct raw_allocator raw_bump, raw_malloc, raw_mimalloc, raw_bdwgc;

#endif
