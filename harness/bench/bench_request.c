/*
 * A request of 1.8 MB in the sizes that real pages ask for, its end included: policies beside the bump loop, which
 * starts over, malloc and free, and a mimalloc heap. All initialise as much, and read back the same.
 *
 * Time is CPU of all threads, for the whole request. Where cycles reclaim, an iteration is as many requests as lie
 * between two cycles.
 */
#include "microbench.h"

#include "policy_batches.h"
#include "raw_allocator.h"
#include "stopwatch.h"

struct request_case {
    const struct sm_policy_ops *ops;
    const struct raw_allocator *raw;
};

enum {
    /** A policy that keeps what recent requests used learns it in so many; cycles have their own round. */
    WARM_UP_ROUNDS = 32,
    /**
     * So many different requests in turn. A processor learns the branches of one request by heart, how well depends on where
     * the code lies, and the same loop takes half as long again with bad luck.
     */
    VARIANT_COUNT = 16
};

/** The requests, and what each must read back: what the bump loop read. */
struct request_set {
    struct request_program programs[VARIANT_COUNT];
    uint64_t sums[VARIANT_COUNT];
    size_t block_bytes; /**< of the largest */
    size_t next;
};

static size_t requests_in_round(const struct request_program *program, bool has_cycles)
{
    return has_cycles ? (size_t)((CYCLE_PERIOD_BYTES + program->payload_bytes - 1) / program->payload_bytes) : 1;
}

static void request_set_finish(struct request_set *set)
{
    for (size_t i = 0; i < VARIANT_COUNT; i++)
        request_program_finish(&set->programs[i]);
}

static bool programs_init(struct request_set *set)
{
    bool works = true;
    *set = (struct request_set){.next = 0};
    for (size_t i = 0; works && i < VARIANT_COUNT; i++) {
        works = request_program_init(&set->programs[i], BATCH_PAYLOAD_BYTES, i + 1);
        if (set->programs[i].block_bytes > set->block_bytes)
            set->block_bytes = (size_t)set->programs[i].block_bytes;
    }
    return works;
}

static bool request_set_init(struct request_set *set)
{
    const char *reason = NULL;
    void *source = programs_init(set) ? raw_bump.open(set->block_bytes, &reason) : NULL;
    if (source == NULL) {
        request_set_finish(set);
        return false;
    }
    for (size_t i = 0; i < VARIANT_COUNT; i++)
        (void)raw_bump.request(source, &set->programs[i], &set->sums[i]);
    raw_bump.close(source);
    return true;
}

static bool fill_by_policy(struct policy_batches *policy, const struct request_program *program, uint64_t *sum)
{
    return policy_batch_keeps_objects(policy) ? fill_request(policy_take, policy->mm, program, sum, true)
                                              : fill_request(policy_take, policy->mm, program, sum, false);
}

/** The next request; adds what it took to `*seconds`. */
static bool run_policy_request(struct policy_batches *policy, struct bm_state *state, struct request_set *set,
                               double *seconds)
{
    size_t variant = set->next++ % VARIANT_COUNT;
    const struct request_program *program = &set->programs[variant];
    uint64_t expected = set->sums[variant];
    bool whole = policy_batch_is_timed(policy);
    uint64_t sum = 0;
    double start = stopwatch_cpu_seconds();
    if (!policy_batch_begin(policy, state))
        return false;
    if (!whole)
        start = stopwatch_cpu_seconds();
    bool filled = fill_by_policy(policy, program, &sum);
    double fill_end = stopwatch_cpu_seconds();
    policy_batch_end(policy, program->objects, filled ? program->step_count : 0);
    *seconds += (whole ? stopwatch_cpu_seconds() : fill_end) - start;
    if (!filled || sum != expected)
        bm_skip_with_error(state, filled ? "what was read back is not what was written" : "out of memory");
    return filled && sum == expected;
}

static void run_policy(struct bm_state *state, const struct sm_policy_ops *ops, struct request_set *set)
{
    struct policy_batches policy;
    double seconds = 0;
    if (!policy_batches_open(&policy, state, ops, BATCH_OF_REQUEST))
        return;
    size_t round = requests_in_round(set->programs, policy_batch_has_cycles(&policy));
    bool works = true;
    for (size_t i = 0; works && i < (round > 1 ? round : WARM_UP_ROUNDS); i++)
        works = run_policy_request(&policy, state, set, &seconds);
    while (works && bm_keep_running_batch(state, (int64_t)round)) {
        seconds = 0;
        for (size_t i = 0; works && i < round; i++)
            works = run_policy_request(&policy, state, set, &seconds);
        bm_iteration_time(state, seconds);
    }
    policy_batches_close(&policy);
}

static bool run_raw_round(const struct raw_allocator *raw, void *source, struct request_set *set, size_t round)
{
    bool works = true;
    for (size_t i = 0; works && i < round; i++) {
        size_t variant = set->next++ % VARIANT_COUNT;
        uint64_t sum = 0;
        works = raw->request(source, &set->programs[variant], &sum) && sum == set->sums[variant];
    }
    return works;
}

static void run_raw(struct bm_state *state, const struct raw_allocator *raw, struct request_set *set)
{
    const char *reason = "out of memory";
    void *source = raw->open(set->block_bytes, &reason);
    if (source == NULL) {
        bm_skip_with_error(state, reason);
        return;
    }
    size_t round = requests_in_round(set->programs, raw->has_cycles);
    bool works = run_raw_round(raw, source, set, round > 1 ? round : WARM_UP_ROUNDS);
    while (works && bm_keep_running_batch(state, (int64_t)round)) {
        double start = stopwatch_cpu_seconds();
        works = run_raw_round(raw, source, set, round);
        bm_iteration_time(state, stopwatch_cpu_seconds() - start);
    }
    if (!works)
        bm_skip_with_error(state, "out of memory, or what was read back is not what was written");
    raw->close(source);
}

static void run_case(struct bm_state *state, const void *context)
{
    const struct request_case *what = context;
    struct request_set set;
    if (!request_set_init(&set)) {
        bm_skip_with_error(state, "out of memory");
        return;
    }
    if (what->raw != NULL)
        run_raw(state, what->raw, &set);
    else
        run_policy(state, what->ops, &set);
    bm_bytes_processed(state, bm_iterations_done(state) * (int64_t)set.programs[0].payload_bytes);
    bm_counter(state, "objects", (double)set.programs[0].step_count, BM_COUNTER_PLAIN);
    request_set_finish(&set);
}

void bench_request_register(void)
{
    static struct request_case cases[2 * POLICIES_MAX];
    size_t count = 0;
    for (size_t i = 0; raw_allocator_at(i) != NULL; i++) {
        cases[count] = (struct request_case){.raw = raw_allocator_at(i)};
        bm_manual_time(bench_register(run_case, &cases[count++], "request/%s", raw_allocator_at(i)->name));
    }
    for (size_t i = 0; i < POLICIES_MAX && sm_policy_table(i) != NULL; i++) {
        const struct sm_policy_ops *ops = sm_policy_table(i);
        if (!bench_available(ops))
            continue;
        cases[count] = (struct request_case){.ops = ops};
        bm_manual_time(bench_register(run_case, &cases[count++], "request/%s", ops->name));
    }
}
