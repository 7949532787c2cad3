/* Plain program "quads": see workloads/quads.c, the same under a manager's policies. */
#include "program.h"

enum { CHILDREN = 4, GARBAGE_DEPTH = 3 };
enum { OPTION_DEPTH, OPTION_HEAP, OPTION_SHARE, OPTION_ROUNDS };
enum { ROOT_LIVE, ROOT_GARBAGE };

struct quad {
    HEAP_HEADER
    struct quad *children[CHILDREN];
    uint32_t number, pattern;
};

static uint64_t tree_size(uint64_t depth)
{
    return ((UINT64_C(4) << (2 * depth)) - 1) / 3;
}

static uint64_t tree_bytes(uint64_t depth)
{
    return tree_size(depth) * heap_block_bytes(sizeof(struct quad) - HEAP_HEADER_BYTES);
}

static struct quad *new_quad(struct run *run)
{
    struct quad *quad = (struct quad *)heap_new(&run->heap, HEAP_FOUR_POINTERS, sizeof(*quad));
    quad->number = (uint32_t)run->number++;
    quad->pattern = pattern_of(run, quad->number);
    return quad;
}

static void populate(struct run *run, uint64_t depth, struct quad *quad)
{
    if (depth == 0)
        return;
    for (size_t i = 0; i < CHILDREN; i++) {
        struct quad *child = new_quad(run);
        heap_take(&run->heap, quad, &quad->children[i], child);
        populate(run, depth - 1, child);
    }
    if (depth == GARBAGE_DEPTH)
        heap_safepoint(&run->heap);
}

static struct quad *make_tree(struct run *run, size_t root, uint64_t depth)
{
    struct quad *tree = new_quad(run);
    heap_root_take(&run->heap, root, tree);
    populate(run, depth, tree);
    return tree;
}

static void fold_tree(struct run *run, const struct quad *quad)
{
    uint64_t edges = 0;
    for (size_t i = 0; i < CHILDREN; i++)
        edges = edges << 1 | (quad->children[i] != NULL ? 1U : 0U);
    fold(run, ((uint64_t)quad->number << 36 | (uint64_t)quad->pattern << 4) ^ edges);
    for (size_t i = 0; i < CHILDREN; i++)
        if (quad->children[i] != NULL)
            fold_tree(run, quad->children[i]);
}

static void build(struct run *run)
{
    make_tree(run, ROOT_LIVE, run->options[OPTION_DEPTH]);
}

static void run_round(struct run *run, uint64_t tree_count)
{
    for (uint64_t i = 0; i < tree_count; i++) {
        const struct quad *tree = make_tree(run, ROOT_GARBAGE, GARBAGE_DEPTH);
        if (i + 1 == tree_count)
            fold_tree(run, tree);
        heap_root_take(&run->heap, ROOT_GARBAGE, NULL);
    }
    fold_tree(run, (const struct quad *)run->heap.roots[ROOT_LIVE]);
    run->steps++;
}

static void work(struct run *run)
{
    double heap_bytes = (double)tree_bytes(run->options[OPTION_DEPTH]) * (double)run->options[OPTION_HEAP];
    double share = (double)run->options[OPTION_SHARE] / 100;
    uint64_t tree_count = (uint64_t)(heap_bytes * share / (double)tree_bytes(GARBAGE_DEPTH));
    for (uint64_t i = 0; i < run->options[OPTION_ROUNDS]; i++)
        run_round(run, tree_count != 0 ? tree_count : 1);
}

static void finish(struct run *run)
{
    fold_tree(run, (const struct quad *)run->heap.roots[ROOT_LIVE]);
    fold(run, run->steps);
}

static uint64_t live_bytes(const uint64_t *options)
{
    return tree_bytes(options[OPTION_DEPTH]);
}

const struct program program = {
    .name = "quads",
    .options =
        {
            [OPTION_DEPTH] = {"depth", 10, 1, 14, "depth of the tree that lives on"},
            [OPTION_HEAP] = {"heap", 2, 1, 100,
                             "size of the heap in sizes of that tree, of which a round takes a share"},
            [OPTION_SHARE] = {"share", 13, 1, 1000, "share of the heap that a round allocates, in percent"},
            [OPTION_ROUNDS] = {"rounds", 20, 1, 1000000, "rounds"},
        },
    .live_bytes = live_bytes,
    .build = build,
    .work = work,
    .finish = finish,
};
