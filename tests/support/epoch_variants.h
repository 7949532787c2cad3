/**
 * Every flavour of the epoch policy with every back-end of reclamation, and what reclaims under each.
 */
#ifndef EPOCH_VARIANTS_H
#define EPOCH_VARIANTS_H

#include "epoch_reader.h"

#include "epoch/epoch_internal.h"
#include "manager_internal.h"

enum { EPOCH_VARIANT_COUNT = EPOCH_BACKEND_COUNT * EPOCH_FLAVOR_COUNT, EPOCH_VARIANT_BYTES = 64 };

/** The policy's text for variant `index`. */
static inline void epoch_variant_text(size_t index, char *text)
{
    snprintf(text, EPOCH_VARIANT_BYTES, "epoch:flavor=%s,reclaim=%s", epoch_flavors[index / EPOCH_BACKEND_COUNT],
             epoch_backend_names[index % EPOCH_BACKEND_COUNT]);
}

/** A fresh graph without automatic cycles for `body`, once for each variant. */
static inline void in_every_variant(void (*body)(struct graph *graph))
{
    for (size_t i = 0; i < EPOCH_VARIANT_COUNT; i++) {
        char policy[EPOCH_VARIANT_BYTES];
        struct graph graph;
        epoch_variant_text(i, policy);
        graph_open_policy(&graph, policy);
        body(&graph);
        graph_close(&graph);
    }
}

static inline struct epoch_policy *graph_epoch(const struct graph *graph)
{
    return epoch_of_base(graph->mm->policy);
}

/** Whether garbage is reclaimed though the owner does nothing. */
static inline bool graph_is_threaded(const struct graph *graph)
{
    return epoch_reclaimer_is_threaded(graph_epoch(graph)->reclaimer);
}

/** Batches that were handed to the reclaimer so far. */
static inline uint64_t graph_sealed_batches(const struct graph *graph)
{
    struct epoch_reclaimer *reclaimer = graph_epoch(graph)->reclaimer;
    pthread_mutex_lock(&reclaimer->lock);
    uint64_t count = reclaimer->queued_sequence;
    pthread_mutex_unlock(&reclaimer->lock);
    return count;
}

/** Objects reclaimed in all after an attempt that a guard holds back; `status` of the cycle that tried, inline. */
static inline uint64_t graph_reclaimed_in_vain(struct graph *graph, sm_status *status)
{
    if (graph_is_threaded(graph))
        return graph_reclaimed_after_a_while(graph);
    *status = sm_collect(graph->mm, SM_COLLECT_FULL);
    return graph_stats(graph).reclaimed_objects;
}

/** Whether `object_count` objects in all are reclaimed: by some thread alone, or by one cycle. */
static inline bool graph_reclaims(struct graph *graph, uint64_t object_count)
{
    if (graph_is_threaded(graph))
        return graph_reclaims_while_idle(graph, object_count);
    return sm_collect(graph->mm, SM_COLLECT_FULL) == SM_OK && graph_stats(graph).reclaimed_objects >= object_count;
}

#endif
