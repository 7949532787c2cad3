/*
 * What the calls cost that find nothing to do: a flush (sm_quiesce) of an empty backlog, a cycle over no object and over
 * one, beside one bare grace period of the flavour. CPU of all threads, per call.
 */
#include "microbench.h"

#include "flavor_variants.h"

static void run_flush(struct bm_state *state, const void *context)
{
    const struct flavor_variant *variant = context;
    struct sm_manager *mm = bench_manager(state, SM_SAPI_CLI, variant->policy, "never");
    while (mm != NULL && bm_keep_running(state))
        (void)sm_quiesce(mm);
    sm_manager_destroy(mm);
}

static void run_empty(struct bm_state *state, const void *context)
{
    const struct flavor_variant *variant = context;
    struct sm_manager *mm = bench_manager(state, SM_SAPI_CLI, variant->policy, "never");
    while (mm != NULL && bm_keep_running(state))
        (void)sm_collect(mm, SM_COLLECT_FULL);
    sm_manager_destroy(mm);
}

static void visit_root(void *context, struct sm_visitor *visitor)
{
    sm_visit_pointer(visitor, context);
}

static void run_one(struct bm_state *state, const void *context)
{
    const struct flavor_variant *variant = context;
    struct sm_manager *mm = bench_manager(state, SM_SAPI_CLI, variant->policy, "never");
    if (mm == NULL)
        return;
    struct sm_object *root = sm_alloc(mm, SM_TYPE_VALUES, sizeof(struct sm_value));
    const struct sm_root_provider provider = {"microbench", visit_root, &root};
    if (root == NULL || sm_roots_register(mm, &provider) != SM_OK)
        bm_skip_with_error(state, sm_error_detail(mm));
    while (bm_keep_running(state))
        (void)sm_collect(mm, SM_COLLECT_FULL);
    root = NULL;
    sm_manager_destroy(mm);
}

static void run_raw(struct bm_state *state, const void *context)
{
    const struct raw_flavor *flavor = context;
    flavor->register_thread();
    while (bm_keep_running(state))
        flavor->synchronize();
    flavor->unregister_thread();
}

void bench_flush_register(void)
{
    static struct flavor_variant retiring[VARIANTS_MAX], collecting[VARIANTS_MAX];
    for (size_t i = 0; raw_flavor_at(i) != NULL; i++) {
        bm_process_time(bench_register(run_raw, raw_flavor_at(i), "flush/raw:%s", raw_flavor_at(i)->name));
    }
    size_t count = flavor_variants(SM_CAP_RETIRE, true, retiring, VARIANTS_MAX);
    for (size_t i = 0; i < count; i++)
        bm_process_time(bench_register(run_flush, &retiring[i], "flush/%s", retiring[i].policy));
    count = flavor_variants(SM_CAP_COLLECT, true, collecting, VARIANTS_MAX);
    for (size_t i = 0; i < count; i++) {
        bm_process_time(bench_register(run_empty, &collecting[i], "collect-none/%s", collecting[i].policy));
        bm_process_time(bench_register(run_one, &collecting[i], "collect-one/%s", collecting[i].policy));
    }
}
