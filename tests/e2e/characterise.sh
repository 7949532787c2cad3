#!/usr/bin/env bash
# scripts/characterise: cards add up and repeat, distances are those worked out by hand, a recorded program is close to itself
# and far from others; bad input is one line. Without python3-matplotlib the figure is not looked at, and the test is skipped.
set -euo pipefail
: "${SAPIMEM_HARNESS:?set by CTest}" "${SAPIMEM_SOURCE_DIR:?set by CTest}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
refused() {
    local code=0
    "$@" >stdout 2>stderr || code=$?
    [[ $code == 2 && ! -s stdout && $(wc -l <stderr) == 1 ]] || { echo "$*: exit code $code, expected 2 and one line"; cat stderr; exit 1; }
}
characterise() {
    "$SAPIMEM_SOURCE_DIR/scripts/characterise" "$@"
}

queue=(--workload=cli-queue:cache=50,log=10,services=20 --mutator-work=none --quiet)
refused "$SAPIMEM_HARNESS" "${queue[@]}" --policy=epoch --iterations=2 --card=card.json
refused "$SAPIMEM_HARNESS" "${queue[@]}" --policy=refcount --iterations=2 --card-warmup=1
refused "$SAPIMEM_HARNESS" "${queue[@]}" --policy=refcount --iterations=2 --card=card.json --card-warmup=2
refused "$SAPIMEM_HARNESS" "${queue[@]}" --policy=refcount --iterations=2 --card=/proc/absent/card.json
[[ -z $(ls | grep -v -e stdout -e stderr) ]] || { echo "a refused run left files"; ls; exit 1; }
# The work is the same with a card and without, and the card is the same each time.
for run in first second; do
    "$SAPIMEM_HARNESS" "${queue[@]}" --policy=refcount --iterations=6 --card-warmup=2 --card=$run.card --json=$run.json
done
cmp first.card second.card
"$SAPIMEM_HARNESS" "${queue[@]}" --policy=refcount --iterations=6 --json=plain.json
# A run that fails has no card.
code=0
"$SAPIMEM_HARNESS" "${queue[@]}" --policy=refcount --alloc=1G --timeout=0.05 --card=failed.card 2>stderr || code=$?
[[ $code == 1 && ! -e failed.card ]] || { echo "a run that failed: exit code $code"; ls; exit 1; }

characterise --help | grep '^usage: scripts/characterise' >help
refused characterise --nonsense
refused characterise --workloads=cli-quee
refused characterise --traces=absent.sapitrace
refused characterise --limit-ks=2
refused characterise --limit-ks=0
refused characterise --calibration=absent.json
refused characterise --workloads=- --traces=-
refused characterise --workloads=cli-queue --traces=- --no-figure --out=/proc/absent
echo '{"generators": [{"workload": "fpm-page", "program": "no-such-program"}], "traces": []}' >wrong.json
refused characterise --counterparts=wrong.json
grep -q "no-such-program" stderr

cat >counterparts.json <<'JSON'
{"generators": [
   {"workload": "cli-queue:scale=1,cache=50,log=10,services=20", "program": "cli-w-laravel-queue", "steps": 8, "warmup": 1},
   {"workload": "fpm-page:posts=1,comments=2", "program": "fpm-symfony-blog", "recording": "symfony-blog", "steps": 2}],
 "traces": [
   {"trace": "symfony-blog", "program": "fpm-symfony-blog"},
   {"trace": "react-http", "program": "fpm-wordpress-home", "steps": 15, "warmup": 1}]}
JSON
figure=--no-figure
/usr/bin/python3 -c 'import matplotlib' 2>/dev/null && figure=
# What is beyond the limit needs a reason, each aspect one, and what is within must have none.
judge() { # counterparts, exit code, lines on stderr, how many of them: a sum over the pairs
    local code=0 expected
    characterise --workloads='cli-queue;fpm-page' --traces=- --counterparts="$1" --out=judged --no-figure >table 2>stderr || code=$?
    expected=$(/usr/bin/python3 -c "import json; print(sum($4 for pair in json.load(open('judged/distances.json'))['pairs']))")
    [[ $code == "$2" && $(grep -c "$3" stderr) == "$expected" ]] ||
        { echo "$1: exit code $code, expected $2 and $expected lines '$3'"; cat stderr; exit 1; }
}
with_reasons() {
    /usr/bin/python3 - "$@" <<'PY'
import json, sys

counterparts, pairs = (json.load(open(name)) for name in ("counterparts.json", "judged/distances.json"))
for entry, pair in zip(counterparts["generators"], pairs["pairs"]):
    assert entry["program"] == pair["program"] and pair["beyond"], pair
    entry["reasons"] = {aspect: "it is a small one" for aspect in pair["beyond"]}
    within = [aspect for aspect in ("size", "lifetime", "blow-up", "peak") if aspect not in pair["beyond"]]
    if sys.argv[1] == "one too many" and within:
        entry["reasons"][within[0]] = "none is needed"
json.dump(counterparts, open(sys.argv[2], "w"))
PY
}
judge counterparts.json 1 'and no reason is given$' 'len(pair["beyond"])'
[[ $(grep -c 'no reason is given$' table) -ge 2 ]] || { echo "the table does not say what has no reason"; exit 1; }
with_reasons all explained.json
judge explained.json 0 'reason' 0
grep -q '^fpm-page:posts=1,comments=2 (fpm-symfony-blog): .*: it is a small one$' table
with_reasons "one too many" more.json
judge more.json 1 'a reason is given for .*, which is within the limit$' '(len(pair["beyond"]) < 4)'
grep -q 'which is within' stderr || { echo "no pair has an aspect within: the control says nothing"; exit 1; }
echo '{"generators": [{"workload": "fpm-page", "program": "fpm-symfony-blog", "reasons": {"looks": "so"}}], "traces": []}' >wrong.json
refused characterise --counterparts=wrong.json
grep -q "reason 'looks'" stderr

characterise --workloads='cli-queue;fpm-page;churn:objects=1000' --alloc=2M --traces="$SAPIMEM_SOURCE_DIR/tests/traces" \
    --counterparts=explained.json --out=out --detail $figure >table 2>progress
grep -q '^cli-queue:scale=1.*cli-w-laravel-queue' table
grep -q '0 of 2 pairs of generator and program' table
/usr/bin/python3 - "$SAPIMEM_SOURCE_DIR" <<'PY'
import json, math, sys

sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1] + "/scripts")
import workload_cards as cards

# Bins, lower edges, quantiles, distances, by hand.
assert cards.bin_counts([[8, 1], [24, 2], [56, 3], [3072, 4], [None, 5]], [8, 32, 3072]) == [1, 2, 7, 5]
assert [cards.lower_edge(edge) for edge in (16, 20, 40, 64, 80, 384, 10485760)] == [0, 16, 32, 56, 64, 320, 8388608]
assert cards.quantile([[10, 1], [20, 1]], 2, 0.5) == 20 and cards.quantile([[10, 1], [20, 1]], 2, 0.75) is None
assert math.isclose(cards.size_distance({"bin_count": [1, 1, 2]}, {"bin_count": [2, 1, 1]}), 0.25)
known = cards.known_quantiles({"lifetime_q": {"0.5": 40, "0.25": 20, "0.9": None}})
assert known == [(16, 20, 0.25), (32, 40, 0.5)], known
program = {"lifetime_q": {"0.25": 20, "0.5": 40, "0.9": None}, "survivor_share": 0.25}
ours = {"lifetimes": [[17, 25], [35, 25], [100, 25]], "survivor_share": 0.25}
assert cards.lifetime_distance(ours, program)[1] == 0
late = {"lifetimes": [[50, 75]], "survivor_share": 0.25}
assert cards.lifetime_distance(late, program)[1] == 0.5 <= cards.lifetime_distance(late, program)[0]
early = {"lifetimes": [[3, 75]], "survivor_share": 0.25}
assert cards.lifetime_distance(early, program)[1] == 0.5
assert cards.recorded_distance(ours, ours) == 0 and cards.recorded_distance(ours, early) == 0.75
assert cards.recorded_distance(ours, {"lifetimes": [[17, 25], [35, 25], [100, 50]], "survivor_share": 0}) == 0.25
pair = {"ks_size": 0.05, "ks_lifetime": 0.15, "ks_lifetime_least": 0.05, "ks_lifetime_recording": 0.2, "is_exact": False}
pair |= {"blow_up_ratio": 1.19, "peak_live_ratio": 0.81}
assert [cards.verdict(pair, limit) for limit in (0.04, 0.1, 0.2)] == ["beyond: size, lifetime", "beyond: lifetime?", "within"]
assert cards.verdict({**pair, "is_exact": True}, 0.19) == "beyond: lifetime"
assert cards.misses({**pair, "blow_up_ratio": 0.79, "peak_live_ratio": 1.21}, 0.2) == ["blow-up", "peak"]
assert cards.unexplained("x", ["size", "peak"], {"size": "so"}) == ["x: peak is beyond the limit, and no reason is given"]
assert cards.unexplained("x", ["size"], {"size": "so", "peak": "so"}) == ["x: a reason is given for peak, which is within the limit"]
# Blow-up of one step, or of the run where steps are not the same work.
card = {"blow_up_per_step": 2, "blow_up": 8, "steps": 4, "step_unit": "iteration"}
figures = {"bin_count": [1], "kind_share": dict.fromkeys(cards.KINDS, 0), "mean_bytes": 1, "peak_live_bytes": 1, **ours, "workload": "x"}
program = {**figures, "lifetime_q": {"0.25": 20, "0.5": 40}, "blow_up_per_step": 1, "blow_up": 8}
assert [cards.distances({**figures, **card}, program, None, of_run)["blow_up_ratio"] for of_run in (False, True)] == [2, 1]

# A card adds up, and book-keeping changes nothing.
card = json.load(open("first.card"))
runs = [json.load(open(name)) for name in ("first.json", "plain.json")]
for name in ("checksum", "alloc_bytes", "alloc_count", "peak_live_bytes", "cycles"):
    assert runs[0]["metrics"][name]["value"] == runs[1]["metrics"][name]["value"], name
for part in (card["boot"], card["work"]):
    kinds = part["kinds"].values()
    assert part["blocks"] == sum(part["ends"].values()) == sum(kind["blocks"] for kind in kinds), part["ends"]
    assert part["blocks"] == sum(count for kind in kinds for _, count in kind["sizes"]) == part["size"]["count"]
    assert part["bytes"] == sum(kind["bytes"] for kind in kinds) == part["size"]["total"]
    assert part["lifetime"]["count"] == part["ends"]["counted"] + part["ends"]["cycle"]
assert card["totals"]["steps"] == 4
# All of the run but what its end reads back.
made = card["boot"]["blocks"] + card["work"]["blocks"]
assert made >= runs[0]["metrics"]["alloc_count"]["value"] * 0.99, made

pairs = {(pair["workload"], pair["program"]): pair for pair in json.load(open("out/distances.json"))["pairs"]}
assert len(pairs) == 4, list(pairs)
own = pairs["trace symfony-blog", "fpm-symfony-blog"]
assert own["ks_size"] < 0.005 and own["ks_lifetime_least"] < 0.03 and own["ks_lifetime"] < 0.1, own
other = pairs["trace react-http", "fpm-wordpress-home"]
assert other["ks_lifetime_least"] > 0.2, other
page = pairs["fpm-page:posts=1,comments=2", "fpm-symfony-blog"]
assert page["is_exact"] and 0 < page["ks_lifetime_recording"] < 1, page
queue = json.load(open("out/cli-queue_scale_1_cache_50_log_10_services_20.json"))
assert queue["blocks"] == sum(queue["bin_count"]) and queue["steps"] == 7, queue["steps"]
assert abs(sum(queue["kind_share"].values()) - 1) < 1e-9
assert json.load(open("out/churn_objects_1000.json"))["blocks"] > 1000
PY
[[ -n $figure ]] && { echo "skipped: python3-matplotlib is not installed"; exit 77; }
[[ -s out/cards.png && -s out/cards.svg && -z $(find out -name '*.partial') ]] || { echo "no whole figure"; ls out; exit 1; }
