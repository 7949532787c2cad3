"""Results read back: documents of single runs, the folder of a sweep, and bundles of many documents in one file.

A bundle is a text of one document a line, compressed by xz: NAME.jsonl.xz (scripts/pack-results writes it).
"""
import dataclasses
import json
import lzma
import pathlib
import sys

from measured_runs import ANSWER_MARK, BadInput

BUNDLE_SUFFIX = ".jsonl.xz"
SCHEMA_VERSION = 1
# What a run has many of, along its allocation clock.
LONG = ("series", "cycles")


@dataclasses.dataclass(frozen=True)
class Run:
    """One run. `cell` is what a sweep says of it, {} of a run that no sweep made; `source` names the file for errors."""

    source: str
    document: dict
    cell: dict

    @property
    def status(self):
        return self.document["status"]

    @property
    def is_ok(self):
        return self.status == "ok"

    @property
    def policy(self):
        """As given, options included: "epoch:young=never"."""
        return self.cell.get("policy") or self._configured("policy")

    @property
    def workload(self):
        """As given, options included: "cli-queue:cache=200"."""
        return self.cell.get("workload") or self._configured("workload")

    @property
    def pacing(self):
        """The rule with its value, "fixed:16777216"; None where the policy has none."""
        return self.cell.get("pacing") or self._configured("pacing")

    @property
    def invocation(self):
        return self.cell.get("invocation", 0)

    @property
    def block(self):
        """Runs of one block ran interleaved on one machine: only those may be compared directly."""
        return self.cell.get("block", 0)

    def _configured(self, name):
        return self.document.get("config", {}).get(name, {}).get("value")

    def metric(self, name):
        """Value of a metric, or of pauses.NAME; None where the run has none."""
        if name.startswith("pauses."):
            return self.document.get("pauses", {}).get(name.split(".", 1)[1])
        return self.document.get("metrics", {}).get(name, {}).get("value")


def _is_run(document):
    return isinstance(document, dict) and isinstance(document.get("status"), str)


def _checked(source, document):
    if not _is_run(document):
        raise BadInput(f"{source}: expected a document of harness run --json, with a status")
    version = document.get("schema_version", SCHEMA_VERSION)
    if version != SCHEMA_VERSION:
        raise BadInput(f"{source}: schema_version {version}, expected {SCHEMA_VERSION}")
    return Run(str(source), document, document.get("cell") or {})


def _parsed(source, text):
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise BadInput(f"{source}: not JSON: {error}") from None


def _bundle(path):
    try:
        with lzma.open(path, "rt", encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                yield _checked(f"{path}:{number}", _parsed(f"{path}:{number}", line))
    except (lzma.LZMAError, EOFError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: expected a bundle of documents compressed by xz: {error}") from None


def _sources(path):
    """Files that hold documents, of a file or a folder; of a sweep's folder those in runs/."""
    if not path.is_dir():
        return [path]
    folder = path / "runs" if (path / "plan.json").exists() else path
    return sorted([*folder.glob("*.json"), *folder.glob(f"*{BUNDLE_SUFFIX}")])


def _answering(document):
    """The script whose answer this is; None of a run, and of what nobody marked."""
    return document.get(ANSWER_MARK) if isinstance(document, dict) and not _is_run(document) else None


def _read(path, left_out):
    """Runs of a file; an answer of a script is put to `left_out` as (file, script) where that is a list, and is refused where it is None."""
    if path.name.endswith(BUNDLE_SUFFIX):
        yield from _bundle(path)
        return
    document = _parsed(path, path.read_text(encoding="utf-8"))
    script = _answering(document)
    if script and left_out is not None:
        left_out.append((path.name, script))
    else:
        yield _checked(path, document)


def _all(path):
    """Runs of a file, or of a folder without the answers of scripts that lie in it, which one line on standard error names."""
    left_out = [] if path.is_dir() else None
    for source in _sources(path):
        yield from _read(source, left_out)
    if left_out:
        named = ", ".join(f"{name} ({script})" for name, script in left_out)
        print(f"{path}: left out, no run but an answer about runs: {named}", file=sys.stderr)


def load(paths, reduced=None):
    """All runs of the files and folders `paths`, those of a folder by name; BadInput when one cannot be read or is empty.

    Of a folder the answers that scripts wrote into it (measured_runs.write_answer) are left out, which standard error says.
    `reduced`: what is kept of each run, a function from Run to Run; thousands of whole documents are many GiB.
    """
    runs = []
    for path in map(pathlib.Path, paths):
        try:
            every = _all(path)
            found = list(map(reduced, every) if reduced else every)
        except (OSError, UnicodeDecodeError) as error:
            raise BadInput(f"{path}: {getattr(error, 'strerror', None) or error}") from None
        if not found:
            raise BadInput(f"{path}: no result in it")
        runs.extend(found)
    return runs


def sets(paths):
    """What belongs together, as [(name, paths)]: each bundle of a folder that holds several is a set of its own, by its name (of several such
    folders behind the folder's), because runs of different sweeps are in no common block; all else together is the first set, named "", where
    there is any. BadInput when two sets have one name."""
    apart = {path: bundles for path in map(pathlib.Path, paths) if len(bundles := _bundles(path)) > 1}
    together = [path for path in paths if pathlib.Path(path) not in apart]
    named = [(f"{path.name}-" * (len(apart) > 1) + bundle.name.removesuffix(BUNDLE_SUFFIX), [bundle]) for path, bundles in apart.items() for bundle in bundles]
    for name, members in named:
        if any(name == other and members != theirs for other, theirs in named):
            raise BadInput(f"{members[0]}: expected one set of results that is called {name}, not two")
    return [("", together)] * bool(together) + named


def _bundles(path):
    return sorted(path.glob(f"*{BUNDLE_SUFFIX}")) if path.is_dir() and not (path / "plan.json").exists() else []


def grouped(runs, *names):
    """Runs by the values of these properties ("workload", "pacing" ..., or functions of a run), in the order in which they come."""
    groups = {}
    for run in runs:
        groups.setdefault(tuple(name(run) if callable(name) else getattr(run, name) for name in names), []).append(run)
    return groups


def evenly(points, count):
    """At most `count` of them, evenly spaced, the first and the last among them; all when there are no more."""
    if len(points) <= count:
        return points
    if count < 2:
        return points[len(points) - count:]
    return [points[index * (len(points) - 1) // (count - 1)] for index in range(count)]


def thinned(document, count):
    """A copy with at most `count` points of what it has many of; all else is as it was."""
    return {name: evenly(value, count) if name in LONG else value for name, value in document.items()}


def pack(path, documents):
    """Write a bundle, whole or not at all: the same documents make the same bytes."""
    partial = path.with_name(path.name + ".partial")
    with lzma.open(partial, "wt", encoding="utf-8", newline="\n", check=lzma.CHECK_CRC64) as lines:
        for document in documents:
            lines.write(json.dumps(document, separators=(",", ":"), ensure_ascii=False) + "\n")
    partial.replace(path)
