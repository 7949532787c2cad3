#!/usr/bin/env bash
# The minheap is the least limit that fits, the same each time; --minheap-factor multiplies it; a failure is told, not answered.
set -euo pipefail
. "$SAPIMEM_SOURCE_DIR/tests/support/child_process.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

die() {
    echo "$1"
    cat stderr
    exit 1
}

run=(--workload=cli-queue:cache=2000 --alloc=16M)
for policy in marksweep epoch refcount; do
    "$SAPIMEM_HARNESS" minheap --policy=$policy "${run[@]}" --json=$policy.json >stdout 2>stderr || die "$policy failed"
    grep -q '^minheap  [0-9.]* MiB' stdout || die "the summary was: $(cat stdout)"
    # Standard error is no terminal: a plain line for each limit, as it is tried.
    probes=$(/usr/bin/python3 -c 'import json, sys; print(len(json.load(open(sys.argv[1]))["probes"]))' $policy.json)
    [[ $(grep -cE '^minheap: [0-9.]+ [KM]iB: (ok|oom|timeout) after [0-9.]+ [mu]?s$' stderr) == "$probes" &&
        $(wc -l <stderr) == "$probes" ]] || die "expected $probes lines of probes"
done
"$SAPIMEM_HARNESS" minheap --policy=epoch "${run[@]}" --quiet --json=- >again.json 2>stderr
[[ ! -s stderr ]] || die "something was said"

bytes=$(/usr/bin/python3 - <<'PY'
import json

answers = {}
for name in "marksweep epoch refcount again".split():
    answer = json.load(open(name + ".json"))
    bytes_ = answers[name] = answer["minheap_bytes"]
    tried = {probe["limit_bytes"]: probe["status"] for probe in answer["probes"]}
    assert tried[bytes_] == "ok" and tried[bytes_ - answer["precision_bytes"]] == "oom", (name, answer)
    assert all((status == "ok") == (limit >= bytes_) for limit, status in tried.items()), (name, tried)
    assert answer["precision_bytes"] <= max(65536, bytes_ * 0.01)
assert answers["epoch"] == answers["again"]
print(answers["marksweep"])
PY
)

# What was found holds in runs of its own.
settings=(--policy=marksweep "${run[@]}" --mutator-work=none --quiet)
"$SAPIMEM_HARNESS" "${settings[@]}" --memory-limit="$bytes" 2>stderr || die "the minheap does not suffice"
! "$SAPIMEM_HARNESS" "${settings[@]}" --memory-limit=$((bytes - bytes / 20)) 2>stderr || die "5 % less suffices as well"

# Of a run it is the workload's, whatever the policy.
"$SAPIMEM_HARNESS" --policy=malloc "${run[@]}" --minheap-factor=3 --quiet --json=run.json 2>stderr || die "the run failed"
"$SAPIMEM_HARNESS" --policy=malloc "${run[@]}" --minheap-factor=3 --minheap="$bytes" --quiet --json=told.json 2>stderr
BYTES=$bytes /usr/bin/python3 - <<'PY'
import json, os

for name in "run.json", "told.json":
    config = json.load(open(name))["config"]
    assert config["minheap"]["value"] == int(os.environ["BYTES"]), (name, config["minheap"])
    assert config["memory_limit"]["value"] == 3 * int(os.environ["BYTES"]), name
assert any("minheap was measured" in note for note in json.load(open("run.json"))["notes"])
PY

# A run that fails for another reason has no minheap.
code=0
"$SAPIMEM_HARNESS" minheap "${run[@]}" --alloc=512G >stdout 2>stderr &
pid=$!
until running=$(child $pid --memory-limit=); do sleep 0.02; done
kill -9 "$running"
wait $pid || code=$?
[[ $code == 1 ]] || die "a probe that was killed: exit code $code, expected 1"
grep -q 'killed by signal 9' stderr || die "the signal was not told"
[[ ! -s stdout ]] || die "an answer was given all the same"

"$SAPIMEM_HARNESS" minheap "${run[@]}" --alloc=512G >stdout 2>stderr &
pid=$!
until running=$(child $pid --memory-limit=); do sleep 0.02; done
kill -INT $pid
code=0
wait $pid || code=$?
[[ $code == 130 ]] || die "interrupted: exit code $code, expected 130"
! kill -0 "$running" 2>/dev/null || die "the probe outlived the search"
