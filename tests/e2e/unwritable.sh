#!/usr/bin/env bash
# An output that cannot be written is found out before the run: exit 2, one line, nothing left; devices are written in place.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir directory
small=(--mutator-work=none --alloc=4M --quiet)

refused() {
    local named=$1 code=0
    shift
    "$SAPIMEM_HARNESS" "${small[@]}" "$@" >stdout 2>stderr || code=$?
    [[ $code == 2 ]] || { echo "$*: exit code $code, expected 2"; exit 1; }
    [[ $(wc -l <stderr) == 1 ]] || { echo "$*: expected one line"; cat stderr; exit 1; }
    grep -qF -e "$named" stderr || { echo "$*: the line does not name $named"; cat stderr; exit 1; }
}

refused "--json=no/such/place.json" --json=no/such/place.json
refused "--json=directory" --json=directory
refused "--csv=no/such/place.csv" --json=run.json --csv=no/such/place.csv
refused "--csv=same" --json=same --csv=same
refused "--csv=same" --json=./same --csv=same
refused "--csv=directory/../same" --json=same --csv=directory/../same
ln -s directory link
refused "--csv=link/same" --json=directory/same --csv=link/same
echo old >one && ln one two
refused "--csv=two" --json=one --csv=two
[[ $(cat one) == old ]] || { echo "a refused run changed a file"; exit 1; }
refused "--csv=-" --json=- --csv=-
"$SAPIMEM_HARNESS" "${small[@]}" --json=directory/same --csv=same
rm same directory/same
[[ ! -e run.json ]] || { echo "a refused run left run.json"; exit 1; }
if [[ $(id -u) != 0 ]]; then
    mkdir locked && chmod a-w locked
    refused "--json=locked/run.json" --json=locked/run.json
    echo old >readonly.json && chmod a-w readonly.json
    refused "--json=readonly.json" --json=readonly.json
fi

# A refused run leaves an older result as it was; a good one replaces it.
echo old >run.json
refused "--threshold" --json=run.json --threshold=nonsense
[[ $(cat run.json) == old ]] || { echo "a refused run changed run.json"; exit 1; }
"$SAPIMEM_HARNESS" "${small[@]}" --json=run.json --csv=run.csv
head -c 1 run.json | grep -q '{'
head -n 1 run.csv | grep -q '^clock_bytes,'
"$SAPIMEM_HARNESS" "${small[@]}" --json=/dev/null
[[ -c /dev/null ]] || { echo "/dev/null was replaced"; exit 1; }
[[ -z $(find . -name '*.partial') ]] || { echo "partial files were left"; exit 1; }

# Standard output that takes nothing: exit 1 and one line with the reason, whatever the command.
lost() {
    local code=0
    "$SAPIMEM_HARNESS" "$@" >/dev/full 2>stderr || code=$?
    [[ $code == 1 ]] || { echo "$* to a full device: exit code $code, expected 1"; exit 1; }
    [[ $(grep -c . stderr) == 1 ]] || { echo "$* to a full device: expected one line"; cat stderr; exit 1; }
    grep -qxF 'harness: standard output: No space left on device' stderr || { cat stderr; exit 1; }
}

printf '# sapitrace 1\n(\n)\n' >small.sapitrace
lost --mutator-work=none --alloc=1M --progress=never
lost "${small[@]}" --json=-
lost "${small[@]}" --csv=- --json=kept.json
[[ -s kept.json ]] || { echo "the other place's failure lost kept.json"; exit 1; }
lost list
lost list --json
lost list options epoch
lost --help
lost list --help
lost --version
lost trace info small.sapitrace
code=0
"$SAPIMEM_HARNESS" "${small[@]}" --json=/dev/full 2>stderr || code=$?
[[ $code == 1 ]] && grep -qF '/dev/full: writing failed: No space left on device' stderr || { cat stderr; exit 1; }

# A reader that goes away is an error of the write like any other; the other place still gets a whole file.
mkfifo gone
exec 3<>gone
"$SAPIMEM_HARNESS" --mutator-work=none --alloc=8M --quiet --json=- --csv=sp.csv >gone 2>stderr 3<&- &
pid=$!
exec 3<&-
code=0
wait $pid || code=$?
[[ $code == 1 ]] && grep -qxF 'harness: standard output: Broken pipe' stderr || { echo "exit code $code"; cat stderr; exit 1; }
[[ -s sp.csv ]] || { echo "the reader's leaving lost sp.csv"; exit 1; }
[[ -z $(find . -name '*.partial') ]] || { echo "partial files were left"; exit 1; }
