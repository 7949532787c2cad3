"""The threshold answer from a sweep: which cell of the pacing axis is the default, how sure that is, and what it costs whom.

A cell is one rule of pacing with its value. For each workload its CPU time is taken relative to the workload's best
cell, its mean footprint relative to the least peak of live bytes that any run of the workload had (a lower bound of its
minimum heap, the same for all cells), and its 99th percentile of pauses. Over workloads the first two are geometric
means, which every workload must have completed; the third is the worst.

The default is the cell with the smallest footprint among those whose CPU interval ends within `cpu_slack` of the best cell
and whose pauses keep the limit. A workload that no cell can keep within the limit does not decide.

Only runs of one block may be compared, since from one block to the next a shared machine may be half as fast again. So the
logarithm of a CPU time is taken as the sum of its cell's and its block's, fitted by least squares (two ways without
interaction), and what the block adds is taken away. The bootstrap draws blocks, whole, anew for each workload, among
those that ran the same cells, and asks again: which cells no other beats in both CPU and footprint (the front), and which
is chosen.
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
    runs: numpy.ndarray  # of each cell, on the workload that has fewest
    cpu: numpy.ndarray  # at one speed of the machine
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


def _sample(run, name):
    value = run.metric(name)
    if value is None:
        raise BadInput(f"{run.source}: expected the metric {name}")
    return value


def _in_blocks(of_cells):
    """The runs of each cell, block by block: lists over cells, None where a block did not run the cell. What names no block counts by its order."""
    rows = {}
    for to, runs in enumerate(of_cells):
        times = {}
        for run in runs:
            block = (run.block, run.cell.get("seed"), run.invocation)
            times[block] = times.get(block, -1) + 1
            rows.setdefault((*block, times[block]), [None] * len(of_cells))[to] = run
    return list(rows.values())


def _values(rows, name):
    """Array over (block, cell) of a metric; NaN where the block did not run the cell."""
    return numpy.array([[numpy.nan if run is None else _sample(run, name) for run in row] for row in rows], dtype=float)


def _at_one_speed(cpu):
    """`cpu`, over (block, cell), without what each block adds; a block of one cell tells nothing of its speed and stays as it is."""
    compares = (~numpy.isnan(cpu)).sum(axis=1) > 1
    if not compares.any():
        return cpu
    y = numpy.log(cpu[compares])
    blocks, cells = numpy.nonzero(~numpy.isnan(y))
    design = numpy.zeros((len(blocks), y.shape[0] + y.shape[1]))
    design[numpy.arange(len(blocks)), blocks] = design[numpy.arange(len(blocks)), y.shape[0] + cells] = 1
    speeds = numpy.linalg.lstsq(design, y[blocks, cells], rcond=None)[0][:y.shape[0]]
    result = cpu.copy()
    result[compares] = numpy.exp(y - (speeds - numpy.median(speeds))[:, None])
    return result


def _drawn_blocks(rows, generator, replicates):
    """Indices of blocks, over (replicate, block): drawn with replacement among those that ran the same cells."""
    drawn, alike = numpy.empty((replicates, len(rows)), dtype=int), {}
    for at, row in enumerate(rows):
        alike.setdefault(tuple(run is not None for run in row), []).append(at)
    for members in alike.values():
        drawn[:, members] = numpy.array(members)[generator.integers(0, len(members), size=(replicates, len(members)))]
    return drawn


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
    cpu, footprint, pause_ms, counts = (numpy.empty(shape) for _ in range(4))
    cpu_drawn, footprint_drawn = (numpy.empty((replicates, *shape)) for _ in range(2))
    for at, workload in enumerate(workloads):
        rows = _in_blocks([[run for run in groups[workload, cell] if run.is_ok] for cell in cells])
        cpu_ns, bytes_ = _at_one_speed(_values(rows, "cpu_ns")), _values(rows, "mean_footprint_bytes")
        bytes_ /= numpy.nanmin(_values(rows, "peak_live_bytes"))
        cpu[at], footprint[at] = numpy.nanmedian(cpu_ns, axis=0), numpy.nanmedian(bytes_, axis=0)
        pause_ms[at] = numpy.nanmedian(_values(rows, "pauses.p99_ns"), axis=0) / NANOSECONDS_PER_MS
        counts[at] = (~numpy.isnan(cpu_ns)).sum(axis=0)
        drawn = _drawn_blocks(rows, generator, replicates)
        cpu_drawn[:, at], footprint_drawn[:, at] = numpy.nanmedian(cpu_ns[drawn], axis=1), numpy.nanmedian(bytes_[drawn], axis=1)
    return Measured(workloads, cells, counts.min(axis=0).astype(int), cpu, footprint, pause_ms, cpu_drawn, footprint_drawn, left_out)


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
    """The fewest cells that together hold `level` of the replicates, as indices; where fewer replicates chose at all, all that were chosen."""
    order = sorted(range(len(shares)), key=lambda cell: -shares[cell])
    total, members = 0.0, []
    for cell in order:
        if total >= level or shares[cell] == 0:
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
    deciding_runs: int  # fewest of a cell that is in `covering` or `flat`


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
    covering = _covering(shares, level)
    flat = [cell for cell in range(len(cpu)) if cpu[cell] <= 1 + cpu_slack]
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
        covering=covering,
        flat=flat,
        hopeless=[w for w, is_so in zip(measured.workloads, hopeless) if is_so],
        deciding_runs=min((int(measured.runs[cell]) for cell in {*covering, *flat}), default=0),
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
