"""Growth of memory over the allocation clock, told from the series of a run.

The series is cut into blocks of equal clock; of each block the median and the maximum are taken, so that the saw-tooth
between two cycles does not count as growth. The slope is the median of the slopes of all pairs of blocks (Theil 1950,
Sen 1968).
"""
import statistics

from intervals import theil_sen
from measured_runs import BadInput

REDUCTIONS = (("median", statistics.median), ("maximum", max))
KEYS = ("live_bytes", "committed_bytes")


def after(series, clock_bytes, count):
    """The points from that clock on; BadInput where they are too few for `count` blocks."""
    points = [point for point in series if point["clock_bytes"] >= clock_bytes]
    if len(points) < 2 * count:
        raise BadInput(f"{len(points)} points after the warm-up, expected at least {2 * count}")
    return points


def blocks(points, key, count):
    """(middle clock, values) of `count` blocks of equal clock; empty blocks are left out."""
    first, last = points[0]["clock_bytes"], points[-1]["clock_bytes"]
    width = (last - first) / count
    cut = [[] for _ in range(count)]
    for point in points:
        cut[min(int((point["clock_bytes"] - first) / width), count - 1) if width else 0].append(point[key])
    return [(first + (i + 0.5) * width, values) for i, values in enumerate(cut) if values]


def slopes(points, count):
    """(key, reduction's name, bytes grown a byte allocated) of live and committed bytes, by medians and by maxima."""
    found = []
    for key in KEYS:
        cut = blocks(points, key, count)
        for name, reduce in REDUCTIONS:
            found.append((key, name, theil_sen([x for x, _ in cut], [reduce(values) for _, values in cut])))
    return found
