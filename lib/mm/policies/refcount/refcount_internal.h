/**
 * The refcount policy's state, and what its files share.
 *
 * Colours are Zend's. Black (no bit) is an object's usual colour; grey: its references were taken back, to see
 * what is left; white: nothing was. A possible root is Zend's purple; here it is black with SM_OBJECT_CANDIDATE.
 *
 * Invariants. Outside a run every object is black and its count is exact. REFCOUNT_DOOMED objects are dead and
 * wait for their turn in a cascade, linked through their headers (release.c); nothing refers to them but weak
 * cells, which do not answer any more. REFCOUNT_EMPTIED ones have given up their edges and wait for their subtree.
 * REFCOUNT_GARBAGE objects are in the list of the run in progress. REFCOUNT_WEAK is set exactly while the weak index
 * has cells of the object. A saturated object is never coloured: with its count unknown it lives, and so does what it
 * reaches. The storage of an array is neither coloured nor an edge (edges.h).
 */
#ifndef SM_REFCOUNT_INTERNAL_H
#define SM_REFCOUNT_INTERNAL_H

#include "refcount/blocks.h"
#include "refcount/edges.h"
#include "refcount/root_buffer.h"

#include "manager_internal.h"
#include "weak_index.h"

/** Header bits of this policy: the high byte. */
enum refcount_flag {
    REFCOUNT_GREY = 1u << 8,
    REFCOUNT_WHITE = 1u << 9,
    REFCOUNT_COLOUR_MASK = REFCOUNT_GREY | REFCOUNT_WHITE,
    REFCOUNT_GARBAGE = 1u << 10,
    REFCOUNT_DOOMED = 1u << 11,
    REFCOUNT_DESTRUCTIBLE = 1u << 12, /**< garbage whose destructor this run calls; its memory is the next run's */
    REFCOUNT_WEAK = 1u << 13,
    REFCOUNT_CELL = 1u << 14,    /**< is a weak cell or entry */
    REFCOUNT_EMPTIED = 1u << 15, /**< doomed, edges dropped: only its slot in the root buffer and its block are left */
};

struct refcount_policy {
    struct sm_policy base;
    struct blocks blocks;
    struct root_buffer roots;
    struct sm_weak_index weak;
    uint32_t threshold;
    bool is_awaited;                /**< a root found the buffer full: a cycle was asked for, roots are late */
    bool is_active;                 /**< a run is in progress: roots are added whatever the threshold says */
    struct sm_cycle_record *record; /**< of the cycle in progress, or NULL */
    void *run_memory;               /**< of the last run, for the next one (collect.c) */
    size_t run_memory_bytes;
    uint64_t run_count;
    uint64_t collected_count;
};

extern const struct sm_policy_ops sm_policy_refcount;

static inline struct refcount_policy *refcount_of(struct sm_policy *policy)
{
    SM_ASSERT(policy->ops == &sm_policy_refcount);
    return (struct refcount_policy *)policy;
}

static inline const struct sm_type *refcount_type_of(const struct refcount_policy *refcount,
                                                     const struct sm_object *object)
{
    return edges_type(&refcount->base.mm->types, object);
}

static inline bool refcount_has_destructor_due(const struct sm_object *object)
{
    return (object->flags & (SM_OBJECT_FINALIZABLE | SM_OBJECT_FINALIZED)) == SM_OBJECT_FINALIZABLE;
}

/** The object's block goes back; it is in no table any more. */
static inline void refcount_free_block(struct refcount_policy *refcount, struct sm_object *object)
{
    struct sm_manager *mm = refcount->base.mm;
    sm_note_death(mm, object);
    mm->counters.dead_objects++;
    mm->counters.dead_bytes += object->payload_bytes;
    blocks_free(&refcount->blocks, object);
}

/* ---- release.c: what happens when a count reaches zero. ---- */

/** Objects on their way out. */
struct cascade {
    struct refcount_policy *refcount;
    struct sm_object *first;      /**< doomed, next to be released */
    struct sm_object *batch_head; /**< doomed by the object that is being released, in the order of its edges */
    struct sm_object *batch_tail; /**< means nothing while batch_head is NULL */
    uint64_t freed_count;
    bool is_paused;
};

void cascade_begin(struct cascade *cascade, struct refcount_policy *refcount);
/** Drop every edge of `object`, and forget its weak cells; its block and its slot in the root buffer stay. */
void cascade_empty(struct cascade *cascade, struct sm_object *object);
/** Release what is doomed, and what that dooms. */
void cascade_finish(struct cascade *cascade);

/** Operation of the table: the object's last count is gone. Destructor, weak cells, edges, block. */
void refcount_value_dead(struct sm_policy *policy, struct sm_object *object);
/** One holder less. */
void refcount_drop(struct refcount_policy *refcount, struct sm_object *object);
/** The object's block goes, whatever refers to it: take it out of root buffer and weak index. */
void refcount_unlink(struct refcount_policy *refcount, struct sm_object *object);

/* ---- refcount.c ---- */

/** The object lost a count and has others: it, or what it stands for, may be the root of a dead cycle. */
void refcount_candidate(struct refcount_policy *refcount, struct sm_object *object);

/* ---- collect.c ---- */

/** Give up what a run keeps for the next one. */
void refcount_forget_run_memory(struct refcount_policy *refcount);

sm_status refcount_collect(struct sm_policy *policy, enum sm_collect_kind kind, enum sm_trigger trigger,
                           struct sm_cycle_record *record);

#endif
