#!/usr/bin/env bash
# SIGINT, SIGTERM and SIGHUP end a run cleanly: exit 130, a whole document with status interrupted; so does one signal that
# comes twice, and only another one later ends it at once. SIGUSR1 asks for a cycle.
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

interrupted_document() {
    /usr/bin/python3 - <<'PY'
import json
assert json.load(open("run.json"))["status"] == "interrupted"
PY
}

for signal in INT TERM HUP; do
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

# The same wish told twice, as timeout(1) tells its child and then the child's group.
start
kill -INT $pid
sleep 0.2
kill -INT $pid 2>/dev/null || true
finish
interrupted_document
rm run.json run.csv
code=0
timeout --preserve-status -s INT 1 "$SAPIMEM_HARNESS" --mutator-work=none --policy=epoch --workload=cli-queue:cache=500 \
    --seconds=500 --json=run.json >stdout 2>stderr || code=$?
[[ $code == 130 ]] || { echo "under timeout: exit code $code, expected 130"; cat stderr; exit 1; }
interrupted_document
rm run.json

# A place that takes nothing holds the run up after the first signal; another one, later, ends it at once.
mkfifo slow
exec 3<>slow
head -c 65536 /dev/zero >&3
start --json=slow
kill -INT $pid
sleep 1.5
kill -TERM $pid
finish
grep -qF 'harness: stopped at once, nothing written' stderr || { echo "an end at once was not told"; cat stderr; exit 1; }
[[ ! -e run.csv ]] || { echo "run.csv was written by a run that was ended at once"; exit 1; }
exec 3<&-

# Waiting for a pipe's reader, before anything was written: a request for a cycle ends nothing, one TERM is enough.
mkfifo unread
"$SAPIMEM_HARNESS" --mutator-work=none --alloc=1M --csv=late.csv --json=unread >stdout 2>stderr &
pid=$!
# SIGUSR1 is bit 9 of the mask; it is blocked from the first line of main on.
for ((tries = 0; tries < 200; tries++)); do
    mask=$(sed -n 's/^SigBlk:[[:space:]]*//p' /proc/$pid/status)
    (((16#$mask & 16#200) == 0)) || break
    sleep 0.05
done
kill -USR1 $pid
sleep 0.2
kill -TERM $pid || { echo "an early SIGUSR1 ended the program"; exit 1; }
code=0
wait $pid || code=$?
[[ $code == 143 ]] || { echo "waiting for a reader: exit code $code, expected 143"; exit 1; }
[[ -z $(find . -name '*.partial') ]] || { echo "partial files were left"; exit 1; }

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
