#!/usr/bin/python3
"""Count the tests in CTest's JUnit reports, and say which failed.

usage: count_tests.py NAME=REPORT...

A cmocka program counts as its sub-tests, anything else as one. The last line is "N passed, N failed",
with ", N skipped" when there are any. A report that is missing counts as one failure. Exits 0 when
something passed and nothing failed.
"""
import collections
import pathlib
import re
import sys
import xml.etree.ElementTree

GROUP_START = re.compile(r"\[==========\] Running \d+ test\(s\)")
GROUP_END = re.compile(r"\[==========\] \d+ test\(s\) run")
LINE = re.compile(r"\[( RUN      |       OK |  FAILED  |  SKIPPED )\] (.+)")
OUTCOMES = {"       OK ": "passed", "  FAILED  ": "failed", "  SKIPPED ": "skipped"}


def subtests(output):
    """Yield (name, outcome) of each cmocka sub-test; one that never ended has failed.

    cmocka lists failures and skips again below each group, where they must not count twice.
    """
    inside, running = False, None
    for line in output.splitlines():
        if GROUP_START.search(line) or GROUP_END.search(line):
            inside = GROUP_START.search(line) is not None
        # A sub-test may leave a line unfinished on which cmocka then writes.
        found = LINE.search(line) if inside else None
        if not found:
            continue
        kind, name = found.groups()
        if kind == " RUN      ":
            if running:
                yield running, "failed"
            running = name
        else:
            yield name, OUTCOMES[kind]
            running = None
    if running:
        yield running, "failed"


def outcomes(case):
    """Yield (name, outcome) for one CTest test."""
    whole = "passed" if case.get("status") == "run" else "failed"
    skipped = case.find("skipped")
    # CTest also writes "skipped" for a program that it could not start.
    if skipped is not None and skipped.get("message", "").startswith("SKIP_"):
        whole = "skipped"
    parts = list(subtests(case.findtext("system-out") or "")) if whole != "skipped" else []
    for name, outcome in parts:
        yield f"{case.get('name')}: {name}", outcome
    if not parts or (whole == "failed" and not any(outcome == "failed" for _, outcome in parts)):
        yield case.get("name"), whole


def report_outcomes(path):
    try:
        cases = list(xml.etree.ElementTree.parse(path).getroot().iter("testcase"))
    except (OSError, xml.etree.ElementTree.ParseError):
        return [("the build, or ctest itself", "failed")]
    return [pair for case in cases for pair in outcomes(case)] or [("no test ran", "failed")]


def main(arguments):
    if not arguments or arguments[0] in ("-h", "--help"):
        print(__doc__.strip())
        return 0 if arguments else 2
    total = collections.Counter()
    for argument in arguments:
        name, _, path = argument.partition("=")
        results = report_outcomes(pathlib.Path(path))
        total.update(outcome for _, outcome in results)
        for test, outcome in results:
            if outcome != "passed":
                print(f"{name}: {outcome}: {test}")
    skipped = f", {total['skipped']} skipped" if total["skipped"] else ""
    print(f"{total['passed']} passed, {total['failed']} failed{skipped}")
    return 0 if total["passed"] and not total["failed"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
