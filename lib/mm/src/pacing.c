#include "pacing.h"

#include "assertion.h"
#include "error.h"

#include "sapimem/option.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/** One pacing rule. `threshold` is pure; `parameter` was checked by `parse`. */
struct sm_pacing_rule {
    const char *name;
    const char *symbol;    /**< of what follows the colon; NULL: nothing does */
    const char *parameter; /**< the same in words, for the error text */
    bool (*parse)(const char *text, double *parameter);
    uint64_t (*threshold)(double parameter, const struct sm_pacing_input *input);
    bool
        keeps_to_room; /**< a memory limit's room caps it; the others mean what they say, or look at the room themselves */
    bool may_omit;     /**< the parameter may be left out */
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

static bool parse_share(const char *text, double *parameter)
{
    return parse_positive(text, parameter) && *parameter <= 1;
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

/*
 * As late as the limit allows. With a share X for cycles of T_gc each, the program has to run T_gc * (1 - X) / X
 * between them, and at rate g it allocates as many bytes then: below that the limit's room is not kept to, and the
 * emergency cycle decides when memory really runs out.
 */
static uint64_t threshold_limit(double share, const struct sm_pacing_input *input)
{
    uint64_t room_bytes = input->room_bytes;
    if (!input->any_cycle)
        return room_bytes;
    uint64_t least_bytes = clamp_bytes(input->alloc_bytes_per_ns * input->cycle_ns * (1 - share) / share);
    return room_bytes > least_bytes ? room_bytes : least_bytes;
}

static const struct sm_pacing_rule rules[] = {
    {"fixed", "SIZE", "a size of at least 4K", parse_bytes, threshold_fixed, true, false},
    {"proportional", "FACTOR", "a factor of live bytes above 0", parse_positive, threshold_proportional, true, false},
    {"sqrt", "C", "a number per byte above 0, such as 4e-8", parse_positive, threshold_sqrt, true, false},
    {"limit", "SHARE", "a share of the CPU above 0, at most 1", parse_share, threshold_limit, false, false},
    {"zend", "ROOTS", "a count of roots from 2 to 1000000000", parse_roots, threshold_never, false, true},
    {"never", NULL, NULL, NULL, threshold_never, false, false},
    {"always", NULL, NULL, NULL, threshold_always, false, false},
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

size_t sm_pacing_rule_count(void)
{
    return RULE_COUNT;
}

const char *sm_pacing_rule_name(size_t index)
{
    SM_ASSERT(index < RULE_COUNT);
    return rules[index].name;
}

/* "fixed:SIZE, ..., never or always". */
static void list_rules(char *text, size_t text_bytes)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < RULE_COUNT && used < text_bytes; i++) {
        const char *separator = i == 0 ? "" : i + 1 == RULE_COUNT ? " or " : ", ";
        bool has_value = rules[i].symbol != NULL;
        used += (size_t)snprintf(text + used, text_bytes - used, "%s%s%s%s", separator, rules[i].name,
                                 has_value ? ":" : "", has_value ? rules[i].symbol : "");
    }
}

static sm_status refuse_unknown(const char *text, struct sm_error *error)
{
    char list[160];
    list_rules(list, sizeof(list));
    return sm_error_set(error, SM_ERR_INVALID_ARGUMENT, "pacing '%s': expected %s", text, list);
}

/* `value` is what follows the colon; NULL: there is none. */
static sm_status parse_parameter(const struct sm_pacing_rule *rule, const char *text, const char *value,
                                 double *parameter, struct sm_error *error)
{
    if (rule->parse == NULL && value != NULL)
        return sm_error_set(error, SM_ERR_INVALID_ARGUMENT, "pacing '%s': %s takes no value", text, rule->name);
    if (rule->may_omit && value == NULL)
        *parameter = ROOTS_DEFAULT;
    else if (rule->parse != NULL && (value == NULL || !rule->parse(value, parameter)))
        return sm_error_set(error, SM_ERR_INVALID_ARGUMENT, "pacing '%s': expected %s:%s with %s", text, rule->name,
                            rule->symbol, rule->parameter);
    return SM_OK;
}

sm_status sm_pacing_parse(const char *text, struct sm_pacing *pacing, struct sm_error *error)
{
    const char *colon = strchr(text, ':');
    size_t name_length = colon == NULL ? strlen(text) : (size_t)(colon - text);
    const struct sm_pacing_rule *rule = find_rule(text, name_length);
    if (rule == NULL)
        return refuse_unknown(text, error);
    double parameter = 0;
    sm_status status = parse_parameter(rule, text, colon == NULL ? NULL : colon + 1, &parameter, error);
    if (status != SM_OK)
        return status;
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

bool sm_pacing_needs_limit(const struct sm_pacing *pacing)
{
    return pacing->rule->threshold == threshold_limit;
}

uint32_t sm_pacing_roots(const struct sm_pacing *pacing)
{
    if (pacing->rule->threshold == threshold_never && !sm_pacing_counts_roots(pacing))
        return UINT32_MAX;
    return sm_pacing_counts_roots(pacing) ? (uint32_t)pacing->parameter : ROOTS_DEFAULT;
}

uint64_t sm_pacing_threshold(const struct sm_pacing *pacing, const struct sm_pacing_input *input)
{
    SM_ASSERT(pacing->rule != NULL && input->room_bytes >= SM_THRESHOLD_MINIMUM_BYTES);
    uint64_t bytes = pacing->rule->threshold(pacing->parameter, input);
    return pacing->rule->keeps_to_room && bytes > input->room_bytes ? input->room_bytes : bytes;
}

uint64_t sm_pacing_room(const struct sm_pacing_memory *memory)
{
    SM_ASSERT(memory->overhead >= 1);
    if (memory->limit_bytes == 0)
        return UINT64_MAX;
    double held_bytes = (double)memory->live_bytes * memory->overhead + (double)memory->waiting_bytes;
    /* A heap against its limit would otherwise collect at every safepoint and never get to use what is left. */
    return clamp_bytes(((double)memory->limit_bytes - held_bytes) / 2 / memory->overhead);
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
