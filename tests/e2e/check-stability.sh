#!/usr/bin/env bash
# scripts/check-stability: the quick gate passes when nothing changed and fails on a leak, on a stalled guard and on a counter; what is
# missing or malformed is not a pass; usage is 64.
set -euo pipefail
: "${SAPIMEM_HARNESS:?set by CTest}" "${SAPIMEM_SOURCE_DIR:?set by CTest}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

gate() {
    "$SAPIMEM_SOURCE_DIR/scripts/check-stability" "$@"
}
# Exit status, then a text that the output must hold, then arguments.
expect() {
    local status=$1 text=$2 code=0
    shift 2
    gate "$@" >stdout 2>stderr || code=$?
    [[ $code == "$status" ]] && grep -q -- "$text" stdout stderr ||
        { echo "$*: exit status $code, expected $status and '$text'"; cat stdout stderr; exit 1; }
}
one_line() {
    expect "$@"
    [[ ! -s stdout && $(wc -l <stderr) == 1 ]] || { echo "$*: expected one line"; cat stdout stderr; exit 1; }
}

gate --help | grep '^usage: scripts/check-stability' >help
for wrong in --nonsense --quick=yes "--quick --full" "some.json" "--quick some.json" "--baseline=some.json" "--quick --inject=flip" \
    "--baseline=a.json b.json --stall" "--baseline=a.json b.json --write-baseline=c.json" ""; do
    # shellcheck disable=SC2086 # words are arguments
    one_line 64 scripts/check-stability $wrong
done

# What the committed baseline says holds in this build too.
expect 0 'stable: 8 cells' --quick --out=runs
cp stdout quick
[[ $(ls runs/*.json | wc -l) -ge 8 && $(ls runs/controls/*.json | wc -l) == 4 ]] || { ls -R runs; exit 1; }
cp -r runs cells
baseline=$SAPIMEM_SOURCE_DIR/results/baselines/quick.json
expect 0 'stable: 8 cells' --baseline="$baseline" cells
# A verdict beside the runs is no run, and its folder is judged as before.
expect 0 'stable: 8 cells' --baseline="$baseline" cells --json=cells/verdict.json
expect 0 'verdict.json (scripts/check-stability)' --baseline="$baseline" cells
rm cells/verdict.json

# Faults that are asked for: found by invariants in every cell that has them.
expect 1 'tier 1 .* queue-threads: live' --quick --inject=leak --json=leak.json
expect 1 'tier 1 .* queue: oom: .*observer-0' --quick --stall --json=stall.json
# Of the same runs as results: the leak in the place of its cell.
mv cells/queue.json queue.json
cp runs/controls/queue-leak.json cells
expect 1 'tier 1 .* queue: live_bytes grow' --baseline="$baseline" cells
rm cells/queue-leak.json
cp runs/controls/queue-stall.json cells
expect 1 'tier 1 .* queue: peak_backlog_bytes' --baseline="$baseline" cells
rm cells/queue-stall.json

# Not enough to tell.
expect 2 'queue: no result' --baseline="$baseline" cells
mkdir empty
one_line 2 'no result' --baseline="$baseline" empty
one_line 2 'expected a baseline' --baseline=absent.json cells
one_line 2 'expected a baseline' --quick --baseline=absent.json
echo '{' >broken.json
one_line 2 'in JSON' --baseline=broken.json cells
one_line 2 'not JSON' --baseline="$baseline" broken.json
echo '{"status": "ok", "metrics": {}}' >bare.json
one_line 2 'bare.json: expected numbers' --baseline="$baseline" bare.json
one_line 2 'place to write' --quick --write-baseline=/proc/absent
one_line 2 '--out=/proc/absent: expected a folder' --quick --out=/proc/absent
mv queue.json cells

/usr/bin/python3 - "$baseline" <<'PY'
import json, sys

for name, subjects, cells in (("leak", {"settled", "growth"}, 6), ("stall", {"status", "backlog"}, 5)):
    findings = json.load(open(name + ".json"))["findings"]
    broken = {one["cell"] for one in findings if one["kind"] == "regression" and one["subject"] in subjects}
    assert len(broken) == cells, (name, broken)

baseline = json.load(open(sys.argv[1]))
def write(name, change):
    cells = json.loads(json.dumps(baseline))
    change(cells["cells"]["queue"])
    json.dump(cells, open(name, "w"))
write("counter.json", lambda cell: cell["exact"].update(cycles=cell["exact"]["cycles"] + 1))
write("blind.json", lambda cell: cell["bounds"].update(growth_per_mille=100))
write("tight.json", lambda cell: cell["bounds"].update(backlog_bytes=1))
PY
expect 1 'tier 0 .* queue: cycles was' --baseline=counter.json cells
[[ $(grep -c regression stdout) == 3 ]] || { cat stdout; exit 1; }
expect 3 'control did not fire: leak planted in queue' --baseline=blind.json cells
expect 1 'above its bound of 1' --baseline=tight.json cells
one_line 2 'cell queue is held to other bounds' --quick --baseline=tight.json

# A baseline written from these runs is the committed one in all that is exact.
expect 0 '8 cells' --quick --write-baseline=new.json
/usr/bin/python3 - "$baseline" <<'PY'
import json, sys
old, new = (json.load(open(name))["cells"] for name in (sys.argv[1], "new.json"))
assert old.keys() == new.keys()
for name in old:
    assert all(old[name][part] == new[name][part] for part in ("config", "bounds", "exact")), name
PY

# Trials count what the gate said.
"$SAPIMEM_SOURCE_DIR/scripts/gate-trials" --trials=1 --kinds='leak;stall' >trials 2>/dev/null
grep -q '^leak: fires in 1 of 1$' trials && grep -q '^stall: fires in 1 of 1$' trials
code=0
"$SAPIMEM_SOURCE_DIR/scripts/gate-trials" --kinds=some >stdout 2>stderr || code=$?
[[ $code == 2 && $(wc -l <stderr) == 1 ]] || { echo "gate-trials: exit status $code, expected 2"; exit 1; }
cat quick
