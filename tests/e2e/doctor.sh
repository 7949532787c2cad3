#!/usr/bin/env bash
# harness doctor: one line a check, the same as a document; what can be provoked is found; and runs mark themselves noisy.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"$SAPIMEM_HARNESS" doctor >text
"$SAPIMEM_HARNESS" doctor --help >help
grep -q '^usage: harness doctor' help
env -u LD_PRELOAD MALLOC_ARENA_MAX=1 taskset -c "$(taskset -cp $$ | sed 's/.*: //; s/[-,].*//')" "$SAPIMEM_HARNESS" doctor --json >one.json
code=0
"$SAPIMEM_HARNESS" doctor --jsno >stdout 2>stderr || code=$?
[[ $code == 2 && ! -s stdout && $(wc -l <stderr) == 1 ]] || { cat stderr; exit 1; }

# A run on one CPU with an observer beside it has too few; without, under a policy with one thread, that is no reason.
one=(taskset -c "$(taskset -cp $$ | sed 's/.*: //; s/[-,].*//')")
queue=(--workload=cli-queue:cache=50 --alloc=2M --mutator-work=none --quiet --policy=epoch:reclaim=inline --collector-threads=0)
"${one[@]}" "$SAPIMEM_HARNESS" "${queue[@]}" --observers=1 --json=crowded.json
"${one[@]}" "$SAPIMEM_HARNESS" "${queue[@]}" --json=alone.json
"$SAPIMEM_HARNESS" "${queue[@]}" --measures=totals --json=totals.json
/usr/bin/python3 - <<'PY'
import json

lines = open("text").read().splitlines()
assert all(line.split()[0] in ("ok", "warning", "unknown") for line in lines[:-1]) and len(lines) > 15, lines
warned = sum(line.startswith("warning") for line in lines)
assert lines[-1] == f"{warned} of {len(lines) - 1} checks warn", lines[-1]
assert all("; " in line for line in lines if line.startswith("warning")), "a warning says what to do"

document = json.load(open("one.json"))
checks = {check["check"]: check for check in document["checks"]}
assert list(checks) == [line.split()[1] for line in lines[:-1]]
assert document["warnings"] == sum(check["verdict"] == "warning" for check in checks.values())
assert checks["cpus"]["verdict"] == "warning" and checks["cpus"]["detail"].startswith("1 usable"), checks["cpus"]
assert checks["environment"]["verdict"] == "warning" and "MALLOC_ARENA_MAX" in checks["environment"]["detail"]
assert all((check["advice"] is None) == (check["verdict"] != "warning") for check in checks.values())
assert document["hiccups"]["count"] > 0

noisy = {name: json.load(open(name + ".json")) for name in ("crowded", "alone", "totals")}
threads = "2 busy threads on 1 usable CPU"
assert threads in noisy["crowded"]["context"]["noisy"] and f"noisy: {threads}" in noisy["crowded"]["notes"], noisy["crowded"]["context"]
assert not any("busy threads" in reason for reason in noisy["alone"]["context"]["noisy"])
# Who measures hiccups would stop the program there.
assert noisy["alone"]["hiccups"] is None and noisy["alone"]["utilization"]
totals, alone = noisy["totals"], noisy["alone"]
assert totals["utilization"] is None and totals["hiccups"] is None and totals["pauses"]["count"] == totals["latency"]["service"]["count"] == 0
assert "metered_full" not in totals["latency"] and alone["latency"]["metered_full"]["count"] == alone["latency"]["service"]["count"]
for name in ("alloc_bytes", "checksum", "cycles", "peak_live_bytes"):
    assert totals["metrics"][name]["value"] == alone["metrics"][name]["value"], name
PY
