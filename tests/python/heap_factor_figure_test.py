"""The figure of overhead under limits has one axis: multiples of the live size and of the minheap never share it."""
import pytest

pytest.importorskip("matplotlib")
import figure_data  # noqa: E402
import figure_style  # noqa: E402
from figures import heap_factor  # noqa: E402
from result_set import Run  # noqa: E402


def run(cpu_ns, **limit):
    metrics = {"cpu_ns": {"value": cpu_ns}, "reclamation_cpu_ns": {"value": 10}}
    config = {"observers": {"value": 0}, "workers": {"value": 1}}
    return Run("test", {"status": "ok", "metrics": metrics, "config": config}, {"policy": "marksweep", "workload": "churn", **limit})


IN_MINHEAPS = [run(100, minheap_factor=2.0), run(90, minheap_factor=3.0)]
IN_LIVE_SIZES = [run(80, heap_factor=2.0), run(70, heap_factor=5.0)]


def drawn(runs):
    """(label of the x axis, x of the curve's points, caption)."""
    figure_style.fresh()
    figure, caption, _ = heap_factor.drawn(figure_data.Results(runs), "cpu", "CPU time")
    panel = figure.axes[0]
    xs = {float(x) for line in panel.lines for x in line.get_xdata()}
    labels = {axes.get_xlabel() for axes in figure.axes} - {""}
    return labels, xs, caption


@pytest.mark.parametrize("runs, label, xs", [(IN_MINHEAPS, "limit, in minheaps", {2.0, 3.0}), (IN_LIVE_SIZES, "limit, in live sizes", {2.0, 5.0})])
def test_the_axis_says_its_unit(runs, label, xs):
    labels, found, caption = drawn(runs)
    assert labels == {label} and found == xs
    assert "Left out" not in caption


def test_of_both_units_the_minheap_is_drawn_and_the_caption_says_so():
    labels, xs, caption = drawn(IN_LIVE_SIZES + IN_MINHEAPS)
    assert labels == {"limit, in minheaps"} and xs == {2.0, 3.0}
    assert "Left out: 2 configurations whose limit is a multiple of the live size instead." in caption


def test_elsewhere_they_are_curves_of_their_own():
    results = figure_data.Results(IN_LIVE_SIZES + IN_MINHEAPS)
    curves = results.curves(results.plain["churn"])
    assert {label: [one.heap_factor for one in along] for label, along in curves.items()} == {
        "marksweep, heap factor": [2.0, 5.0], "marksweep, minheap factor": [2.0, 3.0]}
