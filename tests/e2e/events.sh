#!/usr/bin/env bash
# --events writes a line of JSON an event: valid, in order, each start of a cycle with its end; whole after an interrupt,
# absent after a refusal, an error when the place takes nothing. --trace-gc prints a line for each cycle of the document.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
queue=(--mutator-work=none --policy=epoch --workload=cli-queue:cache=500 --threshold=1M)

"$SAPIMEM_HARNESS" "${queue[@]}" --alloc=24M --quiet --trace-gc --events=events --json=run.json --csv=run.csv 2>lines
"$SAPIMEM_HARNESS" "${queue[@]}" --alloc=8M --events=- >stdout
"$SAPIMEM_HARNESS" "${queue[@]}" --alloc=8M --quiet --events=/dev/null
"$SAPIMEM_HARNESS" --mutator-work=none --policy=malloc --workload=cli-queue:cache=500 --alloc=8M --quiet --events=freed
[[ -c /dev/null ]] || { echo "/dev/null was replaced"; exit 1; }

"$SAPIMEM_HARNESS" "${queue[@]}" --seconds=500 --progress=always --events=stopped >summary 2>stderr &
pid=$!
while ! grep -qs allocated stderr; do
    kill -0 $pid 2>/dev/null || { echo "the run ended by itself"; cat stderr; exit 1; }
    sleep 0.05
done
[[ ! -e stopped ]] || { echo "the events existed before the run was whole"; exit 1; }
kill -INT $pid
code=0
wait $pid || code=$?
[[ $code == 130 ]] || { echo "exit code $code, expected 130"; cat stderr; exit 1; }

code=0
"$SAPIMEM_HARNESS" "${queue[@]}" --alloc=4M --quiet --events=refused --threshold=nonsense 2>stderr || code=$?
[[ $code == 2 && ! -e refused ]] || { echo "a refused run left events"; exit 1; }
code=0
"$SAPIMEM_HARNESS" "${queue[@]}" --alloc=4M --quiet --csv=same --events=./same 2>stderr || code=$?
[[ $code == 2 ]] && grep -qF -e '--events=./same: expected another place than --csv' stderr || { cat stderr; exit 1; }
code=0
"$SAPIMEM_HARNESS" "${queue[@]}" --alloc=64M --quiet --events=/dev/full --json=kept.json 2>stderr || code=$?
[[ $code == 1 && -s kept.json ]] || { echo "a full device: exit code $code"; cat stderr; exit 1; }
grep -qF '/dev/full: writing failed: No space left on device' stderr || { cat stderr; exit 1; }
[[ -z $(find . -name '*.partial') ]] || { echo "partial files were left"; exit 1; }

SCHEMA=$SAPIMEM_SOURCE_DIR/results/schema.json /usr/bin/python3 - <<'PY'
import csv, json, os, re, jsonschema

schema = json.load(open(os.environ["SCHEMA"]))
validator = jsonschema.Draft7Validator({"$ref": "#/definitions/event", "definitions": schema["definitions"]})

def read(name):
    events = [json.loads(line) for line in open(name)]
    for event in events:
        validator.validate(event)
    assert all(first["t_ns"] <= second["t_ns"] for first, second in zip(events, events[1:])), name
    frame = [event["kind"] for event in events if event["kind"].startswith("cycle_")]
    assert frame == ["cycle_start", "cycle_end"] * (len(frame) // 2), (name, frame[:9])
    return events

run = json.load(open("run.json"))
metric = lambda key: run["metrics"][key]["value"]
ends = [event for event in read("events") if event["kind"] == "cycle_end"]
assert len(ends) == metric("cycles") > 10
for end, cycle in zip(ends, run["cycles"]):
    assert (end["amount"], end["duration_ns"], end["cycle"]) == (cycle["retired_bytes"], cycle["pause_ns"], cycle["kind"])
assert any(event["kind"] == "resize" for event in read("events"))
assert read("stdout") and read("stopped")
assert {event["kind"] for event in read("freed")} <= {"resize"}
assert not validator.is_valid(dict(ends[0], kind="tea")) and not validator.is_valid(dict(ends[0], extra=1))

# The document's own sums.
kinds = [cycle["kind"] for cycle in run["cycles"]]
assert kinds.count("full") == metric("cycles_full") and kinds.count("young") == metric("cycles_young")
assert metric("cycles_full") + metric("cycles_young") == metric("cycles")
for name, key in ("slices", "slice_count"), ("assists", "assist_count"), ("logged_objects", "logged_objects"):
    assert metric(name) == sum(cycle[key] for cycle in run["cycles"]), name
assert metric("fallbacks") == sum(cycle["is_fallback"] for cycle in run["cycles"])
assert all(cycle["max_pause_ns"] <= cycle["pause_ns"] for cycle in run["cycles"])
assert 0 < metric("cycle_cpu_ns") <= metric("vm_cpu_ns") <= metric("cpu_ns")
assert metric("collector_cpu_ns") <= metric("cpu_ns")
last = run["series"][-1]
rows = list(csv.DictReader(open("run.csv")))
assert [int(rows[-1][key]) for key in ("cycles_full", "cycles_young")] == [last["cycles_full"], last["cycles_young"]]
assert 0 < last["cycles_full"] + last["cycles_young"] <= metric("cycles")

lines = [line for line in open("lines") if line.startswith("gc ")]
assert len(lines) == metric("cycles")
form = re.compile(r"gc (\d+) @\d+\.\d{3}s (full|young) (\w+) (stop|concurrent|fallback): .+ -> .+ -> goal .+, pause .+ max .+, "
                  r"mark .+, cpu .+ \+ .+, \d+ slices?, \d+ assists?, [\d,]+ traced, [\d,]+ logged, backlog .+")
for line, cycle in zip(lines, run["cycles"]):
    found = form.fullmatch(line.rstrip("\n"))
    assert found and found.group(1, 2, 3) == (str(cycle["index"]), cycle["kind"], cycle["trigger"]), line
PY
