/**
 * Cycles of the epoch policy by hand: a young one, an emergency, or one beside the program that goes on object by object.
 *
 * Nothing starts by itself and nobody marks but the test: the owner collects, inline, and the threshold is out of reach. So
 * whatever a program does can be done between any two objects that a collector's thread would mark.
 */
#ifndef EPOCH_STAGES_H
#define EPOCH_STAGES_H

#include "epoch_variants.h"

#include "epoch/chunks.h"

#include <stdlib.h>

/** Elements of an array that is large, and has chunks. */
enum { STAGES_ELEMENTS = 20 * EPOCH_CHUNK_ELEMENTS };

/** Every way in which what is made becomes old. */
static const char *const stages_policies[] = {"epoch:reclaim=inline,young=always,nursery=1M",
                                              "epoch:reclaim=inline,young=never"};
enum { STAGES_POLICIES = sizeof(stages_policies) / sizeof(stages_policies[0]) };

static inline void stages_open(struct graph *graph, const char *policy)
{
    const struct sm_config config = {
        .policy = policy, .pacing = "fixed:1G", .collector_threads = SM_COLLECTOR_THREADS_NONE};
    graph_open(graph, &config);
}

static inline void pass_safepoint(struct graph *graph)
{
    sm_attention_request(graph->mm);
    sm_safepoint(graph->mm);
}

static inline void collect_young(struct graph *graph)
{
    assert_int_equal(sm_collect(graph->mm, SM_COLLECT_YOUNG), SM_OK);
}

static inline void run_emergency(struct graph *graph)
{
    assert_int_equal(sm_cycle_run(graph->mm, SM_COLLECT_FULL, SM_TRIGGER_EMERGENCY), SM_OK);
}

/* ---- A cycle beside the program. ---- */

static inline enum epoch_stage stage_of(const struct graph *graph)
{
    return graph_epoch(graph)->beside.stage;
}

/** What the program has logged so far waits to be marked. */
static inline void take_log(struct graph *graph)
{
    struct epoch_policy *epoch = graph_epoch(graph);
    struct epoch_log_chunk *chunk;
    epoch_collector_hand(&epoch->collector, &epoch->log);
    while ((chunk = epoch_log_take(&epoch->collector.shared)) != NULL) {
        for (size_t i = 0; i < chunk->count; i++)
            epoch_marker_visit(&epoch->marker, (struct sm_object *)chunk->entries[i]);
        free(chunk);
    }
}

/** Take the snapshot; the roots wait to be marked. */
static inline void start_cycle(struct graph *graph)
{
    assert_int_equal(sm_cycle_run(graph->mm, SM_COLLECT_FULL, SM_TRIGGER_THRESHOLD), SM_OK);
    assert_int_equal(stage_of(graph), EPOCH_STAGE_MARKING);
    take_log(graph);
}

/** Mark `count` objects or chunks, as a thread might now. False: there were not so many. */
static inline bool mark_some(struct graph *graph, uint64_t count)
{
    uint64_t done = 0;
    (void)epoch_marker_drain_some(&graph_epoch(graph)->marker, count, &done);
    return done == count;
}

/** All that waits, and all that the program has logged: what marking does before it ends. */
static inline void mark_rest(struct graph *graph)
{
    struct epoch_collector *collector = &graph_epoch(graph)->collector;
    epoch_collector_hand(collector, &graph_epoch(graph)->log);
    while (!epoch_collector_work(collector, UINT64_MAX))
        ;
}

/** By safepoints, until the cycle has come to `stage`, or is over. */
static inline void go_to(struct graph *graph, enum epoch_stage stage)
{
    while (stage_of(graph) != stage && stage_of(graph) != EPOCH_STAGE_NONE)
        pass_safepoint(graph);
}

static inline void finish_cycle(struct graph *graph)
{
    go_to(graph, EPOCH_STAGE_NONE);
    assert_true(epoch_heap_is_consistent(&graph_epoch(graph)->heap));
}

static inline struct sm_value value_of(struct node *node)
{
    return node == NULL ? (struct sm_value){0, 0} : sm_value_from_object(&node->header, 1);
}

static inline void assert_lives(const struct graph *graph, const struct node *node)
{
    assert_true(graph_is_valid(graph, node));
    assert_true(node_is_intact(node));
}

#endif
