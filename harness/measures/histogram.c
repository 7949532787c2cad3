#include "histogram.h"

#include <assert.h>
#include <math.h>

enum { LINEAR_BITS = 6, EXACT_BUCKETS = 2 * HX_HISTOGRAM_LINEAR };

static size_t bucket_of(uint64_t value)
{
    if (value < EXACT_BUCKETS)
        return (size_t)value;
    unsigned shift = 63u - (unsigned)__builtin_clzll(value) - LINEAR_BITS;
    return (size_t)HX_HISTOGRAM_LINEAR * shift + (size_t)(value >> shift);
}

uint64_t hx_histogram_bucket_low(size_t index)
{
    assert(index < HX_HISTOGRAM_BUCKETS);
    if (index < EXACT_BUCKETS)
        return index;
    size_t shift = index / HX_HISTOGRAM_LINEAR - 1;
    return (uint64_t)(index - HX_HISTOGRAM_LINEAR * shift) << shift;
}

uint64_t hx_histogram_bucket_high(size_t index)
{
    if (index + 1 >= HX_HISTOGRAM_BUCKETS)
        return UINT64_MAX;
    return hx_histogram_bucket_low(index + 1) - 1;
}

void hx_histogram_add(struct hx_histogram *histogram, uint64_t value)
{
    size_t index = bucket_of(value);
    assert(index < HX_HISTOGRAM_BUCKETS);
    histogram->buckets[index]++;
    histogram->count++;
    histogram->total += value;
    if (value > histogram->maximum)
        histogram->maximum = value;
}

void hx_histogram_merge(struct hx_histogram *histogram, const struct hx_histogram *from)
{
    for (size_t i = 0; i < HX_HISTOGRAM_BUCKETS; i++)
        histogram->buckets[i] += from->buckets[i];
    histogram->count += from->count;
    histogram->total += from->total;
    if (from->maximum > histogram->maximum)
        histogram->maximum = from->maximum;
}

uint64_t hx_histogram_quantile(const struct hx_histogram *histogram, double fraction)
{
    assert(fraction >= 0 && fraction <= 1);
    if (histogram->count == 0)
        return 0;
    uint64_t rank = (uint64_t)ceil(fraction * (double)histogram->count);
    if (rank == 0)
        rank = 1;
    uint64_t seen = 0;
    for (size_t i = 0; i < HX_HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen >= rank) {
            uint64_t high = hx_histogram_bucket_high(i);
            return high < histogram->maximum ? high : histogram->maximum;
        }
    }
    return histogram->maximum;
}
