#!/usr/bin/env bash
# The README's program, built by the README's command, against the installed package.
# shellcheck source=tests/install/installed-package.bash
source "$(dirname "$0")/installed-package.bash"
readme=$SAPIMEM_SOURCE_DIR/README.md
[[ -e $readme ]] || fail "there is no README.md"

# block LANGUAGE: the first block in that language below the heading "## Embed".
block() {
    awk -v fence="\`\`\`$1" '
        /^## / { inside = ($0 ~ /^## Embed/) }
        copying && /^```/ { exit }
        copying { print }
        inside && $0 == fence { copying = 1 }' "$readme"
}

program=$(block c)
[[ -n $program ]] || fail "README.md has no \`\`\`c block below the heading \"## Embed\""
lines=$(wc -l <<<"$program")
[[ $lines -le 30 ]] || fail "the README's program has $lines lines; it says it is one of 30"

# The command is the line that starts with cc; it names the file that the program goes into.
command=$(block sh | grep '^cc ' | head -n 1) || fail "README.md has no command that starts with cc below \"## Embed\""
file=$(grep -oE '[A-Za-z0-9_-]+\.c\b' <<<"$command" | head -n 1) || fail "no .c file in: $command"
output=$(grep -oE -- '-o +[^ ]+' <<<"$command" | awk '{print $2}') || output=a.out

install_package
mkdir "$work/project" "$work/bin"
printf '%s\n' "$program" >"$work/project/$file"
# PREFIX is where the README's line before it installs. The user's cc is, here, the compiler of the build under test: sanitizers of two compilers do not mix.
printf '#!/bin/sh\nexec "%s" "$@"\n' "$compiler" >"$work/bin/cc"
chmod +x "$work/bin/cc"
cd "$work/project"
say "$command"
PREFIX=$prefix PKG_CONFIG_PATH='' PATH=$work/bin:$PATH quietly bash -euc "$command"

# Besides the README's own command: the program has no warnings.
read -ra package_flags <<<"$(pkg-config --static --cflags --libs sapimem)"
quietly "$compiler" "${strict_flags[@]}" "${sanitizer_flags[@]}" "$file" "${package_flags[@]}" -o strict

printed=$("./$output") || fail "the program exited with $?"
printf '%s\n' "$printed"
# What sm_stats_print shows of a program that allocates and collects.
for word in allocated cycles; do
    grep -q "$word.*[1-9]" <<<"$printed" || fail "the program printed no statistics: no figure for '$word'"
done
