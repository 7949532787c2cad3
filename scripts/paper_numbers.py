"""Every number of the paper's text, by key: worked out of the reference results, written as LaTeX.

A function for each source yields (key, text). What holds only where a source is there is asked of it by \\ifmeasured.
"""
import collections
import statistics

import configurations
import overhead
import paper_conditions
import paper_sources
import workload_cards
from configurations import workload_name
from measured_runs import good, middle, ratio
from paper_text import ABSENT, band, code, escaped, listed, number, percent

RIVAL, OURS = "refcount", ("epoch", "arena")
# What was to be reached under FPM: ahead of the rival in CPU within so many times its footprint.
FOOTPRINT_GOAL = 1.5
MS, MIB = 1e-6, 2**-20


# ---- PHP itself ----


def of_sapi(programs, sapi):
    return {name: program for name, program in programs.items() if name.startswith(sapi)}


def spread_keys(name, values, digits):
    yield f"{name}.median", number(statistics.median(values), digits)
    yield f"{name}.least", number(min(values), digits)
    yield f"{name}.most", number(max(values), digits)
    low, _, high = statistics.quantiles(values, method="inclusive")
    yield f"{name}.quartiles", f"{number(low, digits)} to {number(high, digits)}"


def php(sources):
    programs = sources.calibration["programs"]
    fpm, cli = of_sapi(programs, "fpm-"), of_sapi(programs, "cli-")
    workers = of_sapi(programs, "cli-w-")
    yield "php.programs", number(len(programs))
    yield "php.fpm.programs", number(len(fpm))
    yield "php.cli.programs", number(len(cli))
    yield "php.workers", number(len(workers))
    yield "php.fpm.collections", number(sum(program["gc_runs"] for program in fpm.values()))
    yield "php.fpm.roots.most", number(max(program["gc_roots_end"] for program in fpm.values()))
    for key, figure in (("bump", "arena_bump_bytes"), ("retract", "arena_tail_retract_peak"), ("reuse", "arena_freelists_bytes")):
        yield from spread_keys(f"php.fpm.{key}", [program[figure] / program["peak_live"] for program in fpm.values()], 1)
    yield from spread_keys("php.fpm.blow-up", [program["clock"] / program["peak_live"] for program in fpm.values()], 1)
    counts = [(p["rc"]["inc"] + p["rc"]["dec"]) / p["allocs"] for p in programs.values() if "rc" in p]
    yield from spread_keys("php.counts", counts, 1)
    opcodes = [p["ops"]["total"] / p["allocs"] for p in fpm.values() if "ops" in p]
    yield from spread_keys("php.opcodes", opcodes, 1)
    stores = [p["ops"]["heap_store"] / p["allocs"] for p in fpm.values() if "ops" in p]
    yield from spread_keys("php.stores", stores, 2)
    freed = {name: p["blocks_freed_by_gc"] / p["allocs"] for name, p in programs.items()}
    yield "php.workers.cyclic.most", percent(max(freed[name] for name in workers), 1)
    most = max(freed, key=freed.get)
    yield "php.cyclic.most", percent(freed[most], 0)
    yield "php.cyclic.most.program", code(most)
    crossing = [1 - p["iter"]["cross_blocks_share"] for p in workers.values() if p.get("iter")]
    yield from spread_keys("php.workers.die-within", [100 * share for share in crossing], 1)
    copies = {name: p["rc"]["one_bit_extra_elems"] for name, p in programs.items() if "rc" in p}
    worst = max(copies, key=copies.get)
    yield "php.one-bit.most", number(copies[worst] / 1e6)
    yield "php.one-bit.most.program", code(worst)


def cards(sources):
    pairs = [pair for pair in sources.distances["pairs"] if not pair["workload"].startswith("trace ")]
    within = [pair for pair in pairs if not pair["beyond"]]
    yield "cards.pairs", number(len(pairs))
    yield "cards.within", number(len(within))
    yield "cards.beyond", number(len(pairs) - len(within))
    missed = collections.Counter(aspect for pair in pairs for aspect in pair["beyond"])
    for aspect in workload_cards.ASPECTS:
        yield f"cards.beyond.{aspect}", number(missed[aspect])
    yield "cards.without", number(len(sources.counterparts.get("without", [])))


# ---- All policies ----


def under(policies, wanted):
    """Runs of the first policy of that name, with whatever options."""
    return next((runs for name, runs in policies.items() if name.partition(":")[0] == wanted), [])


def policies(sources):
    results, verdict = sources.policy_table["results"], paper_sources.script("policy-table").verdict
    yield "policies.workloads", number(len(results))
    yield "policies.runs", number(sources.policy_table["runs"])
    for ours in OURS:
        said = collections.Counter()
        for workload, by_policy in results.items():
            cpu = ratio(under(by_policy, ours), under(by_policy, RIVAL), "cpu_ns")
            if cpu is not None:
                said[verdict(ours, cpu)] += 1
        yield f"policies.{ours}.compared", number(sum(said.values()))
        yield f"policies.{ours}.wins", number(said[f"{ours} wins"])
        yield f"policies.{ours}.loses", number(said["counting wins"])
        yield f"policies.{ours}.neither", number(said["neither"])
    for workload in ("cli-queue", "fpm-page"):
        yield from of_workload(workload, results.get(workload, {}))


def of_workload(workload, by_policy):
    theirs = under(by_policy, RIVAL)
    for policy in ("epoch", "arena", "refcount", "marksweep", "boehm", "malloc"):
        runs, key = under(by_policy, policy), f"policies.{workload}.{policy}"
        cpu, footprint = (ratio(runs, theirs, name) for name in ("cpu_ns", "mean_footprint_bytes"))
        yield f"{key}.cpu", ABSENT if cpu is None else number(cpu["median"], 2)
        yield f"{key}.footprint", ABSENT if footprint is None else number(footprint["median"], 2)
        pause = middle(runs, "pause_max_undelayed_ns", MS)
        yield f"{key}.pause-ms", number(pause, 2)


# ---- Sweeps ----


def of_bundle(name, runs):
    done = [run for run in runs if run.is_ok]
    invocations = [len(group) for group in grouped_cells(done).values()]
    yield f"{name}.runs", number(len(runs))
    yield f"{name}.failed", number(len(runs) - len(done))
    yield f"{name}.workloads", number(len({run.workload for run in runs}))
    yield f"{name}.cells", number(len(grouped_cells(runs)))
    yield f"{name}.invocations.least", number(min(invocations, default=0))
    yield f"{name}.invocations.most", number(max(invocations, default=0))


def grouped_cells(runs):
    groups = {}
    for run in runs:
        groups.setdefault((run.policy, run.workload, run.pacing, configurations.limit(run)), []).append(run)
    return groups


def sweeps(sources):
    yield from of_bundle("epoch", sources.epoch)
    yield from of_bundle("rivals", sources.rivals)
    without = sorted({workload for runs in (sources.epoch, sources.rivals) for workload in unbounded(runs)})
    yield "sweeps.unbounded", listed(map(workload_name, without), 16)
    yield "rivals.factors", ", ".join(f"{multiple:g}" for multiple in factors(sources.rivals))
    yield "rivals.mean.workloads", number(overheads(sources.rivals, "cpu")[2])


def unbounded(runs):
    """Workloads without a lower bound: what they openly reclaim in took, in some configuration, as long as all of it, or longer."""
    bounded = {key[0] for key in overhead.lower_bounds(configurations.configurations(runs), "cpu")}
    return sorted({run.workload for run in runs if run.is_ok} - bounded)


def factors(runs):
    return sorted({configurations.heap_factor(run) for run in runs} - {None})


def overheads(runs, clock):
    """({(policy, factor): geometric mean of LBO or None}, {(policy, factor): workloads completed}, workloads in the mean).

    The mean is over the workloads that any policy completed under a limit, and only where all of these were completed.
    """
    found = configurations.configurations(runs)
    bounds = overhead.lower_bounds(found, clock)
    values, completed = {}, collections.Counter()
    for one in found:
        multiple = configurations.heap_factor(one.runs[0])
        interval = one.interval(lambda run: overhead.lbo(run, bounds, clock))
        if one.is_plain and multiple is not None and interval and not one.failed:
            values.setdefault(one.workload, {})[one.policy, multiple] = interval[0]
            completed[one.policy, multiple] += 1
    return overhead.geometric_means(values), completed, len(values)


# ---- The threshold ----


def answer(sources, answered):
    found, measured = answered.found, answered.found.measured
    yield "answer.headline", answered.headline
    yield "answer.workloads", number(len(measured.workloads))
    yield "answer.cells", number(len(measured.cells))
    yield "answer.left-out", number(len(measured.left_out))
    yield "answer.runs", number(found.deciding_runs)
    yield "answer.flat", number(len(found.flat))
    yield "answer.flat.cells", listed((measured.cells[cell] for cell in found.flat), 16)
    yield "answer.hopeless", number(len(found.hopeless))
    yield "answer.hopeless.workloads", listed(map(workload_name, found.hopeless), 16)
    yield "answer.held-out", number(len(answered.held_out))
    yield "answer.held-out.workloads", listed(map(workload_name, answered.held_out), 16)
    yield "answer.trust", answered.trust
    shown = answered.shown
    yield "answer.shown", code(measured.cells[shown])
    yield "answer.shown.what", answered.what
    yield "answer.cpu", number(found.cpu[shown], 3)
    yield "answer.cpu.interval", band(*found.cpu_interval[:, shown], 3)
    yield "answer.footprint", number(found.footprint[shown], 2)
    yield "answer.footprint.interval", band(*found.footprint_interval[:, shown], 2)
    yield "answer.pause-ms", number(found.pause_ms[shown], 3)
    yield "answer.front", percent(found.front_share[shown])
    yield "answer.confidence", percent(found.choice_share[shown])
    yield "answer.covering", listed((measured.cells[cell] for cell in found.covering), 16)
    for name, costs in (("regret", answered.regret), ("held-out.regret", answered.held_out_regret)):
        yield from regrets(f"answer.{name}", costs)


def regrets(key, costs):
    """The worst of them in CPU and in footprint, in percent beyond the workload's own best."""
    for index, what in ((0, "cpu"), (1, "footprint")):
        worst = max(costs, key=lambda workload: costs[workload][index], default=None)
        yield f"{key}.{what}", ABSENT if worst is None else percent(costs[worst][index] - 1, 1)
        yield f"{key}.{what}.workload", ABSENT if worst is None else code(workload_name(worst))
        middle_cost = statistics.median(cost[index] for cost in costs.values()) - 1 if costs else None
        yield f"{key}.{what}.median", percent(middle_cost, 1)


# ---- FPM ----


def shape_figures(sources, policy):
    """(workload, ratio of CPU, ratio of footprint) to the rival, of the shape's runs."""
    for workload, by_policy in sources.arena_shapes["results"].items():
        runs, theirs = by_policy.get(policy, []), by_policy.get(RIVAL, [])
        cpu, footprint = (ratio(runs, theirs, key) for key in ("cpu_ns", "mean_footprint_bytes"))
        if cpu and footprint:
            yield workload, cpu["median"], footprint["median"]


def limits(sources):
    """Policies of the arena that go on in an epoch heap once a request has taken so much."""
    return list(dict.fromkeys(policy for by_policy in sources.arena_shapes["results"].values() for policy in by_policy if "limit=" in policy))


def fpm(sources):
    yield "fpm.runs", number(sources.arena_shapes["runs"])
    yield "fpm.workloads", number(len(sources.arena_shapes["results"]))
    yield "fpm.goal.footprint", number(FOOTPRINT_GOAL, 1)
    for shape in ("bump", "retract", "reuse"):
        figures = list(shape_figures(sources, f"arena:shape={shape},pages=retain"))
        met = [name for name, cpu, footprint in figures if cpu < 1 and footprint <= FOOTPRINT_GOAL]
        yield f"fpm.{shape}.meets", number(len(met))
        yield f"fpm.{shape}.meets.workloads", listed(map(workload_name, met), 16)
        yield f"fpm.{shape}.ahead", number(sum(cpu < 1 for _, cpu, _ in figures))
        yield f"fpm.{shape}.compared", number(len(figures))
        for index, what in ((1, "cpu"), (2, "footprint")):
            for name, choose in (("least", min), ("most", max)):
                best = choose(figures, key=lambda figure: figure[index], default=None)
                yield f"fpm.{shape}.{what}.{name}", ABSENT if best is None else number(best[index], 2)
    for name, choose in (("least", min), ("most", max)):
        along = [figure for policy in limits(sources) for figure in shape_figures(sources, policy)]
        for index, what in ((1, "cpu"), (2, "footprint")):
            best = choose(along, key=lambda figure: figure[index], default=None)
            yield f"fpm.limit.{what}.{name}", ABSENT if best is None else number(best[index], 2)
    yield "fpm.limits", ", ".join(policy.partition("limit=")[2] for policy in limits(sources)) or "none"


# ---- What may not be there ----


def linked(sources):
    yield "linked.sides", number(len(sources.linked["runs"]))
    rival = sources.linked["runs"].get(RIVAL, [])
    for name, runs in sources.linked["runs"].items():
        key = "linked." + name.replace(" threads=", "-").replace("real PHP", "php")
        against = ratio(runs, rival, "cpu_ns")
        yield f"{key}.cpu", ABSENT if against is None else number(against["median"], 3)
        pause = middle(runs, "pause_max_undelayed_ns", MS)
        yield f"{key}.pause-ms", number(middle(runs, "pause_max_ns", MS) if pause is None else pause, 2)
        yield f"{key}.collections", number(middle(runs, "runs"))
        share = [100 * run["pause_total_ns"] / run["wall_ns"] for run in good(runs)]
        yield f"{key}.pause-percent", number(statistics.median(share), 0) if share else ABSENT
        yield f"{key}.footprint-mib", number(middle(runs, "mean_footprint_bytes", MIB), 0)


def pauses(sources):
    rows = [row for row in sources.pauses["rows"] if "figures" in row]
    yield "pauses.rows", number(len(rows))
    for policy in ("epoch", "boehm", "refcount", "marksweep"):
        longest = [row["figures"]["pause_max_undelayed_ns"]["median"] * MS for row in rows if row["policy"].startswith(policy)
                   and row["figures"]["pause_max_undelayed_ns"]]
        yield f"pauses.{policy}.rows", number(len(longest))
        yield f"pauses.{policy}.longest-ms", number(max(longest, default=None), 2)
        yield f"pauses.{policy}.within", number(sum(pause <= 1 for pause in longest))


def gate(sources):
    for kind in ("same", "leak", "stall"):
        trials = [one for one in sources.gate["trials"] if one["kind"] == kind]
        yield f"gate.{kind}.trials", number(len(trials))
        yield f"gate.{kind}.right", number(sum(one["is_right"] for one in trials))


# ---- Where it was measured ----


def machine(sources):
    context = next((run.document["context"] for run in sources.epoch if run.document.get("context")), {})
    build = context.get("build") or {}
    yield "machine.cpu", escaped(context.get("cpu_model") or "unknown")
    yield "machine.virtual", "a virtual machine" if context.get("virtualised") else "a machine"
    yield "machine.cpus", number(context.get("cpus_usable"))
    yield "machine.memory-gib", number((context.get("memory_bytes") or 0) / 2**30, 1)
    yield "machine.kernel", escaped(context.get("kernel") or "unknown")
    yield "machine.compiler", escaped(build.get("compiler") or "unknown")
    yield "machine.flags", code(build.get("c_flags") or "unknown")
    commits = sorted({((run.document.get("context") or {}).get("build") or {}).get("git_commit", "")[:10]
                      for run in [*sources.epoch, *sources.rivals]} - {""})
    yield "machine.commits", listed(commits, 8)
    libraries = context.get("libraries") or {}
    # All of liburcu's flavours are of one version; what names itself is shown once.
    shown = {name.partition("-")[0]: version.removeprefix(f"{name}.so.") for name, version in sorted(libraries.items()) if version}
    yield "machine.libraries", ", ".join(f"{name} {escaped(version)}" for name, version in shown.items()) or "none"


def constants():
    for name in paper_sources.CONSTANTS:
        value = paper_sources.constant(name)
        yield f"design.{name}", number(value) if value == int(value) else f"{value:g}"
    blocks, first = (paper_sources.constant(name) for name in ("slab-blocks", "slab-first-block"))
    yield "design.slab-object-blocks", number(blocks - first)
    yield "design.slab-mib", number(blocks * paper_sources.constant("block-kib") / 1024)


def every(sources, answered):
    """All numbers by key, and which optional sources are there."""
    numbers = {}
    for made in (php(sources), cards(sources), policies(sources), sweeps(sources), answer(sources, answered), fpm(sources), machine(sources), constants()):
        numbers.update(made)
    optional = {"linked": linked, "pauses": pauses, "gate": gate,
                "always": paper_conditions.always, "stalls": paper_conditions.stalls, "scaling": paper_conditions.scaling}
    is_there = {name: getattr(sources, name) is not None for name in optional}
    for name, function in optional.items():
        if is_there[name]:
            numbers.update(function(sources))
    return numbers, {**is_there, "bursts": bool(sources.arena_shapes.get("bursts"))}


def as_tex(numbers, is_there):
    """Definitions for the text: \\result{KEY}, and \\ifmeasured{NAME}{with it}{without}."""
    lines = [f"\\defresult{{{key}}}{{{text}}}" for key, text in sorted(numbers.items())]
    lines += [f"\\defmeasured{{{name}}}{{{'yes' if there else 'no'}}}" for name, there in sorted(is_there.items())]
    return "\n".join(lines) + "\n"
