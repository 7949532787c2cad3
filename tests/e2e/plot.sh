#!/usr/bin/env bash
# scripts/plot: lists its figures; draws every one whose data is there, the same bytes each time; says in one line what is missing;
# marks what failed; bad input is one line and exit 2.
set -euo pipefail
: "${SAPIMEM_HARNESS:?set by CTest}" "${SAPIMEM_SOURCE_DIR:?set by CTest}"
/usr/bin/python3 -c 'import matplotlib' 2>/dev/null || { echo "skipped: python3-matplotlib is not installed"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
plot() {
    "$SAPIMEM_SOURCE_DIR/scripts/plot" "$@"
}
refused() {
    local code=0
    plot "$@" >stdout 2>stderr || code=$?
    [[ $code == 2 && ! -s stdout && $(wc -l <stderr) == 1 ]] || { echo "$*: exit code $code, expected 2 and one line"; cat stderr; exit 1; }
}
fail() {
    echo "$*"
    exit 1
}

plot --help | grep '^usage: scripts/plot' >help
plot --list >list
for name in footprint pause-ccdf bmu pareto lbo-cpu lbo-wall backlog pause-live scaling workloads garbage-pause regret timeline; do
    grep -q "^$name  *[A-Z].*[.?]$" list || fail "--list does not describe $name"
done

# A small sweep: cells as a sweep writes them, one of which failed; measures that this build may not have are set by hand.
mkdir -p sweep/runs
echo '{"cells": []}' >sweep/plan.json
run() {
    "$SAPIMEM_HARNESS" run --quiet --alloc=6M --series-every=64K "$@"
}
number=0
for workload in churn:objects=2k churn:objects=8k cli-queue:scale=1,cache=50; do
    for arguments in "epoch --pacing=fixed:1M" "epoch --pacing=fixed:2M" "epoch --pacing=fixed:1M --collector-threads=0" \
        "epoch --observers=1" "epoch --observers=1 --stall=observer-0:3M:20ms" "refcount" "marksweep --heap-factor=20" "marksweep --heap-factor=30"; do
        number=$((number + 1))
        # shellcheck disable=SC2086
        run --workload=$workload --policy=$arguments --json=sweep/runs/$number.json || fail "$workload $arguments"
    done
done
/usr/bin/python3 - <<'PY'
import json, pathlib

for path in pathlib.Path("sweep/runs").glob("*.json"):
    document = json.load(open(path))
    document["hiccups"] = document["pauses"] if document["pauses"]["count"] else {"buckets": []}
    document["utilization"] = {"windows_ns": [1000000, 10000000, 10**12], "mmu": [0.5, 0.7, None], "bmu": [0.4, 0.7, None]}
    path.write_text(json.dumps(document))
cell = {"policy": "marksweep", "workload": "churn:objects=2k", "pacing": None, "heap_factor": 20, "invocation": 1, "block": 0}
failed = {"schema_version": 1, "status": "oom", "error": "no memory", "cell": cell}
pathlib.Path("sweep/runs/failed.json").write_text(json.dumps(failed))
PY

plot sweep --out=first >stdout 2>stderr || { cat stderr; exit 1; }
grep -q '^12 of 13 figures in first$' stdout || fail "$(cat stdout)"
[[ $(grep -c 'is not drawn, it needs' stderr) == 1 ]] && grep -q 'workloads is not drawn, it needs a folder that scripts/characterise wrote' stderr || fail "$(cat stderr)"
# The same again, in another process, with another order of sets.
PYTHONHASHSEED=11 plot sweep --out=second >stdout 2>stderr
diff -r first second || fail "two times the same results make different bytes"
for name in footprint lbo-cpu timeline; do
    for suffix in pdf png svg txt; do
        [[ -s first/$name.$suffix ]] || fail "no first/$name.$suffix"
    done
done
[[ -z $(find . -name '*.partial') ]] || fail "partial files were left"
! grep -qiE '20[0-9]{2}-[01][0-9]-[0-3][0-9]T|matplotlib v' first/*.svg || fail "a date or version in an SVG"
grep -q 'n = .* runs\? a point.*Failed (crosses): churn:objects=2k marksweep heap factor 20 (oom).*Machine: ' first/lbo-cpu.txt || fail "$(cat first/lbo-cpu.txt)"

# A bundle draws what its documents draw, where nothing was thinned.
"$SAPIMEM_SOURCE_DIR/scripts/pack-results" sweep --out=sweep.jsonl.xz --series-points=4096 >packed
plot sweep.jsonl.xz --out=third '--only=pareto;footprint' >stdout 2>stderr
[[ $(ls third) == "$(printf '%s\n' footprint.{pdf,png,svg,txt} pareto.{pdf,png,svg,txt})" ]] || fail "--only drew $(ls third)"
# Without its caption a figure is smaller, and the text beside it is the same.
plot sweep.jsonl.xz --out=bare --only=pareto --bare >stdout 2>stderr
cmp third/pareto.txt bare/pareto.txt || fail "--bare changed the caption's text"
height() { sed -n 's/.*<svg height="\([0-9.]*\)pt".*/\1/p; s/.* height="\([0-9.]*\)pt".*/\1/p' "$1" | head -1; }
awk -v bare="$(height bare/pareto.svg)" -v whole="$(height third/pareto.svg)" 'BEGIN { exit !(bare > 0 && bare < whole) }' || fail "--bare left the caption in"
cmp first/pareto.svg third/pareto.svg && cmp first/footprint.pdf third/footprint.pdf || fail "a bundle draws something else"

# The cards of scripts/characterise.
"$SAPIMEM_SOURCE_DIR/scripts/characterise" --workloads='cli-queue' --steps=3 --traces=- --no-figure --out=cards >stdout 2>stderr
plot cards --out=fourth --only=workloads >stdout 2>stderr && [[ -s fourth/workloads.svg ]] || fail "no figure of cards: $(cat stderr)"
mkdir both && cp sweep.jsonl.xz both/ && cp -r cards both/cards
plot both --out=fifth '--only=workloads;pareto' >stdout 2>stderr && cmp fourth/workloads.svg fifth/workloads.svg && cmp third/pareto.svg fifth/pareto.svg ||
    fail "a folder with runs and cards gave other figures: $(cat stderr)"
# Several bundles in a folder are not mixed: each has its figures, and the cards theirs once.
cp sweep.jsonl.xz both/again.jsonl.xz
plot both --out=sixth '--only=workloads;pareto' >stdout 2>stderr || fail "a folder of bundles: $(cat stderr)"
for set in sweep again; do
    cmp third/pareto.svg sixth/$set/pareto.svg || fail "a bundle in a folder draws something else"
done
[[ $(find sixth -name 'workloads.svg' | wc -l) == 1 && $(cat stdout) == '2 of 2 figures in sixth' ]] || fail "cards beside bundles: $(cat stdout)"

# Nothing can be drawn: exit 2, what is missing, and no figure.
code=0
plot sweep --out=none --only=workloads >stdout 2>stderr || code=$?
[[ $code == 2 ]] && grep -q 'none of the figures' stderr && [[ -z $(ls none) ]] || fail "nothing to draw: exit code $code"

refused
refused sweep
refused sweep --out=out --only=footprnt
refused sweep --out=/proc/absent
refused sweep --out=out --nonsense
refused absent --out=out
echo '{"status": ' >broken.json
refused broken.json --out=out
[[ ! -e out ]] || fail "bad input left a folder"
