#!/usr/bin/env bash
# Every bad command line: exit 2, one line on standard error that names the argument, nothing on standard output, nothing left behind.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir out directory
printf 'not a trace\n' >plain.txt
printf '# sapitrace 1\nn 1 bogus 10 0\n' >kind.sapitrace
printf '# sapitrace 1\n(\nn 1 array 0 2\ns 1 5 0\n)\n' >slot.sapitrace
printf '# sapitrace 1\n(\nn 1 array 0 2\ng 3 1\ni\n)\n' >unended.sapitrace
printf '# sapitrace 1\n(\n)\n' >trivial.sapitrace
printf '\x28\xb5\x2f\xfd broken' >broken.sapitrace.zst

# What the line must name, then the arguments. Results go to out/, which must stay empty.
cases=(
    "--polcy|--polcy=epoch"
    "policy|--policy=epohc"
    "policy|--policy="
    "--policy|--policy"
    "flavour|--policy=epoch:flavour=memb"
    "--policy=epoch:flavor=|--policy=epoch:flavor=fast"
    "--policy=epoch:|--policy=epoch:flavor"
    "workload|--workload=cli-que"
    "nonsense|--workload=cli-queue:nonsense=1"
    "cache|--workload=cli-queue:cache=-5"
    "trace:missing|--workload=trace:missing.sapitrace"
    "trace:missing|--workload=trace:missing.sapitrace,repeat=2"
    "repeat|--workload=trace:trivial.sapitrace,repeat=0"
    "again|--workload=trace:trivial.sapitrace,again=2"
    "cannot be replayed in a loop|--workload=trace:unended.sapitrace --iterations=9"
    "cannot be replayed in a loop|--workload=trace:unended.sapitrace --alloc=1M"
    "trace:directory|--workload=trace:directory"
    "plain.txt|--workload=trace:plain.txt"
    "kind.sapitrace:2|--workload=trace:kind.sapitrace"
    "slot.sapitrace:4|--workload=trace:slot.sapitrace"
    "broken.sapitrace.zst|--workload=trace:broken.sapitrace.zst"
    "--threshold=lots|--threshold=lots"
    "--threshold=-1|--threshold=-1"
    "--threshold=16Q|--threshold=16Q"
    "--threshold=0|--threshold=0"
    "--threshold=99999999999999999999|--threshold=99999999999999999999"
    "--threshold=9999999999G|--threshold=9999999999G"
    "--pacing|--threshold=4M --pacing=fixed:4M"
    "--pacing=sometimes|--pacing=sometimes"
    "--pacing=proportional:x|--pacing=proportional:x"
    "pacing 'limit:0.2': expected a memory limit|--pacing=limit:0.2"
    "--pacing=limit:2|--pacing=limit:2 --memory-limit=64M"
    "--pacing=zend:1|--policy=refcount --pacing=zend:1"
    "--pacing=zend:5000|--policy=epoch --pacing=zend:5000"
    "--sharing=both|--sharing=both"
    "--destructors=now|--destructors=now"
    "--destructors=prompt|--sharing=bit --destructors=prompt"
    "--garbage=exact|--garbage=exact"
    "--policy=malloc:allocator=x|--policy=malloc:allocator=x"
    "--policy=refcount:allocator=x|--policy=refcount:allocator=x"
    "--memory-limit=64K|--memory-limit=64K"
    "--heap-factor=0.5|--heap-factor=0.5"
    "--heap-factor|--heap-factor=2 --memory-limit=64M"
    "--seed=-1|--seed=-1"
    "--alloc=0|--alloc=0"
    "--iterations|--alloc=1M --iterations=2"
    "--seconds=forever|--seconds=forever"
    "--observers=1000|--observers=1000"
    "--observers|--policy=null --observers=1"
    "--stall=observer-0|--stall=observer-0"
    "--stall|--policy=arena --stall=observer-0:1M:1s"
    "--stall=observer-3:1M:1s|--observers=2 --stall=observer-3:1M:1s"
    "--reclaim=inline|--policy=epoch:reclaim=thread --reclaim=inline"
    "--reclaim=later|--reclaim=later"
    "--arena-limit=1K|--arena-limit=1K"
    "--policy=arena:pages=drop,limit=4M|--policy=arena:pages=drop,limit=4M"
    "--epoch-flavor=fast|--epoch-flavor=fast"
    "--inject=chaos|--inject=chaos"
    "--check-trace|--check-trace"
    "--sapi=cgi|--sapi=cgi"
    "--workers|--workers=2"
    "--workers=0|--sapi=fpm --workers=0"
    "--arrivals|--arrivals=10"
    "--arrivals=fast|--sapi=fpm --arrivals=fast"
    "--arrivals=10,burst=0|--sapi=fpm --arrivals=10,burst=0"
    "--cold-every|--cold-every=5"
    "--max-requests=0|--sapi=fpm --max-requests=0"
    "--alloc|--sapi=fpm --workers=2 --alloc=1M"
    "--events|--sapi=fpm --workers=2 --events=events.jsonl"
    "--requests|--sapi=fpm --workers=2 --policy=null"
    "--workers|--sapi=fpm --workers=2 --policy=malloc"
    "fpm-page|--sapi=fpm --workers=2 --inject=leak:1/10"
    "--series-every=1|--series-every=1"
    "--timeout=0|--timeout=0"
    "--timeout=1s: expected a number of seconds|--timeout=1s"
    "--progress=loud|--progress=loud"
    "--json|--json"
    "extra|run extra"
    "--policies|sweep"
    "--out|sweep --policies=epoch --workloads=cli-queue"
    "epohc|sweep --policies=epohc --workloads=cli-queue --out=sweep"
    "--workload=cli-queue:cache=x|sweep --policies=epoch --workloads=cli-queue:cache=x --out=sweep"
    "twice|sweep --policies=epoch;epoch --workloads=cli-queue --out=sweep"
    "twice|sweep --policies=epoch --workloads=cli-queue --thresholds=1M;1024K --out=sweep"
    "--policies=epoch;|sweep --policies=epoch; --workloads=cli-queue --out=sweep"
    "--thresholds=4M:1M:x2|sweep --policies=epoch --workloads=cli-queue --thresholds=4M:1M:x2 --out=sweep"
    "--thresholds=1M:4M:x1|sweep --policies=epoch --workloads=cli-queue --thresholds=1M:4M:x1 --out=sweep"
    "--thresholds=64|sweep --policies=epoch --workloads=cli-queue --thresholds=64 --out=sweep"
    "--pacing=sometimes|sweep --policies=epoch --workloads=cli-queue --pacing=sometimes --out=sweep"
    "--heap-factor=0.5|sweep --policies=epoch --workloads=cli-queue --heap-factors=0.5 --out=sweep"
    "--heap-factor|sweep --policies=epoch --workloads=cli-queue --heap-factors=2 --memory-limit=64M --out=sweep"
    "--seeds=one|sweep --policies=epoch --workloads=cli-queue --seeds=one --out=sweep"
    "--invocations=0|sweep --policies=epoch --workloads=cli-queue --invocations=0 --out=sweep"
    "--slice=3/2|sweep --policies=epoch --workloads=cli-queue --slice=3/2 --out=sweep"
    "--order=none|sweep --policies=epoch --workloads=cli-queue --order=none --out=sweep"
    "--policy|sweep --policies=epoch --workloads=cli-queue --policy=epoch --out=sweep"
    "policies|sweep --polices=epoch"
    "--alloc=lots|sweep --policies=epoch --workloads=cli-queue --alloc=lots --out=sweep"
    "--cell-seconds|sweep --policies=epoch --workloads=cli-queue --cell-seconds=3 --alloc=1M --out=sweep"
    "--json|sweep --policies=epoch --workloads=cli-queue --json --out=sweep"
    "--out=kind.sapitrace|sweep --policies=epoch --workloads=cli-queue --out=kind.sapitrace"
    "--policy=epohc|minheap --policy=epohc"
    "--memory-limit|minheap --memory-limit=64M"
    "--seconds|minheap --seconds=1"
    "--json=missing/x.json|minheap --alloc=1M --json=missing/x.json"
    "--minheap|--minheap=4M"
    "--minheap-factor|--minheap-factor=2 --heap-factor=2"
    "--minheap-factor|--minheap-factor=2 --seconds=1"
    "a: No such file|compare a b"
    "two results|compare a"
    "swep|swep"
    "doctor --jsno|doctor --jsno"
    "missing.sapitrace|trace info missing.sapitrace"
    "kind.sapitrace:2|trace check kind.sapitrace"
    "kind.sapitrace:2|trace pack kind.sapitrace"
    "trace pak|trace pak kind.sapitrace"
    "trace|trace check"
    "sweeep|sweeep"
    "everything|list everything"
    "epohc|list policies epohc"
    "list --csv|list --csv"
    "list extra|list policies epoch extra"
)

failures=0
fail() {
    echo "FAILED: harness $1: $2"
    sed 's/^/    /' stderr
    failures=$((failures + 1))
}

for case in "${cases[@]}"; do
    named=${case%%|*}
    read -ra arguments <<<"${case#*|}"
    outputs=()
    # The commands that are not run take no outputs, and an option that lacks its value must stay last.
    if [[ ${arguments[0]} == --* ]]; then outputs=(--json=out/run.json --csv=out/run.csv); fi
    code=0
    "$SAPIMEM_HARNESS" "${outputs[@]}" "${arguments[@]}" >stdout 2>stderr || code=$?
    [[ $code == 2 ]] || fail "${arguments[*]}" "exit code $code, expected 2"
    [[ $(wc -l <stderr) == 1 ]] || fail "${arguments[*]}" "$(wc -l <stderr) lines on standard error, expected 1"
    grep -qF -e "$named" stderr || fail "${arguments[*]}" "the line does not name $named"
    [[ ! -s stdout ]] || fail "${arguments[*]}" "wrote to standard output"
    [[ ! -e sweep ]] || fail "${arguments[*]}" "made a folder"
    [[ -z $(ls -A out) ]] || fail "${arguments[*]}" "left $(ls -A out) behind"
done
echo "${#cases[@]} bad command lines, $failures failures"
[[ $failures == 0 ]]
