#!/usr/bin/env bash
# scripts/linked-compare, trigger-cost, policy-table and arena-shapes: a row for every side, checksums that agree, whole documents, bad
# input in one line. Runs are short; no time is asserted.
set -euo pipefail
: "${SAPIMEM_HARNESS:?set by CTest}" "${SAPIMEM_SOURCE_DIR:?set by CTest}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
scripts=$SAPIMEM_SOURCE_DIR/scripts
refused() {
    local code=0 script=$1
    shift
    "$scripts/$script" "$@" >stdout 2>stderr || code=$?
    [[ $code == 2 && ! -s stdout && $(wc -l <stderr) == 1 ]] ||
        { echo "$script $*: exit code $code, expected 2 and one line"; cat stderr; exit 1; }
}

for script in linked-compare trigger-cost policy-table; do
    "$scripts/$script" --help | grep "^usage: scripts/$script" >help
    refused $script --nonsense
    refused $script --runs=0
    refused $script --policies=epohc
done
refused linked-compare --objects=0
refused linked-compare --linked=2
refused linked-compare --json=/proc/absent/file
refused trigger-cost --sizes=much
refused policy-table --workloads=chrun
refused policy-table --trace=absent
refused policy-table --out=/proc/absent
"$scripts/arena-shapes" --help | grep "^usage: scripts/arena-shapes" >help
for bad in --nonsense --runs=0 --scale=0 --loads=0 --loads=100 --seconds=0 --parts=memory --policies=arena --traces=absent --workloads=fpm-pgae --out=/proc/absent; do
    refused arena-shapes $bad
done

"$scripts/linked-compare" --objects=2k --iterations=30 --graphs=50 --touch=1 --runs=2 --policies='refcount;epoch:reclaim=inline' \
    --json=linked.json >linked 2>progress
"$scripts/trigger-cost" --workload=churn:objects=2k --policies=epoch:reclaim=inline --collector-threads=0 --sizes='64K;128K' --alloc=1M \
    --runs=2 --json=triggers.json >triggers 2>>progress
"$scripts/policy-table" --all --workloads='linked:objects=500;stack:depth=500,garbage=500' --alloc=2M --runs=2 \
    --policies='epoch:reclaim=inline;refcount' --out=. >table 2>>progress

"$scripts/arena-shapes" --quick --workloads=fpm-page:posts=1,comments=1,paragraphs=1 --loads=50 --out=. >shapes 2>>progress

/usr/bin/python3 - "$SAPIMEM_SOURCE_DIR" <<'PY'
import json, pathlib, shutil, sys

linked = json.load(open("linked.json"))
assert linked["complete"] and list(linked["runs"])[-1] == "real PHP", linked
ours = {name: runs for name, runs in linked["runs"].items() if name != "real PHP"}
assert len(ours) == 3 and all(run["status"] == "ok" for runs in ours.values() for run in runs), ours
php = linked["runs"]["real PHP"]
assert {run["status"] for run in php} == {"ok" if shutil.which("php8.2") else "unavailable"}, php
for run in php:
    # PHP's collector and refcount's meet the same garbage.
    if run["status"] == "ok":
        assert abs(run["runs"] - ours["refcount"][0]["runs"]) <= 1, (run, ours["refcount"][0]["runs"])
assert "of refcount's CPU" in open("linked").read()

rows = json.load(open("triggers.json"))["rows"]
assert [row["how"] for row in rows] == ["never"] + 2 * ["threshold", "by hand", "by hand, threshold twice it"], rows
for row in rows:
    for run in row["runs"]:
        assert run["status"] == "ok" and (run["work_cycles"] == 0) == (row["how"] == "never"), row
assert len({run["checksum"] for row in rows for run in row["runs"]}) == 1

table = open("policy-table.md").read()
assert table.rstrip() == open("table").read().rstrip()
traces = [path.name for path in pathlib.Path(sys.argv[1], "tests/traces").glob("*.sapitrace*")]
verdicts = table[table.index("## Where counting wins"):]
for title in ["linked:objects=500", "stack:depth=500,garbage=500", *traces]:
    line = next(line for line in verdicts.splitlines() if line.startswith(f"| {title} |"))
    assert any(verdict in line for verdict in ("counting wins", "epoch wins", "neither")), line

shapes = json.load(open("arena-shapes.json"))["results"]["fpm-page:posts=1,comments=1,paragraphs=1"]
assert len(shapes) == 14 and all(runs[0]["status"] == "ok" for runs in shapes.values()), shapes
assert len({runs[0]["checksum"] for runs in shapes.values()}) == 1
faults = {policy: runs[0]["minor_faults"] for policy, runs in shapes.items()}
burst, = json.load(open("arena-shapes.json"))["bursts"]
assert burst["load_percent"] == 50 and 100 <= burst["requests"] <= 10000 and list(burst["policies"]) == list(shapes), burst
for (run,) in burst["policies"].values():
    for kind in "response", "service":
        assert 0 < run[f"{kind}_p50_ns"] <= run[f"{kind}_p99_ns"] <= run[f"{kind}_max_ns"], run
    assert run["response_max_ns"] >= run["service_max_ns"], run
assert len({runs[0]["checksum"] for runs in burst["policies"].values()}) == 1
assert faults["arena:shape=bump,pages=drop"] > faults["arena:shape=bump,pages=retain"] + 1000, faults
assert open("arena-shapes.md").read().rstrip() == open("shapes").read().rstrip()
PY
