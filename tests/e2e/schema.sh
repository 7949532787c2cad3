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
run stalled 1 "${queue[@]}" --policy=epoch --threshold=512K --memory-limit=16M --stall=observer-0:2M:forever
run oom 1 "${queue[@]}" --policy=null --memory-limit=8M
run timeout 1 "${queue[@]}" --policy=epoch --alloc=512G --timeout=0.5
"$SAPIMEM_HARNESS" --mutator-work=none "${queue[@]}" --policy=epoch --threshold=1M --json=- >stdout.json

SCHEMA=$SAPIMEM_SOURCE_DIR/results/schema.json /usr/bin/python3 - <<'PY'
import copy, json, os, jsonschema

schema = json.load(open(os.environ["SCHEMA"]))
jsonschema.Draft7Validator.check_schema(schema)
validator = jsonschema.Draft7Validator(schema)
documents = {}
for name in "epoch inline observed null arena stalled oom timeout stdout".split():
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
assert documents["stalled"]["status"] == "oom" and documents["stalled"]["guards"]
assert documents["oom"]["status"] == "oom" and documents["oom"]["error"]
assert documents["timeout"]["status"] == "timeout"

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
