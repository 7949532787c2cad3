"""Pauses against the live heap: does stopping take longer when more is alive?"""
import configurations
import figure_data as data
import figure_style as look


def draw(results):
    members = [one for every in results.plain.values() for one in every if one.heap_factor is None]
    usable = [one for one in members if _point(one, "pauses.max_ns")]
    data.need(len({one.workload for one in usable}) > 1, "runs of at least two workloads or sizes with pauses and peak_live_bytes")
    shown = _one_pacing(usable)
    figure, all_axes = look.panels(["99th percentile of a run's pauses", "its longest pause"], height_inches=3.0, columns=2, width_inches=7.4)
    styles = data.styles_of((results.label(one), one.policy) for one in shown)
    failed = [one for one in members if one.failed]
    for axes, name in zip(all_axes, ("pauses.p99_ns", "pauses.max_ns")):
        _draw_panel(axes, results, shown, styles, name)
        look.mark_failures(axes, [styles.of(results.label(one), one.policy) for one in failed for _ in one.failed])
    look.label_edges(all_axes, "peak live, bytes", "pause")
    handles = styles.handles() + data.failure_handles(failed)
    what = ("Pauses against the live heap: a point for each workload and policy at its default pacing, or the middle one; a line joins the sizes of one "
            "workload. On the lower edge: no pause.")
    return figure, data.caption(what, shown + [one for one in failed if one not in shown], data.MEDIANS), handles


def _point(one, name):
    x, y = one.interval("peak_live_bytes"), one.interval(name)
    return (x, y) if x and y and x[1] > 0 else None


def _one_pacing(members):
    """Of each workload the representative configurations."""
    return [one for group in configurations.by_workload(members).values() for one in configurations.representative(group)]


def _draw_panel(axes, results, shown, styles, name):
    families, zeros = {}, []
    for one in shown:
        point, style = _point(one, name), styles.of(results.label(one), one.policy)
        if point and point[1][1] > 0:
            look.whiskers(axes, point[:1], point[1:], style)
            families.setdefault((one.workload.partition(":")[0], results.label(one), one.policy), []).append((point[0][0], point[1][0]))
        elif point:
            zeros.append(((point[0][0], point[1][0]), style))
    for (_, label, policy), points in sorted(families.items()):
        if len(points) > 1:
            axes.plot(*zip(*sorted(points)), **{**styles.line(label, policy), "linewidth": 1})
    look.axis(axes, "x", "bytes", log=True)
    look.axis(axes, "y", "ns", log=True)
    for point, style in zeros:
        look.on_the_edge(axes, [point], style)
