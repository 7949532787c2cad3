"""The figure of scripts/characterise: distribution functions of sizes and lifetimes, each generator against its counterpart."""
import math

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.ticker import FuncFormatter, PercentFormatter  # noqa: E402

import workload_cards as cards  # noqa: E402

# Okabe and Ito's colours, told apart by all; line styles and marks differ too.
OURS, PROGRAM, RECORDING = "#0072B2", "#D55E00", "#555555"
LONGEST = 2.0**33


def quantity_text(value, _=None):
    for unit, factor in (("G", 2**30), ("M", 2**20), ("K", 2**10)):
        if value >= factor:
            return f"{value / factor:g}{unit}"
    return f"{value:g}"


def shape(axes, title, label):
    axes.set_title(title, fontsize=9, loc="left")
    axes.set_xlabel(label, fontsize=8)
    axes.set_ylim(0, 1)
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.xaxis.set_major_formatter(FuncFormatter(quantity_text))
    axes.grid(True, linewidth=0.4, color="#cccccc")
    axes.tick_params(labelsize=8)


def draw_sizes(axes, pair, card, program, bins):
    edges = [*bins, 2 * bins[-1]]
    axes.set_xscale("log", base=2)
    axes.step(edges, cards.shares_up_to(card["bin_count"]), where="post", color=OURS, linewidth=1.8, label=pair["workload"])
    axes.step(edges, cards.shares_up_to(program["bin_count"]), where="post", color=PROGRAM, linewidth=1.6, linestyle="--",
              label=f"PHP: {pair['program']}")
    axes.set_xlim(8, 2 * bins[-1])
    axes.set_xticks([8, 32, 128, 512, 2048])
    axes.minorticks_off()
    shape(axes, f"{pair['workload']}, sizes: KS {pair['ks_size']:.2f}", "block size, bytes, Zend's bins (the last one is open)")


def draw_lifetimes(axes, pair, card, program, recording):
    axes.set_xscale("log", base=2)

    def curve(figures, **style):
        points = cards.steps_of(figures["lifetimes"], cards.total_blocks(figures))
        axes.step([max(edge, 8) for edge, _ in points], [share for _, share in points], where="post", **style)

    curve(card, color=OURS, linewidth=1.8, label=pair["workload"])
    if recording is not None:
        curve(recording, color=RECORDING, linewidth=1.2, linestyle=":", label=f"recording {pair['recording']}")
    known = cards.known_quantiles(program)
    knots = cards.interpolated(known)
    axes.plot([max(2**x - 1, 8) for x, _ in knots], [y for _, y in knots], color=PROGRAM, linewidth=1.6, linestyle="--")
    for low, high, share in known:
        axes.plot([max(low, 8), high], [share, share], color=PROGRAM, linewidth=3, solid_capstyle="butt")
    axes.plot([], [], color=PROGRAM, linewidth=2, linestyle="--", marker="_", label=f"PHP: {pair['program']}, quantiles")
    axes.set_xlim(8, LONGEST)
    axes.set_xticks([2.0**n for n in range(4, 34, 6)])
    axes.minorticks_off()
    shape(axes, f"lifetimes: KS {pair['ks_lifetime']:.2f}", "lifetime, bytes allocated meanwhile; what is missing to 100 % survives")
    axes.legend(fontsize=7, loc="lower right", frameon=True, framealpha=0.9)


def draw(out, pairs, summaries, programs, bins):
    """cards.png and cards.svg in `out`: a pair of panels for each pair of generator and program."""
    across = 1 if len(pairs) < 4 else 2
    rows = math.ceil(len(pairs) / across)
    figure, grid = plt.subplots(rows, 2 * across, figsize=(9 * across, 3.1 * rows), squeeze=False, layout="constrained")
    panels = grid.reshape(-1, 2)
    for pair, (left, right) in zip(pairs, panels):
        card, program = summaries[pair["workload"]], programs[pair["program"]]
        draw_sizes(left, pair, card, program, bins)
        draw_lifetimes(right, pair, card, program, summaries.get(f"trace {pair['recording']}"))
    for unused in panels[len(pairs):].flat:
        unused.set_axis_off()
    for suffix in ("png", "svg"):
        partial = out / f"cards.{suffix}.partial"
        figure.savefig(partial, format=suffix, dpi=150)
        partial.replace(out / f"cards.{suffix}")
    plt.close(figure)
