/*
 * What the end of a request costs by its footprint: filled with raw blocks of 1 KB, of which only the end is timed.
 * The peer is the destruction of a mimalloc heap.
 */
#include "microbench.h"

#include "policy_batches.h"
#include "raw_allocator.h"
#include "stopwatch.h"

enum {
    BLOCK_PAYLOAD_BYTES = 1008,
    FOOTPRINT_MINIMUM_BYTES = 256 << 10,
    FOOTPRINT_MAXIMUM_BYTES = 64 << 20,
    WARM_UP_REQUESTS = 32
};

static struct allocation_batch footprint_batch(const struct bm_state *state)
{
    return (struct allocation_batch){.payload_bytes = BLOCK_PAYLOAD_BYTES,
                                     .object_count =
                                         (size_t)bm_argument(state, 0) / sm_block_bytes(BLOCK_PAYLOAD_BYTES),
                                     .is_leaf = true};
}

/** A request of the footprint; returns the seconds of its end, negative when memory ran out. */
static double run_request(struct sm_manager *mm, const struct allocation_batch *batch)
{
    (void)sm_request_begin(mm);
    bool filled = fill_batch(policy_take, mm, batch, false);
    double start = stopwatch_wall_seconds();
    (void)sm_request_end(mm);
    double seconds = stopwatch_wall_seconds() - start;
    return filled ? seconds : -1;
}

static void run_policy(struct bm_state *state, const void *context)
{
    const struct sm_policy_ops *ops = context;
    struct allocation_batch batch = footprint_batch(state);
    struct sm_manager *mm = bench_manager(state, SM_SAPI_FPM, ops->name, NULL);
    if (mm == NULL)
        return;
    /* The policies keep as much memory as recent requests used: let them know what to expect. */
    double seconds = 0;
    for (int i = 0; i < WARM_UP_REQUESTS && seconds >= 0; i++)
        seconds = run_request(mm, &batch);
    while (seconds >= 0 && bm_keep_running(state)) {
        seconds = run_request(mm, &batch);
        bm_iteration_time(state, seconds);
    }
    if (seconds < 0)
        bm_skip_with_error(state, "out of memory");
    sm_manager_destroy(mm);
}

static void run_mimalloc(struct bm_state *state, const void *context)
{
    (void)context;
    struct allocation_batch batch = footprint_batch(state);
    double seconds = raw_mimalloc_reset_seconds(&batch);
    while (seconds >= 0 && bm_keep_running(state)) {
        seconds = raw_mimalloc_reset_seconds(&batch);
        bm_iteration_time(state, seconds);
    }
    if (seconds < 0)
        bm_skip_with_error(state, "out of memory");
}

static void add_footprints(struct bm_benchmark *benchmark)
{
    static const char *const argument_names[] = {"footprint"};
    bm_range(benchmark, FOOTPRINT_MINIMUM_BYTES, FOOTPRINT_MAXIMUM_BYTES, 4);
    bm_arg_names(benchmark, argument_names, 1);
    bm_manual_time(benchmark);
}

void bench_reset_register(void)
{
    add_footprints(bench_register(run_mimalloc, NULL, "reset/raw:mimalloc"));
    for (size_t i = 0; sm_policy_table(i) != NULL; i++) {
        const struct sm_policy_ops *ops = sm_policy_table(i);
        if ((ops->capabilities & SM_CAP_BULK_FREE) != 0 && bench_available(ops))
            add_footprints(bench_register(run_policy, ops, "reset/%s", ops->name));
    }
}
