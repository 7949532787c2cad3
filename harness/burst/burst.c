#include "burst.h"

#include "run_plan.h"
#include "sapimem/policy.h"

#include <inttypes.h>

static bool is_given(const struct hx_plan *plan, enum hx_option_id id)
{
    return plan->options.given[id];
}

static uint64_t count_or_zero(const struct hx_plan *plan, enum hx_option_id id)
{
    return plan->options.has_value[id] ? plan->options.value[id].count : 0;
}

/* The option that makes the run a burst, to be named when it cannot be one. */
static const char *reason(const struct hx_plan *plan)
{
    static const enum hx_option_id ids[] = {HX_OPT_ARRIVALS, HX_OPT_COLD_EVERY, HX_OPT_MAX_REQUESTS};
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
        if (is_given(plan, ids[i]))
            return hx_option(ids[i])->name;
    return count_or_zero(plan, HX_OPT_WORKERS) > 1 ? hx_option(HX_OPT_WORKERS)->name : NULL;
}

sm_status hx_burst_resolve(struct hx_plan *plan, struct sm_error *error)
{
    struct hx_burst *burst = &plan->burst;
    const char *option = reason(plan);
    if (option == NULL)
        return SM_OK;
    if (plan->workload->serve == NULL)
        return hx_refuse(error, "--%s: expected a workload whose requests stand alone, such as fpm-page, not %.60s",
                         option, plan->workload_name);
    *burst = (struct hx_burst){
        .is_on = true,
        .worker_count = (unsigned)count_or_zero(plan, HX_OPT_WORKERS),
        .has_arrivals = is_given(plan, HX_OPT_ARRIVALS),
        .cold_every = count_or_zero(plan, HX_OPT_COLD_EVERY),
        .max_requests = count_or_zero(plan, HX_OPT_MAX_REQUESTS),
    };
    if (!burst->has_arrivals)
        return SM_OK;
    return hx_arrivals_parse(plan->options.value[HX_OPT_ARRIVALS].text, &burst->arrivals, error);
}

/* What follows one program from begin to end, or ends by a clock, has no meaning over several. */
static sm_status refuse_one_process_options(const struct hx_plan *plan, const char *option, struct sm_error *error)
{
    static const struct {
        enum hx_option_id id;
        const char *expected;
    } refused[] = {
        {HX_OPT_ALLOC, "--requests"},      {HX_OPT_SECONDS, "--requests"}, {HX_OPT_EVENTS, "one process"},
        {HX_OPT_OBSERVERS, "one process"}, {HX_OPT_STALL, "one process"},  {HX_OPT_CARD, "one process"},
    };
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        if (is_given(plan, refused[i].id))
            return hx_refuse(error, "--%s: expected %s, for --%s spreads requests over processes",
                             hx_option(refused[i].id)->name, refused[i].expected, option);
    return SM_OK;
}

sm_status hx_burst_check(struct hx_plan *plan, struct sm_error *error)
{
    const char *option = reason(plan);
    if (!plan->burst.is_on)
        return SM_OK;
    if (refuse_one_process_options(plan, option, error) != SM_OK)
        return error->status;
    if (plan->records_deaths)
        return hx_refuse(error, "--%s: expected one order of requests, for deaths are recorded beforehand (%s)", option,
                         is_given(plan, HX_OPT_GARBAGE) ? "--garbage=oracle" : "--policy=malloc");
    if (plan->steps > HX_BURST_MAX_REQUESTS)
        return hx_refuse(error, "--requests=%" PRIu64 ": expected at most %d, for --%s draws them all beforehand",
                         plan->steps, (int)HX_BURST_MAX_REQUESTS, option);
    return SM_OK;
}
