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
#include <string.h>

enum { CHILDREN = 4, GARBAGE_DEPTH = 3, QUADS_PER_SAFEPOINT = 85 };

enum quads_option {
    OPTION_DEPTH,
    OPTION_OBJECTS,
    OPTION_HEAP,
    OPTION_SHARE,
    OPTION_LINKED,
    OPTION_SHUFFLED,
    OPTION_COUNT
};

static const struct sm_option option_table[OPTION_COUNT] = {
    [OPTION_DEPTH] = {"depth", SM_OPTION_COUNT, "levels", "10", 1, 14, NULL,
                      "depth of the tree that lives on: 10 is 1.4 million quads"},
    [OPTION_OBJECTS] = {"objects", SM_OPTION_COUNT, "quads", "0", 0, 1e9, NULL,
                        "of that tree, at least 5, its last level in part; 0: as many as its depth says"},
    [OPTION_HEAP] = {"heap", SM_OPTION_REAL, "", "2", 1, 100, NULL,
                     "size of the heap in sizes of that tree, of which a step allocates a share"},
    [OPTION_SHARE] = {"share", SM_OPTION_REAL, "", "0.13", 0.0001, 10, NULL, "share of the heap that a step allocates"},
    [OPTION_LINKED] = {"linked", SM_OPTION_BOOL, "", "off", 0, 0, NULL,
                       "quads refer to the root of the tree that lives on as well"},
    [OPTION_SHUFFLED] = {"shuffled", SM_OPTION_BOOL, "", "off", 0, 0, NULL,
                         "the quads of that tree are not in the order in which they are reached"},
};

enum { ROOT_LIVE = GRAPH_ROOT_FIRST, ROOT_GARBAGE };

struct quad {
    struct sm_object header;
    struct quad *children[CHILDREN];
    uint32_t number, pattern;
};

struct linked_quad {
    struct quad quad;
    struct sm_object *container;
};

#define QUAD_BYTES (sizeof(struct quad) - SM_HEADER_BYTES)
#define LINKED_QUAD_BYTES (sizeof(struct linked_quad) - SM_HEADER_BYTES)

struct quads {
    struct graph_session session;
    uint64_t live_count, trees_per_step;
    bool is_linked, is_shuffled;
    sm_type_id quad_type;
    uint64_t quad_number;      /* quads made so far */
    uint64_t safepoint_number; /* and before the last safepoint */
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

static uint64_t live_count(const struct sm_option_values *values)
{
    uint64_t asked = values->value[OPTION_OBJECTS].count;
    return asked != 0 ? asked : tree_size((unsigned)values->value[OPTION_DEPTH].count);
}

static size_t quad_bytes(const struct sm_option_values *values)
{
    return values->value[OPTION_LINKED].count != 0 ? LINKED_QUAD_BYTES : QUAD_BYTES;
}

static uint64_t live_bytes(const struct sm_option_values *values)
{
    return live_count(values) * sm_block_bytes(quad_bytes(values));
}

static uint64_t trees_per_step(const struct sm_option_values *values)
{
    double heap_bytes = (double)live_bytes(values) * values->value[OPTION_HEAP].real;
    double tree_bytes = (double)(tree_size(GARBAGE_DEPTH) * sm_block_bytes(quad_bytes(values)));
    uint64_t count = (uint64_t)(heap_bytes * values->value[OPTION_SHARE].real / tree_bytes);
    return count != 0 ? count : 1;
}

/* ---- Making trees ---- */

static struct quad *tree_at(const struct quads *quads, size_t root)
{
    return (struct quad *)quads->session.roots[root];
}

static struct quad *new_linked_quad(struct quads *quads)
{
    struct sm_manager *mm = quads->session.instance.mm;
    struct linked_quad *linked = (struct linked_quad *)sm_alloc(mm, quads->quad_type, LINKED_QUAD_BYTES);
    if (linked == NULL)
        return NULL;
    sm_store_pointer(mm, &linked->quad.header, &linked->container, tree_at(quads, ROOT_LIVE));
    return &linked->quad;
}

static struct quad *new_quad(struct quads *quads)
{
    struct quad *quad = quads->is_linked
                            ? new_linked_quad(quads)
                            : (struct quad *)sm_alloc(quads->session.instance.mm, quads->quad_type, QUAD_BYTES);
    if (quad == NULL)
        return NULL;
    quad->number = (uint32_t)quads->quad_number++;
    quad->pattern = (quad->number + (uint32_t)quads->session.seed) * UINT32_C(2654435761);
    return quad;
}

/* Whatever is above the last quad made is reachable, so a safepoint may come anywhere. */
static void pass_safepoint(struct quads *quads)
{
    if (quads->quad_number - quads->safepoint_number < QUADS_PER_SAFEPOINT)
        return;
    quads->safepoint_number = quads->quad_number;
    sm_safepoint(quads->session.instance.mm);
}

/* The quads of a tree are numbered level by level: below `index` are 4 * index + 1 and the next three, of `count` in all. */
static bool populate(struct quads *quads, struct quad *quad, uint64_t index, uint64_t count)
{
    uint64_t first_child = CHILDREN * index + 1;
    for (uint64_t i = 0; i < CHILDREN && first_child + i < count; i++) {
        struct quad *child = new_quad(quads);
        if (child == NULL)
            return false;
        sm_store_pointer_take(quads->session.instance.mm, &quad->header, &quad->children[i], child);
        if (!populate(quads, child, first_child + i, count))
            return false;
    }
    pass_safepoint(quads);
    return true;
}

static bool make_tree(struct quads *quads, size_t root, uint64_t count)
{
    struct quad *tree = new_quad(quads);
    if (tree == NULL)
        return false;
    graph_root_take(&quads->session, root, tree);
    return populate(quads, tree, 0, count);
}

/* ---- Shuffling ---- */

/* Where the living tree refers to the quad with `number` among those of `level`, of which each digit to base 4 is a turn. */
struct edge {
    struct quad *owner, **slot;
};

static struct edge edge_to(const struct quads *quads, unsigned level, uint64_t number)
{
    struct quad *owner = tree_at(quads, ROOT_LIVE);
    while (--level != 0)
        owner = owner->children[(number >> (2 * level)) % CHILDREN];
    return (struct edge){owner, &owner->children[number % CHILDREN]};
}

/* Two quads change places, with all that is below them; what each counts stays as it is. */
static void exchange(struct quads *quads, struct edge a, struct edge b)
{
    struct sm_manager *mm = quads->session.instance.mm;
    struct quad *quad_a = *a.slot, *quad_b = *b.slot;
    sm_store_pointer_move(mm, &a.owner->header, a.slot, quad_b);
    sm_store_pointer_move(mm, &b.owner->header, b.slot, quad_a);
}

/* Quads of one level lie all over the heap, so every turn on the way down leads to anywhere (Fisher and Yates 1938). */
static void shuffle(struct quads *quads)
{
    struct wl_random random = wl_random_seeded(~quads->session.seed);
    for (unsigned level = 1; tree_size(level - 1) < quads->live_count; level++) {
        uint64_t width = UINT64_C(1) << (2 * level);
        uint64_t count = quads->live_count - tree_size(level - 1);
        for (uint64_t left_over = count < width ? count : width; left_over > 1; left_over--)
            exchange(quads, edge_to(quads, level, left_over - 1),
                     edge_to(quads, level, wl_random_below(&random, left_over)));
    }
}

/* ---- Reading back, faults ---- */

/* What the edge beside the children leads to, as a number; 0 where there is none. */
static uint64_t container_number(const struct quads *quads, const struct quad *quad)
{
    if (!quads->is_linked)
        return 0;
    const struct quad *container = (const struct quad *)((const struct linked_quad *)quad)->container;
    return container != NULL ? container->number + UINT64_C(1) : 0;
}

static void fold_tree(struct quads *quads, const struct quad *quad)
{
    uint64_t edges = 0;
    for (size_t i = 0; i < CHILDREN; i++)
        edges = edges << 1 | (quad->children[i] != NULL ? 1U : 0U);
    uint64_t content = ((uint64_t)quad->number << 36 | (uint64_t)quad->pattern << 4) ^ edges;
    graph_fold(&quads->session, content + container_number(quads, quad));
    for (size_t i = 0; i < CHILDREN; i++)
        if (quad->children[i] != NULL)
            fold_tree(quads, quad->children[i]);
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
        if (!make_tree(quads, ROOT_GARBAGE, tree_size(GARBAGE_DEPTH)))
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

static void trace_linked_quad(const struct sm_object *object, struct sm_visitor *visitor)
{
    const struct linked_quad *linked = (const struct linked_quad *)object;
    trace_quad(object, visitor);
    sm_visit_pointer(visitor, &linked->container);
}

static bool boot(struct graph_session *session)
{
    /* A layout has room for two plain pointers, so where these are only the trace function knows. */
    static const struct sm_type quad = {.name = "quad", .trace = trace_quad};
    static const struct sm_type linked = {.name = "linked-quad", .trace = trace_linked_quad};
    struct quads *quads = (struct quads *)session;
    const struct sm_type *type = quads->is_linked ? &linked : &quad;
    if (sm_type_register(session->instance.mm, type, &quads->quad_type) != SM_OK ||
        !make_tree(quads, ROOT_LIVE, quads->live_count))
        return false;
    if (quads->is_shuffled)
        shuffle(quads);
    return true;
}

/* Faults are planted in the root's children. */
static bool read_options(struct quads *quads, const struct sm_option_values *values, struct sm_error *error)
{
    quads->live_count = live_count(values);
    quads->trees_per_step = trees_per_step(values);
    quads->is_linked = values->value[OPTION_LINKED].count != 0;
    quads->is_shuffled = values->value[OPTION_SHUFFLED].count != 0;
    if (quads->live_count > CHILDREN)
        return true;
    if (error != NULL) {
        error->status = SM_ERR_INVALID_ARGUMENT;
        strcpy(error->detail, "quads: expected objects=0, or at least 5");
    }
    return false;
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
    sm_status status = SM_ERR_INVALID_ARGUMENT;
    if (read_options(quads, config->options, error))
        status = graph_session_open(&quads->session, &wl_quads, config, error);
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
