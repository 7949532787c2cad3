"""How all figures look: colours, marks, lines, panels, captions, and files that are the same bytes for the same input.

Colours are Okabe and Ito's (2008), told apart by all; each is doubled by a mark and a line style, so that a print in grey is read too.
"""
import math
import textwrap

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: E402
from matplotlib.backends.backend_pdf import FigureCanvasPdf  # noqa: E402
from matplotlib.backends.backend_svg import FigureCanvasSVG  # noqa: E402
from matplotlib.lines import Line2D  # noqa: E402
from matplotlib.patheffects import withStroke  # noqa: E402
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, MultipleLocator, NullFormatter, NullLocator, PercentFormatter  # noqa: E402

from configurations import workload_name  # noqa: E402

BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILION, PURPLE = (
    "#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")
GREY = "#777777"

# Policy -> colour, mark, line style.
POLICIES = {
    "epoch": (BLUE, "o", "-"),
    "refcount": (VERMILION, "s", "--"),
    "marksweep": (GREEN, "^", "-."),
    "boehm": (PURPLE, "D", ":"),
    "malloc": (ORANGE, "v", (0, (5, 1))),
    "arena": (SKY, "P", (0, (3, 1, 1, 1, 1, 1))),
    "null": (BLACK, "h", (0, (1, 1))),
}
UNKNOWN = (GREY, "*", (0, (1, 3)))
# Of several curves of one policy: each has its own mark and line; the first is the policy's.
VARIANT_MARKS = ("", "D", "X", "P", "v", "<", ">", "p", "h")
VARIANT_LINES = ("", "--", ":", "-.", (0, (5, 1)), (0, (1, 1)), (0, (3, 1, 1, 1)), (0, (8, 2)), (0, (2, 3)))

CANVASES = {"pdf": FigureCanvasPdf, "png": FigureCanvasAgg, "svg": FigureCanvasSVG}
# Dates and the program's version would make other bytes of the same figure.
METADATA = {
    "pdf": {"Creator": None, "Producer": None, "CreationDate": None},
    "png": {"Software": None},
    "svg": {"Creator": None, "Date": None, "Format": None, "Type": None},
}
SETTINGS = {
    "font.family": "DejaVu Sans", "font.size": 8, "axes.titlesize": 8, "axes.labelsize": 8, "xtick.labelsize": 7, "ytick.labelsize": 7,
    "legend.fontsize": 7.5, "axes.titlelocation": "left", "axes.grid": True, "grid.color": "#dddddd", "grid.linewidth": 0.5,
    "axes.axisbelow": True, "lines.linewidth": 1.4, "lines.markersize": 4.5, "svg.hashsalt": "sapimem", "svg.fonttype": "path",
    "pdf.fonttype": 42, "path.simplify": True, "errorbar.capsize": 2, "axes.spines.top": False, "axes.spines.right": False,
}
DPI = 150
HALO = [withStroke(linewidth=1.5, foreground="white")]
CAPTION_POINTS, LEGEND_POINTS, LINE_INCHES, PAD_INCHES = 7, 7.5, 0.14, 0.08


class Missing(Exception):
    """What a figure needs is not in the results; the text says what."""


def fresh():
    """Every figure starts from matplotlib's defaults and these settings, whatever the user's own are."""
    matplotlib.rcdefaults()
    matplotlib.rcParams.update(SETTINGS)


# ---- Curves ----


def style(policy, variant=0):
    """Keywords of a curve with marks: of a policy as given, and of its `variant`th curve."""
    color, marker, line = POLICIES.get(policy.partition(":")[0], UNKNOWN)
    if variant:
        index = 1 + (variant - 1) % (len(VARIANT_MARKS) - 1)
        marker, line = VARIANT_MARKS[index], VARIANT_LINES[index]
    return {"color": color, "marker": marker, "linestyle": line, "markerfacecolor": "white" if variant else color}


class Styles:
    """One style for each label, the same in all panels of a figure."""

    def __init__(self):
        self.by_label, self.counts = {}, {}

    def of(self, label, policy):
        if label not in self.by_label:
            name = policy.partition(":")[0]
            self.by_label[label] = style(policy, self.counts.get(name, 0))
            self.counts[name] = self.counts.get(name, 0) + 1
        return self.by_label[label]

    def line(self, label, policy):
        """The same without marks, for curves of many points."""
        return {name: value for name, value in self.of(label, policy).items() if not name.startswith("marker")}

    def sparse(self, label, policy, count, marks=5):
        """For curves of `count` points: so few marks that they are told apart, shifted by label."""
        step = max(count // marks, 1)
        order = list(self.by_label).index(label) if label in self.by_label else len(self.by_label)
        return {**self.of(label, policy), "markevery": (order * step // 4 % step, step), "markersize": 3.5}

    def handles(self, unmarked=()):
        """Entries of the legend; those of the labels in `unmarked` are lines alone."""
        return [Line2D([], [], label=label, **{**look, "marker": "" if label in unmarked else look["marker"]}) for label, look in self.by_label.items()]


def failure_handle():
    return Line2D([], [], color=GREY, marker="x", linestyle="", markeredgewidth=1.6, label="a cell that failed")


def mark_failures(axes, looks, at=None):
    """A cross for each failed cell along the panel's upper edge, in its policy's colour; at `at` on the x axis where that is known."""
    for index, look in enumerate(looks):
        x, transform = (at[index], axes.get_xaxis_transform()) if at else (0.02 + 0.04 * (index % 25), axes.transAxes)
        y = 1 - 0.05 * (index // 25 if not at else at[:index].count(at[index]))
        axes.plot([x], [y], color=look["color"], marker="x", markersize=5, markeredgewidth=1.6, linestyle="", transform=transform, clip_on=False,
                  zorder=5)


def whiskers(axes, xs, ys, look, **more):
    """Points of (median, low, high) in both directions, with their intervals."""
    middles, arms = [], []
    for bands in (xs, ys):
        middles.append([middle for middle, _, _ in bands])
        arms.append([[middle - low for middle, low, _ in bands], [high - middle for middle, _, high in bands]])
    axes.errorbar(*middles, xerr=arms[0], yerr=arms[1], elinewidth=0.8, **{**look, "linestyle": "", **more})


def on_the_edge(axes, points, look):
    """Points that a logarithmic axis has no place for, being 0: on its lower end, with room for them on the other. After the scales are set."""
    for axis, values in (("x", [x for x, _ in points if x > 0]), ("y", [y for _, y in points if y > 0])):
        low, high = getattr(axes, f"get_{axis}lim")()
        getattr(axes, f"set_{axis}lim")(min([low, *values]), max([high, *values]))
    low_x, low_y = axes.get_xlim()[0], axes.get_ylim()[0]
    limits = axes.axis()
    axes.plot([max(x, low_x) for x, _ in points], [max(y, low_y) for _, y in points], clip_on=False, **{**look, "linestyle": ""})
    axes.axis(limits)


def name_points(axes, named, nearest=0.11):
    """Texts beside points, [(x, y, text, color)], without those too near to one that is there. After the scales are set."""
    places = []
    for x, y, text, color in named:
        place = axes.transAxes.inverted().transform(axes.transData.transform((x, y)))
        if all(abs(place - other).max() > nearest for other in places):
            axes.annotate(text, (x, y), xytext=(3, 3), textcoords="offset points", fontsize=6, color=color, path_effects=HALO, zorder=6)
            places.append(place)


def curve(axes, xs, bands, look, **more):
    """(median, low, high) over plain x: the median as a curve with marks, the interval as a band and bars."""
    middles, lows, highs = zip(*bands)
    axes.plot(xs, middles, **{**look, **more})
    axes.fill_between(xs, lows, highs, color=look["color"], alpha=0.15, linewidth=0)


# ---- Axes ----


def bytes_text(value, _=None):
    for unit, factor in (("G", 2**30), ("M", 2**20), ("K", 2**10)):
        if abs(value) >= factor:
            return f"{value / factor:.4g}{unit}"
    return f"{value:.4g}"


def ns_text(value, _=None):
    if value == 0:
        return "0"
    for unit, factor in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if value >= factor:
            return f"{value / factor:.4g} {unit}"
    return f"{value:.4g} ns"


def plain_text(value, _=None):
    if value >= 10000:
        return f"{value / 1000:,g}k"
    return f"{value:.4g}"


FORMATS = {"bytes": bytes_text, "ns": ns_text, "plain": plain_text}


def _binary_steps(span):
    """About four ticks at multiples of a power of two, which are what round numbers of bytes are."""
    return MultipleLocator(2.0 ** round(math.log2(span / 4)))


def axis(axes, which, unit="plain", log=False, label=None):
    """Scale, tick labels in units, and label of the "x" or "y" axis."""
    chosen = getattr(axes, f"{which}axis")
    low, high = sorted(chosen.get_data_interval())
    # A panel without points, as where all failed, has no logarithm.
    if log and 0 < high < math.inf:
        base = 2 if unit == "bytes" else 10
        (axes.set_xscale if which == "x" else axes.set_yscale)("log", base=base)
        spread = math.log(high / low, base) if 0 < low < high < math.inf else 0
        # Less than a decade has no power of ten in it that could be labelled.
        subs = (1,) if base == 2 or spread > 1.5 else (1, 2, 5) if spread > 0.6 else (1, 1.5, 2, 3, 4, 5, 6, 8)
        is_narrow = base == 2 and 0 < spread < 2
        chosen.set_major_locator(_binary_steps(high - low) if is_narrow else LogLocator(base=base, subs=subs, numticks=6))
        chosen.set_minor_formatter(NullFormatter())
        if spread > 3 or base == 2:
            chosen.set_minor_locator(NullLocator())
    elif log:
        chosen.set_ticks([])
    elif unit == "bytes":
        chosen.set_major_locator(_binary_steps(max(chosen.get_data_interval()[1], 1)))
    else:
        chosen.set_major_locator(MaxNLocator(5))
    chosen.set_major_formatter(FuncFormatter(FORMATS[unit]))
    if label:
        chosen.set_label_text(label)


# ---- Figures ----


def columns_for(count):
    return count if count < 4 else 2 if count == 4 else 3 if count < 10 else 4


def panels(titles, height_inches=1.9, columns=None, width_inches=None):
    """(figure, one axes for each title) in a grid; what is left over of the grid is empty."""
    columns = columns or columns_for(len(titles))
    rows = math.ceil(len(titles) / columns)
    width = width_inches or {1: 5.2, 2: 6.4, 3: 7.4}.get(columns, 9.2)
    figure, grid = plt.subplots(rows, columns, figsize=(width, height_inches * rows), squeeze=False, layout="constrained")
    for axes, title in zip(grid.flat, titles):
        axes.set_title(textwrap.fill(workload_name(title), int(width / columns * 12.5)))
    for unused in list(grid.flat)[len(titles):]:
        unused.set_axis_off()
    return figure, list(grid.flat)[:len(titles)]


def label_edges(all_axes, x_label, y_label):
    """Labels at the left and at the lowest panel of each column alone: the others share them."""
    lowest = {}
    for axes in all_axes:
        place = axes.get_subplotspec()
        lowest[place.colspan.start] = axes
        if place.is_first_col():
            axes.set_ylabel(y_label)
    for axes in lowest.values():
        axes.set_xlabel(x_label)


def finish(figure, caption, handles=()):
    """Legend above the panels and caption below them, outside of what they take."""
    width, height = figure.get_size_inches()
    lines = textwrap.wrap(caption, int(width * 72 / (CAPTION_POINTS * 0.535)))
    widest = max((len(handle.get_label()) for handle in handles), default=0)
    across = max(1, min(len(handles), int(width / (0.75 + widest * LEGEND_POINTS * 0.56 / 72))))
    above = math.ceil(len(handles) / across) * LINE_INCHES * 1.15 + PAD_INCHES if handles else 0
    below = len(lines) * LINE_INCHES + 2 * PAD_INCHES
    height += above + below
    figure.set_size_inches(width, height)
    figure.get_layout_engine().set(rect=(0, below / height, 1, 1 - (above + below) / height), w_pad=0.06, h_pad=0.06)
    figure.text(PAD_INCHES / width, (below - PAD_INCHES) / height, "\n".join(lines), fontsize=CAPTION_POINTS, va="top", color="#333333",
                linespacing=LINE_INCHES * 72 / CAPTION_POINTS / 1.17)
    if handles:
        figure.legend(handles=list(handles), loc="upper left", ncol=across, frameon=False, bbox_to_anchor=(0, 1), borderaxespad=0.2,
                      handlelength=3, columnspacing=1.4)


def save(figure, out, name):
    """NAME.pdf, NAME.png and NAME.svg in `out`, each whole or absent."""
    # Laid out once, not for each file; nor drawn twice for each, as savefig does it.
    figure.set_dpi(DPI)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for suffix, canvas in CANVASES.items():
        partial = out / f"{name}.{suffix}.partial"
        # Those of vectors leave theirs behind.
        figure.set_dpi(DPI)
        getattr(canvas(figure), f"print_{suffix}")(partial, metadata=METADATA[suffix])
        partial.replace(out / f"{name}.{suffix}")
    plt.close(figure)
