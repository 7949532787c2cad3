/**
 * Where the policy's objects sit: for now one mimalloc block each.
 *
 * This interface is all the rest of the policy knows of blocks, so that another heap can take its
 * place. A block is a hidden prefix, the object's header and its payload:
 *
 *     | prefix: birth epoch, index or link | header | payload ... |
 *
 * Invariants. Every object is in `objects` from its allocation until it is retired; the prefix ends in the word
 * that the table keeps. A retired object is in no table and in exactly one batch, linked through that word,
 * so that retiring needs no memory and cannot fail. Observers read headers and payloads, never prefixes: the owner may relink a prefix
 * while an observer still reads the object behind it.
 *
 * Memory order. Whoever gives a block back accesses it last, and after the accesses of everyone else:
 * a retired object comes to the reclaiming thread under epoch_reclaimer.lock (the owner's writes), after
 * the grace period (every observer's reads, by liburcu; made visible to tools by
 * sm_guards_synchronized). From there to the block's next owner, on any thread and under any manager,
 * mi_free happens before the mi_malloc that returns the same memory, as C17 7.22.3 demands of every
 * free and malloc. mimalloc is not instrumented, so heap.c tells the thread sanitizer that much.
 */
#ifndef SM_EPOCH_HEAP_H
#define SM_EPOCH_HEAP_H

#include "marker.h"
#include "object_table.h"
#include "weak_list.h"

#include <stdatomic.h>

/** Bit of the header flags that is the policy's alone; marks and weak referents have others (marker.h, weak_list.h). */
enum { EPOCH_RETIRED = 0x0400 };

_Static_assert((EPOCH_RETIRED & (SM_MARK_MASK | SM_WEAKLY_REFERRED)) == 0 && (SM_MARK_MASK & SM_WEAKLY_REFERRED) == 0,
               "each flag has its own bits");

struct epoch_prefix {
    uint64_t birth_epoch;
    union {
        uint64_t index;            /**< the table's word, until retired */
        struct epoch_prefix *next; /**< in its batch, once retired */
    };
};

/** Retired objects, oldest first. A value: batches are spliced, never allocated. Zeroed: empty. */
struct epoch_batch {
    struct epoch_prefix *first, *last;
    uint64_t object_count;
    uint64_t payload_bytes;
    uint64_t block_bytes;
    uint64_t retire_epoch; /**< the epoch that began when the newest part was sealed */
};

/** What was given back; written by the reclaiming thread, read by the owner. */
struct epoch_reclaimed {
    _Atomic uint64_t objects, payload_bytes; /**< relaxed: counts, they order nothing */
};

struct epoch_heap {
    struct sm_manager *mm;
    struct sm_object_table objects; /**< neither retired nor freed */
    uint64_t bytes_since_step;      /**< block bytes since the last safepoint op, or request for one */
};

static inline struct epoch_prefix *epoch_prefix_of(const struct sm_object *object)
{
    return (struct epoch_prefix *)(uintptr_t)object - 1;
}

static inline struct sm_object *epoch_object_of(struct epoch_prefix *prefix)
{
    return (struct sm_object *)(prefix + 1);
}

/** Bytes of the system's memory that an object of `payload_bytes` holds. */
size_t epoch_heap_block_bytes(size_t payload_bytes);

void epoch_heap_init(struct epoch_heap *heap, struct sm_manager *mm);
/** Free every object, without a grace period: nobody reads any more. */
void epoch_heap_finish(struct epoch_heap *heap);

/** A block in the table, its header not yet written; NULL when memory is refused. */
struct sm_object *epoch_heap_alloc(struct epoch_heap *heap, size_t payload_bytes);

/** What has been allocated is no longer recent. */
void epoch_heap_safepoint(struct epoch_heap *heap);

/** Whether the table is consistent and nothing in it is retired. Cost: O(objects). */
bool epoch_heap_is_consistent(const struct epoch_heap *heap);

/** Take one object out of the table and append it to `batch`. */
void epoch_heap_retire(struct epoch_heap *heap, struct sm_object *object, struct epoch_batch *batch);

/** Move every object that does not carry `mark` from the table to `batch`. */
void epoch_heap_sweep(struct epoch_heap *heap, uint16_t mark, struct epoch_batch *batch);

/** Append `tail` to `batch`; empties it. */
void epoch_batch_splice(struct epoch_batch *batch, struct epoch_batch *tail);

/**
 * Give at most `count_max` objects at the batch's front back to mimalloc; their grace period is over.
 *
 * Returns the block bytes, which stay reserved until the caller gives them back.
 * Threads:     any.
 */
uint64_t epoch_heap_release(struct epoch_batch *batch, size_t count_max, struct epoch_reclaimed *reclaimed);

#endif
