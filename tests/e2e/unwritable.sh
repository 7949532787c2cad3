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
refused "--csv=-" --json=- --csv=-
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
