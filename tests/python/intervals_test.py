"""Intervals and slopes against values worked out by hand, and their behaviour over many samples."""
import numpy
import pytest

import intervals


def test_the_interval_of_one_value_is_that_value():
    assert intervals.median_interval([5.0]) == (5.0, 5.0, 5.0)
    with pytest.raises(ValueError):
        intervals.median_interval([])


def test_the_same_seed_gives_the_same_interval():
    values = [3.0, 1.0, 4.0, 1.5, 9.0, 2.6]
    assert intervals.median_interval(values) == intervals.median_interval(values)
    assert intervals.median_interval(values, seed=2)[0] == intervals.median_interval(values)[0]


def test_nineteen_of_twenty_intervals_hold_the_true_median():
    draws = numpy.random.default_rng(7).lognormal(size=(200, 25))
    held = sum(low <= 1.0 <= high for _, low, high in map(intervals.median_interval, draws))
    assert 178 <= held <= 200


def test_geometric_mean():
    assert intervals.geometric_mean([1, 10, 100]) == pytest.approx(10)


def test_slope_is_exact_on_a_line_and_steady_under_outliers():
    xs = list(range(20))
    assert intervals.theil_sen(xs, [3 * x + 1 for x in xs]) == pytest.approx(3)
    spoilt = [1000 if x in (4, 11, 17) else 3 * x + 1 for x in xs]
    assert intervals.theil_sen(xs, spoilt) == pytest.approx(3, abs=0.5)
    assert intervals.theil_sen([2, 2], [1, 5]) == 0
