"""Statistics of repeated runs: medians with seeded bootstrap intervals, ratios, and the slope of a series.

Sources: percentile bootstrap, Efron and Tibshirani 1993; slope, Theil 1950 and Sen 1968. scipy tells whether two
samples differ (scipy.stats.mannwhitneyu).
"""
import functools

try:
    import numpy
except ImportError:
    # --help works without it; measured_runs.start says that it is missing, for the scripts that name it.
    numpy = None

REPLICATES = 2000
SEED = 1


@functools.lru_cache(maxsize=16)
def resamples(count, replicates=REPLICATES, seed=SEED):
    """Indices of `replicates` samples of `count`, drawn with replacement; shape (replicates, count), read-only."""
    indices = numpy.random.default_rng(seed).integers(0, count, size=(replicates, count))
    indices.flags.writeable = False
    return indices


def percentile_interval(values, level=0.95):
    """(low, high) that the middle `level` of `values` lies in."""
    tail = (1 - level) / 2 * 100
    low, high = numpy.percentile(values, [tail, 100 - tail])
    return float(low), float(high)


def median_interval(values, level=0.95, seed=SEED):
    """(median, low, high): the interval is a bootstrap's; of one value it is that value."""
    sample = numpy.asarray(values, dtype=float)
    if sample.size == 0:
        raise ValueError("no values")
    medians = numpy.median(sample[resamples(sample.size, seed=seed)], axis=1)
    return (float(numpy.median(sample)), *percentile_interval(medians, level))


def geometric_mean(values):
    """Of positive values."""
    return float(numpy.exp(numpy.mean(numpy.log(numpy.asarray(values, dtype=float)))))


def theil_sen(xs, ys):
    """Median slope over all pairs with different x; 0 when there is no such pair."""
    xs, ys = numpy.asarray(xs, dtype=float), numpy.asarray(ys, dtype=float)
    first, second = numpy.triu_indices(xs.size, 1)
    steps = xs[second] - xs[first]
    used = steps != 0
    if not used.any():
        return 0.0
    return float(numpy.median((ys[second] - ys[first])[used] / steps[used]))
