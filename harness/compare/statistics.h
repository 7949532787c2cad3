/** Statistics of two samples: medians, the ratio of medians with its interval, and whether the samples differ. */
#ifndef HX_STATISTICS_H
#define HX_STATISTICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Some values of one quantity; they belong to whoever measured them. */
struct hx_sample {
    const double *values;
    size_t count;
};

/** The ratio of two medians with the interval that holds it in 95 of 100 experiments. */
struct hx_ratio {
    double ratio, low, high;
};

enum { HX_BOOTSTRAP_REPLICATES = 2000 };

/** Median, of an even number the mean of the two in the middle; NaN of none, or when memory is short. */
double hx_median(struct hx_sample sample);

/**
 * Median of `second` by median of `first`, with a percentile bootstrap's interval; the same for the same `seed`.
 *
 * Both are resampled, each by itself. Of one value each the interval is the ratio.
 *
 * Returns: false when a sample is empty, memory is short, or a median to divide by is 0: there is no ratio then.
 * Cost:    HX_BOOTSTRAP_REPLICATES sorts of both.
 * Source:  Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3.
 */
bool hx_bootstrap_ratio(struct hx_sample first, struct hx_sample second, uint64_t seed, struct hx_ratio *ratio);

/**
 * How likely samples this far apart are when both come from one distribution: two-sided.
 *
 * Exact for at most 20 values each without ties, otherwise by the normal approximation, corrected for ties and
 * continuity.
 *
 * Returns: 0 .. 1; 1 where a sample is empty or all values are equal; NaN when memory is short.
 * Source:  Mann and Whitney, On a Test of Whether one of Two Random Variables is Stochastically Larger, 1947.
 */
double hx_mann_whitney_p(struct hx_sample first, struct hx_sample second);

/** The smallest p that samples of these sizes can have: below it nothing can be told, however far apart they are. */
double hx_mann_whitney_least_p(size_t first_count, size_t second_count);

#endif
