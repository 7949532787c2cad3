#include "heap_limit.h"

#include "run_plan.h"
#include "sapimem/manager.h"

static bool is_given(const struct hx_plan *plan, enum hx_option_id id)
{
    return plan->options.given[id];
}

static void derive_count(struct hx_plan *plan, enum hx_option_id id, uint64_t count)
{
    hx_run_options_derive(&plan->options, id, (union hx_option_value){.count = count});
}

void hx_limit_set_minheap(struct hx_plan *plan, uint64_t minheap_bytes)
{
    double factor = plan->options.value[HX_OPT_MINHEAP_FACTOR].real;
    plan->wants_minheap = false;
    plan->memory_limit_bytes = (uint64_t)(factor * (double)minheap_bytes);
    derive_count(plan, HX_OPT_MINHEAP, minheap_bytes);
    derive_count(plan, HX_OPT_MEMORY_LIMIT, plan->memory_limit_bytes);
}

static sm_status resolve_minheap_factor(struct hx_plan *plan, struct sm_error *error)
{
    if (!is_given(plan, HX_OPT_MINHEAP_FACTOR))
        return is_given(plan, HX_OPT_MINHEAP) ? hx_refuse(error, "--minheap: expected --minheap-factor beside it")
                                              : SM_OK;
    if (is_given(plan, HX_OPT_SECONDS))
        return hx_refuse(error, "--minheap-factor: expected fixed work, such as --alloc, not --seconds");
    if (is_given(plan, HX_OPT_MINHEAP))
        hx_limit_set_minheap(plan, plan->options.value[HX_OPT_MINHEAP].count);
    else
        plan->wants_minheap = true;
    return SM_OK;
}

static sm_status resolve_heap_factor(struct hx_plan *plan, struct sm_error *error)
{
    if (!is_given(plan, HX_OPT_HEAP_FACTOR))
        return SM_OK;
    double factor = plan->options.value[HX_OPT_HEAP_FACTOR].real;
    if (plan->workload->analytic_live_bytes == NULL)
        return hx_refuse(error,
                         "--heap-factor=%g: expected a workload whose live size is known, not %s; use --memory-limit",
                         factor, plan->workload_name);
    double limit = factor * (double)plan->workload->analytic_live_bytes(&plan->workload_options);
    if (limit < (double)SM_MEMORY_LIMIT_MINIMUM_BYTES)
        return hx_refuse(error, "--heap-factor=%g: expected a limit of at least %llu bytes, this gives %.0f", factor,
                         (unsigned long long)SM_MEMORY_LIMIT_MINIMUM_BYTES, limit);
    plan->memory_limit_bytes = (uint64_t)limit;
    derive_count(plan, HX_OPT_MEMORY_LIMIT, plan->memory_limit_bytes);
    return SM_OK;
}

sm_status hx_limit_resolve(struct hx_plan *plan, struct sm_error *error)
{
    static const enum hx_option_id ids[] = {HX_OPT_MEMORY_LIMIT, HX_OPT_HEAP_FACTOR, HX_OPT_MINHEAP_FACTOR};
    const char *first;
    if (hx_plan_refuse_two(plan, ids, sizeof(ids) / sizeof(ids[0]), &first, error) != SM_OK)
        return error->status;
    if (is_given(plan, HX_OPT_MEMORY_LIMIT))
        plan->memory_limit_bytes = plan->options.value[HX_OPT_MEMORY_LIMIT].count;
    sm_status status = resolve_heap_factor(plan, error);
    return status == SM_OK ? resolve_minheap_factor(plan, error) : status;
}
