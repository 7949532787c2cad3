#!/usr/bin/env bash
# harness compare: medians, ratios and p values are scipy's; exact figures to the last digit and seed by seed; what pairs with what; notes on
# machines that differ; bad input in one line.
set -euo pipefail
: "${SAPIMEM_HARNESS:?set by CTest}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

/usr/bin/python3 - <<'PY'
import json, pathlib, random

def document(seed=1, policy="epoch", pacing="fixed:16M", status="ok", commit="a" * 40, noisy=(), **metrics):
    values = {"cycles": (7, None, True), "checksum": ("00ff", None, True), **metrics}
    return {
        "schema_version": 1, "status": status,
        "context": {"cpu_model": "one", "noisy": list(noisy), "build": {"git_commit": commit}},
        "config": {"workload": {"value": "churn"}, "policy": {"value": policy}, "pacing": {"value": pacing},
                   "heap_factor": {"value": None}, "seed": {"value": seed}},
        "metrics": {name: {"value": value, "unit": "ns", "better": better, "exact": exact} for name, (value, better, exact) in values.items()},
        "pauses": {"p99_ns": 500 + seed}, "latency": {"service": {"p99_ns": 900}},
    }

def write(path, content):
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))

draw = random.Random(5)
for i in range(10):
    wall = lambda middle: ("wall_ns", (int(draw.gauss(middle, middle / 20)), "less", False))
    tied = lambda: ("tied", (draw.randrange(100, 104), "more", False))
    write(f"a/{i}.json", document(**dict([wall(1000000), tied()]), same=(draw.randrange(1000, 1100), "less", False)))
    write(f"b/{i}.json", document(**dict([wall(1300000), tied()]), same=(draw.randrange(1000, 1100), "less", False), commit="b" * 40,
                                  noisy=["two threads on one CPU"] if i == 3 else []))
    write(f"c/runs/{i}.json", document(policy="refcount", pacing="zend:10001", wall_ns=(500000 + i, "less", False)))
write("b/failed.json", {**document(status="oom"), "metrics": {}})
write("c/plan.json", {"cells": []})
write("c/notes.txt", "no result")
for i, (seed, cycles) in enumerate([(1, 7), (2, 9)]):
    write(f"seeds-a/{i}.json", document(seed=seed, cycles=(cycles, "less", True), big=(2**53 + 1, None, True)))
    write(f"seeds-b/{i}.json", document(seed=seed, cycles=(cycles - (seed == 2), "less", True), big=(2**53 + 2, None, True)))
write("seed-3.json", document(seed=3))
for i in range(10):
    short = document(wall_ns=(1000000 + i, "less", False))
    long = document(wall_ns=(2000000 + i, "less", False), cycles=(9, "less", True))
    short["config"] |= {"alloc": {"value": 16 << 20}, "mutator_work": {"value": "real"}, "workers": {"value": 2}, "requests": {"value": None}, "sharing": {"value": "counts"}}
    long["config"] |= {"alloc": {"value": None}, "mutator_work": {"value": "none"}, "workers": {"value": 2}, "requests": {"value": 50}, "sharing": {"value": None}}
    write(f"short/{i}.json", short)
    write(f"long/{i}.json", long)
write("two/epoch.json", document())
write("two/refcount.json", document(policy="refcount"))
write("other.json", document(policy="null", pacing="never") | {"config": {**document()["config"], "workload": {"value": "quads"}, "policy": {"value": "null"}}})
write("version.json", {**document(), "schema_version": 9})
write("list.json", [])
pathlib.Path("half.json").write_text('{"status": ')
pathlib.Path("empty").mkdir()
PY

compare() {
    "$SAPIMEM_HARNESS" compare "$@"
}
compare a b --json >ab.json
compare a b --json >again.json
cmp ab.json again.json
compare a b --all >ab.txt
compare a b >short.txt
compare a c --json >ac.json
compare seeds-a seeds-b --json >seeds.json
compare seeds-a/0.json seed-3.json --json >no-seed.json
compare two/epoch.json a/0.json --json >few.json
compare two a --json >two.json
compare short long --json >work.json
compare short long >work.txt
compare long long --json >same-work.json
for policy in epoch refcount; do
    "$SAPIMEM_HARNESS" --policy=$policy --workload=cli-queue:cache=200 --alloc=1M --quiet --json=run-$policy.json 2>stderr
done
compare run-epoch.json run-refcount.json --json >policies.json

refused() {
    local expected=$1 code=0
    shift
    compare "$@" >stdout 2>stderr || code=$?
    [[ $code == 2 && ! -s stdout && $(wc -l <stderr) == 1 ]] && grep -q -- "$expected" stderr ||
        { echo "$*: exit code $code, expected 2 and a line with '$expected'"; cat stderr; exit 1; }
}
refused 'two results'
refused 'two results' a
refused 'two results' a b c
refused '--nonsense' a b --nonsense
refused 'absent: No such file' a absent
refused 'empty: no result' a empty
refused 'half.json: not JSON: line 1' half.json a
refused 'list.json: expected a document' list.json a
refused 'schema_version 9, expected 1' a version.json
refused 'no configuration in common' a other.json
refused 'no configuration in common' two other.json
compare --help >help
grep -q '^usage: harness compare' help

/usr/bin/python3 - <<'PY'
import json, pathlib
import numpy
from scipy import stats

def rows(name, pair=0):
    return {row["name"]: row for row in json.load(open(name))["pairs"][pair]["metrics"]}

def values(folder, name):
    documents = [json.load(open(path)) for path in sorted(pathlib.Path(folder).glob("*.json"))]
    return [d["metrics"][name]["value"] for d in documents if d["status"] == "ok"]

found = rows("ab.json")
for name in ("wall_ns", "tied", "same"):
    a, b = values("a", name), values("b", name)
    few_ties = len(set(a + b)) == len(a + b)
    p = stats.mannwhitneyu(a, b, method="exact" if few_ties else "asymptotic").pvalue
    assert abs(found[name]["p"] - p) < 1e-9, (name, found[name], p)
    assert abs(found[name]["ratio"] - numpy.median(b) / numpy.median(a)) < 1e-12
    assert found[name]["low"] <= found[name]["ratio"] <= found[name]["high"]
assert found["wall_ns"]["verdict"] == "worse" and found["same"]["verdict"] == "same", found
assert found["cycles"]["verdict"] == found["checksum"]["verdict"] == "same" and found["cycles"]["p"] is None
assert found["pauses.p99_ns"]["a"] == 501 and found["latency.service.p99_ns"]["ratio"] == 1

document = json.load(open("ab.json"))
assert document["compared"] == [] and document["pairs"][0]["b"]["failed"] == 1, document["pairs"][0]["b"]
assert any(note.startswith("commit differs") for note in document["notes"]), document["notes"]
assert any(note.startswith("1 of 21 runs") for note in document["notes"]), document["notes"]
assert not any("CPU" in note for note in document["notes"]), document["notes"]

text, short = open("ab.txt").read(), open("short.txt").read()
assert "churn, epoch, fixed:16M: 10 runs and 10; failed: 0 and 1" in text and "worse" in short
assert " same " in text.split("note")[-1] and "\n  same" in text and "\n  same" not in short and "wall_ns" in short

ac = json.load(open("ac.json"))
assert ac["compared"] == ["policy", "pacing"] and ac["pairs"][0]["b"]["runs"] == 10, ac["pairs"][0]["b"]
assert rows("ac.json")["wall_ns"]["verdict"] == "better"

# Seed 1 agrees and seed 2 does not: any change is news. Digits beyond a double's count.
seeds = rows("seeds.json")
assert (seeds["cycles"]["a"], seeds["cycles"]["b"], seeds["cycles"]["verdict"]) == (9, 8, "better"), seeds["cycles"]
assert (seeds["big"]["a"], seeds["big"]["b"], seeds["big"]["verdict"]) == (2**53 + 1, 2**53 + 2, "changed"), seeds["big"]
assert rows("no-seed.json")["cycles"]["verdict"] == "no common seed"
assert rows("few.json")["pauses.p99_ns"]["verdict"] == "too few runs"

# Different work is named, and none of its times is called better or worse.
work = json.load(open("work.json"))["pairs"][0]
assert work["different_work"] == [{"option": "alloc", "a": ["16777216"], "b": [None]}, {"option": "requests", "a": [None], "b": ["50"]},
                                  {"option": "mutator-work", "a": ["real"], "b": ["none"]}], work["different_work"]
assert rows("work.json")["wall_ns"]["verdict"] == rows("work.json")["cycles"]["verdict"] == "changed", rows("work.json")
text = open("work.txt").read()
assert "different work: --alloc 16777216 -> none; --requests none -> 50; --mutator-work real -> none\n" in text, text
assert "times and sizes are not comparable" in text and "worse" not in text.split("better or worse")[1]
seed = json.load(open("no-seed.json"))["pairs"][0]["different_work"]
assert seed == [{"option": "seed", "a": ["1"], "b": ["3"]}], seed
for name in "ab", "ac", "seeds", "same-work", "policies":
    assert json.load(open(name + ".json"))["pairs"][0]["different_work"] == [], name
assert "different work" not in open("ab.txt").read()

two = json.load(open("two.json"))
assert len(two["pairs"]) == 1 and any("1 run of A" in note for note in two["notes"]), two["notes"]
PY
echo "compared: medians, ratios and p values as scipy has them"
