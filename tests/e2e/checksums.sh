#!/usr/bin/env bash
# Every workload and trace reads back the same under every policy, with a cycle at every safepoint, and while observers read. A flipped byte or edge must show.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
shopt -s nullglob
traces=("$SAPIMEM_SOURCE_DIR"/tests/traces/*.sapitrace "$SAPIMEM_SOURCE_DIR"/tests/traces/*.sapitrace.zst)
failures=0

checksum() {
    "$SAPIMEM_HARNESS" --mutator-work=none --json=run.json --quiet "$@" 2>stderr ||
        { echo "harness $*:"; cat stderr; return 1; } >&2
    /usr/bin/python3 -c 'import json; print(json.load(open("run.json"))["metrics"]["checksum"]["value"])'
}

# The thread sanitizer is asked of what has threads; the other builds run all.
is_thread_sanitized=false
! "$SAPIMEM_HARNESS" --version | grep -q 'sanitizers thread' || is_thread_sanitized=true
is_left_out() {
    $is_thread_sanitized || return
    [[ " $* " != *" --policy=epoch "* || " $* " == *" --reclaim=inline "* || " $* " == *" --collect-every-safepoint "* ]]
}

same() {
    local found
    ! is_left_out "$@" || return 0
    found=$(checksum "$@")
    if [[ $found != "$expected" ]]; then
        echo "FAILED: harness $*: checksum $found, expected $expected"
        failures=$((failures + 1))
    fi
}

differs() {
    local found
    ! $is_thread_sanitized || return 0
    found=$(checksum "$@")
    if [[ $found == "$expected" ]]; then
        echo "FAILED: harness $*: the fault does not show in the checksum"
        failures=$((failures + 1))
    fi
}

# A replay knows what it wrote, so there a fault is caught before the checksums are compared.
caught() {
    local code=0
    ! $is_thread_sanitized || return 0
    "$SAPIMEM_HARNESS" --json=run.json --quiet "$@" 2>stderr || code=$?
    if [[ $code != 1 ]] || ! grep -q '"status": "invalid"' run.json; then
        echo "FAILED: harness $*: the fault was not caught, exit code $code"
        failures=$((failures + 1))
    fi
}

compare() {
    expected=$(checksum --policy=null "$@")
    [[ $expected =~ ^[0-9a-f]{16}$ ]] || { echo "harness $*: no checksum"; exit 1; }
    same --policy=arena "$@"
    same --policy=arena --arena-limit=256K "$@"
    same --policy=refcount "$@"
    same --policy=malloc "$@"
    same --policy=epoch --threshold=1M "$@"
    same --policy=epoch --reclaim=inline --threshold=256K "$@"
    same --policy=epoch --threshold=1M --observers=2 "$@"
    echo "$*: $expected"
}

queue=(--workload=cli-queue:cache=200 --iterations=12)
page=(--workload=fpm-page:posts=1 --requests=6)
compare "${queue[@]}"
same --policy=epoch --collect-every=64K "${queue[@]}"
differs --policy=epoch --inject=flip-byte:3 "${queue[@]}"
differs --policy=epoch --inject=flip-edge:3 "${queue[@]}"
compare "${page[@]}"
differs --policy=arena --inject=flip-byte:3 "${page[@]}"
differs --policy=arena --inject=flip-edge:3 "${page[@]}"

compare --workload=gcbench:stretch=9,long-lived=7,array=500,min=3,max=9 --iterations=12
differs --policy=epoch --inject=flip-byte:3 --workload=gcbench:stretch=9,long-lived=7,array=500,min=3,max=9 --iterations=12
compare --workload=quads:depth=5 --iterations=8
differs --policy=epoch --inject=flip-edge:3 --workload=quads:depth=5 --iterations=8
compare --workload=churn:objects=3k --iterations=8
same --policy=epoch --collect-every=64K --workload=churn:objects=3k --iterations=8
same --policy=marksweep --threshold=256K --workload=churn:objects=3k --iterations=8
differs --policy=epoch --inject=flip-byte:3 --workload=churn:objects=3k --iterations=8

# A cycle at every safepoint costs the live heap each time, so the work is smaller still.
expected=$(checksum --policy=null --workload=cli-queue:cache=16 --iterations=2)
same --policy=epoch --collect-every-safepoint --workload=cli-queue:cache=16 --iterations=2
expected=$(checksum --policy=null --workload=fpm-page:posts=1 --requests=1)
same --policy=epoch --collect-every-safepoint --workload=fpm-page:posts=1 --requests=1

# The replayer passes a safepoint at every event, and a cycle at each takes minutes under a sanitizer: those builds collect
# every 64 KB of the recorded traces, and at every safepoint of the hand-made ones.
[[ ${#traces[@]} -gt 0 ]] || { echo "no traces in tests/traces"; exit 1; }
for trace in "${traces[@]}"; do
    compare --workload="trace:$trace"
    same --policy=epoch --collect-every=64K --workload="trace:$trace"
    if "$SAPIMEM_HARNESS" --version | grep -q 'sanitizers none'; then
        expected=$(checksum --policy=null --iterations=1 --workload="trace:$trace")
        same --policy=epoch --collect-every-safepoint --iterations=1 --workload="trace:$trace"
    fi
done
for trace in "$SAPIMEM_SOURCE_DIR"/tests/traces/valid/*.sapitrace; do
    expected=$(checksum --policy=null --workload="trace:$trace")
    same --policy=arena --workload="trace:$trace"
    same --policy=refcount --workload="trace:$trace"
    same --policy=malloc --workload="trace:$trace"
    same --policy=epoch --collect-every-safepoint --check-trace --workload="trace:$trace"
done
for trace in "${traces[@]}"; do
    caught --policy=epoch --inject=flip-byte:1 --workload="trace:$trace"
    caught --policy=epoch --inject=flip-edge:1 --workload="trace:$trace"
done
echo "${#traces[@]} recorded traces, $failures failures"
[[ $failures == 0 ]]
