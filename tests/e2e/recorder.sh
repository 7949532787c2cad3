#!/usr/bin/env bash
# The recorder of real PHP: what it writes is valid, a replay allocates what PHP allocated and reads the same under every policy, and
# no program that ends badly leaves half a trace.
set -euo pipefail
: "${SAPIMEM_HARNESS:?set by CTest}" "${SAPIMEM_SOURCE_DIR:?set by CTest}"
for program in php8.2 php-config8.2 make cc; do
    command -v "$program" >/dev/null || { echo "skipped: $program is not installed (scripts/setup recorder)"; exit 77; }
done
headers=$(php-config8.2 --include-dir)
[[ -e $headers/main/php.h ]] || { echo "skipped: php8.2-dev is not installed (scripts/setup recorder)"; exit 77; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
make -s -C "$SAPIMEM_SOURCE_DIR/workloads/php-recorder" BUILD="$work/build"
extension=$work/build/sapitrace.so
twin=$SAPIMEM_SOURCE_DIR/workloads/php/cli_queue.php

fail() {
    echo "FAILED: $*"
    [[ ! -s stderr ]] || sed 's/^/    /' stderr
    exit 1
}

# record NAME ARGUMENTS...: NAME.sapitrace of a program on the command line; returns its exit code.
record() {
    local name=$1
    shift
    php8.2 -d extension="$extension" -d sapitrace.output="$name.sapitrace" "$@" >stdout 2>stderr
}

# figure LINE NAME FILE: a figure of the comment "# LINE: ... NAME=FIGURE ...".
figure() {
    sed -nE "s/^# $1:.* $2=([0-9]+).*/\1/p" "$3"
}

# What the recorder counted is what the trace holds, byte for byte, and what every policy allocates; all read the same.
verify() {
    local trace=$1 policies policy
    "$SAPIMEM_HARNESS" trace info "$trace" >info || fail "$trace is no valid trace"
    policies=$("$SAPIMEM_HARNESS" list policies --json |
        /usr/bin/python3 -c 'import json, sys; print(*(p["name"] for p in json.load(sys.stdin) if p["available"]))')
    [[ $(wc -w <<<"$policies") -ge 6 ]] || fail "too few policies: $policies"
    for policy in $policies; do
        "$SAPIMEM_HARNESS" --policy="$policy" --workload="trace:$trace" --check-trace --quiet --json="$policy.json" >/dev/null 2>stderr ||
            fail "$trace under $policy"
    done
    /usr/bin/python3 - "$trace" $policies <<'PY'
import json, re, sys

trace, policies = sys.argv[1], sys.argv[2:]
comments = {}
for line in open(trace, encoding="ascii"):
    match = re.match(r"# (recorded|with holders): (.*)", line)
    if match:
        comments[match[1]] = {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", match[2])}
recorded, whole = comments["recorded"], comments["with holders"]
shown = {}
for line in open("info", encoding="ascii"):
    match = re.match(r"  (\D+?)  +(?:.* )?([0-9,]+)(?: bytes)?$", line)
    if match:
        shown[match[1]] = int(match[2].replace(",", ""))
assert recorded["allocations"] == whole["objects"] - whole["holders"] > 0, comments
assert recorded["bytes"] == whole["bytes"] - whole["holder_bytes"], comments
assert recorded["peak_live_bytes"] <= whole["peak_live_bytes"] <= recorded["peak_live_bytes"] + whole["holder_bytes"], comments
expected = {"objects": whole["objects"], "allocated": whole["bytes"], "peak live": whole["peak_live_bytes"],
            "resizes": recorded["resizes"], "deaths in cycles": recorded["cyclic_frees"],
            "deaths": recorded["frees"] - recorded["cyclic_frees"], "iterations": recorded["iterations"],
            "requests": recorded["requests"], "roots at the end": 0}
assert {name: shown[name] for name in expected} == expected, (shown, expected)
checksums = set()
for policy in policies:
    document = json.load(open(policy + ".json"))
    metric = lambda name: document["metrics"][name]["value"]
    assert document["status"] == "ok", (policy, document["status"])
    assert metric("alloc_count") == whole["objects"] and metric("alloc_bytes") == whole["bytes"], policy
    if policy in ("epoch", "refcount", "marksweep", "malloc"):
        assert metric("leaked_objects") == 0, (policy, metric("leaked_objects"))
    checksums.add(metric("checksum"))
assert len(checksums) == 1, checksums
print(f"{trace}: {recorded['allocations']:,} allocations, {recorded['bytes']:,} bytes, peak live "
      f"{recorded['peak_live_bytes']:,}; equal under {len(policies)} policies")
PY
}

# A worker: its output is what it is without the recorder, and so is what PHP says of its memory.
php8.2 "$twin" --write-messages=6 --messages=messages
php8.2 "$twin" --steps=6 --messages=messages >plain
record queue "$twin" --steps=6 --messages=messages || fail "cli_queue.php"
# How long its steps take is no part of what it does.
sed -i -E 's/"longest_step_ns":[0-9]+//' plain stdout
cmp plain stdout || fail "cli_queue.php: another output when recorded"
grep -q "^sapitrace: $work/queue.sapitrace: $(figure recorded allocations queue.sapitrace) allocations," stderr || fail "totals"
verify queue.sapitrace
[[ $(figure recorded iterations queue.sapitrace) == 6 && $(figure recorded unclean queue.sapitrace) == 0 ]] || fail "iterations"
# A job makes 7,280 blocks by callgrind (workloads/php/README.md), which does not count copies of arrays, two blocks each.
record longer "$twin" --steps=12 --messages=messages || fail "cli_queue.php, 12 jobs"
job=$((($(figure recorded allocations longer.sapitrace) - $(figure recorded allocations queue.sapitrace)) / 6))
((job > 7280 * 95 / 100 && job < 7280 * 110 / 100)) || fail "a job makes $job blocks, expected about 7,280"
"$SAPIMEM_HARNESS" --policy=epoch --workload=trace:queue.sapitrace --iterations=20 >stdout || fail "in a loop"
grep -q 'replayed from beginning to end 3 times' stdout || fail "in a loop: $(cat stdout)"

# Cycles with destructors, which make blocks, drop some and keep some while the collector runs.
cat >cycles.php <<'PHP'
<?php
class Node { public $a, $b, $c; }
class Last { public $self; public string $text = ''; function __destruct() { global $kept; $kept[] = str_repeat($this->text, 40); } }
$kept = $some = [];
for ($i = 0; $i < 4; $i++) {
    for ($k = 0; $k < 2500; $k++) {
        $x = new Node; $y = new Node; $x->a = $y; $y->a = $x; $x->b = [str_repeat('q', $k % 50), $k]; $x->c = fn () => $y;
        if ($k % 100 == 0) { $n = new Last; $n->self = $n; $n->text = "node $k"; }
        if ($k % 9 == 0) { $some[$k] = $x; }
    }
    gc_collect_cycles();
    sapitrace_iteration();
}
unset($x, $y, $n);
echo count($kept), ' ', gc_status()['collected'], "\n";
PHP
record cycles cycles.php || fail "cycles.php"
verify cycles.sapitrace
read -r kept collected <stdout
# The last one is in its variable when the collector runs for the last time.
[[ $kept == 99 ]] || fail "cycles.php: $kept destructors, expected 99"
# The collector counts objects and arrays; what they hold dies with them.
((collected > 20000 && $(figure recorded cyclic_frees cycles.sapitrace) > collected)) || fail "cyclic deaths, $collected collected"
for kind in string array object closure; do
    count=$(grep -c "^n [0-9]* $kind " cycles.sapitrace)
    ((count >= 9000)) || fail "$count blocks of kind $kind"
done

# Programs that end badly: a whole trace of what there was, and it says so; killed, none at all.
echo '<?php $a = []; while (true) { $a[] = str_repeat("x", 1000) . count($a); }' >limit.php
record limit -d memory_limit=8M limit.php && fail "limit.php: expected to fail"
verify limit.sapitrace
[[ $(figure recorded unclean limit.sapitrace) == 1 ]] || fail "limit.php: not marked as unclean"
echo '<?php $a = range(1, 1000); throw new Exception("no");' >thrown.php
record thrown thrown.php && fail "thrown.php: expected to fail"
verify thrown.sapitrace
echo '<?php function f() { $a = range(1, 1000); exit(3); } f();' >exits.php
code=0
record exits exits.php || code=$?
[[ $code == 3 ]] || fail "exits.php: exit code $code, expected 3"
verify exits.sapitrace
mkdir -p temporary
echo '<?php $a = range(1, 1000); posix_kill(getmypid(), SIGKILL);' >killed.php
TMPDIR=$work/temporary record killed killed.php && fail "killed.php: expected to fail"
[[ -z $(ls | grep killed | grep -v php$) && -z $(ls temporary) ]] || fail "killed.php left $(ls | grep killed) $(ls temporary)"
# A child begins with its parent's recording, and leaves it to the parent.
echo '<?php $a = range(1, 1000); if (pcntl_fork() === 0) { exit(0); } pcntl_wait($status);' >forks.php
record forks forks.php || fail "forks.php"
verify forks.sapitrace

# No place, or one that is taken: the program runs all the same, and the reason is told.
cp queue.sapitrace before
record queue exits.php && fail "exits.php"
cmp before queue.sapitrace || fail "an existing file was replaced"
grep -q 'queue.sapitrace: not recorded: File exists' stderr || fail "existing file: no reason"
record no/such/place exits.php && fail "exits.php"
grep -q 'no/such/place.sapitrace: no trace was written: No such file' stderr || fail "no such place: no reason"
TMPDIR=$work/none record nowhere thrown.php && fail "thrown.php"
grep -q 'nowhere.sapitrace: no trace was written: No such file' stderr || fail "no temporary files: no reason"
record off -d sapitrace.enable=0 thrown.php && fail "thrown.php"
[[ ! -e off.sapitrace && ! -e nowhere.sapitrace && -z $(ls | grep partial) ]] || fail "left behind: $(ls)"
grep -q sapitrace: stderr && fail "not enabled: wrote a line"
[[ $(php8.2 -d extension="$extension" -r 'sapitrace_iteration(); echo "fine";') == fine ]] || fail "without a place"

# php-fpm: the requests after the first two of a worker, each a request of the trace.
[[ -x /usr/sbin/php-fpm8.2 ]] || { echo "php8.2-fpm is not installed: requests were not recorded"; exit 0; }
cat >page.php <<'PHP'
<?php
$rows = [];
for ($i = 0; $i < 300; $i++) {
    $rows[] = ['id' => $i, 'title' => "Post $i of {$_GET['request']}", 'tags' => explode(',', "a$i,b$i,c$i")];
}
ob_start();
foreach ($rows as $row) {
    echo '<h2>', htmlspecialchars($row['title']), '</h2>', implode(' ', array_map(fn ($tag) => "<b>$tag</b>", $row['tags']));
}
sapitrace_iteration();
echo '<html>', ob_get_clean(), '</html>';
PHP
# serve NAME SKIPPED RECORDED: seven requests, then the server is asked to end.
serve() {
    mkdir "server-$1"
    PYTHONPATH=$SAPIMEM_SOURCE_DIR/scripts /usr/bin/python3 -B - "$extension" "$work" "$@" <<'PY'
import signal, sys, twin_fpm

extension, work, name, skipped, recorded = sys.argv[1:]
server = twin_fpm.Server("/usr/sbin/php-fpm8.2", f"{work}/page.php", f"{work}/server-{name}", [
    "-d", f"extension={extension}", "-d", f"sapitrace.output={work}/{name}-%p.sapitrace",
    "-d", f"sapitrace.skip={skipped}", "-d", f"sapitrace.requests={recorded}"], 0)
try:
    pages = [server.request() for _ in range(7)]
    server.process.send_signal(signal.SIGQUIT)
    server.process.wait(20)
finally:
    server.stop()
assert len({len(page) for page in pages}) == 1 and b"Post 299 of 7" in pages[6], [len(page) for page in pages]
PY
}
serve page 2 3
mapfile -t pages < <(ls page-*)
[[ ${#pages[@]} == 1 ]] || fail "php-fpm: found '${pages[*]}', expected one trace"
verify "${pages[0]}"
[[ $(figure recorded requests "${pages[0]}") == 3 && $(grep -c '^\[$' "${pages[0]}") == 3 ]] || fail "php-fpm: not three requests"
[[ $(figure recorded iterations "${pages[0]}") == 0 ]] || fail "php-fpm: iterations in a request"
# A worker that ends before it has served as many writes those that it has.
serve early 1 1000
verify early-*.sapitrace
[[ $(figure recorded requests early-*.sapitrace) == 6 ]] || fail "php-fpm: not the six requests there were"
"$SAPIMEM_HARNESS" --policy=arena --workload="trace:${pages[0]}" --requests=300 >stdout || fail "requests in a loop"
grep -q 'replayed from beginning to end 100 times' stdout || fail "requests in a loop: $(cat stdout)"
