"""scripts/pack-results: what a bundle keeps, and that it is the same bytes again."""
import json
import pathlib
import subprocess

import pytest

import result_set

SCRIPT = pathlib.Path(result_set.__file__).parent / "pack-results"


def pack(*arguments):
    return subprocess.run([SCRIPT, *map(str, arguments)], capture_output=True, text=True)


def documents(folder, count=3, points=100):
    folder.mkdir()
    for number in range(count):
        series = [{"clock_bytes": clock, "live_bytes": clock * number} for clock in range(points)]
        document = {"schema_version": 1, "status": "ok", "metrics": {"cpu_ns": {"value": number}}, "series": series, "cycles": series[:7],
                    "notes": ["µ"], "cell": {"policy": "epoch", "workload": "churn", "invocation": number}}
        (folder / f"{number}.json").write_text(json.dumps(document), encoding="utf-8")
    return folder


def test_all_but_the_long_lists_is_kept(tmp_path):
    folder, out = documents(tmp_path / "runs"), tmp_path / "some.jsonl.xz"
    done = pack(folder, f"--out={out}", "--series-points=10")
    assert done.returncode == 0 and done.stdout.startswith("3 runs in "), done.stderr
    for whole, packed in zip(result_set.load([folder]), result_set.load([out]), strict=True):
        for name, value in whole.document.items():
            if name != "series":
                assert packed.document[name] == value
        assert packed.cell == whole.cell and packed.metric("cpu_ns") == whole.metric("cpu_ns")
        series = packed.document["series"]
        assert [point["clock_bytes"] for point in series] == [0, 11, 22, 33, 44, 55, 66, 77, 88, 99]


def test_repeats_keep_fewer_points_and_the_one_that_is_drawn_is_the_same_again(tmp_path):
    folder, out, again = documents(tmp_path / "runs"), tmp_path / "some.jsonl.xz", tmp_path / "again.jsonl.xz"
    for source, made in ((folder, out), (out, again)):
        assert pack(source, f"--out={made}", "--series-points=10", "--repeat-points=2").returncode == 0
    series = [run.document["series"] for run in result_set.load([out])]
    assert [len(points) for points in series] == [10, 2, 2]
    assert [point["clock_bytes"] for point in series[1]] == [0, 99]
    assert out.read_bytes() == again.read_bytes()


def test_the_same_results_make_the_same_bytes_and_a_bundle_of_a_bundle_too(tmp_path):
    folder = documents(tmp_path / "runs")
    for name in ("a", "b"):
        assert pack(folder, f"--out={tmp_path}/{name}.jsonl.xz").returncode == 0
    assert pack(tmp_path / "a.jsonl.xz", f"--out={tmp_path}/c.jsonl.xz").returncode == 0
    first, second, again = ((tmp_path / f"{name}.jsonl.xz").read_bytes() for name in "abc")
    assert first == second == again


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (["--out=x.jsonl.xz"], "expected results"),
        (["runs"], "ends in .jsonl.xz"),
        (["runs", "--out=x.json"], "ends in .jsonl.xz"),
        (["absent", "--out=x.jsonl.xz"], "No such file"),
        (["runs", "--out=x.jsonl.xz", "--series-points=0"], "count of at least 1"),
        (["runs", "--out=x.jsonl.xz", "--repeat-points=0"], "count of at least 1"),
        (["runs", "--out=x.jsonl.xz", "--points=3"], "--series-points="),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(tmp_path, monkeypatch, arguments, expected):
    documents(tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    done = pack(*arguments)
    assert done.returncode == 2 and expected in done.stderr and done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


def test_points_are_evenly_spaced_with_both_ends():
    assert result_set.evenly(list(range(5)), 9) == [0, 1, 2, 3, 4]
    assert result_set.evenly(list(range(101)), 5) == [0, 25, 50, 75, 100]
    assert result_set.evenly(list(range(5)), 1) == [4] and result_set.evenly(list(range(5)), 0) == []
