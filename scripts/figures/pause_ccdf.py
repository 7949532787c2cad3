"""Pauses: the share of them that is longer than a duration (CCDF), beside the platform's own hiccups."""
import numpy

import figure_data as data
import figure_style as look
import intervals

GRID_NS = numpy.logspace(2, 10, 128)


def tail_shares(histogram):
    """Share of all entries above each duration of the grid; a bucket counts as its upper edge."""
    edges = numpy.array([bucket["high_ns"] for bucket in histogram["buckets"]], dtype=float)
    counts = numpy.array([bucket["count"] for bucket in histogram["buckets"]], dtype=float)
    order = numpy.argsort(edges)
    below = numpy.concatenate([[0], numpy.cumsum(counts[order])])
    return 1 - below[numpy.searchsorted(edges[order], GRID_NS, side="right")] / counts.sum()


def band(histograms):
    """Mean share over the runs with its bootstrap interval, at each duration: three arrays."""
    shares = numpy.array([tail_shares(histogram) for histogram in histograms])
    means = shares[intervals.resamples(len(shares), 400)].mean(axis=1)
    low, high = numpy.percentile(means, [2.5, 97.5], axis=0)
    return shares.mean(axis=0), low, high


def histograms(one, name):
    return [run.document[name] for run in one.ok if (run.document.get(name) or {}).get("buckets")]


def _draw_curve(axes, found, style):
    middle, low, high = band(found)
    shown = middle > 0
    axes.plot(GRID_NS[shown], middle[shown], **style)
    axes.fill_between(GRID_NS[shown], numpy.maximum(low[shown], 1e-9), high[shown], color=style["color"], alpha=0.15, linewidth=0)
    return middle[shown].min() if shown.any() else 1.0


def draw(results):
    chosen = results.shown(lambda one: histograms(one, "pauses"), "a run with pauses, without stalls and observers")
    figure, all_axes = look.panels(list(chosen))
    drawn, has_floor = [one for members in chosen.values() for one in members], False
    styles = data.styles_of((results.label(one), one.policy) for one in drawn)
    for axes, members in zip(all_axes, chosen.values()):
        lowest = min((_draw_curve(axes, histograms(one, "pauses"), styles.sparse(results.label(one), one.policy, 60))
                      for one in members if histograms(one, "pauses")), default=0.1)
        floor = [histogram for one in members for histogram in histograms(one, "hiccups")]
        if floor:
            has_floor = True
            lowest = min(lowest, _draw_curve(axes, floor, _FLOOR))
        look.axis(axes, "x", "ns", log=True)
        look.axis(axes, "y", "plain", log=True)
        axes.set_ylim(max(lowest * 0.7, 1e-7), 1.5)
        look.mark_failures(axes, [styles.of(results.label(one), one.policy) for one in members for _ in one.failed])
    look.label_edges(all_axes, "duration", "share that is longer")
    handles = styles.handles() + ([look.Line2D([], [], label="hiccups of the platform", **_FLOOR)] if has_floor else []) + data.failure_handles(drawn)
    note = "" if has_floor else " These results have no hiccups, so the platform's floor is not shown."
    what = f"Pauses: share of a run's pauses that is longer than a duration, mean over the runs with bootstrap 95 % intervals, {data.count_text(drawn)}; a curve ends at the longest.{note}"
    return figure, data.caption(what, drawn), handles


_FLOOR = {"color": look.BLACK, "linestyle": (0, (1, 1)), "linewidth": 1.0}
