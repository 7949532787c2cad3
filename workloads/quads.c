/*
 * Workload "quads": one quad tree that lives on, and small ones that die at once (as the program of that name in Wingo's
 * Whippet).
 *
 * A step allocates a share of the heap in trees of depth 3 and then reads the whole living tree back; the published
 * program does it 20 times. The heap is told by an option, for nothing here may depend on the policy's.
 */
#include "graph_session.h"

#include <assert.h>
#include <stdlib.h>

enum { CHILDREN = 4, GARBAGE_DEPTH = 3 };

enum quads_option { OPTION_DEPTH, OPTION_HEAP, OPTION_SHARE, OPTION_COUNT };

static const struct sm_option option_table[OPTION_COUNT] = {
    [OPTION_DEPTH] = {"depth", SM_OPTION_COUNT, "levels", "10", 1, 14, NULL,
                      "depth of the tree that lives on: 10 is 1.4 million quads"},
    [OPTION_HEAP] = {"heap", SM_OPTION_REAL, "", "2", 1, 100, NULL,
                     "size of the heap in sizes of that tree, of which a step allocates a share"},
    [OPTION_SHARE] = {"share", SM_OPTION_REAL, "", "0.13", 0.0001, 10, NULL, "share of the heap that a step allocates"},
};

enum { ROOT_LIVE = GRAPH_ROOT_FIRST, ROOT_GARBAGE };

struct quad {
    struct sm_object header;
    struct quad *children[CHILDREN];
    uint32_t number, pattern;
};

#define QUAD_BYTES (sizeof(struct quad) - SM_HEADER_BYTES)

struct quads {
    struct graph_session session;
    unsigned depth;
    uint64_t trees_per_step;
    sm_type_id quad_type;
    uint64_t quad_number; /* quads made so far */
};

extern const struct wl_ops wl_quads;

static struct quads *quads_of(struct wl_instance *instance)
{
    assert(instance->ops == &wl_quads);
    return (struct quads *)instance;
}

static uint64_t tree_size(unsigned depth)
{
    return ((UINT64_C(4) << (2 * depth)) - 1) / 3;
}

static uint64_t live_bytes(const struct sm_option_values *values)
{
    return tree_size((unsigned)values->value[OPTION_DEPTH].count) * sm_block_bytes(QUAD_BYTES);
}

static uint64_t trees_per_step(const struct sm_option_values *values)
{
    double heap_bytes = (double)live_bytes(values) * values->value[OPTION_HEAP].real;
    double tree_bytes = (double)(tree_size(GARBAGE_DEPTH) * sm_block_bytes(QUAD_BYTES));
    uint64_t count = (uint64_t)(heap_bytes * values->value[OPTION_SHARE].real / tree_bytes);
    return count != 0 ? count : 1;
}

/* ---- Making trees ---- */

static struct quad *new_quad(struct quads *quads)
{
    struct quad *quad = (struct quad *)sm_alloc(quads->session.instance.mm, quads->quad_type, QUAD_BYTES);
    if (quad == NULL)
        return NULL;
    quad->number = (uint32_t)quads->quad_number++;
    quad->pattern = (quad->number + (uint32_t)quads->session.seed) * UINT32_C(2654435761);
    return quad;
}

/* Whatever is above `quad` is reachable, so a safepoint may come anywhere; it comes every 85 quads. */
static bool populate(struct quads *quads, unsigned depth, struct quad *quad)
{
    if (depth == 0)
        return true;
    struct sm_manager *mm = quads->session.instance.mm;
    for (size_t i = 0; i < CHILDREN; i++) {
        struct quad *child = new_quad(quads);
        if (child == NULL)
            return false;
        sm_store_pointer_take(mm, &quad->header, &quad->children[i], child);
        if (!populate(quads, depth - 1, child))
            return false;
    }
    if (depth == GARBAGE_DEPTH)
        sm_safepoint(mm);
    return true;
}

static bool make_tree(struct quads *quads, size_t root, unsigned depth)
{
    struct quad *tree = new_quad(quads);
    if (tree == NULL)
        return false;
    graph_root_take(&quads->session, root, tree);
    return populate(quads, depth, tree);
}

/* ---- Reading back, faults ---- */

static void fold_tree(struct quads *quads, const struct quad *quad)
{
    uint64_t edges = 0;
    for (size_t i = 0; i < CHILDREN; i++)
        edges = edges << 1 | (quad->children[i] != NULL ? 1U : 0U);
    graph_fold(&quads->session, ((uint64_t)quad->number << 36 | (uint64_t)quad->pattern << 4) ^ edges);
    for (size_t i = 0; i < CHILDREN; i++)
        if (quad->children[i] != NULL)
            fold_tree(quads, quad->children[i]);
}

static struct quad *tree_at(const struct quads *quads, size_t root)
{
    return (struct quad *)quads->session.roots[root];
}

/* In the tree that lives on, which is read wholly at the end of the step. */
static void inject_faults(struct quads *quads)
{
    struct quad *tree = tree_at(quads, ROOT_LIVE);
    if (graph_fault_strikes(&quads->session, WL_FAULT_FLIP_BYTE))
        tree->children[1]->pattern ^= 1U << 16;
    if (graph_fault_strikes(&quads->session, WL_FAULT_FLIP_EDGE))
        sm_store_pointer(quads->session.instance.mm, &tree->header, &tree->children[0], tree->children[2]);
}

static bool run_round(struct graph_session *session)
{
    struct quads *quads = (struct quads *)session;
    for (uint64_t i = 0; i < quads->trees_per_step; i++) {
        if (!make_tree(quads, ROOT_GARBAGE, GARBAGE_DEPTH))
            return false;
        if (i + 1 == quads->trees_per_step)
            fold_tree(quads, tree_at(quads, ROOT_GARBAGE));
        if (!graph_root_die(session, ROOT_GARBAGE))
            return false;
    }
    inject_faults(quads);
    fold_tree(quads, tree_at(quads, ROOT_LIVE));
    return true;
}

/* ---- The workload ---- */

static void trace_quad(const struct sm_object *object, struct sm_visitor *visitor)
{
    const struct quad *quad = (const struct quad *)object;
    for (size_t i = 0; i < CHILDREN; i++)
        sm_visit_pointer(visitor, &quad->children[i]);
}

static bool boot(struct graph_session *session)
{
    /* A layout has room for two plain pointers, so where these four are only the trace function knows. */
    static const struct sm_type quad = {.name = "quad", .trace = trace_quad};
    struct quads *quads = (struct quads *)session;
    return sm_type_register(session->instance.mm, &quad, &quads->quad_type) == SM_OK &&
           make_tree(quads, ROOT_LIVE, quads->depth);
}

static void destroy(struct wl_instance *instance)
{
    if (instance == NULL)
        return;
    graph_session_close(graph_session_of(instance));
    free(quads_of(instance));
}

static sm_status create(const struct wl_config *config, struct wl_instance **instance, struct sm_error *error)
{
    struct quads *quads = (struct quads *)calloc(1, sizeof(*quads));
    if (quads == NULL)
        return SM_ERR_OUT_OF_MEMORY;
    quads->depth = (unsigned)config->options->value[OPTION_DEPTH].count;
    quads->trees_per_step = trees_per_step(config->options);
    sm_status status = graph_session_open(&quads->session, &wl_quads, config, error);
    if (status != SM_OK) {
        free(quads);
        return status;
    }
    status = graph_session_boot(&quads->session, SM_HERE, boot, error);
    if (status == SM_OK)
        *instance = &quads->session.instance;
    else
        destroy(&quads->session.instance);
    return status;
}

static enum wl_step step(struct wl_instance *instance)
{
    return graph_session_step(graph_session_of(instance), SM_HERE, run_round);
}

static enum wl_step finish(struct wl_instance *instance)
{
    struct quads *quads = quads_of(instance);
    fold_tree(quads, tree_at(quads, ROOT_LIVE));
    graph_fold(&quads->session, instance->steps_done);
    return WL_STEP_DONE;
}

const struct wl_ops wl_quads = {
    .name = "quads",
    .summary = "a quad tree that lives on, and 13 % of the heap in small ones that die at once, again and again",
    .sapi = SM_SAPI_CLI,
    .step_unit = "iteration",
    .options = option_table,
    .option_count = OPTION_COUNT,
    .default_steps = 60,
    .create = create,
    .step = step,
    .finish = finish,
    .destroy = destroy,
    .analytic_live_bytes = live_bytes,
};
