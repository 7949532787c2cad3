"""Bounded mutator utilisation: the least share of any window of at least this length that is the program's."""
import figure_data as data
import figure_style as look
import intervals


def utilizations(one, name):
    """(windows, values) of the runs that have them; windows longer than a run have no value."""
    for run in one.ok:
        figures = run.document.get("utilization") or {}
        pairs = [pair for pair in zip(figures.get("windows_ns", ()), figures.get(name, ())) if pair[1] is not None]
        if pairs:
            yield dict(pairs)


def points(one, name):
    """Windows that every run has, and (median, low, high) at each."""
    runs = list(utilizations(one, name))
    windows = sorted(set.intersection(*map(set, runs))) if runs else []
    return windows, [intervals.median_interval([run[window] for run in runs]) for window in windows]


def draw(results):
    chosen = results.shown(lambda one: points(one, "bmu")[0], "a run with utilization (windows_ns, bmu)")
    figure, all_axes = look.panels(list(chosen))
    drawn = [one for members in chosen.values() for one in members]
    styles = data.styles_of((results.label(one), one.policy) for one in drawn)
    for axes, members in zip(all_axes, chosen.values()):
        for one in members:
            windows, bands = points(one, "bmu")
            if not windows:
                continue
            look.curve(axes, windows, bands, styles.of(results.label(one), one.policy), markersize=3)
            short, lows = points(one, "mmu")
            axes.plot(short, [middle for middle, _, _ in lows], color=styles.of(results.label(one), one.policy)["color"], linewidth=0.6, alpha=0.7)
        look.axis(axes, "x", "ns", log=True)
        axes.set_ylim(-0.02, 1.03)
        axes.yaxis.set_major_formatter(look.PercentFormatter(1))
        look.mark_failures(axes, [styles.of(results.label(one), one.policy) for one in members for _ in one.failed])
    look.label_edges(all_axes, "window", "utilisation")
    what = ("Bounded mutator utilisation: the least share of the time that is the program's in any window of at least this length (thin lines: of exactly "
            "this length).")
    return figure, data.caption(what, drawn, data.MEDIANS), styles.handles() + data.failure_handles(drawn)
