"""The threshold answer from a sweep: which cell of the pacing axis is the default, how sure that is, and what it costs whom.

A cell is one rule of pacing with its value. For each workload its CPU time is taken relative to the workload's best
cell, its mean footprint relative to the least peak of live bytes that any run of the workload had (a lower bound of its
minimum heap, the same for all cells), and its 99th percentile of pauses. Over workloads the first two are geometric
means, which every workload must have completed; the third is the worst.

The default is the cell with the smallest footprint among those whose CPU interval ends within `cpu_slack` of the best cell
and whose pauses keep the limit. A workload that no cell can keep within the limit does not decide. The bootstrap draws
invocations anew, for each workload and cell, and asks again: which cells no other beats in both CPU and footprint (the
front), and which is chosen.
"""
from __future__ import annotations

import dataclasses

import intervals
from intervals import numpy
from measured_runs import BadInput
from result_set import grouped

NANOSECONDS_PER_MS = 1e6


@dataclasses.dataclass
class Measured:
    """Medians and their bootstrap: arrays over (workload, cell), with replicates in front in `cpu_drawn`, `footprint_drawn`."""

    workloads: list
    cells: list
    runs: int
    cpu: numpy.ndarray
    footprint: numpy.ndarray
    pause_ms: numpy.ndarray
    cpu_drawn: numpy.ndarray
    footprint_drawn: numpy.ndarray
    left_out: dict  # cell -> why


def _complete_cells(groups, workloads):
    """Cells that every workload completed at least once, in order of coming, and why each other one is left out."""
    cells, left_out = [], {}
    for cell in dict.fromkeys(cell for _, cell in groups):
        missing = [w for w in workloads if not any(run.is_ok for run in groups.get((w, cell), []))]
        if missing:
            statuses = {run.status for w in missing for run in groups.get((w, cell), [])}
            left_out[cell] = f"{', '.join(sorted(statuses)) or 'not run'} on {', '.join(missing)}"
        else:
            cells.append(cell)
    return cells, left_out


def _samples(runs, name):
    values = [run.metric(name) for run in runs if run.is_ok]
    if any(value is None for value in values):
        raise BadInput(f"{runs[0].source}: expected the metric {name}")
    return numpy.array(values, dtype=float)


def _drawn_medians(sample, generator, replicates):
    return numpy.median(sample[generator.integers(0, sample.size, size=(replicates, sample.size))], axis=1)


def measure(runs, replicates=intervals.REPLICATES, seed=intervals.SEED):
    """What `runs` say of the cells that all their workloads completed; BadInput when there are fewer than two of those."""
    groups = grouped(runs, "workload", "pacing")
    workloads = list(dict.fromkeys(workload for workload, _ in groups))
    cells, left_out = _complete_cells(groups, workloads)
    if len(cells) < 2:
        reasons = "; ".join(f"{cell}: {why}" for cell, why in left_out.items())
        raise BadInput(f"expected at least two cells that every workload completed, found {len(cells)}; {reasons or 'no other ran'}")
    generator = numpy.random.default_rng(seed)
    shape = (len(workloads), len(cells))
    cpu, footprint, pause_ms = (numpy.empty(shape) for _ in range(3))
    cpu_drawn, footprint_drawn = (numpy.empty((replicates, *shape)) for _ in range(2))
    for at, workload in enumerate(workloads):
        of_workload = [run for cell in cells for run in groups[workload, cell] if run.is_ok]
        floor_bytes = _samples(of_workload, "peak_live_bytes").min()
        for to, cell in enumerate(cells):
            sample = groups[workload, cell]
            cpu_ns, bytes_ = _samples(sample, "cpu_ns"), _samples(sample, "mean_footprint_bytes") / floor_bytes
            cpu[at, to], footprint[at, to] = numpy.median(cpu_ns), numpy.median(bytes_)
            pause_ms[at, to] = numpy.median(_samples(sample, "pauses.p99_ns")) / NANOSECONDS_PER_MS
            cpu_drawn[:, at, to] = _drawn_medians(cpu_ns, generator, replicates)
            footprint_drawn[:, at, to] = _drawn_medians(bytes_, generator, replicates)
    fewest = min(sum(run.is_ok for run in groups[w, c]) for w in workloads for c in cells)
    return Measured(workloads, cells, fewest, cpu, footprint, pause_ms, cpu_drawn, footprint_drawn, left_out)


def _over_workloads(values):
    """Geometric means over workloads, the last axis but one."""
    return numpy.exp(numpy.log(values).mean(axis=-2))


def _relative(cpu):
    """Relative to the best cell, the last axis."""
    return cpu / cpu.min(axis=-1, keepdims=True)


def on_front(cpu, footprint):
    """Which cells no other cell beats in one of the two without losing in the other; arrays end in the axis of cells."""
    no_worse = (cpu[..., :, None] <= cpu[..., None, :]) & (footprint[..., :, None] <= footprint[..., None, :])
    better = (cpu[..., :, None] < cpu[..., None, :]) | (footprint[..., :, None] < footprint[..., None, :])
    return ~(no_worse & better).any(axis=-2)


def _keeps_limit(pause_ms, limit_ms):
    """(which cells keep the limit, which workloads no cell keeps within it)."""
    keeps = pause_ms <= limit_ms
    hopeless = ~keeps.any(axis=1)
    return keeps[~hopeless].all(axis=0), hopeless


def _choose(cpu, margin, footprint, allowed, slack):
    """Index of the choice for each replicate (or once): smallest footprint among the allowed within the slack; -1 without one."""
    fits = allowed & (cpu + margin <= 1 + slack)
    candidates = numpy.where(fits, footprint, numpy.inf)
    return numpy.where(fits.any(axis=-1), candidates.argmin(axis=-1), -1)


def _covering(shares, level):
    """The fewest cells that together hold `level` of the replicates, as indices."""
    order = sorted(range(len(shares)), key=lambda cell: -shares[cell])
    total, members = 0.0, []
    for cell in order:
        if total >= level:
            break
        total += shares[cell]
        members.append(cell)
    return sorted(members)


@dataclasses.dataclass
class Answer:
    measured: Measured
    choice: int  # -1: no cell fits
    cpu: numpy.ndarray  # relative to the best cell, over all workloads
    cpu_interval: numpy.ndarray  # (2, cell)
    footprint: numpy.ndarray
    footprint_interval: numpy.ndarray
    pause_ms: numpy.ndarray  # the worst workload's that some cell keeps within the limit
    front_share: numpy.ndarray
    choice_share: numpy.ndarray
    covering: list  # cells that 90 % of the replicates choose among
    flat: list  # cells within the slack of the best: the valley
    hopeless: list  # workloads that no cell keeps within the limit


def answer(measured, limit_ms, cpu_slack, level=0.9):
    cpu = _relative(_over_workloads(measured.cpu))
    cpu_drawn = _relative(_over_workloads(measured.cpu_drawn))
    footprint, footprint_drawn = _over_workloads(measured.footprint), _over_workloads(measured.footprint_drawn)
    # Against the cell that is best by the medians, so that the interval is of a ratio of two fixed cells.
    best = int(cpu.argmin())
    against_best = _over_workloads(measured.cpu_drawn) / _over_workloads(measured.cpu_drawn)[:, [best]]
    cpu_interval = numpy.percentile(against_best, [2.5, 97.5], axis=0)
    margin = numpy.maximum(cpu_interval[1] - cpu, 0)
    allowed, hopeless = _keeps_limit(measured.pause_ms, limit_ms)
    chosen = _choose(cpu_drawn, margin, footprint_drawn, allowed, cpu_slack)
    shares = numpy.array([(chosen == cell).mean() for cell in range(len(measured.cells))])
    decides = measured.pause_ms[~hopeless] if not hopeless.all() else measured.pause_ms
    return Answer(
        measured=measured,
        choice=int(_choose(cpu, margin, footprint, allowed, cpu_slack)),
        cpu=cpu,
        cpu_interval=cpu_interval,
        footprint=footprint,
        footprint_interval=numpy.percentile(footprint_drawn, [2.5, 97.5], axis=0),
        pause_ms=decides.max(axis=0),
        front_share=on_front(cpu_drawn, footprint_drawn).mean(axis=0),
        choice_share=shares,
        covering=_covering(shares, level),
        flat=[cell for cell in range(len(cpu)) if cpu[cell] <= 1 + cpu_slack],
        hopeless=[w for w, is_so in zip(measured.workloads, hopeless) if is_so],
    )


def regret(measured, cell):
    """Of each workload: (CPU, footprint, p99 pause in ms) of `cell`, the first two relative to the workload's own best cell."""
    cpu, footprint = _relative(measured.cpu), _relative(measured.footprint)
    return {
        workload: (float(cpu[at, cell]), float(footprint[at, cell]), float(measured.pause_ms[at, cell]))
        for at, workload in enumerate(measured.workloads)
    }


def held_out_regret(measured, label):
    """The same for the cell of that label in other measurements; BadInput when they lack it."""
    if label not in measured.cells:
        raise BadInput(f"the workloads held out did not all complete {label}, which was chosen")
    return regret(measured, measured.cells.index(label))
