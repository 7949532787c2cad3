"""Numbers of the paper's smaller sweeps: a cycle at every safepoint, a stalled guard, and one processor more.

Each may be missing from the results; the text asks with \\ifmeasured. Ratios are of medians over a cell's runs.
"""
import statistics

import configurations
import intervals
from configurations import workload_name
from measured_runs import size
from paper_text import ABSENT, code, listed, number

MIB = 2**-20
ALWAYS = "always"


def ratio_of_medians(one, other, figure):
    """Median of `one` by that of `other`; None where a run of either did not end well, or there is no such figure."""
    if one.failed or other.failed:
        return None
    ours, theirs = one.values(figure), other.values(figure)
    return statistics.median(ours) / statistics.median(theirs) if ours and theirs and statistics.median(theirs) else None


def extremes(key, by_name, digits=2):
    """The least and the most of {name: ratio}, each with its name."""
    for end, choose in (("least", min), ("most", max)):
        name = choose(by_name, key=by_name.get, default=None)
        yield f"{key}.{end}", ABSENT if name is None else number(by_name[name], digits)
        yield f"{key}.{end}.workload", ABSENT if name is None else code(workload_name(name))


def always(sources):
    """Against the other rule of the same sweep."""
    found = configurations.by_workload(configurations.configurations(sources.always))
    others = sorted({run.pacing for run in sources.always} - {ALWAYS})
    yield "always.rule", code(others[0]) if others else ABSENT
    yield "always.workloads", number(len(found))
    pairs = {workload: {one.pacing: one for one in members} for workload, members in found.items()}
    pairs = {workload: (rules[ALWAYS], rules[others[0]]) for workload, rules in pairs.items() if others and {ALWAYS, others[0]} <= set(rules)}
    for key, figure in (("cpu", "cpu_ns"), ("footprint", "mean_footprint_bytes")):
        ratios = {workload: value for workload, pair in pairs.items() if (value := ratio_of_medians(*pair, figure)) is not None}
        yield f"always.{key}", number(intervals.geometric_mean(list(ratios.values())), 2) if ratios else ABSENT
        yield from extremes(f"always.{key}", ratios)
    yield "always.completed", number(sum(not one.failed for one, _ in pairs.values()))


def stalls(sources):
    found = configurations.configurations(sources.stalls)
    yield "stalls.runs", number(len(sources.stalls))
    lost = [run for run in sources.stalls if not run.is_ok]
    yield "stalls.failed", number(len(lost))
    yield "stalls.failed.rules", listed(sorted({run.pacing for run in lost}, key=lambda rule: size(rule.partition(":")[2])))
    yield "stalls.named", number(sum(bool(run.document.get("guards")) for run in sources.stalls))
    held = sorted({float(str(one.settings["stall"]).split(":")[2].removesuffix("ms")) for one in found if one.settings["stall"]})
    yield "stalls.held-ms", " and ".join(f"{duration:g}" for duration in held) or ABSENT
    yield "stalls.rules", ", ".join(code(rule) for rule in sorted({one.pacing for one in found}, key=lambda rule: size(rule.partition(":")[2])))
    backlogs = [statistics.median(values) * MIB for one in found if (values := one.values("peak_backlog_bytes"))]
    for end, choose in (("least", min), ("most", max)):
        yield f"stalls.backlog.{end}-mib", number(choose(backlogs, default=None), 0)


def scaling(sources):
    """The collector's thread against none, and two workers against one."""
    found = configurations.by_workload(configurations.configurations(sources.scaling))
    for key, setting, figures in (("threads", "collector_threads", ("cpu_ns", "wall_ns", "pauses.p99_ns")),
                                  ("workers", "workers", ("throughput_bytes_per_s",))):
        pairs = {}
        for workload, members in found.items():
            by_count = {one.settings[setting]: one for one in members if one.settings[setting] is not None}
            if len(by_count) > 1:
                pairs[workload] = (by_count[max(by_count)], by_count[min(by_count)])
        yield f"scaling.{key}.workloads", number(len(pairs))
        for figure in figures:
            ratios = {workload: value for workload, pair in pairs.items() if (value := ratio_of_medians(*pair, figure)) is not None}
            yield from extremes(f"scaling.{key}.{figure.partition('.')[2] or figure}".replace("_", "-"), ratios)
