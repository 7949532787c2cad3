"""Regret of each threshold on each workload: how much more it costs than the best one there."""
import configurations
import figure_data as data
import figure_style as look
import overhead

MOST_SHOWN = 1.0


def draw(results):
    policy, rows = _swept(results)
    data.need(policy, "a policy with at least two pacings of one workload, without a limit")
    pacings = sorted({one.pacing for members in rows.values() for one in members}, key=configurations.pacing_order)
    every = [one for members in rows.values() for one in members]
    titles = (f"{policy}: CPU time (LBO), % above the best", f"{policy}: mean footprint, % above the best")
    width = max(3.2, 1.6 + 0.42 * len(pacings)) * 2
    figure, all_axes = look.panels(titles, height_inches=0.8 + 0.24 * len(rows), columns=2, width_inches=width)
    for axes, figure_of in zip(all_axes, (results.lbo("cpu"), "mean_footprint_bytes")):
        _draw_map(axes, rows, pacings, figure_of)
    all_axes[0].set_yticks(range(len(rows)), list(map(configurations.workload_name, rows)))
    all_axes[1].set_yticks(range(len(rows)), [""] * len(rows))
    what = (f"Regret: what a pacing costs on a workload beyond the best pacing there, in %, by medians; ~: its 95 % interval meets the best one's; x: a run "
            f"failed; -: not run. Colours end at {100 * MOST_SHOWN:.0f} %. Policy {policy}, {data.count_text(every)}.")
    return figure, data.caption(what, every), ()


def _swept(results):
    """The policy with the most pacings, and its configurations by workload, those with at least two."""
    policies = {}
    for workload, members in results.plain.items():
        for one in members:
            if one.heap_factor is None and one.pacing:
                policies.setdefault(results.label(one), {}).setdefault(workload, []).append(one)
    swept = {label: {workload: members for workload, members in rows.items() if len({one.pacing for one in members}) > 1}
             for label, rows in policies.items()}
    label = max(sorted(swept), key=lambda name: sum(map(len, swept[name].values())), default=None)
    return (label, swept[label]) if label and swept[label] else (None, {})


def _cell(band, share, best, is_failed):
    if is_failed:
        return "x"
    if share is None:
        return "-"
    text = f"{100 * share:.0f}" if share < 9.995 else f"{1 + share:.0f}x"
    return f"~{text}" if share > 0 and band[1] <= best[2] else text


def _draw_map(axes, rows, pacings, figure_of):
    shares = []
    for row, members in enumerate(rows.values()):
        bands = {one.pacing: one.interval(figure_of) for one in members}
        failed = {one.pacing for one in members if one.failed}
        regrets = overhead.regret({pacing: bands[pacing][0] if bands.get(pacing) else None for pacing in pacings})
        best = min((band for band in bands.values() if band), default=None)
        shares.append([float("nan") if regrets[pacing] is None else regrets[pacing] for pacing in pacings])
        for column, pacing in enumerate(pacings):
            share = regrets[pacing]
            axes.text(column, row, _cell(bands.get(pacing), share, best, pacing in failed), ha="center", va="center", fontsize=6.5,
                      color=look.VERMILION if pacing in failed else "white" if (share or 0) > 0.55 * MOST_SHOWN else "black",
                      fontweight="bold" if share == 0 or pacing in failed else "normal")
    colors = look.matplotlib.colormaps["cividis_r"].copy()
    colors.set_bad("#eeeeee")
    axes.imshow(shares, cmap=colors, vmin=0, vmax=MOST_SHOWN, aspect="auto")
    axes.set_xticks(range(len(pacings)), pacings, rotation=45, ha="right", rotation_mode="anchor")
    axes.grid(False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
