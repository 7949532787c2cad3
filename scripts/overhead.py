"""Derived measures of cost: lower-bound overhead, and the regret of a threshold.

Lower-bound overhead (LBO): Cai, Blackburn, Bond, Maas, "Distilling the real cost of production garbage collectors", ISPASS 2022.
The least that any configuration needs without the time in which it openly reclaims bounds the cost of the program alone from
above, so what a run needs beyond it is at least the run's cost of memory management.
"""
import statistics

import configurations
import intervals

CLOCKS = ("cpu", "wall")


def total_ns(run, clock):
    """CPU time of all threads, or wall time, of the workload's steps; None of a run that did not come to its end."""
    return run.metric(f"{clock}_ns") if run.is_ok else None


def reclamation_ns(run, clock):
    """Explicit reclamation: the metric of that name, else what the cycles took (cpu), or the pauses (wall)."""
    measured = run.metric(f"reclamation_{clock}_ns")
    if measured is not None:
        return measured
    if clock == "wall":
        return run.metric("pauses.total_ns") or 0
    return (run.metric("cycle_cpu_ns") or 0) + (run.metric("collector_cpu_ns") or 0)


def lower_bounds(found, clock):
    """By work (configurations.work): the least, over its configurations, of the median of total minus explicit reclamation.

    A block that ran only some of the configurations that another one ran has that one's bound, at its own speed: the least of few
    is above the least of all, and overheads in that block would seem small.
    """
    totals, rests = {}, {}
    for index, one in enumerate(found):
        for run in one.ok:
            total = total_ns(run, clock)
            if total:
                totals.setdefault(configurations.work(run), {}).setdefault(index, []).append(total)
                rests.setdefault(configurations.work(run), {}).setdefault(index, []).append(total - reclamation_ns(run, clock))
    least = {key: min(map(statistics.median, values.values())) for key, values in rests.items()}
    alike = {}
    for key in totals:
        alike.setdefault(configurations.without_block(key), []).append(key)
    bounds = {key: _bound(key, alike[configurations.without_block(key)], totals, least) for key in totals}
    return {key: value for key, value in bounds.items() if value > 0}


def _bound(key, others, totals, least):
    """That of the block itself, or of the blocks among `others` that ran all it ran and more."""
    fuller = [other for other in others if totals[key].keys() < totals[other].keys()]
    return statistics.median(least[other] * _slower(totals[key], totals[other]) for other in fuller) if fuller else least[key]


def _slower(totals, others):
    """How many times as long as in another block the configurations of this one took."""
    return intervals.geometric_mean([statistics.median(values) / statistics.median(others[index]) for index, values in totals.items()])


def lbo(run, bounds, clock):
    """At least 1 but for noise; None where the run has no total or its work no bound."""
    total, bound = total_ns(run, clock), bounds.get(configurations.work(run))
    return total / bound if total and bound else None


def regret(costs):
    """By key, how much more it costs than the cheapest: 0.1 is 10 % more; None stays None."""
    known = [cost for cost in costs.values() if cost is not None]
    best = min(known, default=None)
    return {key: None if cost is None else cost / best - 1 for key, cost in costs.items()}


def geometric_means(by_workload):
    """By key the geometric mean of {workload: {key: value}}, only where every workload has a value; None elsewhere."""
    keys = dict.fromkeys(key for values in by_workload.values() for key in values)
    columns = {key: [values.get(key) for values in by_workload.values()] for key in keys}
    return {key: None if None in column else intervals.geometric_mean(column) for key, column in columns.items()}
