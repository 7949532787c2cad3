/*
 * From unreachable until the memory can be used again: CPU of all threads, per object of 64 bytes. What a cycle finds, and
 * what the program retires itself, beside liburcu's call_rcu and defer_rcu of the same flavour with a free for each.
 */
#include "microbench.h"

#include "flavor_variants.h"
#include "stopwatch.h"

#include <pthread.h>
#include <stdlib.h>

enum { PAYLOAD_BYTES = 64, OBJECT_COUNT = 100000, WAITS_MAX = 100 };

static uint64_t reclaimed_objects(const struct sm_manager *mm)
{
    struct sm_stats stats;
    sm_stats_get(mm, &stats);
    return stats.reclaimed_objects;
}

/** Allocate OBJECT_COUNT objects that nothing refers to, as an iteration of a run loop; `objects` may be NULL. */
static bool make_garbage(struct bm_state *state, struct sm_manager *mm, struct sm_object **objects)
{
    bool works = true;
    sm_pin(sm_owner_guard(mm), SM_HERE);
    for (size_t i = 0; works && i < OBJECT_COUNT; i++) {
        struct sm_object *object = sm_alloc(mm, SM_TYPE_VALUES, PAYLOAD_BYTES);
        works = object != NULL;
        if (objects != NULL)
            objects[i] = object;
    }
    sm_unpin(sm_owner_guard(mm));
    if (!works)
        bm_skip_with_error(state, sm_error_detail(mm));
    return works;
}

/** Wait until `target` objects have been reclaimed in all. False: the run is skipped, for they never were. */
static bool await_reclaimed(struct bm_state *state, struct sm_manager *mm, uint64_t target)
{
    for (int i = 0; i < WAITS_MAX && reclaimed_objects(mm) < target; i++)
        if (sm_quiesce(mm) != SM_OK)
            break;
    if (reclaimed_objects(mm) >= target)
        return true;
    bm_skip_with_error(state, "objects that nothing refers to were not reclaimed");
    return false;
}

static void run_collect(struct bm_state *state, const void *context)
{
    const struct flavor_variant *variant = context;
    struct sm_manager *mm = bench_manager(state, SM_SAPI_CLI, variant->policy, "never");
    if (mm == NULL)
        return;
    bool works = true;
    while (works && bm_keep_running_batch(state, OBJECT_COUNT)) {
        uint64_t target = reclaimed_objects(mm) + OBJECT_COUNT;
        if (!make_garbage(state, mm, NULL))
            break;
        double start = stopwatch_cpu_seconds();
        (void)sm_collect(mm, SM_COLLECT_FULL);
        works = await_reclaimed(state, mm, target);
        bm_iteration_time(state, stopwatch_cpu_seconds() - start);
    }
    sm_manager_destroy(mm);
}

static void retire_each(struct sm_manager *mm, struct sm_object **objects)
{
    sm_pin(sm_owner_guard(mm), SM_HERE);
    for (size_t i = 0; i < OBJECT_COUNT; i++)
        sm_retire(mm, objects[i]);
    sm_unpin(sm_owner_guard(mm));
}

static void run_explicit(struct bm_state *state, const void *context)
{
    const struct flavor_variant *variant = context;
    struct sm_object **objects = calloc(OBJECT_COUNT, sizeof(struct sm_object *));
    struct sm_manager *mm = bench_manager(state, SM_SAPI_CLI, variant->policy, "never");
    bool works = mm != NULL && objects != NULL;
    while (works && bm_keep_running_batch(state, OBJECT_COUNT)) {
        uint64_t target = reclaimed_objects(mm) + OBJECT_COUNT;
        if (!make_garbage(state, mm, objects))
            break;
        double start = stopwatch_cpu_seconds();
        retire_each(mm, objects);
        works = await_reclaimed(state, mm, target);
        bm_iteration_time(state, stopwatch_cpu_seconds() - start);
    }
    sm_manager_destroy(mm);
    free(objects);
}

struct raw_case {
    const struct raw_flavor *flavor;
    bool defers; /**< by defer_rcu, else by call_rcu */
};

/** Blocks on their way to a thread that defers them. */
struct deferral {
    const struct raw_flavor *flavor;
    void **blocks;
};

static void *defer(void *argument)
{
    const struct deferral *deferral = argument;
    deferral->flavor->defer_rcu(deferral->blocks, OBJECT_COUNT);
    return NULL;
}

/** False: no thread, and the blocks are still there. The thread's own cost is a fraction of a nanosecond a block. */
static bool retire_raw(const struct raw_case *what, void **blocks)
{
    struct deferral deferral = {what->flavor, blocks};
    pthread_t thread;
    if (!what->defers) {
        what->flavor->call_rcu(blocks, OBJECT_COUNT);
        return true;
    }
    return pthread_create(&thread, NULL, defer, &deferral) == 0 && pthread_join(thread, NULL) == 0;
}

static bool make_blocks(void **blocks)
{
    for (size_t i = 0; i < OBJECT_COUNT; i++) {
        blocks[i] = malloc(RAW_URCU_HEAD_BYTES + PAYLOAD_BYTES);
        if (blocks[i] != NULL)
            continue;
        while (i > 0)
            free(blocks[--i]);
        return false;
    }
    return true;
}

static void run_raw(struct bm_state *state, const void *context)
{
    const struct raw_case *what = context;
    void **blocks = calloc(OBJECT_COUNT, sizeof(void *));
    what->flavor->register_thread();
    while (blocks != NULL && bm_keep_running_batch(state, OBJECT_COUNT)) {
        if (!make_blocks(blocks)) {
            bm_skip_with_error(state, "out of memory");
            break;
        }
        double start = stopwatch_cpu_seconds();
        bool works = retire_raw(what, blocks);
        bm_iteration_time(state, stopwatch_cpu_seconds() - start);
        if (!works)
            bm_skip_with_error(state, "no thread to defer from");
    }
    what->flavor->unregister_thread();
    free(blocks);
}

void bench_retire_register(void)
{
    static struct raw_case raw_cases[2 * POLICIES_MAX];
    static struct flavor_variant variants[VARIANTS_MAX];
    for (size_t i = 0; i < POLICIES_MAX && raw_flavor_at(i) != NULL; i++) {
        const struct raw_flavor *flavor = raw_flavor_at(i);
        raw_cases[2 * i] = (struct raw_case){flavor, false};
        raw_cases[2 * i + 1] = (struct raw_case){flavor, true};
        bm_manual_time(bench_register(run_raw, &raw_cases[2 * i], "retire/raw:call_rcu-%s", flavor->name));
        bm_manual_time(bench_register(run_raw, &raw_cases[2 * i + 1], "retire/raw:defer_rcu-%s", flavor->name));
    }
    size_t count = flavor_variants(SM_CAP_RETIRE, true, variants, VARIANTS_MAX);
    for (size_t i = 0; i < count; i++) {
        bm_manual_time(bench_register(run_collect, &variants[i], "retire/%s", variants[i].policy));
        bm_manual_time(bench_register(run_explicit, &variants[i], "retire-explicit/%s", variants[i].policy));
    }
}
