#!/usr/bin/env bash
# scripts/model-check on models of its own: what is right passes, and each way in which a check can be worthless fails.
set -euo pipefail
: "${SAPIMEM_SOURCE_DIR:?set by CTest}"
command -v spin >/dev/null || { echo "skipped: spin is not installed"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/tests/protocols"
cp -r "$SAPIMEM_SOURCE_DIR/scripts" "$work/scripts"
check=$work/scripts/model-check
model=$work/tests/protocols/tiny.pml

expect() {
    local code=$1 pattern=$2 actual=0
    shift 2
    "$check" "$@" >"$work/output" 2>&1 || actual=$?
    if [[ $actual != "$code" ]] || ! grep -qE -e "$pattern" "$work/output"; then
        echo "model-check $*: exit code $actual, expected $code and a line '$pattern'"
        cat "$work/output"
        exit 1
    fi
}

cat >"$model" <<'PML'
/*
 * Two increments.
 *
 * run: both count
 * run PROGRESS: and end
 * deep TIMES=2: more
 *
 * control TORN: each is a load and a store
 */
byte value, ended;
active [2] proctype increment()
{
    byte seen;
#ifdef CONTROL_TORN
    seen = value;
    value = seen + 1;
#else
    value++;
#endif
    atomic {
        ended++;
        assert(ended < 2 || value == 2)
    }
}
PML
expect 0 '^usage: scripts/model-check' --help
expect 0 '^tiny run: both count$' --list
expect 0 '^3 passed, 0 failed$'
expect 0 '^4 passed, 0 failed$' --deep --model=tiny
expect 0 '^2 passed, 0 failed$' --no-controls
expect 2 "'--quick'" --quick
expect 2 "'other'.*expected one of tiny" --model=other

# Each of these makes the check worthless, or the model wrong.
cp "$model" "$work/sound.pml"
broken() {
    sed -E "$2" "$work/sound.pml" >"$model"
    ! cmp -s "$model" "$work/sound.pml" || { echo "nothing was changed for '$1'"; exit 1; }
    expect 1 "$1" "${@:3}"
}
broken 'control TORN: its error was not found' 's/seen = value;/skip;/; s/value = seen \+ 1;/value++;/'
broken 'declared and planted controls differ' 's/ \* control TORN.*/ \*/'
broken 'failed: pan:1: assertion violated' 's/value == 2\)/value == 3\)/' --no-controls
grep -q 'step by step: build/protocols/tiny/story.txt' "$work/output"
grep -q 'assert' "$work/build/protocols/tiny/story.txt"
broken 'failed: pan:1: invalid end state' 's/^    atomic \{/    value < 2;\n&/' --no-controls
broken 'failed: never reached: .*tiny.pml' 's/^    atomic \{/    if\n    :: value > 5 -> value = 0\n    :: else\n    fi;\n&/' --no-controls
broken '^tiny PROGRESS .* 1 errors' 's/^    atomic \{/    do\n    :: ended == 0 -> seen = 1 - seen\n    :: break\n    od;\n&/' --no-controls
broken 'could not be built' 's/proctype/proctipe/' --no-controls
