#!/usr/bin/env bash
# With inline reclamation two runs of one seed agree in every exact metric; another seed gives another checksum.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

run() {
    local name=$1
    shift
    "$SAPIMEM_HARNESS" --quiet --mutator-work=none --collector-threads=0 --json="$name.json" "$@"
}

queue=(--policy=epoch --reclaim=inline --threshold=1M --workload=cli-queue:cache=500 --alloc=24M)
page=(--sapi=fpm --workload=fpm-page:posts=1 --requests=12 --reclaim=inline)
run queue-a "${queue[@]}"
run queue-b "${queue[@]}"
run queue-c "${queue[@]}" --seed=2
run threaded --policy=epoch --reclaim=thread --threshold=1M --workload=cli-queue:cache=500 --alloc=24M
run page-a "${page[@]}"
run page-b "${page[@]}"
run page-c "${page[@]}" --seed=2
run timed --policy=epoch --workload=cli-queue:cache=500 --seconds=0.2

/usr/bin/python3 - <<'PY'
import json

def metrics(name):
    return json.load(open(name + ".json"))["metrics"]

def exact(name):
    return {key: metric["value"] for key, metric in metrics(name).items() if metric["exact"]}

always = {"alloc_bytes", "alloc_count", "checksum", "leaked_objects", "retained_objects", "destructors_run"}
inline = always | {"peak_live_bytes", "cycles", "retired_bytes", "policy_bytes", "copied_bytes"}
for workload in ("queue", "page"):
    first, second, other = exact(workload + "-a"), exact(workload + "-b"), exact(workload + "-c")
    assert inline <= set(first), inline - set(first)
    assert all(value is not None for value in first.values()), first
    different = {key: (first[key], second[key]) for key in first if first[key] != second[key]}
    assert not different, (workload, different)
    assert first["checksum"] != other["checksum"], workload

# Threads beside the work take exactness from what depends on timing, and from nothing else.
threaded = exact("threaded")
assert always <= set(threaded) and "cycles" not in threaded, threaded
assert {key: threaded[key] for key in always} == {key: exact("queue-a")[key] for key in always}
assert not exact("timed")
PY
