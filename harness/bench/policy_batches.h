/**
 * How each policy makes the memory of dead objects usable again, so that allocation can be measured with it.
 *
 * The way follows from the policy's capabilities, so a new policy needs nothing here.
 */
#ifndef POLICY_BATCHES_H
#define POLICY_BATCHES_H

#include "microbench.h"

#include "allocation_loops.h"

/** A policy, as it allocates batch after batch. */
struct policy_batches {
    const struct sm_policy_ops *ops;
    const struct batch_way *way;
    struct sm_manager *mm; /**< NULL between batches where each has a manager of its own */
};

/** Which of the ways a policy of several is asked for. */
enum batch_kind {
    BATCH_OF_OBJECTS, /**< dropped one by one where objects are counted */
    BATCH_OF_REQUEST, /**< freed together where a request can be */
};

/** Choose the way and make the manager. False: the run is skipped, with the reason. */
bool policy_batches_open(struct policy_batches *batches, struct bm_state *state, const struct sm_policy_ops *ops,
                         enum batch_kind kind);
void policy_batches_close(struct policy_batches *batches);

/** Before a batch. False: the run is skipped. `policy_batch_is_timed` says whether this and the end belong to the time. */
bool policy_batch_begin(struct policy_batches *batches, struct bm_state *state);
/** After it: `objects` are the batch's, where policy_batch_keeps_objects. */
void policy_batch_end(struct policy_batches *batches, struct sm_object **objects, size_t count);

/** False for a policy that frees nothing: it gets a fresh manager for each batch, which is not its fault. */
bool policy_batch_is_timed(const struct policy_batches *batches);
bool policy_batch_keeps_objects(const struct policy_batches *batches);
/** Whether memory is usable again only after a cycle, one in so many bytes as a batch of batches allocates. */
bool policy_batch_has_cycles(const struct policy_batches *batches);

/** A block_source; `source` is the manager. */
static inline struct sm_object *policy_take(void *source, bool is_leaf, size_t payload_bytes)
{
    struct sm_manager *mm = (struct sm_manager *)source;
    return is_leaf ? sm_alloc_leaf(mm, SM_TYPE_BYTES, payload_bytes) : sm_alloc(mm, SM_TYPE_VALUES, payload_bytes);
}

#endif
