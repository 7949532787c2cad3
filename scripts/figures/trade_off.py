"""Shared by the figures that set one cost against another: a curve along each policy's axis, rivals without one as points."""
import figure_data as data
import figure_style as look


def drawn(results, x_of, y_of):
    """(figure, axes, configurations, legend) of a panel for each workload: `x_of` and `y_of` are figures of a run, names or functions."""
    chosen = {workload: members for workload, members in results.plain.items() if any(_points(members, x_of, y_of))}
    data.need(chosen, "a run with both figures, without stalls and observers")
    figure, all_axes = look.panels(list(chosen), height_inches=2.1)
    styles, every = look.Styles(), [one for members in chosen.values() for one in members]
    for label, policy in sorted({(results.curve_label(one), one.policy) for one in every}):
        styles.of(label, policy)
    for axes, members in zip(all_axes, chosen.values()):
        for label, along in results.curves(members).items():
            _draw_curve(axes, along, styles.of(label, along[0].policy), x_of, y_of)
        look.mark_failures(axes, [styles.of(results.curve_label(one), one.policy) for one in members for _ in one.failed])
    handles = styles.handles() + ([look.failure_handle()] if any(one.failed for one in every) else [])
    return figure, all_axes, every, handles


def _points(members, x_of, y_of):
    """(configuration, x, y) of those that have both, each with its interval."""
    for one in members:
        x, y = one.interval(x_of), one.interval(y_of)
        if x and y and x[1] > 0 and y[1] > 0:
            yield one, x, y


def _draw_curve(axes, along, style, x_of, y_of):
    points = list(_points(along, x_of, y_of))
    if not points:
        return
    axes.plot([x[0] for _, x, _ in points], [y[0] for _, _, y in points], **{**style, "marker": "", "linewidth": 1})
    for _, x, y in points:
        look.whiskers(axes, x, y, style, markersize=4)
    if len(points) > 2:
        for one, x, y in (points[0], points[-1]):
            axes.annotate(data.degree_text(one), (x[0], y[0]), xytext=(3, 3), textcoords="offset points", fontsize=6, color=style["color"])
