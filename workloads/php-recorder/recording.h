/**
 * A recording: every allocation, resize and free of a program, in order, and its totals.
 *
 * It knows nothing of PHP: whoever records tells it addresses, sizes and kinds. Everything lies in unlinked files, so
 * a program that dies leaves nothing behind. When one of them cannot grow, the recording fails as a whole: `failure`
 * then has the reason, and what is told from there on is ignored.
 */
#ifndef RECORDER_RECORDING_H
#define RECORDER_RECORDING_H

#include "address_table.h"

#include "trace/event.h"

enum recorded_op {
    RECORDED_ALLOCATION,
    RECORDED_RESIZE,
    RECORDED_FREE,
    RECORDED_CYCLIC_FREE, /**< by the program's cycle collector */
    RECORDED_ITERATION,
    RECORDED_BEGIN, /**< of a request, or of the program */
    RECORDED_END,
};

struct recorded_event {
    uint64_t bytes;
    uint32_t block; /**< 0: none */
    uint32_t op;    /**< enum recorded_op */
};

/** A block from its allocation to its free; the address may be another's afterwards. */
struct recorded_block {
    uint64_t bytes;         /**< as last told */
    uint64_t minimum_bytes; /**< over its life */
    uint32_t last_event;    /**< index of its allocation or last resize */
    uint32_t section;       /**< the iteration or request of that event */
    uint32_t collection;    /**< which run of the collector freed it; 0: none did */
    uint32_t ring;          /**< used by the writer, like what follows */
    uint32_t ring_next;
    uint32_t place;
    uint8_t kind; /**< enum trace_kind; known at its death, or at the end */
};

/** Of the program alone, as it asked for memory. */
struct recording_totals {
    uint64_t allocations, bytes; /**< growth on resize is counted in bytes */
    uint64_t live_bytes, peak_live_bytes;
    uint64_t frees, cyclic_frees, resizes;
    uint64_t collections, iterations, requests;
};

struct recording {
    struct trace_mapping events, blocks;
    struct address_table addresses;
    uint32_t event_count;
    uint32_t block_count; /**< blocks have the numbers 1 .. block_count */
    uint32_t section;     /**< from 1 */
    bool has_requests;    /**< brackets are requests, not one program */
    int failure;          /**< errno; 0: none */
    struct recording_totals totals;
};

/** Make an empty recording. On failure `failure` is set; it is safe to use and to destroy then, too. */
void recording_create(struct recording *recording, bool has_requests);
void recording_destroy(struct recording *recording);

static inline struct recorded_block *recording_block(const struct recording *recording, uint32_t number)
{
    return (struct recorded_block *)recording->blocks.base + (number - 1);
}

static inline const struct recorded_event *recording_event(const struct recording *recording, uint32_t index)
{
    return (const struct recorded_event *)recording->events.base + index;
}

/** A request, or the program, begins and ends: what is not freed by then goes with it. */
void recording_begin(struct recording *recording);
void recording_end(struct recording *recording);
void recording_iteration(struct recording *recording);
/** The program's cycle collector runs: frees by it that follow belong together. */
void recording_collection(struct recording *recording);

void recording_allocate(struct recording *recording, const void *address, uint64_t bytes);
/** Number of the block at `address`; 0 for one that was there before the recording, which is left out of it. */
uint32_t recording_find(const struct recording *recording, const void *address);
/** Block `number`, at `address` so far, now has `bytes` and lies at `moved`. */
void recording_resize(struct recording *recording, uint32_t number, const void *address, const void *moved,
                      uint64_t bytes);
void recording_free(struct recording *recording, uint32_t number, const void *address, enum trace_kind kind,
                    bool by_collector);

/** Ask for the kind of each block that lives. */
typedef enum trace_kind recording_kind_of(const void *address, uint64_t bytes);
void recording_name_living(struct recording *recording, recording_kind_of *kind_of);

#endif
