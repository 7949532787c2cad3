"""What runs of the coverage build executed: how often a line of the sources was entered, as gcov counts it."""
import collections
import json
import os
import pathlib
import subprocess
from typing import NamedTuple

from measured_runs import ROOT

BUILD = ROOT / "build/coverage"


def built_harness():
    """Path of the harness whose lines count; built when it is out of date."""
    subprocess.run([ROOT / "scripts/setup", "run"], check=True)
    subprocess.run([ROOT / "scripts/build", "coverage"], check=True)
    return str(BUILD / "harness/harness")


class Place(NamedTuple):
    """A line of the sources: its file in the repository, the function that it is part of, and how it reads."""

    path: str
    function: str
    text: str

    def numbers(self):
        """Numbers of the file's lines that read so, whatever function they are part of."""
        lines = (ROOT / self.path).read_text(encoding="utf-8").splitlines()
        return [number for number, line in enumerate(lines, 1) if line.strip() == self.text]


def environment(folder):
    """Environment of a run whose counts go below `folder` instead of into the build's own tree."""
    return {**os.environ, "GCOV_PREFIX": str(folder), "GCOV_PREFIX_STRIP": "0"}


def counted_by_line(folder):
    """{(path in the repository, function, line number): how often} of the run that counted below `folder`, in all translation units."""
    counted = sorted(pathlib.Path(folder).rglob("*.gcda"))
    if not counted:
        raise ValueError("the run left no counts")
    for data in counted:
        notes = pathlib.Path("/") / data.relative_to(folder).with_suffix(".gcno")
        data.with_suffix(".gcno").symlink_to(notes)
    done = subprocess.run(["gcov", "--json-format", "--stdout", *map(str, counted)], check=True, capture_output=True, text=True)
    counts = collections.Counter()
    for document in filter(None, done.stdout.splitlines()):
        for file in json.loads(document)["files"]:
            # A compiler's cache may have made the name one that is relative to where the build runs.
            path = os.path.relpath(BUILD / file["file"], ROOT)
            for line in file["lines"]:
                counts[path, line.get("function_name"), line["line_number"]] += line["count"]
    return counts


def executed(counts, places):
    """How often the lines of `places` were entered; ValueError where one is not just one line of what was built."""
    total = 0
    for place in places:
        found = [key for number in place.numbers() if (key := (place.path, place.function, number)) in counts]
        if len(found) != 1:
            raise ValueError(f"{place.path}: {len(found)} lines '{place.text}' in {place.function}: expected one to count")
        total += counts[found[0]]
    return total
