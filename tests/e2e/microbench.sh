#!/usr/bin/env bash
# The micro-benchmarks: every available policy has its rows, the table of scripts/microbench is whole, and bad input is
# answered. Runs are as short as can be; no time is asserted.
set -euo pipefail
: "${SAPIMEM_HARNESS:?set by CTest}" "${SAPIMEM_BUILD_DIR:?set by CTest}" "${SAPIMEM_SOURCE_DIR:?set by CTest}"
export SAPIMEM_MICROBENCH=$SAPIMEM_BUILD_DIR/harness/microbench
[[ -x $SAPIMEM_MICROBENCH ]] || { echo "skipped: this build has no microbench (libbenchmark-dev is not installed)"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
script=$SAPIMEM_SOURCE_DIR/scripts/microbench
cd "$work"

refused() {
    local code=0
    "$@" >stdout 2>stderr || code=$?
    [[ $code == 2 && ! -s stdout && $(wc -l <stderr) == 1 ]] ||
        { echo "$*: exit code $code, expected 2 and one line"; cat stderr; exit 1; }
}
"$script" --help >help
grep -q '^usage: scripts/microbench' help
refused "$script" --nonsense
refused "$script" --repetitions=none
refused "$script" --min-time=0
refused "$script" --filter='('
refused "$script" --filter=no-such-row
refused "$script" --json=absent/file
code=0
"$SAPIMEM_MICROBENCH" --nonsense >stdout 2>stderr || code=$?
[[ $code == 1 && $(wc -l <stderr) == 1 ]] || { echo "microbench --nonsense: exit code $code, expected 1 and one line"; exit 1; }

# Names follow from the registry and from the policies' own options.
"$SAPIMEM_MICROBENCH" --benchmark_list_tests >names
"$SAPIMEM_HARNESS" list policies --json >policies.json
/usr/bin/python3 - <<'PY'
import json

names = open("names").read().splitlines()
for policy in json.load(open("policies.json")):
    rows = [name for name in names if name.startswith(f"allocate-slots/{policy['name']}/bytes:")]
    assert len(rows) == (8 if policy["available"] else 0), (policy["name"], rows)
    for option in policy["options"]:
        if policy["name"] == "epoch" and option["name"] in ("flavor", "reclaim"):
            for choice in option["choices"]:
                assert any(f"retire/epoch:" in n and f"{option['name']}={choice}" in n for n in names), choice
PY

# One row of each kind, through the script, with the peers that it adds by itself. The thread sanitizer cannot see how
# call_rcu and defer_rcu hand blocks over, inside liburcu, and takes their frees for races.
retire="|^retire/epoch:flavor=memb"
ldd "$SAPIMEM_MICROBENCH" >libraries
! grep -q libtsan libraries || retire=
"$script" --repetitions=2 --min-time=0.0001 --json=all.json \
    --filter="^(pin|flush)/epoch:flavor=memb|^allocate-slots/arena/bytes:56|^store-scalar|^mark-in-order/epoch/objects:100000\$|^request/arena|^reset/arena/footprint:262144$retire" \
    >table 2>stderr || { echo "the table: exit code $?"; cat table stderr; exit 1; }
/usr/bin/python3 - "$retire" <<'PY'
import json, re, sys

lines = open("table").read().splitlines()
assert lines[0].split() == ["what", "ns", "peer", "peer", "ns", "ratio", "target"], lines[0]
rows = {tuple(cells[:1]) + (cells[2],) for cells in (re.split(r"\s{2,}", line) for line in lines[1:-1])}
for row in (("pin/epoch:flavor=memb", "raw:memb"), ("request/arena", "raw:bump"), ("request/arena", "refcount"),
            ("allocate-slots/arena/bytes:56", "raw:bump"), ("store-scalar/epoch+observers", "raw:store"),
            ("mark-in-order/epoch/objects:100000", "raw:walk"), ("reset/arena/footprint:262144", "raw:mimalloc"),
            ("flush/epoch:flavor=memb,reclaim=thread", "raw:memb")):
    assert row in rows, (row, rows)
for peer in ("raw:call_rcu-memb", "raw:defer_rcu-memb") if sys.argv[1] else ():
    assert ("retire/epoch:flavor=memb,reclaim=thread", peer) in rows, (peer, rows)
for line in lines[1:-1]:
    assert re.search(r"\d+(\.\d+)? \([\d.,]+-[\d.,]+\)", line), line
assert re.fullmatch(r"\d+ rows, 2 passes; targets: \d+ met, \d+ missed", lines[-1]), lines[-1]

document = json.load(open("all.json"))
# What is measured as malloc, and what call_rcu's blocks come from, must not be mimalloc.
assert document["context"]["malloc"] == "the system's", document["context"]
assert document["context"]["policies"] and {entry["repetition_index"] for entry in document["benchmarks"]} == {0, 1}
PY
[[ -z $(find . -name '*.partial') ]] || { echo "partial files were left"; exit 1; }

# Ctrl-C ends it without a table.
code=0
timeout --preserve-status -s INT 2 "$script" --repetitions=100000 --filter='^pin/arena' --json=never.json >stdout 2>stderr || code=$?
[[ $code == 130 && ! -s stdout && ! -e never.json ]] || { echo "interrupted: exit code $code, expected 130"; cat stderr; exit 1; }
[[ $(tail -n 1 stderr) == "scripts/microbench: interrupted; nothing was written" ]] || { cat stderr; exit 1; }
