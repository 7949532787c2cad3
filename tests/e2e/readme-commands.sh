#!/usr/bin/env bash
# Every command of the README works as it stands there.
#
# They run one after another in a copy of the sources, so that each finds what those before it wrote, and all goes away. The rules:
#   scripts/harness ARGS                 runs with the harness of this build ($SAPIMEM_HARNESS). A run of a generated
#                                        workload is shortened, whatever length its line asks for: to --requests=20
#                                        where the line says fpm, to --alloc=32M otherwise. Traces and other
#                                        subcommands run as they are.
#   --cell-seconds=S                     is less in every line
#   scripts/policy-table ARGS            runs with this harness and little work, and must have a row for every policy
#   scripts/plot, recommend ...          run as they are ("runs_whole" below); pauses, characterise ... with little work ("little_work")
#   scripts/test, twin, microbench ...   are not run: this is one of the tests of the first, the others want programs that this
#                                        build may lack and have tests of their own. They must answer --help, and name
#                                        there every option that the line gives
#   what yaml blocks `run:`              likewise
#   cmake, cc                            are run by install/readme-program.sh; any other command fails
# A line runs with its pipes and redirections, and must exit 0, or as its comment says: "exits N", "exits N or M".
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

# Stands in for scripts/harness. SHORTEN is the option that ends a run early; empty: run as it is.
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

# The commands, one a line: of every sh block, without prompt, continuation lines joined; of yaml blocks the values of `run`,
# marked, for they are the same commands again.
commands_of_readme() {
    awk '
        /^```/ { kind = substr($0, 4); next }
        kind == "sh" || kind == "yaml" {
            if (kind == "sh") sub(/^\$ /, "")
            else if (!sub(/^ *- run: /, "")) next
            line = line $0
            if (sub(/\\$/, "", line)) next
            if (line != "") print (kind == "yaml" ? "yaml " : "") line
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

# Runs a line whole, as shorter work where $2 is the option for it.
run_line() {
    local line=$1 shorten=${2-} expected=0 status=0
    [[ $line =~ \#.*exits\ ([0-9]+(\ or\ [0-9]+)*) ]] && expected=${BASH_REMATCH[1]}
    line=$(sed -E 's/--cell-seconds=[0-9.]+/--cell-seconds=0.05/' <<<"$line")
    (cd "$copy" && SHORTEN=$shorten PATH=$work/bin:$PATH timeout "$seconds_per_command" bash -o pipefail -c "$line") \
        >"$work/stdout" 2>"$work/stderr" </dev/null || status=$?
    local how="$line${shorten:+   [length: $shorten]}"
    if [[ " $expected " != *" $status "* ]]; then
        report failed "$how" "exit $status, expected $expected"
    elif [[ $status -eq 0 && ! -s $work/stdout && $line != *'>'* && $line != *' trace check '* && $line != *' trace '*pack' '* ]]; then
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

# Needs no more than a moment, or is what the README is about. A tool that is missing here has a test that says so.
runs_whole() {
    case $1 in
    scripts/slope | scripts/pack-results) ;;
    scripts/plot | scripts/recommend | scripts/check-stability) /usr/bin/python3 -c 'import matplotlib, numpy, scipy' 2>/dev/null ;;
    scripts/distribute/run) command -v parallel >/dev/null ;;
    *) false ;;
    esac
}

# What a script takes in place of its usual amount of work; later options win.
little_work() {
    case $1 in
    scripts/pauses) echo "--sizes=1k --work=1M" ;;
    scripts/linked-compare) echo "--objects=2k --iterations=30 --graphs=50 --touch=1 --runs=1 --no-php" ;;
    scripts/trigger-cost) echo "--workload=churn:objects=2k --sizes=64K --alloc=1M --runs=1" ;;
    # Its figures are those of scripts/plot, which a line before this one draws.
    scripts/report) echo "--no-figures" ;;
    scripts/characterise) echo "--steps=3 --traces=- --no-figure" ;;
    scripts/php-compare) if command -v php8.2 >/dev/null; then echo "--steps=5"; fi ;;
    esac
}

# The script answers --help, and the options of the line are there.
check_help() {
    local line=${1%%#*} script=${1%% *} status=0 option
    if [[ ! -x $copy/$script ]]; then
        rm -f "$work/stdout" "$work/stderr"
        report failed "$script" "is not there, or not executable"
        return
    fi
    (cd "$copy" && timeout 60 "$script" --help) >"$work/stdout" 2>"$work/stderr" </dev/null || status=$?
    if [[ $status -ne 0 ]] || ! grep -qi usage "$work/stdout" "$work/stderr"; then
        report failed "$script --help" "exit $status, or no usage text"
        return
    fi
    for option in $(grep -oE -- '--[a-z-]+' <<<"$line"); do
        if ! grep -qF -e "$option" "$work/stdout"; then
            report failed "$line" "$option is not in $script --help"
            return
        fi
    done
    report ok "$line   [--help alone]"
}

run_script_line() {
    local line=$1 script=${1%% *} work_options
    work_options=$(little_work "$script")
    if [[ $line == *--write-baseline* ]]; then
        # The gate's own test does, and the gate has run once already by this line.
        check_help "$line"
    elif runs_whole "$script"; then
        run_line "$line"
    elif [[ -n $work_options ]]; then
        run_line "${line%%#*} $work_options"
    else
        check_help "$line"
    fi
}

harness_lines=0
test_lines=0
while IFS= read -r line <&3; do
    case $line in
    scripts/harness*)
        harness_lines=$((harness_lines + 1))
        run_line "$line" "$(shortening "$line")"
        ;;
    "yaml "*) check_help "${line#yaml }" ;;
    scripts/policy-table*) run_policy_table "${line%%#*}" ;;
    scripts/*)
        [[ $line != scripts/test* ]] || test_lines=$((test_lines + 1))
        run_script_line "$line"
        ;;
    cmake\ * | cc\ *) ;;
    *)
        rm -f "$work/stdout" "$work/stderr"
        report failed "$line" "no rule of this test runs it"
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
