/**
 * Shapes of garbage for comparing cycle collectors, operation by operation those of
 * workloads/php/collector_shapes.php; workloads/php/README.md has the sequence.
 *
 * What a run of the collector is and what it collected is read by the caller's function, for policies
 * and PHP count it in different places.
 */
#ifndef COLLECTOR_SHAPES_H
#define COLLECTOR_SHAPES_H

#include "sapivm/vm.h"

struct collector_shape {
    const char *name;
    uint64_t graph_count; /**< temporary graphs, one a round */
    double cyclic;        /**< share of them that are cyclic, spread evenly; negative: rounds without a graph */
    uint64_t live_count;  /**< objects that live throughout */
    bool linked;          /**< each graph holds one pointer to what lives */
    uint64_t touch_count; /**< live objects that a variable takes and leaves again in each round */
};

/** What gc_status() shows. */
struct collector_figures {
    uint64_t runs;
    uint64_t collected;
    uint64_t threshold;
    uint64_t roots;
};

struct collector_shape_result {
    struct collector_figures start;  /**< after the live heap was made and the collector has run once */
    struct collector_figures rounds; /**< after the last round */
    struct collector_figures end;    /**< after a last explicit collection */
    uint64_t wall_ns;                /**< of the rounds */
    uint64_t final_ns;               /**< of the explicit collection */
};

/** Fill `figures` in; called three times, never inside a run. */
typedef void collector_figures_read(struct vm *vm, void *context, struct collector_figures *figures);

/** Objects of a graph: ten in a ring and a leaf. */
enum { COLLECTOR_SHAPE_RING_NODES = 10, COLLECTOR_SHAPE_GRAPH_OBJECTS = COLLECTOR_SHAPE_RING_NODES + 1 };

/** The shape called `name`, with the figures that the PHP program has, or NULL; and by index, NULL past the end. */
const struct collector_shape *collector_shape_find(const char *name);
const struct collector_shape *collector_shape_at(size_t index);

/**
 * Run the shape in a VM with a request open and no frame of the caller's in use.
 *
 * `shape->touch_count` needs a live object. The frame it enters is left again; nothing of the shape is reachable afterwards.
 * Errors:      status of a bail-out.
 */
sm_status collector_shape_run(struct vm *vm, const struct collector_shape *shape, collector_figures_read *read,
                              void *context, struct collector_shape_result *result);

#endif
