#!/usr/bin/env bash
# Every command of the README that starts with scripts/ or harness works as it stands there.
#
# They run in a copy of the sources, so that what they write goes away with it. The rules:
#   scripts/harness ARGS, harness ARGS   run with the harness of this build ($SAPIMEM_HARNESS). A run of a generated
#                                        workload is shortened, whatever length its line asks for: to --requests=20
#                                        where the line says fpm, to --alloc=32M otherwise. Traces and other
#                                        subcommands run as they are.
#   scripts/policy-table ARGS            runs with this harness and little work, and must have a row for every policy
#   scripts/test ARGS                    not run, for this is one of its tests: it must exist and answer --help
#   scripts/X ARGS                       likewise
# A line runs with its pipes and redirections, and must exit 0, or N where its comment says "exits N".
set -euo pipefail

: "${SAPIMEM_HARNESS:?set by CTest}" "${SAPIMEM_SOURCE_DIR:?set by CTest}"
readme=$SAPIMEM_SOURCE_DIR/README.md
seconds_per_command=240
failures=0
commands=0

if [[ ! -e $readme ]]; then
    echo "readme-commands: FAILED: there is no README.md" >&2
    exit 1
fi
if [[ ! -x $SAPIMEM_HARNESS ]]; then
    echo "readme-commands: FAILED: this build has no harness at $SAPIMEM_HARNESS" >&2
    exit 1
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/sapimem-readme.XXXXXX")
trap 'rm -rf "$work"' EXIT
copy=$work/copy
mkdir -p "$copy" "$work/bin"
tar -C "$SAPIMEM_SOURCE_DIR" --exclude=./build --exclude=./results/local --exclude=./.git -cf - . | tar -C "$copy" -xf -

# Stands in for scripts/harness and harness. SHORTEN is the option that ends a run early; empty: run as it is.
cat >"$work/bin/harness" <<'END'
#!/usr/bin/env bash
arguments=()
for argument in "$@"; do
    case $argument in
    --alloc=* | --iterations=* | --requests=* | --seconds=*) [[ -n $SHORTEN ]] && continue ;;
    esac
    arguments+=("$argument")
done
[[ -z $SHORTEN ]] || arguments+=("$SHORTEN")
exec "$SAPIMEM_HARNESS" "${arguments[@]}"
END
chmod +x "$work/bin/harness"
rm -f "$copy/scripts/harness"
cp "$work/bin/harness" "$copy/scripts/harness"

# The commands, one a line: of every ```sh block, without prompt, continuation lines joined.
commands_of_readme() {
    awk '
        /^```/ { inside = ($0 == "```sh"); next }
        inside {
            sub(/^\$ /, "")
            line = line $0
            if (sub(/\\$/, "", line)) next
            if (line ~ /^(scripts\/|harness( |$))/) print line
            line = ""
        }' "$readme"
}

# The option by which this line is shortened; nothing when it is not a run of a generated workload.
shortening() {
    local line=${1%%#*}
    local arguments=${line#* }
    [[ $arguments != "$line" ]] || arguments=
    case $arguments in
    *--help* | *--version* | *trace:*) ;;
    "" | run | run\ * | -*) if [[ $arguments == *fpm* ]]; then echo --requests=20; else echo --alloc=32M; fi ;;
    esac
}

report() {
    commands=$((commands + 1))
    if [[ $1 == ok ]]; then
        echo "ok: $2"
    else
        failures=$((failures + 1))
        echo "FAILED: $2: $3" >&2
        cat "$work/stdout" "$work/stderr" >&2 2>/dev/null || true
    fi
}

run_harness_line() {
    local line=$1 expected=0 status=0 shorten
    [[ $line =~ \#.*exits\ ([0-9]+) ]] && expected=${BASH_REMATCH[1]}
    shorten=$(shortening "$line")
    (cd "$copy" && SHORTEN=$shorten PATH=$work/bin:$PATH timeout "$seconds_per_command" bash -o pipefail -c "$line") \
        >"$work/stdout" 2>"$work/stderr" </dev/null || status=$?
    local how="$line${shorten:+   [length: $shorten]}"
    if [[ $status -ne $expected ]]; then
        report failed "$how" "exit $status, expected $expected"
    elif [[ $expected -eq 0 && ! -s $work/stdout && $line != *'>'* ]]; then
        report failed "$how" "printed nothing"
    elif [[ $line == *--json=-* && $line != *[\|\>]* ]] && ! /usr/bin/python3 -m json.tool "$work/stdout" >/dev/null; then
        report failed "$how" "stdout is not one JSON document"
    else
        report ok "$how"
    fi
}

# The table of this line, made of one short run a cell: it names every policy, each with a figure or the reason why not.
run_policy_table() {
    local line=$1 status=0 rows
    rm -rf "$work/table"
    (cd "$copy" && timeout "$seconds_per_command" bash -c "$line --runs=1 --alloc=2M --out=$work/table") \
        >"$work/stdout" 2>"$work/stderr" </dev/null || status=$?
    if [[ $status -ne 0 ]]; then
        report failed "$line" "exit $status, expected 0"
        return
    fi
    rows=$("$SAPIMEM_HARNESS" list policies --json | /usr/bin/python3 -c '
import json, pathlib, sys
table = pathlib.Path(sys.argv[1]).read_text()
names = [policy["name"] for policy in json.load(sys.stdin)]
print(" ".join(name for name in names if f"| {name} | " not in table))' "$work/table/policy-table.md")
    if [[ -n $rows ]]; then
        report failed "$line" "no row for: $rows"
    else
        report ok "$line   [--runs=1 --alloc=2M]"
    fi
}

check_help() {
    local script=$1 status=0
    if [[ ! -x $copy/$script ]]; then
        rm -f "$work/stdout" "$work/stderr"
        report failed "$script" "is not there, or not executable"
        return
    fi
    (cd "$copy" && timeout 60 "$script" --help) >"$work/stdout" 2>"$work/stderr" </dev/null || status=$?
    if [[ $status -ne 0 ]] || ! cat "$work/stdout" "$work/stderr" | grep -qi usage; then
        report failed "$script --help" "exit $status, or no usage text"
    else
        report ok "$script --help"
    fi
}

harness_lines=0
test_lines=0
while IFS= read -r line <&3; do
    case $line in
    scripts/harness* | harness*)
        harness_lines=$((harness_lines + 1))
        run_harness_line "$line"
        ;;
    scripts/policy-table*) run_policy_table "$line" ;;
    *)
        [[ $line != scripts/test* ]] || test_lines=$((test_lines + 1))
        check_help "${line%% *}"
        ;;
    esac
done 3< <(commands_of_readme)

# The two commands of a fresh machine are the README's promise; if no line was recognised, nothing was tested.
if [[ $harness_lines -eq 0 || $test_lines -eq 0 ]]; then
    echo "FAILED: README.md shows no scripts/harness or no scripts/test in a \`\`\`sh block" >&2
    failures=$((failures + 1))
fi
echo "$commands commands, $failures failed"
[[ $failures -eq 0 ]]
