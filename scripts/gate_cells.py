"""The gate's cells: what scripts/check-stability runs, and the bounds that each run must stay within.

Counters are exact where the program's own thread does everything (reclaim=inline, no collector's): such a cell may be held
to slopes as well. How far a program gets ahead of threads beside it is the scheduler's to say, and on a full machine that
looks like growth: cells with threads are held to bytes alone, to what the policy itself promises.
"""
import dataclasses

from measured_runs import size

# A leak of one object in 1,000 grows live bytes by about a thousandth of what is allocated; half of that is too much.
GROWTH_PER_MILLE = 0.5
ALONE = ("--reclaim=inline", "--collector-threads=0")
THREADS = ("--reclaim=thread", "--collector-threads=1")
COMMON = ("--mutator-work=none", "--series-every=64K")


@dataclasses.dataclass(frozen=True)
class Cell:
    """`bounds` hold whatever the machine does; `faults` are those that the workload and the policy can carry."""

    name: str
    arguments: tuple
    bounds: dict
    faults: tuple = ()

    @property
    def command(self):
        return [*self.arguments, *COMMON]


def cell(name, arguments, backlog, committed, growth=GROWTH_PER_MILLE, faults=(), threads=ALONE):
    """`backlog` and `committed`: the most bytes ever, as a size. `growth`: per mille of what is allocated; None: not judged."""
    bounds = {"backlog_bytes": size(backlog), "committed_bytes": size(committed)}
    if growth is not None:
        bounds["growth_per_mille"] = growth
    return Cell(name, (*arguments.split(), *threads), bounds, faults)


QUEUE = "--workload=cli-queue:cache=200"
PAGE = "--sapi=fpm --workload=fpm-page:posts=1 --requests=200"
# The policy refuses memory above its own limit of the backlog: a guard that stalls ends the run soon.
EPOCH = "--policy=epoch:backlog-limit=8M --threshold=1M"
FULL_CYCLES = "--policy=epoch:young=never,backlog-limit=8M --threshold=1M"
BOTH = ("leak", "stall")

# A cycle retires at most what was allocated since the last one and what had floated before: a few thresholds.
QUICK = (
    cell("queue", f"{EPOCH} {QUEUE} --alloc=256M", "4M", "8M", faults=BOTH),
    cell("queue-full-cycles", f"{FULL_CYCLES} {QUEUE} --alloc=256M", "4M", "8M", faults=BOTH),
    cell("churn", f"{EPOCH} --workload=churn:objects=5k --alloc=128M", "4M", "8M", faults=BOTH),
    cell("page", f"{EPOCH} {PAGE}", "4M", "8M", faults=("stall",)),
    cell("page-arena", f"--policy=arena {PAGE}", "0", "4M"),
    cell("queue-refcount", f"--policy=refcount {QUEUE} --alloc=256M", "0", "8M", faults=("leak",)),
    cell("queue-marksweep", f"--policy=marksweep --threshold=1M {QUEUE} --alloc=256M", "0", "8M", faults=("leak",)),
    # One cycle may overshoot the limit of the backlog, by what it found dead.
    cell("queue-threads", f"{EPOCH} {QUEUE} --alloc=256M", "16M", "32M", faults=BOTH, threads=THREADS),
)


def long(name, workload, committed="8M", alloc="2G", backlog="4M", faults=("stall",)):
    """A cell of the full form under `epoch`. A leak is injected where the objects that leak hold enough to tell."""
    return cell(name, f"{EPOCH} --workload={workload} --alloc={alloc}", backlog, committed, faults=faults)


FULL = (
    *QUICK,
    long("queue-long", "cli-queue:cache=200", faults=BOTH),
    long("eventloop", "cli-eventloop:connections=6,requests=5,resident=5,log=6,keepalive=2,errors=0.3"),
    long("eventloop-resident", "cli-eventloop", committed="12M"),
    long("quads", "quads:depth=4,heap=10", faults=BOTH),
    long("orm", "cli-orm", committed="16M"),
    long("etl", "cli-etl", committed="32M", alloc="1G"),
    long("cache", "cli-cache:entries=200,lookups=400,resident=200", faults=BOTH),
    long("ast", "cli-ast:functions=2,symbols=20,spread=0.5", faults=BOTH),
    long("solver", "cli-solver:packages=4,versions=10"),
    long("batch", "cli-batch:lines=20,entities=10", faults=BOTH),
    # Young cycles are enough for it: full ones come a gibibyte apart, which is no run's length, so it has full ones alone.
    cell("tick", f"{FULL_CYCLES} --workload=cli-tick:world=1300,touch=600,garbage=200 --alloc=2G", "4M", "8M", faults=("stall",)),
    long("idle", "cli-idle:services=9"),
    long("external", "cli-external:bytes=4K,ring=40,records=60,resident=20"),
    long("destructors", "cli-dtor:objects=80", alloc="1G"),
    long("linked", "linked:objects=4k,graphs=4"),
    long("arrays", "arrays:arrays=2,elements=1000,writes=2000,growth=300"),
    long("stack", "stack:depth=400,locals=3,garbage=500"),
    cell("api", f"{EPOCH} --sapi=fpm --workload=fpm-api --requests=300", "4M", "8M", faults=("stall",)),
    cell("admin", f"{EPOCH} --sapi=fpm --workload=fpm-admin --requests=30", "8M", "12M", faults=("stall",)),
    # Uploads are few large buffers: one is several thresholds.
    cell("upload", "--policy=epoch --threshold=1M --sapi=fpm --workload=fpm-upload --requests=60", "24M", "32M"),
    cell("api-arena", "--policy=arena --sapi=fpm --workload=fpm-api --requests=300", "0", "4M"),
    cell("page-refcount", f"--policy=refcount {PAGE}", "0", "4M"),
    cell("orm-refcount", "--policy=refcount --workload=cli-orm --alloc=1G", "0", "64M"),
    cell("queue-threads-long", f"{EPOCH} {QUEUE} --alloc=1G", "16M", "32M", faults=BOTH, threads=THREADS),
    cell("page-threads", f"{EPOCH} {PAGE}", "16M", "32M", faults=("stall",), threads=THREADS),
)
FAULTS = {"leak": "--inject=leak:1/1000", "stall": "--stall=observer-0:1M:forever"}


@dataclasses.dataclass(frozen=True)
class Form:
    """`controls`: (cell, fault) that is injected to see whether the gate fails."""

    cells: tuple
    controls: tuple

    def named(self, name):
        return next(one for one in self.cells if one.name == name)


FORMS = {
    # One of each kind, alone and with threads.
    "quick": Form(QUICK, tuple((name, fault) for name in ("queue", "queue-threads") for fault in BOTH)),
    "full": Form(FULL, tuple((one.name, fault) for one in FULL for fault in one.faults)),
}
