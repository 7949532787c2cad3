"""Backlog under a stalled guard: retired memory that cannot be reused while a reader holds an old epoch."""
import figure_data as data
import figure_style as look
import measured_runs


def stall_begin(one):
    """Clock from which the guard is held, of "observer-0:32M:50ms"."""
    parts = str(one.settings["stall"]).split(":")
    try:
        return measured_runs.size(parts[1])
    except (IndexError, ValueError):
        return None


def draw(results):
    stalled = [one for one in results.found if one.settings["stall"]]
    panels = {}
    for one in stalled:
        panels.setdefault((one.workload, one.settings["stall"]), []).append(one)
    data.need(any(data.series(one) for one in stalled), "a run with a stalled guard (--stall) and a series")
    figure, all_axes = look.panels([f"{workload}, {stall}" for workload, stall in panels])
    every = [one for members in panels.values() for one in members]
    styles = data.styles_of((_label(results, one, every), one.policy) for one in every)
    for axes, members in zip(all_axes, panels.values()):
        _draw_panel(axes, [(one, styles, _label(results, one, every)) for one in members])
        look.mark_failures(axes, [styles.of(_label(results, one, every), one.policy) for one in members for _ in one.failed])
    look.label_edges(all_axes, "bytes allocated", "backlog, bytes")
    handles = [*styles.handles(), look.Line2D([], [], color=look.GREY, linestyle=":", label="the guard is taken")]
    if any(one.failed for one in every):
        handles.append(look.failure_handle())
    what = ("Backlog under a stalled guard: bytes retired and not yet reusable over the allocation clock, one run each, while an observer holds its guard "
            f"for the time named last.{_reports(every)}")
    return figure, data.caption(what, every), handles


def _label(results, one, every):
    pacings = {other.pacing for other in every if other.policy == one.policy}
    return results.label(one) + (f", {one.pacing}" if len(pacings) > 1 else "")


def _draw_panel(axes, curves):
    for one, styles, label in curves:
        points = data.series(one)
        if points:
            style = styles.sparse(label, one.policy, len(points), marks=8)
            axes.plot([p["clock_bytes"] for p in points], [p["backlog_bytes"] for p in points], **{**style, "linewidth": 1.1})
    begin = stall_begin(curves[0][0])
    if begin is not None:
        axes.axvline(begin, color=look.GREY, linestyle=":", linewidth=1)
    look.axis(axes, "x", "bytes")
    look.axis(axes, "y", "bytes")
    axes.set_ylim(bottom=0)


def _reports(every):
    """How many guards the policies named."""
    reported = sum(1 for one in every for run in one.ok if run.document.get("guards"))
    runs = sum(len(one.ok) for one in every)
    return f" {reported} of {runs} runs named the guard that held memory back."
