"""Controls of the gate: what must make it fail. A gate that cannot fail says nothing.

Planted ones are made of the very documents that were judged, so they tell whether these could have shown the fault; injected ones
are runs with the fault in them.
"""
import copy
import dataclasses
import pathlib

import gate_baseline
import gate_judge
from measured_runs import BadInput

# What the judge must look at to notice the fault, whatever the exact counters say.
SUBJECTS = {"leak": ("settled", "growth"), "stall": ("backlog", "status"), "backlog": ("backlog",), "counter": ("counters",)}
PLANTED_LEAK = 1 / 1000


@dataclasses.dataclass(frozen=True)
class Control:
    name: str
    has_fired: bool


def fires(findings, fault):
    """Whether a regression was found where this fault shows."""
    return any(finding.kind == gate_judge.REGRESSION and finding.subject in SUBJECTS[fault] for finding in findings)


def _refuses(call):
    try:
        call()
    except BadInput:
        return True
    return False


def of_inputs(baseline):
    """A baseline that is not there, and a set with no result in it."""
    absent = pathlib.Path(__file__).with_name("no-such-baseline.json")
    empty = gate_judge.exit_status(gate_judge.judge(baseline, []), True)
    return [Control("missing baseline", _refuses(lambda: gate_baseline.read(absent))), Control("empty set", empty != 0)]


def _add(metrics, name, amount):
    if metrics.get(name, {}).get("value") is not None:
        metrics[name]["value"] += amount


def _leak(document, _bounds):
    for point in document["series"]:
        for key in ("live_bytes", "committed_bytes"):
            point[key] += int(point["clock_bytes"] * PLANTED_LEAK)
    for name in ("retained_bytes", "end_committed_bytes"):
        _add(document["metrics"], name, int(document["series"][-1]["clock_bytes"] * PLANTED_LEAK))


def _backlog(document, bounds):
    document["metrics"]["peak_backlog_bytes"]["value"] = bounds["backlog_bytes"] + 1


def _counter(document, _bounds):
    document["metrics"]["alloc_count"]["value"] += 1


PLANTS = {"leak": _leak, "backlog": _backlog, "counter": _counter}


def planted(baseline, name, run):
    """Each fault planted in a copy of one good run of the cell `name`; a leak where the cell is held to growth."""
    cell = baseline["cells"][name]
    for fault, plant in PLANTS.items():
        if fault == "leak" and "growth_per_mille" not in cell["bounds"]:
            continue
        document = copy.deepcopy(run.document)
        plant(document, cell["bounds"])
        findings = gate_judge.judge_cell(name, cell, [dataclasses.replace(run, document=document)], baseline["context"])
        yield Control(f"{fault} planted in {name}", fires(findings, fault))


def injected(baseline, name, fault, run):
    """A run of the cell with the fault in it."""
    findings = gate_judge.judge_cell(name, baseline["cells"][name], [run], baseline["context"])
    return Control(f"{fault} injected in {name}", fires(findings, fault))
