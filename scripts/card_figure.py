"""The figure of scripts/characterise: distribution functions of sizes and lifetimes, each generator against its counterpart."""
from matplotlib.ticker import FuncFormatter, PercentFormatter

import figure_style as look
import workload_cards as cards

OURS, PROGRAM, RECORDING = look.BLUE, look.VERMILION, look.GREY
LONGEST = 2.0**33


def shape(axes, title, label):
    axes.set_title(title, fontsize=9, loc="left")
    axes.set_xlabel(label, fontsize=8)
    axes.set_ylim(0, 1)
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.xaxis.set_major_formatter(FuncFormatter(look.bytes_text))
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
    shape(axes, f"{pair['workload']}, sizes: KS {pair['ks_size']:.2f}", "block size, bytes")


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
    shape(axes, f"lifetimes: KS {pair['ks_lifetime']:.2f}", "lifetime, bytes allocated meanwhile")
    axes.legend(fontsize=7, loc="lower right", frameon=True, framealpha=0.9)


def caption(pairs, summaries):
    """How the figure is to be read."""
    blocks = [summaries[pair["workload"]]["blocks"] for pair in pairs]
    return ("Workloads, synthetic against real PHP: distribution functions of block sizes and lifetimes, each generator (one run, every block counted, "
            f"{min(blocks):,} to {max(blocks):,} blocks) beside the program that it stands for, of whose lifetimes seven quantiles are known, and a recording "
            "of it where there is one. Sizes in Zend's bins, the last one open; what lifetimes lack to 100 % survives. KS: Kolmogorov-Smirnov distance. "
            "These are counts: the same on every machine.")


def drawn(pairs, summaries, programs, bins):
    """The figure: two panels for each pair of generator and program."""
    across = 1 if len(pairs) < 4 else 2
    figure, grid = look.panels([""] * (2 * len(pairs)), height_inches=2.4, columns=2 * across, width_inches=6.8 * across)
    for index, pair in enumerate(pairs):
        card, program = summaries[pair["workload"]], programs[pair["program"]]
        draw_sizes(grid[2 * index], pair, card, program, bins)
        draw_lifetimes(grid[2 * index + 1], pair, card, program, summaries.get(f"trace {pair['recording']}"))
    return figure


def draw(out, pairs, summaries, programs, bins):
    """cards.pdf, cards.png and cards.svg in `out`."""
    look.fresh()
    figure = drawn(pairs, summaries, programs, bins)
    look.finish(figure, caption(pairs, summaries))
    look.save(figure, out, "cards")
