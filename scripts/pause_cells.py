"""Cells of scripts/pauses: what is run for each row, how it is paced, how long it takes, and the figures of its runs."""
import dataclasses
import functools

from measured_runs import BadInput, count, figures, mean_committed, run, work_cycles

# A limit that never matters, from which the harness tells the live size that the workload has by construction.
PROBE_FACTOR = 1000
FULL_CYCLES = 3
# Work beyond the boot, in thresholds, so that so many cycles start in it.
THRESHOLDS = FULL_CYCLES + 1
# For the estimate: seconds of a run, of an object that lives (boot, the end's checks), of a byte; twice that out of order.
RUN_S, OBJECT_S, BYTE_S, OBJECT_BYTES = 0.1, 0.4e-6, 4e-9, 40


@dataclasses.dataclass
class Live:
    """Of what a workload keeps alive, by construction."""
    block_bytes: int
    payload_bytes: int


@dataclasses.dataclass
class Cell:
    title: dict
    policy: str
    workload: str
    options: list
    seconds: float
    live: object = None
    work_bytes: int = 0
    wants_full_cycles: bool = False
    reason: str = None  # why it cannot run
    runs: list = dataclasses.field(default_factory=list)


@functools.lru_cache(maxsize=None)
def live_of(program, workload):
    """Live, or the reason why it is not known."""
    document = run(program, ["--policy=null", f"--workload={workload}", f"--heap-factor={PROBE_FACTOR}", "--iterations=1"])
    if document["status"] != "ok":
        return f"{document['status']}: {document['error']}"
    block_bytes = document["config"]["memory_limit"]["value"] // PROBE_FACTOR
    # What lives only inside a step is not of the boot; about half of a small block is payload.
    return Live(block_bytes, max(document["metrics"]["boot_alloc_bytes"]["value"], block_bytes // 2))


def thread_variants(policy, threads):
    """(harness options, thread count or None) for each row that a policy has."""
    if not policy.startswith("epoch"):
        return [([], None)]
    return [([f"--collector-threads={number}"], number) for number in threads]


# ---- Rows by live size ----


def size_cells(settings):
    """One cell for each row of the table over live sizes, the smallest first."""
    cells = []
    for objects in settings["sizes"]:
        for workload in settings["workloads"]:
            for linked in settings["linked"]:
                for shuffled in settings["shuffled"]:
                    title = {"live": objects, "workload": workload, "garbage": "linked" if linked else "unlinked",
                             "layout": "shuffled" if shuffled else "in order"}
                    spec = f"{workload}:objects={objects},linked={linked},shuffled={shuffled}"
                    cells += policy_cells(settings, title, spec, seconds_of(settings, count(objects), shuffled))
    return cells


def seconds_of(settings, objects, shuffled):
    """What a run with so many objects takes, roughly."""
    work_bytes = max(settings["work_bytes"], objects * OBJECT_BYTES * settings["headroom"] * THRESHOLDS)
    return RUN_S + (objects * OBJECT_S + work_bytes * BYTE_S) * (1 + shuffled)


def policy_cells(settings, title, spec, seconds, options=()):
    """Cells of one workload, one for each policy and number of threads."""
    cells = []
    for policy in settings["policies"]:
        for extra, threads in thread_variants(policy, settings["threads"]):
            named = dict(title, policy=policy if threads is None else f"{policy} threads={threads}")
            cell = Cell(named, policy, spec, [*options, *extra], seconds)
            cell.reason = settings["missing"].get(policy.split(":")[0])
            cells.append(cell)
    return cells


# ---- Rows of exceptions ----

# What else can stop a program: name of the row, workload.
EXCEPTIONS = [
    ("stack, 100,000 frames", "stack"),
    ("arrays of a million", "arrays"),
    ("destructor storm", "cli-dtor"),
    ("destructor storm, in a list", "cli-dtor:listed=1"),
]
EXCEPTION_S = 2
OBSERVED = "churn:objects=100k"


def exception_cells(settings):
    """Cells of deep stacks, large arrays and destructors; of a stalled guard and of observers, which epoch alone can have."""
    cells = []
    for name, workload in EXCEPTIONS:
        cells += policy_cells(settings, {"what": name}, workload, EXCEPTION_S)
    stall = ["--observers=1", f"--stall={settings['stall']}"]
    rows = [(f"stalled guard, {settings['stall']}", stall)]
    rows += [(f"{number} observers", [f"--observers={number}"] if number else []) for number in range(settings["observers"] + 1)]
    epochs = dict(settings, policies=[policy for policy in settings["policies"] if policy.startswith("epoch")])
    for name, options in rows:
        cells += policy_cells(epochs, {"what": name}, OBSERVED, EXCEPTION_S / 2, options)
    return cells


# ---- Running ----


def is_paced(cell, known):
    """Whether the policy takes a threshold in bytes."""
    capabilities = next((entry["capabilities"] for entry in known if entry["name"] == cell.policy.split(":")[0]), [])
    return "collect" in capabilities and "counts" not in capabilities


def prepare(cell, program, settings):
    """Work and pacing from the live size. Sets the reason where the workload cannot run."""
    if cell.reason:
        return
    live = live_of(program, cell.workload)
    if isinstance(live, str):
        cell.reason = live
        return
    cell.live = live
    threshold = int(live.payload_bytes * settings["headroom"])
    cell.work_bytes = max(settings["work_bytes"], THRESHOLDS * threshold)
    if is_paced(cell, settings["known"]):
        cell.wants_full_cycles = True
        cell.options.append(f"--pacing={settings['pacing'] or f'fixed:{max(threshold, 65536)}'}")


def count_cycles(result, document):
    """Cycles of the work; the full ones alone where the document tells the kinds apart, without the two that end each run."""
    result["work_cycles"] = len(work_cycles(document))
    full = result.get("cycles_full")
    result["full_cycles"] = None if full is None else full - sum(cycle["trigger"] == "quiesce" for cycle in document["cycles"])
    result["mean_work_committed_bytes"] = mean_committed(document)


def marked_everything(result):
    """Full cycles of a run, which are all of them where there is one kind."""
    return result["work_cycles"] if result["full_cycles"] is None else result["full_cycles"]


def run_once(cell, program, settings, factor):
    arguments = [f"--policy={cell.policy}", f"--workload={cell.workload}", "--sapi=cli", *cell.options,
                 f"--seed={settings['seed']}", f"--timeout={settings['timeout']}",
                 f"--alloc={cell.live.payload_bytes + int(cell.work_bytes * factor)}"]
    document = run(program, arguments)
    result = figures(document)
    result["arguments"] = arguments
    if "metrics" in document:
        count_cycles(result, document)
        result["threads_in_force"] = document["config"]["collector_threads"]["value"]
        result["context"] = document["context"]
    return result


def run_cell(cell, program, settings):
    """One run more. Where it had too few full cycles it is run again, once, for as long as should do."""
    if cell.live is None and cell.reason is None:
        prepare(cell, program, settings)
    if cell.reason:
        cell.runs.append({"status": "unavailable", "error": cell.reason})
        return
    result = run_once(cell, program, settings, 1)
    if result["status"] == "ok" and cell.wants_full_cycles and marked_everything(result) < FULL_CYCLES:
        result = run_once(cell, program, settings, (FULL_CYCLES + 1) / max(1, marked_everything(result)))
    cell.runs.append(result)


# ---- Lists on the command line ----


def parts(text):
    return [part for part in text.replace(";", ",").split(",") if part]


def sizes_of(text):
    for part in parts(text):
        count(part)
    if not parts(text):
        raise BadInput(f"--sizes={text}: expected numbers of objects such as '10k;1m'")
    return parts(text)


def bits_of(name, text):
    if not parts(text) or not set(parts(text)) <= {"0", "1"}:
        raise BadInput(f"--{name}={text}: expected 0, 1 or '0;1'")
    return [int(part) for part in parts(text)]
