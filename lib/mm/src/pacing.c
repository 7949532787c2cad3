#include "pacing.h"

#include "assertion.h"
#include "error.h"

#include "sapimem/option.h"

#include <math.h>
#include <string.h>

/** One pacing rule. `threshold` is pure; `parameter` was checked by `parse`. */
struct sm_pacing_rule {
    const char *name;
    const char *parameter; /**< what follows the colon, for the error text; NULL: nothing does */
    bool (*parse)(const char *text, double *parameter);
    uint64_t (*threshold)(double parameter, const struct sm_pacing_input *input);
    const char *refusal; /**< why this build does not offer it; NULL: it does */
    bool may_omit;       /**< the parameter may be left out */
};

/** Zend's GC_THRESHOLD_DEFAULT: 10,000 roots and an unused slot. */
#define ROOTS_DEFAULT 10001u
#define ROOTS_MAX 1000000000u

static uint64_t clamp_bytes(double bytes)
{
    if (!(bytes > (double)SM_THRESHOLD_MINIMUM_BYTES))
        return SM_THRESHOLD_MINIMUM_BYTES;
    /* Above 2^62 nothing is ever allocated; the cast stays defined. */
    return bytes < 0x1p62 ? (uint64_t)bytes : UINT64_MAX;
}

static bool parse_bytes(const char *text, double *parameter)
{
    uint64_t bytes = 0;
    if (sm_size_parse(text, &bytes) != SM_OK || bytes < SM_THRESHOLD_MINIMUM_BYTES)
        return false;
    *parameter = (double)bytes;
    return true;
}

static bool parse_positive(const char *text, double *parameter)
{
    return sm_real_parse(text, parameter) == SM_OK && *parameter > 0;
}

static bool parse_roots(const char *text, double *parameter)
{
    uint64_t roots = 0;
    if (sm_count_parse(text, &roots) != SM_OK || roots < 2 || roots > ROOTS_MAX)
        return false;
    *parameter = (double)roots;
    return true;
}

static uint64_t threshold_fixed(double bytes, const struct sm_pacing_input *input)
{
    (void)input;
    return clamp_bytes(bytes);
}

static uint64_t threshold_proportional(double factor, const struct sm_pacing_input *input)
{
    if (!input->any_cycle)
        return SM_THRESHOLD_DEFAULT_BYTES;
    return clamp_bytes(factor * (double)input->live_bytes);
}

/* MemBalancer: headroom = sqrt(g * T_gc / c), with g in bytes per ns and T_gc in ns, so g * T_gc is in bytes and c per byte. */
static uint64_t threshold_sqrt(double per_byte, const struct sm_pacing_input *input)
{
    if (!input->any_cycle)
        return SM_THRESHOLD_DEFAULT_BYTES;
    return clamp_bytes(sqrt(input->alloc_bytes_per_ns * input->cycle_ns / per_byte));
}

static uint64_t threshold_never(double parameter, const struct sm_pacing_input *input)
{
    (void)parameter;
    (void)input;
    return UINT64_MAX;
}

static uint64_t threshold_always(double parameter, const struct sm_pacing_input *input)
{
    (void)parameter;
    (void)input;
    return 0;
}

static const struct sm_pacing_rule rules[] = {
    {"fixed", "a size of at least 4K", parse_bytes, threshold_fixed, NULL, false},
    {"proportional", "a factor of live bytes above 0", parse_positive, threshold_proportional, NULL, false},
    {"sqrt", "a number per byte above 0, such as 4e-8", parse_positive, threshold_sqrt, NULL, false},
    {"never", NULL, NULL, threshold_never, NULL, false},
    {"always", NULL, NULL, threshold_always, NULL, false},
    {"zend", "a count of roots from 2 to 1000000000", parse_roots, threshold_never, NULL, true},
    {"limit", NULL, NULL, NULL, "feedback under a memory limit is not offered by this build", false},
};

enum { RULE_COUNT = sizeof(rules) / sizeof(rules[0]) };

static const struct sm_pacing_rule *find_rule(const char *name, size_t name_length)
{
    for (size_t i = 0; i < RULE_COUNT; i++) {
        if (strlen(rules[i].name) == name_length && memcmp(rules[i].name, name, name_length) == 0)
            return &rules[i];
    }
    return NULL;
}

sm_status sm_pacing_parse(const char *text, struct sm_pacing *pacing, struct sm_error *error)
{
    const char *colon = strchr(text, ':');
    size_t name_length = colon == NULL ? strlen(text) : (size_t)(colon - text);
    const struct sm_pacing_rule *rule = find_rule(text, name_length);
    if (rule == NULL)
        return sm_error_set(
            error, SM_ERR_INVALID_ARGUMENT,
            "pacing '%s': expected fixed:SIZE, proportional:FACTOR, sqrt:C, zend:ROOTS, never or always", text);
    if (rule->refusal != NULL)
        return sm_error_set(error, SM_ERR_INVALID_ARGUMENT, "pacing '%s': %s", text, rule->refusal);
    double parameter = 0;
    if (rule->parse == NULL && colon != NULL)
        return sm_error_set(error, SM_ERR_INVALID_ARGUMENT, "pacing '%s': %s takes no value", text, rule->name);
    bool omitted = rule->may_omit && colon == NULL;
    if (omitted)
        parameter = ROOTS_DEFAULT;
    else if (rule->parse != NULL && (colon == NULL || !rule->parse(colon + 1, &parameter)))
        return sm_error_set(error, SM_ERR_INVALID_ARGUMENT, "pacing '%s': expected %s:VALUE with %s", text, rule->name,
                            rule->parameter);
    pacing->rule = rule;
    pacing->parameter = parameter;
    return SM_OK;
}

sm_status sm_pacing_fixed(uint64_t bytes, struct sm_pacing *pacing, struct sm_error *error)
{
    if (bytes < SM_THRESHOLD_MINIMUM_BYTES)
        return sm_error_set(error, SM_ERR_INVALID_ARGUMENT, "threshold %llu: expected at least %llu bytes",
                            (unsigned long long)bytes, (unsigned long long)SM_THRESHOLD_MINIMUM_BYTES);
    pacing->rule = find_rule("fixed", strlen("fixed"));
    pacing->parameter = (double)bytes;
    return SM_OK;
}

bool sm_pacing_counts_roots(const struct sm_pacing *pacing)
{
    return pacing->rule->parse == parse_roots;
}

uint32_t sm_pacing_roots(const struct sm_pacing *pacing)
{
    if (pacing->rule->threshold == threshold_never && !sm_pacing_counts_roots(pacing))
        return UINT32_MAX;
    return sm_pacing_counts_roots(pacing) ? (uint32_t)pacing->parameter : ROOTS_DEFAULT;
}

uint64_t sm_pacing_threshold(const struct sm_pacing *pacing, const struct sm_pacing_input *input)
{
    SM_ASSERT(pacing->rule != NULL && pacing->rule->threshold != NULL);
    return pacing->rule->threshold(pacing->parameter, input);
}

uint64_t sm_pacing_under_limit(uint64_t threshold_bytes, uint64_t limit_bytes, uint64_t live_bytes,
                               uint64_t backlog_bytes)
{
    if (limit_bytes == 0)
        return threshold_bytes;
    /* Compare without adding, so that nothing wraps. */
    bool full = live_bytes >= limit_bytes || backlog_bytes >= limit_bytes - live_bytes;
    uint64_t room_bytes = full ? 0 : (limit_bytes - live_bytes - backlog_bytes) / 2;
    /* A heap against its limit would otherwise collect at every safepoint and never get to use what is left. */
    if (room_bytes < SM_THRESHOLD_MINIMUM_BYTES)
        room_bytes = SM_THRESHOLD_MINIMUM_BYTES;
    return threshold_bytes < room_bytes ? threshold_bytes : room_bytes;
}

/* Half of the new, half of the old: MemBalancer smooths both of its rates so. */
static double smoothed(bool any, double old_value, double new_value)
{
    return any ? 0.5 * old_value + 0.5 * new_value : new_value;
}

void sm_pacing_observe(struct sm_pacing_input *input, uint64_t live_bytes, uint64_t alloc_bytes, uint64_t mutator_ns,
                       uint64_t cycle_ns)
{
    /* A rate over no time is unknown; one nanosecond keeps it finite. */
    double rate = (double)alloc_bytes / (double)(mutator_ns == 0 ? 1 : mutator_ns);
    input->alloc_bytes_per_ns = smoothed(input->any_cycle, input->alloc_bytes_per_ns, rate);
    input->cycle_ns = smoothed(input->any_cycle, input->cycle_ns, (double)cycle_ns);
    input->live_bytes = live_bytes;
    input->any_cycle = true;
}
