"""What the gate finds in the runs of a cell: pure functions of documents and a baseline's cell.

Tier 0 are exact counters, 1 invariants, 2 resident memory once a rerun confirms it, 3 time, which only advises.
"""
import dataclasses
import statistics

import series_slope
from measured_runs import BadInput

REGRESSION, INSUFFICIENT, NOTE = "regression", "insufficient", "note"
BLOCKS = 16
WARM_UP_SHARE = 8
RSS_RATIO, RSS_STEP_BYTES = 1.25, 1 << 20
TIME_RATIO = 1.5
TIMES = ("wall_ns", "cpu_ns", "pauses.p99_ns", "pauses.max_undelayed_ns")
# What decides a run's exact counters. Faults and what only watches are left out: a fault is to be judged as its cell.
IDENTITY = ("policy", "workload", "pacing", "sapi", "memory_limit", "heap_factor", "alloc", "iterations", "requests", "seconds", "seed",
            "workers", "arrivals", "cold_every", "max_requests", "mutator_work", "sharing", "destructors", "collector_threads", "reclaim",
            "collect_every", "collect_every_safepoint", "garbage", "observers", "series_every")
NEEDED = ("peak_backlog_bytes", "peak_committed_bytes", "end_committed_bytes", "peak_rss_bytes", "baseline_rss_bytes", "wall_ns")
# Resident memory means the same only where these do.
MEMORY_CONTEXT = ("transparent_huge_pages", "page_bytes", "sanitizers")


@dataclasses.dataclass(frozen=True)
class Finding:
    tier: str
    kind: str
    cell: str
    text: str
    subject: str  # what was looked at: counters, backlog, committed, settled, growth, status, rss, time, results


def checked(run):
    """The run; BadInput where its document lacks what the gate looks at."""
    parts = [run.document.get(name, {}) for name in ("config", "context", "metrics", "pauses")]
    is_whole = all(isinstance(part, dict) for part in parts) and isinstance(run.document.get("series", []), list)
    if is_whole:
        config, _, metrics, _ = parts
        is_whole = all(isinstance(entry, dict) for entry in [*metrics.values(), *(config.get(name, {}) for name in (*IDENTITY, "stall"))])
    if not is_whole:
        raise BadInput(f"{run.source}: expected a document of harness run --json, with config, metrics, pauses and series")
    if run.is_ok and not has_figures(run):
        raise BadInput(f"{run.source}: expected numbers in {', '.join(NEEDED)}")
    return run


def has_figures(run):
    """Whether all is there that is shown and judged of a cell; a run that failed may lack it."""
    return all(isinstance(run.metric(name), int) for name in NEEDED)


def identity(run):
    """Options that decide what the run does, without those that have no value."""
    config = run.document.get("config", {})
    values = {name: config.get(name, {}).get("value") for name in IDENTITY}
    if config.get("stall", {}).get("value") is not None:
        # The observer came with the fault.
        values["observers"] = 0
    return {name: value for name, value in values.items() if value is not None}


def context(run):
    """Machine and build, as far as they tell why two results differ."""
    whole = run.document.get("context", {})
    build = whole.get("build", {})
    return {**{name: whole.get(name) for name in ("cpu_model", "kernel", "transparent_huge_pages", "page_bytes")},
            **{name: build.get(name) for name in ("git_commit", "git_dirty", "compiler", "build_type", "sanitizers")}}


def exact_metrics(run):
    """Values of the metrics that two runs of this configuration agree in, and that mean something to it."""
    metrics = run.document.get("metrics", {})
    return {name: metric["value"] for name, metric in metrics.items() if metric.get("exact") and metric["value"] is not None}


def grown_rss(run):
    """Resident bytes that the run took at most, beyond what the process held before."""
    return run.metric("peak_rss_bytes") - run.metric("baseline_rss_bytes")


def recorded(run, bounds):
    """A baseline's cell, of a run that went well."""
    cell = {"config": identity(run), "bounds": bounds, "exact": exact_metrics(run)}
    if is_alone(run):
        cell["memory"] = {"grown_rss_bytes": grown_rss(run)}
    cell["time"] = {name: run.metric(name) for name in TIMES}
    return cell


def is_alone(run):
    """Whether the program's thread does everything, so that series and sizes are exact too."""
    config = run.document.get("config", {})
    return config.get("reclaim", {}).get("value") in ("inline", None) and not config.get("collector_threads", {}).get("value")


# ---- The tiers; each yields (kind, subject, text) ----


def _counters(run, cell):
    found = exact_metrics(run)
    for name, expected in cell["exact"].items():
        if name not in found:
            yield REGRESSION, "counters", f"{name} was {expected}, and is no longer an exact counter of this run"
        elif found[name] != expected:
            yield REGRESSION, "counters", f"{name} was {expected}, is {found[name]}{_change(expected, found[name])}"
    for name in found.keys() - cell["exact"].keys():
        yield NOTE, "counters", f"{name} = {found[name]} is not in the baseline"


def _change(before, after):
    if isinstance(before, int) and isinstance(after, int) and before:
        return f" ({100 * (after - before) / before:+.2f} %)"
    return ""


def _bounds(run, bounds):
    for subject, metric in (("backlog", "peak_backlog_bytes"), ("committed", "peak_committed_bytes")):
        value, bound = run.metric(metric), bounds[f"{subject}_bytes"]
        if value is not None and value > bound:
            yield REGRESSION, subject, f"{metric} {value:,} is above its bound of {bound:,}"


def work_points(run):
    """The series once the workload has warmed up: without what it builds at first and an eighth of the rest."""
    boot = run.metric("boot_alloc_bytes") or 0
    series = run.document.get("series") or []
    last = series[-1]["clock_bytes"] if series else 0
    return series_slope.after(series, boot + (last - boot) // WARM_UP_SHARE, BLOCKS)


def growth_per_mille(points):
    """By (key, reduction)."""
    return {(key, name): 1000 * slope for key, name, slope in series_slope.slopes(points, BLOCKS)}


def _settled(run, cell, points, limit):
    """What is left when all has come to rest: live bytes against the baseline's, committed against the first quarter's."""
    first = points[:len(points) // 4]
    allowed = limit / 1000 * (points[-1]["clock_bytes"] - points[0]["clock_bytes"])
    # What floats in a run with threads is no measure of where it began.
    start = cell["exact"].get("retained_bytes", min(point["live_bytes"] for point in first))
    ends = [("live", run.metric("retained_bytes"), start)]
    if is_alone(run):
        ends.append(("committed", run.metric("end_committed_bytes"), max(point["committed_bytes"] for point in first)))
    for what, end, start in ends:
        if end is not None and end > start + allowed:
            yield (REGRESSION, "settled",
                   f"{what} {end:,} bytes when all has come to rest, {end - start:,} more than at first; limit {allowed:,.0f}")


def _growth(points, limit):
    for (key, name), slope in growth_per_mille(points).items():
        if slope > limit:
            yield REGRESSION, "growth", f"{key} grow by {slope:+.3f} per mille of what is allocated (block {name}); limit {limit}"


def _invariants(run, cell):
    bounds = cell["bounds"]
    if not run.is_ok:
        yield REGRESSION, "status", f"{run.status}: {run.document.get('error', 'no reason given')}"
    if not has_figures(run):
        return
    yield from _bounds(run, bounds)
    limit = bounds.get("growth_per_mille")
    # A run that ended early has nothing to settle.
    if limit is None or not run.is_ok:
        return
    try:
        points = work_points(run)
    except (BadInput, KeyError, TypeError) as problem:
        yield INSUFFICIENT, "growth", f"series: {problem}"
        return
    yield from _settled(run, cell, points, limit)
    if is_alone(run):
        yield from _growth(points, limit)


def _memory(runs, cell, is_comparable):
    expected = cell.get("memory", {}).get("grown_rss_bytes")
    if expected is None or not runs:
        return
    value = min(map(grown_rss, runs))
    if value <= max(RSS_RATIO * expected, expected + RSS_STEP_BYTES):
        return
    text = f"resident memory {value:,} bytes is {value / max(expected, 1):.2f} times the baseline's {expected:,}"
    if not is_comparable:
        yield NOTE, "rss", f"{text}; page settings or sanitizers differ from the baseline's"
    elif len(runs) == 1:
        yield INSUFFICIENT, "rss", f"{text}; a second run must confirm it"
    else:
        yield REGRESSION, "rss", f"{text}, in {len(runs)} runs"


def _time(runs, cell):
    for name, expected in cell.get("time", {}).items():
        values = [run.metric(name) for run in runs if run.metric(name) is not None]
        if not values or not expected:
            continue
        median = statistics.median(values)
        if median > TIME_RATIO * expected:
            yield NOTE, "time", f"{name} {median:,.0f} is {median / expected:.1f} times the baseline's"


# ---- A cell, a set ----


def judge_cell(name, cell, runs, baseline_context):
    """Findings on all runs of one cell; several are taken as reruns."""
    found = []
    for run in runs:
        tiers = (("1", _invariants(run, cell)), *([("0", _counters(run, cell))] if run.is_ok else []))
        found += [Finding(tier, kind, name, text, subject) for tier, parts in tiers for kind, subject, text in parts]
    good = [run for run in runs if run.is_ok]
    is_comparable = all(context(run)[key] == baseline_context.get(key) for run in good for key in MEMORY_CONTEXT)
    for tier, parts in (("2", _memory(good, cell, is_comparable)), ("3", _time(good, cell))):
        found += [Finding(tier, kind, name, text, subject) for kind, subject, text in parts]
    # Two runs of one configuration say the same of it.
    return list(dict.fromkeys(found))


def by_cell(baseline, runs):
    """Runs by cell of the baseline; BadInput names one that belongs to none."""
    names = {_key(cell["config"]): name for name, cell in baseline["cells"].items()}
    groups = {name: [] for name in baseline["cells"]}
    for run in map(checked, runs):
        name = names.get(_key(identity(run)))
        if name is None:
            raise BadInput(f"{run.source}: no cell of the baseline has its configuration ({run.policy}, {run.workload}); "
                           "see --write-baseline")
        groups[name].append(run)
    return groups


def _key(config):
    return tuple(sorted((name, str(value)) for name, value in config.items()))


def judge(baseline, runs):
    """Findings on a whole set; a cell without a run is one."""
    found = []
    for name, group in by_cell(baseline, runs).items():
        if not group:
            found.append(Finding("1", INSUFFICIENT, name, "no result", "results"))
        found += judge_cell(name, baseline["cells"][name], group, baseline["context"])
    return found


def exit_status(findings, controls_fired):
    """0 stable, 1 a regression, 2 not enough to tell, 3 a control did not fire."""
    kinds = {finding.kind for finding in findings}
    if REGRESSION in kinds:
        return 1
    if INSUFFICIENT in kinds:
        return 2
    return 0 if controls_fired else 3
