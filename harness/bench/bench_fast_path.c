/*
 * The inline allocation path alone: objects that fit into the bump window as it is. What moves the window, and what
 * makes memory usable again, is outside the time. The peer is a bump loop over as many bytes, in stretches of one window.
 */
#include "microbench.h"

#include "policy_batches.h"
#include "raw_bump.h"
#include "stopwatch.h"

#include <stdlib.h>

/** Stretches of the peer: the size of a block of a mark-region heap. */
enum { STRETCH_BYTES = 32768, WARM_UP_BATCHES = 32 };

struct fast_path_case {
    const struct sm_policy_ops *ops; /**< NULL: the bump loop */
    bool is_leaf;
};

static const int64_t sizes[] = {16, 56, 160, 320, 1024, 3072};

static size_t window_bytes(struct sm_manager *mm)
{
    const struct sm_hot *hot = sm_hot(mm);
    return (size_t)(hot->limit - hot->cursor);
}

/** Allocate `batch` in stretches that fit the window; returns the seconds that one object took, negative on failure. */
static double fill_by_windows(struct sm_manager *mm, const struct allocation_batch *batch)
{
    size_t timed_count = 0;
    double seconds = 0;
    for (size_t left = batch->object_count; left > 0;) {
        struct allocation_batch stretch = *batch;
        size_t room = window_bytes(mm) / sm_block_bytes(batch->payload_bytes);
        stretch.object_count = room < left ? room : left;
        if (stretch.object_count == 0) {
            if (policy_take(mm, batch->is_leaf, batch->payload_bytes) == NULL)
                return -1;
            left--;
            continue;
        }
        double start = stopwatch_wall_seconds();
        bool filled = fill_batch(policy_take, mm, &stretch, false);
        seconds += stopwatch_wall_seconds() - start;
        if (!filled)
            return -1;
        timed_count += stretch.object_count;
        left -= stretch.object_count;
    }
    return timed_count == 0 ? -1 : seconds / (double)timed_count;
}

/** One batch, and its memory made usable again; returns the seconds of an object, negative when the run is skipped. */
static double run_policy_batch(struct policy_batches *policy, struct bm_state *state,
                               const struct allocation_batch *batch)
{
    if (!policy_batch_begin(policy, state))
        return -1;
    double seconds = fill_by_windows(policy->mm, batch);
    bool quiesces = policy_batch_has_cycles(policy);
    policy_batch_end(policy, NULL, 0);
    if (quiesces)
        (void)sm_quiesce(policy->mm);
    if (seconds < 0)
        bm_skip_with_error(state, "out of memory, or no object fits into the window");
    return seconds;
}

static void run_policy(struct bm_state *state, const struct sm_policy_ops *ops, const struct allocation_batch *batch)
{
    struct policy_batches policy;
    if (!policy_batches_open(&policy, state, ops, BATCH_OF_REQUEST))
        return;
    /* A policy that keeps what recent requests used learns it here. */
    double seconds = 0;
    for (int i = 0; seconds >= 0 && i < WARM_UP_BATCHES; i++)
        seconds = run_policy_batch(&policy, state, batch);
    while (seconds >= 0 && bm_keep_running_batch(state, (int64_t)batch->object_count)) {
        seconds = run_policy_batch(&policy, state, batch);
        bm_iteration_time(state, seconds * (double)batch->object_count);
    }
    policy_batches_close(&policy);
}

/** The same stretches by hand. */
static double fill_by_stretches(char *memory, const struct allocation_batch *batch)
{
    struct bump bump = {memory, memory + batch->object_count * sm_block_bytes(batch->payload_bytes)};
    size_t room = STRETCH_BYTES / sm_block_bytes(batch->payload_bytes);
    double seconds = 0;
    for (size_t left = batch->object_count; left > 0;) {
        struct allocation_batch stretch = *batch;
        stretch.object_count = room < left ? room : left;
        double start = stopwatch_wall_seconds();
        (void)fill_batch(bump_take, &bump, &stretch, false);
        seconds += stopwatch_wall_seconds() - start;
        left -= stretch.object_count;
    }
    return seconds;
}

static void run_bump(struct bm_state *state, const struct allocation_batch *batch)
{
    char *memory = aligned_alloc(SM_ALIGNMENT, batch->object_count * sm_block_bytes(batch->payload_bytes));
    if (memory == NULL) {
        bm_skip_with_error(state, "out of memory");
        return;
    }
    (void)fill_by_stretches(memory, batch);
    while (bm_keep_running_batch(state, (int64_t)batch->object_count))
        bm_iteration_time(state, fill_by_stretches(memory, batch));
    bm_do_not_optimize(memory);
    free(memory);
}

static void run_case(struct bm_state *state, const void *context)
{
    const struct fast_path_case *what = context;
    size_t payload_bytes = (size_t)bm_argument(state, 0);
    const struct allocation_batch batch = {
        .payload_bytes = payload_bytes, .object_count = BATCH_PAYLOAD_BYTES / payload_bytes, .is_leaf = what->is_leaf};
    if (what->ops == NULL)
        run_bump(state, &batch);
    else
        run_policy(state, what->ops, &batch);
}

static void add(const struct fast_path_case *what)
{
    static const char *const argument_names[] = {"bytes"};
    struct bm_benchmark *benchmark =
        bench_register(run_case, what, "fast-path-%s/%s", what->is_leaf ? "bytes" : "slots",
                       what->ops == NULL ? "raw:bump" : what->ops->name);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        bm_arg(benchmark, sizes[i]);
    bm_arg_names(benchmark, argument_names, 1);
    bm_manual_time(benchmark);
}

void bench_fast_path_register(void)
{
    static struct fast_path_case cases[2 * (POLICIES_MAX + 1)];
    size_t count = 0;
    for (int is_leaf = 0; is_leaf <= 1; is_leaf++) {
        cases[count] = (struct fast_path_case){NULL, is_leaf != 0};
        add(&cases[count++]);
        for (size_t i = 0; i < POLICIES_MAX && sm_policy_table(i) != NULL; i++) {
            if (sm_policy_table(i)->form != SM_FORM_WINDOW || !bench_available(sm_policy_table(i)))
                continue;
            cases[count] = (struct fast_path_case){sm_policy_table(i), is_leaf != 0};
            add(&cases[count++]);
        }
    }
}
