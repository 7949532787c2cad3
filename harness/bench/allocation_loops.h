/**
 * The two programs that every allocator is measured with: a batch of one size, and a request of real sizes.
 *
 * Each is a loop over a `block_source`, inlined into the file of the allocator, so that the loop of a policy and
 * that of a rival differ in nothing but the allocator. Whoever allocates writes a header and, for objects with slots,
 * zeroes the payload; bytes stay raw.
 */
#ifndef ALLOCATION_LOOPS_H
#define ALLOCATION_LOOPS_H

#include "sapimem/alloc.h"

#include "request_program.h"

/** What a request of a web page allocates, and how much of one size makes a batch. */
enum { BATCH_PAYLOAD_BYTES = 1800000 };

/** Many dead objects of one size. */
struct allocation_batch {
    size_t payload_bytes;
    size_t object_count;
    bool is_leaf;
    struct sm_object **objects; /**< room for `object_count`, used where they are freed one by one */
};

/** An allocator, with its state; NULL: out of memory. */
typedef struct sm_object *block_source(void *source, bool is_leaf, size_t payload_bytes);

/** The initialisation of an object by an allocator that knows nothing of sapimem. */
static inline struct sm_object *initialize_block(void *block, bool is_leaf, size_t payload_bytes)
{
    struct sm_object *object = (struct sm_object *)block;
    if (object == NULL)
        return NULL;
    *object = (struct sm_object){
        .count = 1, .type = is_leaf ? SM_TYPE_BYTES : SM_TYPE_VALUES, .payload_bytes = payload_bytes};
    if (!is_leaf)
        sm_zero_payload(object, payload_bytes);
    return object;
}

/** Allocate the whole batch; `keep` says whether batch->objects is to have the addresses. False: out of memory. */
static inline __attribute__((always_inline)) bool fill_batch(block_source *take, void *source,
                                                             const struct allocation_batch *batch, bool keep)
{
    size_t payload_bytes = batch->payload_bytes;
    bool is_leaf = batch->is_leaf;
    for (size_t i = 0; i < batch->object_count; i++) {
        struct sm_object *object = take(source, is_leaf, payload_bytes);
        if (__builtin_expect(object == NULL, 0))
            return false;
        if (keep)
            batch->objects[i] = object;
    }
    return true;
}

/**
 * Allocate a request. Each object's first word is written, read back and summed with the header, as a program
 * would touch what it has just asked for; the sum is the same for every allocator. False: out of memory.
 */
static inline __attribute__((always_inline)) bool fill_request(block_source *take, void *source,
                                                               const struct request_program *program, uint64_t *sum,
                                                               bool keep)
{
    uint64_t total = 1;
    for (size_t i = 0; i < program->step_count; i++) {
        struct request_step step = program->steps[i];
        struct sm_object *object = take(source, step.is_leaf, step.payload_bytes);
        if (__builtin_expect(object == NULL, 0))
            return false;
        uint64_t *word = (uint64_t *)sm_payload(object);
        *word = total;
        total = *word * 31 + object->payload_bytes;
        if (keep)
            program->objects[i] = object;
    }
    *sum = total;
    return true;
}

#endif
