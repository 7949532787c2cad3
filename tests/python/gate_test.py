"""The gate's judgement on made-up runs: what each tier finds, what it leaves alone, and controls that must fire."""
import copy
import json

import pytest

import gate_baseline
import gate_cells
import gate_controls
import gate_judge
from measured_runs import BadInput
from result_set import Run

BOUNDS = {"backlog_bytes": 4 << 20, "committed_bytes": 8 << 20, "growth_per_mille": 0.5}


def metric(value, exact=False):
    return {"value": value, "unit": "", "better": "less", "exact": exact}


def document(growth=0.0, **changes):
    """A run of 64 MiB whose live bytes are a saw-tooth on 600 KB, growing by so much a byte allocated."""
    step, points = 64 << 10, 1025
    end = step * (points - 1)
    series = [{"clock_bytes": step * i, "live_bytes": int(600000 + 20000 * (i % 16) + growth * step * i), "committed_bytes": 4 << 20}
              for i in range(points)]
    config = {"policy": "epoch", "workload": "churn", "seed": 1, "alloc": end, "reclaim": "inline", "collector_threads": 0, "observers": 0}
    metrics = {
        "alloc_bytes": metric(end, True), "retained_bytes": metric(int(600000 + growth * end), True), "alloc_count": metric(5000, True),
        "boot_alloc_bytes": metric(600000, True), "peak_backlog_bytes": metric(2 << 20), "peak_committed_bytes": metric(5 << 20),
        "end_committed_bytes": metric(4 << 20), "peak_rss_bytes": metric(9 << 20), "baseline_rss_bytes": metric(4 << 20),
        "wall_ns": metric(1000), "cpu_ns": metric(1000),
    }
    return {
        "schema_version": 1, "status": "ok", "context": {"page_bytes": 4096, "transparent_huge_pages": "madvise", "build": {"sanitizers": ""}},
        "config": {"policy_name": "epoch", **{name: {"value": value} for name, value in config.items()}}, "metrics": metrics,
        "pauses": {"p99_ns": 10, "max_undelayed_ns": 20}, "series": series, **changes,
    }


def as_run(content):
    return Run("some", content, {})


def changed(content, **metrics):
    content = copy.deepcopy(content)
    for name, value in metrics.items():
        content["metrics"][name]["value"] = value
    return content


def threaded(content):
    """As from a run with threads beside it: sizes are no longer exact."""
    content = copy.deepcopy(content)
    content["config"]["reclaim"]["value"] = "thread"
    content["config"]["collector_threads"]["value"] = 1
    return content


def baseline_of(content, **bounds):
    run = as_run(content)
    return {"context": gate_judge.context(run), "cells": {"cell": gate_judge.recorded(run, {**BOUNDS, **bounds})}}


def found(content, *more, baseline=None):
    """(tier, kind, subject) of all findings."""
    findings = gate_judge.judge(baseline or baseline_of(document()), [as_run(one) for one in (content, *more)])
    return {(one.tier, one.kind, one.subject) for one in findings}


def test_the_same_again_is_stable():
    assert found(document()) == set()
    assert found(document(), document()) == set()


@pytest.mark.parametrize("change, expected", [
    ({"alloc_count": 5001}, ("0", "regression", "counters")),
    ({"peak_backlog_bytes": (4 << 20) + 1}, ("1", "regression", "backlog")),
    ({"peak_committed_bytes": (8 << 20) + 1}, ("1", "regression", "committed")),
    ({"end_committed_bytes": 5 << 20}, ("1", "regression", "settled")),
    ({"peak_rss_bytes": 11 << 20}, ("2", "insufficient", "rss")),
    ({"wall_ns": 1600}, ("3", "note", "time")),
])
def test_each_tier_finds_its_own(change, expected):
    assert found(changed(document(), **change)) == {expected}


def test_a_leak_of_one_in_a_thousand_is_growth_whatever_the_counters_say():
    leak = document(growth=0.001)
    subjects = {subject for _, kind, subject in found(leak, baseline=baseline_of(document())) if kind == "regression"}
    assert {"settled", "growth", "counters"} <= subjects
    # With a baseline of the leak itself the counters agree; the slope does not.
    assert found(leak, baseline=baseline_of(leak)) == {("1", "regression", "growth")}


def test_half_the_limit_is_let_pass_and_no_drop_is_a_regression():
    assert not any(kind == "regression" and subject != "counters" for _, kind, subject in found(document(growth=0.0002)))
    assert found(document(growth=-0.002), baseline=baseline_of(document(growth=-0.002))) == set()


def test_threads_are_held_to_bytes_alone():
    # The program ran ahead of the collector: live and committed bytes grow, and what is left in the end is the same.
    ahead = threaded(document(growth=0.01))
    ahead["metrics"]["retained_bytes"]["value"] = 600000
    ahead["metrics"]["end_committed_bytes"]["value"] = 7 << 20
    baseline = baseline_of(threaded(document()))
    assert found(ahead, baseline=baseline) == set()
    assert found(changed(ahead, peak_backlog_bytes=5 << 20), baseline=baseline) == {("1", "regression", "backlog")}
    leak = changed(ahead, retained_bytes=700000)
    assert ("1", "regression", "settled") in found(leak, baseline=baseline)


def test_memory_is_a_regression_when_a_second_run_confirms_it():
    more = changed(document(), peak_rss_bytes=11 << 20)
    assert found(more, document()) == set()
    assert found(more, more) == {("2", "regression", "rss")}
    other_pages = copy.deepcopy(more)
    other_pages["context"]["transparent_huge_pages"] = "always"
    assert found(other_pages, other_pages) == {("2", "note", "rss")}


def test_a_run_that_failed_is_a_regression_and_a_series_too_short_is_not_enough():
    assert found({**document(), "status": "oom", "error": "held back by guard"}) == {("1", "regression", "status")}
    assert found({"status": "oom", "error": "no metrics", "config": document()["config"]}) == {("1", "regression", "status")}
    assert found({**document(), "series": document()["series"][-20:]}) == {("1", "insufficient", "growth")}


def test_a_counter_that_is_gone_is_a_regression_and_a_new_one_a_note():
    gone, new = document(), document()
    gone["metrics"]["alloc_count"]["exact"] = False
    new["metrics"]["more"] = metric(1, exact=True)
    assert found(gone) == {("0", "regression", "counters")}
    assert found(new) == {("0", "note", "counters")}


def test_cells_are_found_by_what_they_ran():
    baseline = baseline_of(document())
    other = document()
    other["config"]["seed"]["value"] = 2
    with pytest.raises(BadInput, match="no cell of the baseline"):
        gate_judge.judge(baseline, [as_run(other)])
    # A fault does not make another cell of it, nor does the observer that it brings.
    faulty = document()
    faulty["config"].update(stall={"value": "observer-0:1M:forever"}, observers={"value": 1})
    assert found(faulty) == set()


@pytest.mark.parametrize("change, expected", [
    ({"metrics": []}, "with config, metrics"), ({"series": {}}, "with config, metrics"), ({"metrics": {"wall_ns": 5}}, "with config, metrics"),
    ({"metrics": {}}, "expected numbers in peak_backlog_bytes"), ({"config": {}}, "no cell of the baseline"),
])
def test_a_document_without_its_parts_is_refused(change, expected):
    with pytest.raises(BadInput, match=expected):
        found({**document(), **change})


def test_exit_status():
    of = lambda *kinds: [gate_judge.Finding("1", kind, "cell", "", "") for kind in kinds]
    assert gate_judge.exit_status(of("note"), True) == 0
    assert gate_judge.exit_status(of("insufficient", "regression"), False) == 1
    assert gate_judge.exit_status(of("insufficient"), False) == 2
    assert gate_judge.exit_status([], False) == 3


def test_controls_fire_and_a_blind_gate_is_told():
    baseline = baseline_of(document())
    assert all(control.has_fired for control in gate_controls.of_inputs(baseline))
    planted = list(gate_controls.planted(baseline, "cell", as_run(document())))
    assert len(planted) == 3 and all(control.has_fired for control in planted)
    assert gate_controls.injected(baseline, "cell", "leak", as_run(document(growth=0.001))).has_fired
    assert not gate_controls.injected(baseline, "cell", "leak", as_run(changed(document(), alloc_count=1))).has_fired
    blind = baseline_of(document(), growth_per_mille=50)
    assert [control.name for control in gate_controls.planted(blind, "cell", as_run(document())) if not control.has_fired] == ["leak planted in cell"]


def test_a_baseline_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "some.json"
    gate_baseline.write(path, "command", [("cell", BOUNDS, as_run(document()))])
    baseline = gate_baseline.read(path)
    assert baseline["cells"] == json.loads(json.dumps(baseline_of(document())["cells"])) and baseline["command"] == "command"
    assert '\n    "alloc_count": 5000' in path.read_text()
    with pytest.raises(BadInput, match="no baseline was written"):
        gate_baseline.write(tmp_path / "other.json", "command", [("cell", BOUNDS, as_run({**document(), "status": "oom"}))])
    assert not (tmp_path / "other.json").exists()


@pytest.mark.parametrize("text, expected", [
    (None, "expected a baseline: No such file"), ("{", "in JSON"), ("[]", "with cells"), ('{"schema_version": 1, "cells": {}}', "with cells"),
    ('{"schema_version": 2, "cells": {"a": {}}}', "schema_version 1"), ('{"schema_version": 1, "cells": {"a": {}}}', "cell a: expected config"),
    ('{"schema_version": 1, "cells": {"a": {"config": {}, "exact": {}, "bounds": {}}}}', "cell a: expected bounds"),
])
def test_what_is_no_baseline_is_refused(tmp_path, text, expected):
    path = tmp_path / "some.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(BadInput, match=expected):
        gate_baseline.read(path)


def test_every_control_is_of_a_cell_that_can_carry_it():
    for form in gate_cells.FORMS.values():
        names = [cell.name for cell in form.cells]
        assert len(set(names)) == len(names)
        assert form.controls and all(fault in form.named(name).faults for name, fault in form.controls)
