#!/usr/bin/env bash
# scripts/paper: builds the PDF from the committed results, or where there are none yet from short runs of its own; the numbers of the
# results stand in it; the same input makes the same bytes; a missing file, a missing number and an option that is none stop it.
set -euo pipefail
: "${SAPIMEM_HARNESS:?set by CTest}" "${SAPIMEM_SOURCE_DIR:?set by CTest}"
for program in pdflatex latexmk bibtex pdftotext; do
    command -v $program >/dev/null || { echo "skipped: $program is not installed (scripts/setup paper)"; exit 77; }
done
/usr/bin/python3 -c 'import matplotlib' 2>/dev/null || { echo "skipped: python3-matplotlib is not installed (scripts/setup figures)"; exit 77; }
scripts=$SAPIMEM_SOURCE_DIR/scripts
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
fail() {
    echo "$*"
    exit 1
}
refused() {
    local names=$1 code=0
    shift
    "$@" >stdout 2>stderr || code=$?
    [[ $code == 2 && ! -s stdout && $(wc -l <stderr) == 1 ]] && grep -q -e "$names" stderr || fail "$*: exit code $code, expected 2 and one line on $names: $(cat stderr)"
}

"$scripts/paper" --help >help
grep -q '^usage: scripts/paper' help
mkdir empty
refused nonsense "$scripts/paper" --nonsense=1
refused 'epoch.jsonl.xz is missing: it is made by harness sweep' "$scripts/paper" --results=empty --out=none
[[ ! -e none ]] || fail "a missing file left a folder"

# Short runs: the same files as the reference results, a few megabytes of work each.
mkdir fixture
common=(--alloc=3M --quiet --mutator-work=none)
"$SAPIMEM_HARNESS" sweep --policies=epoch '--workloads=cli-queue:cache=50;cli-orm:batch=2;churn:objects=1k' --thresholds='512K;1M' "${common[@]}" --out=epoch >sweep.log 2>&1
"$SAPIMEM_HARNESS" sweep '--policies=epoch;refcount;marksweep' '--workloads=cli-queue:cache=50;churn:objects=1k' --heap-factors='20;40' "${common[@]}" \
    --out=rivals >>sweep.log 2>&1
"$SAPIMEM_HARNESS" sweep --policies=epoch --workloads=churn:objects=1k '--pacing=always;fixed:1M' "${common[@]}" --out=always >>sweep.log 2>&1
"$SAPIMEM_HARNESS" sweep --policies=epoch --workloads=churn:objects=1k '--pacing=fixed:512K;fixed:1M' --observers=1 --stall=observer-0:1M:20ms \
    "${common[@]}" --out=stalls >>sweep.log 2>&1
for count in 0 1; do
    "$SAPIMEM_HARNESS" sweep --policies=epoch --workloads=churn:objects=1k --pacing=fixed:1M --collector-threads=$count "${common[@]}" \
        --out=threads-$count >>sweep.log 2>&1
    "$SAPIMEM_HARNESS" sweep --policies=epoch --workloads=fpm-page:posts=1,comments=1,paragraphs=1 --pacing=fixed:1M --workers=$((count + 1)) \
        --requests=20 --quiet --out=workers-$count >>sweep.log 2>&1
done
for name in epoch rivals always stalls; do
    "$scripts/pack-results" $name --out=fixture/$name.jsonl.xz >>sweep.log
done
"$scripts/pack-results" threads-? workers-? --out=fixture/scaling.jsonl.xz >>sweep.log
"$scripts/characterise" --workloads='cli-queue;fpm-api' --steps=2 --traces=- --no-figure --out=fixture/cards >cards.log 2>&1
"$scripts/arena-shapes" --quick --workloads=fpm-page:posts=1,comments=1,paragraphs=1 --parts=cost --out=shapes >shapes.log 2>&1
cp shapes/arena-shapes.json fixture/
"$scripts/linked-compare" --objects=2k --iterations=30 --graphs=50 --runs=1 --no-php --json=fixture/linked-compare.json >linked.log 2>&1

"$scripts/paper" --results=fixture --out=first >stdout
pdftotext -layout first/sapimem.pdf text
grep -q 'cli-orm:batch=2' text || fail "what was held out is not in the text"
cpu=$(sed -n 's/^\\defresult{linked\.epoch-1\.cpu}{\(.*\)}$/\1/p' first/tex/numbers.tex)
[[ $cpu =~ ^[0-9.]+$ ]] && grep -q "$cpu of its CPU time" <(tr -s '\n ' '  ' <text; pdftotext first/sapimem.pdf - | tr -s '\n' ' ') ||
    fail "linked-compare's figure '$cpu' is not in the text"
grep -q 'has no bursts' <(pdftotext first/sapimem.pdf - | tr -s '\n' ' ') || fail "what was not measured is not said"
for what in 'No threshold at all' 'A guard that is held' 'A processor more' 'Backlog under a stalled guard' 'Scaling: runs that differ'; do
    grep -q "$what" <(pdftotext first/sapimem.pdf - | tr -s '\n' ' ') || fail "'$what' is not in the text, though it was measured"
done
! grep -q '\\result\|??' text || fail "a number or a reference has not been filled in"
! grep -qE '^\*\*|trace:/' text || fail "a path is in the text"

"$scripts/paper" --results=fixture --out=second >stdout
cmp first/sapimem.pdf second/sapimem.pdf || fail "the same results make other bytes"

# A number that the results lack stops the build: a side is missing.
cp -r fixture lacking
/usr/bin/python3 - <<'PY'
import json
path = "lacking/linked-compare.json"
document = json.load(open(path))
document["runs"] = {name: runs for name, runs in document["runs"].items() if not name.startswith("epoch")}
json.dump(document, open(path, "w"))
PY
refused 'no number for paper/sections/results.tex: linked.epoch' "$scripts/paper" --results=lacking --out=none
echo '{' >fixture/cards/distances.json
refused distances.json "$scripts/paper" --results=fixture --out=none

# The committed results, once they are there.
if [[ -e $SAPIMEM_SOURCE_DIR/results/reference/epoch.jsonl.xz ]]; then
    "$scripts/paper" --out=committed >stdout
    [[ -s committed/sapimem.pdf ]] || fail "no PDF of the committed results"
fi
