"""Runs put together by configuration, and which of them stands for its policy."""
import re

import pytest

import configurations
import measured_runs
from result_set import Run


def run(status="ok", threads=1, value=7, config=True, **cell):
    document = {"status": status, "metrics": {"cpu_ns": {"value": value}}}
    if config:
        document["config"] = {"collector_threads": {"value": threads}, "observers": {"value": 0}, "workers": {"value": 1}}
    return Run("test", document, {"policy": "epoch", "workload": "churn", **cell})


def test_invocations_are_one_configuration():
    found = configurations.configurations([run(value=1), run(value=5), run(value=3), run(threads=0)])
    assert [len(one.runs) for one in found] == [3, 1]
    assert found[0].interval("cpu_ns")[0] == 3 and found[0].interval("absent") is None
    assert found[0].is_plain


def test_a_refused_run_that_says_nothing_is_put_to_its_cell():
    (one,) = configurations.configurations([run("invalid", config=False, pacing="fixed:1M"), run(pacing="fixed:1M")])
    assert len(one.ok) == 1 and len(one.failed) == 1
    # Where two configurations could be meant it stands alone.
    assert len(configurations.configurations([run("invalid", config=False), run(), run(threads=0)])) == 3


def test_the_default_pacing_is_the_librarys():
    header = (measured_runs.ROOT / "lib/mm/include/sapimem/manager.h").read_text(encoding="utf-8")
    assert f"fixed:{re.search(r'SM_THRESHOLD_DEFAULT_MIB ([0-9]+)', header)[1]}M" == configurations.DEFAULT_PACING


def test_pacing_is_sorted_by_number_of_bytes():
    labels = ["fixed:64M", "never", "fixed:512K", "sqrt:2", None, "fixed:1G", "sqrt:0.5"]
    assert sorted(labels, key=configurations.pacing_order) == [None, "fixed:512K", "fixed:64M", "fixed:1G", "never", "sqrt:0.5", "sqrt:2"]


@pytest.mark.parametrize(
    "cells, expected",
    [
        ([{"pacing": "fixed:1M"}, {"pacing": "fixed:32M"}, {"pacing": "fixed:64M"}, {"pacing": "fixed:128M"}], "fixed:32M"),
        ([{"pacing": "fixed:1M"}, {"pacing": "sqrt:1"}, {"pacing": "fixed:4M"}, {"pacing": "fixed:8M"}], "fixed:4M"),
        ([{"pacing": "fixed:32M", "heap_factor": 2}, {"pacing": "fixed:4M"}], "fixed:4M"),
    ],
)
def test_the_default_or_the_middle_stands_for_a_policy(cells, expected):
    (one,) = configurations.representative(configurations.configurations([run(**cell) for cell in cells]))
    assert one.pacing == expected


def test_a_limit_is_a_multiple_of_the_live_size_or_of_the_minheap():
    found = configurations.configurations([run(minheap_factor=2.0, heap_factor=None), run(heap_factor=3.0), run()])
    assert [(one.heap_factor, one.limit_unit) for one in found] == [(2.0, "minheap"), (3.0, "live size"), (None, None)]


def test_the_same_factor_of_another_unit_is_another_configuration():
    found = configurations.configurations([run(minheap_factor=2.0), run(heap_factor=2.0), run(minheap_factor=2.0)])
    assert [(one.limit_unit, len(one.runs)) for one in found] == [("minheap", 2), ("live size", 1)]


def test_minheaps_are_taken_where_limits_have_both_units():
    both = configurations.configurations([run(heap_factor=9.0), run(minheap_factor=2.0), run(minheap_factor=3.0)])
    assert [one.heap_factor for one in configurations.of_one_unit(both)] == [2.0, 3.0]
    assert [one.heap_factor for one in configurations.of_one_unit(both[:1])] == [9.0]
    (widest,) = configurations.representative(both)
    assert (widest.heap_factor, widest.limit_unit) == (3.0, "minheap")
