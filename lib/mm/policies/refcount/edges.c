#include "refcount/edges.h"

struct edge_visitor {
    struct sm_visitor visitor; /* First: the edge function gets this address. */
    edge_step *step;
    struct edge_state state;
};

static void visit(struct sm_visitor *visitor, struct sm_object *child)
{
    struct edge_visitor *edges = (struct edge_visitor *)visitor;
    edges->state = edges->step(edges->state, child);
}

struct edge_state edges_trace(const struct sm_type *type, const struct sm_object *object, struct edge_state state,
                              edge_step *step)
{
    struct edge_visitor edges = {.visitor = {.edge = visit}, .step = step, .state = state};
    if (type->trace != NULL)
        type->trace(object, &edges.visitor);
    return edges.state;
}
