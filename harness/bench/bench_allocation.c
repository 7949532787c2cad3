/*
 * Allocation by size, in the steady state: what an object costs with all that its policy does so that the memory of
 * the dead can be used again. Time is CPU of all threads.
 *
 * Whole batches of dead objects; where cycles reclaim them, as many batches as lie between two cycles.
 */
#include "microbench.h"

#include "policy_batches.h"
#include "raw_allocator.h"
#include "stopwatch.h"

#include <stdlib.h>

/** One benchmark: a policy, or a peer, and what its objects are. */
struct allocation_case {
    const struct sm_policy_ops *ops;
    const struct raw_allocator *raw;
    bool is_leaf;
};

static const int64_t sizes[] = {16, 56, 160, 320, 1024, 3072, 8192, 65536};
enum {
    SIZE_COUNT = sizeof(sizes) / sizeof(sizes[0]),
    /** A policy that keeps what recent requests used learns it in so many; cycles have their own round. */
    WARM_UP_ROUNDS = 32
};

static bool batch_init(struct allocation_batch *batch, size_t payload_bytes, bool is_leaf)
{
    *batch = (struct allocation_batch){
        .payload_bytes = payload_bytes, .object_count = BATCH_PAYLOAD_BYTES / payload_bytes, .is_leaf = is_leaf};
    batch->objects = calloc(batch->object_count, sizeof(struct sm_object *));
    return batch->objects != NULL;
}

/** How many batches an iteration of the benchmark has: with cycles, so many that exactly one is in it. */
static size_t batches_in_round(const struct allocation_batch *batch, bool has_cycles)
{
    size_t batch_bytes = batch->object_count * batch->payload_bytes;
    return has_cycles ? (size_t)(CYCLE_PERIOD_BYTES + batch_bytes - 1) / batch_bytes : 1;
}

static bool fill_by_policy(struct policy_batches *policy, const struct allocation_batch *batch)
{
    return policy_batch_keeps_objects(policy) ? fill_batch(policy_take, policy->mm, batch, true)
                                              : fill_batch(policy_take, policy->mm, batch, false);
}

/** One batch; adds what it took to `*seconds`. */
static bool run_policy_batch(struct policy_batches *policy, struct bm_state *state,
                             const struct allocation_batch *batch, double *seconds)
{
    bool whole = policy_batch_is_timed(policy);
    double start = stopwatch_cpu_seconds();
    if (!policy_batch_begin(policy, state))
        return false;
    if (!whole)
        start = stopwatch_cpu_seconds();
    bool filled = fill_by_policy(policy, batch);
    double fill_end = stopwatch_cpu_seconds();
    policy_batch_end(policy, batch->objects, filled ? batch->object_count : 0);
    *seconds += (whole ? stopwatch_cpu_seconds() : fill_end) - start;
    if (!filled)
        bm_skip_with_error(state, "out of memory");
    return filled;
}

static void run_policy(struct bm_state *state, const struct sm_policy_ops *ops, const struct allocation_batch *batch)
{
    struct policy_batches policy;
    double seconds = 0;
    if (!policy_batches_open(&policy, state, ops, BATCH_OF_OBJECTS))
        return;
    size_t round = batches_in_round(batch, policy_batch_has_cycles(&policy));
    /* The first rounds pay for fresh pages. */
    bool works = true;
    for (size_t i = 0; works && i < (round > 1 ? round : WARM_UP_ROUNDS); i++)
        works = run_policy_batch(&policy, state, batch, &seconds);
    while (works && bm_keep_running_batch(state, (int64_t)(round * batch->object_count))) {
        seconds = 0;
        for (size_t i = 0; works && i < round; i++)
            works = run_policy_batch(&policy, state, batch, &seconds);
        bm_iteration_time(state, seconds);
    }
    policy_batches_close(&policy);
}

static bool run_raw_round(const struct raw_allocator *raw, void *source, const struct allocation_batch *batch,
                          size_t round)
{
    bool works = true;
    for (size_t i = 0; works && i < round; i++)
        works = raw->batch(source, batch);
    return works;
}

static void run_raw(struct bm_state *state, const struct raw_allocator *raw, const struct allocation_batch *batch)
{
    const char *reason = "out of memory";
    void *source = raw->open(batch->object_count * sm_block_bytes(batch->payload_bytes), &reason);
    if (source == NULL) {
        bm_skip_with_error(state, reason);
        return;
    }
    size_t round = batches_in_round(batch, raw->has_cycles);
    bool works = run_raw_round(raw, source, batch, round > 1 ? round : WARM_UP_ROUNDS);
    if (!works)
        bm_skip_with_error(state, reason);
    while (works && bm_keep_running_batch(state, (int64_t)(round * batch->object_count))) {
        double start = stopwatch_cpu_seconds();
        works = run_raw_round(raw, source, batch, round);
        bm_iteration_time(state, stopwatch_cpu_seconds() - start);
        if (!works)
            bm_skip_with_error(state, reason);
    }
    raw->close(source);
}

static void run_case(struct bm_state *state, const void *context)
{
    const struct allocation_case *what = context;
    struct allocation_batch batch;
    if (!batch_init(&batch, (size_t)bm_argument(state, 0), what->is_leaf)) {
        bm_skip_with_error(state, "out of memory");
        return;
    }
    if (what->raw != NULL)
        run_raw(state, what->raw, &batch);
    else
        run_policy(state, what->ops, &batch);
    bm_bytes_processed(state, bm_iterations_done(state) * bm_argument(state, 0));
    free(batch.objects);
}

static void add(const struct allocation_case *what, const char *name)
{
    static const char *const argument_names[] = {"bytes"};
    struct bm_benchmark *benchmark =
        bench_register(run_case, what, "allocate-%s/%s", what->is_leaf ? "bytes" : "slots", name);
    for (size_t i = 0; i < SIZE_COUNT; i++)
        bm_arg(benchmark, sizes[i]);
    bm_arg_names(benchmark, argument_names, 1);
    bm_manual_time(benchmark);
}

void bench_allocation_register(void)
{
    static struct allocation_case cases[4 * POLICIES_MAX];
    size_t count = 0;
    for (int is_leaf = 0; is_leaf <= 1; is_leaf++) {
        for (size_t i = 0; raw_allocator_at(i) != NULL; i++) {
            cases[count] = (struct allocation_case){.raw = raw_allocator_at(i), .is_leaf = is_leaf != 0};
            add(&cases[count++], raw_allocator_at(i)->name);
        }
        for (size_t i = 0; i < POLICIES_MAX && sm_policy_table(i) != NULL; i++) {
            cases[count] = (struct allocation_case){.ops = sm_policy_table(i), .is_leaf = is_leaf != 0};
            if (bench_available(sm_policy_table(i)))
                add(&cases[count++], sm_policy_table(i)->name);
        }
    }
}
