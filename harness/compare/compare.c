#include "compare.h"

#include "run_options.h"
#include "statistics.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ALL_AXES = (1 << HX_AXIS_COUNT) - 1, BOOTSTRAP_SEED = 1 };

static const double significant_p = 0.05;

const char *hx_verdict_name(enum hx_verdict verdict)
{
    static const char *const names[] = {
        [HX_VERDICT_SAME] = "same",
        [HX_VERDICT_BETTER] = "better",
        [HX_VERDICT_WORSE] = "worse",
        [HX_VERDICT_CHANGED] = "changed",
        [HX_VERDICT_TOO_FEW] = "too few runs",
        [HX_VERDICT_NO_SEED] = "no common seed",
    };
    return names[verdict];
}

/* ---- Which runs belong together ---- */

static bool agree(const struct hx_result *left, const struct hx_result *right, unsigned axes)
{
    for (int i = 0; i < HX_AXIS_COUNT; i++)
        if ((axes & (1u << i)) != 0 && strcmp(left->axis[i], right->axis[i]) != 0)
            return false;
    return true;
}

static size_t count_like(const struct hx_results *results, const struct hx_result *run, unsigned axes)
{
    size_t count = 0;
    for (size_t i = 0; i < results->count; i++)
        count += agree(&results->runs[i], run, axes);
    return count;
}

static size_t count_unpaired(const struct hx_results *results, const struct hx_results *others, unsigned axes)
{
    size_t count = 0;
    for (size_t i = 0; i < results->count; i++)
        count += count_like(others, &results->runs[i], axes) == 0;
    return count;
}

static bool is_uniform(const struct hx_results *results, unsigned axis)
{
    return count_like(results, &results->runs[0], axis) == results->count;
}

/* Axes of which each set has one value, another than the other's. */
static unsigned differing_axes(const struct hx_results *first, const struct hx_results *second)
{
    unsigned differing = 0;
    for (unsigned axis = 1; axis < ALL_AXES; axis <<= 1)
        if (is_uniform(first, axis) && is_uniform(second, axis) && !agree(&first->runs[0], &second->runs[0], axis))
            differing |= axis;
    return differing;
}

static sm_status choose_axes(const struct hx_results *first, const struct hx_results *second,
                             struct hx_comparison *comparison, struct sm_error *error)
{
    /* Policies have pacing rules of their own. */
    static const unsigned policy_and_pacing = (1u << HX_AXIS_POLICY) | (1u << HX_AXIS_PACING);
    if (count_unpaired(first, second, ALL_AXES) < first->count)
        return SM_OK;
    unsigned differing = differing_axes(first, second);
    bool is_one = differing != 0 && (differing & (differing - 1)) == 0;
    if ((is_one || differing == policy_and_pacing) &&
        count_unpaired(first, second, ALL_AXES & ~differing) < first->count) {
        comparison->compared = differing;
        return SM_OK;
    }
    return hx_refuse(
        error, "compare: the sets have no configuration in common: expected the same workload, policy, pacing rule and "
               "heap factor, or all but one of them, of which each set has one value");
}

static bool is_first_of_its_kind(const struct hx_results *results, size_t index, unsigned axes)
{
    for (size_t i = 0; i < index; i++)
        if (agree(&results->runs[i], &results->runs[index], axes))
            return false;
    return true;
}

/* The runs like `run` that ended well, in `runs`; the others are counted. False: out of memory. */
static bool gather(const struct hx_results *results, const struct hx_result *run, unsigned axes,
                   const struct hx_result ***runs, size_t *count, size_t *failed)
{
    *runs = (const struct hx_result **)calloc(results->count, sizeof(void *));
    for (size_t i = 0; *runs != NULL && i < results->count; i++) {
        const struct hx_result *other = &results->runs[i];
        if (!agree(other, run, axes))
            continue;
        if (hx_result_is_ok(other))
            (*runs)[(*count)++] = other;
        else
            (*failed)++;
    }
    return *runs != NULL;
}

static const struct hx_result *any_like(const struct hx_results *results, const struct hx_result *run, unsigned axes)
{
    for (size_t i = 0; i < results->count; i++)
        if (agree(&results->runs[i], run, axes))
            return &results->runs[i];
    return NULL;
}

/* Whether a run of `runs` has a value of the option that none of `others` has. A document that does not say agrees. */
static bool has_other_value(const struct hx_result *const *runs, size_t count, const struct hx_result *const *others,
                            size_t other_count, size_t option)
{
    for (size_t i = 0; i < count; i++) {
        bool is_found = other_count == 0 || runs[i]->work[option] == NULL;
        for (size_t j = 0; j < other_count && !is_found; j++)
            is_found = others[j]->work[option] == NULL || strcmp(runs[i]->work[option], others[j]->work[option]) == 0;
        if (!is_found)
            return true;
    }
    return false;
}

static uint32_t different_work(const struct hx_pair *pair)
{
    uint32_t different = 0;
    for (size_t i = 0; i < HX_WORK_COUNT; i++)
        if (has_other_value(pair->first, pair->first_count, pair->second, pair->second_count, i) ||
            has_other_value(pair->second, pair->second_count, pair->first, pair->first_count, i))
            different |= UINT32_C(1) << i;
    return different;
}

sm_status hx_compare(const struct hx_results *first, const struct hx_results *second, struct hx_comparison *comparison,
                     struct sm_error *error)
{
    assert(first->count > 0 && second->count > 0);
    *comparison = (struct hx_comparison){0};
    sm_status status = choose_axes(first, second, comparison, error);
    if (status != SM_OK)
        return status;
    unsigned axes = ALL_AXES & ~comparison->compared;
    comparison->first_unpaired = count_unpaired(first, second, axes);
    comparison->second_unpaired = count_unpaired(second, first, axes);
    comparison->pairs = (struct hx_pair *)calloc(first->count, sizeof(*comparison->pairs));
    if (comparison->pairs == NULL)
        return SM_ERR_OUT_OF_MEMORY;
    for (size_t i = 0; i < first->count; i++) {
        const struct hx_result *run = &first->runs[i], *partner = any_like(second, run, axes);
        if (partner == NULL || !is_first_of_its_kind(first, i, axes))
            continue;
        struct hx_pair *pair = &comparison->pairs[comparison->pair_count++];
        *pair = (struct hx_pair){.first_any = run, .second_any = partner};
        if (!gather(first, run, axes, &pair->first, &pair->first_count, &pair->first_failed) ||
            !gather(second, run, axes, &pair->second, &pair->second_count, &pair->second_failed))
            return SM_ERR_OUT_OF_MEMORY;
        pair->different_work = different_work(pair);
    }
    return SM_OK;
}

void hx_comparison_free(struct hx_comparison *comparison)
{
    for (size_t i = 0; i < comparison->pair_count; i++) {
        free(comparison->pairs[i].first);
        free(comparison->pairs[i].second);
    }
    free(comparison->pairs);
    *comparison = (struct hx_comparison){0};
}

/* ---- What differs ---- */

/* `values` has room for all runs. */
static struct hx_sample sample(const struct hx_result *const *runs, size_t count, const char *name, double *values)
{
    struct hx_sample found = {values, 0};
    for (size_t i = 0; i < count; i++) {
        const struct hx_result_metric *metric = hx_result_metric(runs[i], name);
        if (metric != NULL && !isnan(metric->number))
            values[found.count++] = metric->number;
    }
    return found;
}

static enum hx_verdict direction(enum hx_better better, double first, double second)
{
    if (better == HX_BETTER_NEITHER || isnan(first) || isnan(second))
        return HX_VERDICT_CHANGED;
    return (second < first) == (better == HX_BETTER_LESS) ? HX_VERDICT_BETTER : HX_VERDICT_WORSE;
}

/* The first two runs of one seed that differ; if none do, any two. Leaves the verdict alone when no seed is common. */
static void compare_exactly(const struct hx_pair *pair, enum hx_better better, struct hx_comparison_row *row)
{
    row->verdict = HX_VERDICT_NO_SEED;
    for (size_t i = 0; i < pair->first_count; i++) {
        for (size_t j = 0; j < pair->second_count; j++) {
            const struct hx_result_metric *first = hx_result_metric(pair->first[i], row->name);
            const struct hx_result_metric *second = hx_result_metric(pair->second[j], row->name);
            if (first == NULL || second == NULL || strcmp(pair->first[i]->seed, pair->second[j]->seed) != 0)
                continue;
            bool is_same = strcmp(first->text, second->text) == 0;
            if (is_same && row->verdict != HX_VERDICT_NO_SEED)
                continue;
            row->first_text = first->text;
            row->second_text = second->text;
            row->first = first->number;
            row->second = second->number;
            row->verdict = is_same ? HX_VERDICT_SAME : direction(better, first->number, second->number);
            if (!is_same)
                return;
        }
    }
}

static enum hx_verdict judge(const struct hx_comparison_row *row, enum hx_better better)
{
    if (hx_mann_whitney_least_p(row->first_count, row->second_count) >= significant_p)
        return HX_VERDICT_TOO_FEW;
    bool holds_one = row->has_ratio ? row->low <= 1 && 1 <= row->high : row->first == row->second;
    if (!(row->p < significant_p) || holds_one)
        return HX_VERDICT_SAME;
    return direction(better, row->first, row->second);
}

static void compare_by_rank(struct hx_sample first, struct hx_sample second, enum hx_better better,
                            struct hx_comparison_row *row)
{
    struct hx_ratio ratio;
    row->has_ratio = hx_bootstrap_ratio(first, second, BOOTSTRAP_SEED, &ratio);
    if (row->has_ratio) {
        row->ratio = ratio.ratio;
        row->low = ratio.low;
        row->high = ratio.high;
    }
    row->first = hx_median(first);
    row->second = hx_median(second);
    row->p = hx_mann_whitney_p(first, second);
    row->verdict = judge(row, better);
}

/* Whether every run that has the figure says that it is exact. */
static bool is_exact_in(const struct hx_result *const *runs, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        const struct hx_result_metric *metric = hx_result_metric(runs[i], name);
        if (metric != NULL && !metric->is_exact)
            return false;
    }
    return true;
}

/* False where the figure cannot be compared: one side has none, or it is a text that is not exact. */
static bool compare_figure(const struct hx_pair *pair, const struct hx_result_metric *metric, double *values,
                           struct hx_comparison_row *row)
{
    enum hx_better better = pair->different_work == 0 ? metric->better : HX_BETTER_NEITHER;
    *row = (struct hx_comparison_row){.name = metric->name, .unit = metric->unit, .p = NAN};
    row->is_exact = is_exact_in(pair->first, pair->first_count, metric->name) &&
                    is_exact_in(pair->second, pair->second_count, metric->name);
    struct hx_sample first = sample(pair->first, pair->first_count, metric->name, values);
    struct hx_sample second = sample(pair->second, pair->second_count, metric->name, values + pair->first_count);
    row->first_count = first.count;
    row->second_count = second.count;
    if (row->is_exact) {
        compare_exactly(pair, better, row);
        return true;
    }
    if (first.count == 0 || second.count == 0)
        return false;
    compare_by_rank(first, second, better, row);
    return true;
}

static bool has_figure(const struct hx_pair *pair, const char *name)
{
    for (size_t i = 0; i < pair->second_count; i++)
        if (hx_result_metric(pair->second[i], name) != NULL)
            return true;
    return false;
}

sm_status hx_pair_compare(const struct hx_pair *pair, struct hx_comparison_row **rows, size_t *row_count)
{
    *rows = NULL;
    *row_count = 0;
    if (pair->first_count == 0 || pair->second_count == 0)
        return SM_OK;
    const struct hx_result *leader = pair->first[0];
    double *values = (double *)calloc(pair->first_count + pair->second_count, sizeof(*values));
    *rows = (struct hx_comparison_row *)calloc(leader->metric_count + 1, sizeof(**rows));
    for (size_t i = 0; values != NULL && *rows != NULL && i < leader->metric_count; i++)
        if (has_figure(pair, leader->metrics[i].name))
            *row_count += compare_figure(pair, &leader->metrics[i], values, &(*rows)[*row_count]);
    bool is_done = values != NULL && *rows != NULL;
    free(values);
    return is_done ? SM_OK : SM_ERR_OUT_OF_MEMORY;
}
