"""The tables of the paper, each whole, by name: functions of the reference results alone."""
import configurations
import paper_numbers as numbers
import workload_cards
from configurations import workload_name
from measured_runs import failure, good, middle, ratio
from paper_text import ABSENT, amount, band, code, escaped, number, percent, table

MS, MIB = 1e-6, 2**-20
POLICIES = ("epoch", "arena", "refcount", "marksweep", "boehm", "malloc", "null")
COLLECTING = ("epoch", "refcount", "marksweep", "boehm")
SHAPES, PAGES = ("bump", "retract", "reuse"), ("drop", "keep,keep=1M")


def programs(sources):
    """PHP's own figures, of the programs that a generator stands for."""
    counterparts = dict.fromkeys(entry["program"] for entry in sources.counterparts["generators"])
    groups = {"fpm": [], "cli": []}
    for name in counterparts:
        program = sources.calibration["programs"][name]
        peak = program["peak_live"]
        groups[name[:3]].append([
            code(name), amount(program["allocs"]), amount(program["clock"]), amount(peak), number(program["clock"] / peak, 1),
            *(number(program[figure] / peak, 1) for figure in ("arena_bump_bytes", "arena_tail_retract_peak", "arena_freelists_bytes")),
            number(program["bytes"] / program["allocs"]), percent(program["blocks_freed_by_gc"] / program["allocs"], 1), number(program["gc_runs"])])
    header = ["program", "blocks", "bytes", "peak live", "blow-up", "bump", "retract", "reuse", "mean B", r"by cycles \%", "runs"]
    return table("lrrrrrrrrrr", header, [sorted(rows) for rows in groups.values()])


def distances(sources):
    limit, rows = sources.distances["limit_ks"], []
    for pair in sources.distances["pairs"]:
        if pair["workload"].startswith("trace "):
            continue
        exact = pair["ks_lifetime_recording"] if pair["is_exact"] else None
        lifetime = number(pair["ks_lifetime"] if exact is None else exact, 3) + ("" if exact is None else r"\textsuperscript{e}")
        rows.append([code(pair["workload"]), code(pair["program"]), number(pair["ks_size"], 3), lifetime, number(pair["ks_lifetime_least"], 3),
                     number(pair["blow_up_ratio"], 2), number(pair["peak_live_ratio"], 2), escaped(workload_cards.verdict(pair, limit))])
    return table("p{33mm}lrrrrrp{44mm}", ["generator", "PHP program", "size", "lifetime", "at least", "blow-up", "peak", ""], [rows])


def sapi_groups(results):
    """Workloads of the command line, of FPM, and traces, as groups of titles."""
    groups = {"cli": [], "fpm": [], "trace": []}
    for title in results:
        kind = "trace" if ".sapitrace" in title else "fpm" if title.startswith("fpm") else "cli"
        groups[kind].append(title)
    return list(groups.values())


def policy_matrix(sources, cell, policies):
    """A row for each workload, a column for each of `policies`; `cell` is text, a function of (runs, the rival's runs)."""
    results = sources.policy_table["results"]
    groups = []
    for titles in sapi_groups(results):
        groups.append([[code(workload_name(title)), *(cell(numbers.under(results[title], policy), numbers.under(results[title], numbers.RIVAL))
                                                      for policy in policies)] for title in titles])
    return table("l" + "r" * len(policies), ["workload", *map(code, policies)], groups)


def status(runs):
    return escaped(runs[0]["status"]) if runs else ABSENT


def cost_cell(runs, theirs):
    """CPU and footprint to the rival's; what became of the run where it did not end well."""
    cpu, footprint = (ratio(runs, theirs, key) for key in ("cpu_ns", "mean_footprint_bytes"))
    if cpu is None or footprint is None:
        return status(runs)
    digits = 2 if footprint["median"] < 100 else 0
    return f"{cpu['median']:.2f} / {footprint['median']:.{digits}f}"


def policy_costs(sources):
    return policy_matrix(sources, cost_cell, POLICIES)


def pause_cell(runs, _):
    if not good(runs):
        return status(runs)
    return f"{number(middle(runs, 'pause_p99_ns', MS), 2)} / {number(middle(runs, 'pause_max_undelayed_ns', MS), 2)}"


def policy_pauses(sources):
    return policy_matrix(sources, pause_cell, COLLECTING)


def cells(sources, answered):
    """The pacing cells, smallest footprint first; the one shown is bold."""
    found = answered.found
    rows = []
    for cell in sorted(range(len(found.measured.cells)), key=lambda cell: found.footprint[cell]):
        name = code(found.measured.cells[cell])
        rows.append([r"\textbf{" + name + "}" if cell == answered.shown else name, number(found.cpu[cell], 3), band(*found.cpu_interval[:, cell], 3),
                     number(found.footprint[cell], 2), band(*found.footprint_interval[:, cell], 2), number(found.pause_ms[cell], 3),
                     percent(found.front_share[cell]), percent(found.choice_share[cell])])
    return table("lrcrcrrr", ["cell", "CPU", r"95\,\%", "footprint", r"95\,\%", "p99, ms", r"front \%", r"chosen \%"], [rows])


def regret(sources, answered):
    def rows(costs):
        return [[code(workload_name(workload)), number(cpu, 3), number(footprint, 2), number(pause, 3)]
                for workload, (cpu, footprint, pause) in sorted(costs.items(), key=lambda item: -item[1][0])]

    return table("lrrr", ["workload", "CPU", "footprint", "p99, ms"], [rows(answered.regret), rows(answered.held_out_regret)])


def overheads(sources):
    """Geometric means of LBO under limits, where a policy completed the workloads that most complete; else how many it completed."""
    factors, groups = numbers.factors(sources.rivals), []
    policies = dict.fromkeys(run.policy for run in sources.rivals if configurations.heap_factor(run) is not None)
    for clock, shown in (("cpu", "CPU"), ("wall", "wall")):
        means, completed, workloads = numbers.overheads(sources.rivals, clock)
        rows = []
        for policy in policies:
            along = [(means.get((policy, factor)), completed[policy, factor]) for factor in factors]
            rows.append([code(policy), shown, *(f"({count}/{workloads})" if mean is None else f"{mean:.3f}" for mean, count in along)])
        groups.append(rows)
    return table("ll" + "r" * len(factors), ["policy", "clock", *(f"{factor:g}" for factor in factors)], groups)


def shape_cell(runs, theirs):
    cpu, footprint = (ratio(runs, theirs, key) for key in ("cpu_ns", "mean_footprint_bytes"))
    return failure(runs) if cpu is None or footprint is None else f"{cpu['median']:.2f} / {footprint['median']:.2f}"


def arena_shapes(sources):
    limits = numbers.limits(sources)
    policies = [f"arena:shape={shape},pages=retain" for shape in SHAPES] + [f"arena:shape=reuse,pages={pages}" for pages in PAGES] + limits
    rows = []
    for title, by_policy in sources.arena_shapes["results"].items():
        theirs = by_policy.get(numbers.RIVAL, [])
        rows.append([code(workload_name(title)), number(middle(theirs, "mean_footprint_bytes", MIB), 2),
                     *(shape_cell(by_policy[policy], theirs) if policy in by_policy else ABSENT for policy in policies)])
    header = ["workload", r"\texttt{refcount}", *map(code, SHAPES), "drop", "keep", *(code(policy.partition(":")[2]) for policy in limits)]
    return table("l" + "r" * (len(header) - 1), header, [rows])


def bursts(sources):
    groups = []
    for burst in sources.arena_shapes.get("bursts", []):
        rows = []
        for policy in (numbers.RIVAL, *(f"arena:shape={shape},pages=retain" for shape in SHAPES)):
            runs = burst["policies"].get(policy, [])
            rows.append([code(workload_name(burst["workload"])), number(burst["load_percent"]), code(policy.partition("shape=")[2].partition(",")[0] or policy),
                         *(number(middle(runs, f"{kind}_{name}", MS), 2) for kind in ("response", "service") for name in ("p50_ns", "p99_ns", "max_ns")),
                         number(middle(runs, "faults"))])
        groups.append(rows)
    header = ["workload", r"load \%", "policy", "p50", "p99", "max", "p50", "p99", "max", "faults"]
    return table("lrlrrrrrrr", header, groups)


def linked(sources):
    runs_of, rows = sources.linked["runs"], []
    rival = runs_of.get(numbers.RIVAL, [])
    for name, runs in runs_of.items():
        if not good(runs):
            rows.append([code(name), *[status(runs)] + [ABSENT] * 6])
            continue
        against = ratio(runs, rival, "cpu_ns")
        share = middle(runs, "pause_total_ns") / middle(runs, "wall_ns")
        rows.append([code(name), number(middle(runs, "cpu_ns", 1e-9), 2), ABSENT if against is None else f"{against['median']:.3f}",
                     number(middle(runs, "runs")), number(middle(runs, "pause_max_ns", MS), 2), percent(share, 1),
                     number(middle(runs, "mean_footprint_bytes", MIB)), number(middle(runs, "peak_committed_bytes", MIB))])
    return table("lrrrrrrr", ["", "CPU, s", "ratio", "runs", "longest, ms", r"stopped \%", "mean MiB", "peak MiB"], [rows])


def pauses(sources):
    """Longest undelayed pause by live size: over workloads and layouts the worst."""
    rows = [row for row in sources.pauses["rows"] if "live" in row and "figures" in row and row["figures"]["pause_max_undelayed_ns"]]
    sizes = list(dict.fromkeys(row["live"] for row in rows))
    lines = []
    for policy in dict.fromkeys(row["policy"] for row in rows):
        worst = [max((row["figures"]["pause_max_undelayed_ns"]["median"] for row in rows if row["policy"] == policy and row["live"] == live), default=None)
                 for live in sizes]
        lines.append([code(policy), *(ABSENT if value is None else number(value * MS, 2) for value in worst)])
    return table("l" + "r" * len(sizes), ["policy", *(escaped(size) for size in sizes)], [lines])


def provenance(sources):
    rows = [[code(name), what, code(command)] for name, what, command in sources.digests]
    return table("llp{43mm}", ["file", "", "made by"], [rows])


def every(sources, answered):
    """LaTeX by name."""
    made = {function.__name__.replace("_", "-"): function(sources)
            for function in (programs, distances, policy_costs, policy_pauses, overheads, arena_shapes, bursts, provenance)}
    made |= {function.__name__: function(sources, answered) for function in (cells, regret)}
    made |= {function.__name__: function(sources) for function in (linked, pauses) if getattr(sources, function.__name__) is not None}
    return made
