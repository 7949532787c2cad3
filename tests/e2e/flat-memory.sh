#!/usr/bin/env bash
# A long CLI run keeps its memory flat under epoch and grows under null; FPM requests give everything back under arena.
# The control is null: were the measure blind, it would call null flat as well.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
slope=$SAPIMEM_SOURCE_DIR/scripts/slope

run() {
    "$SAPIMEM_HARNESS" run --quiet --mutator-work=none "$@"
}

queue=(--workload=cli-queue:cache=200 --series-every=64K)
epoch=(--policy=epoch --reclaim=inline --threshold=1M)
# Slices of the program's own thread collect at the same bytes in every run, so this series is exact.
run "${queue[@]}" "${epoch[@]}" --collector-threads=0 --alloc=1536M --json="$work/epoch.json"
"$slope" --warmup=64M --limit=40 "$work/epoch.json"

# How far the program gets ahead of a collector thread is the scheduler's to say, and on a full machine that looks like
# growth in a run as short as this one: the bound here is the bytes themselves, four times what the slices take.
run "${queue[@]}" "${epoch[@]}" --collector-threads=1 --alloc=384M --json="$work/thread.json"
/usr/bin/python3 - "$work/thread.json" <<'PY'
import json, sys
committed = max(point["committed_bytes"] for point in json.load(open(sys.argv[1]))["series"])
assert committed <= 16 << 20, committed
print("epoch with a collector thread: at most", committed, "bytes committed")
PY

run "${queue[@]}" --alloc=48M --policy=null --json="$work/null.json"
if "$slope" --warmup=8M --limit=200 "$work/null.json"; then
    echo "the control failed: null frees nothing, yet its memory was called flat"
    exit 1
fi

run --sapi=fpm --policy=arena --workload=fpm-page:posts=1 --requests=60 --series-every=64K --json="$work/arena.json"
/usr/bin/python3 - "$work/arena.json" <<'PY'
import json, sys
document = json.load(open(sys.argv[1]))
assert document["status"] == "ok", document["status"]
metrics = document["metrics"]
assert metrics["leaked_objects"]["value"] == 0, metrics["leaked_objects"]
committed = [point["committed_bytes"] for point in document["series"]]
first = max(committed[: len(committed) // 2])
assert committed[-1] <= first + (1 << 20), (committed[-1], first)
print("arena: at most", first, "bytes committed in the first half,", committed[-1], "at the end")
PY
