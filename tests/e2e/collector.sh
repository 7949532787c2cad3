#!/usr/bin/env bash
# The collector's runs are those of the PHP that is installed: every shape at its default size, and mixtures of
# shapes, give the same runs, collected, threshold and roots. No time is compared.
set -euo pipefail
: "${SAPIMEM_BUILD_DIR:?set by CTest}" "${SAPIMEM_SOURCE_DIR:?set by CTest}"
bench=$SAPIMEM_BUILD_DIR/harness/bench_collector_shapes
script=$SAPIMEM_SOURCE_DIR/workloads/php/collector_shapes.php

command -v php8.2 >/dev/null || { echo "skipped: php8.2 is not installed"; exit 77; }
[[ -x $bench ]] || { echo "$bench is not built"; exit 1; }

# What both sides print under the same names, in one order.
figures() {
    /usr/bin/python3 -c '
import json, sys
row = json.load(sys.stdin)
print(*(f"{name}={row[name]}" for name in ("runs", "collected", "threshold", "roots", "final_collected")))'
}

different=0
compare() {
    local theirs ours
    theirs=$(php8.2 "$script" "$@" | figures)
    ours=$("$bench" refcount "$@" | figures)
    [[ $theirs == "$ours" ]] && return
    printf '%s\n  PHP  %s\n  ours %s\n' "$*" "$theirs" "$ours"
    different=1
}

for shape in acyclic cyclic mixed linked touched touch-only; do
    compare "$shape"
done
compare linked --graphs=5000 --cyclic=1 --live=10
compare linked --graphs=20000 --cyclic=0.3 --live=500 --touch=2
compare touched --graphs=30000 --cyclic=1 --live=30000

# A comparison that cannot fail shows nothing: one graph more is seen.
[[ $("$bench" refcount cyclic --graphs=2001 | figures) != $(php8.2 "$script" cyclic --graphs=2000 | figures) ]] ||
    { echo "different inputs gave the same figures"; exit 1; }
exit $different
