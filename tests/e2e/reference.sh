#!/usr/bin/env bash
# The reference results: stages go on where they were left, with the program that began them; what is complete is packed.
set -euo pipefail
/usr/bin/python3 -c 'import numpy' 2>/dev/null || { echo "python3-numpy is not installed" && exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
reference="$SAPIMEM_SOURCE_DIR/scripts/reference"

die() {
    echo "$1"
    cat output
    exit 1
}

# $1: expected exit status.
expect() {
    local expected=$1 status=0
    shift
    "$reference" "$@" >output 2>&1 || status=$?
    ((status == expected)) || die "$*: exit status $status, expected $expected"
}

count() {
    find "$1" -name '????????????????.json' | wc -l
}

# --- bad input
expect 2 --stages='slices;nope'
grep -q "^scripts/reference: --stages: 'nope': expected some of grid" output || die "no error for an unknown stage"
expect 2 --out="$work/a" --traces="$work/none"
expect 2 --out="$work/a" --minutes=0
expect 2 --out="$work/a" --cell-seconds=x

# --- the list names every stage and its command
expect 0 --list
grep -q "^    harness sweep --policies=epoch .*--thresholds=256K:64M:x2" output || die "the list has no grid"

# --- two stages, then again: nothing runs twice
expect 0 --out=A --stages='slices;beside' --cell-seconds=0.01
(($(count A/slices/runs) == 9 && $(count A/beside/runs) == 9)) || die "expected nine cells a stage"
find A/slices A/beside -name '*.json' -printf '%p %i\n' | sort >before
mv A/harness A/kept && printf '#!/bin/sh\nexec %q "$@"\n' "$work/A/kept" >A/harness && chmod +x A/harness
SAPIMEM_HARNESS=/bin/false expect 0 --out=A --stages='slices;beside' --cell-seconds=0.01
find A/slices A/beside -name '????????????????.json' -printf '%p %i\n' | sort >after
grep -F -x -f after before | grep -c 'runs/' | grep -qx 18 || die "cells ran twice"

# --- what there is can be packed at any time, and no result names a place of this machine
expect 0 --out=A --stages=workers --collect
[[ -s A/results/scaling.jsonl.xz ]] || die "nothing was packed"
xz -dc A/results/scaling.jsonl.xz >packed
(($(wc -l <packed) == 18)) || die "expected 18 packed runs"
grep -qF '"cell":' packed || die "the packed runs are no cells"
! grep -qF "$work" packed || die "a result names a path of the machine"

# --- ended and begun again: the same cells
expect 130 --out=B --stages=grid --cell-seconds=0.01 --minutes=0.05
done_before=$(count B/grid/runs)
((done_before > 0)) || die "nothing ran before the end"
grep -q "goes on, .* has what was done" output || die "no line says how to go on"
expect 130 --out=B --stages=grid --cell-seconds=0.01 --minutes=0.05
(($(count B/grid/runs) > done_before)) || die "the second start did not go on"
