#!/usr/bin/env bash
# A guard stalled for ever: the backlog stays bounded, then the run ends out of memory with the guard's name, site and age. A stall that ends is survived.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

run() {
    local name=$1 expected=$2 code=0
    shift 2
    "$SAPIMEM_HARNESS" --quiet --mutator-work=none --policy=epoch:backlog-limit=8M --threshold=512K \
        --workload=cli-queue:cache=500 --json="$name.json" "$@" 2>"$name.stderr" || code=$?
    [[ $code == "$expected" ]] || { echo "$name: exit code $code, expected $expected"; cat "$name.stderr"; exit 1; }
}

run forever 1 --alloc=60M --stall=observer-0:4M:forever
run second 1 --alloc=60M --observers=2 --stall=observer-1:4M:forever
run ends 0 --alloc=24M --stall=observer-0:4M:20ms

[[ $(grep -c . forever.stderr) == 1 ]] || { echo "expected one line"; cat forever.stderr; exit 1; }
/usr/bin/python3 - <<'PY'
import json, re
for name, guard in (("forever", "observer-0"), ("second", "observer-1")):
    document = json.load(open(name + ".json"))
    metrics = {key: metric["value"] for key, metric in document["metrics"].items()}
    assert document["status"] == "oom", document["status"]
    assert guard in document["error"] and "observers.c:" in document["error"], document["error"]
    assert re.search(r"for \d+ ?(ms|us|ns|s)", document["error"]), document["error"]
    # Bounded: the hard bound, and what one cycle may retire beyond it before the next allocation is refused.
    assert 0 < metrics["peak_backlog_bytes"] <= (8 + 4) << 20, metrics["peak_backlog_bytes"]
    assert metrics["alloc_bytes"] < 60 << 20
    assert any(entry["thread"] == guard and entry["age_ns"] > 0 for entry in document["guards"]), document["guards"]
    # The heap is usable after, and nothing is lost once the guard has gone.
    assert metrics["leaked_objects"] == 0
ends = json.load(open("ends.json"))
assert ends["status"] == "ok" and ends["metrics"]["leaked_objects"]["value"] == 0
PY
