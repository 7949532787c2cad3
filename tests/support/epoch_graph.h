/**
 * A small object graph for the tests of the epoch policy: nodes with edges and a canary, a table of
 * roots, and a log of destructors.
 */
#ifndef EPOCH_GRAPH_H
#define EPOCH_GRAPH_H

#include "check.h"

#include "sapimem/policy.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { GRAPH_ROOTS = 64, GRAPH_EDGES = 2, GRAPH_LOG = 64 };
#define GRAPH_CANARY UINT64_C(0x5AFE5AFE5AFE5AFE)

struct node {
    struct sm_object header;
    struct sm_value edges[GRAPH_EDGES];
    uint64_t id;
    uint64_t canary; /**< GRAPH_CANARY ^ id, as long as the node is not reclaimed */
};

struct graph {
    struct sm_manager *mm;
    sm_type_id node_type, destructible_type;
    struct node *roots[GRAPH_ROOTS];
    uint64_t destroyed[GRAPH_LOG]; /**< ids, in order */
    size_t destroyed_count;
    void (*on_destroy)(struct graph *graph, struct node *node); /**< NULL: nothing more */
    void *context;                                              /**< on_destroy's */
};

static inline void graph_trace(const struct sm_object *object, struct sm_visitor *visitor)
{
    sm_visit_values(visitor, ((const struct node *)object)->edges, GRAPH_EDGES);
}

static inline void graph_destructor(struct sm_manager *mm, struct sm_object *object, void *context)
{
    struct graph *graph = context;
    struct node *node = (struct node *)object;
    assert_ptr_equal(mm, graph->mm);
    assert_true(node->canary == (GRAPH_CANARY ^ node->id));
    assert_true(graph->destroyed_count < GRAPH_LOG);
    graph->destroyed[graph->destroyed_count++] = node->id;
    if (graph->on_destroy != NULL)
        graph->on_destroy(graph, node);
}

static inline void graph_roots(void *context, struct sm_visitor *visitor)
{
    struct graph *graph = context;
    for (size_t i = 0; i < GRAPH_ROOTS; i++)
        sm_visit_pointer(visitor, &graph->roots[i]);
}

static inline void graph_open(struct graph *graph, const struct sm_config *config)
{
    struct sm_error error = {0};
    memset(graph, 0, sizeof(*graph));
    if (sm_manager_create(config, &graph->mm, &error) != SM_OK)
        fail_msg("%s", error.detail);
    const struct sm_type plain = {.name = "node", .trace = graph_trace};
    const struct sm_type destructible = {
        .name = "destructible", .trace = graph_trace, .finalize = graph_destructor, .context = graph};
    const struct sm_root_provider provider = {"graph", graph_roots, graph};
    assert_int_equal(sm_type_register(graph->mm, &plain, &graph->node_type), SM_OK);
    assert_int_equal(sm_type_register(graph->mm, &destructible, &graph->destructible_type), SM_OK);
    assert_int_equal(sm_roots_register(graph->mm, &provider), SM_OK);
}

static inline void graph_close(struct graph *graph)
{
    memset(graph->roots, 0, sizeof(graph->roots));
    sm_manager_destroy(graph->mm);
    graph->mm = NULL;
}

/** A graph under policy text `policy` and no automatic cycles. */
static inline void graph_open_policy(struct graph *graph, const char *policy)
{
    struct sm_config config = {.policy = policy, .pacing = "never"};
    graph_open(graph, &config);
}

/** NULL when refused. `payload_extra` bytes follow the node's own. */
static inline struct node *node_try(struct graph *graph, sm_type_id type, uint64_t id, size_t payload_extra)
{
    size_t payload_bytes = sizeof(struct node) - SM_HEADER_BYTES + payload_extra;
    struct node *node = (struct node *)sm_alloc(graph->mm, type, payload_bytes);
    if (node == NULL)
        return NULL;
    node->id = id;
    node->canary = GRAPH_CANARY ^ id;
    return node;
}

static inline struct node *node_new(struct graph *graph, uint64_t id)
{
    struct node *node = node_try(graph, graph->node_type, id, 0);
    if (node == NULL)
        fail_msg("%s", sm_error_detail(graph->mm));
    return node;
}

static inline struct node *destructible_new(struct graph *graph, uint64_t id)
{
    struct node *node = node_try(graph, graph->destructible_type, id, 0);
    if (node == NULL)
        fail_msg("%s", sm_error_detail(graph->mm));
    assert_int_equal(sm_finalizer_register(graph->mm, &node->header), SM_OK);
    return node;
}

static inline void node_link(struct graph *graph, struct node *from, size_t edge, struct node *to)
{
    struct sm_value value = {0, 0};
    if (to != NULL)
        value = sm_value_from_object(&to->header, 1);
    sm_store(graph->mm, &from->header, &from->edges[edge], value);
}

static inline struct node *node_edge(const struct node *node, size_t edge)
{
    struct sm_value value = node->edges[edge];
    return sm_value_is_heap(value) ? (struct node *)sm_value_object(value) : NULL;
}

static inline bool node_is_intact(const struct node *node)
{
    return node->canary == (GRAPH_CANARY ^ node->id);
}

/** Whether `object`, of any type, is one that the graph's manager still has. */
static inline bool graph_is_valid(const struct graph *graph, const void *object)
{
    return sm_is_valid(graph->mm, object);
}

static inline struct sm_stats graph_stats(const struct graph *graph)
{
    struct sm_stats stats;
    sm_stats_get(graph->mm, &stats);
    return stats;
}

static inline void graph_collect(struct graph *graph)
{
    assert_int_equal(sm_collect(graph->mm, SM_COLLECT_FULL), SM_OK);
}

static inline void sleep_ms(long milliseconds)
{
    const struct timespec span = {.tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000};
    nanosleep(&span, NULL);
}

#endif
