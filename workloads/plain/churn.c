/* Plain program "churn": see workloads/churn.c, the same under a manager's policies. */
#include "program.h"

enum { BLOCK_SLOTS = 128, REPLACEMENTS_PER_STEP = 8192, REPLACEMENTS_PER_SAFEPOINT = 256, SAMPLES_PER_STEP = 64 };
enum { OPTION_OBJECTS, OPTION_STEPS };
enum { ROOT_DIRECTORY };

struct node {
    HEAP_HEADER
    struct node *left, *right;
    uint32_t number, pattern;
};

static uint64_t block_count(uint64_t object_count)
{
    return (object_count + BLOCK_SLOTS - 1) / BLOCK_SLOTS;
}

static struct heap_array *block_of(const struct run *run, uint64_t index)
{
    struct heap_array *directory = (struct heap_array *)run->heap.roots[ROOT_DIRECTORY];
    return (struct heap_array *)heap_array_get(directory, index / BLOCK_SLOTS);
}

static struct node *new_node(struct run *run)
{
    struct node *node = (struct node *)heap_new(&run->heap, HEAP_TWO_POINTERS, sizeof(*node));
    node->number = (uint32_t)run->number++;
    node->pattern = pattern_of(run, node->number);
    return node;
}

static void build(struct run *run)
{
    uint64_t object_count = run->options[OPTION_OBJECTS];
    struct heap_array *directory = heap_array_new(&run->heap, block_count(object_count));
    heap_root_take(&run->heap, ROOT_DIRECTORY, directory);
    run->random = wl_random_seeded(run->seed);
    for (uint64_t i = 0; i < object_count; i++) {
        if (i % BLOCK_SLOTS == 0) {
            heap_safepoint(&run->heap);
            heap_array_take(&run->heap, directory, i / BLOCK_SLOTS, heap_array_new(&run->heap, BLOCK_SLOTS));
        }
        heap_array_take(&run->heap, block_of(run, i), i % BLOCK_SLOTS, new_node(run));
    }
}

static void fold_node(struct run *run, uint64_t index)
{
    const struct node *node = (const struct node *)heap_array_get(block_of(run, index), index % BLOCK_SLOTS);
    uint64_t edges = (node->left != NULL ? 1U : 0U) | (node->right != NULL ? 2U : 0U);
    fold(run, ((uint64_t)node->number << 34 | (uint64_t)node->pattern << 2) ^ edges);
    fold(run, sizeof(*node) - HEAP_HEADER_BYTES);
}

static void replace_some(struct run *run)
{
    for (unsigned i = 1; i <= REPLACEMENTS_PER_STEP; i++) {
        uint64_t index = wl_random_below(&run->random, run->options[OPTION_OBJECTS]);
        heap_array_take(&run->heap, block_of(run, index), index % BLOCK_SLOTS, new_node(run));
        if (i % REPLACEMENTS_PER_SAFEPOINT == 0)
            heap_safepoint(&run->heap);
    }
    for (unsigned i = 0; i < SAMPLES_PER_STEP; i++)
        fold_node(run, wl_random_below(&run->random, run->options[OPTION_OBJECTS]));
    run->steps++;
}

static void work(struct run *run)
{
    for (uint64_t i = 0; i < run->options[OPTION_STEPS]; i++)
        replace_some(run);
}

static void finish(struct run *run)
{
    for (uint64_t i = 0; i < run->options[OPTION_OBJECTS]; i++)
        fold_node(run, i);
    fold(run, run->steps);
}

static uint64_t live_bytes(const uint64_t *options)
{
    uint64_t blocks = block_count(options[OPTION_OBJECTS]);
    return options[OPTION_OBJECTS] * heap_block_bytes(sizeof(struct node) - HEAP_HEADER_BYTES) +
           blocks * heap_array_block_bytes(BLOCK_SLOTS) + heap_array_block_bytes(blocks);
}

const struct program program = {
    .name = "churn",
    .options =
        {
            [OPTION_OBJECTS] = {"objects", 1000000, 2, 1000000000, "objects that live"},
            [OPTION_STEPS] = {"steps", 1000, 1, 1000000000, "times that 8192 of them are replaced"},
        },
    .live_bytes = live_bytes,
    .build = build,
    .work = work,
    .finish = finish,
};
