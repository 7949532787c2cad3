#!/usr/bin/env bash
# The plain programs do what the workloads of their names do, on both sides and under every policy; scripts/gc-compare
# sets them side by side, and answers bad input and a build without bdwgc. No time is asserted.
set -euo pipefail
: "${SAPIMEM_HARNESS:?set by CTest}" "${SAPIMEM_SOURCE_DIR:?set by CTest}" "${SAPIMEM_BUILD_DIR:?set by CTest}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
programs=$SAPIMEM_BUILD_DIR/workloads/plain
compare=$SAPIMEM_SOURCE_DIR/scripts/gc-compare

refused() {
    local code=0
    "$@" >"$work/stdout" 2>"$work/stderr" || code=$?
    [[ $code == 2 && ! -s $work/stdout && $(wc -l <"$work/stderr") == 1 ]] ||
        { echo "$*: exit code $code, expected 2 and one line"; cat "$work/stdout" "$work/stderr"; exit 1; }
}
checksum() {
    /usr/bin/python3 -c 'import json, sys
d = json.load(sys.stdin)
print(d["checksum"] if "side" in d else d["metrics"]["checksum"]["value"])'
}

"$compare" --help >"$work/help"
grep -q '^usage: scripts/gc-compare' "$work/help"
refused "$compare" --workload=chrun
refused "$compare" --runs=none
refused "$compare" --heap-factor=much
refused "$compare" --programs="$work/absent"
refused "$compare" --nonsense=1

declare -A harness_options=(
    [gcbench]=stretch=9,long-lived=7,array=500,min=3,max=9 [quads]=depth=5,heap=3 [churn]=objects=2000
)
declare -A steps=([gcbench]=20 [quads]=8 [churn]=8)
declare -A options=(
    [gcbench]="--stretch=9 --long-lived=7 --array=500 --min=3 --max=9 --passes=2"
    [quads]="--depth=5 --heap=3 --rounds=8" [churn]="--objects=2k --steps=8"
)
gcbench_stages=$((2 + 2 * 4))
steps[gcbench]=$((2 * gcbench_stages))
for name in gcbench quads churn; do
    program=$programs/$name-sapimem
    read -ra arguments <<<"${options[$name]}"
    refused "$program" --nonsense=1
    refused "$program" --seed=none
    refused "$program" --heap-factor=0
    "$program" --help | grep "^usage: $name-sapimem" >"$work/usage"
    expected=$("$SAPIMEM_HARNESS" --quiet --policy=null --seed=5 --workload="$name:${harness_options[$name]}" \
        --iterations="${steps[$name]}" --json=- | checksum)
    sides=("$program")
    [[ -x $programs/$name-bdwgc ]] && sides+=("$programs/$name-bdwgc")
    for side in "${sides[@]}"; do
        found=$("$side" --seed=5 "${arguments[@]}" | checksum)
        [[ $found == "$expected" ]] || { echo "$side: checksum $found, the workload's is $expected"; exit 1; }
    done
    for policy in refcount marksweep arena malloc null epoch:reclaim=inline; do
        found=$("$program" --seed=5 "${arguments[@]}" --policy=$policy | checksum)
        [[ $found == "$expected" ]] || { echo "$name under $policy: checksum $found, expected $expected"; exit 1; }
    done
    echo "$name: $expected"
done

# A heap that cannot hold what lives: one line, and no figures.
code=0
"$programs/churn-sapimem" --objects=100k --steps=1 --policy=null --heap-factor=1 >"$work/stdout" 2>"$work/stderr" || code=$?
[[ $code == 1 && ! -s $work/stdout && $(wc -l <"$work/stderr") == 1 ]] ||
    { echo "too small a heap: exit code $code"; cat "$work/stderr"; exit 1; }

if [[ ! -x $programs/churn-bdwgc ]]; then
    code=0
    "$compare" --programs="$programs" 2>"$work/stderr" || code=$?
    [[ $code == 77 ]] || { echo "without bdwgc: exit code $code, expected 77"; exit 1; }
    cat "$work/stderr"
    exit 77
fi
refused "$programs/churn-bdwgc" --policy=epoch
"$compare" --programs="$programs" --workload=churn --runs=2 --heap-factor=4 --policy=refcount --policy=epoch:reclaim=inline \
    --option=objects=20k --option=steps=20 --json="$work/churn.json" >"$work/table"
"$compare" --programs="$programs" --workload=gcbench --runs=1 --heap-factor=6 --policy=marksweep --option=stretch=12 \
    --option=long-lived=10 --option=max=10 --option=array=1k --option=passes=1 --json="$work/gcbench.json" >>"$work/table"
cat "$work/table"
/usr/bin/python3 - "$work" <<'PY'
import json, sys

churn = json.load(open(sys.argv[1] + "/churn.json"))
assert [row["policy"] for row in churn["rows"]] == ["refcount", "epoch:reclaim=inline"], churn["rows"]
gcbench = json.load(open(sys.argv[1] + "/gcbench.json"))
for document in churn, gcbench:
    for row in document["rows"]:
        assert "error" not in row, row
        low, high = row["wall_ratio"]["range"]
        assert low <= row["wall_ratio"]["median"] <= high
    for sides in document["runs"].values():
        runs = [run for side in sides.values() for run in side]
        for key in "checksum", "allocations", "bytes", "live_bytes", "limit_bytes":
            assert len({run[key] for run in runs}) == 1, key
        for run in runs:
            assert 0 < run["peak_committed_bytes"] <= run["limit_bytes"] * 1.01 + (1 << 20), run
            assert run["wall_ns"] > 0 and run["pause_max_undelayed_ns"] <= run["pause_max_ns"] <= run["pause_total_ns"]
rival = churn["runs"]["churn"]["bdwgc"]
assert all(run["policy"] == "" and run["collections"] == run["pauses"] for run in rival), rival
PY
