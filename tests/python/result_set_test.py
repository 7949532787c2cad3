"""Reading results back: what is read, in which order, and what is refused in one line."""
import json
import lzma

import pytest

import result_set
from measured_runs import BadInput, write_answer


def document(**changes):
    return {
        "schema_version": 1,
        "status": "ok",
        "config": {"policy": {"value": "epoch"}, "workload": {"value": "churn"}, "pacing": {"value": "fixed:16777216"}},
        "metrics": {"cpu_ns": {"value": 7}},
        "pauses": {"p99_ns": 3},
        **changes,
    }


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_a_single_document_says_what_it_ran(tmp_path):
    (run,) = result_set.load([write(tmp_path / "run.json", document())])
    assert (run.policy, run.workload, run.pacing, run.invocation) == ("epoch", "churn", "fixed:16777216", 0)
    assert run.metric("cpu_ns") == 7 and run.metric("pauses.p99_ns") == 3 and run.metric("absent") is None


def test_a_sweeps_folder_is_read_by_cell(tmp_path):
    write(tmp_path / "plan.json", {"cells": []})
    cell = {"policy": "epoch:young=never", "workload": "quads", "pacing": "sqrt:2", "invocation": 4, "block": 2}
    write(tmp_path / "runs/b.json", document(cell=cell))
    write(tmp_path / "runs/a.json", document(status="oom", metrics={}))
    failed, run = result_set.load([tmp_path])
    assert not failed.is_ok and failed.metric("cpu_ns") is None
    assert (run.policy, run.workload, run.pacing) == ("epoch:young=never", "quads", "sqrt:2")
    assert (run.invocation, run.block) == (4, 2)


def test_a_bundle_is_as_its_documents(tmp_path):
    path = tmp_path / "some.jsonl.xz"
    with lzma.open(path, "wt", encoding="utf-8") as lines:
        lines.write("".join(json.dumps(document(status=status)) + "\n" for status in ("ok", "timeout")))
    assert [run.status for run in result_set.load([path])] == ["ok", "timeout"]
    assert [run.status for run in result_set.load([tmp_path])] == ["ok", "timeout"]


def test_groups_keep_the_order_of_the_runs(tmp_path):
    cells = [{"pacing": "never", "invocation": 0}, {"pacing": "always", "invocation": 0}, {"pacing": "never"}]
    paths = [write(tmp_path / f"{number}.json", document(cell=cell)) for number, cell in enumerate(cells)]
    groups = result_set.grouped(result_set.load(paths), "workload", "pacing")
    assert [(key, len(runs)) for key, runs in groups.items()] == [(("churn", "never"), 2), (("churn", "always"), 1)]


@pytest.mark.parametrize(
    "content, expected",
    [
        ('{"schema_version": 1', "not JSON"),
        ("[]", "with a status"),
        ('{"schema_version": 9, "status": "ok"}', "schema_version 9, expected 1"),
    ],
)
def test_what_is_no_document_is_refused(tmp_path, content, expected):
    path = tmp_path / "run.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(BadInput, match=expected) as refused:
        result_set.load([path])
    assert str(path) in str(refused.value)


def test_an_answer_of_a_script_is_left_out_of_a_folder(tmp_path, capsys):
    write(tmp_path / "run.json", document())
    write_answer("check-stability", tmp_path / "verdict.json", {"status": 0, "findings": []})
    write_answer("recommend", tmp_path / "threshold.json", {"schema_version": 1, "recommended": "fixed:16M"})
    assert [run.status for run in result_set.load([tmp_path])] == ["ok"]
    said = capsys.readouterr().err
    assert said == (f"{tmp_path}: left out, no run but an answer about runs: threshold.json (scripts/recommend), "
                    "verdict.json (scripts/check-stability)\n")


def test_an_answer_is_no_run_where_it_is_named_or_alone(tmp_path):
    path = tmp_path / "verdict.json"
    write_answer("check-stability", path, {"status": 0})
    with pytest.raises(BadInput, match="verdict.json: expected a document of harness run"):
        result_set.load([path])
    with pytest.raises(BadInput, match="no result in it"):
        result_set.load([tmp_path])


@pytest.mark.parametrize("content", [{"status": 0, "findings": []}, {"rows": []}, ["ok"]])
def test_what_no_script_marked_is_refused_in_a_folder_too(tmp_path, content):
    write(tmp_path / "run.json", document())
    write(tmp_path / "other.json", content)
    with pytest.raises(BadInput, match="other.json: expected a document of harness run"):
        result_set.load([tmp_path])


def test_a_marked_run_is_still_a_run(tmp_path):
    write_answer("harness", tmp_path / "run.json", document())
    assert [run.status for run in result_set.load([tmp_path])] == ["ok"]


def test_what_is_missing_empty_or_no_bundle_is_refused(tmp_path):
    with pytest.raises(BadInput, match="No such file"):
        result_set.load([tmp_path / "absent.json"])
    with pytest.raises(BadInput, match="no result in it"):
        result_set.load([tmp_path])
    (tmp_path / "broken.jsonl.xz").write_bytes(b"plain text")
    with pytest.raises(BadInput, match="compressed by xz"):
        result_set.load([tmp_path])


def test_bundles_of_folders_are_sets_with_names_of_their_own(tmp_path):
    for folder in ("one", "two", "deep/one"):
        (tmp_path / folder).mkdir(parents=True)
        for name in ("a", "b"):
            (tmp_path / folder / f"{name}{result_set.BUNDLE_SUFFIX}").touch()
    one, two = tmp_path / "one", tmp_path / "two"
    assert result_set.sets([one, "x.json"]) == [("", ["x.json"]), *((name, [one / f"{name}{result_set.BUNDLE_SUFFIX}"]) for name in ("a", "b"))]
    assert [name for name, _ in result_set.sets([one, two])] == ["one-a", "one-b", "two-a", "two-b"]
    with pytest.raises(result_set.BadInput, match="one set of results that is called one-a"):
        result_set.sets([one, tmp_path / "deep/one"])
