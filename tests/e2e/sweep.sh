#!/usr/bin/env bash
# Sweeps: one killed by SIGKILL and resumed has the cells of one that was not; whole files only; slices, failures, Ctrl-C, plans.
set -euo pipefail
. "$SAPIMEM_SOURCE_DIR/tests/support/child_process.sh"
/usr/bin/python3 -c 'import jsonschema' 2>/dev/null || { echo "python3-jsonschema is not installed" && exit 77; }
work=$(mktemp -d)
pid=
trap '[[ -z $pid ]] || kill -9 $pid 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"

die() {
    echo "$1"
    cat stderr
    exit 1
}

grid=(--policies='epoch;refcount;null' --workloads='cli-queue:cache=500;fpm-page:posts=1' --thresholds=512K:8M:x4
    --mutator-work=none --alloc=4M --invocations=2)
sweep() {
    "$SAPIMEM_HARNESS" sweep "$@" >stdout 2>stderr
}

start() {
    "$SAPIMEM_HARNESS" sweep "$@" >stdout 2>stderr &
    pid=$!
}

# Waits until at least $2 cells of folder $1 are there.
wait_for_cells() {
    until (($(find "$1/runs" -name '????????????????.json' 2>/dev/null | wc -l) >= $2)); do
        kill -0 $pid 2>/dev/null || die "the sweep ended by itself"
        sleep 0.01
    done
}

cells() {
    find "$1/runs" -name '*.json' -printf '%f\n' | sort
}

# --- one that nobody stops
sweep "${grid[@]}" --out=deep/whole
grep -q '^sweep    20 cells in deep/whole: 20 ok$' stdout || die "the summary was: $(cat stdout)"
[[ $(grep -c ' of 20: ok after ' stderr) == 20 ]] || die "not a line a cell"
[[ $(cells deep/whole | wc -l) == 20 ]] || die "not 20 cells"

# --- SIGKILL half way: the cell that ran ends with the sweep, whole cells stay, and what is half written counts as nothing
start "${grid[@]}" --out=killed
wait_for_cells killed 7
running=$(child $pid harness || true)
kill -9 $pid
wait $pid 2>/dev/null || true
pid=
for ((tries = 0; tries < 100; tries++)); do
    [[ -n $running ]] && kill -0 $running 2>/dev/null || break
    sleep 0.05
done
[[ -z $running ]] || ! kill -0 $running 2>/dev/null || die "the cell outlived its sweep"
count=$(cells killed | wc -l)
((count >= 7 && count < 20)) || die "$count cells after the kill"
half=$(cells killed | head -1)
missing=$(comm -23 <(cells deep/whole) <(cells killed) | head -1)
head -c 200 "deep/whole/runs/$half" >"killed/runs/$half"
echo '{' >"killed/runs/$missing.12345.partial"
(cd killed/runs && find . -name '*.json' ! -name "$half" -exec sha256sum {} +) >before

! sweep "${grid[@]}" --out=killed || die "a folder that holds a sweep was taken without --resume"
grep -q -e '--resume' stderr || die "the refusal does not name --resume"
sweep "${grid[@]}" --out=killed --resume
diff <(cells deep/whole) <(cells killed) || die "other cells than those of a sweep that was not killed"
(cd killed/runs && sha256sum --quiet -c ../../before) || die "cells that were whole have been run again"
[[ -z $(find . -name '*.partial') ]] || die "partial files were left"
[[ $(grep -c ' of 20: ok after ' stderr) == $((20 - count + 1)) ]] || die "not only the missing cells and the broken one ran"
sweep "${grid[@]}" --out=killed --resume
[[ $(grep -c ' of 20: ' stderr) == 0 ]] || die "a sweep that is done ran something"

# --- other axes are another sweep; more invocations are not
! sweep "${grid[@]}" --seeds=2 --out=killed --resume || die "other axes were taken"
grep -q 'other axes' stderr || die "the refusal does not say what differs"
sweep "${grid[@]}" --invocations=3 --out=killed --resume
[[ $(grep -c ' of 30: ok after ' stderr) == 10 && $(cells killed | wc -l) == 30 ]] || die "the third invocation did not run"

# --- slices that fill one folder at the same time are the whole
start "${grid[@]}" --out=slices --resume --slice=1/2 --quiet
"$SAPIMEM_HARNESS" sweep "${grid[@]}" --out=slices --resume --slice=2/2 >stdout.2 2>stderr.2 || die "the second slice failed"
wait $pid || die "the first slice failed"
pid=
diff <(cells deep/whole) <(cells slices) || die "slices are not the whole"
grep -q '^sweep    10 cells' stdout.2 || die "not half of the cells in a slice: $(cat stdout.2)"

# --- failures are records and stop nothing: no memory, no time, a process that is killed
sweep --policies='null;epoch' --workloads='cli-queue:cache=500' --alloc=16M --mutator-work=none --memory-limit=8M --out=oom ||
    die "a cell that failed made the sweep fail"
grep -q '1 oom' stdout && grep -q '1 ok' stdout || die "the summary was: $(cat stdout)"
start --policies='epoch' --workloads='cli-queue:cache=500;cli-queue:cache=600' --order=grid --alloc=64G --timeout=2 --out=crash
until running=$(child $pid --json=-); do
    kill -0 $pid 2>/dev/null || die "the sweep ended by itself"
    sleep 0.05
done
kill -9 "$running"
wait $pid || die "a cell that was killed made the sweep fail"
pid=
grep -q '1 crashed, 1 timeout' stdout || die "the summary was: $(cat stdout)"

# --- Ctrl-C: the cell that runs is left out, whole ones stay
start --policies='epoch;null' --workloads='cli-queue:cache=500' --thresholds='1M;2M;4M' --alloc=64M --invocations=50 \
    --mutator-work=none --out=interrupted
wait_for_cells interrupted 2
kill -INT $pid
code=0
wait $pid || code=$?
pid=
[[ $code == 130 ]] || die "exit code $code, expected 130"
grep -q 'the same command with --resume goes on' stderr || die "the way on was not told"
[[ -z $(find interrupted -name '*.partial') ]] || die "partial files were left"

# --- minheap factors: measured once for both policies, and the same limit for each
sweep --policies='epoch;marksweep;malloc' --workloads='cli-queue:cache=500' --minheap-factors='1;2' --alloc=6M --mutator-work=none \
    --out=minheap
[[ $(find minheap/minheaps -name '*.json' | wc -l) == 1 ]] || die "not one minheap"

# --- plans
"$SAPIMEM_HARNESS" sweep "${grid[@]}" --out=deep/whole --plan --json >plan.json 2>stderr
"$SAPIMEM_HARNESS" sweep "${grid[@]}" --plan --cell-seconds=2 >stdout 2>stderr && die "work was given twice"
"$SAPIMEM_HARNESS" sweep --policies=epoch --workloads=cli-queue --invocations=90 --cell-seconds=2 --plan --out=none >stdout 2>stderr
grep -q '^90 cells, 0 done; 90 blocks in all slices; 3 min 00 s for the rest$' stdout || die "$(tail -1 stdout)"
sweep --policies=epoch --workloads=cli-queue --cell-seconds=2 --plan
grep -q '^1 cell, 0 done; 1 block in all slices; ' stdout || die "one cell is no plural: $(tail -1 stdout)"
[[ ! -e none ]] || die "a plan made a folder"

SOURCE=$SAPIMEM_SOURCE_DIR /usr/bin/python3 - <<'PY'
import json, os, pathlib, sys
import jsonschema

sys.path.insert(0, os.environ["SOURCE"] + "/scripts")
import result_set

schema = json.load(open(os.environ["SOURCE"] + "/results/schema.json"))
part = lambda name: {"$ref": f"#/definitions/{name}", "definitions": schema["definitions"]}

for folder in "deep/whole killed slices oom crash interrupted minheap".split():
    plan = json.load(open(f"{folder}/plan.json"))
    jsonschema.validate(plan, part("plan"))
    planned = {cell["id"]: cell for cell in plan["cells"]}
    assert len(planned) == len(plan["cells"])
    for path in pathlib.Path(folder, "runs").iterdir():
        document = json.loads(path.read_text())
        jsonschema.validate(document, schema if "metrics" in document else part("ended_cell"))
        cell = document["cell"]
        assert path.name == cell["id"] + ".json" and cell.pop("process_ns") > 0
        arguments = [argument for argument in cell.pop("arguments") if not argument.startswith("--minheap=")]
        assert planned[cell["id"]].pop("arguments") == arguments and planned[cell["id"]] == cell, cell

runs = result_set.load(["deep/whole"])
assert len(runs) == 20 and all(run.is_ok for run in runs)
assert {run.pacing for run in runs if run.policy == "epoch"} == {"fixed:512K", "fixed:2M", "fixed:8M"}
assert all(run.metric("alloc_bytes") >= 4 << 20 for run in runs)
# What was planned is what ran, and a plan alone says the same.
plan, told = json.load(open("deep/whole/plan.json")), json.load(open("plan.json"))
assert told.pop("seconds") is None and told == plan
assert plan["blocks"] == 4 and [cell["block"] for cell in plan["cells"]] == [block for block in range(4) for _ in range(5)]
for first in range(0, 20, 5):
    assert {cell["policy"] for cell in plan["cells"][first:first + 4]} == {"epoch", "refcount", "null"}
    assert plan["cells"][first + 4]["threshold"] == "2M"

crashed, timed_out = sorted(result_set.load(["crash"]), key=lambda run: run.status)
assert crashed.status == "crashed" and crashed.document["signal"] == 9 and crashed.document["exit_code"] is None
assert crashed.workload == "cli-queue:cache=500" and timed_out.status == "timeout"
assert all(run.is_ok for run in result_set.load(["interrupted"]))

limits = {}
for run in result_set.load(["minheap"]):
    value = lambda name: run.document["config"][name]["value"]
    assert value("memory_limit") == int(value("minheap") * run.cell["minheap_factor"])
    limits.setdefault(run.cell["minheap_factor"], set()).add(value("memory_limit"))
    assert run.is_ok or run.policy != "marksweep", run.document["error"]
assert [len(of_factor) for of_factor in limits.values()] == [1, 1], limits
PY
