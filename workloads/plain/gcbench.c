/* Plain program "gcbench": see workloads/gcbench.c, the same under a manager's policies. */
#include "program.h"

#include <string.h>

enum { DEPTH_STEP = 2, SAFEPOINT_DEPTH = 7 };
enum { OPTION_STRETCH, OPTION_LONG_LIVED, OPTION_ARRAY, OPTION_MIN, OPTION_MAX, OPTION_PASSES };
enum { ROOT_LONG_LIVED, ROOT_ARRAY, ROOT_TREE };

struct node {
    HEAP_HEADER
    struct node *left, *right;
    uint32_t number, pattern;
};

struct numbers {
    HEAP_HEADER
    double values[1]; /* of as many as the option says */
};

static uint64_t tree_size(uint64_t depth)
{
    return (UINT64_C(2) << depth) - 1;
}

static struct node *new_node(struct run *run)
{
    struct node *node = (struct node *)heap_new(&run->heap, HEAP_TWO_POINTERS, sizeof(*node));
    node->number = (uint32_t)run->number++;
    node->pattern = pattern_of(run, node->number);
    return node;
}

static void populate(struct run *run, uint64_t depth, struct node *node)
{
    if (depth == 0)
        return;
    heap_take(&run->heap, node, &node->left, new_node(run));
    heap_take(&run->heap, node, &node->right, new_node(run));
    populate(run, depth - 1, node->left);
    populate(run, depth - 1, node->right);
    if (depth == SAFEPOINT_DEPTH)
        heap_safepoint(&run->heap);
}

static struct node *make_top_down(struct run *run, size_t root, uint64_t depth)
{
    struct node *tree = new_node(run);
    heap_root_take(&run->heap, root, tree);
    populate(run, depth, tree);
    return tree;
}

/* The result is held. */
static struct node *make_held(struct run *run, uint64_t depth)
{
    struct node *left = NULL, *right = NULL;
    if (depth > 0) {
        left = make_held(run, depth - 1);
        right = make_held(run, depth - 1);
    }
    struct node *node = new_node(run);
    if (depth > 0) {
        heap_take(&run->heap, node, &node->left, left);
        heap_take(&run->heap, node, &node->right, right);
        heap_unhold(&run->heap, 2);
    }
    heap_hold(&run->heap, node);
    if (depth == SAFEPOINT_DEPTH)
        heap_safepoint(&run->heap);
    return node;
}

static struct node *make_bottom_up(struct run *run, size_t root, uint64_t depth)
{
    struct node *tree = make_held(run, depth);
    heap_unhold(&run->heap, 1);
    heap_root_take(&run->heap, root, tree);
    return tree;
}

static void fold_node(struct run *run, const struct node *node)
{
    uint64_t edges = (node->left != NULL ? 1U : 0U) | (node->right != NULL ? 2U : 0U);
    fold(run, ((uint64_t)node->number << 34 | (uint64_t)node->pattern << 2) ^ edges);
}

static void fold_tree(struct run *run, const struct node *node)
{
    for (; node != NULL; node = node->right) {
        fold_node(run, node);
        fold_tree(run, node->left);
    }
}

static void fold_path(struct run *run, const struct node *node)
{
    uint64_t turns = wl_mix(run->number);
    for (; node != NULL; turns >>= 1) {
        fold_node(run, node);
        node = (turns & 1) != 0 ? node->left : node->right;
    }
}

static void make_array(struct run *run)
{
    uint64_t length = run->options[OPTION_ARRAY];
    size_t bytes = offsetof(struct numbers, values) + length * sizeof(double);
    struct numbers *array = (struct numbers *)heap_new(&run->heap, HEAP_NUMBERS, bytes);
    double *values = array->values;
    for (uint64_t i = 0; i < length; i++)
        values[i] = i < length / 2 ? 1.0 / (double)(i + 1) : 0;
    heap_root_take(&run->heap, ROOT_ARRAY, array);
}

static void make_short_lived(struct run *run, uint64_t depth,
                             struct node *(*make)(struct run *run, size_t root, uint64_t depth))
{
    uint64_t count = 2 * tree_size(run->options[OPTION_STRETCH]) / tree_size(depth);
    for (uint64_t i = 0; i < count; i++) {
        struct node *tree = make(run, ROOT_TREE, depth);
        if (i + 1 < count)
            fold_path(run, tree);
        else
            fold_tree(run, tree);
        heap_root_take(&run->heap, ROOT_TREE, NULL);
        heap_safepoint(&run->heap);
    }
    fold_path(run, (const struct node *)run->heap.roots[ROOT_LONG_LIVED]);
    run->steps++;
}

static void end_pass(struct run *run)
{
    uint64_t array_bytes = run->options[OPTION_ARRAY] * sizeof(double);
    const struct numbers *array = (const struct numbers *)(const void *)run->heap.roots[ROOT_ARRAY];
    fold_tree(run, (const struct node *)run->heap.roots[ROOT_LONG_LIVED]);
    fold(run, array_bytes);
    run->checksum = wl_checksum_fold_bytes(run->checksum, array->values, array_bytes);
    heap_root_take(&run->heap, ROOT_LONG_LIVED, NULL);
    heap_root_take(&run->heap, ROOT_ARRAY, NULL);
}

static void pass(struct run *run)
{
    fold_tree(run, make_bottom_up(run, ROOT_TREE, run->options[OPTION_STRETCH]));
    heap_root_take(&run->heap, ROOT_TREE, NULL);
    const struct node *tree = make_top_down(run, ROOT_LONG_LIVED, run->options[OPTION_LONG_LIVED]);
    make_array(run);
    fold_tree(run, tree);
    run->steps += 2;
    for (uint64_t depth = run->options[OPTION_MIN]; depth <= run->options[OPTION_MAX]; depth += DEPTH_STEP) {
        make_short_lived(run, depth, make_top_down);
        make_short_lived(run, depth, make_bottom_up);
    }
    end_pass(run);
}

static void work(struct run *run)
{
    for (uint64_t i = 0; i < run->options[OPTION_PASSES]; i++)
        pass(run);
}

static void finish(struct run *run)
{
    fold(run, run->steps);
}

static uint64_t live_bytes(const uint64_t *options)
{
    uint64_t node_bytes = heap_block_bytes(sizeof(struct node) - HEAP_HEADER_BYTES);
    uint64_t stretch_bytes = tree_size(options[OPTION_STRETCH]) * node_bytes;
    uint64_t beside = tree_size(options[OPTION_LONG_LIVED]) + tree_size(options[OPTION_MAX]);
    uint64_t other_bytes = beside * node_bytes + heap_block_bytes(options[OPTION_ARRAY] * sizeof(double));
    return stretch_bytes > other_bytes ? stretch_bytes : other_bytes;
}

const struct program program = {
    .name = "gcbench",
    .options =
        {
            [OPTION_STRETCH] = {"stretch", 18, 1, 26, "depth of the tree that stretches the heap first"},
            [OPTION_LONG_LIVED] = {"long-lived", 16, 1, 26, "depth of the tree that lives on"},
            [OPTION_ARRAY] = {"array", 500000, 1, 1000000000, "doubles in the array that lives on"},
            [OPTION_MIN] = {"min", 4, 1, 26, "depth of the smallest short-lived trees"},
            [OPTION_MAX] = {"max", 16, 1, 26, "depth of the largest"},
            [OPTION_PASSES] = {"passes", 3, 1, 1000000, "times the published program runs"},
        },
    .live_bytes = live_bytes,
    .work = work,
    .finish = finish,
};
