#include "counted_graph.h"

#include <stdlib.h>

#define FIXED_BYTES (sizeof(struct graph_node) - SM_HEADER_BYTES)

static void trace_node(const struct sm_object *object, struct sm_visitor *visitor)
{
    const struct graph_node *node = (const struct graph_node *)object;
    sm_visit_values(visitor, node->edges, (object->payload_bytes - FIXED_BYTES) / sizeof(struct sm_value));
}

static void destroy_node(struct sm_manager *mm, struct sm_object *object, void *context)
{
    struct graph *graph = context;
    struct graph_node *node = (struct graph_node *)object;
    assert_ptr_equal(mm, graph->mm);
    assert_true(graph->destroyed_count < GRAPH_DESTROYED_MAX);
    graph->destroyed[graph->destroyed_count++] = node->id;
    if (graph->on_destroy != NULL)
        graph->on_destroy(graph, node);
}

void graph_open(struct graph *graph, const char *policy, const struct sm_config *config)
{
    const struct sm_config none = {0};
    struct sm_config chosen = config == NULL ? none : *config;
    struct sm_error error = {0};
    *graph = (struct graph){.storage_type = SM_TYPE_VALUES};
    chosen.policy = policy;
    if (sm_manager_create(&chosen, &graph->mm, &error) != SM_OK)
        fail_msg("%s", error.detail);
    const uint32_t word = offsetof(struct graph_node, root_index) - SM_HEADER_BYTES;
    const struct {
        struct sm_type type;
        sm_type_id *id;
    } types[] = {
        {{.name = "node", .trace = trace_node, .root_offset = word}, &graph->node_type},
        {{.name = "wordless", .trace = trace_node, .root_offset = SM_ROOT_NONE}, &graph->wordless_type},
        {{.name = "reference", .trace = trace_node, .root_offset = SM_ROOT_FORWARD}, &graph->reference_type},
        {{.name = "destructible", .trace = trace_node, .finalize = destroy_node, .context = graph, .root_offset = word},
         &graph->destructible_type},
    };
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        assert_int_equal(sm_type_register(graph->mm, &types[i].type, types[i].id), SM_OK);
}

void graph_close(struct graph *graph)
{
    sm_manager_destroy(graph->mm);
}

struct graph_node *graph_new(struct graph *graph, sm_type_id type, uint64_t id, size_t edge_count)
{
    struct graph_node *node =
        (struct graph_node *)sm_alloc(graph->mm, type, FIXED_BYTES + edge_count * sizeof(struct sm_value));
    if (node == NULL) {
        fail_msg("%s", sm_error_detail(graph->mm));
        return NULL;
    }
    node->id = id;
    node->held_count = 1;
    return node;
}

struct graph_node *graph_plain(struct graph *graph, uint64_t id)
{
    return graph_new(graph, graph->node_type, id, 2);
}

struct graph_node *graph_destructible(struct graph *graph, uint64_t id)
{
    struct graph_node *node = graph_new(graph, graph->destructible_type, id, 3);
    assert_int_equal(sm_finalizer_register(graph->mm, &node->header), SM_OK);
    return node;
}

struct sm_object *graph_leaf(struct graph *graph)
{
    struct sm_object *leaf = sm_alloc_leaf(graph->mm, SM_TYPE_BYTES, 10);
    assert_non_null(leaf);
    return leaf;
}

struct sm_value graph_value(void *object)
{
    struct sm_value none = {0, 0};
    return object == NULL ? none : sm_value_from_object(object, 1);
}

void graph_link(struct graph *graph, struct graph_node *from, size_t index, void *to)
{
    sm_store(graph->mm, &from->header, &from->edges[index], graph_value(to));
}

static bool is_node(const struct graph *graph, const struct sm_object *object)
{
    return object->type == graph->node_type || object->type == graph->wordless_type ||
           object->type == graph->reference_type || object->type == graph->destructible_type;
}

void graph_give(struct graph *graph, struct graph_node *from, size_t index, void *to)
{
    if (is_node(graph, to))
        ((struct graph_node *)to)->held_count--;
    sm_store_take(graph->mm, &from->header, &from->edges[index], graph_value(to));
}

void graph_hold(struct graph *graph, struct graph_node *node)
{
    sm_value_copy(graph->mm, graph_value(node));
    node->held_count++;
}

void graph_drop(struct graph *graph, void *object)
{
    if (is_node(graph, object))
        ((struct graph_node *)object)->held_count--;
    sm_value_drop(graph->mm, graph_value(object));
}

void graph_garbage(struct graph *graph, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct graph_node *node = graph_plain(graph, i);
        graph_link(graph, node, 0, node);
        graph_drop(graph, node);
    }
}

struct sm_stats graph_stats(const struct graph *graph)
{
    struct sm_stats stats;
    sm_stats_get(graph->mm, &stats);
    return stats;
}

/* Edges are taken off the counts and what the test holds must be left; then they are put back. */
struct census {
    struct sm_visitor visitor;
    struct graph *graph;
    uint32_t step;
};

static void add_step(struct sm_visitor *visitor, struct sm_object *target)
{
    target->count += ((struct census *)visitor)->step;
}

static void visit_edges(void *context, struct sm_object *object)
{
    struct census *census = context;
    sm_trace(census->graph->mm, object, &census->visitor);
}

static void check_node(void *context, struct sm_object *object)
{
    const struct census *census = context;
    assert_int_equal(object->flags & 0xff00 & ~0x6000, 0);
    if (is_node(census->graph, object))
        assert_int_equal(object->count, ((struct graph_node *)object)->held_count);
}

void graph_check_counts(struct graph *graph)
{
    struct census census = {.visitor = {.edge = add_step}, .graph = graph, .step = UINT32_MAX};
    sm_walk(graph->mm, visit_edges, &census);
    sm_walk(graph->mm, check_node, &census);
    census.step = 1;
    sm_walk(graph->mm, visit_edges, &census);
}
