"""Runs of the harness for the scripts that compare them: the program, one run, its figures, what is shown and written."""
import importlib
import json
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
ANSWER_MARK = "answer_of"
PAUSES = ("count", "total_ns", "p50_ns", "p99_ns", "p999_ns", "max_ns", "max_undelayed_ns")


class BadInput(Exception):
    pass


class Skip(Exception):
    pass


# ---- The program ----


def harness():
    """Path of a built harness; builds one when there is none."""
    named = os.environ.get("SAPIMEM_HARNESS")
    if named:
        if not os.access(named, os.X_OK):
            raise BadInput(f"SAPIMEM_HARNESS={named}: expected a program")
        return named
    subprocess.run([ROOT / "scripts/setup", "run"], check=True)
    subprocess.run([ROOT / "scripts/build", "release"], check=True)
    return str(ROOT / "build/release/harness/harness")


def listed(program, what):
    """Entries of `harness list WHAT --json`."""
    return json.loads(subprocess.run([program, "list", what, "--json"], check=True, capture_output=True).stdout)


def unavailable(program):
    """Reason by name, of the policies that this build lacks."""
    return {entry["name"]: entry["reason"] for entry in listed(program, "policies") if not entry["available"]}


def choose(text, entries, what):
    """The names in "A;B", all when it is empty; each must be known."""
    names = [entry["name"] for entry in entries if not entry["name"].startswith("trace:")]
    chosen = [name for name in text.split(";") if name] or names
    for name in chosen:
        if name.split(":")[0] not in names:
            raise BadInput(f"{what} '{name}': expected one of {', '.join(names)}")
    return chosen


# ---- One run ----


def run(program, arguments):
    """Document of one run, a process of its own; where it wrote none, {"status": "refused", "error":}."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "run.json"
        done = subprocess.run([program, *arguments, "--quiet", f"--json={path}"], capture_output=True, text=True)
        if path.exists():
            return json.loads(path.read_text(encoding="utf-8"))
    lines = done.stderr.strip().splitlines()
    return {"status": "refused", "error": lines[-1] if lines else f"exit status {done.returncode}"}


def figures(document):
    """Metrics by name, pauses as pause_NAME; of a run that has none, the reason."""
    result = {"status": document["status"], "error": document.get("error")}
    if "metrics" in document:
        result.update({name: metric["value"] for name, metric in document["metrics"].items()})
        result.update({f"pause_{name}": document["pauses"].get(name) for name in PAUSES})
    return result


def work_cycles(document):
    """Records of the cycles of the work, as far as the document has them: neither the boot's nor the two that end a run."""
    boot_bytes = document["metrics"]["boot_alloc_bytes"]["value"] or 0
    return [cycle for cycle in document["cycles"] if cycle["trigger"] != "quiesce" and cycle["clock_bytes"] > boot_bytes]


def mean_committed(document):
    """Bytes committed, as a mean over the allocation clock of the work alone; None where nothing was allocated."""
    boot_bytes = document["metrics"]["boot_alloc_bytes"]["value"] or 0
    points = [point for point in document["series"] if point["clock_bytes"] >= boot_bytes]
    area = sum((b["clock_bytes"] - a["clock_bytes"]) * (a["committed_bytes"] + b["committed_bytes"]) / 2
               for a, b in zip(points, points[1:]))
    distance = points[-1]["clock_bytes"] - points[0]["clock_bytes"] if points else 0
    return area / distance if distance else None


def good(runs):
    return [r for r in runs if r["status"] == "ok"]


def spread(runs, key, factor=1):
    """{"median":, "low":, "high":} of a figure over the runs that have it; None when none does."""
    return spread_of([r[key] * factor for r in good(runs) if r.get(key) is not None])


def spread_of(values):
    if not values:
        return None
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def ratio(ours, theirs, key):
    """Spread of a figure's ratio, round by round; None where there is nothing to compare."""
    return spread_of([a[key] / b[key] for a, b in zip(ours, theirs) if a["status"] == b["status"] == "ok" and b[key]])


def middle(runs, key, factor=1):
    """Median of a figure; None when no run has it."""
    value = spread(runs, key, factor)
    return None if value is None else value["median"]


def failure(runs):
    """What is to be said where no run is good: status and reason of the first."""
    return f"{runs[0]['status']}: {runs[0]['error'] or 'no reason given'}" if runs else "not run"


# ---- Text ----


def quantity(value, digits):
    return "n/a" if value is None else f"{value:.{digits}f}"


def counted(number, noun):
    """"1 run", "2 runs", "0 policies": a number with its noun, which is given in the singular."""
    if number == 1:
        return f"1 {noun}"
    plural = noun[:-1] + "ies" if noun.endswith("y") else noun + ("es" if noun.endswith("s") else "s")
    return f"{number} {plural}"


def spread_text(value, digits):
    """"median (low-high)"; the median alone where they are the same to so many digits."""
    if value is None:
        return "n/a"
    text, low, high = (f"{value[name]:.{digits}f}" for name in ("median", "low", "high"))
    return text if low == high else f"{text} ({low}-{high})"


def table(header, lines, left=1):
    """Columns as text, the first `left` of them to the left. A line with fewer cells ends in a remark."""
    whole = [header] + [line for line in lines if len(line) == len(header)]
    widths = [max(len(line[i]) for line in whole) for i in range(len(header))]
    for line in lines:
        for i, cell in enumerate(line[:left]):
            widths[i] = max(widths[i], len(cell))

    def laid_out(line):
        cells = [cell.ljust(w) if i < left or len(line) < len(header) else cell.rjust(w)
                 for i, (cell, w) in enumerate(zip(line, widths))]
        return "  ".join(cells).rstrip()

    return "\n".join(laid_out(line) for line in [header, *lines])


class Progress:
    """A line on standard error: on a terminal until the next one, elsewhere one for each of many steps. `total`: None, not known."""

    def __init__(self, name, total=None):
        self.name, self.total, self.done, self.start = name, total, 0, time.monotonic()

    def step(self, what):
        self.done += 1
        count = "" if self.total is None else f"{self.done}/{self.total}, "
        line = f"scripts/{self.name}: {count}{time.monotonic() - self.start:.0f} s: {what}"
        if sys.stderr.isatty():
            print(f"\r{line}\033[K", end="", file=sys.stderr, flush=True)
        else:
            print(line, file=sys.stderr, flush=True)

    def end(self):
        if sys.stderr.isatty():
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def in_rounds(name, count, cells):
    """Run all of `cells`, (what it is, function that runs it once), then all again. False when Ctrl-C ended it."""
    progress = Progress(name, count * len(cells))
    try:
        for _ in range(count):
            for what, run_once in cells:
                progress.step(what)
                run_once()
    except KeyboardInterrupt:
        return False
    finally:
        progress.end()
    return True


def about(seconds):
    """A duration that is only estimated."""
    return f"about {seconds:.0f} s" if seconds < 100 else f"about {seconds / 60:.0f} min"


# ---- Arguments ----


def parse(arguments, defaults, flags=(), patterns=None):
    """Options by name from "--name=value", of which `defaults` lists all, and the flags given."""
    options, given = dict(defaults), set()
    for argument in arguments:
        name, separator, value = argument.removeprefix("--").partition("=")
        if argument.startswith("--") and not separator and name in flags:
            given.add(name)
            continue
        if not argument.startswith("--") or not separator or name not in options:
            raise BadInput(f"'{argument}': expected {', '.join(f'--{known}=' for known in defaults)}"
                           f"{''.join(f' or --{flag}' for flag in flags)}")
        pattern, expected = (patterns or {}).get(name, (r".+", "a value"))
        if not re.fullmatch(pattern, value):
            raise BadInput(f"--{name}={value}: expected {expected}")
        options[name] = value
    return options, given


SIZE = (r"[1-9][0-9]*[KMGT]?", "a size such as 65536, 64K or 1G")
COUNT = (r"[1-9][0-9]*", "a count of at least 1")


def size(text):
    """Bytes of "16M", "1G", "65536"."""
    digits, factor = (text[:-1], {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}[text[-1]]) if text[-1] in "KMGT" else (text, 1)
    return int(digits) * factor


def count(text):
    """A number of "10k", "5m", "1000"."""
    if not re.fullmatch(r"[1-9][0-9]*[km]?", text):
        raise BadInput(f"'{text}': expected a number such as 1000, 10k or 5m")
    return int(text.rstrip("km")) * {"k": 1000, "m": 1000000}.get(text[-1], 1)


# ---- Files ----


def make_writable(path):
    """Makes the folder when it is not there; OSError when no file can be made in it."""
    path.mkdir(parents=True, exist_ok=True)
    # Some folders allow everything to root and still take no file: only making one tells.
    with tempfile.TemporaryFile(dir=path):
        pass


def writable_folder(path):
    """The folder of --out, made when it is not there and fit to write to."""
    try:
        make_writable(path)
    except OSError as problem:
        raise BadInput(f"--out={path}: expected a folder to write to: {problem.strerror}") from None
    return path


def writable_file(path):
    """The path, when a file can be written there; its folder is made."""
    if path.is_dir():
        raise BadInput(f"{path}: expected a place to write to, not a folder")
    try:
        make_writable(path.parent)
    except OSError as problem:
        raise BadInput(f"{path}: expected a place to write to: {problem.strerror}") from None
    return path


def write_whole(path, text):
    """All of it or nothing."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def conclude(name, path, is_whole, wrong):
    """Say what went wrong; the exit status of a script that wrote its document to `path`."""
    for line in wrong:
        print(f"scripts/{name}: {line}", file=sys.stderr)
    if not is_whole:
        print(f"scripts/{name}: interrupted; {path} has what was done", file=sys.stderr)
        return 130
    return 1 if wrong else 0


def write_json(path, document):
    write_whole(path, json.dumps(document, indent=1) + "\n")


def need_packages(names):
    """BadInput where a Python package, numpy or such, is not installed."""
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError:
            raise BadInput(f"python3-{name} is missing; scripts/setup figures installs it") from None


def marked(name, document):
    """What a script writes about runs, marked with its name: result_set.load tells it from a run by the mark."""
    return {ANSWER_MARK: f"scripts/{name}", **document}


def write_answer(name, path, document):
    write_json(path, marked(name, document))


def start(name, main, doc, packages=()):
    """Run a script's main function; its errors are one line and a status. `packages`: what it cannot do without, but for --help."""
    # Whoever reads only the first line is no error.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    if any(a in ("-h", "--help") for a in sys.argv[1:]):
        print(doc.strip())
        sys.exit(0)
    try:
        need_packages(packages)
        sys.exit(main(sys.argv[1:]))
    except BadInput as problem:
        print(f"scripts/{name}: {problem}", file=sys.stderr)
        sys.exit(2)
    except Skip as reason:
        print(f"scripts/{name}: skipped: {reason}", file=sys.stderr)
        sys.exit(77)
    except subprocess.CalledProcessError as problem:
        print(f"scripts/{name}: {' '.join(map(str, problem.cmd))}: exit status {problem.returncode}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print(f"\nscripts/{name}: interrupted; nothing was written", file=sys.stderr)
        sys.exit(130)
