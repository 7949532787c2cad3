#!/usr/bin/env bash
# Bursts: the same work whoever serves it, latency from when requests were due, and whole documents when a worker is killed,
# runs out of memory, or all are interrupted.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

page=fpm-page:posts=1,comments=2,paragraphs=1,options=50,files=4
large=${page%files=4}files=60
admin=fpm-admin:rows=3,columns=2,sections=2,globals=3,files=2
run() {
    local name=$1 expected=$2 code=0
    shift 2
    "$SAPIMEM_HARNESS" --quiet --sapi=fpm --workload=$page --mutator-work=none --seed=3 --requests=90 --cold-every=15 \
        --json="$name.json" "$@" 2>stderr || code=$?
    [[ $code == "$expected" ]] || { echo "$name: exit code $code, expected $expected"; cat stderr; exit 1; }
}

# The children of a process.
children() {
    local stat
    for stat in /proc/[0-9]*/stat; do
        { read -r -a fields <"$stat"; } 2>/dev/null || continue
        [[ ${fields[3]} == "$1" ]] && echo "${fields[0]}"
    done
    return 0
}

for policy in arena refcount epoch; do
    for workers in 1 2 3; do
        run same-$policy-$workers 0 --policy=$policy --workers=$workers
    done
    run same-$policy-recycled 0 --policy=$policy --workers=3 --max-requests=10 --arrivals=3000,burst=5
done
run open 0 --workers=2 --arrivals=400,burst=6
run single 0 --workers=1 --arrivals=400,burst=6
run seed 0 --workers=2 --seed=4
run fewer 0 --workers=2 --requests=89
run warm 0 --workers=2 --cold-every=1000
run flip-1 0 --workers=1 --inject=flip-byte:60
run flip-3 0 --workers=3 --inject=flip-byte:60
# Another workload; with --cold-every it compiles its program too.
serve_admin() {
    local name=$1
    shift
    "$SAPIMEM_HARNESS" --quiet --sapi=fpm --workload=$admin --mutator-work=none --seed=3 --requests=40 --json="$name.json" "$@"
}
serve_admin admin-arena --policy=arena --workers=1 --max-requests=50
for policy in refcount epoch; do
    serve_admin admin-$policy --policy=$policy --workers=3 --max-requests=10
done
serve_admin cold-arena --policy=arena --workers=1 --cold-every=8
serve_admin cold-refcount --policy=refcount --workers=3 --max-requests=10 --cold-every=8
serve_admin admin-flip-1 --workers=1 --max-requests=50 --inject=flip-byte:30
serve_admin admin-flip-3 --workers=3 --inject=flip-byte:30
# Only cold requests need more than this; whoever fails is replaced.
run oom 1 --workers=2 --memory-limit=2M --workload=$large
run oom-recycled 1 --workers=2 --memory-limit=2M --workload=$large --max-requests=1000
run timeout 1 --workers=2 --arrivals=20 --timeout=0.3

# Runs that would last long, until all workers serve. $1: name; the rest: options.
start() {
    local name=$1 count=0
    shift
    # A line left by the run before would be taken for one of this run.
    rm -f stderr
    "$SAPIMEM_HARNESS" --quiet --sapi=fpm --workload=$page --mutator-work=none --progress=always --json="$name.json" \
        --workers=3 "$@" >stdout 2>stderr &
    pid=$!
    while [[ $count -lt 3 ]] || ! grep -qs ' [1-9][0-9]* requests ' stderr; do
        kill -0 $pid 2>/dev/null || { echo "$name: the run ended by itself"; cat stderr; exit 1; }
        sleep 0.05
        count=$(children $pid | wc -l)
    done
    mapfile -t workers < <(children $pid)
}

finish() {
    local code=0 worker
    wait $pid || code=$?
    [[ $code == "$1" ]] || { echo "exit code $code, expected $1"; cat stderr; exit 1; }
    for worker in "${workers[@]}"; do
        ! kill -0 "$worker" 2>/dev/null || { echo "worker $worker is still there"; exit 1; }
    done
    [[ -z $(find . -name '*.partial') ]] || { echo "partial files were left"; exit 1; }
}

start interrupted --requests=2m
kill -INT $pid
finish 130

# Idle workers are woken too.
start interrupted-idle --requests=2000 --arrivals=50
kill -TERM $pid
finish 130

# A terminal's interrupt goes to the workers as well.
start interrupted-all --requests=2m
kill -INT $pid "${workers[@]}"
finish 130

start killed --requests=2m
kill -KILL "${workers[1]}"
finish 1

# All of these are served, a worker less or not: fewer where each takes longer.
replaced_requests=6000
"$SAPIMEM_HARNESS" --version | grep -q 'sanitizers none' || replaced_requests=600
start replaced --requests=$replaced_requests --max-requests=100000
kill -KILL "${workers[1]}"
finish 1

# Whoever starts workers may be killed: they do not stay behind.
start orphaned --requests=2m
kill -KILL $pid
wait $pid 2>/dev/null || true
for ((tries = 0; tries < 100; tries++)); do
    kill -0 "${workers[@]}" 2>/dev/null || break
    sleep 0.05
done
for worker in "${workers[@]}"; do
    ! kill -0 "$worker" 2>/dev/null || { echo "worker $worker outlived the run"; exit 1; }
done

# Without any option of bursts nothing is one.
"$SAPIMEM_HARNESS" --quiet --sapi=fpm --workload=$page --mutator-work=none --requests=5 --workers=1 --json=plain.json

/usr/bin/python3 - <<'PY'
import glob, json

documents = {path[:-5]: json.load(open(path)) for path in glob.glob("*.json")}
metric = lambda name, key: documents[name]["metrics"][key]["value"]

# The same work, whoever serves it, under whatever policy.
same = [name for name in documents if name.startswith("same-")]
assert len(same) == 12
for name in same + ["open", "single"]:
    document = documents[name]
    assert document["status"] == "ok" and metric(name, "checksum") == metric("same-arena-1", "checksum"), name
    assert document["metrics"]["checksum"]["exact"] and not document["metrics"]["alloc_bytes"]["exact"], name
    assert (metric(name, "steps"), metric(name, "cold_requests"), metric(name, "failed_requests")) == (90, 6, 0), name
    assert metric(name, "leaked_objects") == 0, name
    assert metric(name, "wall_ns") > 0 and metric(name, "throughput_bytes_per_s") > 0, name
    workers = document["workers"]
    assert sum(worker["requests"] for worker in workers) == 90, name
    assert sum(worker["processes"] for worker in workers) == metric(name, "worker_processes"), name
    for key in "cpu_ns", "alloc_bytes", "minor_faults", "peak_committed_bytes", "peak_rss_bytes", "leaked_objects":
        assert sum(worker["metrics"][key] for worker in workers) == metric(name, key), (name, key)
    largest = max(worker["metrics"]["peak_committed_bytes"] for worker in workers)
    assert largest == metric(name, "worker_peak_committed_bytes") > 0, name
    assert document["latency"]["service"]["count"] == 90 and document["latency"]["cold_service"]["count"] == 6, name
    assert sum(worker["pauses"]["count"] for worker in workers) == document["pauses"]["count"], name
    clocks = [point["clock_bytes"] for point in document["series"]]
    assert clocks == sorted(clocks) and clocks[0] == 0 and 0 < clocks[-1] <= metric(name, "alloc_bytes"), name
for name in "seed", "fewer", "warm", "flip-1":
    assert documents[name]["status"] == "ok" and metric(name, "checksum") != metric("same-arena-1", "checksum"), name
assert metric("flip-1", "checksum") == metric("flip-3", "checksum")
for name in "refcount", "epoch":
    assert metric(f"admin-{name}", "checksum") == metric("admin-arena", "checksum"), name
    assert metric(f"admin-{name}", "worker_processes") >= 4 and metric(f"admin-{name}", "cold_requests") == 0, name
assert metric("cold-refcount", "checksum") == metric("cold-arena", "checksum") != metric("admin-arena", "checksum")
assert metric("cold-refcount", "cold_requests") == metric("cold-arena", "cold_requests") == 5
assert metric("admin-flip-1", "checksum") == metric("admin-flip-3", "checksum") != metric("admin-arena", "checksum")
assert [len(documents[f"same-arena-{count}"]["workers"]) for count in (1, 2, 3)] == [1, 2, 3]
for name in same:
    if name.endswith("recycled"):
        assert metric(name, "worker_processes") >= 9, name

# No response is shorter than what the queue alone would have made of it, nor than its service.
for name in "open", "single", "same-epoch-recycled":
    latency = documents[name]["latency"]
    response, modelled = latency["response"], latency["modelled_response"]
    assert response["count"] == modelled["count"] == 90
    for key in "total_ns", "p50_ns", "p99_ns", "p999_ns", "max_ns":
        assert response[key] >= modelled[key], (name, key, response[key], modelled[key])
    assert modelled["total_ns"] >= latency["service"]["total_ns"], name
assert "response" not in documents["same-arena-2"]["latency"]

# A cold request is the only one that does not fit.
assert documents["oom"]["status"] == documents["oom-recycled"]["status"] == "oom"
assert metric("oom", "failed_requests") >= 1 and metric("oom", "steps") < 84
assert (metric("oom-recycled", "steps"), metric("oom-recycled", "failed_requests")) == (84, 6)
assert 3 <= metric("oom-recycled", "worker_processes") <= 8 and " request " in documents["oom-recycled"]["error"]
assert metric("oom-recycled", "checksum") is None

assert documents["timeout"]["status"] == "timeout" and metric("timeout", "steps") < 90
for name in "interrupted", "interrupted-idle", "interrupted-all":
    document = documents[name]
    assert document["status"] == "interrupted" and document["error"], name
    assert metric(name, "checksum") is None and metric(name, "leaked_objects") == 0, name
    done = metric(name, "steps")
    assert 0 < done < document["config"]["requests"]["value"], name
    assert done == document["latency"]["service"]["count"] == sum(worker["requests"] for worker in document["workers"])

killed, replaced = documents["killed"], documents["replaced"]
for document in killed, replaced:
    assert document["status"] == "invalid" and "killed by signal 9" in document["error"], document["error"]
    assert document["error"] in document["notes"]
    assert not any(entry["exact"] for entry in document["metrics"].values())
assert metric("killed", "worker_processes") == 3 and metric("killed", "steps") < 2000000
assert metric("killed", "failed_requests") <= 1
assert metric("replaced", "worker_processes") == 4
requests = replaced["config"]["requests"]["value"]
assert requests >= 600 and metric("replaced", "steps") + metric("replaced", "failed_requests") == requests

assert documents["plain"]["status"] == "ok" and "workers" not in documents["plain"]
assert documents["plain"]["metrics"]["worker_processes"]["value"] is None
PY
