"""Time against space: CPU overhead over mean footprint, a curve along the thresholds of each pacing rule, rivals as points."""
import figure_data as data
import figure_style as look
from figures import trade_off


def draw(results):
    figure, all_axes, every, handles = trade_off.drawn(results, "mean_footprint_bytes", results.lbo("cpu"), "bytes", "plain")
    look.label_edges(all_axes, "mean footprint, bytes", "CPU time, LBO")
    what = ("Time against space: CPU time as a multiple of its lower bound (LBO) over the mean footprint on the allocation clock; left and low is better. "
            "A curve joins the values of one pacing rule, or of the limit's factor, named at its ends.")
    return figure, data.caption(what, every, data.MEDIANS), handles
