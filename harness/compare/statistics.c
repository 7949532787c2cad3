#include "statistics.h"

#include "workloads/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { EXACT_COUNT_MAX = 20 };

static const double interval_tail = 0.025;

static int compare_numbers(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static void sort(double *values, size_t count)
{
    qsort(values, count, sizeof(*values), compare_numbers);
}

/* Value at a share of the way through sorted values, between two neighbours where it falls between them. */
static double quantile(const double *sorted, size_t count, double share)
{
    double place = share * (double)(count - 1);
    size_t below = (size_t)place;
    size_t above = below + 1 < count ? below + 1 : below;
    return sorted[below] + (place - (double)below) * (sorted[above] - sorted[below]);
}

static double *allocate(size_t count)
{
    return (double *)calloc(count, sizeof(double));
}

double hx_median(struct hx_sample sample)
{
    double *sorted = sample.count > 0 ? allocate(sample.count) : NULL;
    if (sorted == NULL)
        return NAN;
    memcpy(sorted, sample.values, sample.count * sizeof(*sorted));
    sort(sorted, sample.count);
    double median = quantile(sorted, sample.count, 0.5);
    free(sorted);
    return median;
}

/* Median of as many values, drawn with replacement into `scratch`. */
static double resampled_median(struct hx_sample sample, struct wl_random *random, double *scratch)
{
    for (size_t i = 0; i < sample.count; i++)
        scratch[i] = sample.values[wl_random_below(random, sample.count)];
    sort(scratch, sample.count);
    return quantile(scratch, sample.count, 0.5);
}

/* Fills `ratios`; false when a median to divide by is 0. */
static bool resample_ratios(struct hx_sample first, struct hx_sample second, uint64_t seed, double *scratch,
                            double *ratios)
{
    struct wl_random random = wl_random_seeded(seed);
    for (size_t i = 0; i < HX_BOOTSTRAP_REPLICATES; i++) {
        double below = resampled_median(first, &random, scratch);
        double above = resampled_median(second, &random, scratch);
        if (below == 0)
            return false;
        ratios[i] = above / below;
    }
    return true;
}

bool hx_bootstrap_ratio(struct hx_sample first, struct hx_sample second, uint64_t seed, struct hx_ratio *ratio)
{
    double below = hx_median(first), above = hx_median(second);
    if (isnan(below) || isnan(above) || below == 0)
        return false;
    double *scratch = allocate(first.count > second.count ? first.count : second.count);
    double *ratios = allocate(HX_BOOTSTRAP_REPLICATES);
    bool is_told = scratch != NULL && ratios != NULL && resample_ratios(first, second, seed, scratch, ratios);
    if (is_told) {
        sort(ratios, HX_BOOTSTRAP_REPLICATES);
        *ratio = (struct hx_ratio){.ratio = above / below,
                                   .low = quantile(ratios, HX_BOOTSTRAP_REPLICATES, interval_tail),
                                   .high = quantile(ratios, HX_BOOTSTRAP_REPLICATES, 1 - interval_tail)};
    }
    free(ratios);
    free(scratch);
    return is_told;
}

/* How often a value of `first` is below one of `second`, equal ones counted half: U of the second sample. */
static double pairs_below(struct hx_sample first, struct hx_sample second)
{
    double pairs = 0;
    for (size_t i = 0; i < first.count; i++)
        for (size_t j = 0; j < second.count; j++)
            pairs += first.values[i] < second.values[j] ? 1 : first.values[i] == second.values[j] ? 0.5 : 0;
    return pairs;
}

/* Sum of t^3 - t over the groups of t equal values of both samples; NaN when memory is short. */
static double tie_sum(struct hx_sample first, struct hx_sample second)
{
    size_t count = first.count + second.count;
    double *all = allocate(count);
    if (all == NULL)
        return NAN;
    memcpy(all, first.values, first.count * sizeof(*all));
    memcpy(all + first.count, second.values, second.count * sizeof(*all));
    sort(all, count);
    double sum = 0;
    for (size_t i = 0, end = 0; i < count; i = end) {
        while (end < count && all[end] == all[i])
            end++;
        double equal = (double)(end - i);
        sum += equal * equal * equal - equal;
    }
    free(all);
    return sum;
}

/*
 * Multiplies by (1 - q^above) / (1 - q^below), which together make the Gaussian binomial: its coefficient of q^u is in how
 * many orders of two samples U is u.
 */
static void multiply(double *coefficients, size_t last, size_t above, size_t below)
{
    for (size_t u = last; u >= above; u--)
        coefficients[u] -= coefficients[u - above];
    for (size_t u = below; u <= last; u++)
        coefficients[u] += coefficients[u - below];
}

static double exact_p(size_t first_count, size_t second_count, double pairs)
{
    size_t last = first_count * second_count;
    double *orders = allocate(last + 1);
    if (orders == NULL)
        return NAN;
    orders[0] = 1;
    for (size_t i = 1; i <= first_count; i++)
        multiply(orders, last, second_count + i, i);
    size_t far = (size_t)(pairs > (double)last - pairs ? pairs : (double)last - pairs);
    double tail = 0, total = 0;
    for (size_t u = 0; u <= last; u++) {
        total += orders[u];
        tail += u >= far ? orders[u] : 0;
    }
    free(orders);
    return fmin(1, 2 * tail / total);
}

static double approximate_p(struct hx_sample first, struct hx_sample second, double pairs, double ties)
{
    double n = (double)first.count, m = (double)second.count, all = n + m;
    double variance = n * m / 12 * (all + 1 - ties / (all * (all - 1)));
    if (variance <= 0)
        return 1;
    double distance = fmax(0, fabs(pairs - n * m / 2) - 0.5);
    return erfc(distance / sqrt(variance) / sqrt(2));
}

double hx_mann_whitney_p(struct hx_sample first, struct hx_sample second)
{
    if (first.count == 0 || second.count == 0)
        return 1;
    double ties = tie_sum(first, second);
    if (isnan(ties))
        return NAN;
    double pairs = pairs_below(first, second);
    if (ties == 0 && first.count <= EXACT_COUNT_MAX && second.count <= EXACT_COUNT_MAX)
        return exact_p(first.count, second.count, pairs);
    return approximate_p(first, second, pairs, ties);
}

double hx_mann_whitney_least_p(size_t first_count, size_t second_count)
{
    /* Two orders of all: one sample wholly below the other. */
    double orders = 1;
    for (size_t i = 1; i <= first_count; i++)
        orders *= (double)(second_count + i) / (double)i;
    return fmin(1, 2 / orders);
}
