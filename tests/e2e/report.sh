#!/usr/bin/env bash
# The report of a small sweep, opened in headless Chromium; a failed run among them.
set -euo pipefail
report=$SAPIMEM_SOURCE_DIR/scripts/report
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

number=0
run() {
    number=$((number + 1))
    "$SAPIMEM_HARNESS" run --quiet --workload=cli-queue:cache=200 --mutator-work=none --json="$work/runs/$number.json" "$@"
}
mkdir "$work/runs"
for threshold in 512K 1M 2M; do
    run --policy=epoch --threshold=$threshold --alloc=16M
done
run --policy=refcount --alloc=16M
if run --policy=null --alloc=16M --memory-limit=4M 2>/dev/null; then
    echo "the run that was to fail did not"
    exit 1
fi

fails() { # with status 2, one line and nothing written
    local status=0 message
    message=$("$report" "$@" "--out=$work/wrong.html" 2>&1) || status=$?
    [[ $status -eq 2 && $(wc -l <<<"$message") -eq 1 && ! -e $work/wrong.html ]] || {
        echo "report $*: status $status, '$message'"
        exit 1
    }
}
fails
fails "$work/absent"
fails "$work/runs" --bogus=1
echo '{"status"' >"$work/broken.json"
fails "$work/broken.json"

HOME=$work "$report" "$work/runs" --out="$work/report.html" --title='a & b <i>'
grep -q 'a &amp; b &lt;i&gt;' "$work/report.html"
grep -q '1 of them failed' "$work/report.html"
# The same input gives the same page.
HOME=$work "$report" "$work/runs" --out="$work/again.html" --title='a & b <i>'
cmp "$work/report.html" "$work/again.html"

# Bundles of a folder are sets of their own: named in the tables, each with its figures.
mkdir "$work/sets"
for name in one two; do
    "$SAPIMEM_SOURCE_DIR/scripts/pack-results" "$work/runs" --out="$work/sets/$name.jsonl.xz" >"$work/said"
done
HOME=$work "$report" "$work/sets" --out="$work/sets.html"
for part in '>set<' 'id="figure-one-pareto"' 'id="figure-two-pareto"' '<td class="text">two</td>' '10 runs'; do
    grep -q -- "$part" "$work/sets.html" || { echo "the page of two bundles lacks $part"; exit 1; }
done

if ! command -v chromedriver >/dev/null || ! /usr/bin/python3 -c 'import selenium' 2>/dev/null; then
    echo "skipped: the page was made, but chromium-driver or python3-selenium is missing (scripts/setup report installs them)"
    exit 77
fi
HOME=$work /usr/bin/python3 "$SAPIMEM_SOURCE_DIR/tests/e2e/report_browser.py" "$work/report.html" | tee "$work/said"
[[ $(cut -d ' ' -f 1 "$work/said") -ge 3 ]] || {
    echo "fewer than three figures in the page"
    exit 1
}
