#!/usr/bin/env bash
# SIGINT and SIGTERM end a run cleanly: exit 130, a whole document with status interrupted. SIGUSR1 asks for a cycle.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# Starts a run that would not end by itself, and waits until its first line of progress.
start() {
    # A line left by the run before would be taken for one of this run.
    rm -f stderr
    "$SAPIMEM_HARNESS" --mutator-work=none --policy=epoch --workload=cli-queue:cache=500 --seconds=500 \
        --progress=always --json=run.json --csv=run.csv "$@" >stdout 2>stderr &
    pid=$!
    while ! grep -qs allocated stderr; do
        kill -0 $pid 2>/dev/null || { echo "the run ended by itself"; cat stderr; exit 1; }
        sleep 0.05
    done
}

finish() {
    local code=0
    wait $pid || code=$?
    [[ $code == 130 ]] || { echo "exit code $code, expected 130"; cat stderr; exit 1; }
    [[ -z $(find . -name '*.partial') ]] || { echo "partial files were left"; exit 1; }
}

for signal in INT TERM; do
    start
    [[ ! -e run.json ]] || { echo "run.json existed before the run was whole"; exit 1; }
    kill -$signal $pid
    finish
    /usr/bin/python3 - <<'PY'
import json
document = json.load(open("run.json"))
assert document["status"] == "interrupted" and document["error"], document["status"]
assert document["metrics"]["alloc_bytes"]["value"] > 0 and document["metrics"]["leaked_objects"]["value"] == 0
assert len(document["series"]) > 1 and not any(metric["exact"] for metric in document["metrics"].values())
PY
    rm run.json run.csv
done

# Without pacing, the only cycles before the end are those asked for.
start --pacing=never --trace-gc --memory-limit=4G
kill -USR1 $pid
while ! grep -qs '^gc 1 ' stderr; do
    kill -0 $pid
    sleep 0.05
done
kill -INT $pid
finish
/usr/bin/python3 - <<'PY'
import json
cycles = json.load(open("run.json"))["cycles"]
assert cycles[0]["trigger"] == "manual", cycles[0]
PY
