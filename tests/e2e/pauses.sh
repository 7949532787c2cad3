#!/usr/bin/env bash
# scripts/pauses: a row for every cell, also for one that fails or that this build lacks; the document is whole, also after
# Ctrl-C; bad input is one line. Runs are short; no time is asserted.
set -euo pipefail
: "${SAPIMEM_HARNESS:?set by CTest}" "${SAPIMEM_SOURCE_DIR:?set by CTest}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
pauses() {
    "$SAPIMEM_SOURCE_DIR/scripts/pauses" "$@"
}
refused() {
    local code=0
    pauses "$@" >stdout 2>stderr || code=$?
    [[ $code == 2 && ! -s stdout && $(wc -l <stderr) == 1 ]] || { echo "$*: exit code $code, expected 2 and one line"; cat stderr; exit 1; }
}

pauses --help | grep '^usage: scripts/pauses' >help
refused --nonsense
refused --sizes=many
refused --workloads=chrun
refused --linked=2
refused --policies=epohc
refused --runs=0
refused --json=/proc/absent/file

pauses --sizes='1k;2k' --work=1M --policies='epoch:reclaim=inline;marksweep;refcount' --runs=2 --json=sizes.json >table 2>progress
grep -q 'about' progress
pauses --rows=exceptions --work=1M --policies='epoch:reclaim=inline' --collector-threads=0 --observers=1 \
    --stall=observer-0:2M:5ms --json=exceptions.json >exceptions 2>>progress
# A run that does not come to its end is a row, and the status says so.
code=0
pauses --sizes=1k --workloads=churn --linked=0 --shuffled=0 --policies=marksweep --timeout=0.001 --json=failed.json \
    >failed 2>>progress || code=$?
[[ $code == 1 ]] && grep -q 'timeout' failed || { echo "a run that fails: exit code $code"; cat failed; exit 1; }

# Ctrl-C: what was done is there.
code=0
timeout --preserve-status -s INT 3 "$SAPIMEM_SOURCE_DIR/scripts/pauses" --sizes=1k --work=1M --runs=100000 --json=stopped.json \
    >stopped 2>stderr || code=$?
[[ $code == 130 ]] || { echo "interrupted: exit code $code, expected 130"; cat stderr; exit 1; }
[[ -z $(find . -name '*.partial') ]] || { echo "partial files were left"; exit 1; }

/usr/bin/python3 - <<'PY'
import json

document = json.load(open("sizes.json"))
rows = document["rows"]
assert document["complete"] and document["context"]["cpu_model"] and "0.5" in document["pacing"], document["pacing"]
# Epoch twice, for its numbers of threads.
assert len(rows) == 2 * 2 * 2 * 2 * 4, len(rows)
assert len(open("table").read().splitlines()) > len(rows)
for row in rows:
    assert "error" not in row and len(row["runs"]) == 2, row
    figures = row["figures"]
    assert figures["pause_max_ns"]["low"] <= figures["pause_max_ns"]["median"] <= figures["pause_max_ns"]["high"]
    assert 0 < figures["mean_committed_to_live"]["median"] <= figures["peak_committed_to_live"]["median"], row
    if row["policy"] != "refcount":
        assert figures["work_cycles"]["low"] >= 3, row
same = {}
for row in rows:
    same.setdefault(row["workload_options"], set()).update(run["checksum"] for run in row["runs"])
assert all(len(sums) == 1 for sums in same.values()), same

exceptions = {row["what"]: row for row in json.load(open("exceptions.json"))["rows"]}
assert all("error" not in row for row in exceptions.values()), exceptions
assert {"arrays of a million", "destructor storm, in a list", "0 observers", "1 observers", "stalled guard, observer-0:2M:5ms"} <= set(exceptions), list(exceptions)
assert exceptions["1 observers"]["figures"]["observer_reads"]["low"] > 0
failed = json.load(open("failed.json"))["rows"]
assert [run["status"] for row in failed for run in row["runs"]] == ["timeout"], failed
stopped = json.load(open("stopped.json"))
assert not stopped["complete"] and all(row["runs"] for row in stopped["rows"])
PY
