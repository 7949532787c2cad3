/**
 * The card of a workload: exact counts of what it allocates, how large, of which kind, and how long that lives.
 *
 * Fed by a recorder that watches a run under a policy that counts: then objects die when they would in PHP, and
 * the card can be held against what was measured there. Sizes are payloads, as Zend's allocator would be asked for.
 * Lifetimes are on the card's own allocation clock: payloads at birth and growth by resizing, copies for a write included,
 * as Zend sees them; an object is born after its own bytes.
 * Objects made at boot, before the first step or in those that warm up, are kept apart from the others, for life. Threads: owner.
 */
#ifndef HX_WORKLOAD_CARD_H
#define HX_WORKLOAD_CARD_H

#include "histogram.h"
#include "sapimem/death_schedule.h"

#include <stdio.h>

struct hx_report;

/** Kinds of PHP's blocks. */
enum hx_card_kind {
    HX_CARD_STRING,
    HX_CARD_ARRAY, /**< the head */
    HX_CARD_OBJECT,
    HX_CARD_REFERENCE,
    HX_CARD_HASH,   /**< an array's storage */
    HX_CARD_PACKED, /**< likewise */
    HX_CARD_OTHER,
    HX_CARD_KIND_COUNT,
};

enum {
    HX_CARD_WORD_BYTES = 8,
    HX_CARD_SMALL_MAX = 3072, /**< the largest size that has a counter of its own, rounded up to words */
    HX_CARD_WORDS = HX_CARD_SMALL_MAX / HX_CARD_WORD_BYTES + 1,
};

enum hx_card_part_id {
    HX_CARD_BOOT,
    HX_CARD_WORK,
    HX_CARD_PART_COUNT,
};

/** Objects that were made in one part of a run. Bytes are payloads at birth. */
struct hx_card_part {
    uint64_t blocks, bytes;
    uint64_t resizes, growth_bytes; /**< both of objects that this part made */
    uint64_t kind_blocks[HX_CARD_KIND_COUNT], kind_bytes[HX_CARD_KIND_COUNT];
    uint64_t small_blocks[HX_CARD_KIND_COUNT][HX_CARD_WORDS]; /**< by size in words, rounded up */
    uint64_t large_blocks[HX_CARD_KIND_COUNT];                /**< of more than HX_CARD_SMALL_MAX */
    uint64_t ends[SM_DEATH_CAUSE_COUNT];                      /**< how they came to their end */
    uint64_t kind_survivors[HX_CARD_KIND_COUNT];              /**< to the end of the request or of the record */
    struct hx_histogram size;
    struct hx_histogram lifetime, kind_lifetime[HX_CARD_KIND_COUNT]; /**< of those that died, in bytes of the clock */
    struct hx_histogram degree; /**< references held at their end by objects of types that can hold any */
};

/** Sums over the steps of the work. */
struct hx_card_steps {
    uint64_t count;
    uint64_t survivor_blocks, survivor_bytes; /**< still there at the end of the step that made them */
};

struct hx_card_block;

/** Large: on the heap. Created with hx_card_create. */
struct hx_card {
    struct hx_card_part parts[HX_CARD_PART_COUNT];
    struct hx_card_steps steps;
    uint64_t clock_bytes;                      /**< now; */
    uint64_t work_start_clock_bytes;           /**< when the work began */
    uint64_t live_bytes, peak_live_bytes;      /**< payloads now there, everything */
    uint64_t work_live_bytes, work_peak_bytes; /**< likewise, of what the work made */
    double live_area;                          /**< integral of live_bytes over the clock, from the start of the work */
    enum hx_card_part_id part;
    uint64_t warmup_steps;                      /**< steps still to come that are no work */
    uint32_t step;                              /**< in progress, from 1; 0 before the work */
    uint64_t step_live_blocks, step_live_bytes; /**< of what it made */
    bool is_out_of_memory;
    struct hx_card_block *blocks; /**< by slot */
    size_t block_capacity;
    const struct sm_manager *mm; /**< for types and edges */
    struct sm_death_recorder *recorder;
    uint8_t kind_of_type[UINT16_MAX + 1]; /**< one more than the kind; 0: not asked yet */
};

/** A card and its recorder (`card->recorder`, for sm_config). Errors: SM_ERR_OUT_OF_MEMORY. */
sm_status hx_card_create(uint64_t warmup_steps, struct hx_card **card, struct sm_error *error);
/** NULL is fine. The manager is gone. */
void hx_card_destroy(struct hx_card *card);

/** The first step begins: the work does too, unless there are steps to warm up. */
void hx_card_begin_steps(struct hx_card *card);
/** A step is complete; the next begins. */
void hx_card_end_step(struct hx_card *card);
/** The work is over: what is there now survives. Errors: SM_ERR_OUT_OF_MEMORY, at any time since creation. */
sm_status hx_card_end_work(struct hx_card *card, struct sm_error *error);

/** Name of a kind in the document ("string", "array", ...). */
const char *hx_card_kind_name(enum hx_card_kind kind);

/** Write the card of `report` as a JSON document. False: out of memory, or the write failed. */
bool hx_card_write(const struct hx_report *report, FILE *stream);

#endif
