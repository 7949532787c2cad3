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
    """By work (configurations.work): the least, over its configurations, of the median of total minus explicit reclamation."""
    least = {}
    for one in found:
        rests = {}
        for run in one.ok:
            if total_ns(run, clock):
                rests.setdefault(configurations.work(run), []).append(total_ns(run, clock) - reclamation_ns(run, clock))
        for key, values in rests.items():
            least[key] = min(least.get(key, float("inf")), statistics.median(values))
    return {key: value for key, value in least.items() if value > 0}


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
