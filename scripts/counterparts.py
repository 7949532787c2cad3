"""workloads/counterparts.json: which measured PHP programs a generator stands for, and how long it runs beside them."""
import json
import pathlib

from measured_runs import BadInput


def read_json(path, option):
    """The document that `--option=path` names."""
    try:
        return json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise BadInput(f"--{option}={path}: expected a JSON document: {problem}") from None


def entries_of(counterparts, name):
    """Entries of a generator by what they run: all of its name, of one with options those of just these (an empty list without any)."""
    by_spec = {} if ":" not in name else {name: []}
    for entry in counterparts["generators"]:
        if entry["workload"] == name or entry["workload"].split(":")[0] == name:
            by_spec.setdefault(entry["workload"], []).append(entry)
    return by_spec or {name: []}


def length_of_others(counterparts, name):
    """Of a generator without counterpart: its entry if it has one, as those have that hardly allocate."""
    return next((entry for entry in counterparts.get("others", []) if entry["workload"] == name.split(":")[0]), {})
