/**
 * Graphs of counted objects for the tests of counting policies: who holds what is known, so counts can be checked.
 */
#ifndef COUNTED_GRAPH_H
#define COUNTED_GRAPH_H

#include "check.h"

#include "sapimem/alloc.h"
#include "sapimem/policy.h"

#include <stdbool.h>

/** A value of its own, as an array or object of the virtual machine. */
struct graph_node {
    struct sm_object header;
    uint64_t id;
    uint32_t root_index;
    uint32_t held_count; /**< by the test */
    struct sm_value edges[];
};

enum { GRAPH_DESTROYED_MAX = 64 };

struct graph {
    struct sm_manager *mm;
    sm_type_id node_type;
    sm_type_id wordless_type;  /**< a node without a root word */
    sm_type_id storage_type;   /**< SM_TYPE_VALUES */
    sm_type_id reference_type; /**< stands for its first edge */
    sm_type_id destructible_type;
    void (*on_destroy)(struct graph *graph, struct graph_node *node); /**< NULL: only noted */
    void *context;
    uint64_t destroyed[GRAPH_DESTROYED_MAX]; /**< ids, in order */
    size_t destroyed_count;
};

/** A manager of `policy` ("refcount", ...) with the types; `config` may be NULL. */
void graph_open(struct graph *graph, const char *policy, const struct sm_config *config);
void graph_close(struct graph *graph);

/** A node of `type`, held once by the caller; fails the test without memory. */
struct graph_node *graph_new(struct graph *graph, sm_type_id type, uint64_t id, size_t edge_count);
/** Likewise of node_type with two edges; and with a destructor. */
struct graph_node *graph_plain(struct graph *graph, uint64_t id);
struct graph_node *graph_destructible(struct graph *graph, uint64_t id);
/** A leaf of 10 bytes, held once. */
struct sm_object *graph_leaf(struct graph *graph);

struct sm_value graph_value(void *object);
/** Edge `index` of `from` becomes `to`, which is counted in; NULL clears it. */
void graph_link(struct graph *graph, struct graph_node *from, size_t index, void *to);
/** Likewise, but takes over the caller's hold: nothing loses a count. */
void graph_give(struct graph *graph, struct graph_node *from, size_t index, void *to);
/** The caller holds `node` once more, or gives up one hold. */
void graph_hold(struct graph *graph, struct graph_node *node);
void graph_drop(struct graph *graph, void *object);
/** `count` rings of one node each, which nobody holds. */
void graph_garbage(struct graph *graph, size_t count);

struct sm_stats graph_stats(const struct graph *graph);
/** Fail unless every node's count is what edges and the test hold. `held` leaves are not looked at. */
void graph_check_counts(struct graph *graph);

#endif
