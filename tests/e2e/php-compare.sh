#!/usr/bin/env bash
# scripts/php-compare: generators and twins of the same size, one that differs is told, bad input, no PHP.
set -euo pipefail
: "${SAPIMEM_HARNESS:?set by CTest}" "${SAPIMEM_SOURCE_DIR:?set by CTest}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
compare=$SAPIMEM_SOURCE_DIR/scripts/php-compare

refused() {
    local code=0
    "$@" >"$work/stdout" 2>"$work/stderr" || code=$?
    [[ $code == 2 && ! -s $work/stdout && $(wc -l <"$work/stderr") == 1 ]] ||
        { echo "$*: exit code $code, expected 2 and one line"; cat "$work/stderr"; exit 1; }
}
"$compare" --help >"$work/help"
grep -q '^usage: scripts/php-compare' "$work/help"
refused "$compare" --steps=none
refused "$compare" --limit=much

code=0
PATH=$work "$compare" --json="$work/none.json" 2>"$work/stderr" || code=$?
[[ $code == 77 ]] || { echo "without PHP: exit code $code, expected 77"; exit 1; }
grep -q 'skipped: PHP 8.2 is not installed' "$work/stderr"

command -v php8.2 >/dev/null || { echo "skipped: php8.2 is not installed"; exit 77; }
refused "$compare" --workloads=churn

# A twin of requests is compared by the peak within one.
"$compare" --workloads=fpm-page:posts=2,plugins=3 --steps=5 --json="$work/requests.json" >"$work/table" 2>"$work/progress"
small=cli-eventloop:connections=10,requests=4,resident=300,log=100
"$compare" --workloads="$small" --steps=40 --json="$work/same.json" >"$work/table" 2>"$work/progress"
grep -q "^$small " "$work/table"
# The same figures within a limit that nothing meets: so it is measured.
code=0
"$compare" --workloads="$small" --steps=40 --limit=0 --json="$work/strict.json" >"$work/table" 2>"$work/stderr" || code=$?
[[ $code == 1 ]] || { echo "beyond the limit: exit code $code, expected 1"; exit 1; }
grep -q 'mean live bytes are [+-]' "$work/stderr"
/usr/bin/python3 - "$work/same.json" <<'PY'
import json, sys
document = json.load(open(sys.argv[1]))
rows = document["rows"]
assert [row["step"] for row in rows][-1] == 40, rows
assert all(abs(row["difference_percent"]) <= 15 and row["ours"]["live_bytes"] > 0 for row in rows), rows
[compared] = document["comparisons"]
mean = sum(row["ours"]["live_bytes"] for row in rows) / len(rows)
assert compared["what"] == "mean" and compared["is_within"] and abs(compared["ours_bytes"] - mean) < 1, compared
PY
# Nothing lives between the batches: the peaks are compared.
"$compare" --workloads=cli-dtor:objects=5000 --steps=10 --limit=30 --json="$work/peak.json" >"$work/table" 2>"$work/progress"
grep -q '^cli-dtor:objects=5000  *peak ' "$work/table"
# Zend's table of handles is no part of what is compared: it is what PHP holds when all objects are gone.
/usr/bin/python3 - "$work/peak.json" <<'PY'
import json, sys
document = json.load(open(sys.argv[1]))
last = document["rows"][-1]["php"]
assert last["not_modelled_bytes"] == 8 * (8192 - 1024) and abs(last["live_bytes"] - last["not_modelled_bytes"]) < 8192, last
assert last["longest_step_ns"] > 0, last
[compared] = document["comparisons"]
assert compared["php_bytes"] == last["peak_bytes"] - last["not_modelled_bytes"], compared
PY
# One that is further away needs a reason, one that is not must have none.
echo '{"twins": [{"workload": "cli-dtor:objects=5000", "reason": "nothing is that close"}]}' >"$work/reasons.json"
judge() { # limit, exit code
    code=0
    "$compare" --workloads=cli-dtor:objects=5000 --limit="$1" --counterparts="$work/reasons.json" --json="$work/judged.json" \
        >"$work/table" 2>"$work/stderr" || code=$?
    [[ $code == "$2" ]] || { echo "a reason at --limit=$1: exit code $code, expected $2"; cat "$work/stderr"; exit 1; }
}
judge 0 0
grep -q '^cli-dtor:objects=5000: nothing is that close$' "$work/table"
judge 50 1
grep -q 'a reason is given' "$work/stderr"
refused "$compare" --counterparts="$work/absent.json"
