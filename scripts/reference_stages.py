"""The stages of the reference results, in order: what runs, and which file of results/reference comes of it.

Every stage is one command. `{harness}` is the program, `{scripts}` the folder of scripts, `{traces}` that of the recorded traces,
`{out}` the stage's own folder, `{seconds}` the option that says how long a cell takes. Traces are named relative to the working
folder, so that results name no path of the machine.
"""
import dataclasses

GENERATORS = ("cli-queue", "cli-eventloop", "cli-orm", "cli-etl", "cli-cache", "cli-ast", "cli-solver", "cli-batch", "cli-tick", "cli-idle",
              "cli-dtor", "cli-external", "cli-leak", "fpm-page", "fpm-api", "fpm-admin", "fpm-upload")
# As often as takes about as long as a cell of a generator: a trace has no default work that could be scaled.
# cache-svc less often: a pass that nothing is collected in (never) takes 5.8 GiB.
REPEATS = {"cache-svc": 2, "doctrine-import": 30, "laravel-json": 300, "laravel-queue": 20, "mediawiki-main": 170, "phpmyadmin-browse": 70,
           "phpparse": 50, "react-http": 100, "symfony-blog": 350, "wordpress-home": 75}


@dataclasses.dataclass(frozen=True)
class Stage:
    name: str
    command: tuple
    what: str
    minutes: float  # of two quiet cores; an estimate for the plan
    file: str = ""  # in the folder of the results: the file or folder that the command writes, or its sweep packed
    packs: tuple = ()  # the sweeps in that bundle
    begins_with: str = ""  # a sweep of which the same cells are taken over


def traces_in(folder):
    """Workloads for the recorded traces that are there."""
    return tuple(f"trace:traces/{name}.sapitrace.zst,repeat={repeat}" for name, repeat in REPEATS.items() if (folder / f"{name}.sapitrace.zst").is_file())


def _sweep(policies, workloads, *options):
    return ("{harness}", "sweep", f"--policies={policies}", f"--workloads={';'.join(workloads)}", *options, "--out={out}", "--resume")


def _scaling(name, workloads, options, what, file="", packs=()):
    return Stage(name, _sweep("epoch", workloads, "--pacing=fixed:16M", *options, "--invocations=3"), what, 1, file, packs)


def stages(folder):
    """All stages, in order; `folder` has the recorded traces."""
    everything = GENERATORS + traces_in(folder)
    return (
        Stage("grid", _sweep("epoch", everything, "--thresholds=256K:64M:x2", "--pacing=proportional:1;sqrt:4e-8;never", "--invocations=3", "{seconds}",
                             "--timeout=60"),
              "epoch on everything, nine thresholds and three other rules", 50),
        Stage("deciding", _sweep("epoch", GENERATORS, "--thresholds=16M:64M:x2", "--invocations=10", "{seconds}", "--timeout=60"),
              "seven more invocations of the cells between which the answer lies", 20, "epoch.jsonl.xz", ("deciding",), "grid"),
        Stage("rivals", _sweep("epoch;refcount;marksweep;boehm", GENERATORS, "--pacing=limit:0.5;zend:10001", "--minheap-factors=1.5;2;3;6",
                               "--invocations=3", "{seconds}", "--timeout=60"),
              "epoch and the rivals at four heap sizes, paced by the limit", 50, "rivals.jsonl.xz", ("rivals",)),
        Stage("always", _sweep("epoch", GENERATORS, "--pacing=always;fixed:16M", "--invocations=3", "--cell-seconds=0.05", "--timeout=10"),
              "the rule that starts a cycle at every safepoint, on little work", 10, "always.jsonl.xz", ("always",)),
        Stage("stalls", _sweep("epoch", ("cli-queue", "cli-orm"), "--pacing=fixed:4M;fixed:16M;fixed:64M", "--observers=1",
                               "--stall=observer-0:256M:500ms", "--invocations=3", "{seconds}"),
              "a guard that is held for half a second", 1, "stalls.jsonl.xz", ("stalls",)),
        _scaling("slices", ("cli-queue", "cli-orm", "cli-ast"), ("--collector-threads=0", "{seconds}"), "no collector's thread: marking in slices"),
        _scaling("beside", ("cli-queue", "cli-orm", "cli-ast"), ("--collector-threads=1", "{seconds}"), "the same beside the program"),
        _scaling("worker", ("fpm-page", "fpm-api"), ("--workers=1", "--requests=2000"), "one process that serves requests"),
        _scaling("workers", ("fpm-page", "fpm-api"), ("--workers=2", "--requests=2000"), "two of them", "scaling.jsonl.xz",
                 ("slices", "beside", "worker", "workers")),
        Stage("distances", ("{scripts}/characterise", "--traces={traces}", "--no-figure", "--out={out}/cards"),
              "how far each generator is from its counterpart", 2, "cards"),
        Stage("arena-shapes", ("{scripts}/arena-shapes", "--runs=3", "--traces={traces}", "--out={out}"),
              "the arena's shapes and limits on requests", 12, "arena-shapes.json"),
        Stage("linked", ("{scripts}/linked-compare", "--runs=3", "--json={out}/linked-compare.json"),
              "garbage that refers to a large world, and PHP", 4, "linked-compare.json"),
        Stage("pauses", ("{scripts}/pauses", "--policies=epoch;refcount;marksweep", "--sizes=10k;100k;1m", "--json={out}/pauses.json"),
              "pauses by live size", 6, "pauses.json"),
        Stage("gate", ("{scripts}/gate-trials", "--trials=20", "--json={out}/gate.json"), "how far the gate can be trusted", 5, "gate.json"),
    )
