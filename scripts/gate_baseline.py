"""A baseline of the gate: JSON, one figure a line, so that a diff says what changed."""
import json

from gate_judge import context, recorded
from measured_runs import BadInput, write_json

SCHEMA_VERSION = 1
CELL_PARTS = ("config", "bounds", "exact")


def read(path):
    """The baseline; BadInput where it is missing, malformed or has no cell."""
    try:
        baseline = json.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise BadInput(f"{path}: expected a baseline: {problem.strerror}") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as problem:
        raise BadInput(f"{path}: expected a baseline, in JSON: {problem}") from None
    cells = baseline.get("cells") if isinstance(baseline, dict) else None
    if not isinstance(cells, dict) or not cells or baseline.get("schema_version") != SCHEMA_VERSION:
        raise BadInput(f"{path}: expected a baseline of schema_version {SCHEMA_VERSION} with cells, as --write-baseline makes it")
    for name, cell in cells.items():
        if not all(isinstance(cell, dict) and isinstance(cell.get(part), dict) for part in CELL_PARTS):
            raise BadInput(f"{path}: cell {name}: expected {', '.join(CELL_PARTS)}")
        if not {"backlog_bytes", "committed_bytes"} <= cell["bounds"].keys():
            raise BadInput(f"{path}: cell {name}: expected bounds of backlog_bytes and committed_bytes")
    return {"context": {}, **baseline}


def write(path, command, cells):
    """`cells`: (name, bounds, run); BadInput where one did not go well."""
    for name, _, run in cells:
        if not run.is_ok:
            raise BadInput(f"{name}: {run.status}: {run.document.get('error', 'no reason given')}; no baseline was written")
    write_json(path, {
        "schema_version": SCHEMA_VERSION,
        "command": command,
        "context": context(cells[0][2]),
        "cells": {name: recorded(run, bounds) for name, bounds, run in cells},
    })
