#!/usr/bin/env bash
# scripts/mutator-rates: counts of a workload that can be counted by hand, the manager's own count of allocations, verdicts and
# reasons, lines that are not there, bad input. It builds the coverage preset. Without gcov the test is skipped.
set -euo pipefail
: "${SAPIMEM_SOURCE_DIR:?set by CTest}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
rates=$SAPIMEM_SOURCE_DIR/scripts/mutator-rates

refused() {
    local code=0
    "$@" >stdout 2>stderr || code=$?
    [[ $code == 2 && ! -s stdout && $(wc -l <stderr) == 1 ]] ||
        { echo "$*: exit code $code, expected 2 and one line"; cat stderr; exit 1; }
}
"$rates" --help | grep '^usage: scripts/mutator-rates' >help
refused "$rates" --nonsense
refused "$rates" --steps=none
refused "$rates" --factor=0.5
refused "$rates" --json=/proc/absent/rates.json
refused "$rates" --calibration=absent.json
echo '{"generators": [{"workload": "stack", "program": "no-such-program"}]}' >wrong.json
refused "$rates" --counterparts=wrong.json
echo '{"generators": [{"workload": "stack", "program": "cli-phpcs", "rates": {"looks": "so"}}]}' >wrong.json
refused "$rates" --counterparts=wrong.json
grep -q "rate 'looks'" stderr

command -v gcov >/dev/null || { echo "skipped: gcov is not installed"; exit 77; }
"$SAPIMEM_SOURCE_DIR/scripts/build" coverage
refused "$rates" --workloads=cli-quee
grep -q "cli-quee" stderr

# Frames that each hold an object, which refers to the caller's, and garbage in them: cells of two properties.
depth=50 garbage=75 steps=40
spec=stack:depth=$depth,garbage=$garbage
"$rates" --workloads="$spec" --steps=$steps --json=stack.json >table 2>progress
grep -q "^$spec  *-  " table
/usr/bin/python3 - $depth $garbage $steps <<'PY'
import json, sys

depth, garbage, steps = map(int, sys.argv[1:])
row, = json.load(open("stack.json"))["rows"]
work, rates = row["work"], row["rates"]
objects = depth + 2 * garbage
# An object is one operation, which is 5 opcodes; a call of 20 copies and drops 7 times, and stores once.
calls = objects * steps * 5 / 20
assert work["allocations"] == objects * steps and work["copies"] == 0, work
assert work["opcodes"] == calls * 20, work
assert work["class_adds"] == work["allocations"], work
# Its number, and in each frame the caller's object as well.
assert work["stores"] == (objects + depth) * steps + calls, work
assert work["pointers"] == 0, work
# Each frame but the first copies its caller's.
assert work["adds"] - work["class_adds"] == (depth - 1) * steps + 7 * calls, work
# Garbage goes with the next, frames' objects with their frame, and callers with who referred to them. At the end the links
# of the kernel's 64 objects are dropped as they are by then.
drops = (2 * garbage + depth + depth - 1) * steps + 7 * calls
assert abs(work["drops"] - drops) <= 64, (work, drops)
assert rates["counts"] == (work["adds"] - work["class_adds"] + work["drops"]) / work["allocations"], rates
PY
# Objects that die with an array and have a destructor, which holds them once more while it runs.
"$rates" --workloads=cli-dtor:objects=1000 --steps=$steps --json=dtor.json >table 2>progress
/usr/bin/python3 - $steps <<'PY'
import json, sys

steps = int(sys.argv[1])
row, = json.load(open("dtor.json"))["rows"]
work, objects = row["work"], 1000 * steps
calls = objects * 5 / 20
# Beside them an array and its storage.
assert work["allocations"] == objects + 2 * steps and work["opcodes"] == calls * 20, work
assert work["adds"] - work["class_adds"] == objects + 7 * calls, work
assert abs(work["drops"] - (2 * objects + steps + 7 * calls)) <= 64, work
assert work["elements"] == objects and work["stores"] == 2 * objects + calls and work["pointers"] == steps, work
PY
# What it is compared with are the program's own figures, or the median where there are none.
for program in fpm-wordpress-home cli-phpcs; do
    echo "{\"generators\": [{\"workload\": \"$spec\", \"program\": \"$program\", \"steps\": 4}]}" >$program.json
done
judge() { # counterparts, factor, exit code, text on stderr
    local code=0
    "$rates" --workloads="$spec" --counterparts="$1" --factor="$2" --json=judged.json >table 2>stderr || code=$?
    [[ $code == "$3" ]] || { echo "$1: exit code $code, expected $3"; cat stderr; exit 1; }
    grep -q "$4" stderr || { echo "$1: '$4' is not said"; cat stderr; exit 1; }
}
judge fpm-wordpress-home.json 2 1 "^scripts/mutator-rates: $spec (fpm-wordpress-home): stores is beyond the limit, and no reason is given$"
judge fpm-wordpress-home.json 100 0 '1/1'
grep -q '^1 of 1 are within' table
grep -q "^$spec  *fpm-wordpress-home .* 13\.4 .* 5\.56 .* 0\.55 .*within$" table
judge cli-phpcs.json 100 0 '1/1'
grep -q ' ~0\.48 .* 0\.96 ' table
echo "{\"generators\": [{\"workload\": \"$spec\", \"program\": \"cli-phpcs\", \"steps\": 4, \"rates\": {\"counts\": \"it is a small one\"}}]}" >more.json
judge more.json 100 1 'a reason is given for counts, which is within the limit$'

# A line that is not there is told, not counted as none.
/usr/bin/python3 - "$SAPIMEM_SOURCE_DIR" <<'PY'
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1] + "/scripts")
from executed_lines import Place, executed

here = Place("scripts/build", "build", "flock 9")
number, = here.numbers()
assert executed({("scripts/build", "build", number): 7, ("scripts/build", "other", number): 9}, [here, here]) == 14
for place in (here._replace(text="no such line"), here._replace(function="another")):
    try:
        executed({("scripts/build", "build", number): 7}, [place])
    except ValueError as problem:
        assert "expected one to count" in str(problem)
    else:
        raise SystemExit(f"{place}: counted")
PY
