#include "run_plan.h"

#include "fault_spec.h"
#include "heap_limit.h"
#include "process_memory.h"
#include "quantities.h"
#include "sampler.h"
#include "spec_names.h"
#include "sapimem/policy.h"
#include "workloads/trace.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char trace_prefix[] = "trace:";

static const char *text_or(const struct hx_plan *plan, enum hx_option_id id, const char *fallback)
{
    return plan->options.given[id] ? plan->options.value[id].text : fallback;
}

static void derive_text(struct hx_plan *plan, enum hx_option_id id, const char *text)
{
    hx_run_options_derive(&plan->options, id, (union hx_option_value){.text = text});
}

static void derive_count(struct hx_plan *plan, enum hx_option_id id, uint64_t count)
{
    hx_run_options_derive(&plan->options, id, (union hx_option_value){.count = count});
}

static uint64_t count_of(const struct hx_plan *plan, enum hx_option_id id)
{
    assert(plan->options.has_value[id]);
    return plan->options.value[id].count;
}

/* Whether an option, which may mean nothing to the policy, has this choice. */
static bool is_chosen(const struct hx_plan *plan, enum hx_option_id id, uint64_t choice)
{
    return plan->options.has_value[id] && plan->options.value[id].count == choice;
}

static bool is_given(const struct hx_plan *plan, enum hx_option_id id)
{
    return plan->options.given[id];
}

static uint64_t seconds_to_ns(double seconds)
{
    return (uint64_t)(seconds * 1e9);
}

bool hx_plan_has_cycles(const struct hx_plan *plan)
{
    return (plan->capabilities & SM_CAP_COLLECT) != 0;
}

/* ---- SAPI and workload ---- */

/* Cuts the last ",key=value" off `path`; returns where it began, or NULL when there is none. */
static char *cut_last_pair(char *path)
{
    char *comma = strrchr(path, ',');
    if (comma == NULL || comma == path || comma[1] == '=' || strchr(comma, '=') == NULL)
        return NULL;
    *comma = '\0';
    return comma;
}

/*
 * Copies the file's name out of "FILE[,key=value]..." and returns the options after it, or NULL when there are
 * none. A file may have such a name itself, so pairs count as options only while no file has the name with them.
 */
static const char *split_trace_spec(const char *spec, char *path, size_t path_bytes)
{
    snprintf(path, path_bytes, "%s", spec);
    const char *options = NULL;
    while (access(path, F_OK) != 0) {
        const char *cut = cut_last_pair(path);
        if (cut == NULL)
            break;
        options = spec + (cut - path) + 1;
    }
    return options;
}

static sm_status resolve_trace(struct hx_plan *plan, const char *spec, struct sm_error *error)
{
    if (strlen(spec) >= sizeof(plan->trace_file))
        return hx_refuse(error, "--workload=trace:%.60s...: expected a shorter text", spec);
    const char *options = split_trace_spec(spec, plan->trace_file, sizeof(plan->trace_file));
    const char *path = plan->trace_file;
    plan->workload = &wl_trace;
    plan->trace_path = path;
    if (access(path, R_OK) != 0)
        return hx_refuse(error, "--workload=trace:%.200s: expected a readable trace: %s", path, strerror(errno));
    plan->sapi = wl_trace_sapi(path);
    plan->step_unit = plan->sapi == SM_SAPI_FPM ? "request" : wl_trace.step_unit;
    if (is_given(plan, HX_OPT_SAPI))
        plan->sapi = (enum sm_sapi)count_of(plan, HX_OPT_SAPI);
    snprintf(plan->workload_name, sizeof(plan->workload_name), "%s%s", trace_prefix, path);
    if (sm_options_parse("workload trace", wl_trace.options, wl_trace.option_count, options, &plan->workload_options,
                         error) != SM_OK)
        return hx_refuse_spec("workload", plan->options.value[HX_OPT_WORKLOAD].text, error);
    return SM_OK;
}

static sm_status resolve_workload(struct hx_plan *plan, struct sm_error *error)
{
    bool is_fpm = is_given(plan, HX_OPT_SAPI) && count_of(plan, HX_OPT_SAPI) == HX_SAPI_FPM;
    const char *spec = text_or(plan, HX_OPT_WORKLOAD, is_fpm ? "fpm-page" : "cli-queue");
    derive_text(plan, HX_OPT_WORKLOAD, spec);
    if (strncmp(spec, trace_prefix, sizeof(trace_prefix) - 1) == 0)
        return resolve_trace(plan, spec + sizeof(trace_prefix) - 1, error);
    const char *options = hx_spec_split(spec, plan->workload_name, sizeof(plan->workload_name));
    plan->workload = wl_find(plan->workload_name);
    if (plan->workload == NULL)
        return hx_refuse_workload(plan->workload_name, error);
    plan->step_unit = plan->workload->step_unit;
    plan->sapi = is_given(plan, HX_OPT_SAPI) ? (enum sm_sapi)count_of(plan, HX_OPT_SAPI) : plan->workload->sapi;
    if (plan->sapi != plan->workload->sapi)
        return hx_refuse(error, "--sapi=%s: expected %s, the one workload %s is written for",
                         plan->sapi == SM_SAPI_FPM ? "fpm" : "cli", plan->sapi == SM_SAPI_FPM ? "cli" : "fpm",
                         plan->workload_name);
    if (sm_options_parse(plan->workload_name, plan->workload->options, plan->workload->option_count, options,
                         &plan->workload_options, error) != SM_OK)
        return hx_refuse_spec("workload", spec, error);
    return SM_OK;
}

/* ---- policy ---- */

/* A shorthand's value as the policy's option spells it. */
static const char *shorthand_word(const struct hx_plan *plan, enum hx_option_id id, char size[HX_QUANTITY_BYTES])
{
    return hx_option(id)->kind == HX_KIND_CHOICE ? hx_option_choice(&plan->options, id)
                                                 : hx_format_size(count_of(plan, id), size);
}

/* Applies a shorthand such as --reclaim to the policy's own option `key`. */
static sm_status apply_shorthand(struct hx_plan *plan, enum hx_option_id id, const char *key, struct sm_error *error)
{
    if (!is_given(plan, id))
        return SM_OK;
    const char *name = hx_option(id)->name;
    char size[HX_QUANTITY_BYTES];
    const char *word = shorthand_word(plan, id, size);
    int index = hx_option_index(plan->policy->options, plan->policy->option_count, key);
    if (index < 0) {
        hx_note(&plan->notes, "--%s=%s has no meaning for policy %s", name, word, plan->policy->name);
        plan->options.has_value[id] = false;
        return SM_OK;
    }
    char chosen[64] = "";
    sm_option_format(&plan->policy_options, (size_t)index, chosen, sizeof(chosen));
    if (plan->policy_options.given[index] && strcmp(chosen, word) != 0)
        return hx_refuse(error, "--%s=%s: expected no contradiction, and --policy says %s=%s", name, word, key, chosen);
    if (sm_options_set(plan->policy_name, &plan->policy_options, key, word, error) != SM_OK)
        return hx_refuse(error, "--%s=%s: policy %s does not offer it", name, word, plan->policy->name);
    return SM_OK;
}

/* The shorthand's value in the echo follows the policy's own option, whoever set it. */
static void echo_shorthand(struct hx_plan *plan, enum hx_option_id id, const char *key)
{
    int index = hx_option_index(plan->policy->options, plan->policy->option_count, key);
    if (index < 0)
        return;
    char word[64] = "";
    sm_option_format(&plan->policy_options, (size_t)index, word, sizeof(word));
    const char *const *choices = hx_option(id)->choices;
    if (choices == NULL && plan->policy_options.value[index].count != 0)
        derive_count(plan, id, plan->policy_options.value[index].count);
    for (uint64_t i = 0; choices != NULL && choices[i] != NULL; i++)
        if (strcmp(choices[i], word) == 0)
            derive_count(plan, id, i);
}

static sm_status write_policy_text(struct hx_plan *plan, const char *spec, struct sm_error *error)
{
    size_t room = sizeof(plan->policy_text);
    size_t used = (size_t)snprintf(plan->policy_text, room, "%s", plan->policy_name);
    char separator = ':';
    for (size_t i = 0; i < plan->policy_options.option_count && used < room; i++) {
        char value[64];
        if (!plan->policy_options.given[i])
            continue;
        sm_option_format(&plan->policy_options, i, value, sizeof(value));
        used += (size_t)snprintf(plan->policy_text + used, room - used, "%c%s=%s", separator,
                                 plan->policy_options.table[i].key, value);
        separator = ',';
    }
    return used < room ? SM_OK : hx_refuse(error, "--policy=%.60s...: expected a shorter text", spec);
}

static bool runs_inline(const struct hx_plan *plan)
{
    int index = hx_option_index(plan->policy->options, plan->policy->option_count, "reclaim");
    if (plan->observer_count > 0 || is_chosen(plan, HX_OPT_COLLECTOR_THREADS, 1))
        return false;
    char word[64] = "inline";
    if (index >= 0)
        sm_option_format(&plan->policy_options, (size_t)index, word, sizeof(word));
    return strcmp(word, "inline") == 0;
}

static bool has_arena_limit(const struct hx_plan *plan)
{
    int index = hx_option_index(plan->policy->options, plan->policy->option_count, "limit");
    return index >= 0 && plan->policy_options.value[index].count != 0;
}

/* The arena's limit decides what it can do, so one is made. */
static sm_status learn_capabilities(struct hx_plan *plan, struct sm_error *error)
{
    const struct sm_config config = {.sapi = plan->sapi, .policy = plan->policy_text};
    struct sm_manager *mm = NULL;
    struct sm_error reason = {0};
    plan->capabilities = plan->policy->capabilities;
    if (!has_arena_limit(plan))
        return SM_OK;
    if (sm_manager_create(&config, &mm, &reason) != SM_OK)
        return hx_refuse(error, "--policy=%.80s: %.300s", plan->policy_text, reason.detail);
    plan->capabilities = sm_policy_capabilities(mm);
    sm_manager_destroy(mm);
    return SM_OK;
}

static sm_status resolve_policy(struct hx_plan *plan, struct sm_error *error)
{
    const char *spec = text_or(plan, HX_OPT_POLICY, plan->sapi == SM_SAPI_FPM ? "arena" : "epoch");
    const char *options = hx_spec_split(spec, plan->policy_name, sizeof(plan->policy_name));
    plan->policy = sm_policy_find(plan->policy_name);
    if (plan->policy == NULL)
        return hx_refuse_policy(plan->policy_name, error);
    if (plan->policy->unavailable != NULL)
        return hx_refuse(error, "--policy=%s: not available: %s", plan->policy_name, plan->policy->unavailable);
    if (sm_options_parse(plan->policy_name, plan->policy->options, plan->policy->option_count, options,
                         &plan->policy_options, error) != SM_OK)
        return hx_refuse_spec("policy", spec, error);
    sm_status status = apply_shorthand(plan, HX_OPT_RECLAIM, "reclaim", error);
    if (status == SM_OK)
        status = apply_shorthand(plan, HX_OPT_EPOCH_FLAVOR, "flavor", error);
    if (status == SM_OK)
        status = apply_shorthand(plan, HX_OPT_ARENA_LIMIT, "limit", error);
    if (status == SM_OK)
        status = write_policy_text(plan, spec, error);
    if (status == SM_OK)
        status = learn_capabilities(plan, error);
    if (status != SM_OK)
        return status;
    echo_shorthand(plan, HX_OPT_ARENA_LIMIT, "limit");
    echo_shorthand(plan, HX_OPT_RECLAIM, "reclaim");
    echo_shorthand(plan, HX_OPT_EPOCH_FLAVOR, "flavor");
    derive_text(plan, HX_OPT_POLICY, plan->policy_text);
    return SM_OK;
}

/* ---- pacing and limits ---- */

/* Without cycles, options that start them mean nothing; the result then says null. */
static void drop_cycle_options(struct hx_plan *plan)
{
    static const enum hx_option_id ids[] = {HX_OPT_THRESHOLD, HX_OPT_PACING, HX_OPT_COLLECT_EVERY,
                                            HX_OPT_COLLECT_EVERY_SAFEPOINT};
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        if (is_given(plan, ids[i]))
            hx_note(&plan->told, "--%s: n/a, policy %s has no cycles", hx_option(ids[i])->name, plan->policy->name);
        plan->options.has_value[ids[i]] = false;
    }
}

/* Roots pace it, not bytes: of the rules only those that say when without saying how many bytes mean anything. */
static sm_status resolve_root_pacing(struct hx_plan *plan)
{
    const char *pacing = "zend:10001";
    if (is_given(plan, HX_OPT_THRESHOLD))
        hx_note(&plan->told, "--threshold: n/a, policy %s is paced by possible roots (--pacing=zend:ROOTS)",
                plan->policy->name);
    if (is_given(plan, HX_OPT_PACING)) {
        const char *given = plan->options.value[HX_OPT_PACING].text;
        bool by_bytes = strchr(given, ':') != NULL && strncmp(given, "zend:", 5) != 0;
        if (by_bytes)
            hx_note(&plan->told, "--pacing=%s: n/a, policy %s is paced by possible roots (--pacing=zend:ROOTS)", given,
                    plan->policy->name);
        else
            pacing = given;
    }
    plan->options.has_value[HX_OPT_THRESHOLD] = false;
    derive_text(plan, HX_OPT_PACING, pacing);
    return SM_OK;
}

static sm_status resolve_pacing(struct hx_plan *plan, struct sm_error *error)
{
    static const char fixed_prefix[] = "fixed:";
    if (is_given(plan, HX_OPT_THRESHOLD) && is_given(plan, HX_OPT_PACING))
        return hx_refuse(error, "--threshold and --pacing: expected one of them, --threshold=N is --pacing=fixed:N");
    if (!hx_plan_has_cycles(plan)) {
        drop_cycle_options(plan);
        return SM_OK;
    }
    if ((plan->capabilities & SM_CAP_COUNTS) != 0)
        return resolve_root_pacing(plan);
    const char *pacing = plan->pacing_text;
    if (is_given(plan, HX_OPT_PACING)) {
        pacing = plan->options.value[HX_OPT_PACING].text;
        bool is_fixed = strncmp(pacing, fixed_prefix, sizeof(fixed_prefix) - 1) == 0;
        if (is_fixed && sm_size_parse(pacing + sizeof(fixed_prefix) - 1, &plan->threshold_bytes) != SM_OK)
            return hx_refuse(error, "--pacing=%s: expected fixed:SIZE, for example fixed:16M", pacing);
        if (is_fixed && plan->threshold_bytes < SM_THRESHOLD_MINIMUM_BYTES)
            return hx_refuse(error, "--pacing=%s: expected at least %llu bytes", pacing,
                             (unsigned long long)SM_THRESHOLD_MINIMUM_BYTES);
    } else {
        plan->threshold_bytes =
            is_given(plan, HX_OPT_THRESHOLD) ? count_of(plan, HX_OPT_THRESHOLD) : SM_THRESHOLD_DEFAULT_BYTES;
        char size[HX_QUANTITY_BYTES];
        snprintf(plan->pacing_text, sizeof(plan->pacing_text), "fixed:%s", hx_format_size(plan->threshold_bytes, size));
    }
    derive_text(plan, HX_OPT_PACING, pacing);
    if (plan->threshold_bytes != 0)
        derive_count(plan, HX_OPT_THRESHOLD, plan->threshold_bytes);
    return SM_OK;
}

/* A policy that counts everything leaves nothing to choose. */
static sm_status resolve_sharing(struct hx_plan *plan, struct sm_error *error)
{
    static const enum hx_option_id ids[] = {HX_OPT_SHARING, HX_OPT_DESTRUCTORS};
    bool counts = (plan->capabilities & SM_CAP_COUNTS) != 0;
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]) && counts; i++) {
        if (is_given(plan, ids[i]))
            hx_note(&plan->told, "--%s: n/a, policy %s counts everything", hx_option(ids[i])->name, plan->policy->name);
        plan->options.has_value[ids[i]] = false;
    }
    if (!counts && count_of(plan, HX_OPT_SHARING) == HX_SHARING_BIT &&
        count_of(plan, HX_OPT_DESTRUCTORS) == HX_DESTRUCTORS_PROMPT)
        return hx_refuse(error, "--destructors=prompt: expected --sharing=counts, which it counts with");
    return SM_OK;
}

sm_status hx_plan_refuse_two(const struct hx_plan *plan, const enum hx_option_id ids[], size_t count,
                             const char **first, struct sm_error *error)
{
    *first = NULL;
    for (size_t i = 0; i < count; i++) {
        if (!is_given(plan, ids[i]))
            continue;
        if (*first != NULL)
            return hx_refuse(error, "--%s and --%s: expected one of them", *first, hx_option(ids[i])->name);
        *first = hx_option(ids[i])->name;
    }
    return SM_OK;
}

/* ---- how long ---- */

static bool is_limited(const struct hx_plan *plan)
{
    return plan->memory_limit_bytes != 0 || plan->wants_minheap;
}

static bool gives_memory_back(const struct hx_plan *plan)
{
    uint32_t capabilities = plan->capabilities;
    if ((capabilities & (SM_CAP_COLLECT | SM_CAP_FREE | SM_CAP_COUNTS)) != 0)
        return true;
    return (capabilities & SM_CAP_BULK_FREE) != 0 && plan->sapi == SM_SAPI_FPM;
}

/* A policy that keeps everything must not take the whole machine for the sake of a default. */
static void cap_default_work(struct hx_plan *plan)
{
    uint64_t cap_bytes = hx_process_memory_available() / 3;
    /* A trace has its own end. */
    if (gives_memory_back(plan) || is_limited(plan) || cap_bytes == 0 || plan->trace_path != NULL)
        return;
    if (plan->alloc_bytes == 0 || plan->alloc_bytes > cap_bytes) {
        plan->alloc_bytes = cap_bytes;
        char size[HX_QUANTITY_BYTES];
        hx_note(&plan->told,
                "--alloc not given: set to %s, a third of what is available, for policy %s frees nothing here",
                hx_format_bytes(cap_bytes, size), plan->policy->name);
    }
}

/* Of a burst work is fixed in requests. */
static sm_status resolve_default_requests(struct hx_plan *plan, struct sm_error *error)
{
    if (!gives_memory_back(plan) && !is_limited(plan))
        return hx_refuse(error, "--requests: expected a number, for policy %s frees nothing", plan->policy->name);
    plan->steps = HX_BURST_DEFAULT_REQUESTS;
    derive_count(plan, HX_OPT_REQUESTS, plan->steps);
    return SM_OK;
}

static sm_status resolve_work(struct hx_plan *plan, struct sm_error *error)
{
    static const enum hx_option_id ids[] = {HX_OPT_ALLOC, HX_OPT_ITERATIONS, HX_OPT_REQUESTS, HX_OPT_SECONDS};
    const char *first;
    if (hx_plan_refuse_two(plan, ids, sizeof(ids) / sizeof(ids[0]), &first, error) != SM_OK)
        return error->status;
    if (first == NULL && plan->burst.is_on)
        return resolve_default_requests(plan, error);
    if (first == NULL) {
        plan->alloc_bytes = plan->workload->default_alloc_bytes;
        plan->steps = plan->workload->default_steps;
        cap_default_work(plan);
        if (plan->alloc_bytes != 0)
            derive_count(plan, HX_OPT_ALLOC, plan->alloc_bytes);
        if (plan->steps != 0)
            derive_count(plan, strcmp(plan->step_unit, "request") == 0 ? HX_OPT_REQUESTS : HX_OPT_ITERATIONS,
                         plan->steps);
        return SM_OK;
    }
    if (is_given(plan, HX_OPT_ALLOC))
        plan->alloc_bytes = count_of(plan, HX_OPT_ALLOC);
    if (is_given(plan, HX_OPT_ITERATIONS))
        plan->steps = count_of(plan, HX_OPT_ITERATIONS);
    if (is_given(plan, HX_OPT_REQUESTS))
        plan->steps = count_of(plan, HX_OPT_REQUESTS);
    if (is_given(plan, HX_OPT_SECONDS))
        plan->work_ns = seconds_to_ns(plan->options.value[HX_OPT_SECONDS].real);
    return SM_OK;
}

/* ---- observers, faults, the rest ---- */

static sm_status resolve_stall(struct hx_plan *plan, struct sm_error *error)
{
    const char *text = text_or(plan, HX_OPT_STALL, NULL);
    plan->observer_count = (unsigned)count_of(plan, HX_OPT_OBSERVERS);
    if (text == NULL)
        return SM_OK;
    if (hx_stall_parse(text, &plan->stall, error) != SM_OK)
        return error->status;
    plan->has_stall = true;
    if (is_given(plan, HX_OPT_OBSERVERS) && plan->stall.observer >= plan->observer_count)
        return hx_refuse(error, "--stall=%s: expected one of the %u observer%s that --observers starts", text,
                         plan->observer_count, hx_plural_s(plan->observer_count));
    if (plan->stall.observer >= plan->observer_count)
        plan->observer_count = plan->stall.observer + 1;
    derive_count(plan, HX_OPT_OBSERVERS, plan->observer_count);
    return SM_OK;
}

static sm_status resolve_observers(struct hx_plan *plan, struct sm_error *error)
{
    sm_status status = resolve_stall(plan, error);
    if (status != SM_OK || plan->observer_count == 0)
        return status;
    if ((plan->capabilities & SM_CAP_OBSERVERS) == 0)
        return hx_refuse(error,
                         "--%s: expected a policy that lets other threads read under guards, such as epoch, not %s",
                         plan->has_stall ? "stall" : "observers", plan->policy_name);
    return SM_OK;
}

static sm_status resolve_fault(struct hx_plan *plan, struct sm_error *error)
{
    struct hx_fault fault = {0};
    const char *text = text_or(plan, HX_OPT_INJECT, NULL);
    if (text == NULL)
        return SM_OK;
    if (hx_fault_parse(text, &fault, error) != SM_OK)
        return error->status;
    plan->fault = fault.kind;
    plan->fault_period = fault.period;
    plan->fail_alloc_after = fault.fail_alloc_after;
    return SM_OK;
}

/* Whether the policy frees by a schedule: by hand, and knows no other way. */
static bool frees_by_schedule(const struct hx_plan *plan)
{
    const uint32_t own_ways = SM_CAP_COUNTS | SM_CAP_COLLECT | SM_CAP_RETIRE | SM_CAP_BULK_FREE;
    return (plan->capabilities & (SM_CAP_FREE | own_ways)) == SM_CAP_FREE;
}

/* A trace says itself what died. */
static sm_status resolve_deaths(struct hx_plan *plan, struct sm_error *error)
{
    bool measures_garbage = count_of(plan, HX_OPT_GARBAGE) == HX_GARBAGE_ORACLE;
    plan->records_deaths = plan->trace_path == NULL && (measures_garbage || frees_by_schedule(plan));
    if (!plan->records_deaths || plan->work_ns == 0)
        return SM_OK;
    return hx_refuse(error, "--seconds: expected fixed work, such as --alloc, for deaths are recorded beforehand (%s)",
                     measures_garbage ? "--garbage=oracle" : "--policy=malloc");
}

/* Where nothing marks beside the program the option means nothing, and the result says null. */
static void resolve_collector_threads(struct hx_plan *plan)
{
    if ((plan->capabilities & SM_CAP_CONCURRENT) != 0) {
        if (!is_given(plan, HX_OPT_COLLECTOR_THREADS))
            derive_count(plan, HX_OPT_COLLECTOR_THREADS, sm_collector_threads_auto());
        return;
    }
    if (is_given(plan, HX_OPT_COLLECTOR_THREADS) && count_of(plan, HX_OPT_COLLECTOR_THREADS) != 0)
        hx_note(&plan->notes, "--collector-threads=1 has no meaning for policy %s", plan->policy->name);
    plan->options.has_value[HX_OPT_COLLECTOR_THREADS] = false;
}

static sm_status resolve_card(const struct hx_plan *plan, struct sm_error *error)
{
    uint64_t warmup = count_of(plan, HX_OPT_CARD_WARMUP);
    if (!is_given(plan, HX_OPT_CARD)) {
        if (is_given(plan, HX_OPT_CARD_WARMUP))
            return hx_refuse(error, "--card-warmup: expected --card=FILE beside it");
        return SM_OK;
    }
    if ((plan->capabilities & SM_CAP_COUNTS) == 0)
        return hx_refuse(error, "--card: expected a policy that counts, such as refcount, not %s", plan->policy_name);
    if (plan->steps != 0 && warmup >= plan->steps)
        return hx_refuse(error, "--card-warmup=%" PRIu64 ": expected fewer than the %" PRIu64 " step%s of the run",
                         warmup, plan->steps, hx_plural_s(plan->steps));
    return SM_OK;
}

static sm_status resolve_rest(struct hx_plan *plan, struct sm_error *error)
{
    if (count_of(plan, HX_OPT_CHECK_TRACE) != 0 && plan->trace_path == NULL)
        return hx_refuse(error, "--check-trace: expected --workload=trace:FILE, not %s", plan->workload_name);
    if (resolve_card(plan, error) != SM_OK)
        return error->status;
    resolve_collector_threads(plan);
    if (is_given(plan, HX_OPT_TIMEOUT))
        plan->timeout_ns = seconds_to_ns(plan->options.value[HX_OPT_TIMEOUT].real);
    const uint32_t frees = plan->capabilities & (SM_CAP_BULK_FREE | SM_CAP_COUNTS | SM_CAP_COLLECT);
    if (plan->sapi == SM_SAPI_CLI && frees == SM_CAP_BULK_FREE)
        hx_note(&plan->notes, "policy %s under CLI never resets: it behaves as null", plan->policy_name);
    if (plan->sapi == SM_SAPI_CLI && has_arena_limit(plan))
        hx_note(&plan->notes, "policy %s with a limit under CLI never resets: it behaves as epoch", plan->policy_name);
    uint64_t asked_bytes = is_given(plan, HX_OPT_SERIES_EVERY) ? count_of(plan, HX_OPT_SERIES_EVERY) : 0;
    plan->tick_bytes = hx_sampler_tick_bytes(plan->alloc_bytes, asked_bytes);
    derive_count(plan, HX_OPT_SERIES_EVERY, plan->tick_bytes);
    derive_count(plan, HX_OPT_SAPI, plan->sapi == SM_SAPI_FPM ? HX_SAPI_FPM : HX_SAPI_CLI);
    plan->runs_inline = runs_inline(plan);
    return SM_OK;
}

sm_status hx_plan_resolve(struct hx_plan *plan, struct sm_error *error)
{
    static sm_status (*const stages[])(struct hx_plan *, struct sm_error *) = {
        resolve_workload, resolve_policy,    resolve_pacing, resolve_sharing, hx_limit_resolve, hx_burst_resolve,
        resolve_work,     resolve_observers, resolve_fault,  resolve_deaths,  resolve_rest,     hx_burst_check,
    };
    sm_status status = SM_OK;
    for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]) && status == SM_OK; i++)
        status = stages[i](plan, error);
    return status;
}

struct wl_config hx_plan_workload_config(const struct hx_plan *plan)
{
    bool has_cycles = hx_plan_has_cycles(plan);
    bool every_safepoint = has_cycles && count_of(plan, HX_OPT_COLLECT_EVERY_SAFEPOINT) != 0;
    return (struct wl_config){
        .manager =
            {
                .sapi = plan->sapi,
                .policy = plan->policy_text,
                .pacing = is_given(plan, HX_OPT_PACING) && has_cycles ? plan->options.value[HX_OPT_PACING].text : NULL,
                .sharing_counts = is_chosen(plan, HX_OPT_SHARING, HX_SHARING_COUNTS),
                .threshold_bytes = is_given(plan, HX_OPT_PACING) ? 0 : plan->threshold_bytes,
                .memory_limit_bytes = plan->memory_limit_bytes,
                .collect_every_bytes =
                    has_cycles && is_given(plan, HX_OPT_COLLECT_EVERY) ? count_of(plan, HX_OPT_COLLECT_EVERY) : 0,
                .collector_threads =
                    is_chosen(plan, HX_OPT_COLLECTOR_THREADS, 1) ? SM_COLLECTOR_THREADS_ONE : SM_COLLECTOR_THREADS_NONE,
                .collect_every_safepoint = every_safepoint,
                .fail_alloc_after = plan->fail_alloc_after,
            },
        .options = &plan->workload_options,
        .seed = count_of(plan, HX_OPT_SEED),
        .mutator_work = count_of(plan, HX_OPT_MUTATOR_WORK) == HX_MUTATOR_WORK_REAL,
        .prompt_destructors = is_chosen(plan, HX_OPT_DESTRUCTORS, HX_DESTRUCTORS_PROMPT),
        .check_trace = count_of(plan, HX_OPT_CHECK_TRACE) != 0,
        .trace_path = plan->trace_path,
        .wanted_steps = plan->steps,
        .wanted_bytes = plan->alloc_bytes,
        .wants_time = plan->work_ns != 0,
        .fault = plan->fault,
        .fault_period = plan->fault_period,
    };
}
