#!/usr/bin/env bash
# Documents of every policy and of runs that end badly fit results/schema.json; a broken one does not.
set -euo pipefail
/usr/bin/python3 -c 'import jsonschema' 2>/dev/null || { echo "python3-jsonschema is not installed" && exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

run() {
    local name=$1 expected=$2 code=0
    shift 2
    "$SAPIMEM_HARNESS" --quiet --mutator-work=none --json="$name.json" "$@" 2>stderr || code=$?
    [[ $code == "$expected" ]] || { echo "$name: exit code $code, expected $expected"; cat stderr; exit 1; }
}

queue=(--workload=cli-queue:cache=500 --alloc=24M)
run epoch 0 "${queue[@]}" --policy=epoch --threshold=1M
run inline 0 "${queue[@]}" --policy=epoch --reclaim=inline --epoch-flavor=qsbr --pacing=proportional:1
run observed 0 "${queue[@]}" --policy=epoch --threshold=1M --observers=1
run null 0 "${queue[@]}" --policy=null --threshold=1M
run arena 0 --sapi=fpm --workload=fpm-page:posts=1 --requests=10
run burst 0 --sapi=fpm --workload=fpm-page:posts=1,files=2 --requests=40 --workers=2 --arrivals=2000,burst=3 --cold-every=9
run stalled 1 "${queue[@]}" --policy=epoch --threshold=512K --memory-limit=16M --stall=observer-0:2M:forever
run oom 1 "${queue[@]}" --policy=null --memory-limit=8M
run timeout 1 "${queue[@]}" --policy=epoch --alloc=512G --timeout=0.5
run small 1 --policy=null --memory-limit=1025K
run nothing 1 "${queue[@]}" --policy=null --inject=fail-alloc:1
traces=$SAPIMEM_SOURCE_DIR/tests/traces
run once 0 --policy=epoch --workload="trace:$traces/valid/cycles.sapitrace"
run thrice 0 --policy=epoch --workload="trace:$traces/valid/cycles.sapitrace,repeat=3"
run requests 0 --policy=arena --workload="trace:$traces/valid/requests.sapitrace,repeat=1" --requests=1000
run looped 0 --policy=arena --workload="trace:$traces/valid/requests.sapitrace" --requests=1000
run bytes 0 --policy=epoch --workload="trace:$traces/react-http.sapitrace.zst,repeat=1" --alloc=512G
"$SAPIMEM_HARNESS" --policy=null --memory-limit=1025K >summary 2>stderr && exit 1
if grep -n 'n/a\|throughput\|pauses' <(tail -n +2 summary) || ! grep -q '^  rss  *peak [1-9]' summary; then
    cat summary
    exit 1
fi
"$SAPIMEM_HARNESS" --mutator-work=none "${queue[@]}" --policy=epoch --threshold=1M --json=- >stdout.json

SCHEMA=$SAPIMEM_SOURCE_DIR/results/schema.json /usr/bin/python3 - <<'PY'
import copy, json, os, jsonschema

schema = json.load(open(os.environ["SCHEMA"]))
jsonschema.Draft7Validator.check_schema(schema)
validator = jsonschema.Draft7Validator(schema)
documents = {}
for name in "epoch inline observed null arena burst stalled oom timeout small nothing once thrice requests looped bytes stdout".split():
    documents[name] = document = json.load(open(name + ".json"))
    errors = [error.message for error in validator.iter_errors(document)]
    assert not errors, (name, errors[:5])

good = documents["epoch"]
metric = lambda name, key: documents[name]["metrics"][key]["value"]
assert good["status"] == "ok" and metric("epoch", "cycles") > 10 and metric("epoch", "leaked_objects") == 0
assert good["pauses"]["count"] > 0 and len(good["series"]) >= 200 and len(good["cycles"]) == metric("epoch", "cycles")
assert sum(bucket["count"] for bucket in good["pauses"]["buckets"]) == good["pauses"]["count"]
clocks = [point["clock_bytes"] for point in good["series"]]
assert clocks == sorted(clocks) and clocks[0] == 0
assert documents["null"]["config"]["threshold"]["value"] is None and metric("null", "leaked_objects") > 0
assert metric("observed", "observer_reads") > 0
# CPU time is that of all threads, whoever they are.
assert metric("observed", "cpu_ns") > metric("observed", "vm_cpu_ns")
assert documents["stalled"]["status"] == "oom" and documents["stalled"]["guards"]
assert documents["oom"]["status"] == "oom" and documents["oom"]["error"]
assert documents["timeout"]["status"] == "timeout"

# The throughput is that of the steps; what was allocated before them is told apart.
for name in ("epoch", "arena"):
    rate = metric(name, "step_alloc_bytes") * 1e9 / metric(name, "wall_ns")
    assert abs(rate - metric(name, "throughput_bytes_per_s")) < 2, (name, rate)
    assert 0 < metric(name, "boot_alloc_bytes") + metric(name, "step_alloc_bytes") <= metric(name, "alloc_bytes")
assert metric("epoch", "boot_alloc_bytes") > 0

# Stops as a share of the whole of the steps are the pauses; beside threads that work at the same time none is worse than all.
for name in ("epoch", "inline", "observed", "arena", "burst"):
    use = documents[name]["utilization"]
    assert use["windows_ns"] == sorted(use["windows_ns"]) and use["windows_ns"][-1] == metric(name, "wall_ns"), name
    assert use["bmu"] == sorted(use["bmu"]) and all(b <= m for b, m in zip(use["bmu"], use["mmu"])), name
    assert all(all_ <= worst + 1e-12 for all_, worst in zip(use["mmu"], use["worst_thread_mmu"])), name
    if name != "burst":
        stopped = documents[name]["pauses"]["total_ns"] / metric(name, "wall_ns")
        assert use["resolution_ns"] == 0 and abs(use["mmu"][-1] - (1 - stopped)) < 1e-6 and use["mmu"] == use["worst_thread_mmu"], name
        assert [point["at"] for point in documents[name]["memory_checkpoints"]] == ["start", "boot", "steps", "quiesce"], name
        latency = documents[name]["latency"]
        assert latency["metered_full"]["count"] == latency["service"]["count"], name
        assert latency["metered_full"]["max_ns"] >= latency["service"]["max_ns"], name
assert "metered_full" not in documents["burst"]["latency"] and documents["burst"]["memory_checkpoints"] == []
assert documents["oom"]["context"]["noisy"] is not None and documents["nothing"]["utilization"] is None
assert 0 < metric("epoch", "reclamation_wall_ns") <= documents["epoch"]["pauses"]["total_ns"]
assert metric("epoch", "mean_reclaim_delay_bytes") is not None and metric("null", "mean_reclaim_delay_bytes") is None

# Work that never began has no figures of work.
for name in ("small", "nothing"):
    assert documents[name]["status"] == "oom" and metric(name, "wall_ns") is None and metric(name, "peak_rss_bytes") > 0
    assert not any("series" in note for note in documents[name]["notes"])

# Traces: their option reaches the replay; a step is timed once; an early end is told.
assert documents["once"]["config"]["workload_options"]["repeat"]["value"] == 1
assert documents["thrice"]["config"]["workload_options"]["repeat"]["value"] == 3
assert documents["thrice"]["status"] == "ok" and metric("once", "checksum") != metric("thrice", "checksum")
assert metric("thrice", "alloc_bytes") == 3 * metric("once", "alloc_bytes")
for name, unit in ("epoch", "iteration"), ("arena", "request"), ("requests", "request"), ("bytes", "iteration"):
    latency = documents[name]["latency"]
    assert latency["unit"] == unit and latency["service"]["count"] == metric(name, "steps") > 0, (name, latency["unit"])
assert "the trace ended after 3 of 1,000 steps" in documents["requests"]["notes"], documents["requests"]["notes"]
assert metric("looped", "steps") == 1000 and documents["looped"]["status"] == "ok"
assert "the trace was replayed from beginning to end 333 times" in documents["looped"]["notes"], documents["looped"]["notes"]
assert metric("looped", "alloc_bytes") >= 333 * metric("requests", "alloc_bytes")
early = f"the trace ended after {metric('bytes', 'alloc_bytes'):,} of {512 << 30:,} bytes"
assert early in documents["bytes"]["notes"], (early, documents["bytes"]["notes"])
assert not any("trace ended" in note for note in documents["once"]["notes"])

# The schema must be able to say no.
def broken(change):
    document = copy.deepcopy(good)
    change(document)
    return not validator.is_valid(document)

assert broken(lambda d: d.pop("pauses"))
assert broken(lambda d: d["metrics"].pop("wall_ns"))
assert broken(lambda d: d["metrics"]["cpu_ns"].update(value="fast"))
assert broken(lambda d: d.update(status="fine"))
assert broken(lambda d: d.update(status="oom"))
assert broken(lambda d: d["series"][0].pop("rss_bytes"))
assert broken(lambda d: d.update(extra=1))
PY
