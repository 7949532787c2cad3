"""What figures are drawn from: runs, their configurations under the names of the legend, and the sentences of captions."""
import collections
import dataclasses
import functools

import configurations
import figure_style as look
import overhead
import result_set

POINTS_KEPT = 512
FAILURES_NAMED = 6


def kept_for_figures():
    """What result_set.load keeps of each run."""
    return configurations.thinning(POINTS_KEPT, 0)


@dataclasses.dataclass(frozen=True)
class Results:
    """Runs, and the folder that scripts/characterise wrote, None where none was given."""

    runs: list
    cards: object = None

    @functools.cached_property
    def found(self):
        return configurations.configurations(self.runs)

    @functools.cached_property
    def plain(self):
        """Those of one process without observers, by workload."""
        return configurations.by_workload([one for one in self.found if one.is_plain])

    @functools.cached_property
    def bounds(self):
        """Lower bounds by clock, for overhead.lbo."""
        return {clock: overhead.lower_bounds(self.found, clock) for clock in overhead.CLOCKS}

    def lbo(self, clock):
        return lambda run: overhead.lbo(run, self.bounds[clock], clock)

    @functools.cached_property
    def _threads(self):
        """Numbers of collector's threads by policy, the usual one first."""
        counts = {}
        for one in self.found:
            if one.settings["collector_threads"] is not None:
                counts.setdefault(one.policy, collections.Counter())[one.settings["collector_threads"]] += 1
        return {policy: [threads for threads, _ in counter.most_common()] for policy, counter in counts.items()}

    def label(self, one):
        """Policy, with what tells its configurations apart beside pacing and heap factor."""
        counts, count = self._threads.get(one.policy, ()), one.settings["collector_threads"]
        # A refused run does not say; it stands with the usual number.
        return one.policy if len(counts) < 2 or count in (None, counts[0]) else f"{one.policy}, collector threads: {count}"

    @functools.cached_property
    def _axes(self):
        """By policy along what it was varied."""
        axes = {}
        for members in self.plain.values():
            for one in members:
                axes.setdefault(one.policy, set()).add(axis_of(one))
        return axes

    def curve_label(self, one):
        """The same with the axis along which its curve goes, where the policy has several."""
        several = len(self._axes.get(one.policy, ())) > 1
        return f"{self.label(one)}, {axis_of(one)}" if several else self.label(one)

    def shown(self, has, what):
        """By workload the representative configurations for which `has` is true, or whose runs failed; Missing where it is true of none."""
        chosen = {workload: [one for one in configurations.representative(members) if has(one) or one.failed] for workload, members in self.plain.items()}
        need(any(has(one) for members in chosen.values() for one in members), what)
        return {workload: members for workload, members in chosen.items() if members}

    def curves(self, members):
        """{label: configurations in the order of their axis}, by label; those whose runs all failed too."""
        groups = {}
        for one in members:
            groups.setdefault(self.curve_label(one), []).append(one)
        return {label: sorted(groups[label], key=lambda one: (one.heap_factor or 0, one.degree)) for label in sorted(groups)}


FACTOR_NAMES = {configurations.LIVE_SIZE: "heap factor", configurations.MINHEAP: "minheap factor"}


def axis_of(one):
    """What a curve through configurations varies: the factor of the limit, by its unit, or the number of the pacing rule."""
    return FACTOR_NAMES[one.limit_unit] if one.heap_factor is not None else one.rule or "no cycles"


def degree_text(one):
    """What a point on a curve is called."""
    return f"{one.heap_factor:g}x" if one.heap_factor is not None else (one.pacing or "").partition(":")[2]


def setting_text(one):
    """Pacing and factor of the limit, as far as it has them."""
    return " ".join(filter(None, (one.pacing, f"at {axis_of(one)} {one.heap_factor:g}" if one.heap_factor is not None else None)))


def series(one):
    """Points of the first run that has any; [] where none has."""
    return next((run.document["series"] for run in one.runs if len(run.document.get("series") or []) > 1), [])


def styles_of(named):
    """Styles in the order of the labels, of (label, policy) pairs: the same pairs look the same in every figure."""
    styles = look.Styles()
    for label, policy in sorted(set(named)):
        styles.of(label, policy)
    return styles


def failure_handles(members):
    """The legend's entry for crosses, where there are any."""
    return [look.failure_handle()] if any(one.failed for one in members) else []


def need(condition, what):
    if not condition:
        raise look.Missing(what)


# ---- Captions ----


def count_text(members):
    """"n = 10 runs a point", of those that came to their end."""
    counts = sorted({len(one.ok) for one in members if one.ok})
    need(counts, "a run that came to its end")
    runs = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return f"n = {runs} run{'' if counts[-1] == 1 else 's'} a point"


def _machine(context):
    build = context.get("build", {})
    commit = build.get("git_commit", "unknown")[:7] + (", changed" if build.get("git_dirty") else "")
    kind = "virtual, " if context.get("virtualised") else ""
    return (f"{context.get('cpu_model') or 'unknown CPU'}, {kind}{context.get('cpus_usable')} CPUs, {context.get('kernel')}; "
            f"sapimem {commit}, {build.get('compiler')} {build.get('build_type')}")


def machine_text(runs):
    """Machine and build of the runs; each, where there are two, else their number."""
    machines = sorted({_machine(run.document["context"]) for run in runs if run.document.get("context")})
    if not machines:
        return "Machine: not told."
    return f"Machine: {' / '.join(machines)}." if len(machines) < 3 else f"{len(machines)} machines or builds, the first: {machines[0]}."


def _failure_name(run):
    factor, unit = configurations.limit(run)
    parts = [run.workload, run.policy, run.pacing, f"{FACTOR_NAMES[unit]} {factor:g}" if factor else None]
    return f"{' '.join(filter(None, parts))} ({run.status})"


def failure_text(members):
    """Which cells failed; "" when none did."""
    names = {}
    for run in (run for one in members for run in one.failed):
        names[_failure_name(run)] = names.get(_failure_name(run), 0) + 1
    if not names:
        return ""
    listed = [name + (f" {count} times" if count > 1 else "") for name, count in names.items()]
    more = f" and {len(listed) - FAILURES_NAMED} more" if len(listed) > FAILURES_NAMED else ""
    return f"Failed (crosses): {'; '.join(listed[:FAILURES_NAMED])}{more}."


def caption(what, members, statistic=None):
    """What is drawn, the statistic with its n, what failed, the machine."""
    runs = [run for one in members for run in one.runs]
    return " ".join(filter(None, (what, f"{statistic}, {count_text(members)}." if statistic else "", failure_text(members), machine_text(runs))))


MEDIANS = "Medians with bootstrap 95 % intervals"
