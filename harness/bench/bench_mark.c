/*
 * A full cycle, per object of 64 bytes: all alive (mark), and all dead until the memory can be used again (sweep). One
 * array refers to the objects, in the order of their allocation or in a random one. CPU of all threads.
 *
 * The peer goes over as much memory in the same order: it prefetches ahead, reads each header and writes one byte of a
 * side table.
 */
#include "microbench.h"

#include "stopwatch.h"

#include <stdlib.h>
#include <string.h>

enum { PAYLOAD_BYTES = 64, PREFETCH_AHEAD = 16, SIDE_SHIFT = 6 };

/** A policy, in one order. */
struct mark_case {
    const struct sm_policy_ops *ops; /**< NULL: the peer */
    bool is_shuffled;
    bool is_dead;
};

/** The objects' addresses, in the order of the edges. */
struct edges {
    struct sm_object **targets;
    size_t count;
};

static bool edges_init(struct edges *edges, size_t count)
{
    *edges = (struct edges){calloc(count, sizeof(struct sm_object *)), count};
    return edges->targets != NULL;
}

/** Fisher and Yates, with the same numbers each time. */
static void edges_shuffle(struct edges *edges)
{
    uint64_t random = 1;
    for (size_t i = edges->count; i > 1; i--) {
        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        size_t other = (size_t)((random >> 32) % i);
        struct sm_object *last = edges->targets[i - 1];
        edges->targets[i - 1] = edges->targets[other];
        edges->targets[other] = last;
    }
}

/** The root: an array of values that refers to all of them. NULL: out of memory. */
static struct sm_object *build(struct sm_manager *mm, struct edges *edges, bool is_shuffled)
{
    struct sm_object *array = sm_alloc(mm, SM_TYPE_VALUES, edges->count * sizeof(struct sm_value));
    for (size_t i = 0; i < edges->count; i++) {
        edges->targets[i] = sm_alloc(mm, SM_TYPE_VALUES, PAYLOAD_BYTES);
        if (array == NULL || edges->targets[i] == NULL)
            return NULL;
    }
    if (is_shuffled)
        edges_shuffle(edges);
    struct sm_value *slots = sm_payload(array);
    for (size_t i = 0; i < edges->count; i++)
        sm_store_take(mm, array, &slots[i], sm_value_from_object(edges->targets[i], 0));
    return array;
}

static void visit_root(void *context, struct sm_visitor *visitor)
{
    sm_visit_pointer(visitor, context);
}

static struct sm_stats stats_of(const struct sm_manager *mm)
{
    struct sm_stats stats;
    sm_stats_get(mm, &stats);
    return stats;
}

/** A cycle over live objects only; returns its seconds. */
static double mark_once(struct bm_state *state, struct sm_manager *mm, const struct edges *edges)
{
    double start = stopwatch_cpu_seconds();
    (void)sm_collect(mm, SM_COLLECT_FULL);
    double seconds = stopwatch_cpu_seconds() - start;
    if (stats_of(mm).live_objects < edges->count)
        bm_skip_with_error(state, "objects that the root reaches were taken for dead");
    return seconds;
}

static void run_live(struct bm_state *state, struct sm_manager *mm, struct edges *edges, bool is_shuffled,
                     struct sm_object **root)
{
    *root = build(mm, edges, is_shuffled);
    if (*root == NULL) {
        bm_skip_with_error(state, sm_error_detail(mm));
        return;
    }
    (void)mark_once(state, mm, edges);
    while (bm_keep_running(state))
        bm_iteration_time(state, mark_once(state, mm, edges));
}

/** The cycle that finds them dead, and the wait where memory is free only after it; returns the seconds. */
static double sweep_once(struct bm_state *state, struct sm_manager *mm, const struct edges *edges)
{
    double start = stopwatch_cpu_seconds();
    (void)sm_collect(mm, SM_COLLECT_FULL);
    if (stats_of(mm).backlog_bytes != 0)
        (void)sm_quiesce(mm);
    double seconds = stopwatch_cpu_seconds() - start;
    /* A conservative collector may keep a few. */
    if (stats_of(mm).live_objects > edges->count / 10)
        bm_skip_with_error(state, "objects that no root reaches were taken for alive");
    return seconds;
}

static void run_dead(struct bm_state *state, struct sm_manager *mm, struct edges *edges, bool is_shuffled,
                     struct sm_object **root)
{
    while (bm_keep_running(state)) {
        *root = build(mm, edges, is_shuffled);
        if (*root == NULL) {
            bm_skip_with_error(state, sm_error_detail(mm));
            return;
        }
        *root = NULL;
        memset(edges->targets, 0, edges->count * sizeof(struct sm_object *));
        bm_iteration_time(state, sweep_once(state, mm, edges));
    }
}

static void run_policy(struct bm_state *state, const struct mark_case *what, struct edges *edges)
{
    struct sm_object *root = NULL;
    const struct sm_root_provider provider = {"microbench", visit_root, &root};
    struct sm_manager *mm = bench_manager(state, SM_SAPI_CLI, what->ops->name, "never");
    if (mm == NULL)
        return;
    if (sm_roots_register(mm, &provider) != SM_OK)
        bm_skip_with_error(state, sm_error_detail(mm));
    else if (what->is_dead)
        run_dead(state, mm, edges, what->is_shuffled, &root);
    else
        run_live(state, mm, edges, what->is_shuffled, &root);
    root = NULL;
    sm_manager_destroy(mm);
}

static uint64_t walk(const struct edges *edges, const char *blocks, uint8_t *side)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < edges->count; i++) {
        if (i + PREFETCH_AHEAD < edges->count)
            __builtin_prefetch(edges->targets[i + PREFETCH_AHEAD]);
        const struct sm_object *object = edges->targets[i];
        sum += object->type + object->payload_bytes;
        side[(size_t)((const char *)object - blocks) >> SIDE_SHIFT] = 1;
    }
    return sum;
}

static void run_walk(struct bm_state *state, const struct mark_case *what, struct edges *edges)
{
    size_t block_bytes = sm_block_bytes(PAYLOAD_BYTES);
    char *blocks = aligned_alloc(64, (edges->count * block_bytes + 63) / 64 * 64);
    uint8_t *side = calloc((edges->count * block_bytes >> SIDE_SHIFT) + 1, 1);
    for (size_t i = 0; blocks != NULL && i < edges->count; i++) {
        edges->targets[i] = (struct sm_object *)(blocks + i * block_bytes);
        *edges->targets[i] = (struct sm_object){.type = SM_TYPE_VALUES, .payload_bytes = PAYLOAD_BYTES};
    }
    if (what->is_shuffled)
        edges_shuffle(edges);
    if (blocks == NULL || side == NULL)
        bm_skip_with_error(state, "out of memory");
    while (blocks != NULL && side != NULL && bm_keep_running(state)) {
        double start = stopwatch_cpu_seconds();
        uint64_t sum = walk(edges, blocks, side);
        bm_iteration_time(state, stopwatch_cpu_seconds() - start);
        bm_do_not_optimize(&sum);
    }
    free(side);
    free(blocks);
}

static void run_case(struct bm_state *state, const void *context)
{
    const struct mark_case *what = context;
    struct edges edges;
    if (!edges_init(&edges, (size_t)bm_argument(state, 0))) {
        bm_skip_with_error(state, "out of memory");
        return;
    }
    if (what->ops == NULL)
        run_walk(state, what, &edges);
    else
        run_policy(state, what, &edges);
    bm_counter(state, "items", (double)edges.count, BM_COUNTER_PLAIN);
    bm_complexity_n(state, (int64_t)edges.count);
    free(edges.targets);
}

static void add(const struct mark_case *what, bool large)
{
    static const char *const argument_names[] = {"objects"};
    struct bm_benchmark *benchmark =
        bench_register(run_case, what, "%s-%s/%s", what->is_dead ? "sweep" : "mark",
                       what->is_shuffled ? "shuffled" : "in-order", what->ops == NULL ? "raw:walk" : what->ops->name);
    bm_range(benchmark, 100000, large ? 10000000 : 1000000, 10);
    bm_arg_names(benchmark, argument_names, 1);
    bm_manual_time(benchmark);
    bm_complexity(benchmark, BM_COMPLEXITY_N);
}

/** Policies that trace: one that counts looks only at what may have become garbage. */
static bool traces(const struct sm_policy_ops *ops)
{
    return (ops->capabilities & (SM_CAP_COLLECT | SM_CAP_COUNTS)) == SM_CAP_COLLECT && bench_available(ops);
}

void bench_mark_register(bool large)
{
    static struct mark_case cases[4 * (POLICIES_MAX + 1)];
    size_t count = 0;
    for (unsigned form = 0; form < 4; form++) {
        bool is_shuffled = (form & 1) != 0;
        bool is_dead = (form & 2) != 0;
        cases[count] = (struct mark_case){NULL, is_shuffled, is_dead};
        add(&cases[count++], large);
        for (size_t i = 0; i < POLICIES_MAX && sm_policy_table(i) != NULL; i++) {
            if (!traces(sm_policy_table(i)))
                continue;
            cases[count] = (struct mark_case){sm_policy_table(i), is_shuffled, is_dead};
            add(&cases[count++], large);
        }
    }
}
