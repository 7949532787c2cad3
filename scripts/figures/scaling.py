"""Scaling over workers, observers and the collector's threads: throughput and pauses."""
import figure_data as data
import figure_style as look

AXES = {"workers": "worker processes", "observers": "observer threads", "collector_threads": "collector's threads"}


def varied(results, name):
    """[configurations] of one workload, policy and everything else that differ in `name` alone."""
    groups = {}
    for one in results.found:
        others = tuple(value for other, value in one.settings.items() if other != name)
        if one.settings[name] is not None and not one.settings["stall"]:
            groups.setdefault((one.workload, one.policy, one.pacing, one.heap_factor, one.limit_unit, others), []).append(one)
    return [sorted(group, key=lambda one: one.settings[name]) for group in groups.values() if len({one.settings[name] for one in group}) > 1]


def throughput(run):
    value = run.metric("throughput_bytes_per_s")
    return value or None


def response(run):
    """99th percentile of the response time, else of the service time of a step."""
    latency = run.document.get("latency") or {}
    return (latency.get("response") or latency.get("service") or {}).get("p99_ns")


def draw(results):
    rows = {name: varied(results, name) for name in AXES}
    rows = {name: groups for name, groups in rows.items() if groups}
    data.need(rows, "runs that differ in workers, observers or collector threads alone")
    columns = (("throughput, of the fewest's", None, "plain"), ("CPU time, of the fewest's", None, "plain"), ("step, 99th percentile", response, "ns"))
    figure, all_axes = look.panels([title for _ in rows for title, _, _ in columns], columns=3, height_inches=2.0)
    every = [one for groups in rows.values() for group in groups for one in group]
    labels = {id(group): _label(group[0], name) for name, groups in rows.items() for group in groups}
    styles = data.styles_of((labels[id(group)], group[0].policy) for groups in rows.values() for group in groups)
    for row, (name, groups) in enumerate(rows.items()):
        figures = (_relative(throughput), _relative("cpu_ns"), lambda group: [one.interval(response) for one in group])
        for axes, bands_of, (_, _, unit) in zip(all_axes[3 * row:], figures, columns):
            _draw_panel(axes, groups, name, bands_of, unit, styles, labels)
    return figure, data.caption(_WHAT, every, data.MEDIANS), styles.handles() + data.failure_handles(every)


_WHAT = ("Scaling: runs that differ in the number of workers, observers or collector's threads alone; throughput is bytes allocated by second. Steps are "
         "timed from when a request was due, where there is a schedule.")


def _label(one, name):
    options = f", {one.settings['collector_threads']} threads" if name == "observers" and one.settings["collector_threads"] == 0 else ""
    factor = f", {data.axis_of(one)} {one.heap_factor:g}" if one.heap_factor is not None else ""
    return f"{one.policy}, {one.workload}{factor}{options}"


def _relative(figure):
    """Bands as multiples of the first configuration's median."""
    def bands_of(group):
        bands = [one.interval(figure) for one in group]
        base = next((band[0] for band in bands if band), None)
        return [band and base and tuple(value / base for value in band) for band in bands]
    return bands_of


def _draw_panel(axes, groups, name, bands_of, unit, styles, labels):
    for group in groups:
        known = [(one.settings[name], band) for one, band in zip(group, bands_of(group)) if band]
        if known:
            look.curve(axes, *zip(*known), styles.of(labels[id(group)], group[0].policy))
        failed = [one for one in group for _ in one.failed]
        look.mark_failures(axes, [styles.of(labels[id(group)], one.policy) for one in failed], [one.settings[name] for one in failed])
    axes.set_xticks(sorted({one.settings[name] for group in groups for one in group}))
    axes.set_xlabel(AXES[name])
    look.axis(axes, "y", unit, log=unit == "ns")
    if unit == "plain":
        axes.set_ylim(0, axes.get_ylim()[1] * 1.05)
