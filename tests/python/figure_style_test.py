"""What figures share: axes without points, and files that are the same bytes again."""
import pytest

look = pytest.importorskip("figure_style")


@pytest.mark.parametrize("points", [[], [(0, 0)], [(1, 2), (3, 4)], [(2**20, 5), (2**21, 7)]])
@pytest.mark.parametrize("unit", ["bytes", "ns", "plain"])
def test_a_logarithmic_axis_is_drawn_whatever_is_in_it(tmp_path, points, unit):
    for name in ("first", "second"):
        look.fresh()
        figure, (axes,) = look.panels(["one"])
        if points:
            axes.plot(*zip(*points))
        look.axis(axes, "x", unit, log=True)
        look.axis(axes, "y", unit, log=True)
        look.finish(figure, "What it is.", [look.failure_handle()])
        look.save(figure, tmp_path, name)
    for suffix in look.CANVASES:
        assert (tmp_path / f"first.{suffix}").read_bytes() == (tmp_path / f"second.{suffix}").read_bytes()


def test_quantities_have_units():
    assert [look.bytes_text(value) for value in (0, 512, 2**20, 3 * 2**29)] == ["0", "512", "1M", "1.5G"]
    assert [look.ns_text(value) for value in (0, 10, 2e3, 5e6, 1e9)] == ["0", "10 ns", "2 µs", "5 ms", "1 s"]


def test_a_point_on_an_edge_has_room_along_it():
    figure, (axes,) = look.panels(["a"])
    axes.plot([1, 10], [1, 10])
    look.axis(axes, "x", "plain", log=True)
    look.axis(axes, "y", "plain", log=True)
    look.on_the_edge(axes, [(1000, 0)], {"marker": "o"})
    assert axes.get_xlim()[1] >= 1000 and axes.lines[-1].get_ydata()[0] == axes.get_ylim()[0] > 0


def test_a_trace_is_titled_by_its_name():
    figure, (axes,) = look.panels(["trace:somewhere/react-http.sapitrace.zst,repeat=3"])
    assert axes.get_title(loc="left") == "trace react-http,repeat=3"
