"""Blocks of a series and the slopes over them: a saw-tooth is flat, what grows beneath it is not."""
import pytest

import series_slope
from measured_runs import BadInput


def saw(count, growth=0.0, period=40):
    return [{"clock_bytes": 1000 * i, "live_bytes": 50000 + 1000 * (i % period) + growth * 1000 * i, "committed_bytes": 200000}
            for i in range(count)]


def by_name(points, count=16):
    return {(key, name): slope for key, name, slope in series_slope.slopes(points, count)}


def test_every_point_is_in_one_block():
    points = saw(331)
    cut = series_slope.blocks(points, "live_bytes", 16)
    assert [value for _, values in cut for value in values] == [point["live_bytes"] for point in points]
    assert [x for x, _ in cut] == sorted(x for x, _ in cut)


def test_a_saw_tooth_is_flat():
    assert by_name(saw(3200)) == {key: pytest.approx(0, abs=1e-4) for key in by_name(saw(3200))}


def test_growth_beneath_it_is_told_exactly():
    slopes = by_name(saw(3200, growth=0.001))
    assert slopes["live_bytes", "median"] == pytest.approx(0.001, rel=0.05)
    assert slopes["live_bytes", "maximum"] == pytest.approx(0.001, rel=0.05)
    assert slopes["committed_bytes", "maximum"] == 0


def test_too_short_a_series_is_refused():
    assert len(series_slope.after(saw(100), 50000, 16)) == 50
    with pytest.raises(BadInput, match="31 points after the warm-up, expected at least 32"):
        series_slope.after(saw(31), 0, 16)
