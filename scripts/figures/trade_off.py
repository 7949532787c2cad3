"""Shared by the figures that set one cost against another: a curve along each policy's axis, rivals without one as points."""
import figure_data as data
import figure_style as look


def drawn(results, x_of, y_of, x_unit, y_unit):
    """(figure, axes, configurations, legend) of a panel for each workload: `x_of` and `y_of` are figures of a run, names or functions."""
    chosen = {workload: members for workload, members in results.plain.items() if _points(members, x_of, y_of) or any(one.failed for one in members)}
    data.need(any(_points(members, x_of, y_of) for members in chosen.values()), "a run with both figures, without stalls and observers")
    figure, all_axes = look.panels(list(chosen), height_inches=2.1)
    every = [one for members in chosen.values() for one in members]
    styles = data.styles_of((results.curve_label(one), one.policy) for one in every)
    for axes, members in zip(all_axes, chosen.values()):
        curves = [(styles.of(label, along[0].policy), _points(along, x_of, y_of)) for label, along in results.curves(members).items()]
        _draw_panel(axes, curves, x_unit, y_unit)
        look.mark_failures(axes, [styles.of(results.curve_label(one), one.policy) for one in members for _ in one.failed])
    handles = styles.handles() + data.failure_handles(every)
    return figure, all_axes, every, handles


def _points(members, x_of, y_of):
    """[(configuration, x, y)] of those that have both, each with its interval."""
    points = ((one, one.interval(x_of), one.interval(y_of)) for one in members)
    return [point for point in points if point[1] and point[2]]


def _set_axes(axes, x_unit, y_unit):
    look.axis(axes, "x", x_unit, log=True)
    look.axis(axes, "y", y_unit, log=True)


def _draw_panel(axes, curves, x_unit, y_unit):
    for style, points in curves:
        shown = [(x, y) for _, x, y in points if x[1] > 0 and y[1] > 0]
        if shown:
            xs, ys = zip(*shown)
            axes.plot([x[0] for x in xs], [y[0] for y in ys], **{**style, "marker": "", "linewidth": 1})
            look.whiskers(axes, xs, ys, style, markersize=4)
    _set_axes(axes, x_unit, y_unit)
    named = []
    for style, points in curves:
        zeros = [(x[0], y[0]) for _, x, y in points if x[1] <= 0 or y[1] <= 0]
        if zeros:
            look.on_the_edge(axes, zeros, {**style, "markersize": 4})
            _set_axes(axes, x_unit, y_unit)
        if len(points) > 2:
            named += [(x[0], y[0], data.degree_text(one), style["color"]) for one, x, y in (points[0], points[-1]) if x[1] > 0 and y[1] > 0]
    look.name_points(axes, named)
