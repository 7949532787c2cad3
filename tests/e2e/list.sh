#!/usr/bin/env bash
# harness list: every topic as text and as JSON of the fixed shape; --help names every option; what is listed can be chosen.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"$SAPIMEM_HARNESS" list >all.txt
for word in epoch arena null cli-queue fpm-page gcbench quads churn trace:FILE threshold memory-limit; do
    grep -qw -e "$word" all.txt || { echo "harness list does not show $word"; exit 1; }
done
for topic in policies workloads options; do
    "$SAPIMEM_HARNESS" list $topic --json >$topic.json
done
"$SAPIMEM_HARNESS" list --json >everything.json
"$SAPIMEM_HARNESS" list policies epoch --json >epoch.json
"$SAPIMEM_HARNESS" list options epoch --json >epoch-options.json
"$SAPIMEM_HARNESS" run --help >help.txt
# Through files: a grep that leaves at the first match would make the writing fail.
"$SAPIMEM_HARNESS" --help >all-help.txt
grep -q '^commands:' all-help.txt
"$SAPIMEM_HARNESS" --version >version.txt
grep -q '^harness [0-9]' version.txt

# A name misspelt is answered with what is near, of policies and workloads too where their names can be given.
suggested() {
    local expected=$1 code=0
    shift
    "$SAPIMEM_HARNESS" list "$@" >stdout 2>stderr || code=$?
    [[ $code == 2 && ! -s stdout ]] || { echo "list $*: exit code $code, expected 2"; exit 1; }
    grep -qw -e "such as .*$expected" stderr || { echo "list $*: does not suggest $expected"; cat stderr; exit 1; }
}
suggested epoch options epohc
suggested cli-queue options cli-que
suggested trace options tarce
suggested threshold options treshold
suggested epoch policies epohc
suggested cli-queue workloads cli-que
/usr/bin/python3 - <<'PY'
import json, re

def load(name):
    return json.load(open(name + ".json"))

fields = {"name", "summary", "available", "reason", "capabilities", "options"}
for topic in ("policies", "workloads", "options"):
    items = load(topic)
    assert isinstance(items, list) and items, topic
    for item in items:
        assert fields <= set(item), (topic, item)
        assert isinstance(item["available"], bool) and (item["available"] or item["reason"]), item
        assert item["summary"] and isinstance(item["capabilities"], list) and isinstance(item["options"], list), item
    assert load("everything")[topic] == items

policies = {item["name"]: item for item in load("policies")}
assert {"epoch", "arena", "null"} <= set(policies)
assert {"collect", "observers", "pin"} <= set(policies["epoch"]["capabilities"])
assert policies["null"]["capabilities"] == []
assert load("epoch") == [policies["epoch"]]
assert {item["name"] for item in load("epoch-options")} == {option["name"] for option in policies["epoch"]["options"]}
assert {"reclaim", "flavor"} <= {item["name"] for item in load("epoch-options")}

shown = set(re.findall(r"^  --([a-z-]+)", open("help.txt").read(), re.M))
assert shown == {item["name"] for item in load("options")}, shown
PY
