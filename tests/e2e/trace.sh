#!/usr/bin/env bash
# harness trace pack and unpack: the round trip is byte by byte the same, nothing is replaced, bad input leaves nothing.
set -euo pipefail
: "${SAPIMEM_HARNESS:?set by CTest}" "${SAPIMEM_SOURCE_DIR:?set by CTest}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
traces=$SAPIMEM_SOURCE_DIR/tests/traces

fail() {
    echo "FAILED: $*"
    [[ ! -s stderr ]] || sed 's/^/    /' stderr
    exit 1
}

# refused CODE TEXT ARGUMENTS...: one line on standard error with TEXT in it, and the folder is as it was.
refused() {
    local expected=$1 text=$2 code=0 before
    shift 2
    before=$(find . -type f ! -name std\* -exec cksum {} + | sort)
    "$SAPIMEM_HARNESS" trace "$@" >stdout 2>stderr || code=$?
    [[ $code == "$expected" ]] || fail "trace $*: exit code $code, expected $expected"
    [[ $(wc -l <stderr) == 1 ]] || fail "trace $*: expected one line"
    grep -qF -e "$text" stderr || fail "trace $*: the line does not say '$text'"
    [[ ! -s stdout ]] || fail "trace $*: wrote to standard output"
    [[ $(find . -type f ! -name std\* -exec cksum {} + | sort) == "$before" ]] || fail "trace $*: left files or changed them"
}

# Each valid trace and both recorded ones, there and back, beside the file, to a name and to standard output.
for trace in "$traces"/valid/*.sapitrace; do
    cp "$trace" text.sapitrace
    "$SAPIMEM_HARNESS" trace pack text.sapitrace
    "$SAPIMEM_HARNESS" trace check text.sapitrace.zst
    zstd -dc text.sapitrace.zst | cmp - "$trace" || fail "$trace: the packed text differs"
    "$SAPIMEM_HARNESS" trace unpack text.sapitrace.zst again
    cmp again "$trace" || fail "$trace: not the same after pack and unpack"
    mv text.sapitrace aside
    "$SAPIMEM_HARNESS" trace unpack text.sapitrace.zst
    cmp text.sapitrace aside || fail "$trace: not the same beside the packed file"
    rm -f text.sapitrace text.sapitrace.zst again aside
done
for trace in "$traces"/*.zst; do
    "$SAPIMEM_HARNESS" trace unpack "$trace" - >text
    "$SAPIMEM_HARNESS" trace pack text - >packed
    zstd -dc "$trace" | cmp - text || fail "$trace: unpacked to another text"
    zstd -dc packed | cmp - text || fail "$trace: packed again to another text"
done
[[ $(ls) == $'packed\ntext' ]] || fail "left behind: $(ls)"

# Frames one after another are one trace; comments may hold any bytes.
printf '# sapitrace 1\n# \377\001 \r\n(\n' >head
printf 'n 1 bytes 8 0\n)\n# the end\n' >tail
cat head tail >joined
{ zstd -qc head; zstd -qc tail; } >joined.zst
"$SAPIMEM_HARNESS" trace unpack joined.zst - | cmp - joined || fail "two frames: another text"

# Bad input of every kind.
head -c 2000 packed >truncated.zst
printf 'not a trace\n' >plain
printf '# sapitrace 1\n(\nn 1 array 0 2\ns 1 5 0\n)\n' >slot
printf '# sapitrace 1\n(\nn 1 bytes 8 0\n)' >no-line-feed
zstd -q slot plain
printf junk | cat packed - >trailing.zst
size=$(wc -c <packed)
{ head -c $((size / 2)) packed; printf '\0\0\0\0'; tail -c +$((size / 2 + 5)) packed; } >damaged.zst
{ head -c $((size - 4)) packed; printf 'abcd'; } >checksum.zst
mkdir directory
: >empty
for verb in pack unpack check info; do
    target=()
    [[ $verb != unpack ]] || target=(out)
    refused 2 "trace $verb: expected a FILE" "$verb"
    refused 2 "missing: cannot open: No such file" "$verb" missing "${target[@]}"
    refused 2 "directory: cannot read: Is a directory" "$verb" directory "${target[@]}"
    refused 2 "plain:1: bad magic" "$verb" plain "${target[@]}"
    refused 2 "plain.zst:1: bad magic" "$verb" plain.zst "${target[@]}"
    refused 2 "empty: the file is empty" "$verb" empty "${target[@]}"
    refused 2 "slot:4: slot 5 is out of range" "$verb" slot "${target[@]}"
    refused 2 "slot.zst:4: slot 5 is out of range" "$verb" slot.zst "${target[@]}"
    refused 2 "no-line-feed:4: the file ends inside a line" "$verb" no-line-feed "${target[@]}"
    refused 2 "truncated" "$verb" truncated.zst "${target[@]}"
    refused 2 "damaged" "$verb" trailing.zst "${target[@]}"
    refused 2 "damaged" "$verb" damaged.zst "${target[@]}"
    refused 2 "damaged" "$verb" checksum.zst "${target[@]}"
done
refused 2 "it is compressed already" pack joined.zst
refused 2 "it is not compressed" unpack joined out
refused 2 "it is compressed already" pack joined.zst -
refused 2 "found 'c' behind it" pack a b c
refused 2 "found 'b' behind it" check a b
refused 2 "expected info, check, pack or unpack" pact joined
refused 2 "expected info, check, pack or unpack, and a FILE"

# Targets: no name to be had, one that exists, one that cannot be written.
cp joined.zst packed-by-another-name
refused 2 "expected a name that ends in .zst" unpack packed-by-another-name
refused 2 "joined.zst: exists already" pack joined
refused 2 "joined: exists already" unpack joined.zst
refused 2 "joined: exists already" pack joined joined
refused 2 "directory: exists already" pack joined directory
ln -s nowhere dangling
refused 2 "dangling: exists already" pack joined dangling
refused 2 "no/such/place: expected a file that can be written: No such file" pack joined no/such/place
refused 2 "plain/below: expected a file that can be written: Not a directory" pack joined plain/below
if [[ $(id -u) != 0 ]]; then
    mkdir closed && chmod 555 closed
    refused 2 "closed/out: expected a file that can be written: Permission denied" pack joined closed/out
fi

# A place that takes nothing fails, and a device is written in place.
refused 1 "No space left" unpack joined.zst /dev/full
code=0
"$SAPIMEM_HARNESS" trace unpack joined.zst - >/dev/full 2>stderr || code=$?
[[ $code == 1 && $(wc -l <stderr) == 1 ]] || fail "standard output is full: exit code $code, expected 1 and one line"
# The file is larger than the pipe holds, so that the reader is gone before the end.
"$SAPIMEM_HARNESS" trace unpack joined.zst /dev/null
code=0
"$SAPIMEM_HARNESS" trace unpack packed - 2>stderr | head -1 >first || code=$?
[[ $code != 0 && $(cat first) == "# sapitrace 1" && $(wc -l <stderr) == 1 ]] || fail "the reader went away: exit code $code"
[[ -c /dev/null ]] || fail "/dev/null was replaced"

echo "round trips of $(ls "$traces"/valid "$traces"/*.zst | wc -l) traces"
