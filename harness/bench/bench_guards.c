/*
 * Guards: pin and unpin, nested, repin, by the owner and by observers, beside liburcu's own calls of the same flavour.
 *
 * The time is the CPU time of the thread, for one pair of calls.
 */
#include "microbench.h"

#include "flavor_variants.h"
#include "observed_owner.h"

/** Pairs between two looks at the benchmark's clock. */
enum { PAIRS = 1000 };

static void pin_pairs(struct sm_guard *guard)
{
    for (int i = 0; i < PAIRS; i++) {
        sm_pin(guard, SM_HERE);
        __asm__ volatile("" ::: "memory");
        sm_unpin(guard);
        __asm__ volatile("" ::: "memory");
    }
}

static void run_pin(struct bm_state *state, const void *context)
{
    const struct flavor_variant *variant = context;
    struct sm_manager *mm = bench_manager(state, SM_SAPI_CLI, variant->policy, "never");
    if (mm == NULL)
        return;
    while (bm_keep_running_batch(state, PAIRS))
        pin_pairs(sm_owner_guard(mm));
    sm_manager_destroy(mm);
}

static void run_nested(struct bm_state *state, const void *context)
{
    const struct flavor_variant *variant = context;
    struct sm_manager *mm = bench_manager(state, SM_SAPI_CLI, variant->policy, "never");
    if (mm == NULL)
        return;
    sm_pin(sm_owner_guard(mm), SM_HERE);
    while (bm_keep_running_batch(state, PAIRS))
        pin_pairs(sm_owner_guard(mm));
    sm_unpin(sm_owner_guard(mm));
    sm_manager_destroy(mm);
}

static void run_repin(struct bm_state *state, const void *context)
{
    const struct flavor_variant *variant = context;
    struct sm_manager *mm = bench_manager(state, SM_SAPI_CLI, variant->policy, "never");
    if (mm == NULL)
        return;
    struct sm_guard *guard = sm_owner_guard(mm);
    sm_pin(guard, SM_HERE);
    while (bm_keep_running_batch(state, PAIRS))
        for (int i = 0; i < PAIRS; i++)
            sm_repin(guard, SM_HERE);
    sm_unpin(guard);
    sm_manager_destroy(mm);
}

static void observe(struct bm_state *state, struct sm_manager *mm)
{
    struct sm_guard *guard = NULL;
    sm_status status = sm_observer_register(mm, "observer", &guard);
    if (status != SM_OK)
        bm_skip_with_error(state, sm_status_name(status));
    while (status == SM_OK && bm_keep_running_batch(state, PAIRS))
        pin_pairs(guard);
    sm_observer_unregister(guard);
}

static void run_observer(struct bm_state *state, const void *context)
{
    /* Benchmarks are handed constants; the owner behind this one has its own lock. */
    struct observed_owner *owner = (struct observed_owner *)(uintptr_t)context;
    struct sm_manager *mm = observed_owner_acquire(owner);
    if (mm == NULL)
        bm_skip_with_error(state, owner->error.detail);
    else
        observe(state, mm);
    observed_owner_release(owner);
}

/** A raw flavour, and which of its loops. */
struct raw_case {
    const struct raw_flavor *flavor;
    void (*loop)(uint64_t count);
};

static void run_raw(struct bm_state *state, const void *context)
{
    const struct raw_case *what = context;
    what->flavor->register_thread();
    while (bm_keep_running_batch(state, PAIRS))
        what->loop(PAIRS);
    what->flavor->unregister_thread();
}

static void register_raw(const struct raw_flavor *flavor, struct raw_case *cases)
{
    cases[0] = (struct raw_case){flavor, flavor->pin};
    cases[1] = (struct raw_case){flavor, flavor->nested};
    cases[2] = (struct raw_case){flavor, flavor->repin};
    bench_register(run_raw, &cases[0], "pin/raw:%s", flavor->name);
    bench_register(run_raw, &cases[1], "pin-nested/raw:%s", flavor->name);
    bench_register(run_raw, &cases[2], "repin/raw:%s", flavor->name);
    struct bm_benchmark *observers = bench_register(run_raw, &cases[0], "pin-observer/raw:%s", flavor->name);
    bm_threads(observers, 1);
    bm_threads(observers, 2);
    if (flavor->online == NULL)
        return;
    cases[3] = (struct raw_case){flavor, flavor->online};
    bench_register(run_raw, &cases[3], "pin/raw:%s-online", flavor->name);
}

static void register_variant(const struct flavor_variant *variant, struct observed_owner *owner)
{
    bench_register(run_pin, variant, "pin/%s", variant->policy);
    bench_register(run_nested, variant, "pin-nested/%s", variant->policy);
    bench_register(run_repin, variant, "repin/%s", variant->policy);
    if ((variant->ops->capabilities & SM_CAP_OBSERVERS) == 0)
        return;
    *owner = (struct observed_owner){.policy = variant->policy, .lock = PTHREAD_MUTEX_INITIALIZER};
    struct bm_benchmark *observers = bench_register(run_observer, owner, "pin-observer/%s", variant->policy);
    bm_threads(observers, 1);
    bm_threads(observers, 2);
}

void bench_guards_register(void)
{
    static struct raw_case raw_cases[4 * POLICIES_MAX];
    static struct flavor_variant variants[VARIANTS_MAX];
    static struct observed_owner owners[VARIANTS_MAX];
    for (size_t i = 0; i < POLICIES_MAX && raw_flavor_at(i) != NULL; i++)
        register_raw(raw_flavor_at(i), &raw_cases[4 * i]);
    size_t count = flavor_variants(SM_CAP_PIN, false, variants, VARIANTS_MAX);
    for (size_t i = 0; i < count; i++)
        register_variant(&variants[i], &owners[i]);
    /* A policy without guards, for what counting the nesting costs. */
    static const struct flavor_variant unguarded = {.policy = "arena"};
    bench_register(run_pin, &unguarded, "pin/%s", unguarded.policy);
}
