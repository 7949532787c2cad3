#!/usr/bin/env bash
# A sweep in slices: by GNU parallel, and by Snakemake on a real Slurm of one node that this test starts on the loopback.
set -euo pipefail
for program in parallel snakemake sbatch slurmctld slurmd munged; do
    command -v "$program" >/dev/null || {
        echo "skipped: $program is missing (scripts/setup distribute installs it)"
        exit 77
    }
done
[[ $(id -u) -eq 0 ]] || {
    echo "skipped: Slurm's daemons are started as root"
    exit 77
}
[[ $(nproc) -ge 2 ]] || {
    echo "skipped: a cell of two CPUs needs a machine of two"
    exit 77
}

. "$SAPIMEM_SOURCE_DIR/tests/support/loopback_slurm.sh"
run=$SAPIMEM_SOURCE_DIR/scripts/distribute/run
work=$(mktemp -d)
trap 'slurm_stop "$work/slurm"; rm -rf "$work"' EXIT
export HOME=$work # Snakemake keeps a cache there
export CI=true    # and asks for the state of jobs each second then, instead of each ten

# null cannot do this work under this limit: a cell that fails. cli-queue under epoch and refcount can.
sweep=(--policies='epoch;refcount;null' --workloads='cli-queue:cache=200' --thresholds='256K;1M;4M' --invocations=2
    --alloc=24M --mutator-work=none --memory-limit=16M)

statuses() { # of the cells of folder $1: "policy status", sorted
    /usr/bin/python3 - "$1" <<'PY'
import json, pathlib, sys
folder = pathlib.Path(sys.argv[1])
planned = {cell["id"] for cell in json.loads((folder / "plan.json").read_text())["cells"]}
documents = [json.loads(path.read_text()) for path in (folder / "runs").glob("*.json")]
assert {document["cell"]["id"] for document in documents} == planned, "cells and records differ"
print("\n".join(sorted(f"{document['cell']['policy']} {document['status']}" for document in documents)))
PY
}

usable_cpus() {
    /usr/bin/python3 -c '
import json, pathlib, sys
print(*sorted({json.loads(path.read_text())["context"]["cpus_usable"] for path in pathlib.Path(sys.argv[1], "runs").glob("*.json")}))' "$1"
}

expected=$(printf '%s\n' epoch\ ok epoch\ ok epoch\ ok epoch\ ok epoch\ ok epoch\ ok null\ oom null\ oom refcount\ ok refcount\ ok)

"$run" --engine=parallel --out="$work/parallel" --slices=2 --threads=1 -- "${sweep[@]}"
diff <(statuses "$work/parallel") <(echo "$expected")
echo "parallel: all cells are there, null's failed and left the rest"

slurm_start "$work/slurm" 2 || {
    tail -n 20 "$work"/slurm/log/*
    echo "Slurm does not start here"
    exit 1
}

"$run" --engine=slurm --out="$work/two" --slices=2 --threads=2 -- "${sweep[@]}" >"$work/log" 2>&1 || {
    cat "$work/log" "$work"/two/slurm-*.log
    exit 1
}
diff <(statuses "$work/two") <(echo "$expected")
[[ $(usable_cpus "$work/two") == 2 ]] || {
    echo "a cell of two threads saw $(usable_cpus "$work/two") CPUs"
    exit 1
}
"$run" --engine=slurm --out="$work/one" --slices=2 --threads=1 -- "${sweep[@]}" >"$work/log" 2>&1
[[ $(usable_cpus "$work/one") == 1 ]] || {
    echo "a cell of one thread saw $(usable_cpus "$work/one") CPUs"
    exit 1
}
echo "slurm: all cells are there, with one CPU or two as asked"

# A job that is killed half way fails its slice; run again, what it had finished is not run again, and only the rest is.
long=("${sweep[@]}" --alloc=400M)
"$run" --engine=slurm --out="$work/killed" --slices=1 --threads=2 -- "${long[@]}" >"$work/log" 2>&1 &
driver=$!
for _ in {1..300}; do
    [[ $(find "$work/killed/runs" -name '*.json' 2>/dev/null | wc -l) -ge 2 ]] && break
    sleep 0.1
done
scancel --signal=KILL --full "$(squeue --noheader --format=%A | head -n 1)"
if wait "$driver"; then
    echo "a slice whose job was killed was called done"
    exit 1
fi
# Slurm ends what a killed job has left behind in its own time.
for _ in {1..100}; do
    grep -lzxF -- "--out=$work/killed" /proc/[0-9]*/cmdline >/dev/null 2>&1 || break
    sleep 0.1
done
finished=$(find "$work/killed/runs" -name '*.json' -printf '%i %T@ %p\n' | sort)
[[ -n $finished && $(wc -l <<<"$finished") -lt 10 ]] || {
    echo "the job was killed too early or too late: $(wc -l <<<"$finished") cells"
    exit 1
}
"$run" --engine=slurm --out="$work/killed" --slices=1 --threads=2 -- "${long[@]}" >"$work/log" 2>&1
diff <(statuses "$work/killed") <(echo "$expected")
[[ -z $(comm -23 <(echo "$finished") <(find "$work/killed/runs" -name '*.json' -printf '%i %T@ %p\n' | sort)) ]] || {
    echo "a cell that was finished ran again"
    exit 1
}
echo "slurm: a killed slice was resumed, $(wc -l <<<"$finished") of 10 cells were kept"

for wrong in --engine=pbs --slices=0 --bogus; do
    set +e
    message=$("$run" --engine=parallel --out="$work/x" --slices=1 $wrong -- --policies=epoch 2>&1)
    status=$?
    set -e
    [[ $status -eq 2 && $(wc -l <<<"$message") -eq 1 ]] || {
        echo "$wrong: exit status $status, '$message'"
        exit 1
    }
done
