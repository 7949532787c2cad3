"""Garbage against pauses: what a policy leaves lying for how long it stops."""
import figure_data as data
import figure_style as look
from figures import trade_off


def draw(results):
    figure, all_axes, every, handles = trade_off.drawn(results, "peak_garbage_bytes", "pauses.p99_ns", "bytes", "ns")
    look.label_edges(all_axes, "most garbage outstanding, bytes", "pause, 99th percentile")
    is_exact = [run.document.get("config", {}).get("garbage", {}).get("value") == "oracle" for one in every for run in one.ok]
    kind = "by the oracle of deaths" if all(is_exact) else "the most that a cycle found, backlog included" if not any(is_exact) else \
        "by the oracle where the run has one, else the most that a cycle found"
    what = (f"Garbage against pauses: the most garbage outstanding ({kind}) and the 99th percentile of the run's pauses; left and low is better. "
            "A curve joins the values of one pacing rule, or of the limit's factor, named at its ends; on an edge: 0.")
    return figure, data.caption(what, every, data.MEDIANS), handles
