"""Runs put together by what was configured: one configuration has one run for each invocation of it."""
import dataclasses
import math
import pathlib

import intervals
import measured_runs
import result_set

# What a run is alike in when its time may be set against another's: the same work on the same machine in the same block.
# How the work is done (sharing, destructors) is no part of it: a policy that counts has no say in either.
WORK = ("workload", "sapi", "seed", "alloc", "iterations", "requests", "seconds", "mutator_work", "workers", "arrivals", "cold_every", "max_requests",
        "observers", "stall", "inject", "garbage")
# What a configuration is alike in, beside its workload, policy, pacing and heap factor.
SETTINGS = ("collector_threads", "observers", "stall", "workers", "memory_limit", "alloc", "requests", "iterations")
# Workload, policy, pacing, heap factor and its unit: what a configuration's key begins with.
CELL_VALUES = 5

# Of a policy that has cycles, unless an option says otherwise (SM_THRESHOLD_DEFAULT_MIB).
DEFAULT_PACING = "fixed:32M"

# Units of a limit: factors of different ones are different sizes, and belong on no common axis.
LIVE_SIZE, MINHEAP = "live size", "minheap"


def setting(run, name):
    """Value of an option after defaulting; None where the document has none, as that of a refused cell."""
    return run.document.get("config", {}).get(name, {}).get("value")


def limit(run):
    """The memory limit as (factor, unit), a multiple of the workload's analytic live size or of its minheap; (None, None) without one."""
    given = ((run.cell.get(name) or setting(run, name), unit) for name, unit in (("heap_factor", LIVE_SIZE), ("minheap_factor", MINHEAP)))
    return next(((factor, unit) for factor, unit in given if factor is not None), (None, None))


def limit_text(run):
    """"x2 minheap"; "none" without a limit that is a multiple."""
    factor, unit = limit(run)
    return "none" if factor is None else f"x{factor:g} {unit}"


def heap_factor(run):
    """The number of the limit alone, for runs that are known to have one unit; None without a limit."""
    return limit(run)[0]


def workload_name(text):
    """A workload as figures and texts show it: of a trace its name alone, wherever it lay."""
    if not text.startswith("trace:") and ".sapitrace" not in text:
        return text
    path, _, options = text.removeprefix("trace:").partition(",")
    return f"trace {pathlib.PurePath(path).name.partition('.sapitrace')[0]}" + (f",{options}" if options else "")


def work(run):
    """Runs with the same value did the same work in the same block, so that their times may be compared."""
    return (run.workload, run.block, *(setting(run, name) for name in WORK[1:]))


def without_block(key):
    """Of a value of work: the same work in whatever block."""
    return key[:1] + key[2:]


@dataclasses.dataclass(frozen=True)
class Configuration:
    workload: str
    policy: str
    pacing: str
    heap_factor: float
    limit_unit: str  # of the heap factor; None without one
    settings: dict
    runs: tuple

    @property
    def ok(self):
        return [run for run in self.runs if run.is_ok]

    @property
    def failed(self):
        return [run for run in self.runs if not run.is_ok]

    @property
    def is_plain(self):
        """One process without observers: what the workload and the policy do alone."""
        return not self.settings["observers"] and not self.settings["stall"] and self.settings["workers"] in (None, 1)

    @property
    def rule(self):
        """Name of the pacing rule; None where there is none."""
        return self.pacing.partition(":")[0] if self.pacing else None

    @property
    def degree(self):
        """Number of the pacing rule, bytes of fixed:SIZE."""
        return pacing_order(self.pacing)[1]

    def values(self, figure):
        """Of the runs that came to their end and have it; `figure` is a metric's name or a function of a run."""
        read = figure if callable(figure) else lambda run: run.metric(figure)
        return [value for value in map(read, self.ok) if value is not None]

    def interval(self, figure):
        """(median, low, high) with the 95 % interval; None where no run has the figure."""
        values = self.values(figure)
        return intervals.median_interval(values) if values else None


def pacing_order(pacing):
    """Key that sorts pacing by rule and then by its number; None comes first."""
    rule, _, value = (pacing or "").partition(":")
    try:
        return rule, float(measured_runs.size(value)) if rule == "fixed" else float(value)
    except (ValueError, IndexError):
        return rule, math.inf if value or rule == "never" else 0.0


def _key(run):
    return (run.workload, run.policy, run.pacing, *limit(run), *(setting(run, name) for name in SETTINGS))


def thinning(drawn_points, other_points):
    """What result_set.load keeps: so many points of series and cycles of the first run of each configuration that has a series, which is
    the one that figures draw over time, and so many of the other runs. A function from Run to Run, for runs in their order."""
    seen = set()

    def reduced(run):
        key = _key(run)
        is_drawn = run.is_ok and bool(run.document.get("series")) and key not in seen
        if is_drawn:
            seen.add(key)
        return dataclasses.replace(run, document=result_set.thinned(run.document, drawn_points if is_drawn else other_points))

    return reduced


def configurations(runs):
    """All configurations, in the order in which their first runs come."""
    groups = {}
    for run in runs:
        groups.setdefault(_key(run), []).append(run)
    groups = {key: (dict(zip(SETTINGS, key[CELL_VALUES:], strict=True)), members) for key, members in groups.items()}
    return [Configuration(*key[:CELL_VALUES], settings, tuple(members)) for key, (settings, members) in _placed(groups).items()]


def _placed(groups):
    """Runs that were refused say no settings: they are put to the one configuration that has their cell's, if there is one."""
    known, result = {}, {}
    for key, (settings, members) in groups.items():
        if any(value is not None for value in settings.values()):
            known.setdefault(key[:CELL_VALUES], []).append(key)
            result[key] = (settings, list(members))
    for key, (settings, members) in groups.items():
        if key in result:
            continue
        same = known.get(key[:CELL_VALUES], [])
        target = result[same[0]] if len(same) == 1 else result.setdefault(key, (settings, []))
        target[1].extend(members)
    return result


def by_workload(found):
    """Configurations by workload, by name."""
    groups = result_set.grouped(found, "workload")
    return {name: groups[name,] for name, in sorted(groups)}


def representative(found):
    """One configuration for each policy and collector's threads: its default pacing or the middle one, and no limit or the widest."""
    groups = {}
    for one in found:
        groups.setdefault((one.policy, one.settings["collector_threads"]), []).append(one)
    return [_middle(members) for _, members in sorted(groups.items(), key=lambda item: tuple(map(str, item[0])))]


def of_one_unit(limited):
    """Of configurations with a limit those in minheaps; those in live sizes where there are no others."""
    return [one for one in limited if one.limit_unit == MINHEAP] or list(limited)


def _middle(members):
    members = [one for one in members if one.ok] or members
    free = [one for one in members if one.heap_factor is None]
    limited = of_one_unit([one for one in members if one.heap_factor is not None])
    widest = max((one.heap_factor for one in limited), default=None)
    members = free or [one for one in limited if one.heap_factor == widest]
    defaults = [one for one in members if one.pacing == DEFAULT_PACING]
    fixed = [one for one in members if one.rule == "fixed"]
    ordered = sorted(defaults or fixed or members, key=lambda one: pacing_order(one.pacing))
    return ordered[len(ordered) // 2]
