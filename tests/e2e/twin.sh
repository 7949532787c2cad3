#!/usr/bin/env bash
# The PHP twins: they allocate what the generators allocate, both decoders read the same, the collector's shapes give the
# counts that the README states, and scripts/twin answers bad input and a machine without PHP. No time is asserted.
set -euo pipefail
: "${SAPIMEM_HARNESS:?set by CTest}" "${SAPIMEM_SOURCE_DIR:?set by CTest}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
twin=$SAPIMEM_SOURCE_DIR/scripts/twin
php=$SAPIMEM_SOURCE_DIR/workloads/php

refused() {
    local code=0
    "$@" >"$work/stdout" 2>"$work/stderr" || code=$?
    [[ $code == 2 && ! -s $work/stdout && $(wc -l <"$work/stderr") == 1 ]] ||
        { echo "$*: exit code $code, expected 2 and one line"; cat "$work/stderr"; exit 1; }
}
"$twin" --help >"$work/help"
grep -q '^usage: scripts/twin' "$work/help"
refused "$twin" cli-que
refused "$twin" --runs=none
refused "$twin" --harness="$work/absent"

# With an empty PATH there is no PHP: 77 and the reason.
code=0
PATH=$work "$twin" 2>"$work/stderr" || code=$?
[[ $code == 77 ]] || { echo "without PHP: exit code $code, expected 77"; exit 1; }
grep -q 'skipped: php8.2 is not installed' "$work/stderr"

for program in php8.2 valgrind; do
    command -v "$program" >/dev/null || { echo "skipped: $program is not installed"; exit 77; }
done

refused php8.2 "$php/cli_queue.php" --nonsense
refused php8.2 "$php/fpm_page.php" --steps=many
refused php8.2 "$php/collector_shapes.php" square
refused php8.2 "$php/linked.php" --objects=0
refused php8.2 "$php/cli_ast.php" --functions=0
refused php8.2 "$php/cli_batch.php" --lines=0
refused php8.2 "$php/cli_solver.php" --packages=1
php8.2 "$php/cli_queue.php" --write-messages=6 --messages="$work/messages"
for decoder in bytes json; do
    php8.2 "$php/cli_queue.php" --steps=8 --messages="$work/messages" --decoder=$decoder >"$work/$decoder"
done
/usr/bin/python3 - "$work/bytes" "$work/json" <<'PY'
import json, sys

first, second = (json.load(open(path)) for path in sys.argv[1:])
for name in "checksum", "committed":
    assert first[name] == second[name] != 0, (name, first[name], second[name])
PY

# 1000 cyclic graphs fill the buffer, so the second thousand is still in it; acyclic ones leave nothing behind.
php8.2 "$php/collector_shapes.php" cyclic --graphs=2000 >"$work/cyclic"
grep -q '"runs":1,"collected":11000,"threshold":10001,"roots":10000,"final_collected":11000,' "$work/cyclic" ||
    { echo "cyclic: other counts"; cat "$work/cyclic"; exit 1; }
php8.2 "$php/collector_shapes.php" acyclic --graphs=2000 >"$work/acyclic"
grep -q '"runs":0,"collected":0,"threshold":10001,"roots":0,"final_collected":0,' "$work/acyclic" ||
    { echo "acyclic: other counts"; cat "$work/acyclic"; exit 1; }

# What lives in the twin lives under refcount, and both collect as often. 60 jobs are two collections and some roots more.
php8.2 "$php/cli_queue.php" --steps=60 >"$work/checkpoints.json"
"$SAPIMEM_HARNESS" run --quiet --policy=refcount --mutator-work=none --workload=cli-queue --iterations=60 \
    --series-every=128K --csv="$work/series.csv"
/usr/bin/python3 - "$work/checkpoints.json" "$work/series.csv" <<'PY'
import csv, json, sys

twin = json.load(open(sys.argv[1]))
columns = "clock_bytes", "live_bytes", "cycles_full"
series = [{name: int(row[name]) for name in columns} for row in csv.DictReader(open(sys.argv[2]))]
end = series[-1]["clock_bytes"]
# The clock after creation: nothing of what is made there dies.
world = min(row["live_bytes"] for row in series if row["cycles_full"] > 0)
for point in twin["checkpoints"]:
    clock = world + (end - world) * point["iterations"] / twin["steps"]
    row = min(series, key=lambda row: abs(row["clock_bytes"] - clock))
    assert abs(row["live_bytes"] / point["live_bytes"] - 1) < 0.15, (point, row)
    assert row["cycles_full"] == point["runs"], (point, row)
PY

fpm=--no-fpm
[[ -x /usr/sbin/php-fpm8.2 ]] && fpm=
"$twin" --policy=refcount --runs=1 --steps=3 $fpm --json="$work/twin.json"
/usr/bin/python3 - "$work/twin.json" <<'PY'
import json, sys

rows = json.load(open(sys.argv[1]))
generators = {row["workload"]: row for row in rows if row["side"].startswith("generator")}
assert set(generators) == {"cli-queue", "fpm-page"}, generators
assert len(rows) >= 5, rows
for row in rows:
    ours = generators[row["workload"]]["allocations_per_step"]
    assert abs(row["allocations_per_step"] / ours - 1) < 0.05, (row, ours)
PY
