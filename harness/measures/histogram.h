/**
 * Log-linear histogram of durations, in the manner of HdrHistogram (G. Tene, 2012).
 *
 * Every octave from 64 on is cut into 64 equal buckets; below, every value has its own. Any 64-bit
 * value fits. A quantile is the upper edge of its bucket, so it is never below the exact one and at
 * most 1/64 of it above; a test holds it to that. Adding allocates nothing.
 */
#ifndef HX_HISTOGRAM_H
#define HX_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

enum {
    HX_HISTOGRAM_LINEAR = 64, /**< buckets an octave: the relative error is at most one over this */
    HX_HISTOGRAM_BUCKETS = HX_HISTOGRAM_LINEAR * 59,
};

/** Zeroed: empty. */
struct hx_histogram {
    uint64_t count;
    uint64_t total;
    uint64_t maximum; /**< exact */
    uint64_t buckets[HX_HISTOGRAM_BUCKETS];
};

void hx_histogram_add(struct hx_histogram *histogram, uint64_t value);

/** Add what `from` holds. */
void hx_histogram_merge(struct hx_histogram *histogram, const struct hx_histogram *from);

/** The value that `fraction` (0 .. 1) of the samples do not exceed; 0 when empty. Cost: O(buckets). */
uint64_t hx_histogram_quantile(const struct hx_histogram *histogram, double fraction);

/** Lowest and highest value that share bucket `index`. */
uint64_t hx_histogram_bucket_low(size_t index);
uint64_t hx_histogram_bucket_high(size_t index);

#endif
