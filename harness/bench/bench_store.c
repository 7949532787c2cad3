/*
 * Stores of a value into a slot, under every policy and with stores published to observers, beside a plain store of 16
 * bytes. Scalars, and values that refer to an object; slots are rewritten in turn.
 */
#include "microbench.h"

enum { SLOT_COUNT = 1024 };

struct store_case {
    const struct sm_policy_ops *ops;
    bool stores_object;
    bool is_published;
};

static void store_round(struct sm_manager *mm, struct sm_object *owner, struct sm_value value)
{
    struct sm_value *slots = sm_payload(owner);
    for (size_t i = 0; i < SLOT_COUNT; i++) {
        sm_store(mm, owner, &slots[i], value);
        __asm__ volatile("" ::: "memory");
    }
}

static void run_stores(struct bm_state *state, struct sm_manager *mm, const struct store_case *what)
{
    struct sm_object *owner = sm_alloc(mm, SM_TYPE_VALUES, SLOT_COUNT * sizeof(struct sm_value));
    struct sm_object *target = sm_alloc_leaf(mm, SM_TYPE_BYTES, sizeof(struct sm_value));
    if (owner == NULL || target == NULL || (what->is_published && sm_observers_allow(mm) != SM_OK)) {
        bm_skip_with_error(state, sm_error_detail(mm));
        return;
    }
    struct sm_value value = {7, 0};
    if (what->stores_object)
        value = sm_value_from_object(target, 0);
    while (bm_keep_running_batch(state, SLOT_COUNT))
        store_round(mm, owner, value);
}

static void run_policy(struct bm_state *state, const void *context)
{
    const struct store_case *what = context;
    struct sm_manager *mm = bench_manager(state, SM_SAPI_CLI, what->ops->name, NULL);
    if (mm == NULL)
        return;
    run_stores(state, mm, what);
    sm_manager_destroy(mm);
}

static void run_raw(struct bm_state *state, const void *context)
{
    static struct sm_value slots[SLOT_COUNT];
    (void)context;
    struct sm_value value = {7, 0};
    while (bm_keep_running_batch(state, SLOT_COUNT)) {
        bm_do_not_optimize(&value);
        for (size_t i = 0; i < SLOT_COUNT; i++) {
            slots[i] = value;
            __asm__ volatile("" ::: "memory");
        }
    }
    bm_do_not_optimize(slots);
}

static void add(const struct store_case *what)
{
    bench_register(run_policy, what, "store-%s/%s%s", what->stores_object ? "object" : "scalar", what->ops->name,
                   what->is_published ? "+observers" : "");
}

void bench_store_register(void)
{
    static struct store_case cases[4 * POLICIES_MAX];
    size_t count = 0;
    for (int stores_object = 0; stores_object <= 1; stores_object++) {
        bench_register(run_raw, NULL, "store-%s/raw:store", stores_object != 0 ? "object" : "scalar");
        for (size_t i = 0; i < POLICIES_MAX && sm_policy_table(i) != NULL; i++) {
            const struct sm_policy_ops *ops = sm_policy_table(i);
            if (!bench_available(ops))
                continue;
            cases[count] = (struct store_case){ops, stores_object != 0, false};
            add(&cases[count++]);
            if ((ops->capabilities & SM_CAP_OBSERVERS) == 0)
                continue;
            cases[count] = (struct store_case){ops, stores_object != 0, true};
            add(&cases[count++]);
        }
    }
}
