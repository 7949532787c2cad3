/*
 * Workload "gcbench": binary trees of many sizes and lives (Hans Boehm's GCBench, after John Ellis and Pete Kovac).
 *
 * A pass is the published program: a stretch tree, then a tree and an array that live on while short-lived trees of
 * each depth are made, top-down and bottom-up. Passes follow each other. A step is one tree, or all trees of one depth
 * and direction. Nodes have two pointers and two integers.
 */
#include "graph_session.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { TREE_DEPTH_MAX = 26, DEPTH_STEP = 2 };
/* Between safepoints lie the nodes of a tree so deep at most: 255. */
enum { SAFEPOINT_DEPTH = 7 };

enum gcbench_option { OPTION_STRETCH, OPTION_LONG_LIVED, OPTION_ARRAY, OPTION_MIN, OPTION_MAX, OPTION_COUNT };

static const struct sm_option option_table[OPTION_COUNT] = {
    [OPTION_STRETCH] = {"stretch", SM_OPTION_COUNT, "levels", "18", 1, TREE_DEPTH_MAX, NULL,
                        "depth of the tree that stretches the heap first; the number of trees follows from it"},
    [OPTION_LONG_LIVED] = {"long-lived", SM_OPTION_COUNT, "levels", "16", 1, TREE_DEPTH_MAX, NULL,
                           "depth of the tree that lives on"},
    [OPTION_ARRAY] = {"array", SM_OPTION_COUNT, "doubles", "500000", 1, 1e9, NULL, "length of the array that lives on"},
    [OPTION_MIN] = {"min", SM_OPTION_COUNT, "levels", "4", 1, TREE_DEPTH_MAX, NULL,
                    "depth of the smallest short-lived trees"},
    [OPTION_MAX] = {"max", SM_OPTION_COUNT, "levels", "16", 1, TREE_DEPTH_MAX, NULL,
                    "depth of the largest; every second depth is made"},
};

enum { ROOT_LONG_LIVED = GRAPH_ROOT_FIRST, ROOT_ARRAY, ROOT_TREE };
enum { STAGE_STRETCH, STAGE_LONG_LIVED, STAGE_TREES };

struct node {
    struct sm_object header;
    struct node *left, *right;
    uint32_t number, pattern;
};

#define NODE_BYTES (sizeof(struct node) - SM_HEADER_BYTES)

struct gcbench {
    struct graph_session session;
    unsigned stretch_depth, long_lived_depth, min_depth, max_depth;
    uint64_t array_length;
    sm_type_id node_type, array_type;
    unsigned stage;       /* of the pass: one of the two above, then one for each depth and direction */
    uint64_t node_number; /* nodes made so far */
    /* Bottom-up, a node is made after its children: until then they are here. A root provider of its own. */
    struct node *pending[2 * TREE_DEPTH_MAX + 2];
    size_t pending_count;
};

extern const struct wl_ops wl_gcbench;

static struct gcbench *gcbench_of(struct wl_instance *instance)
{
    assert(instance->ops == &wl_gcbench);
    return (struct gcbench *)instance;
}

static struct sm_manager *manager_of(const struct gcbench *bench)
{
    return bench->session.instance.mm;
}

/* ---- The published formulas ---- */

static uint64_t tree_size(unsigned depth)
{
    return (UINT64_C(2) << depth) - 1;
}

static uint64_t tree_count(const struct gcbench *bench, unsigned depth)
{
    return 2 * tree_size(bench->stretch_depth) / tree_size(depth);
}

/* ---- Making trees ---- */

static struct node *new_node(struct gcbench *bench)
{
    struct node *node = (struct node *)sm_alloc(manager_of(bench), bench->node_type, NODE_BYTES);
    if (node == NULL)
        return NULL;
    node->number = (uint32_t)bench->node_number++;
    node->pattern = (node->number + (uint32_t)bench->session.seed) * UINT32_C(2654435761);
    return node;
}

/* Whatever is above `node` is reachable, so a safepoint may come anywhere. */
static bool populate(struct gcbench *bench, unsigned depth, struct node *node)
{
    if (depth == 0)
        return true;
    struct sm_manager *mm = manager_of(bench);
    struct node **const slots[] = {&node->left, &node->right};
    for (size_t i = 0; i < 2; i++) {
        struct node *child = new_node(bench);
        if (child == NULL)
            return false;
        sm_store_pointer_take(mm, &node->header, slots[i], child);
    }
    bool is_made = populate(bench, depth - 1, node->left) && populate(bench, depth - 1, node->right);
    if (depth == SAFEPOINT_DEPTH)
        sm_safepoint(mm);
    return is_made;
}

static bool make_top_down(struct gcbench *bench, size_t root, unsigned depth)
{
    struct node *tree = new_node(bench);
    if (tree == NULL)
        return false;
    graph_root_take(&bench->session, root, tree);
    return populate(bench, depth, tree);
}

static void adopt_children(struct gcbench *bench, struct node *node)
{
    struct sm_manager *mm = manager_of(bench);
    sm_store_pointer_take(mm, &node->header, &node->right, bench->pending[--bench->pending_count]);
    sm_store_pointer_take(mm, &node->header, &node->left, bench->pending[--bench->pending_count]);
}

/* The tree is the last of those pending. */
static bool make_pending(struct gcbench *bench, unsigned depth)
{
    for (int child = 0; depth > 0 && child < 2; child++)
        if (!make_pending(bench, depth - 1))
            return false;
    struct node *node = new_node(bench);
    if (node == NULL)
        return false;
    if (depth > 0)
        adopt_children(bench, node);
    assert(bench->pending_count < sizeof(bench->pending) / sizeof(bench->pending[0]));
    bench->pending[bench->pending_count++] = node;
    if (depth == SAFEPOINT_DEPTH)
        sm_safepoint(manager_of(bench));
    return true;
}

static bool make_bottom_up(struct gcbench *bench, size_t root, unsigned depth)
{
    if (make_pending(bench, depth)) {
        graph_root_take(&bench->session, root, bench->pending[--bench->pending_count]);
        return true;
    }
    while (bench->pending_count > 0)
        graph_drop(&bench->session, bench->pending[--bench->pending_count]);
    return false;
}

/* ---- Reading back, faults ---- */

static struct node *tree_at(const struct gcbench *bench, size_t root)
{
    return (struct node *)bench->session.roots[root];
}

static void fold_node(struct gcbench *bench, const struct node *node)
{
    uint64_t edges = (node->left != NULL ? 1U : 0U) | (node->right != NULL ? 2U : 0U);
    graph_fold(&bench->session, ((uint64_t)node->number << 34 | (uint64_t)node->pattern << 2) ^ edges);
}

static void fold_tree(struct gcbench *bench, const struct node *node)
{
    for (; node != NULL; node = node->right) {
        fold_node(bench, node);
        fold_tree(bench, node->left);
    }
}

/* From the root to one leaf, another one for each tree. */
static void fold_path(struct gcbench *bench, const struct node *node)
{
    uint64_t turns = wl_mix(bench->node_number);
    for (; node != NULL; turns >>= 1) {
        fold_node(bench, node);
        node = (turns & 1) != 0 ? node->left : node->right;
    }
}

/* The last tree of a step is read wholly, so that is where a fault is planted. */
static void fold_last_tree(struct gcbench *bench, size_t root)
{
    struct node *tree = tree_at(bench, root);
    if (graph_fault_strikes(&bench->session, WL_FAULT_FLIP_BYTE))
        tree->left->pattern ^= 1U << 16;
    if (graph_fault_strikes(&bench->session, WL_FAULT_FLIP_EDGE))
        sm_store_pointer(manager_of(bench), &tree->header, &tree->left, tree->right);
    fold_tree(bench, tree);
}

static void fold_array(struct gcbench *bench)
{
    const struct sm_object *array = bench->session.roots[ROOT_ARRAY];
    graph_fold(&bench->session, array->payload_bytes);
    bench->session.instance.checksum =
        wl_checksum_fold_bytes(bench->session.instance.checksum, sm_payload_const(array), array->payload_bytes);
}

/* ---- The stages of a pass ---- */

static bool stretch(struct gcbench *bench)
{
    if (!make_bottom_up(bench, ROOT_TREE, bench->stretch_depth))
        return false;
    fold_last_tree(bench, ROOT_TREE);
    return graph_root_die(&bench->session, ROOT_TREE);
}

static bool make_array(struct gcbench *bench)
{
    struct sm_object *array = sm_alloc_leaf(manager_of(bench), bench->array_type, bench->array_length * sizeof(double));
    if (array == NULL)
        return false;
    double *numbers = (double *)sm_payload(array);
    for (uint64_t i = 0; i < bench->array_length; i++)
        numbers[i] = i < bench->array_length / 2 ? 1.0 / (double)(i + 1) : 0;
    graph_root_take(&bench->session, ROOT_ARRAY, array);
    return true;
}

static bool make_long_lived(struct gcbench *bench)
{
    if (!make_top_down(bench, ROOT_LONG_LIVED, bench->long_lived_depth) || !make_array(bench))
        return false;
    fold_last_tree(bench, ROOT_LONG_LIVED);
    return true;
}

static bool make_short_lived(struct gcbench *bench)
{
    unsigned index = bench->stage - STAGE_TREES;
    unsigned depth = bench->min_depth + index / 2 * DEPTH_STEP;
    bool is_top_down = index % 2 == 0;
    uint64_t count = tree_count(bench, depth);
    for (uint64_t i = 0; i < count; i++) {
        if (!(is_top_down ? make_top_down : make_bottom_up)(bench, ROOT_TREE, depth))
            return false;
        if (i + 1 < count)
            fold_path(bench, tree_at(bench, ROOT_TREE));
        else
            fold_last_tree(bench, ROOT_TREE);
        if (!graph_root_die(&bench->session, ROOT_TREE))
            return false;
        sm_safepoint(manager_of(bench));
    }
    fold_path(bench, tree_at(bench, ROOT_LONG_LIVED));
    return true;
}

static bool end_pass(struct gcbench *bench)
{
    fold_tree(bench, tree_at(bench, ROOT_LONG_LIVED));
    fold_array(bench);
    return graph_root_die(&bench->session, ROOT_LONG_LIVED) && graph_root_die(&bench->session, ROOT_ARRAY);
}

static unsigned stage_count(const struct gcbench *bench)
{
    return STAGE_TREES + 2 * ((bench->max_depth - bench->min_depth) / DEPTH_STEP + 1);
}

static bool run_stage(struct graph_session *session)
{
    struct gcbench *bench = (struct gcbench *)session;
    bool is_done = bench->stage == STAGE_STRETCH      ? stretch(bench)
                   : bench->stage == STAGE_LONG_LIVED ? make_long_lived(bench)
                                                      : make_short_lived(bench);
    if (!is_done)
        return false;
    bench->stage++;
    if (bench->stage < stage_count(bench))
        return true;
    bench->stage = STAGE_STRETCH;
    return end_pass(bench);
}

/* ---- The workload ---- */

static void trace_node(const struct sm_object *object, struct sm_visitor *visitor)
{
    const struct node *node = (const struct node *)object;
    sm_visit_pointer(visitor, &node->left);
    sm_visit_pointer(visitor, &node->right);
}

static void enumerate_pending(void *context, struct sm_visitor *visitor)
{
    const struct gcbench *bench = (const struct gcbench *)context;
    for (size_t i = 0; i < bench->pending_count; i++)
        sm_visit_pointer(visitor, &bench->pending[i]);
}

static bool boot(struct graph_session *session)
{
    static const struct sm_type node = {
        .name = "gcbench-node",
        .trace = trace_node,
        .layout = {.kind = SM_LAYOUT_SLOTS,
                   .pointer_count = 2,
                   .pointers = {offsetof(struct node, left) - SM_HEADER_BYTES,
                                offsetof(struct node, right) - SM_HEADER_BYTES}},
    };
    static const struct sm_type array = {.name = "gcbench-array"};
    struct gcbench *bench = (struct gcbench *)session;
    struct sm_manager *mm = manager_of(bench);
    const struct sm_root_provider pending = {"under-construction", enumerate_pending, bench};
    return sm_type_register(mm, &node, &bench->node_type) == SM_OK &&
           sm_type_register(mm, &array, &bench->array_type) == SM_OK && sm_roots_register(mm, &pending) == SM_OK;
}

static bool read_options(struct gcbench *bench, const struct sm_option_values *values, struct sm_error *error)
{
    bench->stretch_depth = (unsigned)values->value[OPTION_STRETCH].count;
    bench->long_lived_depth = (unsigned)values->value[OPTION_LONG_LIVED].count;
    bench->array_length = values->value[OPTION_ARRAY].count;
    bench->min_depth = (unsigned)values->value[OPTION_MIN].count;
    bench->max_depth = (unsigned)values->value[OPTION_MAX].count;
    if (bench->min_depth <= bench->max_depth && bench->max_depth <= bench->stretch_depth)
        return true;
    if (error != NULL) {
        error->status = SM_ERR_INVALID_ARGUMENT;
        strcpy(error->detail, "gcbench: expected min at most max, and max at most stretch");
    }
    return false;
}

static void destroy(struct wl_instance *instance)
{
    if (instance == NULL)
        return;
    graph_session_close(graph_session_of(instance));
    free(gcbench_of(instance));
}

static sm_status create(const struct wl_config *config, struct wl_instance **instance, struct sm_error *error)
{
    struct gcbench *bench = (struct gcbench *)calloc(1, sizeof(*bench));
    if (bench == NULL)
        return SM_ERR_OUT_OF_MEMORY;
    sm_status status = SM_ERR_INVALID_ARGUMENT;
    if (read_options(bench, config->options, error))
        status = graph_session_open(&bench->session, &wl_gcbench, config, error);
    if (status != SM_OK) {
        free(bench);
        return status;
    }
    status = graph_session_boot(&bench->session, SM_HERE, boot, error);
    if (status == SM_OK)
        *instance = &bench->session.instance;
    else
        destroy(&bench->session.instance);
    return status;
}

static enum wl_step step(struct wl_instance *instance)
{
    return graph_session_step(graph_session_of(instance), SM_HERE, run_stage);
}

static enum wl_step finish(struct wl_instance *instance)
{
    struct gcbench *bench = gcbench_of(instance);
    if (bench->stage > STAGE_LONG_LIVED) {
        fold_tree(bench, tree_at(bench, ROOT_LONG_LIVED));
        fold_array(bench);
    }
    graph_fold(&bench->session, instance->steps_done);
    return WL_STEP_DONE;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* The most that lives at once: the stretch tree, or what lives on and the largest of the short-lived trees. */
static uint64_t analytic_live_bytes(const struct sm_option_values *values)
{
    struct gcbench bench;
    (void)read_options(&bench, values, NULL);
    uint64_t beside = tree_size(bench.long_lived_depth) + tree_size(bench.max_depth);
    return larger(tree_size(bench.stretch_depth) * sm_block_bytes(NODE_BYTES),
                  beside * sm_block_bytes(NODE_BYTES) + sm_block_bytes(bench.array_length * sizeof(double)));
}

const struct wl_ops wl_gcbench = {
    .name = "gcbench",
    .summary = "binary trees of depths 4 to 16, top-down and bottom-up, beside a tree and an array that live on",
    .sapi = SM_SAPI_CLI,
    .step_unit = "iteration",
    .options = option_table,
    .option_count = OPTION_COUNT,
    .default_alloc_bytes = UINT64_C(3) << 30,
    .create = create,
    .step = step,
    .finish = finish,
    .destroy = destroy,
    .analytic_live_bytes = analytic_live_bytes,
};
