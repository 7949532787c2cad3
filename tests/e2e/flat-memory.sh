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
run "${queue[@]}" --alloc=384M --policy=epoch --reclaim=inline --threshold=1M --json="$work/epoch.json"
# A short run stretches a block of noise over a GiB, so the bound is wide here; growth is far beyond it.
"$slope" --warmup=64M --limit=200 "$work/epoch.json"

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
