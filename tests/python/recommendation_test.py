"""The threshold answer on made-up sweeps whose answer is known."""
import json
import os
import pathlib
import subprocess
import sys

import numpy
import pytest

import configurations
import recommendation
from measured_runs import BadInput
from result_set import Run

SCRIPT = pathlib.Path(os.environ.get("SAPIMEM_SOURCE_DIR", pathlib.Path(__file__).parents[2])) / "scripts/recommend"


def run_of(workload, pacing, cpu, footprint, pause_ms=0.2, invocation=0, status="ok"):
    values = {"cpu_ns": round(cpu * 1e9), "mean_footprint_bytes": round(footprint * 1e6), "peak_live_bytes": 1000000}
    document = {
        "schema_version": 1,
        "status": status,
        "metrics": {name: {"value": value} for name, value in values.items()} if status == "ok" else {},
        "pauses": {"p99_ns": pause_ms * 1e6},
        "cell": {"policy": "epoch", "workload": workload, "pacing": pacing, "invocation": invocation},
    }
    return Run(f"{workload}/{pacing}/{invocation}", document, document["cell"])


def sweep(cells, workloads=("a", "b"), runs=10, noise=0.004, seed=3):
    """Cells as {pacing: (CPU, footprint, p99 ms)}; the CPU of each run is off by a normal draw."""
    draw = numpy.random.default_rng(seed)
    return [
        run_of(workload, pacing, cpu * factor * (1 + noise * draw.standard_normal()), space * factor, pause, invocation)
        for factor, workload in enumerate(workloads, start=1)
        for pacing, (cpu, space, pause) in cells.items()
        for invocation in range(runs)
    ]


VALLEY = {
    "fixed:1M": (1.50, 1.2, 0.2),
    "fixed:4M": (1.10, 1.6, 0.2),
    "fixed:16M": (1.005, 2.5, 0.2),
    "fixed:64M": (1.00, 6.0, 0.2),
    "fixed:256M": (1.04, 20.0, 0.2),
}


def test_the_smallest_footprint_within_the_slack_is_chosen():
    found = recommendation.answer(recommendation.measure(sweep(VALLEY)), limit_ms=1, cpu_slack=0.02)
    names = found.measured.cells
    assert names[found.choice] == "fixed:16M"
    assert found.choice_share[found.choice] > 0.9
    assert [names[cell] for cell in found.covering] == ["fixed:16M"]
    assert {names[cell] for cell in found.flat} == {"fixed:16M", "fixed:64M"}
    assert found.front_share[names.index("fixed:256M")] == 0
    assert found.front_share[names.index("fixed:1M")] == 1


def test_noise_widens_what_the_replicates_choose_among():
    # At the very edge of the slack: which side a cell is on, the next sweep may say otherwise.
    cells = dict(VALLEY, **{"fixed:16M": (1.012, 2.5, 0.2)})
    found = recommendation.answer(recommendation.measure(sweep(cells, noise=0.01)), limit_ms=1, cpu_slack=0.02)
    assert len(found.covering) > 1
    assert max(found.choice_share) < 0.9


def blocks(cells, workload="a", runs=10, noise=0.01, few=(), seed=5):
    """As sweep, on a machine that is up to twice as fast in one block as in another; cells in `few` ran in the first three blocks alone."""
    draw = numpy.random.default_rng(seed)
    speeds = draw.uniform(1, 2, runs)
    return [
        run_of(workload, pacing, cpu * speeds[invocation] * (1 + noise * draw.standard_normal()), space, pause, invocation)
        for pacing, (cpu, space, pause) in cells.items()
        for invocation in range(3 if pacing in few else runs)
    ]


def test_a_machine_of_changing_speed_does_not_blur_the_answer():
    found = recommendation.answer(recommendation.measure(blocks(VALLEY, noise=0.004, few=("fixed:1M", "fixed:4M", "fixed:256M"))), limit_ms=1, cpu_slack=0.02)
    names = found.measured.cells
    assert names[found.choice] == "fixed:16M" and found.choice_share[found.choice] > 0.9
    assert found.cpu[names.index("fixed:1M")] == pytest.approx(1.5, rel=0.02)
    assert numpy.ptp(found.cpu_interval[:, names.index("fixed:16M")]) < 0.02
    assert found.deciding_runs == 10 and found.measured.runs.min() == 3


def test_the_interval_of_a_ratio_covers_it_as_often_as_it_says():
    cells = {"x": (1.0, 3.0, 0.1), "y": (1.06, 2.0, 0.1), "z": (1.3, 1.0, 0.1)}
    covered = 0
    for seed in range(60):
        found = recommendation.answer(recommendation.measure(blocks(cells, noise=0.02, seed=seed), replicates=300), limit_ms=1, cpu_slack=0.02)
        low, high = found.cpu_interval[:, found.measured.cells.index("z")]
        covered += low <= 1.3 <= high
    assert 0.85 * 60 <= covered


def test_runs_alone_in_their_blocks_and_runs_of_no_block_are_taken_as_they_are():
    runs = [run_of("a", pacing, cpu, 1, invocation=number) for number, (pacing, cpu) in enumerate([("x", 1.0), ("x", 1.2), ("y", 2.0), ("y", 2.4)])]
    measured = recommendation.measure(runs)
    assert measured.cpu[0].tolist() == pytest.approx([1.1e9, 2.2e9]) and measured.runs.tolist() == [2, 2]
    measured = recommendation.measure([run_of("a", pacing, cpu, 1) for pacing, cpu in (("x", 1.0), ("y", 2.0), ("x", 1.5), ("y", 3.0))])
    assert (measured.cpu[0][1] / measured.cpu[0][0]) == pytest.approx(2) and measured.runs.tolist() == [2, 2]


def test_where_no_replicate_chooses_no_cell_is_named_as_chosen():
    found = recommendation.answer(recommendation.measure(sweep({"x": (1.2, 1.0, 0.2), "y": (1.0, 2.0, 4.0)})), limit_ms=1, cpu_slack=0.02)
    assert found.covering == [] and found.choice_share.sum() == 0


def test_pauses_rule_a_cell_out_but_not_where_no_cell_keeps_the_limit():
    cells = dict(VALLEY, **{"fixed:16M": (1.005, 2.5, 3.0)})
    found = recommendation.answer(recommendation.measure(sweep(cells)), limit_ms=1, cpu_slack=0.02)
    assert found.measured.cells[found.choice] == "fixed:64M"

    storm = [run_of("storm", pacing, 1, 1, 5.0, i) for pacing in VALLEY for i in range(10)]
    found = recommendation.answer(recommendation.measure(sweep(VALLEY) + storm), limit_ms=1, cpu_slack=0.02)
    assert found.hopeless == ["storm"]
    assert found.measured.cells[found.choice] == "fixed:16M"


def test_no_cell_fits_is_an_answer_too():
    cells = {"fixed:1M": (1.2, 1.0, 0.2), "fixed:4M": (1.0, 2.0, 4.0)}
    found = recommendation.answer(recommendation.measure(sweep(cells)), limit_ms=1, cpu_slack=0.02)
    assert found.choice == -1


def test_a_cell_that_failed_somewhere_is_left_out_and_named():
    runs = [run for run in sweep(VALLEY) if (run.workload, run.pacing) != ("b", "fixed:16M")]
    runs.append(run_of("b", "fixed:16M", 0, 0, status="oom"))
    found = recommendation.answer(recommendation.measure(runs), limit_ms=1, cpu_slack=0.02)
    assert found.measured.left_out == {"fixed:16M": "oom on b"}
    assert found.measured.cells[found.choice] == "fixed:64M"


def test_regret_is_to_each_workloads_own_best():
    runs = sweep({"x": (1.0, 1.0, 0.1), "y": (2.0, 3.0, 0.4)}, workloads=("a",), noise=0)
    measured = recommendation.measure(runs)
    assert recommendation.regret(measured, 1)["a"] == pytest.approx((2.0, 3.0, 0.4))
    assert recommendation.held_out_regret(measured, "x")["a"] == pytest.approx((1.0, 1.0, 0.1))
    with pytest.raises(BadInput, match="did not all complete z"):
        recommendation.held_out_regret(measured, "z")


def test_the_front_is_what_none_beats():
    cpu, footprint = numpy.array([1.0, 1.1, 1.2, 1.1]), numpy.array([3.0, 2.0, 2.5, 2.0])
    assert recommendation.on_front(cpu, footprint).tolist() == [True, True, False, True]


def test_the_librarys_default_is_the_answer_of_the_reference_set():
    done = command(str(SCRIPT.parents[1] / "results/reference/epoch.jsonl.xz"), "--hold-out=trace:*;cli-orm", "--json=-")
    answer = json.loads(done.stdout)
    assert answer["recommended"] == configurations.DEFAULT_PACING and answer["least_deciding_runs"] >= 10


def test_one_cell_is_no_choice():
    with pytest.raises(BadInput, match="at least two cells"):
        recommendation.measure(sweep({"fixed:1M": (1, 1, 0.1)}))


def written(folder, runs):
    for number, run in enumerate(runs):
        (folder / f"{number}.json").write_text(json.dumps(run.document), encoding="utf-8")


def command(*arguments):
    return subprocess.run([sys.executable, SCRIPT, *arguments], capture_output=True, text=True)


def test_the_command_says_it_in_text_and_in_json(tmp_path):
    written(tmp_path, sweep(VALLEY, workloads=("a", "b", "kept")))
    done = command(str(tmp_path), "--hold-out=kept", f"--json={tmp_path}/out/answer.json")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Recommended: fixed:16M, chosen in ")
    assert "The same on what was held out" in done.stdout
    answer = json.loads((tmp_path / "out/answer.json").read_text(encoding="utf-8"))
    assert answer["recommended"] == "fixed:16M" and answer["workloads"] == ["a", "b"]
    assert list(answer["held_out"]) == ["kept"]
    assert command(str(tmp_path), "--hold-out=kept", "--json=-").stdout == json.dumps(answer, indent=1) + "\n"


@pytest.mark.parametrize(
    "arguments, expected",
    [
        ((), "expected results"),
        (("FOLDER", "--hold-out=absent"), "--hold-out: no result of 'absent'"),
        (("FOLDER", "--hold-out=*"), "nothing is left to choose from"),
        (("FOLDER", "--policy=refcount"), "--policy=refcount: no result"),
        (("FOLDER", "--pause-limit=soon"), "expected a number"),
        (("FOLDER/absent",), "No such file"),
    ],
)
def test_bad_input_is_one_line(tmp_path, arguments, expected):
    written(tmp_path, sweep(VALLEY, runs=1))
    done = command(*(argument.replace("FOLDER", str(tmp_path)) for argument in arguments))
    assert done.returncode == 2 and expected in done.stderr and done.stderr.count("\n") == 1


def test_exit_1_when_nothing_fits(tmp_path):
    written(tmp_path, sweep({"fixed:1M": (1.2, 1.0, 0.2), "fixed:4M": (1.0, 2.0, 4.0)}))
    done = command(str(tmp_path))
    assert done.returncode == 1 and done.stdout.startswith("No cell is within 2 %")
