/*
 * Workload "churn": many objects live, and random ones are replaced by fresh ones: no age says what dies next.
 *
 * The live objects hang in blocks of values, those in a directory. A step replaces some thousand of them.
 */
#include "graph_session.h"

#include <assert.h>
#include <stdlib.h>

/* A block of values takes the inline path of allocation and is one chunk of a marker's. */
enum { BLOCK_SLOTS = 128, REPLACEMENTS_PER_STEP = 8192, REPLACEMENTS_PER_SAFEPOINT = 256, SAMPLES_PER_STEP = 64 };

enum churn_option { OPTION_OBJECTS, OPTION_PAYLOAD, OPTION_LINKED, OPTION_SHUFFLED, OPTION_COUNT };

static const struct sm_option option_table[OPTION_COUNT] = {
    [OPTION_OBJECTS] = {"objects", SM_OPTION_COUNT, "objects", "1000000", 2, 1e9, NULL, "objects that live"},
    [OPTION_PAYLOAD] = {"payload", SM_OPTION_SIZE, "bytes", "24", 24, 1 << 20, NULL,
                        "size of an object: two pointers and two integers in it, and zeroes"},
    [OPTION_LINKED] = {"linked", SM_OPTION_BOOL, "", "off", 0, 0, NULL,
                       "objects refer to the directory, and so to all that lives"},
    [OPTION_SHUFFLED] = {"shuffled", SM_OPTION_BOOL, "", "off", 0, 0, NULL,
                         "the first objects are not in the order in which they are reached"},
};

enum { ROOT_DIRECTORY = GRAPH_ROOT_FIRST };

struct node {
    struct sm_object header;
    /* Neither refers to another of its kind: a replaced object must not live on through one. */
    struct sm_object *left; /* linked: the directory */
    struct sm_object *right;
    uint32_t number, pattern;
};

struct churn {
    struct graph_session session;
    uint64_t object_count;
    size_t payload_bytes;
    bool is_linked, is_shuffled;
    sm_type_id node_type;
    uint64_t node_number; /* objects made so far */
    struct wl_random random;
};

extern const struct wl_ops wl_churn;

static struct churn *churn_of(struct wl_instance *instance)
{
    assert(instance->ops == &wl_churn);
    return (struct churn *)instance;
}

static uint64_t block_count(uint64_t object_count)
{
    return (object_count + BLOCK_SLOTS - 1) / BLOCK_SLOTS;
}

static struct sm_value *value_slot(struct sm_object *block, uint64_t index)
{
    return (struct sm_value *)sm_payload(block) + index;
}

static struct sm_object *block_of(const struct churn *churn, uint64_t index)
{
    return sm_value_object(*value_slot(churn->session.roots[ROOT_DIRECTORY], index / BLOCK_SLOTS));
}

static struct node *node_at(const struct churn *churn, uint64_t index)
{
    return (struct node *)sm_value_object(*value_slot(block_of(churn, index), index % BLOCK_SLOTS));
}

static struct sm_object *new_block(struct churn *churn, uint64_t slot_count)
{
    return sm_alloc(churn->session.instance.mm, SM_TYPE_VALUES, slot_count * sizeof(struct sm_value));
}

static struct node *new_node(struct churn *churn)
{
    struct sm_manager *mm = churn->session.instance.mm;
    struct node *node = (struct node *)sm_alloc(mm, churn->node_type, churn->payload_bytes);
    if (node == NULL)
        return NULL;
    if (churn->is_linked)
        sm_store_pointer(mm, &node->header, &node->left, churn->session.roots[ROOT_DIRECTORY]);
    node->number = (uint32_t)churn->node_number++;
    node->pattern = (node->number + (uint32_t)churn->session.seed) * UINT32_C(2654435761);
    return node;
}

/* ---- Reading back, faults ---- */

static void fold_node(struct churn *churn, const struct node *node)
{
    uint64_t edges = (node->left != NULL ? 1U : 0U) | (node->right != NULL ? 2U : 0U);
    graph_fold(&churn->session, ((uint64_t)node->number << 34 | (uint64_t)node->pattern << 2) ^ edges);
    graph_fold(&churn->session, node->header.payload_bytes);
}

static void flip_edge(struct churn *churn, uint64_t index)
{
    struct sm_value neighbour = sm_value_from_object(&node_at(churn, (index + 1) % churn->object_count)->header, 0);
    struct sm_object *block = block_of(churn, index);
    sm_store(churn->session.instance.mm, block, value_slot(block, index % BLOCK_SLOTS), neighbour);
}

/* A fault is planted where the first sample is about to be read. */
static void fold_samples(struct churn *churn)
{
    for (unsigned i = 0; i < SAMPLES_PER_STEP; i++) {
        uint64_t index = wl_random_below(&churn->random, churn->object_count);
        if (i == 0 && graph_fault_strikes(&churn->session, WL_FAULT_FLIP_BYTE))
            node_at(churn, index)->pattern ^= 1U << 16;
        if (i == 0 && graph_fault_strikes(&churn->session, WL_FAULT_FLIP_EDGE))
            flip_edge(churn, index);
        fold_node(churn, node_at(churn, index));
    }
}

/* ---- Replacing ---- */

static bool replace(struct churn *churn, uint64_t index)
{
    struct node *node = new_node(churn);
    if (node == NULL || !graph_dies(&churn->session, node_at(churn, index)))
        return false;
    struct sm_object *block = block_of(churn, index);
    sm_store_take(churn->session.instance.mm, block, value_slot(block, index % BLOCK_SLOTS),
                  sm_value_from_object(&node->header, 0));
    return true;
}

static bool replace_some(struct graph_session *session)
{
    struct churn *churn = (struct churn *)session;
    for (unsigned i = 1; i <= REPLACEMENTS_PER_STEP; i++) {
        if (!replace(churn, wl_random_below(&churn->random, churn->object_count)))
            return false;
        if (i % REPLACEMENTS_PER_SAFEPOINT == 0)
            sm_safepoint(session->instance.mm);
    }
    fold_samples(churn);
    return true;
}

/* ---- The first objects ---- */

static bool fill_block(struct churn *churn, struct sm_object *block, uint64_t slot_count)
{
    struct sm_manager *mm = churn->session.instance.mm;
    for (uint64_t i = 0; i < slot_count; i++) {
        struct node *node = new_node(churn);
        if (node == NULL)
            return false;
        sm_store_take(mm, block, value_slot(block, i), sm_value_from_object(&node->header, 0));
    }
    return true;
}

static bool fill(struct churn *churn)
{
    struct sm_manager *mm = churn->session.instance.mm;
    struct sm_object *directory = new_block(churn, block_count(churn->object_count));
    if (directory == NULL)
        return false;
    graph_root_take(&churn->session, ROOT_DIRECTORY, directory);
    for (uint64_t first = 0; first < churn->object_count; first += BLOCK_SLOTS) {
        uint64_t left_over = churn->object_count - first;
        struct sm_object *block = new_block(churn, BLOCK_SLOTS);
        if (block == NULL)
            return false;
        sm_store_take(mm, directory, value_slot(directory, first / BLOCK_SLOTS), sm_value_from_object(block, 0));
        if (!fill_block(churn, block, left_over < BLOCK_SLOTS ? left_over : BLOCK_SLOTS))
            return false;
        sm_safepoint(mm);
    }
    return true;
}

/* Two objects change places; what each counts stays as it is. */
static void exchange(struct churn *churn, uint64_t a, uint64_t b)
{
    struct sm_manager *mm = churn->session.instance.mm;
    struct sm_value object_a = sm_value_from_object(&node_at(churn, a)->header, 0);
    struct sm_value object_b = sm_value_from_object(&node_at(churn, b)->header, 0);
    sm_store_move(mm, block_of(churn, a), value_slot(block_of(churn, a), a % BLOCK_SLOTS), object_b);
    sm_store_move(mm, block_of(churn, b), value_slot(block_of(churn, b), b % BLOCK_SLOTS), object_a);
}

/* A stream of its own, so that the same objects are replaced in either order (Fisher and Yates 1938, Durstenfeld 1964). */
static void shuffle(struct churn *churn)
{
    struct wl_random random = wl_random_seeded(~churn->session.seed);
    for (uint64_t left_over = churn->object_count; left_over > 1; left_over--)
        exchange(churn, left_over - 1, wl_random_below(&random, left_over));
}

static void trace_node(const struct sm_object *object, struct sm_visitor *visitor)
{
    const struct node *node = (const struct node *)object;
    sm_visit_pointer(visitor, &node->left);
    sm_visit_pointer(visitor, &node->right);
}

static bool boot(struct graph_session *session)
{
    static const struct sm_type node = {
        .name = "churn-node",
        .trace = trace_node,
        .layout = {.kind = SM_LAYOUT_SLOTS,
                   .pointer_count = 2,
                   .pointers = {offsetof(struct node, left) - SM_HEADER_BYTES,
                                offsetof(struct node, right) - SM_HEADER_BYTES}},
    };
    struct churn *churn = (struct churn *)session;
    if (sm_type_register(session->instance.mm, &node, &churn->node_type) != SM_OK || !fill(churn))
        return false;
    if (churn->is_shuffled)
        shuffle(churn);
    return true;
}

/* ---- The workload ---- */

static void destroy(struct wl_instance *instance)
{
    if (instance == NULL)
        return;
    graph_session_close(graph_session_of(instance));
    free(churn_of(instance));
}

static sm_status create(const struct wl_config *config, struct wl_instance **instance, struct sm_error *error)
{
    struct churn *churn = (struct churn *)calloc(1, sizeof(*churn));
    if (churn == NULL)
        return SM_ERR_OUT_OF_MEMORY;
    churn->object_count = config->options->value[OPTION_OBJECTS].count;
    churn->payload_bytes = config->options->value[OPTION_PAYLOAD].count;
    churn->is_linked = config->options->value[OPTION_LINKED].count != 0;
    churn->is_shuffled = config->options->value[OPTION_SHUFFLED].count != 0;
    churn->random = wl_random_seeded(config->seed);
    sm_status status = graph_session_open(&churn->session, &wl_churn, config, error);
    if (status != SM_OK) {
        free(churn);
        return status;
    }
    status = graph_session_boot(&churn->session, SM_HERE, boot, error);
    if (status == SM_OK)
        *instance = &churn->session.instance;
    else
        destroy(&churn->session.instance);
    return status;
}

static enum wl_step step(struct wl_instance *instance)
{
    return graph_session_step(graph_session_of(instance), SM_HERE, replace_some);
}

static enum wl_step finish(struct wl_instance *instance)
{
    struct churn *churn = churn_of(instance);
    for (uint64_t i = 0; i < churn->object_count; i++)
        fold_node(churn, node_at(churn, i));
    graph_fold(&churn->session, instance->steps_done);
    return WL_STEP_DONE;
}

static uint64_t analytic_live_bytes(const struct sm_option_values *values)
{
    uint64_t objects = values->value[OPTION_OBJECTS].count;
    uint64_t blocks = block_count(objects);
    return objects * sm_block_bytes(values->value[OPTION_PAYLOAD].count) +
           blocks * sm_block_bytes(BLOCK_SLOTS * sizeof(struct sm_value)) +
           sm_block_bytes(blocks * sizeof(struct sm_value));
}

const struct wl_ops wl_churn = {
    .name = "churn",
    .summary = "a million objects live, random ones are replaced",
    .sapi = SM_SAPI_CLI,
    .step_unit = "iteration",
    .options = option_table,
    .option_count = OPTION_COUNT,
    .default_alloc_bytes = UINT64_C(1) << 29,
    .create = create,
    .step = step,
    .finish = finish,
    .destroy = destroy,
    .analytic_live_bytes = analytic_live_bytes,
};
