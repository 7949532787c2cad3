#!/usr/bin/env bash
# scripts/instrument-check: outside observers agree on memory and stops, the cost is a document of pairs; bad input is one line.
# What the cost is is not asserted: runs are short, and the machine may be busy.
set -euo pipefail
: "${SAPIMEM_HARNESS:?set by CTest}" "${SAPIMEM_SOURCE_DIR:?set by CTest}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
check() {
    "$SAPIMEM_SOURCE_DIR/scripts/instrument-check" "$@"
}
refused() {
    local code=0
    check "$@" >stdout 2>stderr || code=$?
    [[ $code == 2 && ! -s stdout && $(wc -l <stderr) == 1 ]] || { echo "$*: exit code $code, expected 2 and one line"; cat stderr; exit 1; }
}
check --help | grep '^usage: scripts/instrument-check' >help
refused --nonsense
refused --parts=costs
refused --runs=0
refused --parts=cost --json=/proc/absent/file

code=0
check --parts=cost --workload=cli-queue:cache=50 --alloc=2M --runs=2 --json=cost.json >cost 2>progress || code=$?
[[ $code == 0 || $code == 1 ]] || { cat progress; exit 1; }
grep -q '^cost  *CPU with all measures' cost
/usr/bin/python3 - <<'PY'
import json
cost = json.load(open("cost.json"))["cost"]
assert cost["complete"] and [len(runs) for runs in cost["runs"].values()] == [2, 2], cost
# Whatever it costs, both sides did the same work, and all runs are good.
assert not [line for line in cost["wrong"] if "% is asked for" not in line], cost["wrong"]
assert all(run["mean_rss_bytes"] is None and run["alloc_bytes"] for run in cost["runs"]["totals"]), cost["runs"]["totals"]
PY

# 77 when an observer is missing here; then CTest says so.
check --parts='memory;stops' --json=observers.json
/usr/bin/python3 - <<'PY'
import json
document = json.load(open("observers.json"))
assert document["stops"]["ours"]["count"] == document["stops"]["seen"]["count"] > 2, document["stops"]
assert document["memory"]["smaps_samples"] > 0 and len(document["memory"]["checkpoints"]) == 4, document["memory"]
PY
