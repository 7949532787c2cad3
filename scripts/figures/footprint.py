"""Footprint over the allocation clock: what each policy holds committed, and what is live."""
import figure_data as data
import figure_style as look


def draw(results):
    chosen = results.shown(data.series, "a run with a series, without stalls and observers")
    figure, all_axes = look.panels(list(chosen))
    drawn = [one for members in chosen.values() for one in members]
    styles = data.styles_of((results.label(one), one.policy) for one in drawn)
    for axes, members in zip(all_axes, chosen.values()):
        known = [one for one in members if data.series(one)]
        for one in known:
            points = data.series(one)
            axes.plot([p["clock_bytes"] for p in points], [p["committed_bytes"] for p in points], linewidth=1,
                      **styles.sparse(results.label(one), one.policy, len(points)))
        if known:
            points = data.series(_live_of(known))
            axes.fill_between([p["clock_bytes"] for p in points], [p["live_bytes"] for p in points], color=look.GREY, alpha=0.3, linewidth=0)
            _scale(axes, known)
        look.mark_failures(axes, [styles.of(results.label(one), one.policy) for one in members for _ in one.failed])
    look.label_edges(all_axes, "bytes allocated", "bytes committed")
    pacing = sorted({f"{results.label(one)} {data.setting_text(one)}" for one in drawn if one.pacing})
    what = (f"Footprint over the allocation clock: lines are bytes committed, the grey area is what is live under a policy that counts (else the first), "
            f"one run each, at most {data.POINTS_KEPT} points of its series. Pacing: {', '.join(pacing) or 'none'}.")
    return figure, data.caption(what, drawn), styles.handles() + data.failure_handles(drawn)


def _live_of(members):
    """Under counts an object is live until it dies; elsewhere what a cycle has not found yet is in it too."""
    return next((one for one in members if one.policy.startswith("refcount")), members[0])


def _scale(axes, members):
    """From 0, or logarithmic where one policy holds many times what another does."""
    peaks = [max(p["committed_bytes"] for p in data.series(one)) for one in members]
    look.axis(axes, "x", "bytes")
    look.axis(axes, "y", "bytes", log=max(peaks) > 8 * min(peaks))
    if max(peaks) <= 8 * min(peaks):
        axes.set_ylim(bottom=0)
