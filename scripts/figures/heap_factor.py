"""Shared by the figures of overhead against the heap factor: a panel for each workload, and their geometric mean."""
import configurations
import figure_data as data
import figure_style as look
import overhead
from measured_runs import counted


def drawn(results, clock, name):
    given = [one for members in results.plain.values() for one in members if one.heap_factor is not None]
    kept = configurations.of_one_unit(given)
    unit = kept[0].limit_unit if kept else None
    limited = {workload: [one for one in members if unit and one.limit_unit == unit] for workload, members in results.plain.items()}
    limited = {workload: members for workload, members in limited.items() if members}
    finished = {workload: members for workload, members in limited.items() if any(one.ok for one in members)}
    data.need(finished, "a run with a heap factor")
    free = {workload: [one for one in configurations.representative(results.plain[workload]) if one.heap_factor is None and one.ok]
            for workload in limited}
    figure, all_axes = look.panels([*limited, "all: geometric mean"])
    every = [one for group in (limited, free) for members in group.values() for one in members]
    styles = data.styles_of((_label(results, one), one.policy) for one in every)
    for axes, workload in zip(all_axes, limited):
        _draw_workload(axes, results, clock, limited[workload], free[workload], styles)
    _draw_means(all_axes[-1], results, clock, finished, styles)
    factors = sorted({one.heap_factor for members in limited.values() for one in members})
    for axes in all_axes:
        axes.set_xticks(factors, [f"{factor:g}" for factor in factors])
        look.axis(axes, "y", log=True)
    look.label_edges(all_axes, f"limit, in {unit}s", f"{name}, LBO")
    what = (f"Overhead against the heap factor: {name} as a multiple of its lower bound (LBO) under a limit of so many times the {unit}; level lines are "
            f"without a limit. The mean is over the {counted(len(finished), 'workload')} that any policy finished under a limit, and only where all of these were finished."
            f"{_left_out(len(given) - len(kept))}")
    handles = styles.handles(unmarked={_label(results, one) for members in free.values() for one in members}) + data.failure_handles(every)
    return figure, data.caption(what, every, data.MEDIANS), handles


def _left_out(count):
    """What the caption says of limits in the other unit, which have no place on this axis."""
    if not count:
        return ""
    return f" Left out: {counted(count, 'configuration')} whose limit is a multiple of the {configurations.LIVE_SIZE} instead."


def _label(results, one):
    return results.label(one) + ("" if one.heap_factor is not None else ", no limit")


def _draw_workload(axes, results, clock, limited, free, styles):
    lbo = results.lbo(clock)
    for one in free:
        band = one.interval(lbo)
        if band:
            axes.axhline(band[0], linewidth=0.9, **styles.line(_label(results, one), one.policy))
    groups = {}
    for one in sorted(limited, key=lambda one: one.heap_factor):
        groups.setdefault(_label(results, one), []).append(one)
    for label, along in groups.items():
        known = [(one.heap_factor, one.interval(lbo)) for one in along if one.interval(lbo)]
        if known:
            look.curve(axes, *zip(*known), styles.of(label, along[0].policy))
    failed = [one for one in limited for _ in one.failed]
    look.mark_failures(axes, [styles.of(_label(results, one), one.policy) for one in failed], [one.heap_factor for one in failed])


def _draw_means(axes, results, clock, finished, styles):
    values = {workload: {(_label(results, one), one.policy, one.heap_factor): (one.interval(results.lbo(clock)) or [None])[0]
                         if not one.failed else None for one in members} for workload, members in finished.items()}
    curves = {}
    for (label, policy, factor), mean in overhead.geometric_means(values).items():
        if mean is not None:
            curves.setdefault((label, policy), []).append((factor, mean))
    for (label, policy), points in curves.items():
        axes.plot(*zip(*sorted(points)), **styles.of(label, policy))
    if not curves:
        axes.text(0.5, 0.5, "no heap factor at which\nall came to their end", ha="center", va="center", transform=axes.transAxes, color=look.GREY)
