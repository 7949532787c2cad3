"""Stops as strace shows them."""
import pytest

import outside_observers
from measured_runs import BadInput

FILE = "</proc/7/task/7/schedstat>"


def call(name, at, took, text="1 2 3\\n", thread=7):
    return f'{thread} {at} {name}(8{FILE}, "{text}", 95, 0) = 22 <{took}>'


BEGIN, END = call("read", "100.000000000", "0.000002"), call("read", "200.000000000", "0.000002")


def test_a_stop_goes_from_return_to_entry():
    lines = [BEGIN, call("read", "100.1", "0.000001", text=""),
             call("pread64", "101.000000010", "0.000005"), call("pread64", "101.002000017", "0.000004"),
             "7 101.5 read(3</etc/hosts>, \"1\", 95) = 1 <0.000001>",
             call("pread64", "150.000000000", "0.000001"), call("pread64", "150.000001500", "0.000004"), END]
    assert outside_observers.stops(lines) == [1995007, 500]


def test_only_the_work_counts():
    outside = [call("pread64", "99.0", "0.000001"), call("pread64", "99.5", "0.000001")]
    after = [call("pread64", "299.0", "0.000001"), call("pread64", "299.5", "0.000001")]
    assert outside_observers.stops([*outside, BEGIN, END, *after]) == []


@pytest.mark.parametrize("lines", [[], [BEGIN], [BEGIN, call("pread64", "101.0", "0.000001"), END]])
def test_a_trace_that_is_not_whole_is_refused(lines):
    with pytest.raises(BadInput):
        outside_observers.stops(lines)


def test_what_is_not_installed_is_skipped():
    with pytest.raises(outside_observers.Skip):
        outside_observers.tool("no-such-program-anywhere")
