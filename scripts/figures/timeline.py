"""Timeline of one run under epoch: memory, cycles, stops and slices over wall time."""
import bisect
import dataclasses

import configurations
import figure_data as data
import figure_style as look

MOST_CYCLES = 120
KINDS = {"young": (look.SKY, "o", "young cycle"), "full": (look.VERMILION, "s", "full cycle"), "fallback": (look.BLACK, "D", "full cycle, finished by a stop")}


def chosen_run(results):
    """Of the representative runs of epoch with at most so many cycles that they are told apart, the one with the most full cycles."""
    runs = [run for members in results.plain.values() for one in configurations.representative(members) if one.policy.startswith("epoch")
            for run in one.ok if len(run.document.get("series") or []) > 1 and run.document.get("cycles")]
    few = [run for run in runs if len(run.document["cycles"]) <= MOST_CYCLES]
    if few:
        return max(few, key=lambda run: sum(cycle["kind"] == "full" and cycle["is_concurrent"] for cycle in run.document["cycles"]))
    return min(runs, key=lambda run: len(run.document["cycles"]), default=None)


def time_at(points):
    """Function from the allocation clock to ns since the start, by the series."""
    clocks = [p["clock_bytes"] for p in points]

    def at(clock):
        index = min(max(bisect.bisect_left(clocks, clock), 1), len(points) - 1)
        a, b = points[index - 1], points[index]
        share = (clock - a["clock_bytes"]) / max(b["clock_bytes"] - a["clock_bytes"], 1)
        return a["t_ns"] + min(max(share, 0), 1) * (b["t_ns"] - a["t_ns"])

    return at


def kind_of(cycle):
    return "fallback" if cycle["is_fallback"] else cycle["kind"]


def draw(results):
    run = chosen_run(results)
    data.need(run, "a run of epoch with a series and cycles")
    points, cycles = run.document["series"], [cycle for cycle in run.document["cycles"] if cycle["trigger"] != "quiesce"]
    has_parts = any(cycle["slice_count"] + cycle["assist_count"] for cycle in cycles)
    rows = {"longest stop of each cycle": (lambda cycle: cycle["max_pause_ns"], "ns"), "objects that each cycle looked at": (lambda cycle: cycle["traced_objects"], "plain")}
    if has_parts:
        rows["slices and assists of each cycle"] = (lambda cycle: cycle["slice_count"] + cycle["assist_count"], "plain")
    figure, all_axes = look.panels(["memory", *rows], height_inches=1.5, columns=1, width_inches=7.4)
    handles, at = _draw_memory(all_axes[0], points), time_at(points)
    for axes, (value_of, unit) in zip(all_axes[1:], rows.values()):
        _draw_cycles(axes, cycles, at, value_of)
        look.axis(axes, "y", unit, log=True)
    for axes in all_axes:
        axes.set_xlim(0, points[-1]["t_ns"])
        look.axis(axes, "x", "ns")
    all_axes[-1].set_xlabel("time since the first step")
    seen = {kind_of(cycle) for cycle in cycles}
    handles += [look.Line2D([], [], color=color, marker=mark, linestyle="", label=name) for kind, (color, mark, name) in KINDS.items() if kind in seen]
    one = next(one for one in results.found if any(other is run for other in one.runs))
    parts = "" if has_parts else " No cycle was worked on in slices or assists."
    what = (f"Timeline of one run: {run.policy} on {run.workload}, pacing {run.pacing}; n = 1, {len(cycles)} cycles, without those that end the run. "
            f"Cycles stand where they ended on the allocation clock; a bar reaches back over the time in which one marked beside the program.{parts}")
    return figure, data.caption(what, [dataclasses.replace(one, runs=(run,))]), handles


def _draw_memory(axes, points):
    times = [p["t_ns"] for p in points]
    handles = []
    for name, text, color, line in (("committed_bytes", "committed", look.BLUE, "-"), ("live_bytes", "live", look.GREEN, "--"),
                                    ("backlog_bytes", "retired, not reusable", look.ORANGE, ":")):
        handles += axes.plot(times, [p[name] for p in points], color=color, linestyle=line, linewidth=1.1, label=text)
    look.axis(axes, "y", "bytes")
    axes.set_ylim(bottom=0)
    return handles


def _draw_cycles(axes, cycles, at, value_of):
    for cycle in cycles:
        color, mark, _ = KINDS[kind_of(cycle)]
        if value_of(cycle) == 0:
            continue
        t, value = at(cycle["clock_bytes"]), value_of(cycle)
        if cycle["mark_ns"]:
            axes.plot([t - cycle["mark_ns"], t], [value, value], color=color, linewidth=3, alpha=0.35, solid_capstyle="butt")
        axes.plot([t], [value], color=color, marker=mark, markersize=3.5, linestyle="")
