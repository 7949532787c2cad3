"""Lower-bound overhead and regret against values worked out by hand."""
import pytest

import configurations
import overhead
from result_set import Run


def run(policy, cpu, cycles=0, collector=0, wall=0, pauses=0, status="ok", pacing=None, block=0, workload="churn", **metrics):
    figures = {"cpu_ns": cpu, "cycle_cpu_ns": cycles, "collector_cpu_ns": collector, "wall_ns": wall, **metrics}
    document = {
        "status": status,
        "config": {"alloc": {"value": 1 << 27}},
        "metrics": {name: {"value": value} for name, value in figures.items()},
        "pauses": {"total_ns": pauses},
    }
    return Run("test", document, {"policy": policy, "workload": workload, "pacing": pacing, "block": block})


def lbos(runs, clock):
    bounds = overhead.lower_bounds(configurations.configurations(runs), clock)
    return [overhead.lbo(one, bounds, clock) for one in runs]


def test_the_bound_is_the_least_total_without_explicit_reclamation():
    # Without reclamation: 100 - 10 - 20 = 70, 90, 80. The least is the collector's, though its total is the largest.
    assert lbos([run("epoch", 100, 10, 20), run("refcount", 90), run("malloc", 80)], "cpu") == pytest.approx([100 / 70, 90 / 70, 80 / 70])


def test_wall_time_is_without_pauses():
    # 200 - 50 = 150, 180 - 0 = 180.
    assert lbos([run("marksweep", 1, wall=200, pauses=50), run("refcount", 1, wall=180)], "wall") == pytest.approx([200 / 150, 180 / 150])


def test_measured_reclamation_takes_the_place_of_the_estimate():
    measured = run("epoch", 100, 10, 20, wall=100, pauses=5, reclamation_cpu_ns=40, reclamation_wall_ns=25)
    assert overhead.reclamation_ns(measured, "cpu") == 40 and overhead.reclamation_ns(measured, "wall") == 25
    assert lbos([measured], "cpu") == pytest.approx([100 / 60])


def test_of_several_runs_of_a_configuration_the_median_bounds():
    # 90, 100, 170 have the median 100; one lucky run is no bound.
    assert lbos([run("refcount", 90), run("refcount", 170), run("refcount", 100), run("epoch", 150)], "cpu")[3] == pytest.approx(1.5)


def test_runs_of_different_blocks_workloads_and_work_are_not_compared():
    other = run("refcount", 50, block=1), run("refcount", 50, workload="quads")
    assert lbos([run("epoch", 100), *other], "cpu") == pytest.approx([1, 1, 1])
    longer = run("epoch", 100)
    longer.document["config"]["alloc"]["value"] = 1 << 28
    assert lbos([longer, run("refcount", 50)], "cpu") == pytest.approx([1, 1])


def test_a_block_that_ran_few_configurations_has_the_bound_of_one_that_ran_them_all():
    # Block 0: the least is refcount's 60. Block 1 was twice as slow, and ran epoch alone: 120, not its own 140.
    full = run("epoch", 100, 30, block=0), run("refcount", 60, block=0)
    assert lbos([*full, run("epoch", 200, 60, block=1)], "cpu") == pytest.approx([100 / 60, 1, 200 / 120])


def test_a_failed_run_bounds_nothing_and_has_no_overhead():
    failed, good = lbos([run("arena", 10, status="oom"), run("epoch", 100)], "cpu")
    assert failed is None and good == pytest.approx(1)


def test_regret_is_relative_to_the_best():
    assert overhead.regret({"1M": 1.5, "16M": 1.2, "64M": None}) == {"1M": pytest.approx(0.25), "16M": 0, "64M": None}
    assert overhead.regret({"1M": None}) == {"1M": None}


def test_means_are_only_over_what_every_workload_completed():
    means = overhead.geometric_means({"churn": {"epoch": 1.0, "boehm": 2.0}, "quads": {"epoch": 4.0, "boehm": None}, "cli": {"epoch": 2.0}})
    assert means == {"epoch": pytest.approx(2), "boehm": None}
